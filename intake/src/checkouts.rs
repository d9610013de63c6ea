//! `/v1/checkouts` and the `Location` of one: resolve, look once for an earlier outcome, submit. Whoever is
//! refused with a 4xx has enqueued nothing.

use crate::app::App;
use crate::base_path::BasePath;
use crate::caller::Identity;
use crate::list::{self, Listed, PageParameters};
use crate::order::{Asked, CheckoutRequest, Order};
use crate::parameter;
use crate::path::{self, Named};
use crate::problem::{BodyProblems, CommandProblems, FieldError, Problem, Problems};
use crate::request;
use crate::stalls;
use crate::submit::{self, Exchange, Submission, TicketParameter};
use crate::view::{CheckoutView, QuoteView};
use aws::failure::Failure;
use aws::items::{self, Item};
use aws::keys;
use aws::table::{Found, Order as Sorted};
use axum::Json;
use axum::body::Bytes;
use axum::extract::{Query, State};
use axum::http::HeaderMap;
use axum::response::{IntoResponse, Response};
use domain::checkout::{self, Checkout};
use domain::command::{COMMAND_LIFETIME, Command, PostCheckout};
use domain::employee::Employee;
use domain::id::{CheckoutId, ConcessionaireId, EmployeeNumber, StationId};
use domain::planted::{self, Planted};
use domain::request::{Buyer, RequestHash};
use domain::role::{Caller, Status};
use domain::tenant::{Station, Tenant, TenantStatus};
use jiff::Timestamp;
use jiff::civil::Date;
use serde::Deserialize;
use utoipa::IntoParams;

/// Sell a basket to one employee.
///
/// Answers `202` once the command is durably enqueued; with `Prefer: wait=N` the outcome itself if
/// it is there within N (at most 5) seconds. Sending the same request under the same key again, signed in as
/// the same user, is always safe. A key counts for one buyer: under another buyer's badge or number it is
/// another sale, so make it once the buyer is known. Whoever gives a sale up voids it, which undoes it even
/// if it is decided later; the buyer's number is in the answer of a quote.
#[utoipa::path(
    post,
    operation_id = "postCheckout",
    path = "/v1/checkouts",
    request_body = CheckoutRequest,
    params(request::CommandParameters),
    responses(
        (status = 200, description = "The outcome: settled, rejected, or voided meanwhile", body = CheckoutView),
        (status = 202, description = "Accepted", body = CheckoutView),
        CommandProblems,
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
    let till = till(&app, &identity, &order.station, &order.buyer, Some(order.id)).await?;
    let request = RequestHash::of_checkout(
        &till.caller.tenant,
        &till.caller.user,
        order.id,
        &order.buyer,
        &till.station.id,
        &order.basket,
    );
    let (sale, earlier) = Sale::find(&app, till, order.id, request).await?;
    let view = |item: Item| sale.outcome(items::stored_checkout(item)?);
    // What came of it stands, whoever has the station by now.
    if let Some(earlier) = earlier {
        return submit::replay(view(earlier));
    }
    if sale.tenant.status != TenantStatus::Active {
        return Err(Problem::TenantSuspended);
    }
    let now = app.clock.now();
    let submission = sale.submission(order, sale.concessionaire(now)?, now);
    let exchange = Exchange { app: &app, headers: &headers, base_path: &base_path };
    submission.send(exchange, &sale.tenant, view).await
}

/// Nobody knows a station that is another concessionaire's, and a closed one sells nothing.
fn ask_selling(caller: &Caller, concessionaire: &ConcessionaireId, status: Status) -> Result<(), Problem> {
    if !caller.sells_for(concessionaire) {
        Err(Problem::UnknownStation)
    } else if status != Status::Active {
        Err(Problem::StationClosed)
    } else {
        Ok(())
    }
}

/// Who sells what where, from the first call.
struct Till {
    caller: Caller,
    tenant: Tenant,
    station: Station,
    employee: EmployeeNumber,
    /// The buyer, and what came of the same sale before: read already if the buyer was named by number.
    read: Option<Found>,
}

