//! From a state to writes: the checkouts of one wallet fold into one update of it, and the
//! rejections decided on that wallet ride in the same transaction.

use super::Work;
use super::state::State;
use aws::failure::Failure;
use aws::table::{MAX_TRANSACTION, Write};
use aws::{items, keys};
use domain::checkout::{self, Checkout, Outcome};
use domain::planted::{self, Planted};
use jiff::Timestamp;
use std::collections::BTreeSet;

/// What one wallet's next commands come to.
#[derive(Debug)]
pub struct Plan {
    /// Index of the work it is for.
    pub work: usize,
    /// How many commands it takes care of.
    pub commands: usize,
    pub writes: Vec<Write>,
    /// What it decides anew.
    pub decided: Vec<Checkout>,
}

impl Plan {
    pub fn make(index: usize, work: &Work, state: &mut State, now: Timestamp) -> Result<Self, Failure> {
        let commands = work.next();
        let mut plan = Self { work: index, commands: commands.len(), writes: vec![], decided: vec![] };
        let Some(first) = commands.first() else { return Ok(plan) };
        let (employee, before) = state.take_buyer(first)?;
        let mut wallet = before;
        let mut seen = BTreeSet::new();
        for command in commands {
            // Whatever came first under an id is its outcome, also for another request.
            if !seen.insert(command.id) || state.take_outcome(command)?.is_some() {
                continue;
            }
            let menu = state.menu(&command.concessionaire)?;
            let on = checkout::State { tenant: &state.tenant, employee: &employee, wallet, menu, now };
            let decided = checkout::decide(&on, command);
            if let Outcome::Settled { after, .. } = &decided.outcome {
                wallet = *after;
            }
            if !planted::is(Planted::RejectionUnstored) || matches!(decided.outcome, Outcome::Settled { .. })
            {
                plan.writes.push(Write::Create(items::checkout(&decided)?));
            }
            plan.decided.push(decided);
        }
        if wallet != before {
            let key = keys::wallet(&state.tenant.id, &employee.number);
            plan.writes.push(Write::MoveWallet { key, from_version: before.version, to: wallet });
        }
        Ok(plan)
    }
}

/// Plans by the transaction they commit in: together as far as a transaction reaches, except
/// those that go alone.
pub fn transactions(plans: Vec<Plan>, works: &[Work]) -> Vec<Vec<Plan>> {
    let mut shared: Vec<Vec<Plan>> = Vec::new();
    let mut alone = Vec::new();
    for plan in plans {
        let has_room = |plans: &Vec<Plan>| {
            plans.iter().map(|other| other.writes.len()).sum::<usize>() + plan.writes.len() <= MAX_TRANSACTION
        };
        match shared.last_mut() {
            _ if works[plan.work].is_alone => alone.push(vec![plan]),
            Some(transaction) if has_room(transaction) => transaction.push(plan),
            _ => shared.push(vec![plan]),
        }
    }
    shared.append(&mut alone);
    shared
}
