//! A batch from a FIFO queue: its groups, what came of their messages, and what is handed back.
//!
//! After a failure that may pass, the rest of *that group* is handed back untouched, so nothing of an
//! employee ever overtakes; other groups carry on. A message that can never be worked off has no place
//! in any order: it goes to the dead-letter queue, and its group carries on too.

use aws::bus::Names;
use aws::failure::{Failure, chain};
use aws::queue::{Queues, Release};
use aws::telemetry::Metrics;
use aws_lambda_events::sqs::{BatchItemFailure, SqsBatchResponse, SqsEvent, SqsMessage};
use domain::command::{self, Command};
use domain::planted::{self, Planted};
use serde_json::error::Category;
use std::time::Duration;

/// Time for one batch, unless a worker has a function timeout of its own; the function's own timeout of 10 s
/// leaves room to hand back the rest.
pub const BATCH_BUDGET: Duration = Duration::from_secs(6);
/// From this receive on, a message shares neither transaction nor update with another.
const ONE_BY_ONE_FROM: u32 = 3;
/// Seconds that a handed-back message stays invisible, at most. Thirty receives with such pauses are
/// longer than a command may wait.
const MAX_RELEASE_S: u32 = 15;
/// The longest that SQS keeps a message invisible.
const MAX_VISIBILITY_S: u32 = 12 * 60 * 60;
/// Time to release a batch. It is a courtesy: without it the visibility timeout does the same, later.
const RELEASE_BUDGET: Duration = Duration::from_secs(2);

/// The messages of one group, in order. Never empty.
#[derive(Debug)]
pub struct Group {
    pub id: String,
    pub messages: Vec<Message>,
}

#[derive(Debug)]
pub struct Message {
    pub id: String,
    pub receipt_handle: String,
    /// How often it has been received, this time included.
    pub receives: u32,
    pub body: String,
}

impl Message {
    /// The command in it, if it came the way that the command goes.
    pub fn read(&self, queue_arn: &str, group: &str, names: &Names) -> Result<Command, Failure> {
        let command::Message { command, .. } = serde_json::from_str(&self.body).map_err(unreadable)?;
        if !names.is_way_of(&command, queue_arn, group)? && !planted::is(Planted::QueueTrusted) {
            return Err(Failure::malformed(
                "read a message",
                "it came through a queue or in a group that is not its own",
            ));
        }
        Ok(command)
    }
}

/// What a worker says of a command that is not its own.
pub fn another_workers() -> Failure {
    Failure::malformed("read a message", "it is another worker's")
}

/// Where a body is wrong, without its words: they may be anybody's.
fn unreadable(error: serde_json::Error) -> Failure {
    let what = match error.classify() {
        Category::Data => "it is not a command of a version that is known here",
        Category::Syntax | Category::Eof | Category::Io => "it is not JSON",
    };
    Failure::malformed("read a message", format!("{what}: line {}, column {}", error.line(), error.column()))
}

/// A message that is not done.
#[derive(Debug)]
pub struct HandBack<'a> {
    pub group: &'a str,
    pub message: &'a Message,
    /// Why; nothing if only because of its place behind another.
    pub failure: Option<Failure>,
}

impl Group {
    pub fn is_one_by_one(&self) -> bool {
        self.messages.iter().any(|message| message.receives >= ONE_BY_ONE_FROM)
    }
}

/// The queue of a batch, and its groups in order of first appearance.
pub fn groups(event: SqsEvent) -> (String, Vec<Group>) {
    let mut queue_arn = String::new();
    let mut groups: Vec<Group> = Vec::new();
    for record in event.records {
        let attribute = |name: &str| record.attributes.get(name).cloned().unwrap_or_default();
        let id = attribute("MessageGroupId");
        let receives = attribute("ApproximateReceiveCount").parse().unwrap_or(ONE_BY_ONE_FROM);
        queue_arn = record.event_source_arn.clone().unwrap_or(queue_arn);
        let message = message(record, receives);
        match groups.iter_mut().find(|group| group.id == id) {
            Some(group) if planted::is(Planted::GroupReversed) => group.messages.insert(0, message),
            Some(group) => group.messages.push(message),
            None => groups.push(Group { id, messages: vec![message] }),
        }
    }
    (queue_arn, groups)
}

fn message(record: SqsMessage, receives: u32) -> Message {
    Message {
        id: record.message_id.unwrap_or_default(),
        receipt_handle: record.receipt_handle.unwrap_or_default(),
        receives,
        body: record.body.unwrap_or_default(),
    }
}

