//! Cutoffs: when credit is replenished, and what an employee gets.
//!
//! A cutoff is a date of the tenant's calendar; its instant follows from the policy's time in the tenant's
//! zone, of which daylight saving skips or repeats some. Every date has exactly one instant, whatever it does:
//! a time that is skipped is moved on by as much, and of a time that comes twice the first counts.

use crate::admin::Refusal;
use crate::booking::{Booking, BookingKind, BookingOutcome, Rejection};
use crate::employee::Employee;
use crate::id::{BookingId, UserName};
use crate::money::Money;
use crate::role::Status;
use crate::tenant::BusinessDay;
use crate::wallet::Wallet;
use jiff::civil::{Date, Time};
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use thiserror::Error;

/// How a tenant replenishes credit.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Policy {
    pub schedule: Schedule,
    /// Local time of the tenant's zone.
    pub at: LocalTime,
    pub method: Method,
    pub negative_balance: NegativeBalance,
    /// What employees have who have no limit of their own.
    pub default_limit: Money,
    /// Whether whoever joins after a cutoff gets the share of the days that are left, at once; otherwise they
    /// get nothing before the next.
    pub prorates_joiners: bool,
}

/// On which days of a month.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Schedule {
    Monthly {
        day: DayOfMonth,
    },
    /// Two different days, the earlier first.
    SemiMonthly {
        first: DayOfMonth,
        second: DayOfMonth,
    },
}

/// 1 to 31, or the last; a day that a month lacks is its last.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "DayForm", into = "DayForm")]
pub struct DayOfMonth(i8);

/// What a cutoff does to a balance.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "method", rename_all = "snake_case")]
pub enum Method {
    /// The balance becomes the limit; what was left expires.
    Reset,
    /// An amount is added, up to a balance that is carried over.
    TopUp { amount: Money, cap: Money },
    /// The balance is filled up to the limit; nothing is taken.
    RaiseTo,
}

/// What becomes of a debt at a cutoff.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum NegativeBalance {
    /// It is made up for, as if the balance had been zero.
    Forgive,
    /// It is taken off what is granted.
    Carry,
}

/// An hour and a minute of the day.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct LocalTime(Time);

#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum InvalidPolicy {
    #[error("a day must be 1 to 31, or \"last\"")]
    Day,
    #[error("the second day must come after the first in every month")]
    Days,
    #[error("a time must read like 06:30")]
    Time,
}

const LAST: i8 = 31;

#[derive(Serialize, Deserialize)]
#[serde(untagged)]
enum DayForm {
    Number(i8),
    Word(String),
}

impl TryFrom<DayForm> for DayOfMonth {
    type Error = InvalidPolicy;

    fn try_from(form: DayForm) -> Result<Self, InvalidPolicy> {
        match form {
            DayForm::Number(day) if (1..=LAST).contains(&day) => Ok(Self(day)),
            DayForm::Word(word) if word == "last" => Ok(Self(LAST)),
            DayForm::Number(_) | DayForm::Word(_) => Err(InvalidPolicy::Day),
        }
    }
}

impl From<DayOfMonth> for DayForm {
    fn from(day: DayOfMonth) -> Self {
        // The 31st and the last day are the same day of every month.
        if day.0 == LAST { DayForm::Word("last".to_owned()) } else { DayForm::Number(day.0) }
    }
}

impl DayOfMonth {
    pub const LAST: DayOfMonth = DayOfMonth(LAST);

    fn of(self, month: Date) -> Date {
        let last = month.last_of_month();
        if self.0 >= last.day() { last } else { month.with().day(self.0).build().unwrap_or(last) }
    }
}

impl TryFrom<i64> for DayOfMonth {
    type Error = InvalidPolicy;

    fn try_from(day: i64) -> Result<Self, InvalidPolicy> {
        DayForm::Number(i8::try_from(day).map_err(|_| InvalidPolicy::Day)?).try_into()
    }
}

impl TryFrom<String> for LocalTime {
    type Error = InvalidPolicy;

    fn try_from(text: String) -> Result<Self, InvalidPolicy> {
        let digits = |text: &str| (text.len() == 2).then(|| text.parse().ok()).flatten();
        let (hour, minute) = text.split_once(':').ok_or(InvalidPolicy::Time)?;
        let (Some(hour), Some(minute)) = (digits(hour), digits(minute)) else {
            return Err(InvalidPolicy::Time);
        };
        Time::new(hour, minute, 0, 0).map(Self).map_err(|_| InvalidPolicy::Time)
    }
}

impl From<LocalTime> for String {
    fn from(time: LocalTime) -> String {
        format!("{:02}:{:02}", time.0.hour(), time.0.minute())
    }
}

