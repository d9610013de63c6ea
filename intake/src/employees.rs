//! `GET /v1/employees/{number}`: profile, wallet and newest checkouts in one query.

use crate::app::App;
use crate::caller::Identity;
use crate::etag;
use crate::problem::{FieldError, Problem, Problems};
use crate::view::EmployeeView;
use aws::{items, keys};
use axum::extract::{Path, Query, State};
use axum::http::HeaderMap;
use axum::response::Response;
use domain::id::EmployeeNumber;
use serde::Deserialize;
use utoipa::IntoParams;

/// Newest checkouts in one answer.
const MAX_RECENT: i32 = 10;
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
#[utoipa::path(
    get,
    operation_id = "getEmployee",
    path = "/v1/employees/{number}",
    params(("number" = String, Path), RecentParameter),
    responses(
        (status = 200, description = "The employee", body = EmployeeView),
        (status = 304, description = "As the `If-None-Match` of the request has it"),
        Problems,
    ),
    security(("cognito" = [])),
)]
pub async fn get(
    State(app): State<App>,
    identity: Identity,
    Path(number): Path<String>,
    Query(recent): Query<RecentParameter>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let recent = recent.count()?;
    let number: EmployeeNumber = number.parse().map_err(|_| Problem::NotFound)?;
    let (caller, tenant) = identity.admit(&mut app.table.read(identity.keys()).await?)?;
    if !caller.sees_wallet_of(&number) {
        return Err(Problem::NotFound);
    }
    let partition = keys::checkouts(&tenant.id, &number);
    let found = app.table.query_last(&partition, BESIDE_CHECKOUTS + recent).await?;
    let account = items::stored_account(&number, found)?.ok_or(Problem::NotFound)?;
    etag::by_content(&headers, &EmployeeView::of(account, &tenant))
}
