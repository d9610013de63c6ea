//! Works off what moves wallets, sales and their corrections: reads the state of a whole batch at once,
//! decides each wallet's commands in order, and commits them together. A stored checkout outranks everything:
//! it is the outcome.
//!
//! A message is done only when its outcome is durable and told. Whoever loses a race, or does not hear
//! whether a commit went through, reads again and decides anew.

pub mod plan;
pub mod state;
pub mod work;

use crate::batch::{Batch, Batches};
use crate::fifo::BATCH_BUDGET;
use crate::lambda::Worker;
use aws::bus::Names;
use aws::clock::Clock;
use aws::config::Clients;
use aws::failure::Failure;
use aws::menus::Menus;
use aws::results::{Lane, Results};
use aws::retry::Policy;
use aws::table::{NotCommitted, Reason, Table, Write};
use aws::telemetry::Metrics;
use aws_lambda_events::sqs::{SqsBatchResponse, SqsEvent};
use domain::booking::{Booking, BookingOutcome};
use domain::checkout::{Checkout, Outcome};
use domain::planted::{self, Planted};
use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use jiff::Timestamp;
use plan::Plan;
use state::{MENUS_BUDGET, State};
use tokio::time::{Instant, timeout_at};
use work::Work;

/// Whole calls that may fail before the wallets of a transaction go alone.
const SHARED_FAILURES: u32 = 2;

#[derive(Debug, Clone)]
pub struct PostCheckoutsWorker {
    table: Table,
    results: Results,
    batches: Batches,
    menus: Menus,
    names: Names,
    clock: Clock,
    metrics: Metrics,
}

/// What a round came to.
#[derive(Debug, Default)]
struct Round {
    /// Something is done with, for good or ill.
    has_progress: bool,
    /// Something failed that may pass.
    has_failed: bool,
}

impl PostCheckoutsWorker {
    pub fn new(clients: &Clients, clock: Clock, metrics: Metrics) -> Self {
        Self {
            // A round is the attempt, and the next one the retry.
            table: clients.table(Policy::ONCE),
            results: clients.results(Policy::ONCE),
            batches: Batches::new(clients, metrics.clone()),
            menus: Menus::default(),
            names: clients.config().names.clone(),
            clock,
            metrics,
        }
    }

    /// The table as this worker uses it, for whoever counts its calls.
    pub fn table(&self) -> &Table {
        &self.table
    }

    async fn work_off_batch(&self, event: SqsEvent) -> SqsBatchResponse {
        let (started, batch) = (Instant::now(), Batch::of(event));
        let work = async {
            let mut works: Vec<_> =
                batch.groups.iter().map(|group| Work::read(group, &batch.queue_arn, &self.names)).collect();
            let work = Box::pin(self.work_off(&mut works, started + MENUS_BUDGET));
            if timeout_at(started + BATCH_BUDGET, work).await.is_err() {
                tracing::warn!(budget_ms = BATCH_BUDGET.as_millis(), "the batch ran out of time");
            }
            works.into_iter().flat_map(Work::hand_back).collect()
        };
        self.batches.work_off(&batch, work).await
    }

