//! What clients read of reports.

use domain::id::EmployeeNumber;
use domain::ledger::Flows;
use domain::takings::{Takings, Till};
use domain::tenant::Currency;
use serde::Serialize;
use utoipa::ToSchema;

/// What went in and out of one wallet, in minor units.
#[derive(Debug, Default, Serialize, ToSchema)]
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

/// What one user sold and gave back at one station on one business date, in minor units.
#[derive(Debug, Default, Serialize, ToSchema)]
pub struct TakingsLineView {
    #[schema(format = Date)]
    business_date: String,
    concessionaire_id: String,
    station: String,
    user: String,
    /// Sales that settled, also those that were voided since.
    sales: u64,
    gross: i64,
    discount: i64,
    net: i64,
    /// Voids and refunds, booked on this date.
    corrections: u64,
    refunded: i64,
    taken: i64,
}

/// What all lines so far come to, in minor units of `currency`.
#[derive(Debug, Serialize, ToSchema)]
pub struct TakingsTotalsView {
    sales: u64,
    gross: i64,
    discount: i64,
    net: i64,
    corrections: u64,
    refunded: i64,
    taken: i64,
    currency: String,
}

impl TakingsLineView {
    pub fn of(till: &Till, takings: &Takings) -> Self {
        let Takings { sales, gross, discount, corrections, refunded } = *takings;
        Self {
            business_date: till.business_date.to_string(),
            concessionaire_id: till.concessionaire.to_string(),
            station: till.station.to_string(),
            user: till.user.to_string(),
            sales,
            gross,
            discount,
            net: takings.net(),
            corrections,
            refunded,
            taken: takings.taken(),
        }
    }
}

impl TakingsTotalsView {
    pub fn of(takings: &Takings, currency: &Currency) -> Self {
        let Takings { sales, gross, discount, corrections, refunded } = *takings;
        Self {
            sales,
            gross,
            discount,
            net: takings.net(),
            corrections,
            refunded,
            taken: takings.taken(),
            currency: currency.clone().into(),
        }
    }
}
