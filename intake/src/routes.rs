//! The route table: one line an endpoint, with the roles it admits. What carries no roles admits
//! nobody who must say who they are.

use crate::app::App;
use crate::body::MAX_BODY_BYTES;
use crate::caller::Admits;
use crate::problem::{PROBLEM_JSON, Problem};
use crate::{checkouts, employees, menus, meta};
use axum::extract::{DefaultBodyLimit, MatchedPath, Request};
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Extension, Json, Router};
use domain::role::RoleKind::{self, Admin, Cashier, Employee, Manager};
use std::sync::Arc;
use std::time::Instant;
use utoipa::OpenApi;
use utoipa_axum::router::{OpenApiRouter, UtoipaMethodRouter, UtoipaMethodRouterExt};
use utoipa_axum::routes;

/// Paths that ask for no token.
pub const PUBLIC_PATHS: [&str; 2] = ["/v1/health", OPENAPI_PATH];
const OPENAPI_PATH: &str = "/v1/openapi.json";

fn table() -> OpenApiRouter<App> {
    OpenApiRouter::with_openapi(meta::Description::openapi())
        .routes(routes!(meta::health))
        .routes(admit(&[Manager, Cashier], routes!(checkouts::post)))
        .routes(admit(&[Admin, Manager, Cashier, Employee], routes!(checkouts::get)))
        .routes(admit(&[Admin, Manager, Cashier, Employee], routes!(employees::get)))
        .routes(admit(&[Admin, Manager, Cashier, Employee], routes!(menus::get)))
}

fn admit(roles: &'static [RoleKind], route: UtoipaMethodRouter<App>) -> UtoipaMethodRouter<App> {
    route.layer(Extension(Admits(roles)))
}

/// The whole API, as the Lambda and the local system serve it.
pub fn router(app: App) -> Router {
    let (router, description) = table().split_for_parts();
    let description = Arc::new(description);
    router
        .route(OPENAPI_PATH, get(async move || Json(description)))
        .fallback(async || Problem::NotFound)
        .method_not_allowed_fallback(async || Problem::MethodNotAllowed)
        .layer(middleware::map_response(as_problem))
        .layer(DefaultBodyLimit::max(MAX_BODY_BYTES))
        .layer(middleware::from_fn(log))
        .with_state(app)
}

/// The description of the API that the routes make up.
pub fn description() -> utoipa::openapi::OpenApi {
    table().into_openapi()
}

/// Refusals of the framework's own extractors, in the form of all others.
async fn as_problem(response: Response) -> Response {
    let is_problem = response.headers().get(CONTENT_TYPE).is_some_and(|value| value == PROBLEM_JSON);
    match response.status() {
        StatusCode::PAYLOAD_TOO_LARGE if !is_problem => Problem::BodyTooLarge.into_response(),
        StatusCode::BAD_REQUEST if !is_problem => Problem::BadInput(vec![]).into_response(),
        _ => response,
    }
}

async fn log(request: Request, next: Next) -> Response {
    let started = Instant::now();
    let method = request.method().clone();
    let route = request.extensions().get::<MatchedPath>().map(|path| path.as_str().to_owned());
    let response = next.run(request).await;
    let route = route.unwrap_or_else(|| "no route".to_owned());
    let status = response.status().as_u16();
    let duration_ms = u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX);
    tracing::info!(http.method = %method, http.route = route, http.status = status, duration_ms, "answered {method} {route} with {status}");
    response
}