    async fn work_off(&self, works: &mut [Work<'_>], menus_until: Instant) {
        if planted::is(Planted::PoisonSpreads) && works.iter().any(Work::is_poisoned) {
            return;
        }
        let mut pauses = Policy::WORKER.pauses();
        while works.iter().any(|work| work.is_open() || work.is_untold()) {
            let is_open = works.iter().any(Work::is_open);
            let mut round = if is_open { self.round(works, menus_until).await } else { Round::default() };
            self.tell_rest(works, &mut round).await;
            if round.has_failed && !pauses.pause().await && !round.has_progress {
                return;
            }
        }
    }

    /// Reads, decides and commits what is open, once; transactions run side by side.
    async fn round(&self, works: &mut [Work<'_>], menus_until: Instant) -> Round {
        let mut round = Round::default();
        let plans = match State::read(&self.table, &self.menus, works, menus_until).await {
            Ok(state) => plan(works, state, self.clock.now(), &mut round),
            Err(failure) => {
                round.has_failed = true;
                let first_open = works.iter_mut().filter(|work| work.is_open());
                first_open.for_each(|work| work.fail(failure.again().as_transient()));
                return round;
            }
        };
        let transactions = plan::transactions(plans, works).into_iter();
        let mut commits: FuturesUnordered<_> =
            transactions.map(|plans| self.commit_and_tell(plans)).collect();
        while let Some((plans, committed, told)) = commits.next().await {
            round.has_progress |= committed.is_ok();
            round.has_failed |= committed.is_err() || told.is_err();
            match committed {
                Ok(()) => self.finish(plans, told, works),
                Err(NotCommitted::Cancelled(reasons)) => blame(&plans, reasons, works),
                Err(NotCommitted::Failure(failure)) => blame_all(&plans, &failure, works),
            }
        }
        round
    }

    /// Tells what is durable at once, but for wallets of which something is left untold from before. A
    /// message stays in its queue until then: the queue is the outbox.
    async fn commit_and_tell(
        &self,
        mut plans: Vec<Plan>,
    ) -> (Vec<Plan>, Result<(), NotCommitted>, Result<(), Failure>) {
        let committed = self.commit(&plans).await;
        let mut told = Ok(());
        if committed.is_ok() {
            let mut lanes: Vec<_> =
                plans.iter_mut().filter(|plan| !plan.is_behind).map(|plan| &mut plan.lane).collect();
            told = self.tell(&mut lanes).await;
        }
        (plans, committed, told)
    }

    async fn commit(&self, plans: &[Plan]) -> Result<(), NotCommitted> {
        let writes: Vec<_> = plans.iter().flat_map(|plan| plan.writes.iter().cloned()).collect();
        let stale = if planted::is(Planted::StaleDecision) { writes.clone() } else { vec![] };
        let mut committed = if writes.is_empty() { Ok(()) } else { self.table.commit(writes).await };
        if planted::is(Planted::StaleDecision) && matches!(committed, Err(NotCommitted::Cancelled(_))) {
            let again = stale.into_iter().map(Write::against_the_next_version);
            committed = self.table.commit(again.collect()).await;
        }
        if planted::is(Planted::ConflictIsSuccess) && matches!(committed, Err(NotCommitted::Cancelled(_))) {
            committed = Ok(());
        }
        committed
    }

    fn finish(&self, plans: Vec<Plan>, told: Result<(), Failure>, works: &mut [Work<'_>]) {
        for plan in plans {
            self.measure(&plan.decided);
            plan.booked.iter().for_each(log);
            if let Some(work) = plan.of(works) {
                work.finish(plan.commands, plan.lane);
                work.tell_of(&told);
            }
        }
    }

    /// Tells what was left untold.
    async fn tell_rest(&self, works: &mut [Work<'_>], round: &mut Round) {
        let mut lanes: Vec<_> = works.iter_mut().map(|work| &mut work.lane).collect();
        let untold: usize = lanes.iter().map(|lane| lane.len()).sum();
        let told = self.tell(&mut lanes).await;
        let left: usize = lanes.iter().map(|lane| lane.len()).sum();
        round.has_progress |= left < untold;
        round.has_failed |= told.is_err();
        works.iter_mut().for_each(|work| work.tell_of(&told));
    }

    async fn tell(&self, lanes: &mut [&mut Lane]) -> Result<(), Failure> {
        let tenant = lanes.iter().find_map(|lane| Some(lane.front()?.tenant.clone()));
        let Some(tenant) = tenant else { return Ok(()) };
        let told = self.results.tell_lanes(&tenant, lanes).await;
        if planted::is(Planted::UntoldAcknowledged) {
            lanes.iter_mut().for_each(|lane| lane.clear());
            return Ok(());
        }
        told
    }

    fn measure(&self, decided: &[Checkout]) {
        let Some(tenant) = decided.first().map(|checkout| &checkout.tenant) else { return };
        let now_ms = self.clock.now().as_millisecond();
        let mut accept_to_settled_ms = Vec::new();
        for checkout in decided {
            match &checkout.outcome {
                Outcome::Settled { .. } => {
                    accept_to_settled_ms.push(now_ms - checkout.accepted_at.as_millisecond());
                }
                Outcome::Rejected(rejection) => self.metrics.rejected(tenant, rejection.name()),
                Outcome::Withdrawn => {}
            }
        }
        self.metrics.settled(tenant, &accept_to_settled_ms);
    }
}

impl Worker for PostCheckoutsWorker {
    async fn handle(&self, event: SqsEvent) -> SqsBatchResponse {
        self.work_off_batch(event).await
    }
}

fn log(booking: &Booking) {
    let (id, kind) = (booking.id.as_str(), booking.kind);
    match &booking.outcome {
        BookingOutcome::Booked { .. } => tracing::info!(booking.id = id, ?kind, "booked {id}"),
        BookingOutcome::Rejected(rejection) => {
            tracing::info!(booking.id = id, ?kind, reason = rejection.name(), "rejected booking {id}");
        }
    }
}

/// Decides what is open. A wallet that cannot be decided says why, and waits or is done with.
fn plan(works: &mut [Work<'_>], mut state: State, now: Timestamp, round: &mut Round) -> Vec<Plan> {
    let mut plans = Vec::new();
    for (index, work) in works.iter_mut().enumerate().filter(|(_, work)| work.is_open()) {
        match Plan::make(index, work, &mut state, now) {
            Ok(plan) => plans.push(plan),
            Err(failure) => {
                round.has_failed |= failure.is_transient();
                round.has_progress |= !failure.is_transient();
                work.fail(failure);
            }
        }
    }
    plans
}

/// A transaction was cancelled: whoever was the reason goes alone from now on, the others go together
/// again. What is invalid even alone has failed for good; lost races and throttling pass.
fn blame(plans: &[Plan], reasons: Vec<Reason>, works: &mut [Work<'_>]) {
    let mut reasons = reasons.into_iter();
    for plan in plans {
        // A reason that is missing is as bad as any.
        let own: Vec<_> = plan.writes.iter().map(|_| reasons.next().unwrap_or(Reason::Refused)).collect();
        if own.iter().all(|reason| *reason == Reason::None) {
            continue;
        }
        if let Some(work) = plan.of(works) {
            work.is_alone = true;
            let is_invalid = own.contains(&Reason::Invalid) && plans.len() == 1;
            let failed = if is_invalid { Failure::malformed } else { Failure::transient };
            work.fail(failed("commit a wallet", format!("{own:?}")));
        }
    }
}

/// A whole call failed, or its answer was lost: once is chance, twice is somebody's fault.
fn blame_all(plans: &[Plan], failure: &Failure, works: &mut [Work<'_>]) {
    for work_of in plans {
        if let Some(work) = work_of.of(works) {
            let is_shared = plans.len() > 1;
            work.shared_failures += u32::from(is_shared);
            work.is_alone |= work.shared_failures >= SHARED_FAILURES || !failure.is_transient();
            work.fail(if is_shared { failure.again().as_transient() } else { failure.again() });
        }
    }
}
