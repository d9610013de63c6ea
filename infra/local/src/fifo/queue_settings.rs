//! A queue's attributes, read once from SQS's strings and rendered back.
//! An attribute that is neither acted on nor harmless to keep is refused.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;

use serde::{Deserialize, Serialize};

use super::error::FifoError;
use super::message::MESSAGE_MAX_BYTES;
use super::realm::Realm;
use super::window::Scope;

/// Seconds a message may stay hidden (AWS quota: 12 hours).
pub const VISIBILITY_MAX_S: i64 = 43_200;
/// Seconds a receive may wait (AWS quota).
pub const WAIT_MAX_S: i64 = 20;
/// AWS: one minute to 14 days.
const RETENTION_S: RangeInclusive<i64> = 60..=1_209_600;
/// AWS: 1 to 1,000.
const MAX_RECEIVE_COUNT: RangeInclusive<i64> = 1..=1_000;
/// What only means something in the cloud: kept and shown, not acted on.
const KEPT: [&str; 6] = [
    "Policy",
    "RedriveAllowPolicy",
    "FifoThroughputLimit",
    "KmsMasterKeyId",
    "KmsDataKeyReusePeriodSeconds",
    "SqsManagedSseEnabled",
];

pub type Strings = BTreeMap<String, String>;

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct QueueSettings {
    pub created_ms: i64,
    pub modified_ms: i64,
    pub visibility_timeout_s: i64,
    pub retention_s: i64,
    pub wait_s: i64,
    pub content_based_deduplication: bool,
    pub deduplication_scope: Scope,
    pub redrive: Option<RedrivePolicy>,
    pub kept: Strings,
}

/// Where a message goes that was received `max_receive_count` times and comes up again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RedrivePolicy {
    pub dead_letter_queue: String,
    pub max_receive_count: u32,
}

/// SQS's own spelling; the count comes as a number or a string.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct RedriveJson {
    dead_letter_target_arn: String,
    max_receive_count: serde_json::Value,
}

impl QueueSettings {
    pub(super) fn new(now_ms: i64) -> Self {
        Self {
            created_ms: now_ms,
            modified_ms: now_ms,
            visibility_timeout_s: 30,
            retention_s: 345_600,
            wait_s: 0,
            content_based_deduplication: false,
            deduplication_scope: Scope::All,
            redrive: None,
            kept: Strings::new(),
        }
    }

    /// These settings with the given attributes put over them.
    pub(super) fn with(&self, given: &Strings, realm: &Realm) -> Result<Self, FifoError> {
        let mut settings = self.clone();
        for (name, value) in given {
            settings
                .set(name, value, realm)
                .ok_or_else(|| FifoError::InvalidAttributeName(name.clone()))?
                .ok_or_else(|| FifoError::InvalidAttributeValue(name.clone()))?;
        }
        Ok(settings)
    }

    /// `None`: no such attribute; `Some(None)`: not such a value.
    fn set(&mut self, name: &str, value: &str, realm: &Realm) -> Option<Option<()>> {
        let set = match name {
            "FifoQueue" => (value == "true").then_some(()),
            "DelaySeconds" => (value == "0").then_some(()),
            "MaximumMessageSize" => (value == MESSAGE_MAX_BYTES.to_string()).then_some(()),
            "VisibilityTimeout" => {
                seconds(value, 0..=VISIBILITY_MAX_S).map(|s| self.visibility_timeout_s = s)
            }
            "MessageRetentionPeriod" => seconds(value, RETENTION_S).map(|s| self.retention_s = s),
            "ReceiveMessageWaitTimeSeconds" => seconds(value, 0..=WAIT_MAX_S).map(|s| self.wait_s = s),
            "ContentBasedDeduplication" => value.parse().ok().map(|on| self.content_based_deduplication = on),
            "DeduplicationScope" => scope(value).map(|scope| self.deduplication_scope = scope),
            "RedrivePolicy" => RedrivePolicy::parse(value, realm).map(|policy| self.redrive = policy),
            kept if KEPT.contains(&kept) => {
                self.kept.insert(kept.to_owned(), value.to_owned());
                Some(())
            }
            _ => return None,
        };
        Some(set)
    }

    pub(super) fn render(&self, realm: &Realm) -> Strings {
        let scope = match self.deduplication_scope {
            Scope::All => "queue",
            Scope::Group => "messageGroup",
        };
        let mut strings = self.kept.clone();
        let mut put = |name: &str, value: String| strings.insert(name.to_owned(), value);
        put("FifoQueue", "true".into());
        put("DelaySeconds", "0".into());
        put("MaximumMessageSize", MESSAGE_MAX_BYTES.to_string());
        put("VisibilityTimeout", self.visibility_timeout_s.to_string());
        put("MessageRetentionPeriod", self.retention_s.to_string());
        put("ReceiveMessageWaitTimeSeconds", self.wait_s.to_string());
        put("ContentBasedDeduplication", self.content_based_deduplication.to_string());
        put("DeduplicationScope", scope.into());
        put("CreatedTimestamp", (self.created_ms / 1_000).to_string());
        put("LastModifiedTimestamp", (self.modified_ms / 1_000).to_string());
        if let Some(policy) = &self.redrive {
            put("RedrivePolicy", policy.render(realm));
        }
        strings
    }
}

impl RedrivePolicy {
    /// `Some(None)` for the empty string, which takes a policy away.
    fn parse(json: &str, realm: &Realm) -> Option<Option<Self>> {
        if json.is_empty() {
            return Some(None);
        }
        let RedriveJson { dead_letter_target_arn, max_receive_count } = serde_json::from_str(json).ok()?;
        let count = max_receive_count.as_i64().or_else(|| max_receive_count.as_str()?.parse().ok())?;
        let count = Some(count).filter(|count| MAX_RECEIVE_COUNT.contains(count))?;
        Some(Some(Self {
            dead_letter_queue: realm.queue_name(&dead_letter_target_arn)?.to_owned(),
            max_receive_count: u32::try_from(count).ok()?,
        }))
    }

    fn render(&self, realm: &Realm) -> String {
        serde_json::json!({
            "deadLetterTargetArn": realm.queue_arn(&self.dead_letter_queue),
            "maxReceiveCount": self.max_receive_count,
        })
        .to_string()
    }
}

fn seconds(value: &str, range: RangeInclusive<i64>) -> Option<i64> {
    value.parse().ok().filter(|seconds| range.contains(seconds))
}

fn scope(value: &str) -> Option<Scope> {
    match value {
        "queue" => Some(Scope::All),
        "messageGroup" => Some(Scope::Group),
        _ => None,
    }
}