/// Reports what is not done, and makes it visible again soon rather than after the whole
/// visibility timeout.
pub async fn hand_back(
    queues: &Queues,
    metrics: &Metrics,
    queue_arn: &str,
    left: &[HandBack<'_>],
) -> SqsBatchResponse {
    if left.is_empty() {
        return SqsBatchResponse::default();
    }
    left.iter().for_each(log);
    let is_unworkable =
        |left: &&HandBack<'_>| left.failure.as_ref().is_some_and(|failure| !failure.is_transient());
    metrics.unworkable(left.iter().filter(is_unworkable).count());
    let releases: Vec<_> = left.iter().map(release).collect();
    match tokio::time::timeout(RELEASE_BUDGET, queues.release(queue_arn, &releases)).await {
        Ok(Ok(())) => {}
        Ok(Err(failure)) => {
            tracing::warn!(error = chain(&failure), "messages stay invisible until their timeout");
        }
        Err(_) => tracing::warn!("no time to release messages; they stay invisible until their timeout"),
    }
    let mut response = SqsBatchResponse::default();
    let left = left.iter().filter(|left| match &left.failure {
        Some(_) => !planted::is(Planted::FailureAcknowledged),
        None => !planted::is(Planted::GroupUnblocked),
    });
    response.batch_item_failures.extend(left.map(|left| {
        let mut item = BatchItemFailure::default();
        item.item_identifier = left.message.id.clone();
        item
    }));
    response
}

/// What may pass waits for as long as it says, or twice as long each time; what will not goes to the
/// dead-letter queue as fast as it can.
fn release(left: &HandBack<'_>) -> Release {
    let may_pass = left.failure.as_ref().is_none_or(Failure::is_transient);
    let stated_s = left.failure.as_ref().and_then(Failure::pause).map(|pause| pause.as_secs());
    let delay_s = match stated_s.and_then(|seconds| u32::try_from(seconds).ok()) {
        Some(seconds) => seconds.min(MAX_VISIBILITY_S),
        None if may_pass => release_s(left.message.receives),
        None => 0,
    };
    Release { receipt_handle: left.message.receipt_handle.clone(), delay_s: delay_s.cast_signed() }
}

fn release_s(receives: u32) -> u32 {
    MAX_RELEASE_S.min(1 << receives.saturating_sub(1).min(u32::BITS - 1))
}

fn log(left: &HandBack<'_>) {
    let HandBack { group, message: Message { id, receives, .. }, failure } = left;
    match failure {
        Some(failure) if failure.is_transient() => {
            let error = chain(failure);
            tracing::warn!(
                message.id = id,
                message.group = group,
                receives,
                error,
                "handed back message {id}"
            );
        }
        Some(failure) => {
            let error = chain(failure);
            tracing::error!(
                message.id = id,
                message.group = group,
                receives,
                error,
                "message {id} cannot be worked off"
            );
        }
        None => tracing::debug!(message.id = id, message.group = group, "message {id} waits behind another"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashMap;

    fn event(messages: &[(&str, &str, u32)]) -> SqsEvent {
        let mut event = SqsEvent::default();
        for (id, group, receives) in messages {
            let mut record = SqsMessage::default();
            record.message_id = Some((*id).to_owned());
            record.attributes = HashMap::from([
                ("MessageGroupId".to_owned(), (*group).to_owned()),
                ("ApproximateReceiveCount".to_owned(), receives.to_string()),
            ]);
            event.records.push(record);
        }
        event
    }

    #[test]
    fn groups_keep_their_order() {
        let (_, groups) = groups(event(&[("1", "a", 1), ("2", "b", 1), ("3", "a", 3), ("4", "b", 2)]));
        let ids: Vec<Vec<_>> = groups
            .iter()
            .map(|group| group.messages.iter().map(|message| message.id.as_str()).collect())
            .collect();
        assert_eq!(ids, [vec!["1", "3"], vec!["2", "4"]]);
        assert_eq!(groups.iter().map(Group::is_one_by_one).collect::<Vec<_>>(), [true, false]);
    }

    #[track_caller]
    fn check_delay(receives: u32, failure: Option<Failure>, delay_s: i32) {
        let message =
            Message { id: String::new(), receipt_handle: String::new(), receives, body: String::new() };
        assert_eq!(release(&HandBack { group: "a", message: &message, failure }).delay_s, delay_s);
    }

    #[test]
    fn what_may_pass_waits_longer_each_time() {
        check_delay(1, Some(Failure::transient("test", "later")), 1);
        check_delay(2, None, 2);
        check_delay(4, None, 8);
        check_delay(5, None, 15);
        check_delay(1_000, None, 15);
        check_delay(1, Some(Failure::malformed("test", "never")), 0);
        check_delay(1, Some(Failure::Held { context: "test", pause: Duration::from_secs(600) }), 600);
    }

    /// A command may wait five minutes; so long must a message that may pass stay out of the
    /// dead-letter queue.
    #[test]
    fn thirty_receives_outlast_a_command() {
        let waited_s: u32 = (1..=30).map(release_s).sum();
        assert!(i64::from(waited_s) > domain::command::COMMAND_LIFETIME.as_secs(), "{waited_s} s");
    }
}
