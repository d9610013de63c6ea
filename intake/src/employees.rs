//! `/v1/employees`: who buys. One is read with profile, wallet and newest checkouts in one query.

use crate::administer::{Administered, Office};
use crate::app::App;
use crate::body::{Errors, Fields};
use crate::caller::Identity;
use crate::list::{self, Limits, Listed, PageParameters};
use crate::path::{self, Named};
use crate::problem::{CommandProblems, FieldError, Problem, Problems};
use crate::request;
use crate::sheet;
use crate::users::STATUSES;
use crate::view::{EmployeeView, ProfileView};
use aws::failure::Failure;
use aws::items::{self, Account};
use aws::keys;
use aws::table::Order;
use axum::Json;
use axum::body::Bytes;
use axum::extract::{Query, RawQuery, State};
use axum::response::{IntoResponse, Response};
use domain::admin::{Change, CreateEmployee};
use domain::employee::{self, EmployeePatch, ImageChange, LimitChange};
use domain::id::{EmployeeNumber, Rfid};
use domain::import::EmployeeRow;
use domain::money::{BasisPoints, Limit, Money};
use domain::role::Caller;
use domain::tenant::Tenant;
use domain::text::{ImageUrl, Name};
use serde::Deserialize;
use utoipa::{IntoParams, ToSchema};

/// Newest checkouts in one answer.
const MAX_RECENT: i32 = 10;
/// Characters of the start of a name: no name is longer.
const MAX_NAME: usize = 100;
/// The wallet and the profile, which sort above the checkouts.
const BESIDE_CHECKOUTS: i32 = 2;

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct RecentParameter {
    /// How many checkouts, 0 to 10; 10 unless given.
    #[param(value_type = Option<i32>, minimum = 0, maximum = 10)]
    recent: Option<String>,
}

impl RecentParameter {
    fn count(&self) -> Result<i32, Problem> {
        let Some(text) = &self.recent else { return Ok(MAX_RECENT) };
        let count = text.parse().ok().filter(|count| (0..=MAX_RECENT).contains(count));
        count.ok_or_else(|| Problem::field(FieldError::at_parameter("recent", "must be 0 to 10")))
    }
}

/// An employee with balance and newest checkouts.
///
/// Sellers see what was sold at their own concessionaire's stations.
#[utoipa::path(
    get,
    operation_id = "getEmployee",
    path = "/v1/employees/{number}",
    params(path::Employee, RecentParameter),
    responses(
        (status = 200, description = "The employee", body = EmployeeView),
        Problems,
    ),
    security(("cognito" = [])),
)]
pub async fn get(
    State(app): State<App>,
    identity: Identity,
    Named(number): Named<EmployeeNumber>,
    Query(recent): Query<RecentParameter>,
) -> Result<Json<EmployeeView>, Problem> {
    let recent = recent.count()?;
    let (caller, tenant) = identity.admit(&app.table).await?;
    if !caller.sees_wallet_of(&number) {
        return Err(Problem::NotFound);
    }
    let account = account(&app, &caller, &tenant, &number, recent).await?;
    Ok(Json(EmployeeView::of(account, &caller, &tenant)))
}

/// An employee with wallet, and those of the newest checkouts that the caller may see.
pub async fn account(
    app: &App,
    caller: &Caller,
    tenant: &Tenant,
    number: &EmployeeNumber,
    recent: i32,
) -> Result<Account, Problem> {
    let partition = keys::checkouts(&tenant.id, number);
    let found = app.table.query_last(&partition, BESIDE_CHECKOUTS + recent).await?;
    let mut account = items::stored_account(number, found)?.ok_or(Problem::NotFound)?;
    account.recent.retain(|checkout| caller.sees_sale_of(&checkout.concessionaire, number));
    Ok(account)
}

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct SearchParameters {
    /// The start of a name, in upper or lower case.
    name: Option<String>,
    /// A badge: one page of who has it, or had it last, whatever the name.
    rfid: Option<String>,
}

