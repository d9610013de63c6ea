//! What clients read of policies and cutoffs.

use domain::booking::{Booking, BookingOutcome};
use domain::cutoff::{self, Cutoff, DayOfMonth, Method, NegativeBalance, Policy, StandingPolicy, Totals};
use domain::id::EmployeeNumber;
use domain::money::Money;
use domain::tenant::Currency;
use jiff::Timestamp;
use jiff::civil::Date;
use serde::Serialize;
use std::collections::BTreeMap;
use utoipa::ToSchema;

/// How credit is replenished. Amounts are minor units of `currency`.
#[derive(Debug, Serialize, ToSchema)]
pub struct PolicyView {
    #[schema(value_type = Vec<crate::credit::DayName>)]
    days: Vec<DayOfMonth>,
    #[schema(example = "06:00")]
    time: String,
    #[schema(value_type = crate::credit::MethodName)]
    method: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    amount: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    cap: Option<i64>,
    #[schema(value_type = crate::credit::NegativeBalanceName)]
    negative_balance: NegativeBalance,
    default_limit: i64,
    prorates_joiners: bool,
    currency: String,
    /// Since when its days and time count.
    #[schema(format = DateTime)]
    since: String,
    /// The next five; one that is due comes first until it is opened, which is within the hour.
    next_cutoffs: Vec<NextCutoffView>,
}

#[derive(Debug, Serialize, ToSchema)]
pub struct NextCutoffView {
    #[schema(format = Date)]
    date: String,
    #[schema(format = DateTime)]
    at: String,
}

impl PolicyView {
    pub fn of(standing: &StandingPolicy, upcoming: &[(Date, Timestamp)], currency: &Currency) -> Self {
        let Policy { schedule, at, method, negative_balance, default_limit, prorates_joiners } =
            standing.policy.clone();
        let (amount, cap) = match method {
            Method::TopUp { amount, cap } => (Some(amount.minor()), Some(cap.minor())),
            Method::Reset | Method::RaiseTo => (None, None),
        };
        let next =
            |(date, at): &(Date, Timestamp)| NextCutoffView { date: date.to_string(), at: at.to_string() };
        Self {
            days: schedule.days(),
            time: at.into(),
            method: method.name(),
            amount,
            cap,
            negative_balance,
            default_limit: default_limit.minor(),
            prorates_joiners,
            currency: currency.clone().into(),
            since: standing.since.to_string(),
            next_cutoffs: upcoming.iter().map(next).collect(),
        }
    }
}

/// A cutoff. Amounts are minor units of `currency`.
#[derive(Debug, Serialize, ToSchema)]
pub struct CutoffView {
    #[schema(format = Date)]
    date: String,
    status: CutoffStatus,
    #[schema(format = DateTime)]
    opened_at: String,
    #[schema(format = DateTime)]
    closed_at: Option<String>,
    /// Employees handed out to be replenished, or counted; not all yet, unless `is_handed_out`.
    expected: u64,
    is_handed_out: bool,
    /// Of a closed cutoff, and of another that is asked for by its date: so far.
    #[serde(skip_serializing_if = "Option::is_none")]
    totals: Option<CutoffTotalsView>,
    currency: String,
}

#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
enum CutoffStatus {
    /// Wallets are replenished.
    Open,
    /// Everybody was replenished who was on the roster; everybody is counted again, and who was missed is
    /// replenished.
    Counting,
    /// Every employee on the roster is accounted for.
    Closed,
}

#[derive(Debug, Serialize, ToSchema)]
pub struct CutoffTotalsView {
    /// Wallets that were booked.
    booked: u64,
    granted: i64,
    expired: i64,
    /// Employees who got nothing, by reason.
    skipped: BTreeMap<String, u64>,
    /// Employees that are not accounted for yet.
    missing: u64,
}

impl CutoffView {
    pub fn of(cutoff: &Cutoff, so_far: Option<&Totals>, currency: &Currency) -> Self {
        let totals = cutoff.closed.as_ref().map(|(_, totals)| totals).or(so_far);
        Self {
            date: cutoff.date.to_string(),
            status: match (&cutoff.closed, cutoff.round.number) {
                (Some(_), _) => CutoffStatus::Closed,
                (None, 0) => CutoffStatus::Open,
                (None, _) => CutoffStatus::Counting,
            },
            opened_at: cutoff.opened_at.to_string(),
            closed_at: cutoff.closed.as_ref().map(|(at, _)| at.to_string()),
            expected: cutoff.round.expected,
            is_handed_out: cutoff.round.is_handed_out,
            totals: totals.map(|totals| CutoffTotalsView::of(totals, cutoff.round.expected)),
            currency: currency.clone().into(),
        }
    }
}

impl CutoffTotalsView {
    pub fn of(totals: &Totals, expected: u64) -> Self {
        Self {
            booked: totals.booked,
            granted: totals.granted,
            expired: totals.expired,
            skipped: totals.skipped.clone(),
            missing: expected.saturating_sub(totals.employees()),
        }
    }
}

/// What a cutoff does to one employee's wallet.
#[derive(Debug, Default, Serialize, ToSchema)]
pub struct CutoffLineView {
    employee_number: String,
    status: LineStatus,
    /// Of what is booked: `reset`, `topped-up`, `topped-up-to-cap`, `raised`, `above-limit` or
    /// `joined`; otherwise why not.
    #[schema(example = "reset")]
    why: Option<&'static str>,
    balance_before: Option<i64>,
    granted: Option<i64>,
    expired: Option<i64>,
    balance_after: Option<i64>,
}

#[derive(Debug, Default, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
enum LineStatus {
    Booked,
    Skipped,
    /// Not yet, or not on the roster at that time.
    #[default]
    Missing,
}

impl CutoffLineView {
    pub fn of(number: &EmployeeNumber, policy: &Policy, booking: Option<&Booking>) -> Self {
        let line = |status, why| Self {
            employee_number: number.to_string(),
            status,
            why,
            balance_before: None,
            granted: None,
            expired: None,
            balance_after: None,
        };
        let is_joiner = booking.is_some_and(|booking| booking.by.as_str() != cutoff::BY);
        let why = |granted| if is_joiner { "joined" } else { why(policy, granted) };
        match booking.map(|booking| (&booking.outcome, booking.replenished)) {
            None => line(LineStatus::Missing, None),
            Some((BookingOutcome::Rejected(rejection), _)) => {
                line(LineStatus::Skipped, Some(rejection.name()))
            }
            Some((BookingOutcome::Booked { amount, after }, replenished)) => Self {
                balance_before: after.balance.checked_sub(*amount).map(Money::minor),
                granted: replenished.map(|replenished| replenished.granted.minor()),
                expired: replenished.map(|replenished| replenished.expired.minor()),
                balance_after: Some(after.balance.minor()),
                ..line(LineStatus::Booked, replenished.map(|replenished| why(replenished.granted)))
            },
        }
    }
}

fn why(policy: &Policy, granted: Money) -> &'static str {
    match policy.method {
        Method::Reset => "reset",
        Method::TopUp { amount, .. } if granted < amount => "topped-up-to-cap",
        Method::TopUp { .. } => "topped-up",
        Method::RaiseTo if granted == Money::ZERO => "above-limit",
        Method::RaiseTo => "raised",
    }
}