/// One read: user, tenant, station, and the badge or employee. Who is named by number is looked up together
/// with what came of `sale` before.
async fn till(
    app: &App,
    identity: &Identity,
    station: &StationId,
    buyer: &Buyer,
    sale: Option<CheckoutId>,
) -> Result<Till, Problem> {
    let id = identity.tenant();
    let station_key = keys::station(id, station);
    let (buyer_key, earlier_key) = match buyer {
        Buyer::Badge(rfid) => (keys::badge(id, rfid), None),
        Buyer::Number(number) => {
            (keys::employee(id, number), sale.map(|sale| keys::checkout(id, number, sale)))
        }
    };
    let wanted = [station_key.clone(), buyer_key.clone()].into_iter().chain(earlier_key);
    let (caller, tenant, mut found) = identity.admit_with(&app.table, wanted).await?;
    let stored = found.take(&station_key).ok_or(Problem::UnknownStation)?;
    let station = items::stored_station(station, stored)?;
    let (employee, read) = match buyer {
        Buyer::Badge(_) => {
            let badge = found.take(&buyer_key).ok_or(Problem::UnknownBadge)?;
            (items::stored_badge(badge)?.employee, None)
        }
        Buyer::Number(number) => {
            found.get(&buyer_key).ok_or(Problem::UnknownEmployee)?;
            (number.clone(), Some(found))
        }
    };
    Ok(Till { caller, tenant, station, employee, read })
}

/// A sale about to be enqueued, or found done.
struct Sale {
    caller: Caller,
    tenant: Tenant,
    station: Station,
    employee: Employee,
    id: CheckoutId,
    request: RequestHash,
}

impl Sale {
    /// The second and last read, if the first could not tell: the buyer, and what came of the same sale
    /// before.
    async fn find(
        app: &App,
        till: Till,
        id: CheckoutId,
        request: RequestHash,
    ) -> Result<(Self, Option<Item>), Problem> {
        let Till { caller, tenant, station, employee, read } = till;
        let checkout_key = keys::checkout(&tenant.id, &employee, id);
        let employee_key = keys::employee(&tenant.id, &employee);
        let mut found = match read {
            Some(found) => found,
            None => app.table.read([employee_key.clone(), checkout_key.clone()]).await?,
        };
        let profile = found.take(&employee_key);
        let profile = profile.ok_or_else(|| Failure::malformed("read a badge", "it leads to no employee"))?;
        let employee = items::stored_employee(&employee, profile)?;
        Ok((Self { caller, tenant, station, employee, id, request }, found.take(&checkout_key)))
    }

    fn outcome(&self, checkout: Checkout) -> Result<Response, Problem> {
        if !checkout.answers(self.request) && !planted::is(Planted::ReplayUnchecked) {
            return Err(Problem::KeyReused);
        }
        let view = CheckoutView::of(checkout, &self.employee, &self.tenant.currency);
        Ok(Json(view).into_response())
    }

    /// Whose sale it is: of whoever has the station, unless the sale may have been accepted before that
    /// changed, and settle yet.
    fn concessionaire(&self, now: Timestamp) -> Result<ConcessionaireId, Problem> {
        let Station { concessionaire, status, .. } = &self.station;
        let Err(refused) = ask_selling(&self.caller, concessionaire, *status) else {
            return Ok(concessionaire.clone());
        };
        let mut former = self.station.as_it_was(self.id, now);
        let sold = former.find(|was| ask_selling(&self.caller, &was.concessionaire, was.status).is_ok());
        sold.map(|was| was.concessionaire.clone()).ok_or(refused)
    }

    fn submission(
        &self,
        order: Order,
        concessionaire: ConcessionaireId,
        accepted_at: Timestamp,
    ) -> Submission<CheckoutView> {
        let expires_at = accepted_at + COMMAND_LIFETIME;
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
            concessionaire,
            basket: order.basket,
            accepted_at,
            expires_at,
        };
        Submission {
            command: Command::PostCheckout(command),
            request: self.request,
            expires_at,
            place: keys::checkout(&self.tenant.id, &self.employee.number, self.id),
            path: format!("/v1/employees/{}/checkouts/{}", self.employee.number, self.id),
            pending: CheckoutView::pending(self.id),
        }
    }
}

