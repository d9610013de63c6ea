//! Cutoffs: when credit is replenished, and what an employee gets.
//!
//! A cutoff is a date of the tenant's calendar; its instant follows from the policy's time in the tenant's
//! zone, of which daylight saving skips or repeats some. Every date has exactly one instant, whatever it
//! does: a time that is skipped is moved on by as much, and of a time that comes twice the first counts.

mod policy;
mod schedule;

pub use policy::{Method, NegativeBalance, Policy, Replenished, StandingPolicy};
pub use schedule::{DayOfMonth, InvalidSchedule, LocalTime, Schedule};

use crate::booking::{Booking, BookingKind, BookingOutcome, Rejection};
use crate::employee::Employee;
use crate::id::{BookingId, UserName};
use crate::money::Money;
use crate::planted::{self, Planted};
use crate::role::Status;
use crate::tenant::BusinessDay;
use crate::wallet::Wallet;
use jiff::civil::Date;
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Why a wallet is skipped that the roster names and the table does not have.
pub const UNKNOWN_EMPLOYEE: &str = "unknown-employee";

/// Who moves credit at a cutoff.
pub const BY: &str = "cutoff";

/// The one id under which a cutoff is booked for an employee.
pub fn booking_id(date: Date) -> BookingId {
    BookingId::of_cutoff(date)
}

/// What a cutoff makes of one wallet. It is booked also where nothing changes: what was decided once stays
/// so, whoever asks again after lunch.
pub fn decide(
    policy: &Policy,
    date: Date,
    employee: &Employee,
    wallet: Wallet,
    by: &UserName,
    now: Timestamp,
) -> Booking {
    let limit = employee.limit.unwrap_or(policy.default_limit);
    let booked = |replenished: Replenished| {
        let amount = replenished.amount()?;
        let after = Wallet { balance: wallet.balance.checked_add(amount)?, version: wallet.version + 1 };
        Some((replenished, BookingOutcome::Booked { amount, after }))
    };
    let (replenished, outcome) = if employee.status != Status::Active && !planted::is(Planted::GrantToAnybody)
    {
        (None, BookingOutcome::Rejected(Rejection::EmployeeInactive))
    } else {
        match policy.replenish(wallet.balance, limit).and_then(booked) {
            Some((replenished, outcome)) => (Some(replenished), outcome),
            None => (None, BookingOutcome::Rejected(Rejection::OutOfRange)),
        }
    };
    Booking {
        id: booking_id(date),
        kind: BookingKind::Grant,
        at: now,
        by: by.clone(),
        cause: None,
        replenished,
        outcome,
    }
}

/// The least that instants differ by, as they are stored.
const INSTANT: SignedDuration = SignedDuration::from_millis(1);

/// What the latest cutoff began, and the next one ends: which may be of other days than it was opened by.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Period {
    pub cutoff: Cutoff,
    pub standing: StandingPolicy,
}

impl Period {
    /// What whoever joins gets of it, under the id that the cutoff has in every wallet: all that it gave
    /// while it is open, so that it does not matter whether the roster still names them, and the share of the
    /// days that are left where its policy says so.
    pub fn join(
        &self,
        employee: &Employee,
        day: &BusinessDay,
        by: &UserName,
        now: Timestamp,
    ) -> Option<Booking> {
        let Cutoff { policy, date, closed, .. } = &self.cutoff;
        // By whatever clock, they join behind what is closed: its totals are told.
        let at = closed.as_ref().map_or(now, |(closed_at, _)| now.max(*closed_at + INSTANT));
        if !policy.prorates_joiners {
            let is_open = closed.is_none() || planted::is(Planted::JoinedTooLate);
            return is_open.then(|| decide(policy, *date, employee, Wallet::default(), by, now));
        }
        let (until, _) = *self.standing.next(day, Some(*date), now, 1).first()?;
        let limit = employee.limit.unwrap_or(policy.default_limit);
        let granted = policy.prorate(limit, day.local_date(now), *date, until);
        Some(Booking {
            id: booking_id(*date),
            kind: BookingKind::Grant,
            at,
            by: by.clone(),
            cause: None,
            replenished: Some(Replenished { granted, expired: Money::ZERO }),
            outcome: BookingOutcome::Booked {
                amount: granted,
                after: Wallet { balance: granted, version: 1 },
            },
        })
    }
}

