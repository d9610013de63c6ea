//! `GET /v1/concessionaires/{id}/menu`: what a station sells from, under an `ETag` that is its
//! version.

use crate::app::App;
use crate::caller::Identity;
use crate::etag;
use crate::problem::{Problem, Problems};
use crate::view::MenuView;
use aws::{items, keys};
use axum::extract::{Path, State};
use axum::http::HeaderMap;
use axum::response::Response;
use domain::id::ConcessionaireId;

/// A concessionaire's current menu.
#[utoipa::path(
    get,
    operation_id = "getMenu",
    path = "/v1/concessionaires/{id}/menu",
    params(("id" = String, Path)),
    responses(
        (status = 200, description = "The menu; its `ETag` names tenant, concessionaire and menu version", body = MenuView),
        (status = 304, description = "As the `If-None-Match` of the request has it"),
        Problems,
    ),
    security(("cognito" = [])),
)]
pub async fn get(
    State(app): State<App>,
    identity: Identity,
    Path(id): Path<String>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let concessionaire: ConcessionaireId = id.parse().map_err(|_| Problem::NotFound)?;
    let menu_key = keys::menu(identity.tenant(), &concessionaire);
    let mut found = app.table.read(identity.keys().into_iter().chain([menu_key.clone()])).await?;
    let (_, tenant) = identity.admit(&mut found)?;
    let head = items::stored_menu_head(found.take(&menu_key).ok_or(Problem::NotFound)?)?;
    let menu = app.menus.under(&app.table, &tenant.id, &concessionaire, head).await?;
    let view = MenuView::of(&menu, &concessionaire, &tenant.currency);
    // The same path is another menu for another tenant.
    let version = format!("{}.{concessionaire}.{}", tenant.id, menu.version);
    etag::by_version(&headers, &version, &view)
}
