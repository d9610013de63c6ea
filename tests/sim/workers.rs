//! The real workers behind the real pump, and what happens to workers: they die, stand still, get the
//! same batch twice, or keep messages that others already have again.

use super::chaos::Run;
use super::net::CALLER;
use super::oracle::{BookingPlace, Invariant, Papers, Place, Verdict};
use super::{Shared, release};
use aws::clock::Clock;
use aws::config::Clients;
use aws::files::Dropped;
use aws::telemetry::Metrics;
use aws::{items, keys};
use aws_lambda_events::sqs::{BatchItemFailure, SqsBatchResponse, SqsEvent, SqsMessage};
use domain::booking::PostBooking;
use domain::command::{Command, Deliver, ImportFile, Message, PostCheckout, Purpose, Reconcile, Replenish};
use domain::event::Event;
use domain::id::TenantId;
use domain::webhook::{Delivery, DeliveryState, STEPS_ASIDE_FROM};
use local::fifo::engine::Engine;
use std::collections::BTreeSet;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::time::{Sleep, sleep, timeout};
use workers::lambda::Worker;

/// Makes a worker of this release or, over clients of its own, of the next, by a clock that may be off.
pub type Hire<W> = Arc<dyn Fn(&Clients, Clock, Metrics) -> W + Send + Sync>;

/// Where a queue's batches go: one warm worker, replaced when it dies. Queues of several tenants share it, as
/// they share a function.
pub struct Crew<W> {
    sim: Shared,
    engine: Engine,
    tenant: TenantId,
    purpose: Purpose,
    queue: String,
    /// Of this release, and of the next.
    clients: [Clients; 2],
    hire: Hire<W>,
    warm: Arc<Mutex<W>>,
}

impl<W> Clone for Crew<W> {
    fn clone(&self) -> Self {
        Self {
            sim: self.sim.clone(),
            engine: self.engine.clone(),
            tenant: self.tenant.clone(),
            queue: self.queue.clone(),
            clients: self.clients.clone(),
            hire: self.hire.clone(),
            warm: self.warm.clone(),
            ..*self
        }
    }
}

impl<W: Worker + Clone + Send + Sync + 'static> Worker for Crew<W> {
    /// One invocation, as its caller sees it: a worker that died hands everything back.
    async fn handle(&self, event: SqsEvent) -> SqsBatchResponse {
        self.invoke(event).await
    }
}