/// What came of a checkout.
///
/// With the ticket of its `202`, a checkout that is not decided yet reads `pending`, and `failed`
/// once nothing can come of it any more.
#[utoipa::path(
    get,
    operation_id = "getCheckout",
    path = "/v1/employees/{number}/checkouts/{id}",
    params(path::Employee, path::Checkout, TicketParameter),
    responses(
        (status = 200, description = "The outcome, or that there is none yet or never will be", body = CheckoutView),
        (status = 422, description = "Another request settled under this key", body = crate::problem::ProblemDocument, content_type = "application/problem+json"),
        Problems,
    ),
    security(("cognito" = [])),
)]
pub async fn get(
    State(app): State<App>,
    identity: Identity,
    Named((number, id)): Named<(EmployeeNumber, CheckoutId)>,
    Query(ticket): Query<TicketParameter>,
) -> Result<Response, Problem> {
    let tenant = identity.tenant();
    let (employee_key, place) = (keys::employee(tenant, &number), keys::checkout(tenant, &number, id));
    let (caller, tenant, mut found) =
        identity.admit_with(&app.table, [employee_key.clone(), place.clone()]).await?;
    if !caller.sees_wallet_of(&number) {
        return Err(Problem::NotFound);
    }
    let employee = found.take(&employee_key).ok_or(Problem::NotFound)?;
    let ticket = submit::ticket(&app, &place, ticket)?;
    let Some(checkout) = found.take(&place).map(items::stored_checkout).transpose()? else {
        return submit::undecided(&app, ticket, CheckoutView::pending(id), CheckoutView::failed(id));
    };
    if !caller.sees_sale_of(&checkout.concessionaire, &number) {
        return Err(Problem::NotFound);
    }
    if ticket.is_some_and(|ticket| !checkout.answers(ticket.request)) {
        return Err(Problem::KeyReused);
    }
    let employee = items::stored_employee(&number, employee)?;
    Ok(Json(CheckoutView::of(checkout, &employee, &tenant.currency)).into_response())
}

