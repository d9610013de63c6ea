//! Dead-letter queues: messages that were received too often go there, a move task brings them back.
//! A move keeps id, group, content and order, and starts counting receives afresh.

use super::change::{Delivery, Stored};
use super::error::FifoError;
use super::{Fifo, Queue};

/// Messages brought back by one move task, which runs as one step; ask again for more.
pub const MOVE_MAX: usize = 10_000;

impl Fifo {
    /// Moves what waits in a dead-letter queue back to where each message came from, or all of it to
    /// `destination`; answers how many. What is in flight, and the rest of its group, stays.
    pub fn start_message_move(
        &mut self,
        source: &str,
        destination: Option<&str>,
        now_ms: i64,
    ) -> Result<usize, FifoError> {
        self.settled(source, now_ms)?;
        let is_dead_letter_queue = self.queues.values().any(|queue| dead_letter_queue(queue) == Some(source));
        if !is_dead_letter_queue || destination.is_some_and(|name| !self.queues.contains_key(name)) {
            return Err(FifoError::ResourceNotFound);
        }
        if destination == Some(source) {
            return Err(FifoError::InvalidParameterValue("DestinationArn: it is the source".into()));
        }
        let names: std::collections::BTreeSet<String> = self.queues.keys().cloned().collect();
        let origin = |message: &Stored| match destination {
            Some(name) => Some(name.to_owned()),
            None => message.source.clone().filter(|name| names.contains(name)),
        };
        let Self { queues, log, .. } = self;
        let queue = queues.get_mut(source).ok_or(FifoError::QueueDoesNotExist)?;
        let moved = queue.drain_ready(MOVE_MAX, |message| origin(message).is_some(), log);
        let count = moved.len();
        for message in moved {
            if let Some(target) = origin(&message) {
                self.transfer(&target, Stored { source: None, ..message }, now_ms);
            }
        }
        Ok(count)
    }

    /// Puts messages that `from` gave up into its dead-letter queue.
    pub(super) fn bury(&mut self, from: &str, poisoned: Vec<Stored>, now_ms: i64) {
        let Some(target) = self.queues.get(from).and_then(dead_letter_queue).map(str::to_owned) else {
            return;
        };
        for message in poisoned {
            self.transfer(&target, Stored { source: Some(from.to_owned()), ..message }, now_ms);
        }
    }

    /// After so many receives a message of this queue is poisoned; `None` if nothing would take it.
    pub(super) fn receives_max(&self, queue: &str) -> Option<u32> {
        let policy = self.queues.get(queue)?.settings.redrive.as_ref()?;
        self.queues.contains_key(&policy.dead_letter_queue).then_some(policy.max_receive_count)
    }

    fn transfer(&mut self, target: &str, message: Stored, now_ms: i64) {
        let position = self.ids.take();
        let arrived = Stored { position, sent_ms: now_ms, delivery: Delivery::default(), ..message };
        if let Some(queue) = self.queues.get_mut(target) {
            queue.insert(arrived, &mut self.log);
        }
    }
}

pub(super) fn dead_letter_queue(queue: &Queue) -> Option<&str> {
    queue.settings.redrive.as_ref().map(|policy| policy.dead_letter_queue.as_str())
}