/// Everybody who buys, by name; or who has a badge.
#[utoipa::path(
    get,
    operation_id = "listEmployees",
    path = "/v1/employees",
    params(SearchParameters, PageParameters),
    responses((status = 200, description = "One page", body = Listed<ProfileView>), Problems),
    security(("cognito" = [])),
)]
pub async fn list(
    State(app): State<App>,
    identity: Identity,
    Query(SearchParameters { name, rfid }): Query<SearchParameters>,
    Query(page): Query<PageParameters>,
) -> Result<Response, Problem> {
    let (_, tenant) = identity.admit(&app.table).await?;
    if let Some(rfid) = rfid {
        page.read(&app, &format!("{} badges", tenant.id))?;
        return by_badge(&app, &tenant, &rfid).await;
    }
    let name = name.unwrap_or_default();
    if name.chars().count() > MAX_NAME {
        let detail = format!("must be at most {MAX_NAME} characters");
        return Err(Problem::field(FieldError::at_parameter("name", detail)));
    }
    let start = employee::fold(&name);
    let list = format!("{} employees {start}", tenant.id);
    let view = |item| Ok(ProfileView::of(&items::listed_employee(item)?));
    list::page(&app, &list, page, &keys::employees(&tenant.id, &start), Order::OldestFirst, view).await
}

/// Employees of an exported page. The longest rows of so many are answered at once by a Lambda, which has 6
/// MB.
const EXPORTED: Limits = Limits { default: 1_000, max: 1_000 };

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct ExportParameters {
    /// Employees of a page at most, 1 to 1000; 1000 unless given.
    #[param(value_type = Option<i32>, minimum = 1, maximum = 1000)]
    limit: Option<String>,
    /// As the page before gave it. Pages follow names: whoever is renamed between two of them may be missed,
    /// or come twice.
    cursor: Option<String>,
}

/// Everybody who buys as CSV, by name: as an import reads it.
///
/// Imported again, it changes nobody. Of several active badges it has the first, and of those that are
/// blocked none.
#[utoipa::path(
    get,
    operation_id = "exportEmployees",
    path = "/v1/employees.csv",
    params(ExportParameters),
    responses(
        (status = 200, description = "One page", body = String, content_type = "text/csv"),
        Problems,
    ),
    security(("cognito" = [])),
)]
pub async fn export(
    State(app): State<App>,
    identity: Identity,
    Query(page): Query<ExportParameters>,
    RawQuery(query): RawQuery,
) -> Result<Response, Problem> {
    let (_, tenant) = identity.admit(&app.table).await?;
    let name = format!("{} roster", tenant.id);
    let start = list::open(&app, &name, page.cursor)?;
    let (span, limit) = (keys::employees(&tenant.id, ""), EXPORTED.read(page.limit)?);
    let page = app.table.query_page(&span, limit, Order::OldestFirst, start).await?;
    let row = |item| Ok(EmployeeRow::write(&items::listed_employee(item)?, &tenant.currency));
    let rows = page.items.into_iter().map(row).collect::<Result<Vec<_>, Failure>>()?;
    let next_cursor = list::seal(&app, &name, page.next)?;
    sheet::csv_page(sheet::export(EmployeeRow::COLUMNS, rows)?, query.as_deref(), next_cursor.as_deref())
}

async fn by_badge(app: &App, tenant: &Tenant, rfid: &str) -> Result<Response, Problem> {
    let wrong = |error| Problem::field(FieldError::at_parameter("rfid", error));
    let rfid: Rfid = rfid.parse().map_err(|error: domain::id::InvalidId| wrong(error))?;
    let mut items = Vec::new();
    if let Some(item) = app.table.read_one(&keys::badge(&tenant.id, &rfid)).await? {
        let number = items::stored_badge(item)?.employee;
        if let Some(item) = app.table.read_one(&keys::employee(&tenant.id, &number)).await? {
            items.push(ProfileView::of(&items::stored_employee(&number, item)?));
        }
    }
    Ok(Json(Listed { items, next_cursor: None }).into_response())
}

