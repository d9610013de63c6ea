//! What clients read of what is administered.

use super::employee::RoleView;
use super::{RejectionView, UndecidedView};
use crate::app::App;
use crate::users::StatusName;
use aws::items::Audited;
use aws::signing::{SECRET_SHOWN, Secret};
use aws::user_pool::{FIRST_PASSWORD_LIFETIME, first_password};
use domain::admin::{Receipt, ReceiptOutcome};
use domain::booking::{Booking, BookingOutcome};
use domain::command::Kind;
use domain::id::EmployeeNumber;
use domain::role::{Caller, Status, User};
use domain::tenant::{Concessionaire, Station, Tenant, TenantStatus};
use jiff::SignedDuration;
use serde::Serialize;
use serde_json::{Value, json};
use utoipa::ToSchema;

/// What came of an admin command, or that nothing has yet, or never will.
#[derive(Debug, Serialize, ToSchema)]
#[serde(tag = "status", rename_all = "snake_case")]
pub enum ReceiptView {
    Applied(Box<AppliedView>),
    Rejected(Box<RejectedChangeView>),
    /// Accepted; the receipt is on its way.
    Pending(UndecidedView),
    /// Accepted, and nothing came of it in time, nor will.
    Failed(UndecidedView),
}

#[derive(Debug, Serialize, ToSchema)]
pub struct AppliedView {
    #[serde(flatten)]
    change: ChangeView,
    /// What stood there; null if nothing did. No name and no picture of an employee.
    before: Option<Value>,
    /// What stands there now; null if nothing does.
    after: Option<Value>,
    /// For whoever asked, for three days: what the user signs in with first, and has to change.
    #[serde(skip_serializing_if = "Option::is_none")]
    first_password: Option<String>,
    /// For whoever asked, for ten minutes: what signs what the webhook is sent.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(example = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")]
    webhook_secret: Option<String>,
}

#[derive(Debug, Serialize, ToSchema)]
pub struct RejectedChangeView {
    #[serde(flatten)]
    change: ChangeView,
    rejection: RejectionView,
}

#[derive(Debug, Serialize, ToSchema)]
pub struct ChangeView {
    id: String,
    #[schema(example = "set-meal")]
    change: String,
    #[schema(example = "concessionaires/coffee-bar/meals/COFFEE")]
    subject: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
    by: String,
    #[schema(format = DateTime)]
    accepted_at: String,
    #[schema(format = DateTime)]
    decided_at: String,
}

impl ReceiptView {
    pub fn of(receipt: Receipt, caller: &Caller, app: &App) -> Self {
        let (password, secret) = (password_of(&receipt, caller, app), secret_of(&receipt, caller, app));
        let change = ChangeView::of(&receipt);
        match receipt.outcome {
            ReceiptOutcome::Applied { before, after } => ReceiptView::Applied(Box::new(AppliedView {
                change,
                before: some(before),
                after: some(after),
                first_password: password,
                webhook_secret: secret,
            })),
            ReceiptOutcome::Rejected(rejection) => {
                ReceiptView::Rejected(Box::new(RejectedChangeView { change, rejection: rejection.into() }))
            }
        }
    }
}

/// Made again from the key, as is the other: they are stored nowhere.
fn password_of(receipt: &Receipt, caller: &Caller, app: &App) -> Option<String> {
    let name =
        receipt.given_a_password().filter(|_| is_shown(receipt, caller, app, FIRST_PASSWORD_LIFETIME))?;
    Some(first_password(&app.password_key, &name, receipt.id))
}

fn secret_of(receipt: &Receipt, caller: &Caller, app: &App) -> Option<String> {
    let given = receipt.given_a_secret().filter(|_| is_shown(receipt, caller, app, SECRET_SHOWN));
    let (webhook, generation) = given?;
    Some(Secret::of(&app.webhooks.key, &receipt.tenant, webhook, generation).text())
}

fn is_shown(receipt: &Receipt, caller: &Caller, app: &App, lifetime: SignedDuration) -> bool {
    app.clock.now() <= receipt.decided_at + lifetime && receipt.caller == caller.user
}

fn some(value: Value) -> Option<Value> {
    if value.is_null() { None } else { Some(value) }
}

impl ChangeView {
    fn of(receipt: &Receipt) -> Self {
        Self {
            id: receipt.id.to_string(),
            change: receipt.change.clone(),
            subject: receipt.subject.clone(),
            reason: receipt.reason.clone().map(String::from),
            by: receipt.caller.to_string(),
            accepted_at: receipt.accepted_at.to_string(),
            decided_at: receipt.decided_at.to_string(),
        }
    }
}

