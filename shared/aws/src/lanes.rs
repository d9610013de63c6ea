//! Publishing several messages to one topic: as many a call as it takes, those of one group in order.
//!
//! Invariant: the next one of a lane goes out only when the topic has the one before.

use crate::failure::Failure;
use aws_sdk_sns::Client;
use aws_sdk_sns::operation::publish_batch::PublishBatchError;
use aws_sdk_sns::types::{MessageAttributeValue, PublishBatchRequestEntry};
use std::collections::VecDeque;

/// Messages in one call, an SNS limit.
const MAX_BATCH: usize = 10;
/// Bytes in one call: SNS takes 256 KiB, attributes included.
const MAX_BATCH_BYTES: usize = 240 * 1024;

/// What is published of one message.
pub(crate) struct Outgoing {
    pub body: String,
    pub group: String,
    pub deduplication_id: String,
    pub attributes: Vec<(&'static str, String)>,
}

/// A message on its way, and which lane it came from.
struct Sending {
    lane: usize,
    outgoing: Outgoing,
}

/// What came of one call.
enum Sent {
    /// The places in it of what the topic took.
    Taken(Vec<String>),
    /// There is no such topic.
    Nowhere,
}

impl Outgoing {
    fn entry(self, place: usize) -> Result<PublishBatchRequestEntry, Failure> {
        let mut entry = PublishBatchRequestEntry::builder()
            .id(place.to_string())
            .message(self.body)
            .message_group_id(self.group)
            .message_deduplication_id(self.deduplication_id);
        for (name, value) in self.attributes {
            entry = entry.message_attributes(name, attribute(value)?);
        }
        entry.build().map_err(|error| Failure::malformed("build a batch of messages", error))
    }
}

/// An attribute of a message, which is text.
pub(crate) fn attribute(value: impl Into<String>) -> Result<MessageAttributeValue, Failure> {
    let attribute = MessageAttributeValue::builder().data_type("String").string_value(value).build();
    attribute.map_err(|error| Failure::malformed("build a message attribute", error))
}

/// Publishes as much of each lane as it can; what the topic has leaves it. Says what stopped it if anything
/// is left, and false if there is no such topic.
pub(crate) async fn publish<T>(
    client: &Client,
    topic_arn: &str,
    lanes: &mut [&mut VecDeque<T>],
    write: impl Fn(&T) -> Result<Outgoing, Failure>,
) -> Result<bool, Failure> {
    let mut stopped = vec![false; lanes.len()];
    let mut failure = None;
    loop {
        let mut round = Vec::new();
        for (index, lane) in lanes.iter().enumerate() {
            let is_stopped = stopped.get(index).copied().unwrap_or(true);
            if let (false, Some(message)) = (is_stopped, lane.front()) {
                round.push(Sending { lane: index, outgoing: write(message)? });
            }
        }
        if round.is_empty() {
            return failure.map_or(Ok(true), Err);
        }
        for batch in batches(round) {
            let tried: Vec<_> = batch.iter().map(|sending| sending.lane).collect();
            let taken = match call(client, topic_arn, batch).await {
                Ok(Sent::Taken(taken)) => taken,
                Ok(Sent::Nowhere) => return Ok(false),
                Err(error) => {
                    failure = Some(error);
                    vec![]
                }
            };
            for (place, index) in tried.into_iter().enumerate() {
                if taken.contains(&place.to_string()) {
                    if let Some(lane) = lanes.get_mut(index) {
                        lane.pop_front();
                    }
                } else {
                    if let Some(stopped) = stopped.get_mut(index) {
                        *stopped = true;
                    }
                    failure.get_or_insert_with(|| Failure::transient("publish", "a message was not taken"));
                }
            }
        }
    }
}

/// Messages in lanes by their group, each in order.
pub(crate) fn by_group<T>(messages: impl IntoIterator<Item = (String, T)>) -> Vec<VecDeque<T>> {
    let mut lanes: Vec<(String, VecDeque<T>)> = Vec::new();
    for (group, message) in messages {
        match lanes.iter_mut().find(|(other, _)| *other == group) {
            Some((_, lane)) => lane.push_back(message),
            None => lanes.push((group, [message].into())),
        }
    }
    lanes.into_iter().map(|(_, lane)| lane).collect()
}

async fn call(client: &Client, topic_arn: &str, batch: Vec<Sending>) -> Result<Sent, Failure> {
    let entries = batch.into_iter().enumerate().map(|(place, sending)| sending.outgoing.entry(place));
    let entries = entries.collect::<Result<Vec<_>, _>>()?;
    let publish = client.publish_batch().topic_arn(topic_arn);
    match publish.set_publish_batch_request_entries(Some(entries)).send().await {
        Ok(sent) => {
            for failed in sent.failed() {
                tracing::warn!(code = failed.code(), "a message was not taken");
            }
            Ok(Sent::Taken(sent.successful().iter().filter_map(|taken| taken.id.clone()).collect()))
        }
        Err(error) if error.as_service_error().is_some_and(PublishBatchError::is_not_found_exception) => {
            Ok(Sent::Nowhere)
        }
        Err(error) => Err(Failure::of_sdk("publish", error)),
    }
}

/// Batches of as many messages, and as many bytes, as one call takes.
fn batches(round: Vec<Sending>) -> Vec<Vec<Sending>> {
    let mut batches: Vec<Vec<Sending>> = Vec::new();
    for sending in round {
        let has_room = |batch: &Vec<Sending>| {
            let bytes: usize = batch.iter().map(|other| other.outgoing.body.len()).sum();
            batch.len() < MAX_BATCH && bytes + sending.outgoing.body.len() <= MAX_BATCH_BYTES
        };
        match batches.last_mut() {
            Some(batch) if has_room(batch) => batch.push(sending),
            _ => batches.push(vec![sending]),
        }
    }
    batches
}