impl<W: Worker + Clone + Send + Sync + 'static> Crew<W> {
    /// The crew of each tenant.
    pub fn of_all(
        sim: &Shared,
        engine: &Engine,
        tenants: &[TenantId],
        purpose: Purpose,
        clients: [Clients; 2],
        hire: Hire<W>,
    ) -> Vec<Self> {
        let warm = Arc::new(Mutex::new(hired(sim, &clients, &hire)));
        let crew = |tenant: &TenantId| Self {
            sim: sim.clone(),
            engine: engine.clone(),
            tenant: tenant.clone(),
            purpose,
            queue: clients[0].config().names.queue(tenant, purpose),
            clients: clients.clone(),
            hire: hire.clone(),
            warm: warm.clone(),
        };
        tenants.iter().map(crew).collect()
    }

    fn worker(&self) -> W {
        hired(&self.sim, &self.clients, &self.hire)
    }

    async fn invoke(&self, mut event: SqsEvent) -> SqsBatchResponse {
        let (run, is_given_twice, lapses) = {
            let mut chaos = self.sim.chaos();
            (chaos.worker_run(), chaos.is_given_twice(), chaos.lapses())
        };
        self.write_as_others(&mut event);
        self.sim.log(format_args!("{:?} takes {} {run:?}", self.purpose, names(&event)));
        if lapses {
            self.let_lapse(&event);
        }
        if is_given_twice {
            let (crew, event) = (self.clone(), event.clone());
            let worker = self.worker();
            let delay = Duration::from_millis(self.sim.chaos().rng.u64(0..60));
            self.sim.in_background(async move {
                tokio::time::sleep(delay).await;
                let response = CALLER.scope(crew.tenant.clone(), worker.handle(event.clone())).await;
                crew.sim.note(crew.judge(&event, &response));
            });
        }
        let all = everything(&event);
        match self.run(event, run).await {
            Some(response) => response,
            None => {
                self.sim.log(format_args!("{:?} died", self.purpose));
                *super::lock(&self.warm) = self.worker();
                all
            }
        }
    }

    /// Runs apart from its caller, who may give it up while it goes on.
    async fn run(&self, event: SqsEvent, run: Run) -> Option<SqsBatchResponse> {
        let (worker, crew) = (super::lock(&self.warm).clone(), self.clone());
        let (tell, told) = tokio::sync::oneshot::channel();
        self.sim.in_background(async move {
            let work = CALLER.scope(crew.tenant.clone(), worker.handle(event.clone()));
            let response = match crew.purpose {
                Purpose::Imports => by_the_clock(work, run).await,
                _ => Fated::new(work, run).await,
            };
            if let Some(response) = &response {
                crew.sim.log(format_args!(
                    "{:?} hands back {} of {}",
                    crew.purpose,
                    handed_back(response).len(),
                    names(&event)
                ));
                crew.sim.note(crew.judge(&event, response));
            }
            drop(tell.send(response));
        });
        told.await.ok().flatten()
    }

    /// While a release is deployed, functions of others publish, too.
    fn write_as_others(&self, event: &mut SqsEvent) {
        for body in event.records.iter_mut().filter_map(|record| record.body.as_mut()) {
            let (is_first, is_next) = {
                let mut chaos = self.sim.chaos();
                (chaos.is_of_the_first_release(), chaos.is_of_the_next_release())
            };
            let other = if is_first {
                release::as_the_first_wrote(body)
            } else if is_next {
                release::as_the_next_writes(body)
            } else {
                None
            };
            *body = other.unwrap_or_else(|| std::mem::take(body));
        }
    }

    /// Messages become visible to others within seconds, as if their timeout were over.
    fn let_lapse(&self, event: &SqsEvent) {
        let handles: Vec<_> =
            event.records.iter().filter_map(|record| record.receipt_handle.clone()).collect();
        let (engine, queue) = (self.engine.clone(), self.queue.clone());
        let delay = Duration::from_millis(self.sim.chaos().rng.u64(0..100));
        self.sim.in_background(async move {
            tokio::time::sleep(delay).await;
            for handle in handles {
                let queue = queue.clone();
                // A handle that no longer holds is a message that is gone.
                drop(
                    engine.call(move |fifo, now_ms| fifo.change_visibility(&queue, &handle, 0, now_ms)).await,
                );
            }
        });
    }

    /// Whether what a message asked for stands in the table.
    fn is_done(&self, outcome: &Outcome) -> bool {
        let table = &self.sim.table;
        match outcome {
            Outcome::Checkout(place) => self.sim.oracle().stored.contains_key(place),
            Outcome::Booking(place) => self.sim.oracle().bookings.contains_key(place),
            Outcome::Receipt(papers) => self.sim.oracle().receipts.contains_key(papers),
            Outcome::Part(part) => {
                table.get(&keys::cutoff_part(&part.tenant, part.date, part.round, part.part)).is_some()
            }
            Outcome::Look(part) => {
                let progress = table.get(&keys::reconciliation_part(&part.tenant, part.date, part.part));
                let run = table.get(&keys::reconciliation(&part.tenant, part.date));
                // Whoever comes after the run was closed is too late, and was counted as missing.
                run.is_none_or(|item| items::stored_reconciliation(item).unwrap().run.closed.is_some())
                    || progress.is_some_and(|item| items::stored_reconciliation_part(item).unwrap().is_done)
            }
            Outcome::Import(file, dropped) => {
                let is_there = self.sim.files().get(&file.key).is_some_and(|there| there.etag == file.etag);
                let papers = dropped.name.parse().map(|id| (dropped.tenant.clone(), id));
                let oracle = self.sim.oracle();
                let import = papers.ok().and_then(|papers| oracle.imports.get(&papers));
                !is_there || import.is_some_and(|import| import.stage.is_final())
            }
            Outcome::Delivery(told) => {
                let delivery = table.get(&keys::delivery(&told.tenant, told.webhook, &told.id()));
                let delivery = delivery.map(|item| items::stored_delivery(item).unwrap());
                let webhooks = table.get(&keys::webhooks(&told.tenant));
                let webhooks = webhooks.map(|item| items::stored_webhooks(item).unwrap()).unwrap_or_default();
                let is_over = |delivery: Delivery| {
                    let steps_aside = !told.is_aside && delivery.attempts.len() >= STEPS_ASIDE_FROM;
                    delivery.state != DeliveryState::Waiting || steps_aside
                };
                !webhooks.0.contains_key(&told.webhook) || delivery.is_some_and(is_over)
            }
            Outcome::Nothing => true,
        }
    }

    /// Whatever is not handed back is acknowledged: its outcome must be there, and whatever stands
    /// before it in its group must be done too, unless it can never be.
    fn judge(&self, event: &SqsEvent, response: &SqsBatchResponse) -> Verdict {
        let failed = handed_back(response);
        let mut blocked = BTreeSet::new();
        for record in &event.records {
            let group = record.attributes.get("MessageGroupId").cloned().unwrap_or_default();
            let is_failed = failed.contains(record.message_id.as_deref().unwrap_or_default());
            let outcome = outcome(record, &group);
            let wrong = |what: &str| Err((Invariant::Acknowledged, format!("{what}: {}", name(record))));
            match outcome {
                Some(_) if is_failed => _ = blocked.insert(group),
                Some(_) if blocked.contains(&group) => return wrong("acknowledged behind a failure"),
                Some(outcome) if self.is_done(&outcome) => {}
                Some(_) => return wrong("acknowledged without an outcome"),
                None if is_failed => {}
                None => return wrong("acknowledged unread"),
            }
        }
        Ok(())
    }
}

