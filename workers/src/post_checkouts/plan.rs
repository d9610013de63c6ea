//! From a state to writes: the commands of one wallet fold into one update of it, and the rejections
//! decided on that wallet ride in the same transaction.

use super::state::State;
use super::work::{WalletCommand, Work};
use aws::failure::Failure;
use aws::table::{MAX_TRANSACTION, Write};
use aws::{items, keys};
use domain::booking::{self, Booking, PostBooking};
use domain::checkout::{self, Checkout, Outcome};
use domain::command::PostCheckout;
use domain::employee::Employee;
use domain::id::{CheckoutId, CommandId};
use domain::planted::{self, Planted};
use domain::wallet::Wallet;
use jiff::Timestamp;
use std::collections::BTreeSet;

/// What one wallet's next commands come to.
#[derive(Debug)]
pub struct Plan {
    /// Index of the work it is for.
    work: usize,
    /// How many commands it takes care of.
    pub commands: usize,
    pub writes: Vec<Write>,
    /// What it decides anew.
    pub decided: Vec<Checkout>,
    pub booked: Vec<Booking>,
}

/// A wallet on the way through its commands.
struct Till<'a> {
    state: &'a State,
    employee: Employee,
    wallet: Wallet,
    now: Timestamp,
    /// Sales that have their outcome by now, or are changed: the state says no more of them.
    sales: BTreeSet<CheckoutId>,
    bookings: BTreeSet<CommandId>,
}

impl Plan {
    /// Plans commands up to the first that cannot be decided; fails if that is the very first.
    pub fn make(index: usize, work: &Work<'_>, state: &mut State, now: Timestamp) -> Result<Self, Failure> {
        let mut plan = Self { work: index, commands: 0, writes: vec![], decided: vec![], booked: vec![] };
        let mut commands = work.next().peekable();
        let Some(first) = commands.peek() else { return Ok(plan) };
        let (employee, before) = state.take_owner(first.employee())?;
        let mut till = Till { state, employee, wallet: before, now, sales: [].into(), bookings: [].into() };
        for command in commands {
            let planned = match command {
                WalletCommand::Checkout(command) => plan.sell(&mut till, command),
                WalletCommand::Booking(command) => plan.book(&mut till, command),
            };
            match planned {
                Ok(true) => plan.commands += 1,
                Ok(false) => break,
                Err(failure) if plan.commands == 0 => return Err(failure),
                Err(_) => break,
            }
        }
        if till.wallet != before {
            let key = keys::wallet(&till.state.tenant.id, &till.employee.number);
            plan.writes.push(Write::MoveWallet { key, from_version: before.version, to: till.wallet });
        }
        Ok(plan)
    }

    fn sell(&mut self, till: &mut Till<'_>, command: &PostCheckout) -> Result<bool, Failure> {
        // Whatever came first under an id is its outcome, also for another request.
        if till.sales.contains(&command.id) || till.state.checkout(&command.employee, command.id)?.is_some() {
            till.sales.insert(command.id);
            return Ok(true);
        }
        let on = checkout::State {
            tenant: &till.state.tenant,
            employee: &till.employee,
            wallet: till.wallet,
            menu: till.state.menu(&command.concessionaire)?,
            now: till.now,
        };
        let decided = checkout::decide(&on, command);
        let settled = match &decided.outcome {
            Outcome::Settled { after, .. } => Some(*after),
            Outcome::Rejected(_) | Outcome::Withdrawn => None,
        };
        if settled.is_some() || !planted::is(Planted::RejectionUnstored) {
            self.writes.push(Write::Create(items::checkout(&decided)?));
        }
        till.wallet = settled.unwrap_or(till.wallet);
        till.sales.insert(command.id);
        self.decided.push(decided);
        Ok(true)
    }

    /// False if the sale that it concerns has to be read anew first.
    fn book(&mut self, till: &mut Till<'_>, command: &PostBooking) -> Result<bool, Failure> {
        let target = command.correction.checkout();
        if till.bookings.contains(&command.id)
            || till.state.is_booked(&command.employee, &command.id.into())?
        {
            return Ok(true);
        }
        if target.is_some_and(|id| till.sales.contains(&id)) {
            return Ok(false);
        }
        let sale = target.map(|id| till.state.checkout(&command.employee, id)).transpose()?.flatten();
        let on = booking::State {
            tenant: &till.state.tenant,
            wallet: till.wallet,
            checkout: sale.as_ref().map(|(checkout, _)| checkout),
            now: till.now,
        };
        let decision = booking::decide(on, command);
        let booked = items::booking(&command.tenant, &command.employee, &decision.booking)?;
        let changed = decision.checkout.as_ref().map(items::checkout).transpose()?;
        self.writes.push(Write::Create(booked));
        self.writes.extend(changed.map(|item| match sale {
            Some((_, from)) => Write::Replace { item, from },
            None => Write::Create(item),
        }));
        till.wallet = decision.booking.entry().map_or(till.wallet, |entry| entry.after);
        till.sales.extend(decision.checkout.map(|checkout| checkout.id));
        till.bookings.insert(command.id);
        self.booked.push(decision.booking);
        Ok(true)
    }

    /// The work it is for.
    pub fn of<'w, 'a>(&self, works: &'w mut [Work<'a>]) -> Option<&'w mut Work<'a>> {
        works.get_mut(self.work)
    }
}

/// Plans by the transaction they commit in: together as far as a transaction reaches, except
/// those that go alone or have nothing to write.
pub fn transactions(plans: Vec<Plan>, works: &[Work<'_>]) -> Vec<Vec<Plan>> {
    let mut shared: Vec<Vec<Plan>> = Vec::new();
    let mut alone = Vec::new();
    for plan in plans {
        let has_room = |plans: &Vec<Plan>| {
            plans.iter().map(|other| other.writes.len()).sum::<usize>() + plan.writes.len() <= MAX_TRANSACTION
        };
        let is_alone = plan.writes.is_empty() || works.get(plan.work).is_some_and(|work| work.is_alone);
        match shared.last_mut() {
            _ if is_alone => alone.push(vec![plan]),
            Some(transaction) if has_room(transaction) => transaction.push(plan),
            _ => shared.push(vec![plan]),
        }
    }
    shared.append(&mut alone);
    shared
}
