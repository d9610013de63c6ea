//! `/v1/reconciliations`: what was found of what does not agree. Nothing asks for one: there is one a
//! business day.

use crate::app::App;
use crate::caller::Identity;
use crate::list::{self, Listed, PageParameters};
use crate::path::{self, Named};
use crate::problem::{Problem, Problems};
use crate::view::{ReconciliationReportView, ReconciliationView};
use aws::table::Order;
use aws::{items, keys, parts};
use axum::Json;
use axum::extract::{Query, State};
use axum::response::Response;
use domain::reconciliation::Tally;
use jiff::civil::Date;

/// Looks at all wallets, newest first.
#[utoipa::path(
    get,
    operation_id = "listReconciliations",
    path = "/v1/reconciliations",
    params(PageParameters),
    responses((status = 200, description = "One page", body = Listed<ReconciliationView>), Problems),
    security(("cognito" = [])),
)]
pub async fn list(
    State(app): State<App>,
    identity: Identity,
    Query(page): Query<PageParameters>,
) -> Result<Response, Problem> {
    let (_, tenant) = identity.admit(&app.table).await?;
    let view = |item| Ok(ReconciliationView::of(&items::stored_reconciliation(item)?.run, None));
    let list = format!("{} reconciliations", tenant.id);
    list::page(&app, &list, page, &keys::reconciliations(&tenant.id), Order::NewestFirst, view).await
}

/// A look at all wallets, and what it found: the first hundred findings, and how many there are of each type.
/// Nothing of it is repaired, and it names employees by number alone.
#[utoipa::path(
    get,
    operation_id = "getReconciliation",
    path = "/v1/reconciliations/{date}",
    params(path::Reconciliation),
    responses(
        (status = 200, description = "The report", body = ReconciliationReportView),
        Problems,
    ),
    security(("cognito" = [])),
)]
pub async fn get(
    State(app): State<App>,
    identity: Identity,
    Named(date): Named<Date>,
) -> Result<Json<ReconciliationReportView>, Problem> {
    let key = keys::reconciliation(identity.tenant(), date);
    let (_, tenant, mut found) = identity.admit_with(&app.table, [key.clone()]).await?;
    let run = items::stored_reconciliation(found.take(&key).ok_or(Problem::NotFound)?)?.run;
    let so_far = match run.closed {
        Some(_) => Tally::default(),
        None => parts::of_reconciliation(&app.table, &tenant.id, date).await?.1,
    };
    Ok(Json(ReconciliationReportView::of(&run, &so_far)))
}
