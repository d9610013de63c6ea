//! Workers that take commands one at a time: some groups side by side, each in order, until the time is up.

use crate::fifo::{self, BATCH_BUDGET, Group, HandBack, Message};
use crate::probe::Probes;
use aws::bus::Names;
use aws::config::Clients;
use aws::failure::Failure;
use aws::keys;
use aws::queue::Queues;
use aws::telemetry::Metrics;
use aws_lambda_events::sqs::{SqsBatchResponse, SqsEvent};
use domain::command::Command;
use domain::id::TenantId;
use futures_util::stream::{self, StreamExt};
use std::time::Duration;
use tokio::time::{Instant, timeout_at};
use tracing::Instrument;

/// What works off a batch besides the work itself.
#[derive(Debug, Clone)]
pub struct OneByOne {
    queues: Queues,
    probes: Probes,
    metrics: Metrics,
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
        Self {
            queues: clients.queues(),
            probes: Probes::new(clients, metrics.clone()),
            metrics,
            side_by_side,
            budget: BATCH_BUDGET,
        }
    }

    /// The same with another time for each batch.
    pub fn within(self, budget: Duration) -> Self {
        Self { budget, ..self }
    }

    /// Gives each message to `worker`, and names what is handed back.
    pub async fn handle(&self, event: SqsEvent, worker: &(impl WorkOff + Sync)) -> SqsBatchResponse {
        let (deadline, messages) = (Instant::now() + self.budget, event.records.len());
        let (queue_arn, groups) = fifo::groups(event);
        let (probes, groups): (Vec<_>, Vec<_>) =
            groups.into_iter().partition(|group| keys::is_probe_group(&group.id));
        let tenant = groups.iter().find_map(|group| keys::tenant_of_group(&group.id));
        let tenant_id = tenant.as_ref().map(TenantId::as_str);
        let span = tracing::info_span!("batch", tenant.id = tenant_id, queue.arn = queue_arn);
        let worked = async {
            let mut left = self.probes.work_off(&queue_arn, &probes).await;
            let works: Vec<_> =
                groups.iter().map(|group| in_order(group, &queue_arn, deadline, worker)).collect();
            let works = stream::iter(works).buffer_unordered(self.side_by_side).collect::<Vec<_>>();
            left.extend(works.await.into_iter().flatten());
            fifo::hand_back(&self.queues, &self.metrics, &queue_arn, &left).await
        };
        let response = worked.instrument(span).await;
        if let Some(tenant) = tenant {
            self.metrics.batch(&tenant, messages, response.batch_item_failures.len());
        }
        response
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
