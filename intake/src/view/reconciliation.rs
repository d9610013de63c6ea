//! What clients read of looks at all wallets.

use domain::money::Money;
use domain::reconciliation::{Finding, Found, Run, Stage, Tally};
use serde::Serialize;
use std::collections::BTreeMap;
use utoipa::ToSchema;

/// A look at all wallets.
#[derive(Debug, Serialize, ToSchema)]
pub struct ReconciliationView {
    /// The business day.
    #[schema(format = Date)]
    date: String,
    status: ReconciliationStatus,
    #[schema(format = DateTime)]
    opened_at: String,
    #[schema(format = DateTime)]
    #[serde(skip_serializing_if = "Option::is_none")]
    closed_at: Option<String>,
    /// Employees on the roster, as far as it was handed out.
    expected: u64,
    /// Employees looked at, and movements: the newest of each wallet, and of some wallets all. Of one that is
    /// open, only its own report says so far.
    employees: u64,
    movements: u64,
    /// How much does not agree.
    finding_count: u64,
    /// The same by type.
    by_type: BTreeMap<String, u64>,
}

#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
enum ReconciliationStatus {
    Open,
    Closed,
    /// Its day ended before everybody was looked at, which is a finding.
    Incomplete,
}

/// A look at all wallets, with what it found.
#[derive(Debug, Serialize, ToSchema)]
pub struct ReconciliationReportView {
    #[serde(flatten)]
    reconciliation: ReconciliationView,
    /// The first hundred.
    findings: Vec<FindingView>,
    /// Those that are counted and not listed.
    not_listed: u64,
}

/// Something that does not agree. Amounts are in minor units.
#[derive(Debug, Default, Serialize, ToSchema)]
pub struct FindingView {
    /// `employee-missing`, `wallet-missing`, `movement-missing`, `balance-broken`, `wallet-differs`,
    /// `overdrawn`, `sale-missing`, `returned-differs`, `returned-exceeds-paid`, `meals-differ`,
    /// `void-differs`, `cause-missing`, `cutoff-missing`, `index-differs`, `unreadable`,
    /// `too-many-movements`, `restless`, `cutoff-differs` or `incomplete`.
    #[serde(rename = "type")]
    #[schema(example = "balance-broken")]
    kind: &'static str,
    /// The same in a sentence.
    detail: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    employee_number: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    checkout_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    booking_id: Option<String>,
    /// The wallet's version at which it shows.
    #[serde(skip_serializing_if = "Option::is_none")]
    wallet_version: Option<u64>,
    /// What is stored, and what it should be.
    #[serde(skip_serializing_if = "Option::is_none")]
    stored: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    expected: Option<i64>,
}

impl ReconciliationView {
    pub fn of(run: &Run, so_far: Option<&Tally>) -> Self {
        let none = Tally::default();
        let tally = run.closed.as_ref().map(|(_, tally)| tally).or(so_far).unwrap_or(&none);
        Self {
            date: run.date.to_string(),
            status: match run.stage() {
                Stage::Open => ReconciliationStatus::Open,
                Stage::Closed => ReconciliationStatus::Closed,
                Stage::Incomplete => ReconciliationStatus::Incomplete,
            },
            opened_at: run.opened_at.to_string(),
            closed_at: run.closed.as_ref().map(|(at, _)| at.to_string()),
            expected: run.expected,
            employees: tally.employees,
            movements: tally.movements,
            finding_count: tally.findings(),
            by_type: tally.found.clone(),
        }
    }
}

impl ReconciliationReportView {
    pub fn of(run: &Run, so_far: &Tally) -> Self {
        let tally = run.closed.as_ref().map_or(so_far, |(_, tally)| tally);
        let listed = u64::try_from(tally.listed.len()).unwrap_or(u64::MAX);
        Self {
            reconciliation: ReconciliationView::of(run, Some(so_far)),
            findings: tally.listed.iter().map(FindingView::of).collect(),
            not_listed: tally.findings().saturating_sub(listed),
        }
    }
}

impl FindingView {
    fn of(found: &Found) -> Self {
        let Found { employee, finding } = found;
        let view = Self {
            kind: finding.name(),
            detail: finding.to_string(),
            employee_number: employee.as_ref().map(ToString::to_string),
            ..Self::default()
        };
        let amounts = |stored: Money, expected: Money| (Some(stored.minor()), Some(expected.minor()));
        match finding {
            Finding::MovementMissing { version } => Self { wallet_version: Some(*version), ..view },
            Finding::BalanceBroken { version, stored, sum } => {
                let (stored, expected) = amounts(*stored, *sum);
                Self { wallet_version: Some(*version), stored, expected, ..view }
            }
            Finding::WalletDiffers { balance, version, sum, .. } => {
                let (stored, expected) = amounts(*balance, *sum);
                Self { wallet_version: Some(*version), stored, expected, ..view }
            }
            Finding::SaleMissing { booking, checkout } => Self {
                booking_id: Some(booking.to_string()),
                checkout_id: Some(checkout.to_string()),
                ..view
            },
            Finding::ReturnedDiffers { checkout, returned, booked } => {
                let (stored, expected) = amounts(*returned, *booked);
                Self { checkout_id: Some(checkout.to_string()), stored, expected, ..view }
            }
            Finding::ReturnedExceedsPaid { checkout, .. }
            | Finding::MealsDiffer { checkout }
            | Finding::VoidDiffers { checkout } => Self { checkout_id: Some(checkout.to_string()), ..view },
            Finding::CauseMissing { booking } => Self { booking_id: Some(booking.to_string()), ..view },
            Finding::EmployeeMissing
            | Finding::WalletMissing
            | Finding::Overdrawn { .. }
            | Finding::CutoffMissing { .. }
            | Finding::IndexDiffers { .. }
            | Finding::Unreadable { .. }
            | Finding::TooManyMovements { .. }
            | Finding::Restless
            | Finding::CutoffDiffers { .. }
            | Finding::Incomplete { .. } => view,
        }
    }
}
