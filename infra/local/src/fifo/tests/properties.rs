//! Random operations against a model so naive that it can be read as the specification. After every step the
//! machine rebuilt from its store equals the live one, and no message is unaccounted for.

use proptest::prelude::*;

use super::*;
use crate::fifo::store::Store;

const RETENTION_S: i64 = 900;
const VISIBILITY_S: i64 = 30;
const RECEIVES_MAX: u32 = 3;

#[derive(Debug, Clone)]
enum Step {
    Send {
        group: u8,
        id: u8,
    },
    Publish {
        group: u8,
        id: u8,
    },
    Receive {
        dead: bool,
        max: usize,
        visibility_s: i64,
    },
    /// On the n-th newest receipt ever given out.
    Delete {
        nth: usize,
    },
    Hide {
        nth: usize,
        timeout_s: i64,
    },
    GiveBack {
        nth: usize,
    },
    Pass {
        seconds: i64,
    },
    MoveBack,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => (0..3_u8, 0..20_u8).prop_map(|(group, id)| Step::Send { group, id }),
        2 => (0..3_u8, 0..20_u8).prop_map(|(group, id)| Step::Publish { group, id }),
        4 => (any::<bool>(), 1..=4_usize, prop_oneof![Just(0), Just(1), Just(VISIBILITY_S)])
            .prop_map(|(dead, max, visibility_s)| Step::Receive { dead, max, visibility_s }),
        3 => (0..6_usize).prop_map(|nth| Step::Delete { nth }),
        1 => (0..6_usize, prop_oneof![Just(0), Just(5), Just(120)])
            .prop_map(|(nth, timeout_s)| Step::Hide { nth, timeout_s }),
        1 => (0..4_usize).prop_map(|nth| Step::GiveBack { nth }),
        3 => prop_oneof![6 => 0..40_i64, 1 => Just(300_i64), 1 => Just(RETENTION_S)]
            .prop_map(|seconds| Step::Pass { seconds }),
        1 => Just(Step::MoveBack),
    ]
}

#[derive(Debug, Clone, PartialEq)]
struct Line {
    id: String,
    group: String,
    sent_ms: i64,
    receives: u32,
    hidden_until_ms: Option<i64>,
    moved: bool,
}

/// Two queues as plain lists in order of arrival.
#[derive(Default)]
struct Model {
    lines: [Vec<Line>; 2],
    topic_firsts: Vec<(String, i64, Sent)>,
    queue_firsts: Vec<(String, i64, Sent)>,
    accepted: usize,
    deleted: usize,
    expired: usize,
}

impl Model {
    fn settle(&mut self, now_ms: i64) {
        for queue in &mut self.lines {
            let before = queue.len();
            queue.retain(|line| line.sent_ms + RETENTION_S * SECOND_MS > now_ms);
            self.expired += before - queue.len();
            for line in queue {
                line.hidden_until_ms = line.hidden_until_ms.filter(|until_ms| *until_ms > now_ms);
            }
        }
    }

    /// The machine's answer was `sent`; was that right, and is it a new message in the queue?
    fn accept(&mut self, draft: &Draft, id: &str, sent: &Sent, now_ms: i64) {
        if is_duplicate(&mut self.queue_firsts, draft, sent, now_ms) {
            return;
        }
        self.accepted += 1;
        self.lines[0].push(Line {
            id: id.to_owned(),
            group: draft.group_id.clone().unwrap_or_default(),
            sent_ms: now_ms,
            receives: 0,
            hidden_until_ms: None,
            moved: false,
        });
    }

    /// Stays with a group that it has received something of, else takes the oldest open one.
    fn receive(&mut self, queue: usize, max: usize, until_ms: i64, now_ms: i64) -> Vec<(String, u32)> {
        let mut received = Vec::new();
        let mut group = None;
        while received.len() < max
            && let Some(at) = self.waiting_of(queue, group.as_deref()).or_else(|| self.oldest_open(queue))
        {
            if queue == 0 && self.lines[0][at].receives >= RECEIVES_MAX {
                let line = self.lines[0].remove(at);
                self.lines[1].push(Line { receives: 0, sent_ms: now_ms, moved: true, ..line });
                continue;
            }
            let line = &mut self.lines[queue][at];
            line.receives += 1;
            line.hidden_until_ms = Some(until_ms);
            received.push((line.id.clone(), line.receives));
            group = Some(line.group.clone());
        }
        received
    }

    fn waiting_of(&self, queue: usize, group: Option<&str>) -> Option<usize> {
        let waits = |line: &Line| Some(line.group.as_str()) == group && line.hidden_until_ms.is_none();
        self.lines[queue].iter().position(waits)
    }