/// Where the outcome of a message will stand.
enum Outcome {
    Checkout(Place),
    Booking(BookingPlace),
    Receipt(Papers),
    Part(Replenish),
    Look(Reconcile),
    Import(ImportFile, Dropped),
    Delivery(Box<Deliver>),
    /// Nothing that this message alone leaves.
    Nothing,
}

/// Where its outcome will stand, if a message can be read and came the right way.
fn outcome(record: &SqsMessage, group: &str) -> Option<Outcome> {
    let body = record.body.as_deref()?;
    if let Ok(event) = serde_json::from_str::<Event>(body) {
        return (keys::event_group(&event) == group).then_some(Outcome::Nothing);
    }
    let message: Message = serde_json::from_str(body).ok()?;
    let (own, outcome) = match message.command {
        Command::PostCheckout(PostCheckout { tenant, employee, id, .. }) => {
            (keys::wallet_group(&tenant, &employee), Outcome::Checkout((tenant, employee, id)))
        }
        Command::PostBooking(PostBooking { tenant, employee, id, .. }) => {
            (keys::wallet_group(&tenant, &employee), Outcome::Booking((tenant, employee, id.into())))
        }
        Command::Administer(command) => {
            let group = keys::admin_group(&command.tenant, &command.change.subject());
            (group, Outcome::Receipt((command.tenant, command.id)))
        }
        Command::OpenCutoff(tick) => (keys::cutoff_group(&tick.tenant), Outcome::Nothing),
        Command::Replenish(part) => {
            (keys::cutoff_part_group(&part.tenant, part.date, part.round, part.part), Outcome::Part(part))
        }
        Command::OpenReconciliation(tick) => (keys::reconciliation_group(&tick.tenant), Outcome::Nothing),
        Command::Reconcile(part) => {
            (keys::reconciliation_part_group(&part.tenant, part.date, part.part), Outcome::Look(part))
        }
        Command::ImportFile(file) => {
            let dropped = Dropped::parse(&file.key)?;
            (keys::import_group(&dropped.tenant, &dropped.target), Outcome::Import(file, dropped))
        }
        Command::Deliver(told) => (keys::delivery_group(&told), Outcome::Delivery(told)),
        Command::Probe(probe) => (keys::probe_group(&probe.tenant), Outcome::Nothing),
    };
    (own == group).then_some(outcome)
}

