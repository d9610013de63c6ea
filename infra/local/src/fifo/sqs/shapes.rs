//! The JSON shapes of SQS's requests, and a received message as JSON.
//! Field names are SQS's own in Pascal case; what is not read here is not supported.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::fifo::error::invalid_value;
use crate::fifo::{
    AttributeValue, Attributes, Draft, FifoError, Realm, Received, Scalar, Sent, Strings, md5,
};

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct CreateQueue {
    pub(super) queue_name: String,
    #[serde(default)]
    pub(super) attributes: Strings,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct GetQueueUrl {
    pub(super) queue_name: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", default)]
#[derive(Default)]
pub(super) struct ListQueues {
    pub(super) queue_name_prefix: String,
    pub(super) max_results: Option<usize>,
    pub(super) next_token: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct OneQueue {
    queue_url: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct GetQueueAttributes {
    pub(super) queue_url: String,
    #[serde(default)]
    pub(super) attribute_names: Vec<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct SetQueueAttributes {
    pub(super) queue_url: String,
    pub(super) attributes: Strings,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct SendMessage {
    pub(super) queue_url: String,
    #[serde(flatten)]
    pub(super) message: Message,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct SendEntry {
    pub(super) id: String,
    #[serde(flatten)]
    pub(super) message: Message,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Message {
    message_body: String,
    #[serde(default)]
    message_attributes: BTreeMap<String, Attribute>,
    message_group_id: Option<String>,
    message_deduplication_id: Option<String>,
    delay_seconds: Option<i64>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Attribute {
    data_type: String,
    string_value: Option<String>,
    binary_value: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct ReceiveMessage {
    pub(super) queue_url: String,
    #[serde(default)]
    attribute_names: Vec<String>,
    #[serde(default)]
    message_system_attribute_names: Vec<String>,
    #[serde(default)]
    message_attribute_names: Vec<String>,
    pub(super) max_number_of_messages: Option<i64>,
    pub(super) visibility_timeout: Option<i64>,
    pub(super) wait_time_seconds: Option<i64>,
    pub(super) receive_request_attempt_id: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct DeleteMessage {
    pub(super) queue_url: String,
    pub(super) receipt_handle: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct ChangeVisibility {
    pub(super) queue_url: String,
    pub(super) receipt_handle: String,
    pub(super) visibility_timeout: i64,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Batch<E> {
    pub(super) queue_url: String,
    pub(super) entries: Vec<E>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct DeleteEntry {
    pub(super) id: String,
    pub(super) receipt_handle: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct ChangeEntry {
    pub(super) id: String,
    pub(super) receipt_handle: String,
    #[serde(default)]
    pub(super) visibility_timeout: i64,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct StartMessageMove {
    pub(super) source_arn: String,
    pub(super) destination_arn: Option<String>,
}

impl OneQueue {
    pub(super) fn name(&self) -> Result<String, FifoError> {
        name_of(&self.queue_url)
    }
}

/// The queue's name out of its URL, whatever host the caller knows us by.
pub(super) fn name_of(queue_url: &str) -> Result<String, FifoError> {
    let name = queue_url.rsplit('/').next().filter(|name| !name.is_empty());
    name.map(str::to_owned).ok_or(FifoError::MissingParameter("QueueUrl"))
}

impl Message {
    pub(super) fn into_draft(self) -> Result<Draft, FifoError> {
        if self.delay_seconds.unwrap_or(0) != 0 {
            return Err(invalid_value("DelaySeconds", "a FIFO queue delays no single message"));
        }
        Ok(Draft {
            attributes: self.attributes()?,
            body: self.message_body,
            group_id: self.message_group_id,
            deduplication_id: self.message_deduplication_id,
        })
    }

    fn attributes(&self) -> Result<Attributes, FifoError> {
        let parse = |(name, attribute): (&String, &Attribute)| Ok((name.clone(), attribute.parse(name)?));
        self.message_attributes.iter().map(parse).collect()
    }
}

impl Attribute {
    fn parse(&self, name: &str) -> Result<AttributeValue, FifoError> {
        let value = match (&self.string_value, &self.binary_value) {
            (Some(text), None) => Some(Scalar::Text(text.clone())),
            (None, Some(encoded)) => BASE64_STANDARD.decode(encoded).ok().map(Scalar::Binary),
            (Some(_), Some(_)) | (None, None) => None,
        };
        let value =
            value.ok_or_else(|| invalid_value("MessageAttributes", &format!("'{name}' has no value")))?;
        Ok(AttributeValue { data_type: self.data_type.clone(), value })
    }
}

/// The sums of a message on its way in.
pub(super) struct Sums {
    body: String,
    attributes: Option<String>,
}

impl Sums {
    pub(super) fn of(message: &Message) -> Result<Self, FifoError> {
        let attributes = md5::of_attributes(&message.attributes()?);
        Ok(Self { body: md5::of_body(&message.message_body), attributes })
    }

    pub(super) fn beside(&self, sent: &Sent) -> Value {
        let mut output = json!({
            "MessageId": sent.message_id,
            "MD5OfMessageBody": self.body,
            "SequenceNumber": sequence_number(sent.sequence),
        });
        if let Some(sum) = &self.attributes {
            output["MD5OfMessageAttributes"] = json!(sum);
        }
        output
    }
}

impl ReceiveMessage {
    /// The message with the attributes that were asked for.
    pub(super) fn show(&self, message: &Received, realm: &Realm) -> Value {
        let mut shown = json!({
            "MessageId": message.message_id,
            "ReceiptHandle": message.receipt_handle,
            "Body": message.content.body,
            "MD5OfBody": md5::of_body(&message.content.body),
        });
        let names = || self.attribute_names.iter().chain(&self.message_system_attribute_names);
        let mut system = system_attributes(message, realm);
        system.retain(|name, _| names().any(|each| each == "All" || each == name));
        if !system.is_empty() {
            shown["Attributes"] = json!(system);
        }
        let mut attributes = message.content.attributes.clone();
        attributes
            .retain(|name, _| self.message_attribute_names.iter().any(|each| names_attribute(each, name)));
        if let Some(sum) = md5::of_attributes(&attributes) {
            shown["MD5OfMessageAttributes"] = json!(sum);
            shown["MessageAttributes"] = attributes.into_iter().map(show_attribute).collect();
        }
        shown
    }
}

fn system_attributes(message: &Received, realm: &Realm) -> Strings {
    let mut strings = Strings::from([
        ("SenderId".to_owned(), realm.account_id.clone()),
        ("SentTimestamp".to_owned(), message.sent_ms.to_string()),
        ("ApproximateReceiveCount".to_owned(), message.receive_count.to_string()),
        ("ApproximateFirstReceiveTimestamp".to_owned(), message.first_received_ms.to_string()),
        ("MessageGroupId".to_owned(), message.content.group_id.clone()),
        ("MessageDeduplicationId".to_owned(), message.content.deduplication_id.clone()),
        ("SequenceNumber".to_owned(), sequence_number(message.sequence)),
    ]);
    if let Some(source) = &message.source {
        strings.insert("DeadLetterQueueSourceArn".to_owned(), realm.queue_arn(source));
    }
    strings
}

/// `All`, a name, or a prefix with `.*`.
fn names_attribute(wanted: &str, name: &str) -> bool {
    wanted == "All" || wanted == name || wanted.strip_suffix(".*").is_some_and(|stem| name.starts_with(stem))
}

fn show_attribute((name, attribute): (String, AttributeValue)) -> (String, Value) {
    let value = match attribute.value {
        Scalar::Text(text) => json!({"DataType": attribute.data_type, "StringValue": text}),
        Scalar::Binary(bytes) => {
            json!({"DataType": attribute.data_type, "BinaryValue": BASE64_STANDARD.encode(bytes)})
        }
    };
    (name, value)
}

/// 20 digits, so that they sort as text, as AWS's do.
pub(in crate::fifo) fn sequence_number(sequence: i64) -> String {
    format!("{sequence:020}")
}