impl Schedule {
    /// Two days that are different in every month: of February, too.
    pub fn semi_monthly(first: DayOfMonth, second: DayOfMonth) -> Result<Self, InvalidPolicy> {
        /// The shortest month has so many days; from there on, days fall together.
        const SHORTEST: i8 = 28;
        let are_apart = first.0 < second.0 && first.0 < SHORTEST;
        if are_apart { Ok(Schedule::SemiMonthly { first, second }) } else { Err(InvalidPolicy::Days) }
    }

    /// The cutoffs of the month that `date` is in, in order.
    fn of_month(self, date: Date) -> impl DoubleEndedIterator<Item = Date> {
        let (one, other) = match self {
            Schedule::Monthly { day } => (day.of(date), None),
            Schedule::SemiMonthly { first, second } => (first.of(date), Some(second.of(date))),
        };
        [Some(one), other].into_iter().flatten()
    }

    /// The first cutoff after `date`.
    pub fn after(self, date: Date) -> Option<Date> {
        let next_month = date.last_of_month().tomorrow().ok();
        let months = [Some(date), next_month].into_iter().flatten();
        months.flat_map(|month| self.of_month(month)).find(|cutoff| *cutoff > date)
    }

    /// The last cutoff on or before `date`.
    pub fn at_or_before(self, date: Date) -> Option<Date> {
        let month_before = date.first_of_month().yesterday().ok();
        let months = [Some(date), month_before].into_iter().flatten();
        months.flat_map(|month| self.of_month(month).rev()).find(|cutoff| *cutoff <= date)
    }
}

impl Policy {
    /// When a cutoff of this date is due.
    pub fn instant(&self, day: &BusinessDay, date: Date) -> Option<Timestamp> {
        day.instant(date.to_datetime(self.at.0))
    }

    /// The latest cutoff that is due at `now`, however late it is by then.
    pub fn due(&self, day: &BusinessDay, now: Timestamp) -> Option<Date> {
        // A zone may be a day ahead of another, and a time may be moved past midnight.
        let mut date = day.local_date(now).tomorrow().ok()?;
        loop {
            date = self.schedule.at_or_before(date)?;
            if self.instant(day, date).is_some_and(|instant| instant <= now) {
                return Some(date);
            }
            date = date.yesterday().ok()?;
        }
    }

    /// The next cutoffs after `now`, with their instants.
    pub fn upcoming(&self, day: &BusinessDay, now: Timestamp, count: usize) -> Vec<(Date, Timestamp)> {
        let mut date = self.due(day, now);
        let mut upcoming = Vec::with_capacity(count);
        while let Some(next) = date.and_then(|date| self.schedule.after(date)) {
            date = Some(next);
            upcoming.extend(
                self.instant(day, next).filter(|instant| *instant > now).map(|instant| (next, instant)),
            );
            if upcoming.len() >= count {
                break;
            }
        }
        upcoming
    }
}

/// What a cutoff does to one wallet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Replenished {
    pub granted: Money,
    /// Credit that lapsed.
    pub expired: Money,
}

impl Replenished {
    /// What the balance changes by.
    pub fn amount(self) -> Option<Money> {
        self.granted.checked_sub(self.expired)
    }
}

impl Policy {
    /// What a wallet with `balance` gets under `limit`; nothing if it leaves the range of amounts.
    pub fn replenish(&self, balance: Money, limit: Money) -> Option<Replenished> {
        let debt = if balance < Money::ZERO { balance.checked_neg()? } else { Money::ZERO };
        let kept = balance.max(Money::ZERO);
        // What would be granted to whoever owes nothing.
        let (granted, expired) = match self.method {
            Method::Reset => (limit, kept),
            Method::TopUp { amount, cap } => {
                (amount.min(cap.checked_sub(kept)?.max(Money::ZERO)), Money::ZERO)
            }
            Method::RaiseTo => (limit.checked_sub(kept)?.max(Money::ZERO), Money::ZERO),
        };
        let granted = match self.negative_balance {
            NegativeBalance::Forgive => granted.checked_add(debt)?,
            NegativeBalance::Carry => granted,
        };
        Some(Replenished { granted, expired })
    }

    /// What whoever joined on a day gets of the current period, which began with the cutoff `since` and ends
    /// with `until`: the share of the days that are left, this one included, rounded down.
    pub fn prorate(&self, limit: Money, joined: Date, since: Date, until: Date) -> Money {
        let whole = match self.method {
            Method::Reset | Method::RaiseTo => limit,
            Method::TopUp { amount, cap } => amount.min(cap),
        };
        let days = |from: Date, to: Date| i128::from((to - from).get_days());
        let (left, all) = (days(joined.max(since), until), days(since, until));
        if !self.prorates_joiners || left <= 0 || all <= 0 {
            return Money::ZERO;
        }
        // A share of at most the whole fits where the whole did.
        let share = i128::from(whole.minor()) * left / all;
        Money::from_minor(i64::try_from(share).unwrap_or(whole.minor()))
    }
}

