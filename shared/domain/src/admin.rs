//! Administration: what may be changed, why it may be refused, and what stays of it.
//!
//! A receipt is the lasting outcome of one change: who, what, before, after, when. It holds no personal
//! name, picture or secret: of those it says only that they changed.

use crate::cutoff::Policy;
use crate::employee::EmployeePatch;
use crate::event::EventKind;
use crate::id::{
    CommandId, ConcessionaireId, EmployeeNumber, MealCode, Rfid, StationId, TenantId, UserName, WebhookId,
};
use crate::menu::{Meal, MenuVersion};
use crate::money::{BasisPoints, Money};
use crate::request::RequestHash;
use crate::role::{Role, Status};
use crate::tenant::{BusinessDay, Currency, TenantStatus};
use crate::text::{ImageUrl, Name, Reason};
use crate::webhook::{DeliveryId, WebhookUrl};
use jiff::Timestamp;
use jiff::civil::Date;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::BTreeSet;
use strum::{IntoStaticStr, VariantNames};

/// Change something that sales stand on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Administer {
    /// The caller's; for the platform's changes the one that is changed stands in the change.
    pub tenant: TenantId,
    pub id: CommandId,
    pub request: RequestHash,
    pub caller: UserName,
    pub change: Change,
    pub accepted_at: Timestamp,
    pub expires_at: Timestamp,
}

