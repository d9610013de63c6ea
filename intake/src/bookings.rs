//! What puts right what was sold wrongly: voids, refunds and adjustments, and the `Location` of one.

use crate::app::App;
use crate::base_path::BasePath;
use crate::body::{Errors, Fields};
use crate::caller::Identity;
use crate::path::{self, Named};
use crate::problem::{CommandProblems, FieldError, Problem, ProblemDocument, Problems};
use crate::request;
use crate::submit::{self, Exchange, Submission, TicketParameter};
use crate::view::{BookingView, UndecidedView};
use aws::items::{self, Item};
use aws::keys;
use axum::Json;
use axum::body::Bytes;
use axum::extract::{Query, State};
use axum::http::HeaderMap;
use axum::response::{IntoResponse, Response};
use domain::booking::{Booking, Correction, PostBooking, Share};
use domain::command::{COMMAND_LIFETIME, Command, Kind, MAX_LINES};
use domain::id::{BookingId, CheckoutId, CommandId, EmployeeNumber, MealCode};
use domain::money::{Adjustment, Money, Quantity, Refund};
use domain::planted::{self, Planted};
use domain::request::RequestHash;
use domain::role::{Caller, Role};
use domain::text::Reason;
use serde::Deserialize;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use utoipa::{IntoResponses, ToSchema};

/// What a correction is answered with, besides what any route may answer.
#[derive(IntoResponses)]
#[expect(dead_code, reason = "only its description is used")]
pub(crate) enum Corrected {
    #[response(status = 200, description = "What came of it: booked or rejected")]
    Done(#[to_schema] BookingView),
    #[response(status = 202, description = "Accepted")]
    Accepted(#[to_schema] BookingView),
}

/// Undo a sale of the same business day.
///
/// For a cashier of the concessionaire within 15 minutes of the sale, for its manager until the day closes. A
/// sale that is not decided yet is undone, too: if it arrives later, it finds itself voided. Only its id and
/// employee say which: of another employee's number this is `booked` with an `amount` of 0, and the sale
/// stays.
#[utoipa::path(
    post,
    operation_id = "voidCheckout",
    path = "/v1/employees/{number}/checkouts/{id}/void",
    request_body = request::ReasonRequest,
    params(path::Employee, path::Checkout, request::CommandParameters),
    responses(Corrected, CommandProblems, Problems),
    security(("cognito" = [])),
)]
pub async fn void(
    State(app): State<App>,
    identity: Identity,
    base_path: BasePath,
    Named((number, checkout)): Named<(EmployeeNumber, CheckoutId)>,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Response, Problem> {
    let read = |fields: &mut Fields<'_>, _: &Errors| fields.text("reason");
    let (id, reason) = request::command(&headers, &body, app.clock.now(), read)?;
    let correction = |caller: &Caller| match &caller.role {
        Role::Manager { concessionaire_id } => {
            Ok(Correction::Void { checkout, concessionaire: concessionaire_id.clone(), is_cashier: false })
        }
        Role::Cashier { concessionaire_id } => {
            Ok(Correction::Void { checkout, concessionaire: concessionaire_id.clone(), is_cashier: true })
        }
        Role::Platform | Role::Admin | Role::Employee { .. } => Err(Problem::Forbidden),
    };
    let exchange = Exchange { app: &app, headers: &headers, base_path: &base_path };
    let asked = Asked { id, reason, what: json!(["void", checkout]) };
    submit(exchange, &identity, number, asked, correction).await
}

/// What is given back of a sale: exactly one of `amount` and `items`.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({ "items": [{ "code": "COFFEE", "qty": 1 }], "reason": "cold" }))]
#[expect(dead_code, reason = "only its description is used")]
pub(crate) struct RefundRequest {
    /// In minor units.
    #[schema(nullable = false, minimum = 1, maximum = 1_000_000_000_000_i64)]
    amount: Option<i64>,
    #[schema(nullable = false, min_items = 1, max_items = 50)]
    items: Option<Vec<RefundRequestItem>>,
    #[schema(min_length = 1, max_length = 200)]
    reason: String,
}

#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[expect(dead_code, reason = "only its description is used")]
pub(crate) struct RefundRequestItem {
    /// No code twice.
    #[schema(pattern = "^[A-Za-z0-9._-]{1,32}$")]
    code: String,
    #[schema(minimum = 1, maximum = 99)]
    qty: i64,
}

fn share(fields: &mut Fields<'_>, errors: &Errors) -> Option<Share> {
    match (fields.has("amount"), fields.has("items")) {
        (true, false) => fields.integer::<Refund>("amount").map(|amount| Share::Amount(amount.into())),
        (false, true) => refunded_items(fields, errors),
        (has_both, _) => {
            let pointer = if has_both { "/items" } else { "/amount" };
            errors.add(FieldError::at_pointer(pointer, "give exactly one of amount and items"));
            fields.skip("amount");
            fields.skip("items");
            None
        }
    }
}

fn refunded_items(fields: &mut Fields<'_>, errors: &Errors) -> Option<Share> {
    // All of them first, so that an early wrong line hides no later one.
    let lines: Vec<_> = fields.objects("items")?.into_iter().map(|line| refunded(line?)).collect();
    let count = lines.len();
    let items: BTreeMap<MealCode, Quantity> = lines.into_iter().collect::<Option<_>>()?;
    if !(1..=MAX_LINES).contains(&count) || items.len() != count {
        let detail = format!("must be 1 to {MAX_LINES} items, no code twice");
        errors.add(FieldError::at_pointer("/items", detail));
        return None;
    }
    Some(Share::Items(items))
}

fn refunded(mut fields: Fields<'_>) -> Option<(MealCode, Quantity)> {
    let (code, qty) = (fields.text("code"), fields.integer("qty"));
    fields.no_more();
    Some((code?, qty?))
}

/// Give back some of a sale: an amount, or some of its items, as often as there is something left.
///
/// For the manager of the concessionaire, and for administrators.
#[utoipa::path(
    post,
    operation_id = "refundCheckout",
    path = "/v1/employees/{number}/checkouts/{id}/refunds",
    request_body = RefundRequest,
    params(path::Employee, path::Checkout, request::CommandParameters),
    responses(Corrected, CommandProblems, Problems),
    security(("cognito" = [])),
)]
pub async fn refund(
    State(app): State<App>,
    identity: Identity,
    base_path: BasePath,
    Named((number, checkout)): Named<(EmployeeNumber, CheckoutId)>,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Response, Problem> {
    let read = |fields: &mut Fields<'_>, errors: &Errors| {
        let share = share(fields, errors);
        let reason = fields.text("reason");
        Some((share?, reason?))
    };
    let (id, (share, reason)) = request::command(&headers, &body, app.clock.now(), read)?;
    let asked = Asked { id, reason, what: json!(["refund", checkout, share]) };
    let correction = |caller: &Caller| {
        let concessionaire = match &caller.role {
            Role::Manager { concessionaire_id } => Some(concessionaire_id.clone()),
            Role::Admin => None,
            Role::Platform | Role::Cashier { .. } | Role::Employee { .. } => return Err(Problem::Forbidden),
        };
        Ok(Correction::Refund { checkout, concessionaire, share })
    };
    let exchange = Exchange { app: &app, headers: &headers, base_path: &base_path };
    submit(exchange, &identity, number, asked, correction).await
}

