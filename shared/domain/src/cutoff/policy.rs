//! How a tenant replenishes credit: when a cutoff is due, and what it does to a wallet.

use super::schedule::{LocalTime, Schedule};
use crate::admin::Rejection;
use crate::money::Money;
use crate::planted::{self, Planted};
use crate::tenant::BusinessDay;
use jiff::Timestamp;
use jiff::civil::Date;
use serde::{Deserialize, Serialize};

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

impl Method {
    /// Its public name.
    pub fn name(&self) -> &'static str {
        match self {
            Method::Reset => "reset",
            Method::TopUp { .. } => "top_up",
            Method::RaiseTo => "raise_to",
        }
    }
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

impl Policy {
    /// When a cutoff of this date is due.
    pub fn instant(&self, day: &BusinessDay, date: Date) -> Option<Timestamp> {
        day.instant(self.at.on(date))
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

    /// The next cutoffs after `now`, with their instants; `latest` was opened already, perhaps before its
    /// time.
    pub fn upcoming(
        &self,
        day: &BusinessDay,
        now: Timestamp,
        latest: Option<Date>,
        count: usize,
    ) -> Vec<(Date, Timestamp)> {
        let mut date = self.due(day, now).max(latest);
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
            Method::Reset if planted::is(Planted::LapseForgotten) => (limit.checked_sub(kept)?, Money::ZERO),
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
        if planted::is(Planted::ProrationIgnored) {
            return whole;
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

    /// The cutoff that has to be opened now, if the latest one was `latest`: the last that is due, however
    /// late, and never one before.
    pub fn to_open(&self, day: &BusinessDay, latest: Option<Date>, now: Timestamp) -> Option<Date> {
        let due = self.policy.due(day, now)?;
        let is_its_own = self.policy.instant(day, due)? > self.since;
        let is_new = latest.is_none_or(|latest| due > latest) || planted::is(Planted::LatestForgotten);
        (is_its_own && is_new).then_some(due)
    }

    /// The cutoffs that come after `latest`, with their instants: the one that has to be opened now, if there
    /// is one, and the next of the schedule.
    pub fn next(
        &self,
        day: &BusinessDay,
        latest: Option<Date>,
        now: Timestamp,
        count: usize,
    ) -> Vec<(Date, Timestamp)> {
        let due = self.to_open(day, latest, now);
        let due = due.and_then(|date| Some((date, self.policy.instant(day, date)?)));
        due.into_iter().chain(self.policy.upcoming(day, now, latest, count)).take(count).collect()
    }

    /// Whether a cutoff may be opened by hand: one that comes after `latest`, no later than the next that the
    /// schedule has, and not instead of one that is due.
    pub fn by_hand(
        &self,
        day: &BusinessDay,
        latest: Option<Date>,
        date: Date,
        now: Timestamp,
    ) -> Result<(), Rejection> {
        if let Some(latest) = latest.filter(|latest| *latest >= date) {
            return Err(Rejection::CutoffPassed { latest });
        }
        if let Some(due) = self.to_open(day, latest, now).filter(|due| *due < date) {
            return Err(Rejection::CutoffDue { date: due });
        }
        match self.policy.upcoming(day, now, latest, 1).first().filter(|(next, _)| *next < date) {
            Some((next, _)) => Err(Rejection::CutoffTooFar { next: *next }),
            None => Ok(()),
        }
    }
}
