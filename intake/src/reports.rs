//! `GET /v1/reports/credit`: what was issued, spent and left, proved by movements.

use crate::app::App;
use crate::caller::Identity;
use crate::movements::{self, Most, Posted};
use crate::problem::{FieldError, Problem, Problems};
use crate::sheet::{Leaf, Sheet, SheetParameters};
use crate::view::{CreditLineView, CreditTotalsView};
use crate::window::{Length, WindowParameters};
use aws::items::{self, Item};
use aws::keys;
use axum::extract::{Query, RawQuery, State};
use axum::http::HeaderMap;
use axum::response::Response;
use domain::id::{EmployeeNumber, TenantId};
use domain::ledger::{self, Flows};
use futures_util::stream::{self, StreamExt, TryStreamExt};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// Wallets that are proved at the same time.
const SIDE_BY_SIDE: usize = 8;
/// What is followed of one wallet; who has more is not proved, and told.
const FOLLOWED: Most = Most { movements: 20_000, looked_at: 50_000 };
/// Between two looks at a wallet that is not proved: longer than a transaction takes to be seen as a whole,
/// and so short that a page of them is answered in time.
const PAUSE: Duration = Duration::from_millis(200);
/// A page ends early, with the wallet by which so many sales and bookings were looked at.
const PAGE_ITEMS: usize = 5_000;

/// What all employees so far come to, within the same time on every page.
#[derive(Debug, Default, Serialize, Deserialize)]
struct Sums {
    time: Option<(Timestamp, Timestamp)>,
    employees: u64,
    differences: u64,
    flows: Flows,
}

/// What went in and out of wallets, and whether their movements explain them.
///
/// `opening + granted + adjusted + refunded - spent - expired = closing`, for each employee and in all. It is
/// computed from movements from `from` on, which is at most 92 days ago and 31 days before `to` unless given,
/// and before `to`; and followed from there to the wallet as it
/// stands: what does not lead there is a `difference`, which raises an alarm and which nobody repairs
/// silently. A report opens with the closing sums of the one that ends where it begins, if that instant is a
/// minute past: until then, what was decided before may not stand yet. Of a long roster, the last page has
/// the sums of all. A page ends early once 5,000 sales and bookings were looked at for it: whoever wants all
/// follows `next_cursor` to its end.
#[utoipa::path(
    get,
    operation_id = "reportCredit",
    path = "/v1/reports/credit",
    params(WindowParameters, SheetParameters),
    responses(
        (status = 200, description = "One page", content(
            (Sheet<CreditLineView, CreditTotalsView> = "application/json"),
            (String = "text/csv"),
        )),
        Problems,
    ),
    security(("cognito" = [])),
)]
pub async fn credit(
    State(app): State<App>,
    identity: Identity,
    headers: HeaderMap,
    Query(window): Query<WindowParameters>,
    Query(page): Query<SheetParameters>,
    RawQuery(query): RawQuery,
) -> Result<Response, Problem> {
    let (_, tenant) = identity.admit(&app.table).await?;
    let name = format!("{} credit {}", tenant.id, window.asked());
    let mut leaf: Leaf<Sums> = page.open(&app, &tenant.id, name).await?;
    let (from, to) = match leaf.sums.time {
        Some(time) => time,
        None => time(&window, app.clock.now())?,
    };
    leaf.sums.time = Some((from, to));
    let mut wallets =
        app.table.read(leaf.employees.iter().map(|number| keys::wallet(&tenant.id, number))).await?;
    let mut proofs = Vec::new();
    for number in &leaf.employees {
        let item = wallets.take(&keys::wallet(&tenant.id, number));
        proofs.push(prove(&app, &tenant.id, number, item, (from, to)));
    }
    let mut proofs = stream::iter(proofs).buffered(SIDE_BY_SIDE);
    let (mut lines, mut looked_at) = (Vec::new(), 0);
    while looked_at < PAGE_ITEMS
        && let Some(proof) = proofs.try_next().await?
    {
        looked_at += proof.looked_at;
        lines.push(proof);
    }
    drop(proofs);
    leaf.keep(lines.len());
    let lines = leaf.employees.iter().zip(lines).map(|(number, Proof { flows, difference, .. })| {
        leaf.sums.employees += 1;
        leaf.sums.flows.add(&flows);
        if let Some(difference) = &difference {
            leaf.sums.differences += 1;
            tracing::error!(
                employee.number = number.as_str(),
                difference,
                "the wallet of {number} is not explained by its movements"
            );
            app.metrics.credit_difference(&tenant.id);
        }
        CreditLineView::of(number, &flows, difference)
    });
    let lines: Vec<_> = lines.collect();
    let Sums { employees, differences, ref flows, .. } = leaf.sums;
    let totals = CreditTotalsView::of(employees, differences, flows, &tenant.currency);
    leaf.answer(&app, &headers, query.as_deref(), lines, totals)
}

fn time(window: &WindowParameters, now: Timestamp) -> Result<(Timestamp, Timestamp), Problem> {
    let window = window.read(now, Some(Length::QUARTER))?;
    if now.duration_since(window.from) > Length::QUARTER.max {
        let detail = format!("must be no more than {} days ago", Length::QUARTER.max.as_hours() / 24);
        return Err(Problem::field(FieldError::at_parameter("from", detail)));
    }
    Ok((window.from, window.to))
}

/// What a wallet's movements come to, and why they do not prove it.
#[derive(Debug, Default)]
struct Proof {
    flows: Flows,
    difference: Option<String>,
    /// Sales and bookings that were read for it.
    looked_at: usize,
}

/// Looks at a wallet, and once more if it is not proved: of what is committed at once, some may be seen
/// before the rest.
async fn prove(
    app: &App,
    tenant: &TenantId,
    number: &EmployeeNumber,
    wallet: Option<Item>,
    (from, to): (Timestamp, Timestamp),
) -> Result<Proof, Problem> {
    let first = look(app, tenant, number, wallet, (from, to)).await?;
    if first.difference.is_none() {
        return Ok(first);
    }
    tokio::time::sleep(PAUSE).await;
    let wallet = app.table.read_one(&keys::wallet(tenant, number)).await?;
    let second = look(app, tenant, number, wallet, (from, to)).await?;
    Ok(Proof { looked_at: first.looked_at + second.looked_at, ..second })
}

async fn look(
    app: &App,
    tenant: &TenantId,
    number: &EmployeeNumber,
    wallet: Option<Item>,
    (from, to): (Timestamp, Timestamp),
) -> Result<Proof, Problem> {
    let unproved = |why: String, looked_at| Proof { difference: Some(why), looked_at, ..Proof::default() };
    let Some(wallet) = wallet.map(items::stored_wallet).transpose()? else {
        return Ok(unproved("there is no wallet: nothing is proved".to_owned(), 0));
    };
    // What comes while this is read is later than the wallet, and left out.
    let now = app.clock.now();
    let Some(read) = movements::between(app, tenant, number, from, now, FOLLOWED).await? else {
        let Most { movements, looked_at } = FOLLOWED;
        let why = format!(
            "there are more than {movements} movements, or {looked_at} with those that were rejected: nothing is proved"
        );
        return Ok(unproved(why, looked_at));
    };
    let movements = read.moved.iter().filter_map(Posted::movement).collect();
    let (flows, proof) = ledger::prove(wallet, movements, from, to);
    let difference = proof.err().map(|discrepancy| discrepancy.to_string());
    Ok(Proof { flows, difference, looked_at: read.looked_at })
}