/// What a wallet is corrected by.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({ "amount": 100_000, "reason": "first credit" }))]
#[expect(dead_code, reason = "only its description is used")]
pub(crate) struct AdjustmentRequest {
    /// In minor units; negative takes, and is rejected whole if it passes the floor of the wallet. Never
    /// zero.
    #[schema(minimum = -1_000_000_000_000_i64, maximum = 1_000_000_000_000_i64)]
    amount: i64,
    #[schema(min_length = 1, max_length = 200)]
    reason: String,
}

/// Add to a wallet, or take from it.
#[utoipa::path(
    post,
    operation_id = "adjustWallet",
    path = "/v1/employees/{number}/adjustments",
    request_body = AdjustmentRequest,
    params(path::Employee, request::CommandParameters),
    responses(Corrected, CommandProblems, Problems),
    security(("cognito" = [])),
)]
pub async fn adjust(
    State(app): State<App>,
    identity: Identity,
    base_path: BasePath,
    Named(number): Named<EmployeeNumber>,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Response, Problem> {
    let read = |fields: &mut Fields<'_>, _: &Errors| {
        let amount = fields.integer::<Adjustment>("amount");
        let reason = fields.text("reason");
        Some((amount?, reason?))
    };
    let (id, (amount, reason)) = request::command(&headers, &body, app.clock.now(), read)?;
    let amount = Money::from(amount);
    let correction = |_: &Caller| Ok(Correction::Adjustment { amount });
    let exchange = Exchange { app: &app, headers: &headers, base_path: &base_path };
    let asked = Asked { id, reason, what: json!(["adjustment", amount]) };
    submit(exchange, &identity, number, asked, correction).await
}

/// What a client asked for, whoever it was and whatever they are by now.
struct Asked {
    id: CommandId,
    reason: Reason,
    what: Value,
}

