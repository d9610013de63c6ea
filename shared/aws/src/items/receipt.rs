//! Receipts of what was administered, and what the audit lists beside them.

use super::{Item, Millis, from_item, index, stored_booking, text, to_item};
use crate::failure::Failure;
use crate::keys;
use domain::admin::{Receipt, ReceiptOutcome, Rejection};
use domain::booking::Booking;
use domain::id::{EmployeeNumber, UserName};
use domain::request::RequestHash;
use domain::text::Reason;
use serde::{Deserialize, Serialize};
use serde_json::Value;

#[derive(Serialize, Deserialize)]
struct ReceiptItem {
    #[serde(with = "serde_bytes")]
    r: [u8; 32],
    by: UserName,
    /// The change and its subject.
    ch: String,
    su: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    why: Option<Reason>,
    /// Whether it is the platform's.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pf: bool,
    aa: Millis,
    da: Millis,
    /// Before and after, as JSON.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    ok: Option<(String, String)>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    no: Option<Rejection>,
}

pub fn receipt(receipt: &Receipt) -> Result<Item, Failure> {
    let (ok, no) = match &receipt.outcome {
        ReceiptOutcome::Applied { before, after } => (Some((before.to_string(), after.to_string())), None),
        ReceiptOutcome::Rejected(rejection) => (None, Some(rejection.clone())),
    };
    let attributes = ReceiptItem {
        r: *receipt.request.as_bytes(),
        by: receipt.caller.clone(),
        ch: receipt.change.clone(),
        su: receipt.subject.clone(),
        why: receipt.reason.clone(),
        pf: receipt.is_platforms,
        aa: receipt.accepted_at.into(),
        da: receipt.decided_at.into(),
        ok,
        no,
    };
    let mut item = to_item(keys::receipt(&receipt.tenant, receipt.id), &attributes)?;
    let entry = keys::audited(&receipt.tenant, receipt.is_platforms, receipt.decided_at, &receipt.id);
    index(&mut item, entry);
    Ok(item)
}

pub fn stored_receipt(item: Item) -> Result<Receipt, Failure> {
    let (tenant, id) = keys::parse_receipt(text(&item, keys::PK)?)
        .ok_or_else(|| Failure::malformed("read a receipt", "its key does not read back"))?;
    let stored: ReceiptItem = from_item(item)?;
    let outcome = match (stored.ok, stored.no) {
        (Some((before, after)), None) => {
            ReceiptOutcome::Applied { before: snapshot(&before)?, after: snapshot(&after)? }
        }
        (None, Some(rejection)) => ReceiptOutcome::Rejected(rejection),
        _ => return Err(Failure::malformed("read a receipt", "it has no outcome, or two")),
    };
    Ok(Receipt {
        tenant,
        id,
        request: RequestHash::from_bytes(stored.r),
        caller: stored.by,
        change: stored.ch,
        subject: stored.su,
        reason: stored.why,
        is_platforms: stored.pf,
        accepted_at: stored.aa.try_into()?,
        decided_at: stored.da.try_into()?,
        outcome,
    })
}

fn snapshot(json: &str) -> Result<Value, Failure> {
    serde_json::from_str(json).map_err(|_| Failure::malformed("read a receipt", "a snapshot is not JSON"))
}

/// Something that the audit lists.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Audited {
    Receipt(Receipt),
    Correction(EmployeeNumber, Booking),
}

pub fn stored_audited(item: Item) -> Result<Audited, Failure> {
    let pk = text(&item, keys::PK)?;
    match keys::parse_employee(pk) {
        Some(employee) => Ok(Audited::Correction(employee, stored_booking(item)?)),
        None => stored_receipt(item).map(Audited::Receipt),
    }
}