    /// The oldest line that waits while nothing of its group is hidden.
    fn oldest_open(&self, queue: usize) -> Option<usize> {
        let lines = &self.lines[queue];
        let is_hidden = |group: &str| lines.iter().any(|l| l.group == group && l.hidden_until_ms.is_some());
        lines.iter().position(|line| line.hidden_until_ms.is_none() && !is_hidden(&line.group))
    }

    /// Where the receipt's message is, if the receipt still holds: `Err` if it does not.
    fn held(&self, queue: usize, message: &Received) -> Result<Option<usize>, ()> {
        // A move gives a message another place, so that its older receipts find nothing.
        let same = |line: &Line| line.id == message.message_id && line.moved == message.source.is_some();
        let Some(at) = self.lines[queue].iter().position(same) else { return Ok(None) };
        let line = &self.lines[queue][at];
        let holds = line.hidden_until_ms.is_some() && line.receives == message.receive_count;
        if holds { Ok(Some(at)) } else { Err(()) }
    }

    fn move_back(&mut self, now_ms: i64) -> usize {
        let hidden: Vec<String> =
            self.lines[1].iter().filter(|l| l.hidden_until_ms.is_some()).map(|l| l.group.clone()).collect();
        let dead = std::mem::take(&mut self.lines[1]);
        let (stay, back): (Vec<Line>, Vec<Line>) = dead.into_iter().partition(|l| hidden.contains(&l.group));
        self.lines[1] = stay;
        let count = back.len();
        let line = |line| Line { receives: 0, sent_ms: now_ms, moved: false, ..line };
        self.lines[0].extend(back.into_iter().map(line));
        count
    }
}

fn is_duplicate(firsts: &mut Vec<(String, i64, Sent)>, draft: &Draft, sent: &Sent, now_ms: i64) -> bool {
    let id = draft.deduplication_id.clone().unwrap_or_default();
    firsts.retain(|(_, sent_ms, _)| sent_ms + DEDUPLICATION_MS > now_ms);
    if let Some((_, _, first)) = firsts.iter().find(|(known, _, _)| *known == id) {
        assert_eq!(first, sent, "a duplicate answers as the first did");
        return true;
    }
    firsts.push((id, now_ms, sent.clone()));
    false
}

struct Trial {
    bench: Bench,
    model: Model,
    store: Store,
    /// Receipts ever given out, with the queue; a moved message's receipts of before are left out.
    receipts: Vec<(usize, Received)>,
}

const NAMES: [&str; 2] = [QUEUE, DEAD];

impl Trial {
    fn new() -> Self {
        let retention = RETENTION_S.to_string();
        let mut bench = Bench::with(&[("MessageRetentionPeriod", retention.as_str())]);
        let keep = strings([("MessageRetentionPeriod", retention.as_str())]);
        bench.fifo.set_queue_attributes(DEAD, &keep, 0).expect("set");
        bench.fifo.create_topic(TOPIC, &strings([("FifoTopic", "true")])).expect("topic");
        bench.fifo.subscribe(TOPIC, QUEUE, &strings([("RawMessageDelivery", "true")])).expect("subscribed");
        let store = Store::in_memory().expect("store");
        Self { bench, model: Model::default(), store, receipts: Vec::new() }
    }

    fn run(&mut self, step: &Step) {
        let now_ms = self.bench.now_ms;
        self.model.settle(now_ms);
        match step {
            Step::Send { group, id } => self.send(&numbered(*group, *id)),
            Step::Publish { group, id } => self.publish(&numbered(*group, *id)),
            Step::Receive { dead, max, visibility_s } => {
                self.receive(usize::from(*dead), *max, *visibility_s)
            }
            Step::Delete { nth } => self.delete(*nth),
            Step::Hide { nth, timeout_s } => self.hide(*nth, *timeout_s),
            Step::GiveBack { nth } => self.give_back(*nth),
            Step::Pass { seconds } => self.bench.pass_s(*seconds),
            Step::MoveBack => {
                let moved = self.bench.fifo.start_message_move(DEAD, None, now_ms).expect("moved");
                assert_eq!(moved, self.model.move_back(now_ms));
                self.receipts.clear();
            }
        }
        self.check();
    }

    fn send(&mut self, draft: &Draft) {
        let now_ms = self.bench.now_ms;
        let sent = self.bench.fifo.send(QUEUE, draft.clone(), now_ms).expect("sent");
        self.model.accept(draft, &sent.message_id, &sent, now_ms);
    }

