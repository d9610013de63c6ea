//! `/v1/tenants`: what the platform says of its tenants, and a tenant's administrators of their own.

use crate::administer::{Administered, Office};
use crate::app::App;
use crate::body::{Errors, Fields};
use crate::caller::{self, Identity};
use crate::path;
use crate::problem::{CommandProblems, Problem, ProblemDocument, Problems};
use crate::request::{self, NoBody};
use crate::users;
use crate::view::TenantView;
use aws::bus::NotPublished;
use aws::{items, keys};
use axum::Json;
use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use domain::admin::{Change, SetTenant};
use domain::command::{Command, Kind, Probe};
use domain::id::TenantId;
use domain::money::Limit;
use domain::tenant::{BusinessDay, Tenant, TenantStatus};
use serde::Deserialize;
use utoipa::ToSchema;
use uuid::Uuid;

/// A tenant as the platform sets it.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({
    "name": "Initech", "currency": "EUR", "time_zone": "Europe/Berlin", "closing_hour": 4, "overdraft_limit": 0,
}))]
#[expect(dead_code, reason = "only its description is used")]
pub(crate) struct TenantRequest {
    #[schema(min_length = 1, max_length = 100)]
    name: String,
    /// An ISO 4217 code; it stays what it was first, and amounts have as many decimals as it has.
    #[schema(pattern = "^[A-Z]{3}$")]
    currency: String,
    /// A name of the IANA database.
    time_zone: String,
    /// The local hour before which a sale still belongs to the day before.
    #[schema(minimum = 0, maximum = 23)]
    closing_hour: i64,
    /// How far below zero a wallet may go, in minor units.
    #[schema(minimum = 0, maximum = 1_000_000_000_000_i64)]
    overdraft_limit: i64,
}

fn set(fields: &mut Fields<'_>, tenant_id: &TenantId) -> Option<SetTenant> {
    let name = fields.text("name");
    let currency = fields.text("currency");
    let zone = fields.text::<String>("time_zone");
    let zone = zone.and_then(|zone| match BusinessDay::new(&zone, 0) {
        Ok(_) => Some(zone),
        Err(error) => {
            fields.error("time_zone", error);
            None
        }
    });
    let hour = fields.integer::<i64>("closing_hour");
    let hour = hour.and_then(|hour| match u8::try_from(hour).ok().filter(|hour| *hour <= 23) {
        None => {
            fields.error("closing_hour", "a closing hour must be 0 to 23");
            None
        }
        hour => hour,
    });
    let overdraft_limit = fields.integer::<Limit>("overdraft_limit");
    let business_day = BusinessDay::new(&zone?, hour?).ok()?;
    let overdraft_limit = overdraft_limit?.into();
    Some(SetTenant {
        tenant_id: tenant_id.clone(),
        name: name?,
        currency: currency?,
        business_day,
        overdraft_limit,
    })
}

/// Create a tenant or change what it is called and how it keeps its books.
///
/// Its stack is deployed before; see `probe` for whether its queues are reached.
#[utoipa::path(
    put,
    operation_id = "putTenant",
    path = "/v1/tenants/{id}",
    request_body = TenantRequest,
    params(path::Tenant, request::CommandParameters),
    responses(Administered, CommandProblems, Problems),
    security(("cognito" = [])),
)]
pub async fn put(office: Office, Path(id): Path<String>, body: Bytes) -> Result<Response, Problem> {
    let tenant_id = caller::tenant_to_be(&id)?;
    let read = |fields: &mut Fields<'_>, _: &Errors| set(fields, &tenant_id);
    let (id, asked) = request::command(office.headers(), &body, office.now(), read)?;
    office.submit(id, Change::SetTenant(asked)).await
}

/// A tenant: any for the platform, their own for administrators.
#[utoipa::path(
    get,
    operation_id = "getTenant",
    path = "/v1/tenants/{id}",
    params(path::Tenant),
    responses(
        (status = 200, description = "The tenant", body = TenantView),
        Problems,
    ),
    security(("cognito" = [])),
)]
pub async fn get(
    State(app): State<App>,
    identity: Identity,
    Path(id): Path<String>,
) -> Result<Json<TenantView>, Problem> {
    let tenant = find(&app, &identity, &id).await?;
    Ok(Json(TenantView::of(&tenant)))
}

