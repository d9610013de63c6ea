//! What happened, as it is told to whoever asked to be told: a CloudEvents 1.0 envelope of version 1.
//!
//! Invariant: what is told twice has one id, and nobody's name or picture is in it. Of one wallet, the
//! version says which event came first.

use crate::admin::{Receipt, ReceiptOutcome};
use crate::booking::{Booking, BookingKind, BookingOutcome};
use crate::checkout::{Checkout, Outcome, SoldLine};
use crate::cutoff::Totals;
use crate::id::{CommandId, ConcessionaireId, EmployeeNumber, StationId, TenantId, UserName, WebhookId};
use crate::import::{Import, Stage};
use crate::menu::MenuVersion;
use crate::webhook::{Disabled, Webhook};
use jiff::Timestamp;
use jiff::civil::Date;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// The content type of an event that stands alone.
pub const CLOUD_EVENT: &str = "application/cloudevents+json";

/// Something that happened. The names are CloudEvents' and, below them, extensions of ours.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(into = "Envelope", try_from = "Envelope")]
pub struct Event {
    pub id: String,
    pub kind: EventKind,
    /// Where it can be read, as a path below `/v1/`.
    pub subject: String,
    pub at: Timestamp,
    pub tenant: TenantId,
    pub about: About,
    /// The outcome; amounts are minor units.
    pub data: Value,
}

/// Whom an event concerns, and so who may be told.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct About {
    /// Whose command it was.
    #[serde(rename = "username", default, skip_serializing_if = "Option::is_none")]
    pub user: Option<UserName>,
    #[serde(rename = "employeenumber", default, skip_serializing_if = "Option::is_none")]
    pub employee: Option<EmployeeNumber>,
    /// The wallet's version after it, if it moved one.
    #[serde(rename = "walletversion", default, skip_serializing_if = "Option::is_none")]
    pub wallet_version: Option<u64>,
    #[serde(rename = "concessionaireid", default, skip_serializing_if = "Option::is_none")]
    pub concessionaire: Option<ConcessionaireId>,
    #[serde(rename = "stationid", default, skip_serializing_if = "Option::is_none")]
    pub station: Option<StationId>,
}

/// What kinds of things happen. The names are public, and never changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum EventKind {
    #[serde(rename = "internal-pos.checkout.settled.v1")]
    CheckoutSettled,
    #[serde(rename = "internal-pos.checkout.rejected.v1")]
    CheckoutRejected,
    /// Undone as a whole, or before it was decided.
    #[serde(rename = "internal-pos.checkout.voided.v1")]
    CheckoutVoided,
    #[serde(rename = "internal-pos.checkout.refunded.v1")]
    CheckoutRefunded,
    #[serde(rename = "internal-pos.wallet.adjusted.v1")]
    WalletAdjusted,
    #[serde(rename = "internal-pos.wallet.granted.v1")]
    WalletGranted,
    /// A void, refund, adjustment or grant that moved nothing.
    #[serde(rename = "internal-pos.booking.rejected.v1")]
    BookingRejected,
    #[serde(rename = "internal-pos.menu.switched.v1")]
    MenuSwitched,
    #[serde(rename = "internal-pos.import.applied.v1")]
    ImportApplied,
    #[serde(rename = "internal-pos.import.refused.v1")]
    ImportRefused,
    #[serde(rename = "internal-pos.cutoff.closed.v1")]
    CutoffClosed,
    /// Something that was administered.
    #[serde(rename = "internal-pos.change.applied.v1")]
    ChangeApplied,
    #[serde(rename = "internal-pos.change.rejected.v1")]
    ChangeRejected,
    /// Nothing: an administrator tests a webhook.
    #[serde(rename = "internal-pos.webhook.tested.v1")]
    WebhookTested,
    /// A webhook's receiver is gone, and it is told no more.
    #[serde(rename = "internal-pos.webhook.disabled.v1")]
    WebhookDisabled,
}

impl EventKind {
    pub const ALL: [Self; 15] = [
        Self::CheckoutSettled,
        Self::CheckoutRejected,
        Self::CheckoutVoided,
        Self::CheckoutRefunded,
        Self::WalletAdjusted,
        Self::WalletGranted,
        Self::BookingRejected,
        Self::MenuSwitched,
        Self::ImportApplied,
        Self::ImportRefused,
        Self::CutoffClosed,
        Self::ChangeApplied,
        Self::ChangeRejected,
        Self::WebhookTested,
        Self::WebhookDisabled,
    ];

