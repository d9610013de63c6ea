//! `GET /v1/receipts/{id}` and `GET /v1/audit`: what came of what was administered, and who did what.

use crate::app::App;
use crate::caller::Identity;
use crate::list::{self, Listed, PageParameters};
use crate::path::{self, Named};
use crate::problem::{Problem, Problems};
use crate::submit::{self, TicketParameter};
use crate::view::{AuditView, ReceiptView, UndecidedView};
use crate::window::WindowParameters;
use aws::table::Order;
use aws::{items, keys};
use axum::Json;
use axum::extract::{Query, State};
use axum::response::{IntoResponse, Response};
use domain::admin::Receipt;
use domain::id::CommandId;
use domain::role::{Caller, Role};

/// What came of an admin command.
///
/// With the ticket of its `202`, one that is not decided yet reads `pending`, and `failed` once nothing can
/// come of it any more.
#[utoipa::path(
    get,
    operation_id = "getReceipt",
    path = "/v1/receipts/{id}",
    params(path::Receipt, TicketParameter),
    responses(
        (status = 200, description = "The receipt, or that there is none yet or never will be", body = ReceiptView),
        (status = 422, description = "Another request was applied under this key", body = crate::problem::ProblemDocument, content_type = "application/problem+json"),
        Problems,
    ),
    security(("cognito" = [])),
)]
pub async fn get(
    State(app): State<App>,
    identity: Identity,
    Named(id): Named<CommandId>,
    Query(ticket): Query<TicketParameter>,
) -> Result<Response, Problem> {
    let place = keys::receipt(identity.tenant(), id);
    let (caller, _, mut found) = identity.admit_with(&app.table, [place.clone()]).await?;
    let ticket = submit::ticket(&app, &place, ticket)?;
    let Some(item) = found.take(&place) else {
        let undecided = || UndecidedView { id: id.to_string() };
        let (pending, failed) = (ReceiptView::Pending(undecided()), ReceiptView::Failed(undecided()));
        return submit::undecided(&app, ticket, pending, failed);
    };
    let receipt = items::stored_receipt(item)?;
    if ticket.is_some_and(|ticket| ticket.request != receipt.request) {
        return Err(Problem::KeyReused);
    }
    if !may_read(&caller, &receipt) {
        return Err(Problem::NotFound);
    }
    Ok(Json(ReceiptView::of(receipt, &caller, &app)).into_response())
}

/// Who asked, and whoever the audit is for.
fn may_read(caller: &Caller, receipt: &Receipt) -> bool {
    let overseer = if receipt.is_platforms { Role::Platform } else { Role::Admin };
    receipt.caller == caller.user || caller.role == overseer
}

/// What was administered and corrected, newest first.
///
/// Administrators see their tenant's; the platform what it did itself.
#[utoipa::path(
    get,
    operation_id = "listAudit",
    path = "/v1/audit",
    params(WindowParameters, PageParameters),
    responses((status = 200, description = "One page", body = Listed<AuditView>), Problems),
    security(("cognito" = [])),
)]
pub async fn audit(
    State(app): State<App>,
    identity: Identity,
    Query(window): Query<WindowParameters>,
    Query(page): Query<PageParameters>,
) -> Result<Response, Problem> {
    let (caller, tenant) = identity.admit(&app.table).await?;
    let is_platforms = caller.role == Role::Platform;
    let list = format!("{} audit {is_platforms} {}", tenant.id, window.asked());
    let window = window.read(app.clock.now(), None)?;
    let span = keys::audit(&tenant.id, is_platforms, window.from, window.to);
    let view = |item| Ok(AuditView::of(items::stored_audited(item)?));
    list::page(&app, &list, page, &span, Order::NewestFirst, view).await
}
