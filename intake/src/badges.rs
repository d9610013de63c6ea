//! `/v1/employees/{number}/badges`: what opens a wallet at a station.

use crate::administer::{Administered, Office};
use crate::body::{Errors, Fields};
use crate::path::{self, Named};
use crate::problem::{CommandProblems, FieldError, Problem, Problems};
use crate::request::{self, NoBody};
use axum::body::Bytes;
use axum::response::Response;
use domain::admin::Change;
use domain::employee::BadgeStatus;
use domain::id::{EmployeeNumber, Rfid};
use serde::Deserialize;
use utoipa::ToSchema;

/// What becomes of a badge.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({ "status": "active", "replaces": "RF100042" }))]
#[expect(dead_code, reason = "only its description is used")]
pub(crate) struct BadgeRequest {
    /// `active` gives it to the employee; `blocked` makes stations refuse it.
    status: BadgeStatusName,
    /// A badge of the same employee that is blocked by the same change; only with `active`.
    #[schema(pattern = "^[A-Za-z0-9._-]{4,64}$")]
    replaces: Option<String>,
}

#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum BadgeStatusName {
    Active,
    Blocked,
}

/// Give a badge to an employee, or block it.
///
/// A badge works for one employee at a time, and rests 73 hours before it goes to another.
#[utoipa::path(
    put,
    operation_id = "putBadge",
    path = "/v1/employees/{number}/badges/{rfid}",
    request_body = BadgeRequest,
    params(path::Employee, path::Badge, request::CommandParameters),
    responses(Administered, CommandProblems, Problems),
    security(("cognito" = [])),
)]
pub async fn put(
    office: Office,
    Named((number, rfid)): Named<(EmployeeNumber, String)>,
    body: Bytes,
) -> Result<Response, Problem> {
    let rfid: Rfid = rfid.parse().map_err(|error| Problem::field(FieldError::at_parameter("rfid", error)))?;
    let read = |fields: &mut Fields<'_>, _: &Errors| {
        let status = fields.word::<BadgeStatus>("status", "active or blocked");
        let replaces = fields.optional_text("replaces");
        match (status?, replaces) {
            (BadgeStatus::Active, replaces) => Some(Change::AssignBadge { number, rfid, replaces }),
            (BadgeStatus::Blocked, None) => Some(Change::BlockBadge { number, rfid }),
            (BadgeStatus::Blocked, Some(_)) => {
                fields.error("replaces", "only goes with the status active");
                None
            }
        }
    };
    let (id, change) = request::command(office.headers(), &body, office.now(), read)?;
    office.submit(id, change).await
}

/// Take a badge back.
#[utoipa::path(
    delete,
    operation_id = "deleteBadge",
    path = "/v1/employees/{number}/badges/{rfid}",
    params(path::Employee, path::Badge, request::CommandParameters),
    responses(Administered, CommandProblems, Problems),
    security(("cognito" = [])),
)]
pub async fn delete(
    office: Office,
    Named((number, rfid)): Named<(EmployeeNumber, Rfid)>,
    _: NoBody,
) -> Result<Response, Problem> {
    let id = request::bodiless(office.headers(), office.now())?;
    office.submit(id, Change::ReleaseBadge { number, rfid }).await
}
