//! From a state to writes: the commands of one wallet fold into one update of it, and the rejections
//! decided on that wallet ride in the same transaction.

use super::state::State;
use super::work::{WalletCommand, Work};
use aws::failure::Failure;
use aws::results::Lane;
use aws::stored;
use aws::table::{MAX_TRANSACTION, Write};
use aws::{items, keys};
use domain::booking::{self, Booking, PostBooking};
use domain::checkout::{self, Checkout, Outcome};
use domain::command::PostCheckout;
use domain::employee::Employee;
use domain::event::Event;
use domain::id::{CheckoutId, CommandId};
use domain::planted::{self, Planted};
use domain::wallet::Wallet;
use jiff::Timestamp;
use std::collections::BTreeMap;

/// What one wallet's next commands come to.
#[derive(Debug)]
pub struct Plan {
    /// Index of the work it is for.
    work: usize,
    /// How many commands it takes care of.
    pub commands: usize,
    /// What is told of each of them.
    pub lane: Lane,
    /// Something of this wallet was left untold, and goes first.
    pub is_behind: bool,
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
    /// What sales came to that have their outcome by now, or are changed: the state says no more of them.
    sales: BTreeMap<CheckoutId, Event>,
    bookings: BTreeMap<CommandId, Event>,
}

impl Till<'_> {
    /// The keys of a batch are not read at one instant. What the wallet was decides nothing behind an outcome
    /// that moved it.
    fn ensure_behind(&self, moved: &Wallet) -> Result<(), Failure> {
        if moved.version > self.wallet.version {
            return Err(torn("a wallet was read before what moved it"));
        }
        Ok(())
    }
}

fn torn(what: &'static str) -> Failure {
    Failure::transient("read a batch", what)
}

impl Plan {
    /// Plans commands up to the first that cannot be decided; fails if that is the very first.
    pub fn make(index: usize, work: &Work<'_>, state: &mut State, now: Timestamp) -> Result<Self, Failure> {
        let mut plan = Self {
            work: index,
            commands: 0,
            lane: Lane::new(),
            is_behind: work.is_untold(),
            writes: vec![],
            decided: vec![],
            booked: vec![],
        };
        let mut commands = work.next().peekable();
        let Some(first) = commands.peek() else { return Ok(plan) };
        let (employee, before) = state.take_owner(first.employee())?;
        let mut till =
            Till { state, employee, wallet: before, now, sales: BTreeMap::new(), bookings: BTreeMap::new() };
        for command in commands {
            let planned = match command {
                WalletCommand::Checkout(command) => plan.sell(&mut till, command),
                WalletCommand::Booking(command) => plan.book(&mut till, command),
            };
            match planned {
                Ok(Some(event)) => {
                    plan.commands += 1;
                    plan.lane.push_back(event);
                }
                Ok(None) => break,
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

    fn sell(&mut self, till: &mut Till<'_>, command: &PostCheckout) -> Result<Option<Event>, Failure> {
        // Whatever came first under an id is its outcome, also for another request.
        if let Some(event) = till.sales.get(&command.id) {
            return Ok(Some(event.clone()));
        }
        if let Some(stored) = till.state.checkout(&command.employee, command.id)? {
            if let Outcome::Settled { after, .. } = &stored.value.outcome {
                till.ensure_behind(after)?;
            }
            return Ok(Some(Event::of_checkout(&stored.value)));
        }
        // What nobody waits for any more ends without a menu that cannot be read.
        let menu = match command.is_expired(till.now) {
            true => None,
            false => till.state.menu(&command.concessionaire)?,
        };
        let on = checkout::State {
            tenant: &till.state.tenant,
            employee: &till.employee,
            wallet: till.wallet,
            menu,
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
        let event = Event::of_checkout(&decided);
        till.sales.insert(command.id, event.clone());
        self.decided.push(decided);
        Ok(Some(event))
    }

    /// Nothing if the sale that it concerns has to be read anew first.
    fn book(&mut self, till: &mut Till<'_>, command: &PostBooking) -> Result<Option<Event>, Failure> {
        let PostBooking { tenant, employee, .. } = command;
        if let Some(event) = till.bookings.get(&command.id) {
            return Ok(Some(event.clone()));
        }
        let target = command.correction.checkout();
        let earlier = till.state.booking(employee, &command.id.into())?;
        if earlier.is_none() && target.is_some_and(|id| till.sales.contains_key(&id)) {
            return Ok(None);
        }
        // Whatever came first under an id is its outcome, also for another request about another sale.
        let target = match &earlier {
            Some(earlier) => earlier.cause.as_ref().and_then(|cause| cause.checkout),
            None => target,
        };
        let sale = target.map(|id| till.state.checkout(employee, id)).transpose()?.flatten();
        let checkout = sale.as_ref().map(|sale| &sale.value);
        if let Some(earlier) = earlier {
            if let Some(entry) = earlier.entry() {
                till.ensure_behind(&entry.after)?;
            }
            if target.is_some() && checkout.is_none() && earlier.has_found_its_sale() {
                return Err(torn("a correction was read, and not the sale that it changed"));
            }
            return Ok(Some(Event::of_booking(tenant, employee, &earlier, checkout)));
        }
        let on = booking::State { tenant: &till.state.tenant, wallet: till.wallet, checkout, now: till.now };
        let decision = booking::decide(on, command);
        let left = decision.checkout.as_ref().or(checkout);
        let event = Event::of_booking(tenant, employee, &decision.booking, left);
        let booked = items::booking(tenant, employee, &decision.booking)?;
        let changed = decision.checkout.as_ref().map(items::checkout).transpose()?;
        self.writes.push(Write::Create(booked));
        self.writes.extend(changed.map(|item| stored::put(item, sale.as_ref())));
        till.wallet = decision.booking.entry().map_or(till.wallet, |entry| entry.after);
        till.sales.extend(decision.checkout.map(|checkout| (checkout.id, Event::of_checkout(&checkout))));
        till.bookings.insert(command.id, event.clone());
        self.booked.push(decision.booking);
        Ok(Some(event))
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