/// A policy, and since when its cutoffs count.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StandingPolicy {
    pub policy: Policy,
    /// When its days and time were set: what was due before is no cutoff of it.
    pub since: Timestamp,
}

impl StandingPolicy {
    /// What it becomes. Another method or limit never makes a cutoff due, nor lets one be forgotten.
    pub fn with(before: Option<&StandingPolicy>, policy: Policy, now: Timestamp) -> Self {
        let kept = before
            .filter(|before| (before.policy.schedule, before.policy.at) == (policy.schedule, policy.at));
        Self { since: kept.map_or(now, |kept| kept.since), policy }
    }

    /// The cutoff that has to be opened now, if the latest one was `latest`: the last that is due, however late,
    /// and never one before.
    pub fn to_open(&self, day: &BusinessDay, latest: Option<Date>, now: Timestamp) -> Option<Date> {
        let due = self.policy.due(day, now)?;
        let is_its_own = self.policy.instant(day, due)? > self.since;
        (is_its_own && latest.is_none_or(|latest| due > latest)).then_some(due)
    }
}

impl Policy {
    /// Whether a cutoff may be opened by hand: one that comes after `latest`, and no later than the next that the
    /// schedule has.
    pub fn by_hand(
        &self,
        day: &BusinessDay,
        latest: Option<Date>,
        date: Date,
        now: Timestamp,
    ) -> Result<(), Refusal> {
        if let Some(latest) = latest.filter(|latest| *latest >= date) {
            return Err(Refusal::CutoffPassed { latest });
        }
        match self.upcoming(day, now, 1).first() {
            Some((next, _)) if *next < date => Err(Refusal::CutoffTooFar { next: *next }),
            _ => Ok(()),
        }
    }
}

/// Why a wallet is skipped that the roster names and the table does not have.
pub const UNKNOWN_EMPLOYEE: &str = "unknown-employee";

/// The one id under which a cutoff is booked for an employee.
pub fn booking_id(date: Date) -> BookingId {
    BookingId::of_cutoff(date)
}

/// What a cutoff makes of one wallet. It is booked also where nothing changes: what was decided once stays so,
/// whoever asks again after lunch.
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
    let (replenished, outcome) = if employee.status != Status::Active {
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

/// What whoever joins gets of the latest cutoff, under the id that it has in every wallet: all of it while it is
/// open, so that it does not matter whether the roster still names them, and the share of the days that are left
/// where the policy says so.
pub fn join(
    cutoff: &Cutoff,
    employee: &Employee,
    day: &BusinessDay,
    by: &UserName,
    now: Timestamp,
) -> Option<Booking> {
    let Cutoff { policy, date, closed, .. } = cutoff;
    if !policy.prorates_joiners {
        let is_open = closed.is_none();
        return is_open.then(|| decide(policy, *date, employee, Wallet::default(), by, now));
    }
    let until = policy.schedule.after(*date)?;
    let limit = employee.limit.unwrap_or(policy.default_limit);
    let granted = policy.prorate(limit, day.local_date(now), *date, until);
    Some(Booking {
        id: booking_id(*date),
        kind: BookingKind::Grant,
        at: now,
        by: by.clone(),
        cause: None,
        replenished: Some(Replenished { granted, expired: Money::ZERO }),
        outcome: BookingOutcome::Booked { amount: granted, after: Wallet { balance: granted, version: 1 } },
    })
}

/// How long before a round the roster must have been left alone for what it finds to count. The roster is read
/// from an index, which follows the table within a second as a rule.
pub const QUIET: SignedDuration = SignedDuration::from_secs(10);

/// A cutoff from its opening to its end. Its roster is handed out in rounds: the first books everybody, and the
/// ones after it count everybody again, and book who was missed, until one has found the roster at rest.
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
    /// How many parts of the roster were handed out.
    pub chunks: u32,
    /// How many employees are in them.
    pub expected: u64,
    /// Whether that was the whole roster.
    pub is_fanned_out: bool,
}

impl Round {
    fn new(number: u32, now: Timestamp) -> Self {
        Self { number, started_at: now, chunks: 0, expected: 0, is_fanned_out: false }
    }

    /// Whether it saw everybody who is on the roster, and nobody twice: if nobody joined it or moved in it for a
    /// while before, nor since.
    pub fn counts(&self, roster_changed_at: Timestamp) -> bool {
        self.started_at.duration_since(roster_changed_at) >= QUIET
    }
}

impl Cutoff {
    pub fn open(date: Date, policy: Policy, now: Timestamp) -> Self {
        Self { date, policy, opened_at: now, round: Round::new(0, now), closed: None }
    }

    /// Has the whole roster handed out again.
    #[must_use]
    pub fn again(self, now: Timestamp) -> Self {
        Self { round: Round::new(self.round.number + 1, now), ..self }
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