    /// As envelopes, attributes and filters have it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::CheckoutSettled => "internal-pos.checkout.settled.v1",
            Self::CheckoutRejected => "internal-pos.checkout.rejected.v1",
            Self::CheckoutVoided => "internal-pos.checkout.voided.v1",
            Self::CheckoutRefunded => "internal-pos.checkout.refunded.v1",
            Self::WalletAdjusted => "internal-pos.wallet.adjusted.v1",
            Self::WalletGranted => "internal-pos.wallet.granted.v1",
            Self::BookingRejected => "internal-pos.booking.rejected.v1",
            Self::MenuSwitched => "internal-pos.menu.switched.v1",
            Self::ImportApplied => "internal-pos.import.applied.v1",
            Self::ImportRefused => "internal-pos.import.refused.v1",
            Self::CutoffClosed => "internal-pos.cutoff.closed.v1",
            Self::ChangeApplied => "internal-pos.change.applied.v1",
            Self::ChangeRejected => "internal-pos.change.rejected.v1",
            Self::WebhookTested => "internal-pos.webhook.tested.v1",
            Self::WebhookDisabled => "internal-pos.webhook.disabled.v1",
        }
    }
}

impl Event {
    /// What a checkout came to, as it was decided: what is given back later is another event.
    pub fn of_checkout(checkout: &Checkout) -> Self {
        let (kind, version, outcome) = match &checkout.outcome {
            Outcome::Settled { bill, after } => {
                let before = after.balance.checked_add(bill.total_net());
                let outcome = json!({
                    "status": "settled",
                    "items": bill.lines.iter().map(sold).collect::<Vec<_>>(),
                    "total_gross": bill.total_gross(),
                    "discount": bill.discount,
                    "total_net": bill.total_net(),
                    "total_calories": bill.total_calories(),
                    "balance_before": before,
                    "balance_after": after.balance,
                    "menu_version": bill.menu_version.to_string(),
                    "settled_at": checkout.decided_at,
                });
                (EventKind::CheckoutSettled, Some(after.version), outcome)
            }
            Outcome::Rejected(rejection) => {
                let outcome = json!({
                    "status": "rejected",
                    "rejection": rejection,
                    "rejected_at": checkout.decided_at,
                });
                (EventKind::CheckoutRejected, None, outcome)
            }
            Outcome::Withdrawn => {
                let outcome = json!({
                    "status": "voided",
                    // As an event of the void has it.
                    "checkout_id": checkout.id,
                    "voided_at": checkout.decided_at,
                });
                (EventKind::CheckoutVoided, None, outcome)
            }
        };
        let (id, number) = (checkout.id, &checkout.employee);
        let data = joined(
            json!({
                "id": id,
                "employee_number": number,
                "station": checkout.station,
                "concessionaire_id": checkout.concessionaire,
                "business_date": checkout.business_date,
                "accepted_at": checkout.accepted_at,
            }),
            outcome,
        );
        Self {
            id: wallet_event_id("checkout", &id, number, version),
            kind,
            subject: format!("employees/{number}/checkouts/{id}"),
            at: checkout.decided_at,
            tenant: checkout.tenant.clone(),
            about: About {
                user: Some(checkout.caller.clone()),
                employee: Some(number.clone()),
                wallet_version: version,
                concessionaire: Some(checkout.concessionaire.clone()),
                station: checkout.station.clone(),
            },
            data,
        }
    }

