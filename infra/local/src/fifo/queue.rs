//! One SQS FIFO queue: which messages wait, which are in flight, and which group may be received next.
//! While any message of a group is in flight, nothing of that group is ready.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::change::{Change, Delivery, Log, Stored};
use super::error::{FifoError, invalid_value};
use super::message::{Content, Received, Sent};
use super::queue_settings::QueueSettings;
use super::receipt::Receipt;
use super::window::Window;

/// Messages of one queue in flight at once (AWS quota); past it receives come back empty, without an error.
pub const IN_FLIGHT_MAX: usize = 120_000;

/// Every operation costs the logarithm of what is queued, and once for each message that lapses.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Queue {
    pub(super) id: i64,
    pub(super) name: String,
    pub(super) settings: QueueSettings,
    pub(super) duplicates: Window,
    messages: BTreeMap<i64, Stored>,
    groups: BTreeMap<String, Group>,
    /// The oldest waiting message of each group that has nothing in flight.
    ready: BTreeSet<i64>,
    /// (hidden until, position)
    in_flight: BTreeSet<(i64, i64)>,
    /// (sent, position)
    ages: BTreeSet<(i64, i64)>,
}

#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Group {
    waiting: BTreeSet<i64>,
    in_flight: usize,
}

/// What a receive took out of the waiting line.
#[derive(Debug, Default)]
pub(super) struct Taken {
    pub(super) received: Vec<Received>,
    /// Received too often already: no longer in this queue.
    pub(super) poisoned: Vec<Stored>,
}

/// How a receive was asked for.
pub(super) struct Terms {
    pub(super) now_ms: i64,
    pub(super) max: usize,
    pub(super) hidden_until_ms: i64,
    /// A message received this often is poisoned; `None` where no dead-letter queue stands behind.
    pub(super) receives_max: Option<u32>,
}

impl Queue {
    pub(super) fn new(id: i64, name: String, settings: QueueSettings) -> Self {
        Self {
            id,
            name,
            settings,
            duplicates: Window::default(),
            messages: BTreeMap::new(),
            groups: BTreeMap::new(),
            ready: BTreeSet::new(),
            in_flight: BTreeSet::new(),
            ages: BTreeSet::new(),
        }
    }

    /// Takes a message in, or answers with the first one's receipt if it is a duplicate of it.
    pub(super) fn accept(&mut self, content: Arc<Content>, sent: Sent, now_ms: i64, log: &mut Log) -> Sent {
        let key = self.settings.deduplication_scope.key(&content);
        if let Some(first) = self.duplicates.find(self.id, &key, now_ms, log) {
            return first;
        }
        self.duplicates.remember(self.id, key, sent.clone(), now_ms, log);
        let message = Stored {
            position: sent.sequence,
            message_id: sent.message_id.clone(),
            content,
            sent_ms: now_ms,
            source: None,
            delivery: Delivery::default(),
        };
        self.insert(message, log);
        sent
    }

    pub(super) fn insert(&mut self, message: Stored, log: &mut Log) {
        log.record(Change::AddMessage { queue: self.id, message: message.clone() });
        self.restore(message, log);
    }

    pub(super) fn restore(&mut self, message: Stored, log: &mut Log) {
        let Stored { position, sent_ms, .. } = message;
        let content = Arc::clone(&message.content);
        self.ages.insert((sent_ms, position));
        let hidden_until_ms = message.delivery.hidden_until_ms;
        self.messages.insert(position, message);
        if let Some(until_ms) = hidden_until_ms {
            self.in_flight.insert((until_ms, position));
        }
        self.in_group(&content.group_id, log, |group| match hidden_until_ms {
            Some(_) => group.in_flight += 1,
            None => _ = group.waiting.insert(position),
        });
    }

    /// Lets time pass: what was hidden long enough waits again at its old place, what is too old goes.
    pub(super) fn settle(&mut self, now_ms: i64, log: &mut Log) {
        while let Some((_, position)) = self.in_flight.first().copied().filter(|(until, _)| *until <= now_ms)
        {
            self.reveal(position, log);
        }
        let oldest_ms = now_ms.saturating_sub(self.settings.retention_s.saturating_mul(1_000));
        while let Some((_, position)) = self.ages.first().copied().filter(|(sent, _)| *sent <= oldest_ms) {
            self.remove(position, log);
            log.record(Change::DropMessage { position });
        }
    }

