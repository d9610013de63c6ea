//! Whether what is stored agrees with itself: a run looks once at every wallet of a tenant, and tells what it
//! found. It repairs nothing.

mod books;

pub use books::Books;

use crate::id::{BookingId, CheckoutId, EmployeeNumber};
use crate::money::Money;
use jiff::Timestamp;
use jiff::civil::Date;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use thiserror::Error;

/// Findings that a part of a run lists; the others are counted.
pub const LISTED_OF_A_PART: usize = 20;
/// Findings that a run lists.
pub const LISTED: usize = 100;

/// Days within which each wallet is looked at whole once; on the others its newest movements are.
const WHOLE_WITHIN_DAYS: i64 = 91;

/// Whether the day on which an employee's wallet is looked at whole is one of those behind the last run that was
/// complete, up to this.
pub fn is_due_whole(employee: &EmployeeNumber, last: Option<Date>, date: Date) -> bool {
    let Some(last) = last else { return true };
    let place =
        employee.as_str().bytes().fold(0, |place, byte| (place * 31 + i64::from(byte)) % WHOLE_WITHIN_DAYS);
    let day = date.duration_since(Date::ZERO).as_hours() / 24;
    let days = date.duration_since(last).as_hours() / 24;
    (day - place).rem_euclid(WHOLE_WITHIN_DAYS) < days
}

/// Something that does not agree. None of it holds anybody's name.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, Error)]
#[serde(tag = "type", rename_all = "kebab-case")]
pub enum Finding {
    #[error("the roster names an employee who has no profile")]
    EmployeeMissing,
    #[error("there is no wallet")]
    WalletMissing,
    #[error("movement {version} is missing, or there twice")]
    MovementMissing { version: u64 },
    /// A movement does not lead from the balance before it to its own.
    #[error("movement {version} leaves {stored}, where the sum is {sum}")]
    BalanceBroken { version: u64, stored: Money, sum: Money },
    /// The movements agree with one another, and not with the wallet.
    #[error("the wallet reads {balance} at version {version} after {movements} movements that sum to {sum}")]
    WalletDiffers { balance: Money, version: u64, sum: Money, movements: u64 },
    /// Lower than the tenant allows today.
    #[error("the balance is {balance}, and the overdraft limit {limit}")]
    Overdrawn { balance: Money, limit: Money },
    /// A void or refund gives back a sale that is not there.
    #[error("booking {booking} names sale {checkout}, which is not there")]
    SaleMissing { booking: BookingId, checkout: CheckoutId },
    /// The sale says that more or less was given back than its bookings do.
    #[error("of sale {checkout} {returned} is noted as given back, and {booked} was")]
    ReturnedDiffers { checkout: CheckoutId, returned: Money, booked: Money },
    #[error("of sale {checkout} {returned} is given back, and {paid} was paid")]
    ReturnedExceedsPaid { checkout: CheckoutId, returned: Money, paid: Money },
    #[error("of sale {checkout} other meals are noted as given back than were")]
    MealsDiffer { checkout: CheckoutId },
    /// It is marked as voided and nobody voided it, or the reverse, or not all of it was given back.
    #[error("sale {checkout} is voided and its bookings say otherwise, or the reverse")]
    VoidDiffers { checkout: CheckoutId },
    /// A movement that neither a request nor a cutoff explains.
    #[error("booking {booking} moved the wallet for no cause")]
    CauseMissing { booking: BookingId },
    #[error("it was booked for a cutoff of {date}, which is not there")]
    CutoffMissing { date: Date },
    /// A list shows it in another place than it belongs, or nowhere.
    #[error("{item} stands under a wrong key of the index")]
    IndexDiffers { item: String },
    #[error("{item} does not read")]
    Unreadable { item: String },
    #[error("there are more than {limit} sales and bookings: they were not looked at")]
    TooManyMovements { limit: u64 },
    /// Something else was wrong each time that it was looked at.
    #[error("it did not hold still, and was not looked at")]
    Restless,
    /// Of a cutoff that is closed.
    #[error("the totals of the cutoff of {date} are not what its parts came to")]
    CutoffDiffers { date: Date },
    /// Of a run.
    #[error("{parts} parts of the roster were not looked at, or its rest was not handed out")]
    Incomplete { parts: u64 },
}

