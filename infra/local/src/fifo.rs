//! SNS FIFO topics and SQS FIFO queues as one deterministic state machine.
//! Time is an argument, ids come from a counter, every change is recorded for a store. A publish and its
//! fan-out are one step: all matching queues have the message, or none.

mod batch;
mod change;
mod error;
mod filter;
mod ids;
mod message;
mod queue;
mod queue_settings;
mod realm;
mod receipt;
mod redrive;
mod restore;
mod topic;
mod topic_settings;
mod topology;
mod window;

pub mod engine;
pub mod http;
mod md5;
mod sns;
mod sqs;
pub mod store;

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

pub use batch::{BATCH_MAX, Entry, Outcomes};
pub use change::{Change, Delivery, Stored};
pub use error::FifoError;
pub use message::{
    ATTRIBUTES_MAX, AttributeValue, Attributes, Content, Draft, MESSAGE_MAX_BYTES, Received, Scalar, Sent,
};
pub use queue::IN_FLIGHT_MAX;
pub use queue_settings::{QueueSettings, RedrivePolicy, Strings, VISIBILITY_MAX_S, WAIT_MAX_S};
pub use realm::Realm;
pub use redrive::MOVE_MAX;
pub use restore::Inconsistent;
pub use topic::SUBSCRIPTIONS_MAX;
pub use topic_settings::TopicSettings;
pub use topology::SubscriptionView;
pub use window::{DEDUPLICATION_MS, First, Key, Scope};

use batch::each;
use change::Log;
use error::invalid_value;
use ids::Ids;
use queue::{Queue, Terms};
use topic::Topic;

/// Messages of one receive (AWS quota).
pub const RECEIVE_MAX: usize = 10;

/// All topics and queues of one account and region. Queues and topics are named, never by ARN or URL.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fifo {
    realm: Realm,
    ids: Ids,
    queues: BTreeMap<String, Queue>,
    topics: BTreeMap<String, Topic>,
    log: Log,
}

/// How many messages to receive, and for how long to have them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Receive {
    pub max: usize,
    /// `None`: as the queue says.
    pub visibility_timeout_s: Option<i64>,
}

impl Fifo {
    /// An empty machine; `seed` makes its message ids differ from another's.
    pub fn new(realm: Realm, seed: i64) -> Self {
        Self {
            realm,
            ids: Ids { seed, next: 1, recorded: 0 },
            queues: BTreeMap::new(),
            topics: BTreeMap::new(),
            log: Log::default(),
        }
    }

    pub fn realm(&self) -> &Realm {
        &self.realm
    }

    /// What changed since the last call, in the order it happened.
    pub fn drain_changes(&mut self) -> Vec<Change> {
        self.ids.record(&mut self.log);
        std::mem::take(&mut self.log.changes)
    }

    /// The queues where something became receivable, or that went away, since the last call.
    pub fn drain_ready_queues(&mut self) -> BTreeSet<String> {
        std::mem::take(&mut self.log.ready_queues)
    }

    /// Publishes to a topic and puts the message into every queue whose subscription admits it.
    pub fn publish(&mut self, topic: &str, draft: Draft, now_ms: i64) -> Result<Sent, FifoError> {
        let topic = self.topics.get_mut(topic).ok_or(FifoError::NotFound("topic"))?;
        let content = Arc::new(draft.into_content(topic.settings.content_based_deduplication)?);
        let key = topic.settings.deduplication_scope.key(&content);
        if let Some(first) = topic.duplicates.find(topic.id, &key, now_ms, &mut self.log) {
            return Ok(first);
        }
        let sent = self.ids.sent();
        topic.duplicates.remember(topic.id, key, sent.clone(), now_ms, &mut self.log);
        for queue in topic.audience(&content.attributes) {
            // A subscription whose queue was deleted delivers nothing, as on AWS.
            if let Some(queue) = self.queues.get_mut(queue) {
                queue.accept(Arc::clone(&content), self.ids.sent(), now_ms, &mut self.log);
            }
        }
        Ok(sent)
    }

    pub fn publish_batch(
        &mut self,
        topic: &str,
        drafts: Vec<Entry<Draft>>,
        now_ms: i64,
    ) -> Result<Outcomes<Sent>, FifoError> {
        self.topics.contains_key(topic).then_some(()).ok_or(FifoError::NotFound("topic"))?;
        each(drafts, Draft::size_bytes, |draft| self.publish(topic, draft, now_ms))
    }

    pub fn send(&mut self, queue: &str, draft: Draft, now_ms: i64) -> Result<Sent, FifoError> {
        let queue = self.queues.get_mut(queue).ok_or(FifoError::QueueDoesNotExist)?;
        let content = draft.into_content(queue.settings.content_based_deduplication)?;
        Ok(queue.accept(Arc::new(content), self.ids.sent(), now_ms, &mut self.log))
    }

