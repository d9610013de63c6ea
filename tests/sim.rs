//! A deterministic simulation of the whole system: the real intake router and every real worker on one
//! thread, in virtual time, over models of the services, with everything going wrong that can.
//!
//! One seed is one history, always the same; every commit and every answer is checked.

mod acts;
mod administration;
mod audit;
pub mod chaos;
mod client;
mod clock;
mod corrected;
mod files;
mod history;
mod judge;
mod link;
mod listener;
mod net;
mod observe;
mod office;
pub mod oracle;
mod play;
mod pool;
mod receivers;
mod release;
mod rosters;
pub mod script;
pub mod shrink;
mod sockets;
mod stage;
mod table;
mod terminal;
#[cfg(test)]
mod tests;
mod workers;

use chaos::{Chaos, Kind};
use clock::SimClock;
use files::Files;
use history::History;
use office::Office;
use oracle::{Invariant, Oracle, Verdict};
use pool::Pool;
use script::Script;
use sockets::Sockets;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, TryLockError};
use table::TableModel;
use tokio::sync::Notify;
use tokio::task::JoinSet;

/// What did not hold, and what it was seen in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Violation {
    pub invariant: Invariant,
    pub what: String,
}

/// One seed's run.
#[derive(Debug)]
pub struct Report {
    pub violation: Option<Violation>,
    /// Of everything that happened, in order.
    pub hash: u64,
    /// Virtual time that passed, without what the calendar jumped over.
    pub played_ms: i64,
    pub faults: BTreeMap<Kind, u64>,
    pub outcomes: BTreeMap<String, u64>,
    /// The history, if it was kept.
    pub lines: Vec<String>,
}

/// What all parts of one simulation share.
#[derive(Debug)]
pub struct Sim {
    pub clock: SimClock,
    pub table: TableModel,
    chaos: Mutex<Chaos>,
    history: Mutex<History>,
    oracle: Mutex<Oracle>,
    office: Mutex<Office>,
    files: Mutex<Files>,
    pool: Mutex<Pool>,
    sockets: Mutex<Sockets>,
    violation: Mutex<Option<Violation>>,
    violated: Notify,
    /// Workers at work and calls under way: what an outage ends.
    background: Mutex<JoinSet<()>>,
}

/// Plays the whole script of `seed`.
pub fn run_seed(seed: u64, is_kept: bool) -> Report {
    run(seed, &Script::of(seed), &BTreeSet::new(), is_kept)
}

/// Plays a script under `seed`, leaving out some kinds of trouble.
pub fn run(seed: u64, script: &Script, without: &BTreeSet<Kind>, is_kept: bool) -> Report {
    // The jitter of retries, and whatever the SDK draws.
    fastrand::seed(seed);
    let runtime = runtime();
    runtime.block_on(play::play(seed, script, without, is_kept))
}

/// One thread. Whatever comes from another, as a file that is looked at does, waits until there is nothing
/// else to do, so that it comes at the same place in every run.
fn runtime() -> tokio::runtime::Runtime {
    let mut builder = tokio::runtime::Builder::new_current_thread();
    let runtime = builder.enable_time().start_paused(true).global_queue_interval(u32::MAX).build();
    runtime.expect("a runtime")
}

/// There is one thread: whoever finds a lock taken would wait for itself.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    match mutex.try_lock() {
        Ok(guard) => guard,
        Err(TryLockError::Poisoned(poisoned)) => poisoned.into_inner(),
        Err(TryLockError::WouldBlock) => panic!("a lock of the simulation is taken twice"),
    }
}

impl Sim {
    pub fn chaos(&self) -> MutexGuard<'_, Chaos> {
        lock(&self.chaos)
    }

    pub fn oracle(&self) -> MutexGuard<'_, Oracle> {
        lock(&self.oracle)
    }

    pub fn office(&self) -> MutexGuard<'_, Office> {
        lock(&self.office)
    }

    pub fn files(&self) -> MutexGuard<'_, Files> {
        lock(&self.files)
    }

    pub fn pool(&self) -> MutexGuard<'_, Pool> {
        lock(&self.pool)
    }

    pub fn sockets(&self) -> MutexGuard<'_, Sockets> {
        lock(&self.sockets)
    }

    pub fn log(&self, event: fmt::Arguments<'_>) {
        lock(&self.history).record(self.clock.elapsed_ms(), event);
    }

    pub fn happened(&self, kind: Kind) {
        self.chaos().happened(kind);
        self.log(format_args!("{kind:?}"));
    }

    /// Notes a verdict; the first that is against us stops everything.
    pub fn note(&self, verdict: Verdict) {
        let Err((invariant, what)) = verdict else { return };
        self.log(format_args!("VIOLATED {invariant}: {what}"));
        lock(&self.violation).get_or_insert(Violation { invariant, what });
        self.violated.notify_one();
    }

    /// Runs something that an outage ends.
    pub fn in_background(&self, task: impl Future<Output = ()> + Send + 'static) {
        let mut background = lock(&self.background);
        while background.try_join_next().is_some() {}
        background.spawn(task);
    }

    /// Workers die where they stand, and what was under way is lost.
    pub fn stop_everything(&self) {
        *lock(&self.background) = JoinSet::new();
    }

    fn report(&self) -> Report {
        let mut history = lock(&self.history);
        Report {
            violation: lock(&self.violation).clone(),
            hash: history.hash(),
            played_ms: self.clock.played_ms(),
            faults: self.chaos().counts().clone(),
            outcomes: self.oracle().outcomes().into_iter().chain(self.sockets().outcomes()).collect(),
            lines: history.take_lines(),
        }
    }
}

/// Shared by everything that runs in one simulation.
pub type Shared = Arc<Sim>;
