//! `/v1/concessionaires` and `/v1/stations`: who sells, and where.

use crate::administer::{Administered, Office};
use crate::app::App;
use crate::body::{Errors, Fields};
use crate::caller::Identity;
use crate::list::{self, Listed, PageParameters};
use crate::path;
use crate::problem::{CommandProblems, FieldError, Problem, Problems};
use crate::request;
use crate::users::STATUSES;
use crate::view::{ConcessionaireView, StationView};
use aws::table::Order;
use aws::{items, keys};
use axum::body::Bytes;
use axum::extract::{Path, Query, State};
use axum::response::Response;
use domain::admin::Change;
use domain::id::ConcessionaireId;
use domain::role::{Caller, Status};
use serde::Deserialize;
use utoipa::ToSchema;

/// A vendor.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({ "name": "Coffee bar" }))]
#[expect(dead_code, reason = "only its description is used")]
pub(crate) struct ConcessionaireRequest {
    #[schema(min_length = 1, max_length = 100)]
    name: String,
}

/// Make a concessionaire, or call it otherwise.
#[utoipa::path(
    put,
    operation_id = "putConcessionaire",
    path = "/v1/concessionaires/{id}",
    request_body = ConcessionaireRequest,
    params(path::Concessionaire, request::CommandParameters),
    responses(Administered, CommandProblems, Problems),
    security(("cognito" = [])),
)]
pub async fn put_concessionaire(
    office: Office,
    Path(id): Path<String>,
    body: Bytes,
) -> Result<Response, Problem> {
    let concessionaire = id.parse().map_err(|error| Problem::field(FieldError::at_parameter("id", error)))?;
    let read = |fields: &mut Fields<'_>, _: &Errors| fields.text("name");
    let (id, name) = request::command(office.headers(), &body, office.now(), read)?;
    office.submit(id, Change::SetConcessionaire { id: concessionaire, name }).await
}

/// Every concessionaire.
#[utoipa::path(
    get,
    operation_id = "listConcessionaires",
    path = "/v1/concessionaires",
    params(PageParameters),
    responses((status = 200, description = "One page", body = Listed<ConcessionaireView>), Problems),
    security(("cognito" = [])),
)]
pub async fn list_concessionaires(
    State(app): State<App>,
    identity: Identity,
    Query(page): Query<PageParameters>,
) -> Result<Response, Problem> {
    let (_, tenant) = identity.admit(&app.table).await?;
    let view = |item| Ok(ConcessionaireView::from(items::listed_concessionaire(item)?));
    let list = format!("{} concessionaires", tenant.id);
    list::page(&app, &list, page, &keys::concessionaires(&tenant.id), Order::OldestFirst, view).await
}

/// A terminal.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({ "concessionaire_id": "coffee-bar" }))]
#[expect(dead_code, reason = "only its description is used")]
pub(crate) struct StationRequest {
    #[schema(pattern = "^[a-z0-9-]{1,32}$")]
    concessionaire_id: String,
    /// `active` unless given; an inactive one sells nothing.
    status: Option<crate::users::StatusName>,
}

/// Make a station, give it to another concessionaire, or close it.
#[utoipa::path(
    put,
    operation_id = "putStation",
    path = "/v1/stations/{id}",
    request_body = StationRequest,
    params(path::Station, request::CommandParameters),
    responses(Administered, CommandProblems, Problems),
    security(("cognito" = [])),
)]
pub async fn put_station(office: Office, Path(id): Path<String>, body: Bytes) -> Result<Response, Problem> {
    let station = id.parse().map_err(|error| Problem::field(FieldError::at_parameter("id", error)))?;
    let read = |fields: &mut Fields<'_>, _: &Errors| {
        let concessionaire_id = fields.text("concessionaire_id");
        let status: Option<Status> = fields.optional_word("status", STATUSES);
        Some((concessionaire_id?, status.unwrap_or(Status::Active)))
    };
    let (id, (concessionaire_id, status)) = request::command(office.headers(), &body, office.now(), read)?;
    office.submit(id, Change::SetStation { id: station, concessionaire_id, status }).await
}

/// Every station.
#[utoipa::path(
    get,
    operation_id = "listStations",
    path = "/v1/stations",
    params(PageParameters),
    responses((status = 200, description = "One page", body = Listed<StationView>), Problems),
    security(("cognito" = [])),
)]
pub async fn list_stations(
    State(app): State<App>,
    identity: Identity,
    Query(page): Query<PageParameters>,
) -> Result<Response, Problem> {
    let (_, tenant) = identity.admit(&app.table).await?;
    let view = |item| Ok(StationView::from(items::listed_station(item)?));
    let list = format!("{} stations", tenant.id);
    list::page(&app, &list, page, &keys::stations(&tenant.id), Order::OldestFirst, view).await
}

/// The concessionaire whose entries are read: the one that is asked for, or else the caller's own, or else
/// none, which is all of them. A 404 if the caller does not sell for it, or if there is none of that id: an
/// empty sheet would be believed.
pub async fn whose(
    app: &App,
    caller: &Caller,
    asked: Option<ConcessionaireId>,
) -> Result<Option<ConcessionaireId>, Problem> {
    let own = caller.role.concessionaire();
    let Some(asked) = asked else { return Ok(own.cloned()) };
    let is_there = async || app.table.read_one(&keys::concessionaire(&caller.tenant, &asked)).await;
    let is_theirs = own == Some(&asked) || caller.sells_for(&asked) && is_there().await?.is_some();
    if is_theirs { Ok(Some(asked)) } else { Err(Problem::NotFound) }
}