    pub fn send_batch(
        &mut self,
        queue: &str,
        drafts: Vec<Entry<Draft>>,
        now_ms: i64,
    ) -> Result<Outcomes<Sent>, FifoError> {
        self.queue_id(queue)?;
        each(drafts, Draft::size_bytes, |draft| self.send(queue, draft, now_ms))
    }

    /// Messages in order, oldest ready group first; a message received too often goes to the dead-letter
    /// queue instead.
    pub fn receive(&mut self, name: &str, wish: Receive, now_ms: i64) -> Result<Vec<Received>, FifoError> {
        let receives_max = self.receives_max(name);
        let queue = self.settled(name, now_ms)?;
        if !(1..=RECEIVE_MAX).contains(&wish.max) {
            return Err(invalid_value("MaxNumberOfMessages", "it must be between 1 and 10"));
        }
        let hidden_s = wish.visibility_timeout_s.unwrap_or(queue.settings.visibility_timeout_s);
        let hidden_until_ms = visible_at(hidden_s, now_ms)?;
        let terms = Terms { now_ms, max: wish.max, hidden_until_ms, receives_max };
        let Self { queues, log, .. } = self;
        let taken = queues.get_mut(name).ok_or(FifoError::QueueDoesNotExist)?.take(&terms, log);
        self.bury(name, taken.poisoned, now_ms);
        Ok(taken.received)
    }

    /// A message already gone is a success; a handle that no longer holds is an error.
    pub fn delete(&mut self, queue: &str, handle: &str, now_ms: i64) -> Result<(), FifoError> {
        self.settled(queue, now_ms)?;
        let Self { queues, log, .. } = self;
        queues.get_mut(queue).ok_or(FifoError::QueueDoesNotExist)?.delete(handle, log)
    }

    pub fn delete_batch(
        &mut self,
        queue: &str,
        handles: Vec<Entry<String>>,
        now_ms: i64,
    ) -> Result<Outcomes<()>, FifoError> {
        self.queue_id(queue)?;
        each(handles, |_| 0, |handle| self.delete(queue, &handle, now_ms))
    }

    /// Hides a message for so many seconds from now on; 0 makes it visible at once.
    pub fn change_visibility(
        &mut self,
        queue: &str,
        handle: &str,
        timeout_s: i64,
        now_ms: i64,
    ) -> Result<(), FifoError> {
        self.settled(queue, now_ms)?;
        let until_ms = visible_at(timeout_s, now_ms)?;
        let Self { queues, log, .. } = self;
        let queue = queues.get_mut(queue).ok_or(FifoError::QueueDoesNotExist)?;
        let position = queue.held(handle)?;
        let position =
            position.ok_or_else(|| invalid_value("ReceiptHandle", "the message does not exist"))?;
        match timeout_s {
            0 => queue.reveal(position, log),
            _ => queue.hide(position, until_ms, log),
        }
        Ok(())
    }

    pub fn change_visibility_batch(
        &mut self,
        queue: &str,
        changes: Vec<Entry<(String, i64)>>,
        now_ms: i64,
    ) -> Result<Outcomes<()>, FifoError> {
        self.queue_id(queue)?;
        each(changes, |_| 0, |(handle, timeout_s)| self.change_visibility(queue, &handle, timeout_s, now_ms))
    }

    /// Undoes receives whose answer reached nobody; handles that no longer hold are passed over.
    pub fn give_back(&mut self, queue: &str, handles: &[String], now_ms: i64) -> Result<(), FifoError> {
        self.settled(queue, now_ms)?;
        let Self { queues, log, .. } = self;
        let queue = queues.get_mut(queue).ok_or(FifoError::QueueDoesNotExist)?;
        for handle in handles {
            if let Ok(Some(position)) = queue.held(handle) {
                queue.give_back(position, log);
            }
        }
        Ok(())
    }

    /// When the next message in flight comes back by itself; nothing else makes a quiet queue move.
    pub fn next_due(&self, queue: &str) -> Option<i64> {
        self.queues.get(queue)?.next_due_ms()
    }

    fn queue_id(&self, name: &str) -> Result<i64, FifoError> {
        self.queues.get(name).map(|queue| queue.id).ok_or(FifoError::QueueDoesNotExist)
    }

    fn settled(&mut self, name: &str, now_ms: i64) -> Result<&mut Queue, FifoError> {
        let queue = self.queues.get_mut(name).ok_or(FifoError::QueueDoesNotExist)?;
        queue.settle(now_ms, &mut self.log);
        Ok(queue)
    }
}

fn visible_at(timeout_s: i64, now_ms: i64) -> Result<i64, FifoError> {
    if (0..=VISIBILITY_MAX_S).contains(&timeout_s) {
        return Ok(now_ms.saturating_add(timeout_s * 1_000));
    }
    Err(invalid_value("VisibilityTimeout", "it must be between 0 and 43200 seconds"))
}
