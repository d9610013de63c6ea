//! Publishes again, in their order, what a tenant's topic could not hand to a queue.

use crate::stage::Stage;
use aws::bus::NotPublished;
use aws::queue::queue_url;
use aws_sdk_sqs::Client;
use aws_sdk_sqs::error::DisplayErrorContext;
use aws_sdk_sqs::types::Message as Received;
use clap::ValueEnum;
use domain::command::{Message, Purpose};
use domain::id::TenantId;
use thiserror::Error;

/// Messages in one receive, an SQS limit.
const BATCH: i32 = 10;
/// Receives of one run; whoever has more to move runs it again.
const MAX_BATCHES: usize = 1_000;
/// Seconds that a batch is nobody else's.
const IN_HAND_S: i32 = 60;

#[derive(Debug, clap::Args)]
pub struct Arguments {
    #[arg(long)]
    tenant: TenantId,
    /// What the queue is for that they did not reach.
    #[arg(long)]
    purpose: Lane,
}

/// [`Purpose`], as it is typed.
#[derive(Debug, Clone, Copy, ValueEnum)]
enum Lane {
    Checkouts,
    Admin,
    Replenishment,
}

impl From<Lane> for Purpose {
    fn from(lane: Lane) -> Self {
        match lane {
            Lane::Checkouts => Self::Checkouts,
            Lane::Admin => Self::Admin,
            Lane::Replenishment => Self::Replenishment,
        }
    }
}

#[derive(Debug, Error)]
pub enum RedeliverError {
    #[error("the queue {queue} cannot be used: {reason}")]
    Queue { queue: String, reason: String },
    #[error("a message was not published; it stays where it is")]
    NotPublished(#[from] NotPublished),
}

/// A message leaves the queue only after it was published; whatever was published twice has one outcome.
pub async fn redeliver(stage: &Stage, arguments: &Arguments) -> Result<String, RedeliverError> {
    let names = &stage.clients.config().names;
    let queue = names.undelivered_queue(&arguments.tenant, arguments.purpose.into());
    let undelivered = Undelivered {
        sqs: stage.clients.sqs(),
        url: queue_url(&names.queue_arn(&queue)).unwrap_or_default(),
        queue,
    };
    let (mut published, mut unreadable) = (0_u32, 0_u32);
    for _ in 0..MAX_BATCHES {
        let batch = undelivered.receive().await?;
        if batch.is_empty() {
            break;
        }
        for received in batch {
            match serde_json::from_str::<Message>(received.body().unwrap_or_default()) {
                Ok(message) => {
                    stage.bus().publish(message.command).await?;
                    undelivered.delete(&received).await?;
                    published += 1;
                }
                Err(_) => unreadable += 1,
            }
        }
    }
    Ok(format!(
        "{published} published again, {unreadable} that nobody can read left in {}",
        undelivered.queue
    ))
}

struct Undelivered {
    sqs: Client,
    url: String,
    queue: String,
}

impl Undelivered {
    async fn receive(&self) -> Result<Vec<Received>, RedeliverError> {
        let receive = self.sqs.receive_message().queue_url(&self.url).max_number_of_messages(BATCH);
        let received = receive.visibility_timeout(IN_HAND_S).send().await;
        Ok(received.map_err(|error| self.refused(error))?.messages.unwrap_or_default())
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
