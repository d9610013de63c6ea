//! What every batch goes through, whoever works on it: probes are let through, what is left is handed back,
//! and it is counted.

use crate::fifo::{self, Group, HandBack};
use crate::probe::Probes;
use aws::config::Clients;
use aws::keys;
use aws::queue::Queues;
use aws::telemetry::Metrics;
use aws_lambda_events::sqs::{SqsBatchResponse, SqsEvent};
use domain::id::TenantId;
use tracing::Instrument;

/// What Lambda hands over at once, of one queue.
#[derive(Debug)]
pub struct Batch {
    pub queue_arn: String,
    /// To be worked on, in order of first appearance.
    pub groups: Vec<Group>,
    probes: Vec<Group>,
    messages: usize,
}

impl Batch {
    pub fn of(event: SqsEvent) -> Self {
        let messages = event.records.len();
        let (queue_arn, groups) = fifo::groups(event);
        let (probes, groups) = groups.into_iter().partition(|group| keys::is_probe_group(&group.id));
        Self { queue_arn, groups, probes, messages }
    }
}

/// Takes batches in, and gives back what is left of them.
#[derive(Debug, Clone)]
pub struct Batches {
    queues: Queues,
    probes: Probes,
    metrics: Metrics,
}

impl Batches {
    pub fn new(clients: &Clients, metrics: Metrics) -> Self {
        Self { queues: clients.queues(), probes: Probes::new(clients, metrics.clone()), metrics }
    }

    /// Has `work` done on the groups of a batch, which says what it leaves of them.
    pub async fn work_off<'a>(
        &self,
        batch: &'a Batch,
        work: impl Future<Output = Vec<HandBack<'a>>> + Send,
    ) -> SqsBatchResponse {
        let Batch { queue_arn, groups, probes, messages } = batch;
        let tenant = groups.iter().find_map(|group| keys::tenant_of_group(&group.id));
        let tenant_id = tenant.as_ref().map(TenantId::as_str);
        let span = tracing::info_span!("batch", tenant.id = tenant_id, queue.arn = queue_arn);
        let worked = async {
            let mut left = self.probes.work_off(queue_arn, probes).await;
            left.extend(work.await);
            fifo::hand_back(&self.queues, &self.metrics, queue_arn, &left).await
        };
        let response = worked.instrument(span).await;
        self.metrics.batch(*messages, response.batch_item_failures.len());
        response
    }
}