/// How long before a round the roster must have been seen unchanged for what it finds to count. The roster is
/// read from an index, which follows the table within a second as a rule.
pub const QUIET: SignedDuration = SignedDuration::from_secs(10);

/// A cutoff from its opening to its end. Its roster is handed out in rounds: the first books everybody, and
/// the ones after it count everybody again, and book who was missed, until one has found the roster at rest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cutoff {
    pub date: Date,
    /// As it was when the cutoff was opened.
    pub policy: Policy,
    pub opened_at: Timestamp,
    pub round: Round,
    /// When every part of a round was done that counts, and what they came to together.
    pub closed: Option<(Timestamp, Totals)>,
}

/// One walk through the roster.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Round {
    /// From 0.
    pub number: u32,
    pub started_at: Timestamp,
    pub roster: Sighting,
    /// How many parts of the roster were handed out.
    pub parts: u32,
    /// How many employees are in them.
    pub expected: u64,
    /// Whether that was the whole roster.
    pub is_handed_out: bool,
}

/// A revision of the roster's item, which changes whenever somebody joins the roster or moves in it while a
/// cutoff is open, and since when whoever opens cutoffs sees no other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sighting {
    pub revision: u64,
    pub since: Timestamp,
}

/// What to do with a round of which every part is done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// It saw everybody who is on the roster, and nobody twice.
    Counts,
    /// The roster changed: this is what is seen of it now.
    Changed(Sighting),
    /// The roster is not at rest for long enough.
    Wait,
    Again,
}

impl Round {
    fn new(number: u32, roster: Sighting, now: Timestamp) -> Self {
        Self { number, started_at: now, roster, parts: 0, expected: 0, is_handed_out: false }
    }

    /// Whether nobody joined the roster or moved in it for a while before the round, nor since.
    pub fn judge(&self, adds_up: bool, revision: u64, now: Timestamp) -> Verdict {
        let Sighting { revision: seen, since } = self.roster;
        if revision != seen {
            Verdict::Changed(Sighting { revision, since: now })
        } else if adds_up && self.started_at.duration_since(since) >= QUIET {
            Verdict::Counts
        } else if now.duration_since(since) >= QUIET {
            Verdict::Again
        } else {
            Verdict::Wait
        }
    }
}

impl Cutoff {
    /// Opens one, with the revision that it gives the roster's item.
    pub fn open(date: Date, policy: Policy, revision: u64, now: Timestamp) -> Self {
        let round = Round::new(0, Sighting { revision, since: now }, now);
        Self { date, policy, opened_at: now, round, closed: None }
    }

    /// Whether its totals have a booking, once it is closed: whoever is hired later has their share besides.
    pub fn includes(&self, booking: &Booking) -> bool {
        self.closed.as_ref().is_none_or(|(closed_at, _)| booking.at <= *closed_at)
    }

    /// Has the whole roster handed out again.
    #[must_use]
    pub fn again(self, now: Timestamp) -> Self {
        Self { round: Round::new(self.round.number + 1, self.round.roster, now), ..self }
    }
}

/// What a part of a roster, or all of it, came to.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Totals {
    /// Wallets that were booked.
    pub booked: u64,
    /// In minor units, as is what expired. A million wallets at the highest limit stay inside an `i64`.
    pub granted: i64,
    pub expired: i64,
    /// Employees who got nothing, by the reason's public name.
    pub skipped: BTreeMap<String, u64>,
}

impl Totals {
    pub fn count(&mut self, booking: &Booking) {
        match &booking.outcome {
            BookingOutcome::Booked { .. } => {
                self.booked += 1;
                if let Some(replenished) = booking.replenished {
                    self.granted = self.granted.saturating_add(replenished.granted.minor());
                    self.expired = self.expired.saturating_add(replenished.expired.minor());
                }
            }
            BookingOutcome::Rejected(rejection) => self.skip(rejection.name()),
        }
    }

    pub fn skip(&mut self, reason: &str) {
        *self.skipped.entry(reason.to_owned()).or_default() += 1;
    }

    pub fn add(&mut self, other: &Totals) {
        self.booked += other.booked;
        self.granted = self.granted.saturating_add(other.granted);
        self.expired = self.expired.saturating_add(other.expired);
        for (reason, count) in &other.skipped {
            *self.skipped.entry(reason.clone()).or_default() += count;
        }
    }

    /// How many employees it accounts for.
    pub fn employees(&self) -> u64 {
        self.booked + self.skipped.values().sum::<u64>()
    }
}

#[cfg(test)]
mod tests;
