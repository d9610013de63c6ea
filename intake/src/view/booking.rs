//! What clients read of a correction, and of a wallet's statement.

use super::{RejectionType, RejectionView, UndecidedView};
use crate::movements::Posted;
use crate::window::Window;
use domain::booking::{Booking, BookingKind, BookingOutcome};
use domain::checkout::{Checkout, Outcome};
use domain::id::EmployeeNumber;
use domain::tenant::{BusinessDay, Currency};
use domain::wallet::Wallet;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use utoipa::ToSchema;

/// A void, refund or adjustment: what came of it, or that nothing has yet, or never will.
#[derive(Debug, Serialize, ToSchema)]
#[serde(tag = "status", rename_all = "snake_case")]
pub enum BookingView {
    Booked(Box<BookedView>),
    Rejected(Box<RejectedBookingView>),
    /// Accepted; the outcome is on its way.
    Pending(UndecidedView),
    /// Accepted, and nothing came of it in time, nor will.
    Failed(UndecidedView),
}

/// Amounts are minor units of `currency`.
#[derive(Debug, Serialize, ToSchema)]
pub struct BookedView {
    #[serde(flatten)]
    asked: BookingHeadView,
    /// What it added; negative if it took. Of a void, 0 says that there was nothing to give back: a free
    /// sale, or none of this id of this employee, which nobody can settle from then on.
    amount: i64,
    balance: i64,
    wallet_version: u64,
    /// What a cutoff granted, and what lapsed there.
    #[serde(skip_serializing_if = "Option::is_none")]
    granted: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    expired: Option<i64>,
    currency: String,
}

#[derive(Debug, Serialize, ToSchema)]
pub struct RejectedBookingView {
    #[serde(flatten)]
    asked: BookingHeadView,
    rejection: RejectionView,
}

#[derive(Debug, Serialize, ToSchema)]
pub struct BookingHeadView {
    id: String,
    #[schema(value_type = BookingKindName)]
    kind: BookingKind,
    employee_number: String,
    #[schema(format = DateTime)]
    at: String,
    by: String,
    reason: Option<String>,
    /// The sale that it concerns.
    checkout_id: Option<String>,
    /// The meals given back, if they were named.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    items: BTreeMap<String, u8>,
}

impl BookingView {
    pub fn of(booking: Booking, employee: &EmployeeNumber, currency: &Currency) -> Self {
        let cause = booking.cause.as_ref();
        let items =
            cause.map(|cause| cause.items.iter().map(|(code, qty)| (code.to_string(), qty.get())).collect());
        let asked = BookingHeadView {
            id: booking.id.to_string(),
            kind: booking.kind,
            employee_number: employee.to_string(),
            at: booking.at.to_string(),
            by: booking.by.to_string(),
            reason: cause.map(|cause| cause.reason.to_string()),
            checkout_id: cause.and_then(|cause| cause.checkout).map(|id| id.to_string()),
            items: items.unwrap_or_default(),
        };
        match booking.outcome {
            BookingOutcome::Booked { amount, after } => BookingView::Booked(Box::new(BookedView {
                asked,
                amount: amount.minor(),
                balance: after.balance.minor(),
                wallet_version: after.version,
                granted: booking.replenished.map(|replenished| replenished.granted.minor()),
                expired: booking.replenished.map(|replenished| replenished.expired.minor()),
                currency: currency.clone().into(),
            })),
            BookingOutcome::Rejected(rejection) => {
                BookingView::Rejected(Box::new(RejectedBookingView { asked, rejection: rejection.into() }))
            }
        }
    }
}

/// A correction, booked or rejected, as those who look after it see it. Amounts are minor units.
#[derive(Debug, Default, Serialize, ToSchema)]
pub struct CorrectionView {
    id: String,
    /// `void`, `refund` or `adjustment`.
    #[schema(value_type = BookingKindName)]
    kind: &'static str,
    #[schema(format = DateTime)]
    at: String,
    by: String,
    reason: Option<String>,
    employee_number: String,
    /// That it counts on.
    #[schema(format = Date)]
    business_date: String,
    /// What the wallet was given; negative if it was taken, nothing if it was rejected.
    amount: Option<i64>,
    #[schema(value_type = Option<RejectionType>)]
    rejection_type: Option<&'static str>,
    checkout_id: Option<String>,
    concessionaire_id: Option<String>,
    station: Option<String>,
    sold_by: Option<String>,
}

