//! A batch from a FIFO queue: its groups, what came of each, and what is handed back.
//!
//! After a failure the rest of *that group* is handed back untouched, so nothing of an employee
//! ever overtakes; the other groups carry on.

use aws::failure::{Failure, chain};
use aws::queue::Queues;
use aws_lambda_events::sqs::{BatchItemFailure, SqsBatchResponse, SqsEvent, SqsMessage};
use domain::planted::{self, Planted};

/// From this receive on, a message shares neither transaction nor update with another.
const ONE_BY_ONE_FROM: u32 = 3;
/// Seconds that a handed-back message stays invisible, at most.
const MAX_RELEASE_SECONDS: u32 = 5;

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

/// What came of a group.
#[derive(Debug)]
pub struct Verdict {
    /// Messages from the front of the group whose outcome is durable.
    pub done: usize,
    /// What stopped it, if anything did.
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
/// visibility timeout. Every group has a verdict, in the same order.
pub async fn hand_back(
    queues: &Queues,
    queue_arn: &str,
    groups: &[Group],
    verdicts: &[Verdict],
) -> SqsBatchResponse {
    let mut response = SqsBatchResponse::default();
    for (group, verdict) in groups.iter().zip(verdicts) {
        let left = group.messages.get(verdict.done..).unwrap_or_default();
        let Some(first) = left.first() else { continue };
        if let Some(failure) = &verdict.failure {
            log(&group.id, first, left.len(), failure);
        }
        let handles: Vec<_> = left.iter().map(|message| message.receipt_handle.clone()).collect();
        if let Err(failure) = queues.release(queue_arn, &handles, release_seconds(first, verdict)).await {
            tracing::warn!(error = %chain(&failure), "messages stay invisible until their timeout");
        }
        let left = match () {
            () if planted::is(Planted::FailureAcknowledged) => &[],
            () if planted::is(Planted::GroupUnblocked) => &left[..1],
            () => left,
        };
        response.batch_item_failures.extend(left.iter().map(|message| {
            let mut item = BatchItemFailure::default();
            item.item_identifier = message.id.clone();
            item
        }));
    }
    response
}

/// What may pass waits a little longer each time; what will not goes to the dead-letter queue as
/// fast as it can.
fn release_seconds(first: &Message, verdict: &Verdict) -> i32 {
    let may_pass = verdict.failure.as_ref().is_none_or(Failure::is_transient);
    if may_pass { first.receives.min(MAX_RELEASE_SECONDS).cast_signed() } else { 0 }
}

fn log(group: &str, first: &Message, left: usize, failure: &Failure) {
    let error = chain(failure);
    if failure.is_transient() {
        tracing::warn!(
            message.id = first.id,
            message.group = group,
            message.receives = first.receives,
            left,
            error,
            "handed back {left} messages"
        );
    } else {
        tracing::error!(
            message.id = first.id,
            message.group = group,
            message.receives = first.receives,
            left,
            error,
            "handed back {left} messages, the first of which cannot be worked off"
        );
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
}
