//! A message from what a caller hands in (`Draft`) to what a receiver gets (`Received`).
//! `Content` exists only with a group and a deduplication id, within the services' limits.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::error::{FifoError, invalid_value};

/// Body and attributes of one message, and all messages of one batch together: 256 KiB, the size that SNS
/// and SQS both take.
pub const MESSAGE_MAX_BYTES: usize = 262_144;
/// Characters of a group or deduplication id (AWS quota).
const ID_MAX: usize = 128;
/// Attributes of one message (AWS quota of SQS, and so of raw delivery).
pub const ATTRIBUTES_MAX: usize = 10;
/// Characters of an attribute's name or data type (AWS quota).
const ATTRIBUTE_NAME_MAX: usize = 256;

/// A message as a caller sends it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Draft {
    pub body: String,
    pub group_id: Option<String>,
    pub deduplication_id: Option<String>,
    pub attributes: Attributes,
}

pub type Attributes = BTreeMap<String, AttributeValue>;

/// A message attribute with its declared type: `String`, `Number` or `Binary`, perhaps with a suffix.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AttributeValue {
    pub data_type: String,
    pub value: Scalar,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Scalar {
    Text(String),
    Binary(Vec<u8>),
}

/// What a message says; shared by the queues it was fanned out to.
#[derive(Debug, PartialEq, Eq)]
pub struct Content {
    pub body: String,
    pub group_id: String,
    pub deduplication_id: String,
    pub attributes: Attributes,
}

/// The answer to a send or publish, a duplicate's included.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sent {
    pub message_id: String,
    pub sequence: i64,
}

/// A message in a receiver's hands until `receipt_handle` is used or goes stale.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Received {
    pub message_id: String,
    pub receipt_handle: String,
    pub content: Arc<Content>,
    pub sequence: i64,
    pub sent_ms: i64,
    pub first_received_ms: i64,
    pub receive_count: u32,
    /// Name of the queue it was moved here from, if this is a dead-letter queue.
    pub source: Option<String>,
}

impl Draft {
    pub fn size_bytes(&self) -> usize {
        let attributes = self.attributes.iter().map(|(name, value)| name.len() + value.size_bytes());
        self.body.len() + attributes.sum::<usize>()
    }

    /// Checks everything and settles the deduplication id; `content_based` makes one of the body.
    pub(super) fn into_content(self, content_based: bool) -> Result<Content, FifoError> {
        check_body(&self)?;
        check_attributes(&self.attributes)?;
        let group_id = self.group_id.ok_or(FifoError::MissingParameter("MessageGroupId"))?;
        check_id("MessageGroupId", &group_id)?;
        let deduplication_id = match self.deduplication_id {
            Some(id) => id,
            None if content_based => hex(&Sha256::digest(self.body.as_bytes())),
            None => {
                let reason = "the queue or topic has no ContentBasedDeduplication, so an id is required";
                return Err(invalid_value("MessageDeduplicationId", reason));
            }
        };
        check_id("MessageDeduplicationId", &deduplication_id)?;
        Ok(Content { body: self.body, group_id, deduplication_id, attributes: self.attributes })
    }
}

impl AttributeValue {
    pub fn text(value: impl Into<String>) -> Self {
        Self { data_type: "String".into(), value: Scalar::Text(value.into()) }
    }

    fn size_bytes(&self) -> usize {
        self.data_type.len()
            + match &self.value {
                Scalar::Text(text) => text.len(),
                Scalar::Binary(bytes) => bytes.len(),
            }
    }

    fn is_sound(&self) -> bool {
        let kind = self.data_type.split('.').next().unwrap_or_default();
        let fits = match &self.value {
            Scalar::Text(text) => !text.is_empty() && matches!(kind, "String" | "Number"),
            Scalar::Binary(bytes) => !bytes.is_empty() && kind == "Binary",
        };
        fits && self.data_type.len() <= ATTRIBUTE_NAME_MAX
    }
}

fn check_body(draft: &Draft) -> Result<(), FifoError> {
    if draft.body.is_empty() {
        return Err(FifoError::MissingParameter("MessageBody"));
    }
    if draft.size_bytes() > MESSAGE_MAX_BYTES {
        let reason = format!("body and attributes must be at most {MESSAGE_MAX_BYTES} bytes");
        return Err(invalid_value("MessageBody", &reason));
    }
    // XML's characters, which is all that the services carry.
    let allowed = |c: char| matches!(c, '\t' | '\n' | '\r' | ' '..='\u{fffd}' | '\u{10000}'..);
    if draft.body.chars().all(allowed) { Ok(()) } else { Err(FifoError::InvalidMessageContents) }
}

fn check_attributes(attributes: &Attributes) -> Result<(), FifoError> {
    if attributes.len() > ATTRIBUTES_MAX {
        return Err(invalid_value("MessageAttributes", "a message has at most 10 attributes"));
    }
    for (name, value) in attributes {
        if !is_attribute_name(name) || !value.is_sound() {
            return Err(invalid_value(
                "MessageAttributes",
                &format!("attribute '{name}' has a bad name or type"),
            ));
        }
    }
    Ok(())
}

fn is_attribute_name(name: &str) -> bool {
    let lower = name.to_ascii_lowercase();
    let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.');
    !name.is_empty()
        && name.len() <= ATTRIBUTE_NAME_MAX
        && name.chars().all(allowed)
        && !name.starts_with('.')
        && !name.ends_with('.')
        && !name.contains("..")
        && !lower.starts_with("aws.")
        && !lower.starts_with("amazon.")
}

fn check_id(parameter: &str, id: &str) -> Result<(), FifoError> {
    if !id.is_empty() && id.len() <= ID_MAX && id.chars().all(|c| c.is_ascii_graphic()) {
        return Ok(());
    }
    Err(invalid_value(parameter, "it must be 1 to 128 letters, digits or punctuation marks"))
}

pub(super) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
