//! `/v1/users`: who signs in for a tenant, and as what.

use crate::administer::{Administered, Office};
use crate::app::App;
use crate::body::{Errors, Fields};
use crate::caller::Identity;
use crate::list::{self, Listed, PageParameters};
use crate::path::{self, Named};
use crate::problem::{CommandProblems, Problem, Problems};
use crate::request::{self, NoBody};
use crate::view::UserView;
use aws::table::Order;
use aws::{items, keys};
use axum::Json;
use axum::body::Bytes;
use axum::extract::{Query, State};
use axum::response::Response;
use domain::admin::Change;
use domain::id::{TenantId, UserName};
use domain::role::{Role, Status, is_name_of};
use serde::Deserialize;
use utoipa::ToSchema;

/// Somebody who is to sign in.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({ "username": "acme.till-1", "role": "cashier", "concessionaire_id": "coffee-bar" }))]
#[expect(dead_code, reason = "only its description is used")]
pub(crate) struct UserRequest {
    /// `<tenant>.<anything>`.
    #[schema(pattern = r"^[A-Za-z0-9._@+-]{1,128}$")]
    username: String,
    role: RoleName,
    /// Of a manager or cashier.
    #[schema(nullable = false, pattern = "^[a-z0-9-]{1,32}$")]
    concessionaire_id: Option<String>,
    /// Of an employee.
    #[schema(nullable = false, pattern = "^[A-Za-z0-9._-]{1,32}$")]
    employee_number: Option<String>,
}

#[derive(Debug, Clone, Copy, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum RoleName {
    Admin,
    Manager,
    Cashier,
    Employee,
}

const ROLES: &str = "admin, manager, cashier or employee";

/// What changes of a user; what is absent stays.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({ "status": "inactive" }))]
#[expect(dead_code, reason = "only its description is used")]
pub(crate) struct UserPatch {
    status: Option<StatusName>,
    role: Option<RoleName>,
    #[schema(nullable = false, pattern = "^[a-z0-9-]{1,32}$")]
    concessionaire_id: Option<String>,
    #[schema(nullable = false, pattern = "^[A-Za-z0-9._-]{1,32}$")]
    employee_number: Option<String>,
}

#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum StatusName {
    Active,
    Inactive,
}

pub const STATUSES: &str = "active or inactive";

/// A role with what it is for, and nothing that it is not for.
fn role(fields: &mut Fields<'_>, role: Option<RoleName>) -> Option<Role> {
    let Some(role) = role else {
        for field in ["concessionaire_id", "employee_number"] {
            if fields.has(field) {
                fields.error(field, "is given together with a role");
                fields.skip(field);
            }
        }
        return None;
    };
    for (field, owners) in [("concessionaire_id", "a manager or cashier"), ("employee_number", "an employee")]
    {
        let is_for = match role {
            RoleName::Manager | RoleName::Cashier => field == "concessionaire_id",
            RoleName::Employee => field == "employee_number",
            RoleName::Admin => false,
        };
        if !is_for && fields.has(field) {
            fields.error(field, format!("is for {owners}"));
            fields.skip(field);
        }
    }
    Some(match role {
        RoleName::Admin => Role::Admin,
        RoleName::Manager => Role::Manager { concessionaire_id: fields.text("concessionaire_id")? },
        RoleName::Cashier => Role::Cashier { concessionaire_id: fields.text("concessionaire_id")? },
        RoleName::Employee => Role::Employee { employee_number: fields.text("employee_number")? },
    })
}

/// Let somebody sign in.
///
/// The receipt shows the one who asked a first password, which has to be changed at the first sign-in.
#[utoipa::path(
    post,
    operation_id = "postUser",
    path = "/v1/users",
    request_body = UserRequest,
    params(request::CommandParameters),
    responses(Administered, CommandProblems, Problems),
    security(("cognito" = [])),
)]
pub async fn post(office: Office, body: Bytes) -> Result<Response, Problem> {
    let tenant = office.identity().tenant();
    let read = |fields: &mut Fields<'_>, _: &Errors| {
        let name = name(fields, tenant);
        let asked = fields.word("role", ROLES);
        let role = role(fields, asked);
        Some((name?, role?))
    };
    let (id, (name, role)) = request::command(office.headers(), &body, office.now(), read)?;
    office.submit(id, Change::CreateUser { name, role }).await
}

