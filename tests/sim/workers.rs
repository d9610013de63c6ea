//! The real worker behind the real pump, and what happens to workers: they die, stand still, get the
//! same batch twice, or keep messages that others already have again.

use super::Shared;
use super::chaos::Run;
use super::oracle::{BookingPlace, Invariant, Place, Verdict};
use aws::config::Clients;
use aws::keys;
use aws::telemetry::Metrics;
use aws_lambda_events::sqs::{BatchItemFailure, SqsBatchResponse, SqsEvent, SqsMessage};
use domain::booking::PostBooking;
use domain::command::{Command, Message, PostCheckout};
use local::fifo::engine::Engine;
use std::collections::BTreeSet;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::time::Sleep;
use workers::lambda::Worker;
use workers::post_checkouts::PostCheckouts;

/// Where a batch goes: one warm worker a tenant, replaced when it dies.
#[derive(Clone)]
pub struct Crew {
    pub sim: Shared,
    pub engine: Engine,
    pub clients: Clients,
    pub queue: String,
    pub warm: Arc<Mutex<PostCheckouts>>,
}

impl Worker for Crew {
    /// One invocation, as its caller sees it: a worker that died hands everything back.
    async fn handle(&self, event: SqsEvent) -> SqsBatchResponse {
        self.invoke(event).await
    }
}

impl Crew {
    pub fn worker(sim: &Shared, clients: &Clients) -> PostCheckouts {
        let clock = sim.clock.clock();
        PostCheckouts::new(clients, clock.clone(), Metrics::to(clock, "test", |_| ()))
    }

    async fn invoke(&self, event: SqsEvent) -> SqsBatchResponse {
        let (run, is_given_twice, lapses) = {
            let mut chaos = self.sim.chaos();
            (chaos.worker_run(), chaos.is_given_twice(), chaos.lapses())
        };
        self.sim.log(format_args!("worker takes {} {run:?}", names(&event)));
        if lapses {
            self.let_lapse(&event);
        }
        if is_given_twice {
            let (crew, event) = (self.clone(), event.clone());
            let worker = Self::worker(&self.sim, &self.clients);
            let delay = Duration::from_millis(self.sim.chaos().rng.u64(0..60));
            self.sim.in_background(async move {
                tokio::time::sleep(delay).await;
                let response = worker.handle(event.clone()).await;
                crew.sim.note(crew.judge(&event, &response));
            });
        }
        let all = everything(&event);
        match self.run(event, run).await {
            Some(response) => response,
            None => {
                self.sim.log(format_args!("worker died"));
                *super::lock(&self.warm) = Self::worker(&self.sim, &self.clients);
                all
            }
        }
    }

    /// Runs apart from its caller, who may give it up while it goes on.
    async fn run(&self, event: SqsEvent, run: Run) -> Option<SqsBatchResponse> {
        let (worker, crew) = (super::lock(&self.warm).clone(), self.clone());
        let (tell, told) = tokio::sync::oneshot::channel();
        self.sim.in_background(async move {
            let response = Fated::new(worker.handle(event.clone()), run).await;
            if let Some(response) = &response {
                crew.sim.log(format_args!(
                    "worker hands back {} of {}",
                    handed_back(response).len(),
                    names(&event)
                ));
                crew.sim.note(crew.judge(&event, response));
            }
            drop(tell.send(response));
        });
        told.await.ok().flatten()
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
            let is_stored = |outcome: &Outcome| match outcome {
                Outcome::Checkout(place) => self.sim.oracle().stored.contains_key(place),
                Outcome::Booking(place) => self.sim.oracle().bookings.contains_key(place),
            };
            match outcome {
                Some(_) if is_failed => _ = blocked.insert(group),
                Some(_) if blocked.contains(&group) => return wrong("acknowledged behind a failure"),
                Some(outcome) if is_stored(&outcome) => {}
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
}

/// Where its outcome will stand, if a message can be read and came the right way.
fn outcome(record: &SqsMessage, group: &str) -> Option<Outcome> {
    let message: Message = serde_json::from_str(record.body.as_deref()?).ok()?;
    let (tenant, employee, outcome) = match message.command {
        Command::PostCheckout(PostCheckout { tenant, employee, id, .. }) => {
            let place = (tenant.clone(), employee.clone(), id);
            (tenant, employee, Outcome::Checkout(place))
        }
        Command::PostBooking(PostBooking { tenant, employee, id, .. }) => {
            let place = (tenant.clone(), employee.clone(), id.into());
            (tenant, employee, Outcome::Booking(place))
        }
        Command::Administer(_)
        | Command::OpenCutoff(_)
        | Command::Replenish(_)
        | Command::ImportFile(_)
        | Command::Deliver(_)
        | Command::OpenReconciliation(_)
        | Command::Reconcile(_)
        | Command::Probe(_) => {
            return None;
        }
    };
    (keys::wallet_group(&tenant, &employee) == group).then_some(outcome)
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
