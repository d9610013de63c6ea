//! The test world: the whole system in one process on ports of its own, spoken to as a terminal
//! would, and audited as an auditor would.
//!
//! Tests wait for conditions, never for a while, and leave no queue with messages behind.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test world fails loudly")]

pub mod audit;
pub mod faults;
pub mod receiver;
pub mod roster;
pub mod routes;
pub mod rush;
pub mod sim;
pub mod target;
pub mod terminal;

use aws::clock::Clock;
use aws::failure::chain;
use aws::telemetry::Metrics;
use aws_lambda_events::sqs::SqsEvent;
use aws_smithy_types::error::display::DisplayErrorContext;
use domain::command::Purpose;
use domain::id::TenantId;
use domain::webhook::Reach;
use jiff::SignedDuration;
use local::pump::Source;
use local::system::{Options, System, Through};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;
use tempfile::TempDir;
use terminal::Terminal;

/// How long a test waits for anything before it fails: longer than the visibility timeout, after
/// which the messages of a killed worker come again.
pub const PATIENCE: Duration = Duration::from_secs(90);
/// How long to wait before looking at a condition again.
const LOOK_AGAIN: Duration = Duration::from_millis(20);

/// Batches that the workers of a test take at the same time.
pub const WORKERS: usize = 4;

/// A running system with the demo in it.
#[derive(Debug)]
pub struct World {
    pub system: System,
    pub clock: MovableClock,
    _dir: TempDir,
}

/// The system clock, plus what a test puts on top.
#[derive(Debug, Clone, Default)]
pub struct MovableClock {
    ahead_ms: Arc<AtomicI64>,
}

impl MovableClock {
    pub fn advance(&self, duration: SignedDuration) {
        let ms = i64::try_from(duration.as_millis()).unwrap();
        self.ahead_ms.fetch_add(ms, Ordering::SeqCst);
    }

    pub fn now(&self) -> jiff::Timestamp {
        self.clock().now()
    }

    fn clock(&self) -> Clock {
        let (system, ahead_ms) = (Clock::system(), self.ahead_ms.clone());
        Clock::from_fn(move || system.now() + SignedDuration::from_millis(ahead_ms.load(Ordering::SeqCst)))
    }
}

impl World {
    pub async fn start() -> Self {
        Self::with_workers(WORKERS).await
    }

    /// A world whose queues wait until `system.work` is called.
    pub async fn idle() -> Self {
        Self::with_workers(0).await
    }

    async fn with_workers(max_concurrency: usize) -> Self {
        let (dir, clock) = (TempDir::new().unwrap(), MovableClock::default());
        let options = Options { max_concurrency, ..options(dir.path(), clock.clock()) };
        let system = System::start(options).await.unwrap_or_else(|error| panic!("{}", chain(&error)));
        Self { system, clock, _dir: dir }
    }

    /// Somebody of the demo at a terminal, signed in.
    pub async fn terminal(&self, username: &str) -> Terminal {
        Terminal::sign_in(&self.system.endpoints, username).await
    }

    /// Waits until every queue is empty, and fails if a message ended as a dead letter.
    pub async fn settle(&self) {
        eventually("the queues are empty", async || {
            let mut left = 0;
            for (queue, messages) in self.queues().await {
                assert!(!queue.contains("-dlq") || messages == 0, "{messages} dead letters in {queue}");
                left += messages;
            }
            left == 0
        })
        .await;
    }

    /// Works off what is visible in one of a tenant's queues, by the world's own worker.
    pub async fn work_off(&self, tenant: &str, purpose: Purpose) {
        let tenant: TenantId = tenant.parse().unwrap();
        let (source, workers) = (Source::new(&self.system.clients, &tenant, purpose), &self.system.workers);
        loop {
            let taken = match purpose {
                Purpose::Checkouts => source.turn(&workers.checkouts, 0).await,
                Purpose::Admin => source.turn(&workers.admin, 0).await,
                Purpose::Replenishment => source.turn(&workers.replenishment, 0).await,
                Purpose::Imports => source.turn(&workers.imports, 0).await,
                Purpose::Results => source.turn(&workers.results, 0).await,
                Purpose::Deliveries => source.turn(&workers.deliveries, 0).await,
                Purpose::Reconciliation => source.turn(&workers.reconciliation, 0).await,
            };
            if taken.unwrap_or_else(|error| panic!("{}", DisplayErrorContext(error))) == 0 {
                return;
            }
        }
    }

    /// What is visible in one of a tenant's queues now, taken, as a worker gets it.
    pub async fn take(&self, tenant: &str, purpose: Purpose) -> SqsEvent {
        let source = Source::new(&self.system.clients, &tenant.parse().unwrap(), purpose);
        source.receive(0).await.unwrap_or_else(|error| panic!("{}", DisplayErrorContext(error)))
    }

    /// Messages in each queue, in flight or not.
    pub async fn queues(&self) -> Vec<(String, u32)> {
        let sqs = self.system.clients.sqs();
        let listed =
            sqs.list_queues().send().await.unwrap_or_else(|error| panic!("{}", DisplayErrorContext(error)));
        let mut depths = Vec::new();
        for url in listed.queue_urls() {
            let answer = sqs
                .get_queue_attributes()
                .queue_url(url)
                .attribute_names("All".into())
                .send()
                .await
                .unwrap_or_else(|error| panic!("{}", DisplayErrorContext(error)));
            let count = |name: &str| -> u32 {
                let attributes = answer.attributes().expect("attributes");
                attributes.get(&name.into()).expect("a depth").parse().expect("a number")
            };
            let depth = count("ApproximateNumberOfMessages") + count("ApproximateNumberOfMessagesNotVisible");
            depths.push((url.clone(), depth));
        }
        depths
    }
}

/// A system in `dir` on free ports that keeps its metrics to itself.
pub fn options(dir: &Path, clock: Clock) -> Options {
    Options {
        dir: dir.to_owned(),
        api_port: 0,
        aws_port: 0,
        dynamodb_port: 0,
        through: Through::Inside,
        max_concurrency: WORKERS,
        intake_concurrency: local::system::INTAKE_CONCURRENCY,
        tick: None,
        metrics: Metrics::to(clock.clone(), "test", |_| ()),
        cutoff_clock: clock.clone(),
        webhook_reach: Reach::Loopback,
        clock,
    }
}

/// Waits until `condition` holds; fails after [`PATIENCE`].
pub async fn eventually(what: &str, mut condition: impl AsyncFnMut() -> bool) {
    let wait = async {
        while !condition().await {
            tokio::time::sleep(LOOK_AGAIN).await;
        }
    };
    tokio::time::timeout(PATIENCE, wait).await.unwrap_or_else(|_| panic!("in vain: {what}"));
}
