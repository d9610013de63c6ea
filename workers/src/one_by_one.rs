//! Workers that take commands one at a time: some groups side by side, each in order, until the time is up.

use crate::batch::{Batch, Batches};
use crate::fifo::{BATCH_BUDGET, Group, HandBack, Message};
use aws::bus::Names;
use aws::config::Clients;
use aws::failure::Failure;
use aws::telemetry::Metrics;
use aws_lambda_events::sqs::{SqsBatchResponse, SqsEvent};
use domain::command::Command;
use futures_util::stream::{self, StreamExt};
use std::time::Duration;
use tokio::time::{Instant, timeout_at};

/// What works off a batch besides the work itself.
#[derive(Debug, Clone)]
pub struct OneByOne {
    batches: Batches,
    /// Groups that are worked on at the same time.
    side_by_side: usize,
    /// Time for one batch.
    budget: Duration,
}

/// A message, with where it came from.
#[derive(Debug, Clone, Copy)]
pub struct Delivery<'a> {
    pub queue_arn: &'a str,
    pub group: &'a str,
    pub message: &'a Message,
}

impl Delivery<'_> {
    /// The command in it, if it came the way that the command goes.
    pub fn read(&self, names: &Names) -> Result<Command, Failure> {
        self.message.read(self.queue_arn, self.group, names)
    }
}

/// Works off one message, and is through with it once its outcome is durable.
pub trait WorkOff {
    fn work_off(&self, delivery: Delivery<'_>) -> impl Future<Output = Result<(), Failure>> + Send;
}

impl OneByOne {
    pub fn new(clients: &Clients, metrics: Metrics, side_by_side: usize) -> Self {
        Self { batches: Batches::new(clients, metrics), side_by_side, budget: BATCH_BUDGET }
    }

    /// The same with another time for each batch.
    pub fn within(self, budget: Duration) -> Self {
        Self { budget, ..self }
    }

    /// Gives each message to `worker`, and names what is handed back.
    pub async fn handle(&self, event: SqsEvent, worker: &(impl WorkOff + Sync)) -> SqsBatchResponse {
        let (deadline, batch) = (Instant::now() + self.budget, Batch::of(event));
        let works: Vec<_> =
            batch.groups.iter().map(|group| in_order(group, &batch.queue_arn, deadline, worker)).collect();
        let works = stream::iter(works).buffer_unordered(self.side_by_side).collect::<Vec<_>>();
        let work = async { works.await.into_iter().flatten().collect() };
        self.batches.work_off(&batch, work).await
    }
}

async fn in_order<'a>(
    group: &'a Group,
    queue_arn: &str,
    deadline: Instant,
    worker: &(impl WorkOff + Sync),
) -> Vec<HandBack<'a>> {
    let mut left = Vec::new();
    let mut is_blocked = false;
    for message in &group.messages {
        let failure = if is_blocked {
            None
        } else {
            let delivery = Delivery { queue_arn, group: &group.id, message };
            match timeout_at(deadline, Box::pin(worker.work_off(delivery))).await {
                Ok(Ok(())) => continue,
                Ok(Err(failure)) => Some(failure),
                Err(_) => Some(Failure::transient("work off a message", "the batch ran out of time")),
            }
        };
        // What can never be worked off has no place in any order.
        is_blocked |= failure.as_ref().is_some_and(Failure::is_transient);
        left.push(HandBack { group: &group.id, message, failure });
    }
    left
}
