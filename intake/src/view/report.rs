//! What clients read of reports.

use domain::id::EmployeeNumber;
use domain::ledger::Flows;
use domain::tenant::Currency;
use serde::Serialize;
use utoipa::ToSchema;

/// What went in and out of one wallet, in minor units.
#[derive(Debug, Serialize, ToSchema)]
pub struct CreditLineView {
    employee_number: String,
    opening: i64,
    granted: i64,
    adjusted: i64,
    refunded: i64,
    spent: i64,
    expired: i64,
    closing: i64,
    /// Where movements do not lead to the wallet.
    difference: Option<String>,
}

/// What went in and out of all wallets so far, in minor units of `currency`.
#[derive(Debug, Serialize, ToSchema)]
pub struct CreditTotalsView {
    employees: u64,
    opening: i64,
    granted: i64,
    adjusted: i64,
    refunded: i64,
    spent: i64,
    expired: i64,
    closing: i64,
    /// Employees whose movements do not lead to their wallet.
    differences: u64,
    currency: String,
}

impl CreditLineView {
    pub fn of(number: &EmployeeNumber, flows: &Flows, difference: Option<String>) -> Self {
        let Flows { opening, granted, adjusted, refunded, spent, expired, closing } = *flows;
        Self {
            employee_number: number.to_string(),
            opening,
            granted,
            adjusted,
            refunded,
            spent,
            expired,
            closing,
            difference,
        }
    }
}

impl CreditTotalsView {
    pub fn of(employees: u64, differences: u64, flows: &Flows, currency: &Currency) -> Self {
        let Flows { opening, granted, adjusted, refunded, spent, expired, closing } = *flows;
        Self {
            employees,
            opening,
            granted,
            adjusted,
            refunded,
            spent,
            expired,
            closing,
            differences,
            currency: currency.clone().into(),
        }
    }
}
