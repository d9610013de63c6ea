//! Moves, in their order, what a tenant's topic could not hand to a queue.

use crate::stage::Stage;
use aws::queue::queue_url;
use aws_sdk_sqs::Client;
use aws_sdk_sqs::error::DisplayErrorContext;
use aws_sdk_sqs::types::{Message as Received, MessageSystemAttributeName};
use domain::command::Purpose;
use domain::id::TenantId;
use thiserror::Error;

/// Messages in one receive, an SQS limit.
const BATCH: i32 = 10;
/// Receives of one run; whoever has more to move runs it again.
const MAX_BATCHES: usize = 1_000;
/// How long a receive waits for messages, in seconds; within the time that a call may take.
const WAIT_S: i32 = 1;
/// One empty answer is chance; so many in a row are an empty queue.
const EMPTY_ENOUGH: u32 = 3;
/// Seconds that a batch is nobody else's.
const IN_HAND_S: i32 = 60;

#[derive(Debug, clap::Args)]
pub struct Arguments {
    #[arg(long)]
    tenant: TenantId,
    /// What the queue is for that they did not reach.
    #[arg(long, value_parser = purpose)]
    purpose: Purpose,
}

fn purpose(text: &str) -> Result<Purpose, String> {
    let named = Purpose::ALL.into_iter().find(|purpose| purpose.as_str() == text);
    named.ok_or_else(|| format!("one of {}", Purpose::ALL.map(Purpose::as_str).join(", ")))
}

#[derive(Debug, Error)]
pub enum RedeliverError {
    #[error("the queue {queue} cannot be used: {reason}")]
    Queue { queue: String, reason: String },
}

/// A message leaves its place only after it stands in the other queue, as it would have come: in its group,
/// under its own deduplication id. Not through the topic, which may remember it and swallow it.
pub async fn redeliver(stage: &Stage, arguments: &Arguments) -> Result<String, RedeliverError> {
    let (names, purpose) = (&stage.clients.config().names, arguments.purpose);
    let from = names.undelivered_queue(&arguments.tenant, purpose);
    let url = |queue: &str| queue_url(&names.queue_arn(queue)).unwrap_or_default();
    let undelivered = Undelivered {
        sqs: stage.clients.sqs(),
        url: url(&from),
        to_url: url(&names.queue(&arguments.tenant, purpose)),
        queue: from,
    };
    let (mut moved, mut empty) = (0_u32, 0_u32);
    for _ in 0..MAX_BATCHES {
        let batch = undelivered.receive().await?;
        empty = if batch.is_empty() { empty + 1 } else { 0 };
        if empty == EMPTY_ENOUGH {
            return Ok(format!("{moved} messages moved; {} is empty", undelivered.queue));
        }
        for received in batch {
            undelivered.pass_on(&received).await?;
            moved += 1;
        }
    }
    Ok(format!("{moved} messages moved; there may be more"))
}

struct Undelivered {
    sqs: Client,
    url: String,
    /// Where its messages should have come.
    to_url: String,
    queue: String,
}

impl Undelivered {
    async fn receive(&self) -> Result<Vec<Received>, RedeliverError> {
        let receive = self.sqs.receive_message().queue_url(&self.url).max_number_of_messages(BATCH);
        let receive = receive.visibility_timeout(IN_HAND_S).wait_time_seconds(WAIT_S);
        let received = receive.message_system_attribute_names(MessageSystemAttributeName::All).send().await;
        Ok(received.map_err(|error| self.refused(error))?.messages.unwrap_or_default())
    }

    async fn pass_on(&self, received: &Received) -> Result<(), RedeliverError> {
        let attribute = |name| received.attributes().and_then(|attributes| attributes.get(&name)).cloned();
        let send = self.sqs.send_message().queue_url(&self.to_url).set_message_body(received.body.clone());
        send.set_message_group_id(attribute(MessageSystemAttributeName::MessageGroupId))
            .set_message_deduplication_id(attribute(MessageSystemAttributeName::MessageDeduplicationId))
            .send()
            .await
            .map_err(|error| self.refused(error))?;
        self.delete(received).await
    }

    async fn delete(&self, received: &Received) -> Result<(), RedeliverError> {
        let delete = self.sqs.delete_message().queue_url(&self.url);
        let delete = delete.set_receipt_handle(received.receipt_handle.clone());
        delete.send().await.map(|_| ()).map_err(|error| self.refused(error))
    }

    fn refused<E: std::error::Error>(&self, error: E) -> RedeliverError {
        RedeliverError::Queue { queue: self.queue.clone(), reason: DisplayErrorContext(error).to_string() }
    }
}
