//! What clients read of whoever buys, and of themselves.

use super::CheckoutView;
use crate::users::StatusName;
use aws::items::Account;
use domain::checkout::Outcome;
use domain::employee::{BadgeStatus, Employee};
use domain::money::Money;
use domain::role::{Caller, Role, Status};
use domain::tenant::Tenant;
use jiff::civil::Date;
use serde::Serialize;
use std::collections::BTreeMap;
use utoipa::ToSchema;

/// An employee with wallet and newest checkouts. Amounts are minor units of `currency`.
#[derive(Debug, Serialize, ToSchema)]
pub struct EmployeeView {
    employee_number: String,
    name: String,
    image_url: Option<String>,
    #[schema(value_type = StatusName)]
    status: Status,
    discount_basis_points: u16,
    /// What a cutoff fills the wallet up to; null is the policy's default.
    credit_limit: Option<i64>,
    balance: i64,
    /// How many movements the wallet has had.
    wallet_version: u64,
    currency: String,
    /// By RFID: `active` or `blocked`; for administrators alone.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<BTreeMap<String, String>>)]
    badges: Option<BTreeMap<String, BadgeStatus>>,
    /// Newest first, rejected ones included.
    recent: Vec<CheckoutView>,
}

impl EmployeeView {
    pub fn of(account: Account, caller: &Caller, tenant: &Tenant) -> Self {
        let Account { employee, wallet, recent } = account;
        let badges = (caller.role == Role::Admin).then(|| badges(&employee));
        let recent = recent
            .into_iter()
            .map(|checkout| CheckoutView::of(checkout, &employee, &tenant.currency))
            .collect();
        Self {
            employee_number: employee.number.into(),
            name: employee.name,
            image_url: employee.image_url,
            status: employee.status,
            discount_basis_points: employee.discount.get(),
            credit_limit: employee.limit.map(Money::minor),
            balance: wallet.balance.minor(),
            wallet_version: wallet.version,
            currency: tenant.currency.clone().into(),
            badges,
            recent,
        }
    }
}

fn badges(employee: &Employee) -> BTreeMap<String, BadgeStatus> {
    employee.badges.iter().map(|(rfid, status)| (rfid.to_string(), *status)).collect()
}

/// An employee as lists have them. Amounts are minor units of the tenant's currency.
#[derive(Debug, Serialize, ToSchema)]
pub struct ProfileView {
    employee_number: String,
    name: String,
    image_url: Option<String>,
    #[schema(value_type = StatusName)]
    status: Status,
    discount_basis_points: u16,
    credit_limit: Option<i64>,
    /// By RFID: `active` or `blocked`.
    #[schema(value_type = BTreeMap<String, String>)]
    badges: BTreeMap<String, BadgeStatus>,
}

impl ProfileView {
    pub fn of(employee: &Employee) -> Self {
        Self {
            employee_number: employee.number.to_string(),
            name: employee.name.clone(),
            image_url: employee.image_url.clone(),
            status: employee.status,
            discount_basis_points: employee.discount.get(),
            credit_limit: employee.limit.map(Money::minor),
            badges: badges(employee),
        }
    }
}

/// What somebody may be.
#[derive(Debug, Serialize, ToSchema)]
pub struct RoleView {
    #[schema(example = "cashier")]
    role: &'static str,
    /// Of a manager or cashier.
    #[serde(skip_serializing_if = "Option::is_none")]
    concessionaire_id: Option<String>,
    /// Of an employee.
    #[serde(skip_serializing_if = "Option::is_none")]
    employee_number: Option<String>,
}

impl RoleView {
    pub fn of(role: &Role) -> Self {
        let (concessionaire_id, employee_number) = match role {
            Role::Manager { concessionaire_id } | Role::Cashier { concessionaire_id } => {
                (Some(concessionaire_id.to_string()), None)
            }
            Role::Employee { employee_number } => (None, Some(employee_number.to_string())),
            Role::Platform | Role::Admin => (None, None),
        };
        Self { role: role.kind().as_str(), concessionaire_id, employee_number }
    }
}

/// Who is signed in.
#[derive(Debug, Serialize, ToSchema)]
pub struct MeView {
    username: String,
    tenant_id: String,
    tenant_name: String,
    /// That business days and cutoffs are of, as IANA names it.
    #[schema(example = "Asia/Manila")]
    time_zone: String,
    /// The hour at which a business day ends.
    closing_hour: u8,
    /// Today's.
    #[schema(format = Date)]
    business_date: String,
    /// How far below zero a wallet may go.
    overdraft_limit: i64,
    /// Of all amounts.
    currency: String,
    /// Decimals that the currency has: 4500 of one with two is 45.00.
    minor_digits: u32,
    #[serde(flatten)]
    role: RoleView,
    /// Of an employee.
    #[serde(skip_serializing_if = "Option::is_none")]
    employee: Option<EmployeeView>,
    /// Kilocalories of what was settled today, as far as they are known.
    #[serde(skip_serializing_if = "Option::is_none")]
    calories_today: Option<u64>,
}

impl MeView {
    pub fn of(caller: &Caller, account: Option<Account>, tenant: &Tenant, today: Date) -> Self {
        Self {
            username: caller.user.to_string(),
            tenant_id: tenant.id.to_string(),
            tenant_name: tenant.name.clone(),
            time_zone: tenant.business_day.zone_name().to_owned(),
            closing_hour: tenant.business_day.closing_hour(),
            business_date: today.to_string(),
            overdraft_limit: tenant.overdraft_limit.minor(),
            currency: tenant.currency.clone().into(),
            minor_digits: tenant.currency.minor_digits(),
            role: RoleView::of(&caller.role),
            calories_today: account.as_ref().map(|account| calories_on(account, today)),
            employee: account.map(|account| EmployeeView::of(account, caller, tenant)),
        }
    }
}

fn calories_on(account: &Account, date: Date) -> u64 {
    let eaten = account.recent.iter().filter(|checkout| checkout.business_date == date);
    let eaten = eaten.filter(|checkout| checkout.returned.voided.is_none());
    eaten
        .map(|checkout| match &checkout.outcome {
            Outcome::Settled { bill, .. } => bill.total_calories(),
            Outcome::Rejected(_) | Outcome::Withdrawn => 0,
        })
        .sum()
}