/// One read, and the command goes the way of the wallet's checkouts.
async fn submit(
    exchange: Exchange<'_>,
    identity: &Identity,
    number: EmployeeNumber,
    Asked { id, reason, what }: Asked,
    correction: impl FnOnce(&Caller) -> Result<Correction, Problem>,
) -> Result<Response, Problem> {
    let tenant = identity.tenant();
    let (employee_key, place) = (keys::employee(tenant, &number), keys::booking(tenant, &number, &id.into()));
    let (caller, tenant, mut found) =
        identity.admit_with(&exchange.app.table, [employee_key.clone(), place.clone()]).await?;
    if found.take(&employee_key).is_none() {
        return Err(Problem::NotFound);
    }
    let correction = correction(&caller)?;
    let asked = json!([number, what, reason]).to_string();
    let request = RequestHash::of_command(Kind::PostBooking, &tenant.id, &caller.user, id, &asked);
    let view = |item: Item| {
        let booking = items::stored_booking(item)?;
        let is_own = booking.cause.as_ref().is_some_and(|cause| cause.request == request);
        if !is_own && !planted::is(Planted::CorrectionTrusted) {
            return Err(Problem::KeyReused);
        }
        Ok(Json(BookingView::of(booking, &number, &tenant.currency)).into_response())
    };
    if let Some(earlier) = found.take(&place) {
        return submit::replay(view(earlier));
    }
    let accepted_at = exchange.app.clock.now();
    let expires_at = accepted_at + COMMAND_LIFETIME;
    let command = PostBooking {
        tenant: tenant.id.clone(),
        id,
        request,
        caller: caller.user,
        employee: number.clone(),
        correction,
        reason,
        accepted_at,
        expires_at,
    };
    let submission = Submission {
        command: Command::PostBooking(command),
        request,
        expires_at,
        place,
        path: format!("/v1/employees/{number}/bookings/{id}"),
        pending: BookingView::Pending(UndecidedView { id: id.to_string() }),
    };
    submission.send(exchange, &tenant, view).await
}

/// What came of a correction.
///
/// With the ticket of its `202`, one that is not decided yet reads `pending`, and `failed` once nothing can
/// come of it any more.
#[utoipa::path(
    get,
    operation_id = "getBooking",
    path = "/v1/employees/{number}/bookings/{id}",
    params(path::Employee, path::Booking, TicketParameter),
    responses(
        (status = 200, description = "The booking, or that there is none yet or never will be", body = BookingView),
        (status = 422, description = "Another request was booked under this key", body = ProblemDocument, content_type = "application/problem+json"),
        Problems,
    ),
    security(("cognito" = [])),
)]
pub async fn get(
    State(app): State<App>,
    identity: Identity,
    Named((number, id)): Named<(EmployeeNumber, BookingId)>,
    Query(ticket): Query<TicketParameter>,
) -> Result<Response, Problem> {
    let tenant = identity.tenant();
    let place = keys::booking(tenant, &number, &id);
    let (caller, tenant, mut found) = identity.admit_with(&app.table, [place.clone()]).await?;
    let ticket = submit::ticket(&app, &place, ticket)?;
    if !caller.sees_wallet_of(&number) {
        return Err(Problem::NotFound);
    }
    let Some(item) = found.take(&place) else {
        let undecided = || UndecidedView { id: id.to_string() };
        let (pending, failed) = (BookingView::Pending(undecided()), BookingView::Failed(undecided()));
        return submit::undecided(&app, ticket, pending, failed);
    };
    let booking = items::stored_booking(item)?;
    let request = booking.cause.as_ref().map(|cause| cause.request);
    if ticket.is_some_and(|ticket| Some(ticket.request) != request) {
        return Err(Problem::KeyReused);
    }
    if !may_see(&app, &caller, &number, &booking).await? {
        return Err(Problem::NotFound);
    }
    Ok(Json(BookingView::of(booking, &number, &tenant.currency)).into_response())
}

/// Sellers see what they asked for, and what concerns a sale of their own concessionaire.
async fn may_see(
    app: &App,
    caller: &Caller,
    number: &EmployeeNumber,
    booking: &Booking,
) -> Result<bool, Problem> {
    let is_seller = matches!(caller.role, Role::Manager { .. } | Role::Cashier { .. });
    if !is_seller || booking.by == caller.user {
        return Ok(true);
    }
    let Some(checkout) = booking.cause.as_ref().and_then(|cause| cause.checkout) else { return Ok(false) };
    let sale = app.table.read_one(&keys::checkout(&caller.tenant, number, checkout)).await?;
    let sale = sale.map(items::stored_checkout).transpose()?;
    Ok(sale.is_some_and(|sale| caller.sees_sale_of(&sale.concessionaire, number)))
}