/// What is changed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "change", rename_all = "snake_case")]
pub enum Change {
    // The platform's.
    SetTenant(SetTenant),
    SetTenantStatus {
        tenant_id: TenantId,
        status: TenantStatus,
        reason: Reason,
    },
    AppointAdmin {
        tenant_id: TenantId,
        name: UserName,
    },
    // An admin's.
    CreateUser {
        name: UserName,
        role: Role,
    },
    ChangeUser {
        name: UserName,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        role: Option<Role>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        status: Option<Status>,
    },
    ResetPassword {
        name: UserName,
    },
    CreateEmployee(CreateEmployee),
    ChangeEmployee {
        number: EmployeeNumber,
        patch: EmployeePatch,
    },
    /// Gives a badge to an employee; one that it replaces is blocked.
    AssignBadge {
        number: EmployeeNumber,
        rfid: Rfid,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        replaces: Option<Rfid>,
    },
    BlockBadge {
        number: EmployeeNumber,
        rfid: Rfid,
    },
    /// Takes a badge back; after a rest it may go to somebody else.
    ReleaseBadge {
        number: EmployeeNumber,
        rfid: Rfid,
    },
    SetCreditPolicy {
        policy: Policy,
    },
    /// Opens a cutoff though the schedule does not, or not yet.
    OpenCutoff {
        date: Date,
        reason: Reason,
    },
    /// Has the roster of an open cutoff handed out once more.
    ResumeCutoff {
        date: Date,
        reason: Reason,
    },
    SetConcessionaire {
        id: ConcessionaireId,
        name: Name,
    },
    SetStation {
        id: StationId,
        concessionaire_id: ConcessionaireId,
        status: Status,
    },
    CreateWebhook {
        id: WebhookId,
        url: WebhookUrl,
        /// Everything if none is named.
        #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
        events: BTreeSet<EventKind>,
    },
    ChangeWebhook {
        id: WebhookId,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        url: Option<WebhookUrl>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        events: Option<BTreeSet<EventKind>>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        status: Option<Status>,
    },
    DeleteWebhook {
        id: WebhookId,
    },
    /// Gives it a new secret; the one before stays good for a day.
    RotateWebhookSecret {
        id: WebhookId,
    },
    /// Sends it a test event.
    TestWebhook {
        id: WebhookId,
    },
    /// Tells it something once more.
    Redeliver {
        id: WebhookId,
        delivery: DeliveryId,
    },
    // A concessionaire's.
    SetMeal {
        concessionaire_id: ConcessionaireId,
        code: MealCode,
        meal: Meal,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        if_match: Option<MenuVersion>,
    },
    RemoveMeal {
        concessionaire_id: ConcessionaireId,
        code: MealCode,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        if_match: Option<MenuVersion>,
    },
    SetAvailability {
        concessionaire_id: ConcessionaireId,
        code: MealCode,
        availability: Availability,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        if_match: Option<MenuVersion>,
    },
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SetTenant {
    pub tenant_id: TenantId,
    pub name: Name,
    pub currency: Currency,
    pub business_day: BusinessDay,
    pub overdraft_limit: Money,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CreateEmployee {
    pub number: EmployeeNumber,
    pub name: Name,
    pub discount: BasisPoints,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<Money>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub image_url: Option<ImageUrl>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Availability {
    Available,
    /// Until then, or until somebody says otherwise.
    SoldOut {
        until: Option<Timestamp>,
    },
}

/// What a change is about; changes of one subject are applied one after the other.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Subject<'a> {
    Tenant(&'a TenantId),
    /// All of them: the last administrator is one among many.
    Users(&'a UserName),
    Employee(&'a EmployeeNumber),
    CreditPolicy,
    Cutoff(Date),
    Concessionaire(&'a ConcessionaireId),
    Station(&'a StationId),
    Menu(&'a ConcessionaireId, &'a MealCode),
    /// All of them: they are counted.
    Webhooks(&'a WebhookId),
}

const APPOINT_ADMIN: &str = "appoint-admin";
const CREATE_USER: &str = "create-user";
const RESET_PASSWORD: &str = "reset-password";
const CREATE_WEBHOOK: &str = "create-webhook";
const ROTATE_WEBHOOK_SECRET: &str = "rotate-webhook-secret";
/// What a snapshot of a webhook calls the number of its newest secret.
pub const SECRET_GENERATION: &str = "secret_generation";

impl Change {
    /// The stable public name.
    pub fn name(&self) -> &'static str {
        match self {
            Change::SetTenant(_) => "set-tenant",
            Change::SetTenantStatus { .. } => "set-tenant-status",
            Change::AppointAdmin { .. } => APPOINT_ADMIN,
            Change::CreateUser { .. } => CREATE_USER,
            Change::ChangeUser { .. } => "change-user",
            Change::ResetPassword { .. } => RESET_PASSWORD,
            Change::CreateEmployee(_) => "create-employee",
            Change::ChangeEmployee { .. } => "change-employee",
            Change::AssignBadge { .. } => "assign-badge",
            Change::BlockBadge { .. } => "block-badge",
            Change::ReleaseBadge { .. } => "release-badge",
            Change::SetCreditPolicy { .. } => "set-credit-policy",
            Change::OpenCutoff { .. } => "open-cutoff",
            Change::ResumeCutoff { .. } => "resume-cutoff",
            Change::SetConcessionaire { .. } => "set-concessionaire",
            Change::SetStation { .. } => "set-station",
            Change::CreateWebhook { .. } => CREATE_WEBHOOK,
            Change::ChangeWebhook { .. } => "change-webhook",
            Change::DeleteWebhook { .. } => "delete-webhook",
            Change::RotateWebhookSecret { .. } => ROTATE_WEBHOOK_SECRET,
            Change::TestWebhook { .. } => "test-webhook",
            Change::Redeliver { .. } => "redeliver",
            Change::SetMeal { .. } => "set-meal",
            Change::RemoveMeal { .. } => "remove-meal",
            Change::SetAvailability { .. } => "set-availability",
        }
    }

    pub fn subject(&self) -> Subject<'_> {
        match self {
            Change::SetTenant(SetTenant { tenant_id, .. }) | Change::SetTenantStatus { tenant_id, .. } => {
                Subject::Tenant(tenant_id)
            }
            Change::AppointAdmin { name, .. }
            | Change::CreateUser { name, .. }
            | Change::ChangeUser { name, .. }
            | Change::ResetPassword { name } => Subject::Users(name),
            Change::CreateEmployee(CreateEmployee { number, .. })
            | Change::ChangeEmployee { number, .. }
            | Change::AssignBadge { number, .. }
            | Change::BlockBadge { number, .. }
            | Change::ReleaseBadge { number, .. } => Subject::Employee(number),
            Change::SetCreditPolicy { .. } => Subject::CreditPolicy,
            Change::OpenCutoff { date, .. } | Change::ResumeCutoff { date, .. } => Subject::Cutoff(*date),
            Change::SetConcessionaire { id, .. } => Subject::Concessionaire(id),
            Change::SetStation { id, .. } => Subject::Station(id),
            Change::CreateWebhook { id, .. }
            | Change::ChangeWebhook { id, .. }
            | Change::DeleteWebhook { id }
            | Change::RotateWebhookSecret { id }
            | Change::TestWebhook { id }
            | Change::Redeliver { id, .. } => Subject::Webhooks(id),
            Change::SetMeal { concessionaire_id, code, .. }
            | Change::RemoveMeal { concessionaire_id, code, .. }
            | Change::SetAvailability { concessionaire_id, code, .. } => {
                Subject::Menu(concessionaire_id, code)
            }
        }
    }

    /// Whether it is the platform's, and so may name another tenant than its caller's.
    pub fn is_platforms(&self) -> bool {
        matches!(self, Change::SetTenant(_) | Change::SetTenantStatus { .. } | Change::AppointAdmin { .. })
    }
}

/// Why a change is rejected, in order of precedence.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, IntoStaticStr, VariantNames)]
#[serde(tag = "type", rename_all = "kebab-case")]
#[strum(serialize_all = "kebab-case")]
pub enum Rejection {
    Expired,
    /// What is to be changed is not there.
    NotFound,
    AlreadyExists,
    /// Somebody changed it since it was read.
    PreconditionFailed,
    /// Wallets hold amounts of the old currency.
    CurrencyFixed,
    /// ISO 4217 does not list it.
    UnknownCurrency,
    LastAdmin,
    /// The pool of users has this name for somebody else.
    UserNameTaken,
    UnknownConcessionaire,
    UnknownEmployee,
    /// The badge is another employee's.
    BadgeTaken,
    /// The badge was another employee's until lately.
    BadgeResting {
        until: Timestamp,
    },
    /// The badge is not this employee's.
    UnknownBadge,
    TooManyBadges,
    /// A menu of so many meals is not folded while an edit waits.
    TooManyEdits,
    /// Nobody has said how credit is replenished.
    NoCreditPolicy,
    /// Another cutoff is not closed yet.
    CutoffOpen {
        date: Date,
    },
    /// A cutoff is due that is not opened yet, and would be forgotten.
    CutoffDue {
        date: Date,
    },
    /// A cutoff of that date or a later one was opened already.
    CutoffPassed {
        latest: Date,
    },
    /// The schedule has another one before.
    CutoffTooFar {
        next: Date,
    },
    CutoffClosed,
    TooManyWebhooks,
    /// It is told nothing.
    WebhookInactive,
    /// Two secrets are good already.
    RotatedLately,
}

impl Rejection {
    /// The stable public name.
    pub fn name(&self) -> &'static str {
        self.into()
    }
}

/// What stays of a change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Receipt {
    pub tenant: TenantId,
    pub id: CommandId,
    pub request: RequestHash,
    pub caller: UserName,
    /// The stable public name of what was asked for.
    pub change: String,
    /// Of what, by its id.
    pub subject: String,
    pub reason: Option<Reason>,
    pub is_platforms: bool,
    pub accepted_at: Timestamp,
    pub decided_at: Timestamp,
    pub outcome: ReceiptOutcome,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ReceiptOutcome {
    /// What stood there and what stands there now; null where nothing did or does.
    Applied {
        before: Value,
        after: Value,
    },
    Rejected(Rejection),
}

impl Receipt {
    /// Whose stall or menu changed, if one did.
    pub fn concessionaire(&self) -> Option<ConcessionaireId> {
        self.subject.strip_prefix("concessionaires/")?.split('/').next()?.parse().ok()
    }

    /// The user who got a first password by it.
    pub fn given_a_password(&self) -> Option<UserName> {
        let gives_one = [CREATE_USER, APPOINT_ADMIN, RESET_PASSWORD].contains(&self.change.as_str());
        self.subject.strip_prefix("users/").filter(|_| gives_one)?.parse().ok()
    }

    /// The webhook that got a secret by it, and which one in order.
    pub fn given_a_secret(&self) -> Option<(WebhookId, u32)> {
        let gives_one = [CREATE_WEBHOOK, ROTATE_WEBHOOK_SECRET].contains(&self.change.as_str());
        let id = self.subject.strip_prefix("webhooks/").filter(|_| gives_one)?.parse().ok()?;
        let ReceiptOutcome::Applied { after, .. } = &self.outcome else { return None };
        let generation = after.get(SECRET_GENERATION)?.as_u64()?.try_into().ok()?;
        Some((id, generation))
    }

    pub fn of(command: &Administer, outcome: ReceiptOutcome, now: Timestamp) -> Self {
        Self {
            tenant: command.tenant.clone(),
            id: command.id,
            request: command.request,
            caller: command.caller.clone(),
            change: command.change.name().to_owned(),
            subject: command.change.subject().to_string(),
            reason: match &command.change {
                Change::SetTenantStatus { reason, .. }
                | Change::OpenCutoff { reason, .. }
                | Change::ResumeCutoff { reason, .. } => Some(reason.clone()),
                _ => None,
            },
            is_platforms: command.change.is_platforms(),
            accepted_at: command.accepted_at,
            decided_at: now,
            outcome,
        }
    }
}

impl std::fmt::Display for Subject<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Subject::Tenant(id) => write!(f, "tenants/{id}"),
            Subject::Users(name) => write!(f, "users/{name}"),
            Subject::Employee(number) => write!(f, "employees/{number}"),
            Subject::CreditPolicy => write!(f, "credit-policy"),
            Subject::Cutoff(date) => write!(f, "cutoffs/{date}"),
            Subject::Concessionaire(id) => write!(f, "concessionaires/{id}"),
            Subject::Station(id) => write!(f, "stations/{id}"),
            Subject::Menu(id, code) => write!(f, "concessionaires/{id}/meals/{code}"),
            Subject::Webhooks(id) => write!(f, "webhooks/{id}"),
        }
    }
}
