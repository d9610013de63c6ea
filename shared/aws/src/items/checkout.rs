//! Checkouts: each is its own receipt and idempotency record.

use super::{Item, Millis, from_item, index, text, to_item};
use crate::failure::Failure;
use crate::keys;
use domain::checkout::{Bill, Checkout, Outcome, Rejection, SoldLine};
use domain::command::RequestHash;
use domain::id::{MealCode, StationId, UserName};
use domain::menu::MenuVersion;
use domain::money::{Calories, Money, Price, Quantity};
use domain::wallet::Wallet;
use serde::{Deserialize, Serialize};

#[derive(Serialize, Deserialize)]
struct CheckoutItem {
    #[serde(with = "serde_bytes")]
    r: [u8; 32],
    s: StationId,
    by: UserName,
    aa: Millis,
    da: Millis,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    ok: Option<SettledPart>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    no: Option<Rejection>,
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
    };
    let attributes = CheckoutItem {
        r: *checkout.request.as_bytes(),
        s: checkout.station.clone(),
        by: checkout.caller.clone(),
        aa: checkout.accepted_at.into(),
        da: checkout.decided_at.into(),
        ok,
        no,
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
    let outcome = match (stored.ok, stored.no) {
        (Some(settled), None) => settled_outcome(settled),
        (None, Some(rejection)) => Outcome::Rejected(rejection),
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
    })
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