/// What a basket would cost, and whether the wallet covers it. Nothing is written.
#[utoipa::path(
    post,
    operation_id = "quoteCheckout",
    path = "/v1/checkouts/quote",
    request_body = CheckoutRequest,
    responses(
        (status = 200, description = "The quote", body = QuoteView),
        BodyProblems,
        Problems,
    ),
    security(("cognito" = [])),
)]
pub async fn quote(
    State(app): State<App>,
    identity: Identity,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Json<QuoteView>, Problem> {
    let Asked { buyer, station, basket } = Asked::parse(&headers, &body)?;
    let till = till(&app, &identity, &station, &buyer, None).await?;
    let Till { caller, tenant, station, employee: number, .. } = till;
    ask_selling(&caller, &station.concessionaire, station.status)?;
    let employee_key = keys::employee(&tenant.id, &number);
    let wallet_key = keys::wallet(&tenant.id, &number);
    let menu_key = keys::menu(&tenant.id, &station.concessionaire);
    let wanted = [employee_key.clone(), wallet_key.clone(), menu_key.clone()];
    let mut found = app.table.read(wanted).await?;
    let (Some(employee), Some(wallet)) = (found.take(&employee_key), found.take(&wallet_key)) else {
        return Err(Failure::malformed("quote", "an employee without a wallet, or the reverse").into());
    };
    let employee = items::stored_employee(&number, employee)?;
    let menu = match found.take(&menu_key) {
        Some(head) => {
            let head = items::stored_menu_head(head)?;
            Some(app.menus.under(&app.table, &tenant.id, &station.concessionaire, head).await?)
        }
        None => None,
    };
    let state = checkout::State {
        tenant: &tenant,
        employee: &employee,
        wallet: items::stored_wallet(wallet)?,
        menu: menu.as_ref(),
        now: app.clock.now(),
    };
    let badge = match &buyer {
        Buyer::Badge(rfid) => Some(rfid),
        Buyer::Number(_) => None,
    };
    Ok(Json(QuoteView::of(&state, badge, &basket)))
}

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct DayParameters {
    /// Whose sales; of a station's, whoever has it now unless given. A manager or cashier need not say.
    concessionaire_id: Option<String>,
    /// Only those of one station.
    station: Option<String>,
    /// The business date; today's unless given. Give it with a cursor: a page of yesterday is none of today.
    #[param(value_type = Option<String>, format = Date)]
    date: Option<String>,
}

/// What a concessionaire, or one of its stations, sold on a business date, oldest first.
///
/// A page of one station may hold fewer sales than its limit; only a missing cursor is the end.
#[utoipa::path(
    get,
    operation_id = "listCheckouts",
    path = "/v1/checkouts",
    params(DayParameters, PageParameters),
    responses((status = 200, description = "One page", body = Listed<CheckoutView>), Problems),
    security(("cognito" = [])),
)]
pub async fn list(
    State(app): State<App>,
    identity: Identity,
    Query(day): Query<DayParameters>,
    Query(page): Query<PageParameters>,
) -> Result<Response, Problem> {
    let (caller, tenant) = identity.admit(&app.table).await?;
    let Day { concessionaire, station, date } = day.read(&app, &caller, &tenant).await?;
    let named = station.as_ref().map_or("", StationId::as_str);
    let list = format!("{} checkouts {concessionaire} {named} {date}", tenant.id);
    let asked = page.read(&app, &list)?;
    let span = keys::checkouts_on(&tenant.id, &concessionaire, date);
    let page = app.table.query_page(&span, asked.limit, Sorted::OldestFirst, asked.start).await?;
    let mut checkouts = page.items.into_iter().map(items::stored_checkout).collect::<Result<Vec<_>, _>>()?;
    checkouts.retain(|checkout| station.is_none() || checkout.station == station);
    // Names and pictures are joined when read.
    let buyers = checkouts.iter().map(|checkout| keys::employee(&tenant.id, &checkout.employee));
    let found = app.table.read(buyers).await?;
    let view = |checkout: Checkout| {
        let item = found.get(&keys::employee(&tenant.id, &checkout.employee)).cloned();
        let item = item.ok_or_else(|| Failure::malformed("list checkouts", "a buyer is missing"))?;
        let employee = items::stored_employee(&checkout.employee, item)?;
        Ok(CheckoutView::of(checkout, &employee, &tenant.currency))
    };
    let items = checkouts.into_iter().map(view).collect::<Result<Vec<_>, Failure>>()?;
    Ok(Json(Listed { items, next_cursor: list::seal(&app, &list, page.next)? }).into_response())
}

/// Whose day is asked for.
struct Day {
    concessionaire: ConcessionaireId,
    station: Option<StationId>,
    date: Date,
}

impl DayParameters {
    async fn read(self, app: &App, caller: &Caller, tenant: &Tenant) -> Result<Day, Problem> {
        let mut errors = Vec::new();
        let today = tenant.business_day.date_of(app.clock.now());
        let date = parameter::date(self.date.as_deref(), "date", &mut errors).unwrap_or(today);
        let station = parameter::id(self.station.as_deref(), "station", &mut errors);
        let named = parameter::id(self.concessionaire_id.as_deref(), "concessionaire_id", &mut errors);
        if !errors.is_empty() {
            return Err(Problem::BadInput(errors));
        }
        // A station may have been another concessionaire's on that day than it is now: whoever is named had
        // it.
        let named = match (named, &station) {
            (None, Some(station)) => Some(station_owner(app, tenant, station).await?),
            (named, _) => named,
        };
        let concessionaire = stalls::whose(app, caller, named).await?.ok_or_else(|| {
            Problem::field(FieldError::at_parameter("concessionaire_id", "is required, or a station"))
        })?;
        Ok(Day { concessionaire, station, date })
    }
}

async fn station_owner(app: &App, tenant: &Tenant, id: &StationId) -> Result<ConcessionaireId, Problem> {
    let item = app.table.read_one(&keys::station(&tenant.id, id)).await?.ok_or(Problem::NotFound)?;
    Ok(items::stored_station(id, item)?.concessionaire)
}
