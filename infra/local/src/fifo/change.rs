//! What an operation changed, row by row, for a store to write in one transaction.
//! The same rows, read back, rebuild the machine exactly.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::message::Content;
use super::queue_settings::QueueSettings;
use super::topic_settings::TopicSettings;
use super::window::{First, Key};

/// One row written or removed. `owner` and `queue` are ids of topics and queues, never reused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    Counter { seed: i64, next: i64 },
    PutQueue { id: i64, name: String, settings: QueueSettings },
    DropQueue { id: i64 },
    PurgeQueue { id: i64 },
    PutTopic { id: i64, name: String, settings: TopicSettings },
    DropTopic { id: i64 },
    PutSubscription { id: i64, topic: i64, queue: String, filter_policy: Option<String> },
    DropSubscription { id: i64 },
    AddMessage { queue: i64, message: Stored },
    MarkMessage { position: i64, delivery: Delivery },
    DropMessage { position: i64 },
    Remember { owner: i64, key: Key, first: First },
    Forget { owner: i64, until_ms: i64 },
}

/// A message in its queue. `position` orders it among all messages ever and is its sequence number there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stored {
    pub position: i64,
    pub message_id: String,
    pub content: Arc<Content>,
    pub sent_ms: i64,
    pub source: Option<String>,
    pub delivery: Delivery,
}

/// How often a message was received, and until when its last receiver has it to itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Delivery {
    pub receive_count: u32,
    pub first_received_ms: Option<i64>,
    pub hidden_until_ms: Option<i64>,
}

/// Changes since the last drain, and the queues where something became receivable.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Log {
    pub(super) changes: Vec<Change>,
    pub(super) ready_queues: BTreeSet<String>,
}

impl Change {
    /// False for what a power cut may undo at the price of a redelivery.
    pub fn must_be_synced(&self) -> bool {
        !matches!(self, Self::MarkMessage { .. } | Self::DropMessage { .. } | Self::Forget { .. })
    }
}

impl Log {
    pub(super) fn record(&mut self, change: Change) {
        self.changes.push(change);
    }

    pub(super) fn ready(&mut self, queue: &str) {
        if !self.ready_queues.contains(queue) {
            self.ready_queues.insert(queue.to_owned());
        }
    }
}
