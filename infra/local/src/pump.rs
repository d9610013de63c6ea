//! Feeds a queue's messages to a worker as Lambda's event source mapping does: batches of up to ten,
//! one in flight for each message group (the queue sees to that), a function timeout, partial batch
//! failures, and deletion of what was worked off. What is left becomes visible again by itself.

use aws::config::Clients;
use aws::queue::queue_url;
use aws_lambda_events::sqs::{SqsBatchResponse, SqsEvent, SqsMessage};
use aws_sdk_sqs::Client;
use aws_sdk_sqs::config::timeout::TimeoutConfig;
use aws_sdk_sqs::types::{DeleteMessageBatchRequestEntry, Message, MessageSystemAttributeName};
use domain::command::Purpose;
use domain::id::TenantId;
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;
use tokio::task::JoinSet;
use workers::lambda::Worker;

/// Messages in a batch: the most that Lambda takes from a FIFO queue, or one file, or one delivery, so that
/// none waits for another's receiver, or one part of a reconciliation, which takes as long as its wallets
/// have movements.
pub fn batch(purpose: Purpose) -> i32 {
    match purpose {
        Purpose::Imports | Purpose::Deliveries | Purpose::Reconciliation => 1,
        Purpose::Checkouts | Purpose::Admin | Purpose::Replenishment | Purpose::Results => 10,
    }
}

/// How long a receive waits for messages: the most that SQS allows.
const WAIT_S: i32 = 20;
/// A receive that takes longer than it may wait has failed.
const RECEIVE_TIMEOUT: Duration = Duration::from_secs(WAIT_S as u64 + 5);
/// The worker function's timeout: for files the most that Lambda gives.
pub fn function_timeout(purpose: Purpose) -> Duration {
    Duration::from_secs(match purpose {
        Purpose::Imports => 900,
        Purpose::Reconciliation => 60,
        Purpose::Checkouts
        | Purpose::Admin
        | Purpose::Replenishment
        | Purpose::Results
        | Purpose::Deliveries => 10,
    })
}

/// Pause after a receive that failed.
const PAUSE_AFTER_FAILURE: Duration = Duration::from_millis(200);

/// A queue.
#[derive(Debug, Clone)]
pub struct Source {
    sqs: Client,
    queue_arn: String,
    queue_url: String,
    region: String,
    purpose: Purpose,
}

/// Pumps until the set is dropped or aborted, working on `max_concurrency` batches at the same time.
pub fn start<W>(pumps: &mut JoinSet<()>, source: &Source, max_concurrency: usize, worker: &Arc<W>)
where
    W: Worker + Send + Sync + 'static,
{
    for _ in 0..max_concurrency {
        let (source, worker) = (source.clone(), worker.clone());
        pumps.spawn(async move {
            loop {
                source.turn_or_pause(&worker).await;
            }
        });
    }
}

impl Source {
    /// One of a tenant's queues.
    pub fn new(clients: &Clients, tenant: &TenantId, purpose: Purpose) -> Self {
        let names = &clients.config().names;
        let queue_arn = names.queue_arn(&names.queue(tenant, purpose));
        let timeouts = TimeoutConfig::builder().operation_attempt_timeout(RECEIVE_TIMEOUT).build();
        let config = aws_sdk_sqs::config::Builder::from(clients.sdk()).timeout_config(timeouts).build();
        Self {
            sqs: Client::from_conf(config),
            queue_url: queue_url(&queue_arn).unwrap_or_default(),
            queue_arn,
            region: clients.config().cloud.region.clone(),
            purpose,
        }
    }

    /// One batch, waited for; a pause if that fails.
    pub async fn turn_or_pause<W>(&self, worker: &Arc<W>)
    where
        W: Worker + Send + Sync + 'static,
    {
        if let Err(error) = self.turn(worker, WAIT_S).await {
            let error = aws_sdk_sqs::error::DisplayErrorContext(&error);
            tracing::warn!(queue = self.queue_arn, %error, "a queue could not be read or cleared");
            tokio::time::sleep(PAUSE_AFTER_FAILURE).await;
        }
    }