    /// As many of the oldest ready group as fit, in order, then the next group; in flight from then on.
    pub(super) fn take(&mut self, terms: &Terms, log: &mut Log) -> Taken {
        let room = IN_FLIGHT_MAX.saturating_sub(self.in_flight.len());
        let max = terms.max.min(room);
        let mut taken = Taken::default();
        while taken.received.len() < max
            && let Some(position) = self.ready.first().copied()
        {
            self.take_one(position, terms, &mut taken, log);
            while taken.received.len() < max
                && let Some(next) =
                    taken.received.last().and_then(|last| self.next_of(&last.content.group_id))
            {
                self.take_one(next, terms, &mut taken, log);
            }
        }
        taken
    }

    fn next_of(&self, group_id: &str) -> Option<i64> {
        self.groups.get(group_id)?.waiting.first().copied()
    }

    fn take_one(&mut self, position: i64, terms: &Terms, taken: &mut Taken, log: &mut Log) {
        let received = self.messages.get(&position).map_or(0, |message| message.delivery.receive_count);
        if terms.receives_max.is_some_and(|max| received >= max) {
            taken.poisoned.extend(self.remove(position, log));
            log.record(Change::DropMessage { position });
            return;
        }
        let queue = self.id;
        let delivery = self.mark(position, log, |delivery| {
            delivery.receive_count = delivery.receive_count.saturating_add(1);
            delivery.first_received_ms.get_or_insert(terms.now_ms);
            delivery.hidden_until_ms = Some(terms.hidden_until_ms);
        });
        if let (Some(delivery), Some(message)) = (delivery, self.messages.get(&position)) {
            taken.received.push(received_as(message, queue, delivery, terms.now_ms));
        }
    }

    /// The receipt's message while the receipt holds; `None` if the message is gone.
    pub(super) fn held(&self, handle: &str) -> Result<Option<i64>, FifoError> {
        let receipt = Receipt::parse(handle).filter(|receipt| receipt.queue == self.id);
        let receipt = receipt.ok_or(FifoError::ReceiptHandleIsInvalid)?;
        let Some(message) = self.messages.get(&receipt.position) else { return Ok(None) };
        let Delivery { receive_count, hidden_until_ms, .. } = message.delivery;
        if hidden_until_ms.is_none() || receive_count != receipt.receive_count {
            return Err(invalid_value("ReceiptHandle", "the receipt handle has expired"));
        }
        Ok(Some(receipt.position))
    }

    pub(super) fn delete(&mut self, handle: &str, log: &mut Log) -> Result<(), FifoError> {
        if let Some(position) = self.held(handle)? {
            self.remove(position, log);
            log.record(Change::DropMessage { position });
        }
        Ok(())
    }

    pub(super) fn hide(&mut self, position: i64, until_ms: i64, log: &mut Log) {
        self.mark(position, log, |delivery| delivery.hidden_until_ms = Some(until_ms));
    }

    pub(super) fn reveal(&mut self, position: i64, log: &mut Log) {
        self.mark(position, log, |delivery| delivery.hidden_until_ms = None);
    }

    /// Undoes a receive whose answer reached nobody: visible at once, and not counted.
    pub(super) fn give_back(&mut self, position: i64, log: &mut Log) {
        self.mark(position, log, |delivery| {
            delivery.hidden_until_ms = None;
            delivery.receive_count = delivery.receive_count.saturating_sub(1);
            if delivery.receive_count == 0 {
                delivery.first_received_ms = None;
            }
        });
    }

    /// Takes out what waits in groups with nothing in flight, oldest first, at most `max`.
    pub(super) fn drain_ready(
        &mut self,
        max: usize,
        wanted: impl Fn(&Stored) -> bool,
        log: &mut Log,
    ) -> Vec<Stored> {
        let waiting = self.messages.values().filter(|message| {
            let group = self.groups.get(&message.content.group_id);
            group.is_some_and(|group| group.in_flight == 0) && wanted(message)
        });
        let positions: Vec<i64> = waiting.take(max).map(|message| message.position).collect();
        let mut drained = Vec::with_capacity(positions.len());
        for position in positions {
            drained.extend(self.remove(position, log));
            log.record(Change::DropMessage { position });
        }
        drained
    }

