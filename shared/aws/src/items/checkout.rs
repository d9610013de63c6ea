//! Checkouts: each is its own receipt and idempotency record.

use super::{Item, Millis, from_item, index, text, to_item};
use crate::failure::Failure;
use crate::keys;
use domain::checkout::{Bill, Checkout, Outcome, Rejection, Returned, SoldLine, Voided};
use domain::id::{MealCode, StationId, UserName};
use domain::menu::MenuVersion;
use domain::money::{Calories, Money, Price, Quantity};
use domain::request::RequestHash;
use domain::wallet::Wallet;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

#[derive(Serialize, Deserialize)]
struct CheckoutItem {
    #[serde(with = "serde_bytes")]
    r: [u8; 32],
    #[serde(default, skip_serializing_if = "Option::is_none")]
    s: Option<StationId>,
    by: UserName,
    aa: Millis,
    da: Millis,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    ok: Option<SettledPart>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    no: Option<Rejection>,
    /// Whether it was withdrawn.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    wd: bool,
    /// What was given back.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    rf: Option<ReturnedPart>,
}

#[derive(Serialize, Deserialize)]
struct ReturnedPart {
    a: Money,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    q: BTreeMap<MealCode, u32>,
    /// When it was voided, and by whom.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    vd: Option<(Millis, UserName)>,
}

#[derive(Serialize, Deserialize)]
struct SettledPart {
    l: Vec<LinePart>,
    /// The discount.
    d: Money,
    m: MenuVersion,
    /// Balance and wallet version after it.
    b: Money,
    v: u64,
}

#[derive(Serialize, Deserialize)]
struct LinePart {
    c: MealCode,
    n: String,
    g: String,
    p: Price,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    k: Option<Calories>,
    q: Quantity,
}

pub fn checkout(checkout: &Checkout) -> Result<Item, Failure> {
    let (ok, no) = match &checkout.outcome {
        Outcome::Settled { bill, after } => (Some(settled_part(bill, *after)), None),
        Outcome::Rejected(rejection) => (None, Some(rejection.clone())),
        Outcome::Withdrawn => (None, None),
    };
    let attributes = CheckoutItem {
        r: *checkout.request.as_bytes(),
        s: checkout.station.clone(),
        by: checkout.caller.clone(),
        aa: checkout.accepted_at.into(),
        da: checkout.decided_at.into(),
        ok,
        no,
        wd: checkout.outcome == Outcome::Withdrawn,
        rf: returned_part(&checkout.returned),
    };
    let mut item = to_item(keys::checkout(&checkout.tenant, &checkout.employee, checkout.id), &attributes)?;
    let entry = keys::checkouts_of_day(
        &checkout.tenant,
        &checkout.concessionaire,
        checkout.business_date,
        checkout.id,
    );
    index(&mut item, entry);
    Ok(item)
}

fn returned_part(returned: &Returned) -> Option<ReturnedPart> {
    let part = || ReturnedPart {
        a: returned.amount,
        q: returned.items.clone(),
        vd: returned.voided.as_ref().map(|voided| (voided.at.into(), voided.by.clone())),
    };
    (*returned != Returned::default()).then(part)
}

fn settled_part(bill: &Bill, after: Wallet) -> SettledPart {
    let line = |line: &SoldLine| LinePart {
        c: line.code.clone(),
        n: line.name.clone(),
        g: line.category.clone(),
        p: line.price,
        k: line.calories,
        q: line.qty,
    };
    SettledPart {
        l: bill.lines.iter().map(line).collect(),
        d: bill.discount,
        m: bill.menu_version,
        b: after.balance,
        v: after.version,
    }
}

pub fn stored_checkout(item: Item) -> Result<Checkout, Failure> {
    let parts =
        keys::parse_checkout(text(&item, keys::PK)?, text(&item, keys::SK)?, text(&item, keys::INDEX_PK)?)
            .ok_or_else(|| Failure::malformed("read a checkout", "its keys do not read back"))?;
    let stored: CheckoutItem = from_item(item)?;
    let outcome = match (stored.ok, stored.no, stored.wd) {
        (Some(settled), None, false) => settled_outcome(settled),
        (None, Some(rejection), false) => Outcome::Rejected(rejection),
        (None, None, true) => Outcome::Withdrawn,
        _ => return Err(Failure::malformed("read a checkout", "it has no outcome, or two")),
    };
    Ok(Checkout {
        tenant: parts.tenant,
        id: parts.id,
        request: RequestHash::from_bytes(stored.r),
        employee: parts.employee,
        station: stored.s,
        concessionaire: parts.concessionaire,
        caller: stored.by,
        business_date: parts.business_date,
        accepted_at: stored.aa.try_into()?,
        decided_at: stored.da.try_into()?,
        outcome,
        returned: stored.rf.map(returned).transpose()?.unwrap_or_default(),
    })
}

fn returned(part: ReturnedPart) -> Result<Returned, Failure> {
    let voided = part.vd.map(|(at, by)| Ok::<_, Failure>(Voided { at: at.try_into()?, by }));
    Ok(Returned { amount: part.a, items: part.q, voided: voided.transpose()? })
}

fn settled_outcome(settled: SettledPart) -> Outcome {
    let line = |line: LinePart| SoldLine {
        code: line.c,
        name: line.n,
        category: line.g,
        price: line.p,
        calories: line.k,
        qty: line.q,
    };
    Outcome::Settled {
        bill: Bill {
            lines: settled.l.into_iter().map(line).collect(),
            discount: settled.d,
            menu_version: settled.m,
        },
        after: Wallet { balance: settled.b, version: settled.v },
    }
}