    /// One batch: receive, invoke, delete. Says how many messages there were.
    pub async fn turn<W>(&self, worker: &Arc<W>, wait_s: i32) -> Result<usize, aws_sdk_sqs::Error>
    where
        W: Worker + Send + Sync + 'static,
    {
        let messages = self.messages(wait_s).await?;
        if messages.is_empty() {
            return Ok(0);
        }
        let (event, worker) = (self.event(&messages), worker.clone());
        let kept = invoke(self.purpose, async move { worker.handle(event).await }, &messages).await;
        self.delete(messages.iter().filter(|message| !kept.contains(id(message)))).await?;
        Ok(messages.len())
    }

    /// A batch for whoever does without the rest.
    pub async fn receive(&self, wait_s: i32) -> Result<SqsEvent, aws_sdk_sqs::Error> {
        Ok(self.event(&self.messages(wait_s).await?))
    }

    async fn messages(&self, wait_s: i32) -> Result<Vec<Message>, aws_sdk_sqs::Error> {
        let received = self
            .sqs
            .receive_message()
            .queue_url(&self.queue_url)
            .max_number_of_messages(batch(self.purpose))
            .wait_time_seconds(wait_s)
            .message_system_attribute_names(MessageSystemAttributeName::All)
            .send()
            .await?;
        Ok(received.messages.unwrap_or_default())
    }

    fn event(&self, messages: &[Message]) -> SqsEvent {
        let mut event = SqsEvent::default();
        event.records = messages.iter().map(|message| self.record(message)).collect();
        event
    }

    fn record(&self, message: &Message) -> SqsMessage {
        let mut record = SqsMessage::default();
        record.message_id = message.message_id.clone();
        record.receipt_handle = message.receipt_handle.clone();
        record.body = message.body.clone();
        record.event_source = Some("aws:sqs".to_owned());
        record.event_source_arn = Some(self.queue_arn.clone());
        record.aws_region = Some(self.region.clone());
        let attributes = message.attributes.iter().flatten();
        record.attributes =
            attributes.map(|(name, value)| (name.as_str().to_owned(), value.clone())).collect();
        record
    }

    async fn delete(&self, messages: impl Iterator<Item = &Message>) -> Result<(), aws_sdk_sqs::Error> {
        let entries = messages.enumerate().map(|(index, message)| {
            DeleteMessageBatchRequestEntry::builder()
                .id(index.to_string())
                .receipt_handle(message.receipt_handle.clone().unwrap_or_default())
                .build()
        });
        let entries = entries.collect::<Result<Vec<_>, _>>()?;
        if entries.is_empty() {
            return Ok(());
        }
        let deleted = self
            .sqs
            .delete_message_batch()
            .queue_url(&self.queue_url)
            .set_entries(Some(entries))
            .send()
            .await?;
        for failed in deleted.failed() {
            tracing::debug!(
                queue = self.queue_arn,
                code = failed.code(),
                "a message was not deleted and comes again"
            );
        }
        Ok(())
    }
}

fn id(message: &Message) -> &str {
    message.message_id().unwrap_or_default()
}

/// Runs the function as Lambda would and names the messages that stay. All stay after a panic, a
/// timeout, or an answer that names a message which is not in the batch.
async fn invoke<F>(purpose: Purpose, function: F, messages: &[Message]) -> BTreeSet<String>
where
    F: Future<Output = SqsBatchResponse> + Send + 'static,
{
    let all: BTreeSet<String> = messages.iter().map(|message| id(message).to_owned()).collect();
    let mut task = tokio::spawn(function);
    match tokio::time::timeout(function_timeout(purpose), &mut task).await {
        Ok(Ok(response)) => {
            let failed: BTreeSet<_> =
                response.batch_item_failures.into_iter().map(|failure| failure.item_identifier).collect();
            if failed.is_subset(&all) { failed } else { all }
        }
        Ok(Err(error)) => {
            tracing::error!(%error, "a worker panicked");
            all
        }
        Err(_) => {
            task.abort();
            tracing::error!("a worker ran into its timeout");
            all
        }
    }
}