impl CorrectionView {
    /// `sale` is the checkout that it is of.
    pub fn of(
        employee: &EmployeeNumber,
        booking: &Booking,
        sale: Option<&Checkout>,
        day: &BusinessDay,
    ) -> Self {
        let cause = booking.cause.as_ref();
        Self {
            id: booking.id.to_string(),
            kind: kind_name(booking.kind),
            at: booking.at.to_string(),
            by: booking.by.to_string(),
            reason: cause.map(|cause| cause.reason.to_string()),
            employee_number: employee.to_string(),
            business_date: day.date_of(booking.at).to_string(),
            amount: booking.entry().map(|entry| entry.amount.minor()),
            rejection_type: match &booking.outcome {
                BookingOutcome::Booked { .. } => None,
                BookingOutcome::Rejected(rejection) => Some(rejection.name()),
            },
            checkout_id: cause.and_then(|cause| cause.checkout).map(|id| id.to_string()),
            concessionaire_id: sale.map(|sale| sale.concessionaire.to_string()),
            station: sale.and_then(|sale| sale.station.as_ref()).map(ToString::to_string),
            sold_by: sale.map(|sale| sale.caller.to_string()),
        }
    }
}

/// A wallet's movements within a time: `opening_balance` and their amounts make `closing_balance`. Amounts
/// are minor units of `currency`.
#[derive(Debug, Serialize, ToSchema)]
pub struct StatementView {
    employee_number: String,
    #[schema(format = DateTime)]
    from: String,
    #[schema(format = DateTime)]
    to: String,
    currency: String,
    opening_balance: i64,
    closing_balance: i64,
    /// By wallet version.
    pub movements: Vec<MovementView>,
}

impl StatementView {
    pub fn of(
        employee: &EmployeeNumber,
        window: &Window,
        currency: &Currency,
        opening: Wallet,
        movements: Vec<MovementView>,
    ) -> Self {
        let opening_balance = opening.balance.minor();
        Self {
            employee_number: employee.to_string(),
            from: window.from.to_string(),
            to: window.to.to_string(),
            currency: currency.clone().into(),
            opening_balance,
            closing_balance: movements.last().map_or(opening_balance, |last| last.balance),
            movements,
        }
    }
}

/// Anything that changed a wallet.
#[derive(Debug, Default, Serialize, ToSchema)]
pub struct MovementView {
    /// Of the checkout or booking.
    id: String,
    #[schema(value_type = MovementKindName)]
    kind: &'static str,
    /// What it added; negative if it took.
    amount: i64,
    /// What it left.
    balance: i64,
    wallet_version: u64,
    #[schema(format = DateTime)]
    at: String,
    by: String,
    reason: Option<String>,
    /// The sale that a correction concerns.
    checkout_id: Option<String>,
    /// What a cutoff granted, and what lapsed there.
    granted: Option<i64>,
    expired: Option<i64>,
    /// Who sold.
    concessionaire_id: Option<String>,
}

impl MovementView {
    /// Nothing if it moved no wallet.
    pub fn of(posted: &Posted) -> Option<Self> {
        match posted {
            Posted::Checkout(checkout) => Self::of_checkout(checkout),
            Posted::Booking(booking) => Self::of_booking(booking),
        }
    }

    fn of_checkout(checkout: &Checkout) -> Option<Self> {
        let Outcome::Settled { bill, after } = &checkout.outcome else { return None };
        Some(Self {
            id: checkout.id.to_string(),
            kind: "checkout",
            amount: bill.total_net().checked_neg()?.minor(),
            balance: after.balance.minor(),
            wallet_version: after.version,
            at: checkout.decided_at.to_string(),
            by: checkout.caller.to_string(),
            reason: None,
            checkout_id: None,
            granted: None,
            expired: None,
            concessionaire_id: Some(checkout.concessionaire.to_string()),
        })
    }

    fn of_booking(booking: &Booking) -> Option<Self> {
        let entry = booking.entry()?;
        let cause = booking.cause.as_ref();
        Some(Self {
            id: booking.id.to_string(),
            kind: kind_name(booking.kind),
            amount: entry.amount.minor(),
            balance: entry.after.balance.minor(),
            wallet_version: entry.after.version,
            at: booking.at.to_string(),
            by: booking.by.to_string(),
            reason: cause.map(|cause| cause.reason.to_string()),
            checkout_id: cause.and_then(|cause| cause.checkout).map(|id| id.to_string()),
            granted: booking.replenished.map(|replenished| replenished.granted.minor()),
            expired: booking.replenished.map(|replenished| replenished.expired.minor()),
            concessionaire_id: None,
        })
    }
}

pub(super) fn kind_name(kind: BookingKind) -> &'static str {
    match kind {
        BookingKind::Opening => "opening",
        BookingKind::Void => "void",
        BookingKind::Refund => "refund",
        BookingKind::Adjustment => "adjustment",
        BookingKind::Grant => "grant",
    }
}

/// Why credit moved, other than by a sale.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(super) enum BookingKindName {
    Opening,
    Void,
    Refund,
    Adjustment,
    Grant,
}

/// Why credit moved.
#[derive(ToSchema)]
#[serde(rename_all = "snake_case")]
#[expect(dead_code, reason = "only its description is used")]
enum MovementKindName {
    Checkout,
    Opening,
    Void,
    Refund,
    Adjustment,
    Grant,
}