/// Somebody who is to buy.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({ "employee_number": "100900", "name": "Ada Okafor", "credit_limit": 500000 }))]
#[expect(dead_code, reason = "only its description is used")]
pub(crate) struct EmployeeRequest {
    /// Never used again for another.
    #[schema(pattern = "^[A-Za-z0-9._-]{1,32}$")]
    employee_number: String,
    #[schema(min_length = 1, max_length = 100)]
    name: String,
    /// What a cutoff fills the wallet up to, in minor units; the policy's default unless given.
    #[schema(minimum = 0, maximum = 1_000_000_000_000_i64)]
    credit_limit: Option<i64>,
    /// Hundredths of a percent, taken from the gross total of each checkout.
    #[schema(minimum = 0, maximum = 10_000)]
    discount_basis_points: Option<i64>,
    #[schema(pattern = "^https://", max_length = 500)]
    image_url: Option<String>,
}

/// Let somebody buy. The wallet starts empty.
#[utoipa::path(
    post,
    operation_id = "postEmployee",
    path = "/v1/employees",
    request_body = EmployeeRequest,
    params(request::CommandParameters),
    responses(Administered, CommandProblems, Problems),
    security(("cognito" = [])),
)]
pub async fn post(office: Office, body: Bytes) -> Result<Response, Problem> {
    let read = |fields: &mut Fields<'_>, _: &Errors| {
        let number = fields.text("employee_number");
        let name = fields.text("name");
        let limit = fields.optional_integer::<Limit>("credit_limit");
        let discount = fields.optional_integer("discount_basis_points");
        let image_url = fields.optional_text("image_url");
        Some(CreateEmployee {
            number: number?,
            name: name?,
            discount: discount.unwrap_or(BasisPoints::NONE),
            limit: limit.map(Money::from),
            image_url,
        })
    };
    let (id, asked) = request::command(office.headers(), &body, office.now(), read)?;
    office.submit(id, Change::CreateEmployee(asked)).await
}

/// What changes of an employee; what is absent stays.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({ "status": "inactive" }))]
#[expect(dead_code, reason = "only its description is used")]
pub(crate) struct EmployeePatchRequest {
    #[schema(min_length = 1, max_length = 100)]
    name: Option<String>,
    /// An inactive employee buys nothing.
    status: Option<crate::users::StatusName>,
    /// Null goes back to the policy's default.
    #[schema(minimum = 0, maximum = 1_000_000_000_000_i64)]
    credit_limit: Option<i64>,
    #[schema(minimum = 0, maximum = 10_000)]
    discount_basis_points: Option<i64>,
    /// Null takes the picture away.
    #[schema(pattern = "^https://", max_length = 500)]
    image_url: Option<String>,
}

/// Change an employee, or whether they may buy.
///
/// Whoever is let go keeps their balance, which no cutoff touches, and has it again when they come back,
/// without a share of the period: adjust the wallet where that shall not be.
#[utoipa::path(
    patch,
    operation_id = "patchEmployee",
    path = "/v1/employees/{number}",
    request_body = EmployeePatchRequest,
    params(path::Employee, request::CommandParameters),
    responses(Administered, CommandProblems, Problems),
    security(("cognito" = [])),
)]
pub async fn patch(
    office: Office,
    Named(number): Named<EmployeeNumber>,
    body: Bytes,
) -> Result<Response, Problem> {
    let read = |fields: &mut Fields<'_>, _: &Errors| {
        let image = fields.nullable_text::<ImageUrl>("image_url");
        let limit = fields.nullable_integer::<Limit>("credit_limit");
        Some(EmployeePatch {
            name: fields.optional_text::<Name>("name"),
            status: fields.optional_word("status", STATUSES),
            discount: fields.optional_integer("discount_basis_points"),
            limit: limit
                .map(|limit| limit.map_or(LimitChange::Remove, |limit| LimitChange::Set(limit.into()))),
            image_url: image.map(|url| url.map_or(ImageChange::Remove, ImageChange::Set)),
        })
    };
    let (id, patch) = request::command(office.headers(), &body, office.now(), read)?;
    office.submit(id, Change::ChangeEmployee { number, patch }).await
}
