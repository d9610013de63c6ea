//! The machine's rules by example, with time moved by hand.

mod dead_letters;
mod deduplication;
mod delivery;
mod engine;
mod properties;
mod sdk;
mod topology;

use super::*;

pub(super) const QUEUE: &str = "checkouts.fifo";
pub(super) const DEAD: &str = "dead.fifo";
pub(super) const TOPIC: &str = "commands.fifo";
pub(super) const SECOND_MS: i64 = 1_000;

pub(super) fn realm() -> Realm {
    Realm { region: "eu-central-1".into(), account_id: "000000000000".into() }
}

pub(super) fn strings<const N: usize>(pairs: [(&str, &str); N]) -> Strings {
    pairs.into_iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
}

/// The body is the message's name; its first letter is its group; its deduplication id is itself.
pub(super) fn draft(name: &str) -> Draft {
    Draft {
        body: name.into(),
        group_id: Some(name[..1].into()),
        deduplication_id: Some(name.into()),
        attributes: Attributes::new(),
    }
}

pub(super) fn draft_of_kind(name: &str, kind: &str) -> Draft {
    let attributes = Attributes::from([("kind".to_owned(), AttributeValue::text(kind))]);
    Draft { attributes, ..draft(name) }
}

/// A machine with one queue, its dead-letter queue after three receives, and a clock.
pub(super) struct Bench {
    pub(super) fifo: Fifo,
    pub(super) now_ms: i64,
}

impl Bench {
    pub(super) fn new() -> Self {
        Self::with(&[])
    }

    pub(super) fn with(extra: &[(&str, &str)]) -> Self {
        let mut fifo = Fifo::new(realm(), 7);
        let plain = strings([("FifoQueue", "true")]);
        fifo.create_queue(DEAD, &plain, 0).expect("dead-letter queue");
        let policy =
            format!(r#"{{"deadLetterTargetArn":"{}","maxReceiveCount":"3"}}"#, realm().queue_arn(DEAD));
        let mut settings = strings([("FifoQueue", "true"), ("RedrivePolicy", policy.as_str())]);
        settings.extend(extra.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())));
        fifo.create_queue(QUEUE, &settings, 0).expect("queue");
        Self { fifo, now_ms: 1_000_000 }
    }

    pub(super) fn sends(names: &[&str]) -> Self {
        let mut bench = Self::new();
        names.iter().for_each(|name| _ = bench.send(name));
        bench
    }

    pub(super) fn send(&mut self, name: &str) -> Sent {
        self.fifo.send(QUEUE, draft(name), self.now_ms).expect("sent")
    }

    pub(super) fn receive(&mut self, max: usize) -> Vec<Received> {
        self.receive_from(QUEUE, max)
    }

    pub(super) fn receive_from(&mut self, queue: &str, max: usize) -> Vec<Received> {
        self.fifo.receive(queue, Receive { max, visibility_timeout_s: None }, self.now_ms).expect("received")
    }

    pub(super) fn bodies(&mut self, max: usize) -> Vec<String> {
        bodies(&self.receive(max))
    }

    pub(super) fn delete(&mut self, message: &Received) -> Result<(), FifoError> {
        self.fifo.delete(QUEUE, &message.receipt_handle, self.now_ms)
    }

    pub(super) fn pass_s(&mut self, seconds: i64) {
        self.now_ms += seconds * SECOND_MS;
    }

    /// Waiting and in flight.
    pub(super) fn counts(&mut self, queue: &str) -> (String, String) {
        let attributes = self.fifo.queue_attributes(queue, self.now_ms).expect("attributes");
        let count = |name: &str| attributes.get(name).cloned().unwrap_or_default();
        (count("ApproximateNumberOfMessages"), count("ApproximateNumberOfMessagesNotVisible"))
    }
}

pub(super) fn bodies(messages: &[Received]) -> Vec<String> {
    messages.iter().map(|message| message.content.body.clone()).collect()
}
