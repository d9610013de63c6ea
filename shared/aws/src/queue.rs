//! Handing messages back: soon visible again, instead of after the whole visibility timeout.

use crate::failure::Failure;
use aws_sdk_sqs::Client;
use aws_sdk_sqs::types::ChangeMessageVisibilityBatchRequestEntry;

/// Entries in one batch call, an SQS limit.
const MAX_BATCH: usize = 10;

#[derive(Debug, Clone)]
pub struct Queues {
    client: Client,
}

impl Queues {
    pub fn new(client: Client) -> Self {
        Self { client }
    }

    /// Makes messages visible again, each after its own delay. All are in flight on the queue that
    /// `queue_arn` names; one that no longer is, is somebody else's already and is passed over.
    pub async fn release(&self, queue_arn: &str, releases: &[Release]) -> Result<(), Failure> {
        let url = queue_url(queue_arn)
            .ok_or_else(|| Failure::malformed("read a queue ARN", queue_arn.to_owned()))?;
        for chunk in releases.chunks(MAX_BATCH) {
            let entries = chunk.iter().enumerate().map(|(index, release)| {
                ChangeMessageVisibilityBatchRequestEntry::builder()
                    .id(index.to_string())
                    .receipt_handle(&release.receipt_handle)
                    .visibility_timeout(release.delay_s)
                    .build()
            });
            let entries = entries
                .collect::<Result<Vec<_>, _>>()
                .map_err(|error| Failure::malformed("build a visibility change", error))?;
            let changed = self
                .client
                .change_message_visibility_batch()
                .queue_url(&url)
                .set_entries(Some(entries))
                .send()
                .await
                .map_err(|error| Failure::of_sdk("release messages", error))?;
            if let Some(first) = changed.failed.first() {
                let (count, code) = (changed.failed.len(), first.code.as_str());
                tracing::info!(count, code, "{count} messages were not released");
            }
        }
        Ok(())
    }
}

/// A message that is handed back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Release {
    pub receipt_handle: String,
    pub delay_s: i32,
}

/// The URL of the queue behind `arn:aws:sqs:<region>:<account>:<name>`.
pub fn queue_url(arn: &str) -> Option<String> {
    let mut parts = arn.strip_prefix("arn:aws:sqs:")?.splitn(3, ':');
    let (region, account, name) = (parts.next()?, parts.next()?, parts.next()?);
    Some(format!("https://sqs.{region}.amazonaws.com/{account}/{name}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_arn_names_its_url() {
        let url = queue_url("arn:aws:sqs:eu-west-1:123456789012:a.fifo");
        assert_eq!(url.as_deref(), Some("https://sqs.eu-west-1.amazonaws.com/123456789012/a.fifo"));
        assert_eq!(queue_url("arn:aws:sns:eu-west-1:123456789012:a.fifo"), None);
    }
}
