//! `POST /v1/checkouts` and the `Location` it answers: resolve, look once for an earlier outcome,
//! publish, and perhaps wait. Whoever is refused with a 4xx before that has enqueued nothing.

use crate::app::App;
use crate::base_path::BasePath;
use crate::caller::Identity;
use crate::etag;
use crate::order::{CheckoutRequest, Order};
use crate::prefer;
use crate::problem::{FieldError, Problem, Problems};
use crate::ticket::{Subject, Ticket};
use crate::view::CheckoutView;
use aws::failure::{Failure, chain};
use aws::items::{self, Item};
use aws::keys;
use axum::Json;
use axum::body::Bytes;
use axum::extract::{Path, Query, State};
use axum::http::header::{LOCATION, RETRY_AFTER};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use domain::checkout::Checkout;
use domain::command::{Buyer, CHECKOUT_LIFETIME, Command, PostCheckout, Purpose, RequestHash};
use domain::employee::Employee;
use domain::id::{CheckoutId, EmployeeNumber};
use domain::planted::{self, Planted};
use domain::role::Caller;
use domain::tenant::{Station, Tenant, TenantStatus};
use serde::Deserialize;
use std::time::Duration;
use utoipa::IntoParams;

const REPLAYED: HeaderName = HeaderName::from_static("idempotent-replayed");
const PREFERENCE_APPLIED: HeaderName = HeaderName::from_static("preference-applied");
/// When a client should look again, in seconds.
const LOOK_AGAIN: HeaderValue = HeaderValue::from_static("1");

