//! `GET /v1/me`: who is signed in, and an employee's own wallet.

use crate::app::App;
use crate::caller::Identity;
use crate::employees;
use crate::problem::{Problem, Problems};
use crate::view::MeView;
use axum::Json;
use axum::extract::State;
use domain::role::Role;

/// Newest checkouts that are read: more than anybody eats in a day.
const MAX_RECENT: i32 = 50;

/// Who is signed in; of an employee also wallet, newest checkouts, and what they ate today.
#[utoipa::path(
    get,
    operation_id = "getMe",
    path = "/v1/me",
    responses(
        (status = 200, description = "The user", body = MeView),
        Problems,
    ),
    security(("cognito" = [])),
)]
pub async fn get(State(app): State<App>, identity: Identity) -> Result<Json<MeView>, Problem> {
    let (caller, tenant) = identity.admit(&app.table).await?;
    let account = match &caller.role {
        Role::Employee { employee_number } => {
            Some(employees::account(&app, &caller, &tenant, employee_number, MAX_RECENT).await?)
        }
        Role::Platform | Role::Admin | Role::Manager { .. } | Role::Cashier { .. } => None,
    };
    let today = tenant.business_day.date_of(app.clock.now());
    Ok(Json(MeView::of(&caller, account, &tenant, today)))
}