    pub(super) fn purge(&mut self, log: &mut Log) {
        self.messages.clear();
        self.groups.clear();
        self.ready.clear();
        self.in_flight.clear();
        self.ages.clear();
        log.record(Change::PurgeQueue { id: self.id });
    }

    /// When the next message in flight comes back by itself.
    pub(super) fn next_due_ms(&self) -> Option<i64> {
        self.in_flight.first().map(|(until_ms, _)| *until_ms)
    }

    pub(super) fn waiting_count(&self) -> usize {
        self.messages.len() - self.in_flight.len()
    }

    pub(super) fn in_flight_count(&self) -> usize {
        self.in_flight.len()
    }

    /// Changes a message's delivery and moves it between waiting and in flight accordingly.
    fn mark(&mut self, position: i64, log: &mut Log, change: impl FnOnce(&mut Delivery)) -> Option<Delivery> {
        let message = self.messages.get_mut(&position)?;
        let before = message.delivery.hidden_until_ms;
        change(&mut message.delivery);
        let delivery = message.delivery;
        let content = Arc::clone(&message.content);
        if let Some(until_ms) = before {
            self.in_flight.remove(&(until_ms, position));
        }
        if let Some(until_ms) = delivery.hidden_until_ms {
            self.in_flight.insert((until_ms, position));
        }
        self.in_group(&content.group_id, log, |group| match (before, delivery.hidden_until_ms) {
            (None, Some(_)) => {
                group.waiting.remove(&position);
                group.in_flight += 1;
            }
            (Some(_), None) => {
                group.waiting.insert(position);
                group.in_flight -= 1;
            }
            (None, None) | (Some(_), Some(_)) => {}
        });
        log.record(Change::MarkMessage { position, delivery });
        Some(delivery)
    }

    fn remove(&mut self, position: i64, log: &mut Log) -> Option<Stored> {
        let message = self.messages.remove(&position)?;
        self.ages.remove(&(message.sent_ms, position));
        let hidden_until_ms = message.delivery.hidden_until_ms;
        if let Some(until_ms) = hidden_until_ms {
            self.in_flight.remove(&(until_ms, position));
        }
        self.in_group(&message.content.group_id, log, |group| match hidden_until_ms {
            Some(_) => group.in_flight -= 1,
            None => _ = group.waiting.remove(&position),
        });
        Some(message)
    }

    /// The one place that changes a group, so that `ready` follows.
    fn in_group(&mut self, group_id: &str, log: &mut Log, change: impl FnOnce(&mut Group)) {
        if !self.groups.contains_key(group_id) {
            self.groups.insert(group_id.to_owned(), Group::default());
        }
        let Some(group) = self.groups.get_mut(group_id) else { return };
        let before = group.ready();
        change(group);
        let after = group.ready();
        if group.waiting.is_empty() && group.in_flight == 0 {
            self.groups.remove(group_id);
        }
        if before != after {
            before.inspect(|position| _ = self.ready.remove(position));
            after.inspect(|position| _ = self.ready.insert(*position));
        }
        if before.is_none() && after.is_some() {
            log.ready(&self.name);
        }
    }
}

impl Group {
    fn ready(&self) -> Option<i64> {
        self.waiting.first().copied().filter(|_| self.in_flight == 0)
    }
}

fn received_as(message: &Stored, queue: i64, delivery: Delivery, now_ms: i64) -> Received {
    let receipt = Receipt { queue, position: message.position, receive_count: delivery.receive_count };
    Received {
        message_id: message.message_id.clone(),
        receipt_handle: receipt.to_string(),
        content: Arc::clone(&message.content),
        sequence: message.position,
        sent_ms: message.sent_ms,
        first_received_ms: delivery.first_received_ms.unwrap_or(now_ms),
        receive_count: delivery.receive_count,
        source: message.source.clone(),
    }
}