/// A user of the tenant, who begins with it.
pub fn name(fields: &mut Fields<'_>, tenant: &TenantId) -> Option<UserName> {
    let name = fields.text("username")?;
    if is_name_of(tenant, &name) {
        return Some(name);
    }
    fields.error("username", format!("must be `{tenant}.` and a name, like {tenant}.ada"));
    None
}

/// Change a user's role, or whether they may sign in.
///
/// Whoever is made inactive is signed out: once they are active again, tokens and connections of before are
/// still refused, and they sign in with their password.
#[utoipa::path(
    patch,
    operation_id = "patchUser",
    path = "/v1/users/{name}",
    request_body = UserPatch,
    params(path::User, request::CommandParameters),
    responses(Administered, CommandProblems, Problems),
    security(("cognito" = [])),
)]
pub async fn patch(office: Office, Named(name): Named<UserName>, body: Bytes) -> Result<Response, Problem> {
    let read = |fields: &mut Fields<'_>, _: &Errors| {
        let status: Option<Status> = fields.optional_word("status", STATUSES);
        let asked = fields.optional_word("role", ROLES);
        let role = role(fields, asked);
        if asked.is_some() && role.is_none() {
            return None;
        }
        Some((role, status))
    };
    let (id, (role, status)) = request::command(office.headers(), &body, office.now(), read)?;
    office.submit(id, Change::ChangeUser { name, role, status }).await
}

/// Give a user a new first password, which the receipt shows the one who asked.
///
/// Whoever is signed in by the old one is signed out, but for who asks it of themselves: until their token
/// expires, they can read the receipt.
#[utoipa::path(
    post,
    operation_id = "resetPassword",
    path = "/v1/users/{name}/password-reset",
    params(path::User, request::CommandParameters),
    responses(Administered, CommandProblems, Problems),
    security(("cognito" = [])),
)]
pub async fn reset_password(
    office: Office,
    Named(name): Named<UserName>,
    _: NoBody,
) -> Result<Response, Problem> {
    let id = request::bodiless(office.headers(), office.now())?;
    office.submit(id, Change::ResetPassword { name }).await
}

/// A user.
#[utoipa::path(
    get,
    operation_id = "getUser",
    path = "/v1/users/{name}",
    params(path::User),
    responses((status = 200, description = "The user", body = UserView), Problems),
    security(("cognito" = [])),
)]
pub async fn get(
    State(app): State<App>,
    identity: Identity,
    Named(name): Named<UserName>,
) -> Result<Json<UserView>, Problem> {
    let (_, tenant) = identity.admit(&app.table).await?;
    let item = app.table.read_one(&keys::user(&tenant.id, &name)).await?.ok_or(Problem::NotFound)?;
    Ok(Json(UserView::of(&items::stored_user(&name, item)?)))
}

/// Everybody who signs in, by name.
#[utoipa::path(
    get,
    operation_id = "listUsers",
    path = "/v1/users",
    params(PageParameters),
    responses((status = 200, description = "One page", body = Listed<UserView>), Problems),
    security(("cognito" = [])),
)]
pub async fn list(
    State(app): State<App>,
    identity: Identity,
    Query(page): Query<PageParameters>,
) -> Result<Response, Problem> {
    let (_, tenant) = identity.admit(&app.table).await?;
    let view = |item| Ok(UserView::of(&items::listed_user(item)?));
    let list = format!("{} users", tenant.id);
    list::page(&app, &list, page, &keys::users(&tenant.id), Order::OldestFirst, view).await
}
