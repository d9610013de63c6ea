//! One event on its way to one webhook: its attempts, and what follows from each.

use crate::event::{Event, EventKind};
use crate::id::CommandId;
use crate::planted::{self, Planted};
use crate::request::RequestHash;
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::fmt;
use std::str::FromStr;
use thiserror::Error;

/// How long a delivery can be looked up and repeated.
pub const DELIVERIES_KEPT: SignedDuration = SignedDuration::from_hours(7 * 24);
/// Pauses between the first attempts of one delivery.
pub(super) const PAUSES: [SignedDuration; 4] = [
    SignedDuration::from_secs(5),
    SignedDuration::from_secs(30),
    SignedDuration::from_mins(2),
    SignedDuration::from_mins(10),
];
/// The pause between any further ones: no receiver that is back waits for longer.
pub(super) const LONGEST_PAUSE: SignedDuration = SignedDuration::from_mins(30);
/// How long after the first attempt a delivery is given up.
pub const TRIED_FOR: SignedDuration = SignedDuration::from_hours(24);
/// From this attempt on, an event that is refused while others are taken steps aside.
pub const STEPS_ASIDE_FROM: usize = 3;
/// Of the latest deliveries, at most this many are looked at to tell a receiver that is gone from one that
/// refuses something.
pub const LATEST: i32 = 100;
/// Fewer that were tried say nothing of a receiver that answers that it refuses something.
const TRIED_MIN: usize = 10;
/// A webhook is disabled when a delivery is given up and of the latest since then this share was not taken.
pub const FAILED_PERCENT_TO_DISABLE: usize = 95;
/// What a receiver answers that wants no more.
const GONE: u16 = 410;

/// One event on its way to one webhook: `<milliseconds>-<event>`, and behind a `~` the command that asked for
/// it once more. In order of time, and good for a URL.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct DeliveryId(String);

#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("a delivery id is 15 digits, a dash, and an event's id")]
pub struct InvalidDeliveryId;

const MAX_DELIVERY_ID_LEN: usize = 255;

impl DeliveryId {
    pub fn new(event: &Event, asked: Option<CommandId>) -> Self {
        let first = format!("{:015}-{}", event.at.as_millisecond().max(0), event.id);
        Self(asked.map_or(first.clone(), |asked| format!("{first}~{asked}")))
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// 64 hexadecimal digits in its place, where it may be too long.
    pub fn digest(&self) -> RequestHash {
        RequestHash::from_bytes(Sha256::digest(&self.0).into())
    }
}

impl FromStr for DeliveryId {
    type Err = InvalidDeliveryId;

    fn from_str(text: &str) -> Result<Self, InvalidDeliveryId> {
        let (ms, event) = text.split_once('-').ok_or(InvalidDeliveryId)?;
        let is_ms = ms.len() == 15 && ms.bytes().all(|byte| byte.is_ascii_digit());
        let is_event = !event.is_empty()
            && event.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b'_' | b'~'));
        if is_ms && is_event && text.len() <= MAX_DELIVERY_ID_LEN {
            Ok(Self(text.to_owned()))
        } else {
            Err(InvalidDeliveryId)
        }
    }
}

impl TryFrom<String> for DeliveryId {
    type Error = InvalidDeliveryId;

    fn try_from(text: String) -> Result<Self, InvalidDeliveryId> {
        text.parse()
    }
}

impl From<DeliveryId> for String {
    fn from(id: DeliveryId) -> String {
        id.0
    }
}

impl fmt::Display for DeliveryId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What came of telling a webhook of an event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Delivery {
    pub id: DeliveryId,
    pub event: Event,
    pub state: DeliveryState,
    /// In order; some fifty in a day.
    pub attempts: Vec<Attempt>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DeliveryState {
    /// It is tried again.
    Waiting,
    Delivered,
    /// Given up.
    Failed,
    /// The webhook was inactive when its turn came.
    Skipped,
}

/// One call of a receiver.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attempt {
    pub at: Timestamp,
    pub answer: Answer,
    pub duration_ms: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answer {
    /// The HTTP status; a redirect is an answer like any other.
    Status(u16),
    None(Fault),
}

/// Why a receiver did not answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Fault {
    /// Its name has no address.
    NotResolved,
    /// An address of its name, or the one that it names, is not public.
    NotPublic,
    /// No connection, or none that its certificate is good for.
    NotConnected,
    TimedOut,
    /// The connection broke, or what came over it is no answer.
    BrokenOff,
}

