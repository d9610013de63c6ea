//! What webhooks and listeners are told. The description is made of these, and tests read real events into
//! them; nothing is written from them.

#![expect(dead_code, reason = "what is read is looked at for whether it can be")]

use super::booking::BookingKindName;
use super::rejection::PriceChangeView;
use super::{EventType, ImportRefusalType, RejectionType};
use serde::Deserialize;
use std::collections::BTreeMap;
use utoipa::ToSchema;

/// A [CloudEvent](https://cloudevents.io) of version 1.0, with extensions of ours. What is told twice has one
/// `id`.
#[derive(Debug, Deserialize, ToSchema)]
#[schema(as = Event)]
#[serde(deny_unknown_fields)]
pub struct Envelope {
    #[schema(example = "1.0")]
    specversion: String,
    id: String,
    #[schema(example = "/v1/tenants/acme")]
    source: String,
    #[serde(rename = "type")]
    #[schema(value_type = EventType)]
    kind: String,
    /// Where it can be read, as a path below `/v1/`.
    subject: String,
    #[schema(format = DateTime)]
    time: String,
    #[schema(example = "application/json")]
    datacontenttype: String,
    tenantid: String,
    /// Whose command it was.
    #[schema(nullable = false)]
    username: Option<String>,
    #[schema(nullable = false)]
    employeenumber: Option<String>,
    /// Of the wallet that it moved: what says which of its events came first.
    #[schema(nullable = false)]
    walletversion: Option<u64>,
    #[schema(nullable = false)]
    concessionaireid: Option<String>,
    #[schema(nullable = false)]
    stationid: Option<String>,
    /// The outcome. Amounts are minor units.
    #[schema(value_type = Object)]
    data: BTreeMap<String, serde_json::Value>,
}

/// A sale that was paid, as it was decided: what is given back later is another event.
#[derive(Debug, Deserialize, ToSchema)]
#[schema(as = CheckoutSettledData)]
#[serde(deny_unknown_fields)]
pub struct Settled {
    #[schema(inline)]
    status: IsSettled,
    id: String,
    employee_number: String,
    station: String,
    concessionaire_id: String,
    #[schema(format = Date)]
    business_date: String,
    #[schema(format = DateTime)]
    accepted_at: String,
    #[schema(format = DateTime)]
    settled_at: String,
    items: Vec<Sold>,
    total_gross: i64,
    discount: i64,
    total_net: i64,
    total_calories: u64,
    balance_before: i64,
    balance_after: i64,
    menu_version: String,
}

#[derive(Debug, Deserialize, ToSchema)]
#[schema(as = SoldData)]
#[serde(deny_unknown_fields)]
struct Sold {
    code: String,
    name: String,
    category: String,
    price: i64,
    calories: Option<u32>,
    qty: u8,
    subtotal_price: i64,
}

#[derive(Debug, Deserialize, ToSchema)]
#[schema(as = CheckoutRejectedData)]
#[serde(deny_unknown_fields)]
pub struct RejectedSale {
    #[schema(inline)]
    status: IsRejected,
    id: String,
    employee_number: String,
    station: String,
    concessionaire_id: String,
    #[schema(format = Date)]
    business_date: String,
    #[schema(format = DateTime)]
    accepted_at: String,
    #[schema(format = DateTime)]
    rejected_at: String,
    rejection: Rejection,
}

/// Why the business said no. Which members there are depends on `type`.
#[derive(Debug, Deserialize, ToSchema)]
#[schema(as = RejectionData)]
#[serde(deny_unknown_fields)]
struct Rejection {
    #[serde(rename = "type")]
    #[schema(value_type = RejectionType)]
    kind: String,
    /// The meals concerned.
    #[schema(nullable = false)]
    codes: Option<Vec<String>>,
    #[schema(nullable = false)]
    prices: Option<Vec<PriceChangeView>>,
    #[schema(nullable = false)]
    balance: Option<i64>,
    #[schema(nullable = false)]
    total_net: Option<i64>,
    /// What is left of a sale to give back.
    #[schema(nullable = false)]
    refundable: Option<i64>,
}

/// A sale that was undone: `booked` by whoever undid it, with an amount of 0 where it was not decided yet;
/// and `voided` once such a sale arrives after all, so that it is told of twice. Both name it as
/// `checkout_id`.
#[derive(Debug, Deserialize, ToSchema)]
#[schema(as = CheckoutVoidedData)]
#[serde(untagged)]
pub enum Voided {
    Paid(Booked),
    Withdrawn(Withdrawn),
}

#[derive(Debug, Deserialize, ToSchema)]
#[schema(as = CheckoutWithdrawnData)]
#[serde(deny_unknown_fields)]
pub struct Withdrawn {
    #[schema(inline)]
    status: IsVoided,
    id: String,
    checkout_id: String,
    employee_number: String,
    concessionaire_id: String,
    #[schema(format = Date)]
    business_date: String,
    #[schema(format = DateTime)]
    accepted_at: String,
    #[schema(format = DateTime)]
    voided_at: String,
}

