//! `GET /v1/employees/{number}/movements`: a wallet's statement for a bounded time.

use crate::app::App;
use crate::caller::Identity;
use crate::path;
use crate::problem::{FieldError, Problem, Problems};
use crate::view::{MovementView, StatementView};
use crate::window::{Length, Window, WindowParameters};
use aws::failure::Failure;
use aws::items::{self, Item};
use aws::keys::{self, Span};
use aws::table::Order;
use axum::Json;
use axum::extract::{Path, Query, State};
use domain::command::COMMAND_LIFETIME;
use domain::id::{EmployeeNumber, KEY_LEAD_MS, KEY_LIFETIME_MS};
use jiff::SignedDuration;

/// What one statement covers: a month, and a quarter of a year at most.
const LENGTH: Length =
    Length { default: SignedDuration::from_hours(24 * 31), max: SignedDuration::from_hours(24 * 92) };
/// Movements of one statement: twenty a day for a quarter of a year.
const MAX_MOVEMENTS: usize = 2_000;
/// Items of one page of a query, and pages: what was rejected is read as well, and is no movement.
const PAGE: i32 = 500;
const MAX_PAGES: usize = 20;

/// What moved a wallet within a time, by wallet version.
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
    let mut movements = read(&app, &tenant.id, &number, &window).await?;
    movements.sort_by_key(|movement| movement.wallet_version);
    Ok(Json(StatementView::of(&number, &window, &tenant.currency, movements)))
}

/// Ids were made before their movement: up to as long as a key lives, and as far ahead as clocks may be.
async fn read(
    app: &App,
    tenant: &domain::id::TenantId,
    number: &EmployeeNumber,
    window: &Window,
) -> Result<Vec<MovementView>, Problem> {
    let slack = SignedDuration::from_millis(KEY_LIFETIME_MS) + COMMAND_LIFETIME;
    let from = window.from.checked_sub(slack).unwrap_or(window.from);
    let to = window.to.checked_add(SignedDuration::from_millis(KEY_LEAD_MS)).unwrap_or(window.to);
    let [sales, bookings] = keys::movements_between(tenant, number, from, to);
    let mut movements = Vec::new();
    let sale = |item: Item| Ok(MovementView::of_checkout(&items::stored_checkout(item)?));
    let booking = |item: Item| Ok(MovementView::of_booking(&items::stored_booking(item)?));
    collect(app, &sales, window, sale, &mut movements).await?;
    collect(app, &bookings, window, booking, &mut movements).await?;
    collect(app, &keys::movements_unasked(tenant, number), window, booking, &mut movements).await?;
    Ok(movements)
}

async fn collect(
    app: &App,
    span: &Span,
    window: &Window,
    view: impl Fn(Item) -> Result<Option<MovementView>, Failure>,
    movements: &mut Vec<MovementView>,
) -> Result<(), Problem> {
    let mut start = None;
    let too_many = || {
        let detail = format!("the time holds more than {MAX_MOVEMENTS} movements; ask for less");
        Problem::field(FieldError::at_parameter("from", detail))
    };
    for _ in 0..MAX_PAGES {
        let page = app.table.query_page(span, PAGE, Order::OldestFirst, start).await?;
        for item in page.items {
            let movement = view(item)?;
            movements.extend(movement.filter(|movement| movement.is_within(window.from, window.to)));
        }
        if movements.len() > MAX_MOVEMENTS {
            return Err(too_many());
        }
        start = page.next;
        if start.is_none() {
            return Ok(());
        }
    }
    Err(too_many())
}