    /// What a void, refund, adjustment or grant came to; `sale` is the checkout that it concerns, as the
    /// booking left it. One that the booking did not find may come later, and is none.
    pub fn of_booking(
        tenant: &TenantId,
        employee: &EmployeeNumber,
        booking: &Booking,
        sale: Option<&Checkout>,
    ) -> Self {
        let sale = sale.filter(|_| booking.has_found_its_sale());
        let (kind, version, outcome) = match &booking.outcome {
            BookingOutcome::Booked { amount, after } => {
                let kind = match booking.kind {
                    BookingKind::Void => EventKind::CheckoutVoided,
                    BookingKind::Refund => EventKind::CheckoutRefunded,
                    BookingKind::Adjustment => EventKind::WalletAdjusted,
                    BookingKind::Opening | BookingKind::Grant => EventKind::WalletGranted,
                };
                let outcome = json!({ "status": "booked", "amount": amount, "balance": after.balance });
                (kind, Some(after.version), outcome)
            }
            BookingOutcome::Rejected(rejection) => {
                let outcome = json!({ "status": "rejected", "rejection": rejection });
                (EventKind::BookingRejected, None, outcome)
            }
        };
        let id = &booking.id;
        let data = joined(
            json!({
                "id": id,
                "kind": booking.kind,
                "employee_number": employee,
                "at": booking.at,
                "checkout_id": booking.cause.as_ref().and_then(|cause| cause.checkout),
                "granted": booking.replenished.map(|replenished| replenished.granted),
                "expired": booking.replenished.map(|replenished| replenished.expired),
            }),
            outcome,
        );
        Self {
            id: wallet_event_id("booking", id, employee, version),
            kind,
            subject: format!("employees/{employee}/bookings/{id}"),
            at: booking.at,
            tenant: tenant.clone(),
            about: About {
                // What a cutoff books is nobody's command.
                user: booking.cause.as_ref().map(|_| booking.by.clone()),
                employee: Some(employee.clone()),
                wallet_version: version,
                concessionaire: sale.map(|sale| sale.concessionaire.clone()),
                station: sale.and_then(|sale| sale.station.clone()),
            },
            data,
        }
    }

    /// What was administered, without what it changed: that is for whoever may read it.
    pub fn of_receipt(receipt: &Receipt) -> Self {
        let (kind, outcome) = match &receipt.outcome {
            ReceiptOutcome::Applied { .. } => (EventKind::ChangeApplied, json!({ "status": "applied" })),
            ReceiptOutcome::Rejected(rejection) => (
                EventKind::ChangeRejected,
                json!({ "status": "rejected", "rejection": { "type": rejection.name() } }),
            ),
        };
        let data = joined(
            json!({
                "id": receipt.id,
                "change": receipt.change,
                "subject": receipt.subject,
                "accepted_at": receipt.accepted_at,
                "decided_at": receipt.decided_at,
            }),
            outcome,
        );
        Self {
            id: receipt.id.to_string(),
            kind,
            subject: format!("receipts/{}", receipt.id),
            at: receipt.decided_at,
            tenant: receipt.tenant.clone(),
            about: About {
                user: Some(receipt.caller.clone()),
                concessionaire: receipt.concessionaire(),
                ..About::default()
            },
            data,
        }
    }

    /// A menu from a file that stations sell from since `at`, because of the import `by`. Who edits a single
    /// meal is told of as of any change.
    pub fn of_menu(
        tenant: &TenantId,
        concessionaire: &ConcessionaireId,
        version: MenuVersion,
        by: CommandId,
        at: Timestamp,
    ) -> Self {
        Self {
            id: format!("{by}.menu"),
            kind: EventKind::MenuSwitched,
            subject: format!("concessionaires/{concessionaire}/menu"),
            at,
            tenant: tenant.clone(),
            about: About { concessionaire: Some(concessionaire.clone()), ..About::default() },
            data: json!({ "concessionaire_id": concessionaire, "menu_version": version.to_string() }),
        }
    }

    /// What an import came to; nothing before it has its outcome.
    pub fn of_import(import: &Import) -> Option<Self> {
        let (kind, outcome) = match &import.stage {
            Stage::Applied(_) => (EventKind::ImportApplied, json!({ "status": "applied" })),
            Stage::Refused(refused) => {
                let refusal = json!({ "type": refused.reason.as_str() });
                (EventKind::ImportRefused, json!({ "status": "refused", "refusal": refusal }))
            }
            Stage::Validating | Stage::Applying { .. } => return None,
        };
        let rows = &import.rows;
        let rows = json!({ "id": import.id, "rows": { "good": rows.good, "bad": rows.bad } });
        Some(Self {
            id: import.id.to_string(),
            kind,
            subject: format!("imports/{}", import.id),
            at: import.updated_at,
            tenant: import.tenant.clone(),
            about: About {
                user: import.by.clone(),
                concessionaire: import.target.concessionaire().cloned(),
                ..About::default()
            },
            data: joined(rows, outcome),
        })
    }

