//! `GET /v1/employees/{number}/movements`: a wallet's statement for a bounded time.

use crate::app::App;
use crate::caller::Identity;
use crate::path;
use crate::problem::{FieldError, Problem, Problems};
use crate::view::{MovementView, StatementView};
use crate::window::{Length, WindowParameters};
use aws::failure::Failure;
use aws::items::{self, Item};
use aws::keys::{self, Span};
use aws::table::Order;
use axum::Json;
use axum::extract::{Path, Query, State};
use domain::booking::Booking;
use domain::checkout::Checkout;
use domain::command::COMMAND_LIFETIME;
use domain::id::{EmployeeNumber, KEY_LEAD_MS, KEY_LIFETIME_MS, TenantId};
use domain::ledger::Movement;
use jiff::{SignedDuration, Timestamp};

/// What one statement covers: a month, and a quarter of a year at most.
const LENGTH: Length =
    Length { default: SignedDuration::from_hours(24 * 31), max: SignedDuration::from_hours(24 * 92) };
/// What is read of one wallet: twenty movements a day for a quarter of a year. What was rejected is read as well.
const MAX_POSTED: usize = 2_000;
/// Items of one page of a query.
const PAGE: i32 = 500;

/// What moved a wallet within a time, by wallet version.
///
/// The month before `to` unless `from` is given, and at most 92 days. What happened at either instant is included.
#[utoipa::path(
    get,
    operation_id = "listMovements",
    path = "/v1/employees/{number}/movements",
    params(path::Employee, WindowParameters),
    responses((status = 200, description = "The statement", body = StatementView), Problems),
    security(("cognito" = [])),
)]
pub async fn list(
    State(app): State<App>,
    identity: Identity,
    Path(number): Path<String>,
    Query(window): Query<WindowParameters>,
) -> Result<Json<StatementView>, Problem> {
    let number: EmployeeNumber = number.parse().map_err(|_| Problem::NotFound)?;
    let employee_key = keys::employee(identity.tenant(), &number);
    let mut found = app.table.read(identity.keys().into_iter().chain([employee_key.clone()])).await?;
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
    let mut movements: Vec<_> = posted.iter().filter_map(MovementView::of).collect();
    movements.retain(|movement| movement.is_within(window.from, window.to));
    movements.sort_by_key(|movement| movement.wallet_version);
    Ok(Json(StatementView::of(&number, &window, &tenant.currency, movements)))
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
    let to = to.checked_add(SignedDuration::from_millis(KEY_LEAD_MS)).unwrap_or(to);
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