/// Sell a basket to one employee.
///
/// Answers `202` once the command is durably enqueued; with `Prefer: wait=N` the outcome itself if
/// it is there within N (at most 5) seconds. Sending the same request under the same key again is
/// always safe.
#[utoipa::path(
    post,
    operation_id = "postCheckout",
    path = "/v1/checkouts",
    request_body = CheckoutRequest,
    params(
        ("Idempotency-Key" = String, Header, description = "A UUIDv7, no older than 72 hours and no more than 5 minutes ahead", example = "01900000-0000-7000-8000-000000000000"),
        ("Prefer" = Option<String>, Header, description = "`wait=N`", example = "wait=5"),
    ),
    responses(
        (status = 200, description = "The outcome, settled or rejected", body = CheckoutView,
            headers(("Idempotent-Replayed" = bool, description = "Present on the outcome of an earlier request"))),
        (status = 202, description = "Accepted", body = CheckoutView,
            headers(("Location" = String, description = "Where the outcome will be"), ("Retry-After" = u32))),
        (status = 413, description = "More than 64 KiB", body = crate::problem::ProblemDocument, content_type = "application/problem+json"),
        (status = 415, description = "Not JSON", body = crate::problem::ProblemDocument, content_type = "application/problem+json"),
        (status = 422, description = "The key was used for another request", body = crate::problem::ProblemDocument, content_type = "application/problem+json"),
        Problems,
    ),
    security(("cognito" = [])),
)]
pub async fn post(
    State(app): State<App>,
    identity: Identity,
    base_path: BasePath,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Response, Problem> {
    let order = Order::parse(&headers, &body, app.clock.now())?;
    let till = till(&app, &identity, &order).await?;
    let request = RequestHash::of_checkout(
        &till.caller.tenant,
        &till.caller.user,
        order.id,
        &order.buyer,
        &till.station.id,
        &order.basket,
    );
    let sale = Sale::find(&app, till, &order, request).await?;
    if let Some(earlier) = sale.earlier.clone() {
        return sale.replay(earlier);
    }
    if sale.tenant.status != TenantStatus::Active {
        return Err(Problem::TenantSuspended);
    }
    if !sale.tenant.is_reached(Purpose::Checkouts) {
        return Err(Problem::TenantNotReady);
    }
    let ticket = sale.publish(&app, order).await?;
    sale.answer(&app, ticket, prefer::wait(&headers), &base_path).await
}

/// Who sells what where, from the first call.
struct Till {
    caller: Caller,
    tenant: Tenant,
    station: Station,
    employee: EmployeeNumber,
    /// Known already if the buyer was named by number.
    profile: Option<Item>,
}

/// One read: user, tenant, station, and the badge or employee.
async fn till(app: &App, identity: &Identity, order: &Order) -> Result<Till, Problem> {
    let id = identity.tenant();
    let station_key = keys::station(id, &order.station);
    let buyer_key = match &order.buyer {
        Buyer::Badge(rfid) => keys::badge(id, rfid),
        Buyer::Number(number) => keys::employee(id, number),
    };
    let wanted = identity.keys().into_iter().chain([station_key.clone(), buyer_key.clone()]);
    let mut found = app.table.read(wanted).await?;
    let (caller, tenant) = identity.admit(&mut found)?;
    let station = found.take(&station_key).ok_or(Problem::UnknownStation)?;
    let station = items::stored_station(&order.station, station)?;
    if !caller.sells_for(&station.concessionaire) {
        return Err(Problem::UnknownStation);
    }
    let (employee, profile) = match (&order.buyer, found.take(&buyer_key)) {
        (Buyer::Badge(_), Some(badge)) => (items::stored_badge(badge)?, None),
        (Buyer::Badge(_), None) => return Err(Problem::UnknownBadge),
        (Buyer::Number(number), Some(profile)) => (number.clone(), Some(profile)),
        (Buyer::Number(_), None) => return Err(Problem::UnknownEmployee),
    };
    Ok(Till { caller, tenant, station, employee, profile })
}

/// A sale about to be enqueued, or found done.
struct Sale {
    caller: Caller,
    tenant: Tenant,
    station: Station,
    employee: Employee,
    id: CheckoutId,
    request: RequestHash,
    earlier: Option<Checkout>,
}

impl Sale {
    /// The second and last read: an earlier outcome under this id, and the buyer if not yet known.
    async fn find(app: &App, till: Till, order: &Order, request: RequestHash) -> Result<Self, Problem> {
        let Till { caller, tenant, station, employee, profile } = till;
        let checkout_key = keys::checkout(&tenant.id, &employee, order.id);
        let employee_key = keys::employee(&tenant.id, &employee);
        let wanted = [Some(checkout_key.clone()), profile.is_none().then(|| employee_key.clone())];
        let mut found = app.table.read(wanted.into_iter().flatten()).await?;
        let profile = profile.or_else(|| found.take(&employee_key));
        let profile = profile.ok_or_else(|| Failure::malformed("read a badge", "it leads to no employee"))?;
        Ok(Self {
            employee: items::stored_employee(&employee, profile)?,
            earlier: found.take(&checkout_key).map(items::stored_checkout).transpose()?,
            caller,
            tenant,
            station,
            id: order.id,
            request,
        })
    }

    fn replay(&self, earlier: Checkout) -> Result<Response, Problem> {
        let mut response = self.outcome(earlier)?;
        response.headers_mut().insert(REPLAYED, HeaderValue::from_static("true"));
        Ok(response)
    }

    fn outcome(&self, checkout: Checkout) -> Result<Response, Problem> {
        if checkout.request != self.request && !planted::is(Planted::ReplayUnchecked) {
            return Err(Problem::KeyReused);
        }
        let view = CheckoutView::of(checkout, &self.employee, &self.tenant.currency);
        Ok(Json(view).into_response())
    }

    async fn publish(&self, app: &App, order: Order) -> Result<Ticket, Problem> {
        let accepted_at = app.clock.now();
        let expires_at = accepted_at + CHECKOUT_LIFETIME;
        let command = PostCheckout {
            tenant: self.tenant.id.clone(),
            id: self.id,
            request: self.request,
            caller: self.caller.user.clone(),
            employee: self.employee.number.clone(),
            badge: match order.buyer {
                Buyer::Badge(rfid) => Some(rfid),
                Buyer::Number(_) => None,
            },
            station: self.station.id.clone(),
            concessionaire: self.station.concessionaire.clone(),
            basket: order.basket,
            accepted_at,
            expires_at,
        };
        let published = app.bus.publish(Command::PostCheckout(command)).await;
        if !planted::is(Planted::AcceptedUnpublished) {
            published?;
        }
        Ok(Ticket { request: self.request, expires_at })
    }

    /// `202` at once, or what came of it within `wait`.
    async fn answer(
        &self,
        app: &App,
        ticket: Ticket,
        wait: Duration,
        base_path: &BasePath,
    ) -> Result<Response, Problem> {
        match tokio::time::timeout(wait, self.await_outcome(app, wait)).await {
            Ok(Ok(Some(checkout))) => {
                let mut response = self.outcome(checkout)?;
                response.headers_mut().insert(PREFERENCE_APPLIED, applied(wait)?);
                Ok(response)
            }
            Ok(Ok(None)) | Err(_) => self.accepted(app, ticket, base_path),
            // The command is safe: the client finds the outcome where the `Location` says.
            Ok(Err(failure)) => {
                tracing::warn!(error = chain(&failure), "stopped waiting for an outcome");
                self.accepted(app, ticket, base_path)
            }
        }
    }

    async fn await_outcome(&self, app: &App, wait: Duration) -> Result<Option<Checkout>, Failure> {
        let key = keys::checkout(&self.tenant.id, &self.employee.number, self.id);
        for pause in prefer::pauses(wait) {
            tokio::time::sleep(pause).await;
            if let Some(item) = app.table.read_one(&key).await? {
                return items::stored_checkout(item).map(Some);
            }
        }
        Ok(None)
    }

    fn accepted(&self, app: &App, ticket: Ticket, base_path: &BasePath) -> Result<Response, Problem> {
        let subject = Subject { tenant: &self.tenant.id, employee: &self.employee.number, id: self.id };
        let sealed = ticket.seal(&app.ticket_key, subject);
        let location =
            format!("/v1/employees/{}/checkouts/{}?ticket={sealed}", self.employee.number, self.id);
        let location = base_path.join(&location);
        let location =
            HeaderValue::try_from(location).map_err(|error| Failure::malformed("write a Location", error))?;
        let headers = [(LOCATION, location), (RETRY_AFTER, LOOK_AGAIN)];
        Ok((StatusCode::ACCEPTED, headers, Json(CheckoutView::pending(self.id))).into_response())
    }
}

fn applied(wait: Duration) -> Result<HeaderValue, Problem> {
    HeaderValue::try_from(format!("wait={}", wait.as_secs()))
        .map_err(|error| Failure::malformed("write a header", error).into())
}

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct TicketParameter {
    /// As the `Location` of the `202` gave it.
    ticket: Option<String>,
}

/// What came of a checkout.
///
/// With the ticket of its `202`, a checkout that is not decided yet reads `pending`, and `failed`
/// once nothing can come of it any more.
#[utoipa::path(
    get,
    operation_id = "getCheckout",
    path = "/v1/employees/{number}/checkouts/{id}",
    params(("number" = String, Path), ("id" = String, Path), TicketParameter),
    responses(
        (status = 200, description = "The outcome, or that there is none yet or never will be", body = CheckoutView),
        (status = 304, description = "As the `If-None-Match` of the request has it"),
        (status = 422, description = "Another request settled under this key", body = crate::problem::ProblemDocument, content_type = "application/problem+json"),
        Problems,
    ),
    security(("cognito" = [])),
)]
pub async fn get(
    State(app): State<App>,
    identity: Identity,
    Path((number, id)): Path<(String, String)>,
    Query(TicketParameter { ticket }): Query<TicketParameter>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let number: EmployeeNumber = number.parse().map_err(|_| Problem::NotFound)?;
    let id = id.parse().map_err(|_| Problem::NotFound)?;
    let tenant = identity.tenant();
    let (employee_key, checkout_key) = (keys::employee(tenant, &number), keys::checkout(tenant, &number, id));
    let wanted = identity.keys().into_iter().chain([employee_key.clone(), checkout_key.clone()]);
    let mut found = app.table.read(wanted).await?;
    let (caller, tenant) = identity.admit(&mut found)?;
    if !caller.sees_wallet_of(&number) {
        return Err(Problem::NotFound);
    }
    let employee = found.take(&employee_key).ok_or(Problem::NotFound)?;
    let subject = Subject { tenant: &tenant.id, employee: &number, id };
    let ticket = ticket.map(|text| open(&app, subject, &text)).transpose()?;
    match (found.take(&checkout_key).map(items::stored_checkout).transpose()?, ticket) {
        (Some(checkout), Some(ticket)) if checkout.request != ticket.request => Err(Problem::KeyReused),
        (Some(checkout), _) => {
            let employee = items::stored_employee(&number, employee)?;
            etag::by_content(&headers, &CheckoutView::of(checkout, &employee, &tenant.currency))
        }
        (None, Some(ticket)) if ticket.is_spent(app.clock.now()) => {
            Ok(Json(CheckoutView::failed(id)).into_response())
        }
        (None, Some(_)) => Ok(([(RETRY_AFTER, LOOK_AGAIN)], Json(CheckoutView::pending(id))).into_response()),
        (None, None) => Err(Problem::NotFound),
    }
}

fn open(app: &App, subject: Subject<'_>, text: &str) -> Result<Ticket, Problem> {
    Ticket::open(&app.ticket_key, subject, text)
        .ok_or_else(|| Problem::field(FieldError::at_parameter("ticket", "is not a ticket of this checkout")))
}