    pub fn of_cutoff(tenant: &TenantId, date: Date, totals: &Totals, at: Timestamp) -> Self {
        let Totals { booked, granted, expired, skipped } = totals;
        Self {
            id: format!("cutoff-{date}"),
            kind: EventKind::CutoffClosed,
            subject: format!("cutoffs/{date}"),
            at,
            tenant: tenant.clone(),
            about: About::default(),
            data: json!({
                "date": date,
                "booked": booked,
                "granted": granted,
                "expired": expired,
                "skipped": skipped,
            }),
        }
    }

    /// The test event that an administrator has sent to a webhook.
    pub fn of_test(tenant: &TenantId, webhook: WebhookId, by: CommandId, at: Timestamp) -> Self {
        Self {
            id: by.to_string(),
            kind: EventKind::WebhookTested,
            subject: format!("webhooks/{webhook}"),
            at,
            tenant: tenant.clone(),
            about: About::default(),
            data: json!({ "id": webhook }),
        }
    }

    /// That a webhook is told no more, because its receiver is gone.
    pub fn of_disabled(tenant: &TenantId, webhook: &Webhook, disabled: &Disabled) -> Self {
        let Disabled { at, by } = disabled;
        Self {
            id: format!("webhook.{}.{}", webhook.id, at.as_millisecond()),
            kind: EventKind::WebhookDisabled,
            subject: webhook.subject(),
            at: *at,
            tenant: tenant.clone(),
            about: About::default(),
            // Without the URL, which may hold a secret of another receiver.
            data: json!({ "id": webhook.id, "delivery": by }),
        }
    }
}

/// Of the command and the wallet's version after it; a wallet's command has one outcome for ever, and a
/// correction may bear the id of its sale.
fn wallet_event_id(
    what: &str,
    command: &impl std::fmt::Display,
    employee: &EmployeeNumber,
    version: Option<u64>,
) -> String {
    match version {
        Some(version) => format!("{what}.{command}.{employee}.{version}"),
        None => format!("{what}.{command}.{employee}"),
    }
}

fn sold(line: &SoldLine) -> Value {
    json!({
        "code": line.code,
        "name": line.name,
        "category": line.category,
        "price": line.price,
        "calories": line.calories,
        "qty": line.qty,
        "subtotal_price": line.subtotal_price(),
    })
}

/// The members of two objects; what is null is left out.
fn joined(first: Value, second: Value) -> Value {
    let members = [first, second].into_iter().filter_map(|value| match value {
        Value::Object(members) => Some(members),
        _ => None,
    });
    Value::Object(members.flatten().filter(|(_, value)| !value.is_null()).collect())
}

/// The form in which events travel.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Envelope {
    specversion: String,
    id: String,
    source: String,
    #[serde(rename = "type")]
    kind: EventKind,
    subject: String,
    time: Timestamp,
    datacontenttype: String,
    tenantid: TenantId,
    #[serde(flatten)]
    about: About,
    data: Value,
}

const SPEC_VERSION: &str = "1.0";

impl From<Event> for Envelope {
    fn from(event: Event) -> Self {
        Self {
            specversion: SPEC_VERSION.to_owned(),
            source: format!("/v1/tenants/{}", event.tenant),
            id: event.id,
            kind: event.kind,
            subject: event.subject,
            time: event.at,
            datacontenttype: "application/json".to_owned(),
            tenantid: event.tenant,
            about: event.about,
            data: event.data,
        }
    }
}

impl TryFrom<Envelope> for Event {
    type Error = String;

    fn try_from(envelope: Envelope) -> Result<Self, String> {
        if envelope.specversion != SPEC_VERSION {
            return Err(format!("CloudEvents {} is not known here", envelope.specversion));
        }
        if has_float(&envelope.data) {
            return Err("a number is not whole".to_owned());
        }
        Ok(Self {
            id: envelope.id,
            kind: envelope.kind,
            subject: envelope.subject,
            at: envelope.time,
            tenant: envelope.tenantid,
            about: envelope.about,
            data: envelope.data,
        })
    }
}

/// Whether any number within is not whole: nothing that happens here has one, and it might read otherwise
/// once it was written again.
fn has_float(value: &Value) -> bool {
    match value {
        Value::Number(number) => number.is_f64(),
        Value::Array(list) => list.iter().any(has_float),
        Value::Object(fields) => fields.values().any(has_float),
        Value::Null | Value::Bool(_) | Value::String(_) => false,
    }
}

#[cfg(test)]
mod tests;