/// Somebody who starts now.
fn hired<W>(sim: &Shared, clients: &[Clients; 2], hire: &Hire<W>) -> W {
    let (skew_ms, is_next) = {
        let mut chaos = sim.chaos();
        (chaos.skew_ms(), chaos.is_of_the_next_release())
    };
    let clock = sim.clock.clock(skew_ms);
    hire(&clients[usize::from(is_next)], clock.clone(), Metrics::to(clock, "test", |_| ()))
}

fn handed_back(response: &SqsBatchResponse) -> BTreeSet<&str> {
    response.batch_item_failures.iter().map(|failure| failure.item_identifier.as_str()).collect()
}

fn everything(event: &SqsEvent) -> SqsBatchResponse {
    let mut response = SqsBatchResponse::default();
    response.batch_item_failures.extend(event.records.iter().map(|record| {
        let mut item = BatchItemFailure::default();
        item.item_identifier = record.message_id.clone().unwrap_or_default();
        item
    }));
    response
}

fn names(event: &SqsEvent) -> String {
    event.records.iter().map(name).collect::<Vec<_>>().join(" ")
}

/// Group, checkout and receives: what tells a message apart to a reader.
fn name(record: &SqsMessage) -> String {
    let attribute = |name: &str| record.attributes.get(name).map(String::as_str).unwrap_or_default();
    let body: Option<serde_json::Value> =
        record.body.as_deref().and_then(|body| serde_json::from_str(body).ok());
    let request = body.as_ref().and_then(|body| body["request"].as_str());
    let request = request.map_or("unreadable", |request| &request[..8]);
    format!("[{} {request} x{}]", attribute("MessageGroupId"), attribute("ApproximateReceiveCount"))
}

/// The same at an instant instead: how often something is polled that waits for another thread is nobody's to
/// say.
async fn by_the_clock<F: Future>(work: F, run: Run) -> Option<F::Output> {
    /// What a poll takes, about.
    const POLL: Duration = Duration::from_millis(15);
    match run {
        Run::ToItsEnd => Some(work.await),
        Run::Crash(at) => timeout(POLL * at, work).await.ok(),
        Run::Freeze(at, pause) => {
            sleep(POLL * at + pause).await;
            Some(work.await)
        }
    }
}

/// A future that meets its fate at one of its polls: it ends there, or stands still for a while.
pub struct Fated<F> {
    inner: Pin<Box<F>>,
    run: Run,
    polls: u32,
    stands_still: Option<Pin<Box<Sleep>>>,
}

impl<F> Fated<F> {
    pub fn new(inner: F, run: Run) -> Self {
        Self { inner: Box::pin(inner), run, polls: 0, stands_still: None }
    }
}

impl<F: Future> Future for Fated<F> {
    type Output = Option<F::Output>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        if let Some(until) = &mut self.stands_still {
            if until.as_mut().poll(context).is_pending() {
                return Poll::Pending;
            }
            self.stands_still = None;
        }
        self.polls += 1;
        match self.run {
            Run::Crash(at) if self.polls == at => return Poll::Ready(None),
            Run::Freeze(at, duration) if self.polls == at => {
                let mut until = Box::pin(tokio::time::sleep(duration));
                // Polled once, so that it wakes this task.
                if until.as_mut().poll(context).is_pending() {
                    self.stands_still = Some(until);
                    return Poll::Pending;
                }
            }
            _ => {}
        }
        self.inner.as_mut().poll(context).map(Some)
    }
}
