//! Bookings: each is its own receipt and idempotency record.

use super::{Item, Millis, from_item, index, sort_key, to_item};
use crate::failure::Failure;
use crate::keys;
use domain::booking::{Booking, BookingKind, BookingOutcome, Cause, Rejection};
use domain::cutoff::Replenished;
use domain::id::{CheckoutId, EmployeeNumber, MealCode, TenantId, UserName};
use domain::money::{Money, Quantity};
use domain::request::RequestHash;
use domain::text::Reason;
use domain::wallet::Wallet;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

#[derive(Serialize, Deserialize)]
struct BookingItem {
    k: BookingKind,
    at: Millis,
    by: UserName,
    /// Amount, balance and wallet version after it; absent where it was rejected.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    a: Option<Money>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    b: Option<Money>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    v: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    no: Option<Rejection>,
    /// What a cutoff granted, and let lapse.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    g: Option<Money>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    x: Option<Money>,
    /// The cause.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    c: Option<CausePart>,
}

#[derive(Serialize, Deserialize)]
struct CausePart {
    #[serde(with = "serde_bytes")]
    r: [u8; 32],
    why: Reason,
    aa: Millis,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    co: Option<CheckoutId>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    it: BTreeMap<MealCode, Quantity>,
}

pub fn booking(tenant: &TenantId, employee: &EmployeeNumber, booking: &Booking) -> Result<Item, Failure> {
    let cause = booking.cause.as_ref().map(|cause| CausePart {
        r: *cause.request.as_bytes(),
        why: cause.reason.clone(),
        aa: cause.accepted_at.into(),
        co: cause.checkout,
        it: cause.items.clone(),
    });
    let (moved, no) = match &booking.outcome {
        BookingOutcome::Booked { amount, after } => (Some((*amount, *after)), None),
        BookingOutcome::Rejected(rejection) => (None, Some(rejection.clone())),
    };
    let attributes = BookingItem {
        k: booking.kind,
        at: booking.at.into(),
        by: booking.by.clone(),
        a: moved.map(|(amount, _)| amount),
        b: moved.map(|(_, after)| after.balance),
        v: moved.map(|(_, after)| after.version),
        no,
        g: booking.replenished.map(|replenished| replenished.granted),
        x: booking.replenished.map(|replenished| replenished.expired),
        c: cause,
    };
    let mut item = to_item(keys::booking(tenant, employee, &booking.id), &attributes)?;
    if booking.cause.is_some() {
        index(&mut item, keys::audited(tenant, false, booking.at, &booking.id));
    }
    Ok(item)
}

pub fn stored_booking(item: Item) -> Result<Booking, Failure> {
    let id = keys::parse_booking(sort_key(&item)?)
        .ok_or_else(|| Failure::malformed("read a booking", "the sort key holds no booking id"))?;
    let stored: BookingItem = from_item(item)?;
    let outcome = match (stored.a, stored.b, stored.v, stored.no) {
        (Some(amount), Some(balance), Some(version), None) => {
            BookingOutcome::Booked { amount, after: Wallet { balance, version } }
        }
        (None, None, None, Some(rejection)) => BookingOutcome::Rejected(rejection),
        _ => return Err(Failure::malformed("read a booking", "it has no outcome, or two")),
    };
    let cause = stored.c.map(|cause| {
        Ok::<_, Failure>(Cause {
            request: RequestHash::from_bytes(cause.r),
            reason: cause.why,
            checkout: cause.co,
            items: cause.it,
            accepted_at: cause.aa.try_into()?,
        })
    });
    Ok(Booking {
        id,
        kind: stored.k,
        at: stored.at.try_into()?,
        by: stored.by,
        cause: cause.transpose()?,
        replenished: stored.g.zip(stored.x).map(|(granted, expired)| Replenished { granted, expired }),
        outcome,
    })
}