impl Fault {
    /// The stable public name.
    pub fn as_str(self) -> &'static str {
        match self {
            Fault::NotResolved => "not-resolved",
            Fault::NotPublic => "not-public",
            Fault::NotConnected => "not-connected",
            Fault::TimedOut => "timed-out",
            Fault::BrokenOff => "broken-off",
        }
    }
}

impl Answer {
    fn is_taken(self) -> bool {
        matches!(self, Answer::Status(200..=299))
    }
}

impl Delivery {
    pub fn new(event: Event, asked: Option<CommandId>) -> Self {
        let id = DeliveryId::new(&event, asked);
        Self { id, event, state: DeliveryState::Waiting, attempts: vec![] }
    }

    /// What it is after one more attempt.
    pub fn after(mut self, attempt: Attempt) -> Self {
        self.attempts.push(attempt);
        self.state = match self.attempts.last().map(|last| last.answer) {
            Some(answer) if answer.is_taken() || planted::is(Planted::HookBelieved) => {
                DeliveryState::Delivered
            }
            Some(Answer::Status(GONE)) => DeliveryState::Failed,
            // Whoever tries it out looks at once.
            _ if self.is_test() => DeliveryState::Failed,
            _ if self.is_old() => DeliveryState::Failed,
            _ => DeliveryState::Waiting,
        };
        self
    }

    /// How long after the last attempt the next one is due, if there is one to be.
    pub fn pause(&self) -> Option<SignedDuration> {
        let index = self.attempts.len().checked_sub(1)?;
        let pause = PAUSES.get(index).copied().unwrap_or(LONGEST_PAUSE);
        (self.state == DeliveryState::Waiting).then_some(pause)
    }

    fn is_old(&self) -> bool {
        let span = self.attempts.first().zip(self.attempts.last());
        span.is_some_and(|(first, last)| last.at >= first.at + TRIED_FOR)
    }

    /// Whether its receiver said that it wants no more.
    pub fn is_gone(&self) -> bool {
        self.attempts.last().is_some_and(|last| last.answer == Answer::Status(GONE))
    }

    fn is_test(&self) -> bool {
        self.event.kind == EventKind::WebhookTested
    }

    fn delivered_at(&self) -> Option<Timestamp> {
        let last = self.attempts.last().filter(|_| self.state == DeliveryState::Delivered)?;
        Some(last.at)
    }

    /// Whether it is this event that its receiver does not take: it says so, or it was refused twice more
    /// after another was taken.
    pub fn steps_aside(&self, latest: &[Delivery]) -> bool {
        let Some(before_last) = self.attempts.len().checked_sub(2).and_then(|index| self.attempts.get(index))
        else {
            return false;
        };
        let first = self.attempts.first().map_or(before_last.at, |first| first.at);
        let has_taken = || {
            let taken = latest.iter().filter_map(Delivery::delivered_at);
            taken.into_iter().any(|at| first < at && at < before_last.at)
        };
        self.attempts.len() >= STEPS_ASIDE_FROM && (self.is_refused() || has_taken())
    }

    /// Whether its receiver, alive, says that it does not want this event.
    fn is_refused(&self) -> bool {
        // Too slow, in conflict, too early and too many are said of the moment.
        let last = self.attempts.last().map(|last| last.answer);
        matches!(last, Some(Answer::Status(status @ 400..=499)) if ![408, 409, GONE, 425, 429].contains(&status))
    }

    /// Whether its receiver is gone, now that this one is given up; `latest` are those since, this one
    /// included.
    pub fn disables(&self, latest: &[Delivery]) -> bool {
        let is_tried = |other: &&Delivery| !other.attempts.is_empty() && !other.is_test();
        let tried = latest.iter().filter(is_tried).count();
        let taken =
            latest.iter().filter(is_tried).filter(|other| other.state == DeliveryState::Delivered).count();
        let is_share_reached = (tried - taken) * 100 >= tried * FAILED_PERCENT_TO_DISABLE;
        let is_telling = !self.is_refused() || tried >= TRIED_MIN;
        self.state == DeliveryState::Failed
            && !self.is_test()
            && (self.is_gone() || (is_share_reached && is_telling))
    }
}
