//! `/v1/cutoffs`: what came of them, whom the next one would give what, and one by hand.

use crate::administer::{Administered, Office};
use crate::app::App;
use crate::body::{Errors, Fields};
use crate::caller::Identity;
use crate::credit::{self, PolicyRequest};
use crate::list::{self, Listed, PageParameters};
use crate::path::{self, Named};
use crate::problem::{BodyProblems, CommandProblems, FieldError, Problem, Problems};
use crate::request;
use crate::sheet::{Leaf, Sheet, SheetParameters};
use crate::view::{CutoffLineView, CutoffTotalsView, CutoffView};
use aws::failure::Failure;
use aws::table::Order;
use aws::{items, keys, parts};
use axum::Json;
use axum::body::Bytes;
use axum::extract::{Query, RawQuery, State};
use axum::http::HeaderMap;
use axum::response::Response;
use domain::admin::Change;
use domain::cutoff::{self, Totals};
use domain::id::EmployeeNumber;
use domain::text::Reason;
use jiff::civil::Date;
use serde::Deserialize;
use utoipa::ToSchema;

/// Cutoffs, newest first.
#[utoipa::path(
    get,
    operation_id = "listCutoffs",
    path = "/v1/cutoffs",
    params(PageParameters),
    responses((status = 200, description = "One page", body = Listed<CutoffView>), Problems),
    security(("cognito" = [])),
)]
pub async fn list(
    State(app): State<App>,
    identity: Identity,
    Query(page): Query<PageParameters>,
) -> Result<Response, Problem> {
    let (_, tenant) = identity.admit(&app.table).await?;
    let view = |item| Ok(CutoffView::of(&items::listed_cutoff(item)?.cutoff, None, &tenant.currency));
    let list = format!("{} cutoffs", tenant.id);
    list::page(&app, &list, page, &keys::cutoffs(&tenant.id), Order::NewestFirst, view).await
}

/// A cutoff, and how far it is.
#[utoipa::path(
    get,
    operation_id = "getCutoff",
    path = "/v1/cutoffs/{date}",
    params(path::Cutoff),
    responses(
        (status = 200, description = "The cutoff", body = CutoffView),
        Problems,
    ),
    security(("cognito" = [])),
)]
pub async fn get(
    State(app): State<App>,
    identity: Identity,
    Named(date): Named<Date>,
) -> Result<Json<CutoffView>, Problem> {
    let key = keys::cutoff(identity.tenant(), date);
    let (_, tenant, mut found) = identity.admit_with(&app.table, [key.clone()]).await?;
    let cutoff = items::stored_cutoff(date, found.take(&key).ok_or(Problem::NotFound)?)?.cutoff;
    let so_far = match cutoff.closed {
        Some(_) => None,
        None => Some(parts::of_cutoff(&app.table, &tenant.id, date, cutoff.round.number).await?.1),
    };
    Ok(Json(CutoffView::of(&cutoff, so_far.as_ref(), &tenant.currency)))
}

/// Which cutoff, and why.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({ "date": "2026-03-15", "reason": "paid early: the 15th is a holiday" }))]
#[expect(dead_code, reason = "only its description is used")]
pub(crate) struct CutoffRequest {
    /// After the latest cutoff, and no later than the next of the schedule. The date of `next_cutoffs[0]` of
    /// the credit policy opens that one early, and it is not due again; any other date is one cutoff more,
    /// for everybody.
    #[schema(format = Date)]
    date: String,
    #[schema(min_length = 1, max_length = 200)]
    reason: String,
}

/// Open a cutoff by hand: the schedule's next before it is due, by its own date, or one more.
#[utoipa::path(
    post,
    operation_id = "postCutoff",
    path = "/v1/cutoffs",
    request_body = CutoffRequest,
    params(request::CommandParameters),
    responses(Administered, CommandProblems, Problems),
    security(("cognito" = [])),
)]
pub async fn post(office: Office, body: Bytes) -> Result<Response, Problem> {
    let read = |fields: &mut Fields<'_>, _: &Errors| {
        let date = fields.word::<Date>("date", "a date, like 2026-03-15");
        let reason = fields.text::<Reason>("reason");
        Some(Change::OpenCutoff { date: date?, reason: reason? })
    };
    let (id, change) = request::command(office.headers(), &body, office.now(), read)?;
    office.submit(id, change).await
}

/// Have everybody of an open cutoff counted again, and replenish whoever was not.
#[utoipa::path(
    post,
    operation_id = "resumeCutoff",
    path = "/v1/cutoffs/{date}/resume",
    request_body = request::ReasonRequest,
    params(path::Cutoff, request::CommandParameters),
    responses(Administered, CommandProblems, Problems),
    security(("cognito" = [])),
)]
pub async fn resume(office: Office, Named(date): Named<Date>, body: Bytes) -> Result<Response, Problem> {
    let read = |fields: &mut Fields<'_>, _: &Errors| fields.text::<Reason>("reason");
    let (id, reason) = request::command(office.headers(), &body, office.now(), read)?;
    office.submit(id, Change::ResumeCutoff { date, reason }).await
}

/// What to try.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({}))]
#[expect(dead_code, reason = "only its description is used")]
pub(crate) struct PreviewRequest {
    /// As if it were the tenant's; the one that is, unless given.
    #[schema(nullable = false)]
    policy: Option<PolicyRequest>,
}