/// One line of the audit: who did what, before, after, when.
#[derive(Debug, Serialize, ToSchema)]
pub struct AuditView {
    id: String,
    /// A change, or `void`, `refund` or `adjustment`.
    #[schema(example = "set-meal")]
    change: String,
    #[schema(example = "employees/100042")]
    subject: String,
    by: String,
    #[schema(format = DateTime)]
    at: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
    before: Option<Value>,
    after: Option<Value>,
    /// Why it was rejected, if it was.
    #[serde(skip_serializing_if = "Option::is_none")]
    rejection: Option<RejectionView>,
}

impl AuditView {
    pub fn of(audited: Audited) -> Self {
        match audited {
            Audited::Receipt(receipt) => Self::of_receipt(receipt),
            Audited::Correction(employee, booking) => Self::of_booking(&employee, booking),
        }
    }

    fn of_receipt(receipt: Receipt) -> Self {
        let (before, after, rejection) = match receipt.outcome {
            ReceiptOutcome::Applied { before, after } => (before, after, None),
            ReceiptOutcome::Rejected(rejection) => (Value::Null, Value::Null, Some(rejection.into())),
        };
        Self {
            id: receipt.id.to_string(),
            change: receipt.change,
            subject: receipt.subject,
            by: receipt.caller.into(),
            at: receipt.decided_at.to_string(),
            reason: receipt.reason.map(String::from),
            before: some(before),
            after: some(after),
            rejection,
        }
    }

    fn of_booking(employee: &EmployeeNumber, booking: Booking) -> Self {
        let (before, after, rejection) = match booking.outcome {
            BookingOutcome::Booked { amount, after } => {
                let before = after.balance.checked_sub(amount);
                (
                    before.map(|before| json!({ "balance": before })),
                    Some(json!({ "balance": after.balance })),
                    None,
                )
            }
            BookingOutcome::Rejected(rejection) => (None, None, Some(rejection.into())),
        };
        let checkout = booking.cause.as_ref().and_then(|cause| cause.checkout);
        Self {
            id: booking.id.to_string(),
            change: super::booking::kind_name(booking.kind).to_owned(),
            subject: match checkout {
                Some(checkout) => format!("employees/{employee}/checkouts/{checkout}"),
                None => format!("employees/{employee}"),
            },
            by: booking.by.into(),
            at: booking.at.to_string(),
            reason: booking.cause.map(|cause| cause.reason.into()),
            before,
            after,
            rejection,
        }
    }
}

#[derive(ToSchema)]
#[serde(rename_all = "snake_case")]
#[expect(dead_code, reason = "only its description is used")]
enum TenantStatusName {
    Active,
    Suspended,
}

/// A tenant.
#[derive(Debug, Serialize, ToSchema)]
pub struct TenantView {
    id: String,
    name: String,
    #[schema(value_type = TenantStatusName)]
    status: TenantStatus,
    currency: String,
    /// Decimals that the currency has: 4500 of one with two is 45.00.
    minor_digits: u32,
    time_zone: String,
    closing_hour: u8,
    /// In minor units of `currency`.
    overdraft_limit: i64,
    /// Whether every kind of command reaches its queue.
    is_ready: bool,
    /// Kinds of command that do not reach their queue, as far as is known.
    unreached: Vec<&'static str>,
}

impl TenantView {
    pub fn of(tenant: &Tenant) -> Self {
        let unreached = Kind::ALL.into_iter().filter(|kind| !tenant.is_reached(*kind));
        Self {
            id: tenant.id.to_string(),
            name: tenant.name.clone(),
            status: tenant.status,
            currency: tenant.currency.clone().into(),
            minor_digits: tenant.currency.minor_digits(),
            time_zone: tenant.business_day.zone_name().to_owned(),
            closing_hour: tenant.business_day.closing_hour(),
            overdraft_limit: tenant.overdraft_limit.minor(),
            is_ready: tenant.is_ready(),
            unreached: unreached.map(Kind::as_str).collect(),
        }
    }
}

/// Somebody who signs in.
#[derive(Debug, Serialize, ToSchema)]
pub struct UserView {
    username: String,
    #[schema(value_type = StatusName)]
    status: Status,
    #[serde(flatten)]
    role: RoleView,
}

impl UserView {
    pub fn of(user: &User) -> Self {
        Self { username: user.name.to_string(), status: user.status, role: RoleView::of(&user.role) }
    }
}

/// A vendor.
#[derive(Debug, Serialize, ToSchema)]
pub struct ConcessionaireView {
    id: String,
    name: String,
}

impl From<Concessionaire> for ConcessionaireView {
    fn from(concessionaire: Concessionaire) -> Self {
        Self { id: concessionaire.id.into(), name: concessionaire.name }
    }
}

/// A terminal.
#[derive(Debug, Serialize, ToSchema)]
pub struct StationView {
    id: String,
    concessionaire_id: String,
    #[schema(value_type = StatusName)]
    status: Status,
}

impl From<Station> for StationView {
    fn from(station: Station) -> Self {
        Self {
            id: station.id.into(),
            concessionaire_id: station.concessionaire.into(),
            status: station.status,
        }
    }
}
