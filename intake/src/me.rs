//! `GET /v1/me`: who is signed in, and an employee's own wallet.

use crate::app::App;
use crate::caller::Identity;
use crate::employees;
use crate::etag;
use crate::problem::{Problem, Problems};
use crate::view::MeView;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use domain::role::Role;

/// Newest checkouts that are read: more than anybody eats in a day.
const MAX_RECENT: i32 = 50;

/// Who is signed in; of an employee also wallet, newest checkouts, and what they ate today.
#[utoipa::path(
    get,
    operation_id = "getMe",
    path = "/v1/me",
    params(etag::ConditionalParameters),
    responses(
        (status = 200, description = "The user", body = MeView),
        (status = 304, description = "As the `If-None-Match` of the request has it"),
        Problems,
    ),
    security(("cognito" = [])),
)]
pub async fn get(
    State(app): State<App>,
    identity: Identity,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let (caller, tenant) = identity.admit(&mut app.table.read(identity.keys()).await?)?;
    let account = match &caller.role {
        Role::Employee { employee_number } => {
            Some(employees::account(&app, &caller, &tenant, employee_number, MAX_RECENT).await?)
        }
        Role::Platform | Role::Admin | Role::Manager { .. } | Role::Cashier { .. } => None,
    };
    let today = tenant.business_day.date_of(app.clock.now());
    etag::by_content(&headers, &MeView::of(&caller, account, &tenant, today))
}