/// Whom a cutoff would give what if it were now. Nothing is written.
///
/// With `Accept: text/csv` a page comes as CSV, and the next one is named by its `Link`.
#[utoipa::path(
    post,
    operation_id = "previewCutoff",
    path = "/v1/cutoffs/preview",
    request_body = PreviewRequest,
    params(SheetParameters),
    responses(
        (status = 200, description = "One page", content(
            (Sheet<CutoffLineView, CutoffTotalsView> = "application/json"),
            (String = "text/csv"),
        )),
        BodyProblems,
        Problems,
    ),
    security(("cognito" = [])),
)]
pub async fn preview(
    State(app): State<App>,
    identity: Identity,
    headers: HeaderMap,
    Query(page): Query<SheetParameters>,
    RawQuery(query): RawQuery,
    body: Bytes,
) -> Result<Response, Problem> {
    let read = |fields: &mut Fields<'_>, _: &Errors| match fields.optional_object("policy")? {
        None => Some(None),
        Some(mut fields) => {
            let policy = credit::policy(&mut fields);
            fields.no_more();
            policy.map(Some)
        }
    };
    let asked = request::query(&headers, &body, read)?;
    let policy_key = keys::policy(identity.tenant());
    let (_, tenant, mut found) = identity.admit_with(&app.table, [policy_key.clone()]).await?;
    let standing = found.take(&policy_key).map(items::stored_policy).transpose()?;
    let policy = asked.or(standing.map(|standing| standing.policy)).ok_or_else(|| {
        Problem::field(FieldError::at_pointer("/policy", "is required: the tenant has none yet"))
    })?;
    let name = serde_json::to_string(&policy).map_err(|error| Failure::malformed("name a policy", error))?;
    let mut leaf: Leaf<Totals> = page.open(&app, &tenant.id, format!("{} preview {name}", tenant.id)).await?;
    let by = cutoff::BY.parse().map_err(|error| Failure::malformed("preview a cutoff", error))?;
    let now = app.clock.now();
    let date = tenant.business_day.local_date(now);
    let keys_of =
        |number: &EmployeeNumber| [keys::employee(&tenant.id, number), keys::wallet(&tenant.id, number)];
    let mut found = app.table.read(leaf.employees.iter().flat_map(keys_of)).await?;
    let mut lines = Vec::new();
    for number in &leaf.employees {
        let [employee, wallet] = keys_of(number).map(|key| found.take(&key));
        let Some((employee, wallet)) = employee.zip(wallet) else {
            leaf.sums.skip(cutoff::UNKNOWN_EMPLOYEE);
            lines.push(CutoffLineView::of(number, &policy, None));
            continue;
        };
        let (employee, wallet) = (items::stored_employee(number, employee)?, items::stored_wallet(wallet)?);
        let booking = cutoff::decide(&policy, date, &employee, wallet, &by, now);
        leaf.sums.count(&booking);
        lines.push(CutoffLineView::of(number, &policy, Some(&booking)));
    }
    let totals = CutoffTotalsView::of(&leaf.sums, leaf.sums.employees());
    leaf.answer(&app, &headers, query.as_deref(), lines, totals)
}

/// What a cutoff gave each employee, by name.
///
/// Who was hired after it was closed has their share of it as `joined`, and is not in its totals. While it is
/// open, each page is as it was when it was read: of one that closes meanwhile, `missing` counts whoever had
/// nothing yet.
///
/// With `Accept: text/csv` a page comes as CSV, and the next one is named by its `Link`.
#[utoipa::path(
    get,
    operation_id = "listCutoffEmployees",
    path = "/v1/cutoffs/{date}/employees",
    params(path::Cutoff, SheetParameters),
    responses(
        (status = 200, description = "One page", content(
            (Sheet<CutoffLineView, CutoffTotalsView> = "application/json"),
            (String = "text/csv"),
        )),
        Problems,
    ),
    security(("cognito" = [])),
)]
pub async fn employees(
    State(app): State<App>,
    identity: Identity,
    headers: HeaderMap,
    Named(date): Named<Date>,
    Query(page): Query<SheetParameters>,
    RawQuery(query): RawQuery,
) -> Result<Response, Problem> {
    let key = keys::cutoff(identity.tenant(), date);
    let (_, tenant, mut found) = identity.admit_with(&app.table, [key.clone()]).await?;
    let cutoff = items::stored_cutoff(date, found.take(&key).ok_or(Problem::NotFound)?)?.cutoff;
    let name = format!("{} cutoff {date}", tenant.id);
    let mut leaf: Leaf<(u64, Totals)> = page.open(&app, &tenant.id, name).await?;
    let id = cutoff::booking_id(date);
    let key_of = |number: &EmployeeNumber| keys::booking(&tenant.id, number, &id);
    let mut found = app.table.read(leaf.employees.iter().map(key_of)).await?;
    let (listed, totals) = &mut leaf.sums;
    let mut lines = Vec::new();
    for number in &leaf.employees {
        let booking = found.take(&key_of(number)).map(items::stored_booking).transpose()?;
        let included = booking.as_ref().filter(|booking| cutoff.includes(booking));
        if let Some(booking) = included {
            totals.count(booking);
        }
        // Whoever is hired once it is closed is not missing.
        *listed += u64::from(included.is_some() || cutoff.closed.is_none());
        lines.push(CutoffLineView::of(number, &cutoff.policy, booking.as_ref()));
    }
    let totals = CutoffTotalsView::of(totals, *listed);
    leaf.answer(&app, &headers, query.as_deref(), lines, totals)
}