impl Finding {
    /// The stable public name.
    pub fn name(&self) -> &'static str {
        match self {
            Finding::EmployeeMissing => "employee-missing",
            Finding::WalletMissing => "wallet-missing",
            Finding::MovementMissing { .. } => "movement-missing",
            Finding::BalanceBroken { .. } => "balance-broken",
            Finding::WalletDiffers { .. } => "wallet-differs",
            Finding::Overdrawn { .. } => "overdrawn",
            Finding::SaleMissing { .. } => "sale-missing",
            Finding::ReturnedDiffers { .. } => "returned-differs",
            Finding::ReturnedExceedsPaid { .. } => "returned-exceeds-paid",
            Finding::MealsDiffer { .. } => "meals-differ",
            Finding::VoidDiffers { .. } => "void-differs",
            Finding::CauseMissing { .. } => "cause-missing",
            Finding::CutoffMissing { .. } => "cutoff-missing",
            Finding::IndexDiffers { .. } => "index-differs",
            Finding::Unreadable { .. } => "unreadable",
            Finding::TooManyMovements { .. } => "too-many-movements",
            Finding::Restless => "restless",
            Finding::CutoffDiffers { .. } => "cutoff-differs",
            Finding::Incomplete { .. } => INCOMPLETE,
        }
    }
}

const INCOMPLETE: &str = "incomplete";

/// A finding, and whose wallet it concerns, if it concerns one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Found {
    #[serde(rename = "e", default, skip_serializing_if = "Option::is_none")]
    pub employee: Option<EmployeeNumber>,
    #[serde(flatten)]
    pub finding: Finding,
}

/// What a part of a run, or all of it, came to.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tally {
    /// Employees looked at, and movements that were read of them.
    #[serde(rename = "n")]
    pub employees: u64,
    #[serde(rename = "m")]
    pub movements: u64,
    /// Findings, by their public names.
    #[serde(rename = "f", default, skip_serializing_if = "BTreeMap::is_empty")]
    pub found: BTreeMap<String, u64>,
    /// The first of them.
    #[serde(rename = "l", default, skip_serializing_if = "Vec::is_empty")]
    pub listed: Vec<Found>,
}

impl Tally {
    /// Counts a finding, and lists it if there is room.
    pub fn note(&mut self, employee: Option<&EmployeeNumber>, finding: Finding, listed_max: usize) {
        *self.found.entry(finding.name().to_owned()).or_default() += 1;
        if self.listed.len() < listed_max {
            self.listed.push(Found { employee: employee.cloned(), finding });
        }
    }

    /// Adds what a part came to.
    pub fn add(&mut self, part: Tally) {
        self.employees += part.employees;
        self.movements += part.movements;
        for (name, count) in part.found {
            *self.found.entry(name).or_default() += count;
        }
        let room = LISTED.saturating_sub(self.listed.len());
        self.listed.extend(part.listed.into_iter().take(room));
    }

    /// How many findings there are, listed or not.
    pub fn findings(&self) -> u64 {
        self.found.values().sum()
    }
}

/// One look at every wallet of a tenant, in parts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Run {
    /// The tenant's business day; each has one run.
    pub date: Date,
    pub opened_at: Timestamp,
    /// Parts of the roster that were handed out, and employees in them.
    pub parts: u32,
    pub expected: u64,
    pub is_handed_out: bool,
    /// When every part was done, or the next run was due, and what it came to.
    pub closed: Option<(Timestamp, Tally)>,
}

/// How far a run is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stage {
    Open,
    Closed,
    /// It was closed though parts of it were missing.
    Incomplete,
}

impl Run {
    pub fn open(date: Date, now: Timestamp) -> Self {
        Self { date, opened_at: now, parts: 0, expected: 0, is_handed_out: false, closed: None }
    }

    /// Whether something that it found of an employee is listed.
    pub fn lists(&self, employee: &EmployeeNumber) -> bool {
        let is_of = |found: &Found| found.employee.as_ref() == Some(employee);
        self.closed.as_ref().is_some_and(|(_, tally)| tally.listed.iter().any(is_of))
    }

    pub fn stage(&self) -> Stage {
        match &self.closed {
            None => Stage::Open,
            Some((_, tally)) if tally.found.contains_key(INCOMPLETE) => Stage::Incomplete,
            Some(_) => Stage::Closed,
        }
    }

    /// Parts that are not done, of so many that are; nothing if that is all of the roster.
    pub fn missing(&self, done: u64) -> Option<Finding> {
        let parts = u64::from(self.parts).saturating_sub(done);
        (parts > 0 || !self.is_handed_out).then_some(Finding::Incomplete { parts })
    }
}

/// How far a part of a run is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Progress {
    /// Employees of the part that were looked at, from the first on.
    pub looked_at: usize,
    pub is_done: bool,
    pub tally: Tally,
}

#[cfg(test)]
mod tests;