    fn publish(&mut self, draft: &Draft) {
        let now_ms = self.bench.now_ms;
        let sent = self.bench.fifo.publish(TOPIC, draft.clone(), now_ms).expect("published");
        if is_duplicate(&mut self.model.topic_firsts, draft, &sent, now_ms) {
            return;
        }
        let added = self.bench.fifo.log.changes.iter().find_map(|change| match change {
            Change::AddMessage { message, .. } => Some(message.clone()),
            _ => None,
        });
        match added {
            Some(Stored { message_id, position, .. }) => {
                let delivered = Sent { message_id: message_id.clone(), sequence: position };
                self.model.accept(draft, &message_id, &delivered, now_ms);
            }
            None => {
                let id = draft.deduplication_id.as_ref();
                let known = self.model.queue_firsts.iter().find(|(known, _, _)| Some(known) == id);
                let fresh = known.is_some_and(|(_, sent_ms, _)| sent_ms + DEDUPLICATION_MS > now_ms);
                assert!(fresh, "only the queue's own window may swallow what the topic let through");
            }
        }
    }

    fn receive(&mut self, queue: usize, max: usize, visibility_s: i64) {
        let now_ms = self.bench.now_ms;
        let wish = Receive { max, visibility_timeout_s: Some(visibility_s) };
        let received = self.bench.fifo.receive(NAMES[queue], wish, now_ms).expect("received");
        let seen: Vec<(String, u32)> =
            received.iter().map(|m| (m.message_id.clone(), m.receive_count)).collect();
        let dead_before = self.model.lines[1].len();
        let until_ms = now_ms + visibility_s * SECOND_MS;
        assert_eq!(seen, self.model.receive(queue, max, until_ms, now_ms));
        if self.model.lines[1].len() != dead_before {
            self.receipts.clear();
        }
        self.receipts.extend(received.into_iter().map(|message| (queue, message)));
    }

    fn delete(&mut self, nth: usize) {
        let Some((queue, message)) = self.receipts.iter().rev().nth(nth).cloned() else { return };
        let deleted = self.bench.fifo.delete(NAMES[queue], &message.receipt_handle, self.bench.now_ms);
        let held = self.model.held(queue, &message);
        assert_eq!(deleted.is_ok(), held.is_ok());
        if let Ok(Some(at)) = held {
            self.model.lines[queue].remove(at);
            self.model.deleted += 1;
        }
    }

    fn hide(&mut self, nth: usize, timeout_s: i64) {
        let now_ms = self.bench.now_ms;
        let Some((queue, message)) = self.receipts.iter().rev().nth(nth).cloned() else { return };
        let handle = &message.receipt_handle;
        let hidden = self.bench.fifo.change_visibility(NAMES[queue], handle, timeout_s, now_ms);
        let held = self.model.held(queue, &message);
        assert_eq!(hidden.is_ok(), matches!(held, Ok(Some(_))));
        if let Ok(Some(at)) = held {
            let until_ms = now_ms + timeout_s * SECOND_MS;
            self.model.lines[queue][at].hidden_until_ms = Some(until_ms).filter(|_| timeout_s > 0);
        }
    }

    /// What was given back was never seen, so its receipt is forgotten with it.
    fn give_back(&mut self, nth: usize) {
        if nth >= self.receipts.len() {
            return;
        }
        let (queue, message) = self.receipts.remove(self.receipts.len() - 1 - nth);
        let handles = [message.receipt_handle.clone()];
        self.bench.fifo.give_back(NAMES[queue], &handles, self.bench.now_ms).expect("given back");
        if let Ok(Some(at)) = self.model.held(queue, &message) {
            let line = &mut self.model.lines[queue][at];
            line.hidden_until_ms = None;
            line.receives -= 1;
        }
    }

    fn check(&mut self) {
        let now_ms = self.bench.now_ms;
        self.model.settle(now_ms);
        for (queue, name) in NAMES.iter().enumerate() {
            let lines = &self.model.lines[queue];
            let hidden = lines.iter().filter(|line| line.hidden_until_ms.is_some()).count();
            let expected = ((lines.len() - hidden).to_string(), hidden.to_string());
            assert_eq!(self.bench.counts(name), expected, "{name}");
        }
        let left = self.model.lines.iter().map(Vec::len).sum::<usize>();
        assert_eq!(self.model.accepted, self.model.deleted + self.model.expired + left);
        self.store.commit(&self.bench.fifo.drain_changes()).expect("stored");
        self.bench.fifo.drain_ready_queues();
        let rebuilt = self.store.load(realm()).expect("loaded");
        assert_eq!(rebuilt, self.bench.fifo);
    }
}

fn numbered(group: u8, id: u8) -> Draft {
    let group_id = Some(char::from(b'A' + group).to_string());
    Draft { group_id, ..draft(&format!("{id}")) }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_machine_does_what_the_model_does(steps in prop::collection::vec(step(), 1..120)) {
        let mut trial = Trial::new();
        for step in &steps {
            trial.run(step);
        }
    }
}