async fn find(app: &App, identity: &Identity, id: &str) -> Result<Tenant, Problem> {
    let (caller, own) = identity.admit(&app.table).await?;
    let id = caller::named_tenant(&caller, id)?;
    if id == own.id {
        return Ok(own);
    }
    let item = app.table.read_one(&keys::tenant(&id)).await?.ok_or(Problem::NotFound)?;
    Ok(items::stored_tenant(&id, item)?)
}

/// Stop a tenant from selling.
#[utoipa::path(
    post,
    operation_id = "suspendTenant",
    path = "/v1/tenants/{id}/suspend",
    request_body = request::ReasonRequest,
    params(path::Tenant, request::CommandParameters),
    responses(Administered, CommandProblems, Problems),
    security(("cognito" = [])),
)]
pub async fn suspend(office: Office, Path(id): Path<String>, body: Bytes) -> Result<Response, Problem> {
    set_status(office, &id, &body, TenantStatus::Suspended).await
}

/// Let a suspended tenant sell again.
#[utoipa::path(
    post,
    operation_id = "resumeTenant",
    path = "/v1/tenants/{id}/resume",
    request_body = request::ReasonRequest,
    params(path::Tenant, request::CommandParameters),
    responses(Administered, CommandProblems, Problems),
    security(("cognito" = [])),
)]
pub async fn resume(office: Office, Path(id): Path<String>, body: Bytes) -> Result<Response, Problem> {
    set_status(office, &id, &body, TenantStatus::Active).await
}

async fn set_status(
    office: Office,
    id: &str,
    body: &[u8],
    status: TenantStatus,
) -> Result<Response, Problem> {
    let tenant_id = caller::tenant_to_be(id)?;
    let read = |fields: &mut Fields<'_>, _: &Errors| fields.text("reason");
    let (id, reason) = request::command(office.headers(), body, office.now(), read)?;
    office.submit(id, Change::SetTenantStatus { tenant_id, status, reason }).await
}

/// Who is to administer a tenant.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[expect(dead_code, reason = "only its description is used")]
pub(crate) struct AdminRequest {
    /// `<tenant>.<anything>`.
    #[schema(pattern = r"^[A-Za-z0-9._@+-]{1,128}$", example = "globex.ann")]
    username: String,
}

/// Give a tenant an administrator: its first, or another where none can sign in.
#[utoipa::path(
    post,
    operation_id = "postTenantAdmin",
    path = "/v1/tenants/{id}/admins",
    request_body = AdminRequest,
    params(path::Tenant, request::CommandParameters),
    responses(Administered, CommandProblems, Problems),
    security(("cognito" = [])),
)]
pub async fn appoint(office: Office, Path(id): Path<String>, body: Bytes) -> Result<Response, Problem> {
    let tenant_id = caller::tenant_to_be(&id)?;
    let read = |fields: &mut Fields<'_>, _: &Errors| users::name(fields, &tenant_id);
    let (id, name) = request::command(office.headers(), &body, office.now(), read)?;
    office.submit(id, Change::AppointAdmin { tenant_id, name }).await
}

/// Find out which commands of a tenant reach its queues.
///
/// Send it until the tenant's `is_ready` is true: a topic may take a quarter of an hour to let everything
/// through.
#[utoipa::path(
    post,
    operation_id = "probeTenant",
    path = "/v1/tenants/{id}/probe",
    params(path::Tenant),
    responses(
        (status = 202, description = "Probes are on their way", body = TenantView),
        (status = 409, description = "The tenant has no topic and queues", body = ProblemDocument, content_type = "application/problem+json"),
        Problems,
    ),
    security(("cognito" = [])),
)]
pub async fn probe(
    State(app): State<App>,
    identity: Identity,
    Path(id): Path<String>,
    _: NoBody,
) -> Result<Response, Problem> {
    let tenant = find(&app, &identity, &id).await?;
    for of in Kind::ALL.into_iter().filter(|kind| !tenant.is_reached(*kind)) {
        let probe = Probe { tenant: tenant.id.clone(), of, id: Uuid::new_v4() };
        app.bus.publish(Command::Probe(probe)).await.map_err(|error| match error {
            NotPublished::NoTopic => Problem::NoPlace,
            error @ NotPublished::Failure(_) => error.into(),
        })?;
    }
    Ok((StatusCode::ACCEPTED, Json(TenantView::of(&tenant))).into_response())
}
