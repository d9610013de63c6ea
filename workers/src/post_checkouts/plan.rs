//! From a state to writes: the checkouts of one wallet fold into one update of it, and the
//! rejections decided on that wallet ride in the same transaction.

use super::state::State;
use super::work::Work;
use aws::failure::Failure;
use aws::table::{MAX_TRANSACTION, Write};
use aws::{items, keys};
use domain::checkout::{self, Checkout, Outcome};
use domain::command::PostCheckout;
use domain::employee::Employee;
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
}

impl Plan {
    /// Plans commands up to the first that cannot be decided; fails if that is the very first.
    pub fn make(index: usize, work: &Work<'_>, state: &mut State, now: Timestamp) -> Result<Self, Failure> {
        let mut plan = Self { work: index, commands: 0, writes: vec![], decided: vec![] };
        let mut commands = work.next().peekable();
        let Some(first) = commands.peek() else { return Ok(plan) };
        let (employee, before) = state.take_buyer(first)?;
        let mut wallet = before;
        let mut seen = BTreeSet::new();
        for command in commands {
            // Whatever came first under an id is its outcome, also for another request.
            let is_first = seen.insert(command.id);
            match if is_first { decide(state, &employee, wallet, command, now) } else { Ok(None) } {
                Ok(Some(decided)) => {
                    if let Outcome::Settled { after, .. } = &decided.outcome {
                        wallet = *after;
                    }
                    let is_settled = matches!(decided.outcome, Outcome::Settled { .. });
                    if is_settled || !planted::is(Planted::RejectionUnstored) {
                        plan.writes.push(Write::Create(items::checkout(&decided)?));
                    }
                    plan.decided.push(decided);
                }
                Ok(None) => {}
                Err(failure) if plan.commands == 0 => return Err(failure),
                Err(_) => break,
            }
            plan.commands += 1;
        }
        if wallet != before {
            let key = keys::wallet(&state.tenant.id, &employee.number);
            plan.writes.push(Write::MoveWallet { key, from_version: before.version, to: wallet });
        }
        Ok(plan)
    }

    /// The work it is for.
    pub fn of<'w, 'a>(&self, works: &'w mut [Work<'a>]) -> Option<&'w mut Work<'a>> {
        works.get_mut(self.work)
    }
}

/// What comes of a command, nothing new if its outcome is stored.
fn decide(
    state: &mut State,
    employee: &Employee,
    wallet: Wallet,
    command: &PostCheckout,
    now: Timestamp,
) -> Result<Option<Checkout>, Failure> {
    if state.take_outcome(command)?.is_some() {
        return Ok(None);
    }
    let menu = state.menu(&command.concessionaire)?;
    let on = checkout::State { tenant: &state.tenant, employee, wallet, menu, now };
    Ok(Some(checkout::decide(&on, command)))
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