/// What moved a wallet, other than a sale.
#[derive(Debug, Deserialize, ToSchema)]
#[schema(as = BookingData)]
#[serde(deny_unknown_fields)]
pub struct Booked {
    #[schema(inline)]
    status: IsBooked,
    id: String,
    kind: BookingKindName,
    employee_number: String,
    #[schema(format = DateTime)]
    at: String,
    /// The sale that it concerns.
    #[schema(nullable = false)]
    checkout_id: Option<String>,
    /// What a cutoff granted, and what lapsed there.
    #[schema(nullable = false)]
    granted: Option<i64>,
    #[schema(nullable = false)]
    expired: Option<i64>,
    /// What it added; negative if it took.
    amount: i64,
    /// What it left.
    balance: i64,
}

/// A void, refund, adjustment or grant that moved nothing.
#[derive(Debug, Deserialize, ToSchema)]
#[schema(as = BookingRejectedData)]
#[serde(deny_unknown_fields)]
pub struct RejectedBooking {
    #[schema(inline)]
    status: IsRejected,
    id: String,
    kind: BookingKindName,
    employee_number: String,
    #[schema(format = DateTime)]
    at: String,
    #[schema(nullable = false)]
    checkout_id: Option<String>,
    rejection: Rejection,
}

/// A menu from a file that stations sell from now.
#[derive(Debug, Deserialize, ToSchema)]
#[schema(as = MenuSwitchedData)]
#[serde(deny_unknown_fields)]
pub struct SwitchedMenu {
    concessionaire_id: String,
    menu_version: String,
}

#[derive(Debug, Deserialize, ToSchema)]
#[schema(as = ImportAppliedData)]
#[serde(deny_unknown_fields)]
pub struct AppliedImport {
    #[schema(inline)]
    status: IsApplied,
    id: String,
    rows: Rows,
}

#[derive(Debug, Deserialize, ToSchema)]
#[schema(as = ImportRefusedData)]
#[serde(deny_unknown_fields)]
pub struct RefusedImport {
    #[schema(inline)]
    status: IsRefused,
    id: String,
    rows: Rows,
    refusal: ImportRefusal,
}

/// How many rows of a file could be read, and could not.
#[derive(Debug, Deserialize, ToSchema)]
#[schema(as = RowsData)]
#[serde(deny_unknown_fields)]
struct Rows {
    good: u64,
    bad: u64,
}

#[derive(Debug, Deserialize, ToSchema)]
#[schema(as = ImportRefusalData)]
#[serde(deny_unknown_fields)]
struct ImportRefusal {
    #[serde(rename = "type")]
    #[schema(value_type = ImportRefusalType)]
    kind: String,
}

/// What everybody's wallets were given at a cutoff.
#[derive(Debug, Deserialize, ToSchema)]
#[schema(as = CutoffClosedData)]
#[serde(deny_unknown_fields)]
pub struct ClosedCutoff {
    #[schema(format = Date)]
    date: String,
    booked: u64,
    granted: i64,
    expired: i64,
    /// How many employees got nothing, by reason.
    skipped: BTreeMap<String, u64>,
}

/// Something that was administered, without what it changed: that is for whoever may read its receipt. Who
/// sells from a menu is told that it changed, and reads the menu.
#[derive(Debug, Deserialize, ToSchema)]
#[schema(as = ChangeAppliedData)]
#[serde(deny_unknown_fields)]
pub struct AppliedChange {
    #[schema(inline)]
    status: IsApplied,
    id: String,
    change: String,
    subject: String,
    #[schema(format = DateTime)]
    accepted_at: String,
    #[schema(format = DateTime)]
    decided_at: String,
}

#[derive(Debug, Deserialize, ToSchema)]
#[schema(as = ChangeRejectedData)]
#[serde(deny_unknown_fields)]
pub struct RejectedChange {
    #[schema(inline)]
    status: IsRejected,
    id: String,
    change: String,
    subject: String,
    #[schema(format = DateTime)]
    accepted_at: String,
    #[schema(format = DateTime)]
    decided_at: String,
    rejection: Rejection,
}

/// Nothing happened: somebody asked to be told something.
#[derive(Debug, Deserialize, ToSchema)]
#[schema(as = WebhookTestedData)]
#[serde(deny_unknown_fields)]
pub struct TestedWebhook {
    id: String,
}

/// A webhook whose receiver is gone, so that it is told no more.
#[derive(Debug, Deserialize, ToSchema)]
#[schema(as = WebhookDisabledData)]
#[serde(deny_unknown_fields)]
pub struct DisabledWebhook {
    id: String,
    /// The one after which it was disabled.
    delivery: String,
}

/// What `status` says of each.
macro_rules! words {
    ($($status:ident: $word:ident),*) => {$(
        #[derive(Debug, Deserialize, ToSchema)]
        #[serde(rename_all = "snake_case")]
        enum $status {
            $word,
        }
    )*};
}

words!(
    IsSettled: Settled,
    IsRejected: Rejected,
    IsVoided: Voided,
    IsBooked: Booked,
    IsApplied: Applied,
    IsRefused: Refused
);
