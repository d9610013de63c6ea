//! `GET /v1/employees/{number}/movements`: a wallet's statement for a bounded time.

use crate::app::App;
use crate::caller::Identity;
use crate::path;
use crate::problem::{FieldError, Problem, Problems};
use crate::sheet;
use crate::view::{MovementView, StatementView};
use crate::window::{Length, WindowParameters};
use aws::failure::Failure;
use aws::items::{self, Item};
use aws::keys::{self, Span};
use aws::table::Order;
use axum::extract::{Path, Query, State};
use axum::http::HeaderMap;
use axum::response::Response;
use domain::booking::Booking;
use domain::checkout::Checkout;
use domain::command::COMMAND_LIFETIME;
use domain::id::{EmployeeNumber, KEY_LEAD_MS, KEY_LIFETIME_MS, TenantId};
use domain::ledger::Movement;
use domain::wallet::Wallet;
use jiff::{SignedDuration, Timestamp};

/// What one statement covers: a month, and a quarter of a year at most.
const LENGTH: Length =
    Length { default: SignedDuration::from_hours(24 * 31), max: SignedDuration::from_hours(24 * 92) };
/// What is read of one wallet: twenty movements a day for a quarter of a year. What was rejected is read as well.
const MAX_POSTED: usize = 2_000;
/// What is followed of one wallet from some time on to what it holds now.
pub const MAX_FOLLOWED: usize = 20_000;
/// Items of one page of a query.
const PAGE: i32 = 500;

/// What moved a wallet within a time, by wallet version, and what it held before and after.
///
/// The month before `to` unless `from` is given, and at most 92 days. What happened at either instant is included. With
/// `Accept: text/csv` the movements come as CSV.
#[utoipa::path(
    get,
    operation_id = "listMovements",
    path = "/v1/employees/{number}/movements",
    params(path::Employee, WindowParameters),
    responses(
        (status = 200, description = "The statement", content(
            (StatementView = "application/json"),
            (String = "text/csv"),
        )),
        Problems,
    ),
    security(("cognito" = [])),
)]
pub async fn list(
    State(app): State<App>,
    identity: Identity,
    headers: HeaderMap,
    Path(number): Path<String>,
    Query(window): Query<WindowParameters>,
) -> Result<Response, Problem> {
    let number: EmployeeNumber = number.parse().map_err(|_| Problem::NotFound)?;
    let [employee_key, wallet_key] =
        [keys::employee, keys::wallet].map(|key| key(identity.tenant(), &number));
    let wanted = identity.keys().into_iter().chain([employee_key.clone(), wallet_key.clone()]);
    let mut found = app.table.read(wanted).await?;
    let (caller, tenant) = identity.admit(&mut found)?;
    if !caller.sees_wallet_of(&number) || found.take(&employee_key).is_none() {
        return Err(Problem::NotFound);
    }
    let window = window.read(app.clock.now(), Some(LENGTH))?;
    let posted = between(&app, &tenant.id, &number, window.from, window.to, MAX_POSTED).await?;
    let posted = posted.ok_or_else(|| {
        let detail = format!("the time holds more than {MAX_POSTED} movements; ask for less");
        Problem::field(FieldError::at_parameter("from", detail))
    })?;
    let moved = by_version(&posted);
    let cut = |is_past: &dyn Fn(Timestamp) -> bool| {
        moved.iter().position(|(movement, _)| is_past(movement.at)).unwrap_or(moved.len())
    };
    let moved = moved.get(cut(&|at| at >= window.from)..cut(&|at| at > window.to)).unwrap_or_default();
    let opening = match moved {
        [(first, _), ..] => first.entry.before(),
        [] => {
            let wallet = found.take(&wallet_key).map(items::stored_wallet).transpose()?.unwrap_or_default();
            before_what_followed(&app, &tenant.id, &number, wallet, window.from).await?
        }
    };
    let movements = moved.iter().filter_map(|(_, posted)| MovementView::of(posted)).collect();
    let statement = StatementView::of(&number, &window, &tenant.currency, opening, movements);
    sheet::whole(statement, |statement| &statement.movements, &headers)
}

/// What a wallet held that nothing has moved for some time since `from`: what the next movement found.
async fn before_what_followed(
    app: &App,
    tenant: &TenantId,
    number: &EmployeeNumber,
    wallet: Wallet,
    from: Timestamp,
) -> Result<Wallet, Problem> {
    let followed = between(app, tenant, number, from, app.clock.now(), MAX_FOLLOWED).await?;
    let followed = followed.ok_or_else(|| {
        let detail =
            format!("nothing moved the wallet then, and more than {MAX_FOLLOWED} movements followed");
        Problem::field(FieldError::at_parameter("from", detail))
    })?;
    let next = by_version(&followed)
        .into_iter()
        .map(|(movement, _)| movement)
        .find(|movement| movement.at >= from && movement.entry.after.version <= wallet.version);
    Ok(next.map_or(wallet, |next| next.entry.before()))
}

/// What moved the wallet, in the order in which it did.
fn by_version(posted: &[Posted]) -> Vec<(Movement, &Posted)> {
    let mut moved: Vec<_> = posted.iter().filter_map(|posted| Some((posted.movement()?, posted))).collect();
    moved.sort_by_key(|(movement, _)| movement.entry.after.version);
    moved
}

/// A sale or another booking, which moved a wallet or was rejected.
#[derive(Debug)]
pub enum Posted {
    Checkout(Box<Checkout>),
    Booking(Box<Booking>),
}

impl Posted {
    /// Nothing if it moved no wallet.
    pub fn movement(&self) -> Option<Movement> {
        match self {
            Posted::Checkout(checkout) => checkout.movement(),
            Posted::Booking(booking) => booking.movement(),
        }
    }
}

/// All that was posted to a wallet within a time, and some of what was before or after; nothing if it is more than
/// `max`. Ids were made before their movement: up to as long as a key lives, and as far ahead as clocks may be.
pub async fn between(
    app: &App,
    tenant: &TenantId,
    number: &EmployeeNumber,
    from: Timestamp,
    to: Timestamp,
    max: usize,
) -> Result<Option<Vec<Posted>>, Failure> {
    let slack = SignedDuration::from_millis(KEY_LIFETIME_MS) + COMMAND_LIFETIME;
    let from = from.checked_sub(slack).unwrap_or(from);
    // A time that has not begun may be asked for.
    let to = to.checked_add(SignedDuration::from_millis(KEY_LEAD_MS)).unwrap_or(to).max(from);
    let [sales, bookings] = keys::movements_between(tenant, number, from, to);
    let sale = |item: Item| Ok(Posted::Checkout(Box::new(items::stored_checkout(item)?)));
    let booking = |item: Item| Ok(Posted::Booking(Box::new(items::stored_booking(item)?)));
    let mut posted = Vec::new();
    let is_all = collect(app, &sales, sale, &mut posted, max).await?
        && collect(app, &bookings, booking, &mut posted, max).await?
        && collect(app, &keys::movements_unasked(tenant, number), booking, &mut posted, max).await?;
    Ok(is_all.then_some(posted))
}

/// Whether what is in the span still fits.
async fn collect(
    app: &App,
    span: &Span,
    read: impl Fn(Item) -> Result<Posted, Failure>,
    posted: &mut Vec<Posted>,
    max: usize,
) -> Result<bool, Failure> {
    let mut pages = app.table.pages(span, PAGE, Order::OldestFirst);
    while posted.len() <= max
        && let Some(page) = pages.next().await?
    {
        posted.extend(page.into_iter().map(&read).collect::<Result<Vec<_>, _>>()?);
    }
    Ok(posted.len() <= max)
}
