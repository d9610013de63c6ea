//! The route table: one line an endpoint, with the roles it admits. What carries no roles admits
//! nobody who must say who they are.

use crate::app::App;
use crate::body::MAX_BODY_BYTES;
use crate::caller::Admits;
use crate::problem::{FieldError, PROBLEM_JSON, Problem};
use crate::{
    badges, bookings, checkouts, employees, me, menus, meta, movements, receipts, stalls, tenants, users,
};
use axum::extract::{DefaultBodyLimit, MatchedPath, Request};
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use axum::http::{HeaderValue, Method, StatusCode};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Extension, Json, Router};
use domain::role::RoleKind::{self, Admin, Cashier, Employee, Manager, Platform};
use lambda_http::request::RequestContext;
use std::sync::Arc;
use std::time::Instant;
use tracing::Instrument;
use utoipa::OpenApi;
use utoipa_axum::router::{OpenApiRouter, UtoipaMethodRouter, UtoipaMethodRouterExt};
use utoipa_axum::routes;

/// Paths that ask for no token.
pub const PUBLIC_PATHS: [&str; 2] = ["/v1/health", OPENAPI_PATH];
const OPENAPI_PATH: &str = "/v1/openapi.json";

const SELLERS: [RoleKind; 2] = [Manager, Cashier];
/// Whoever works for a tenant or one of its concessionaires.
const STAFF: [RoleKind; 3] = [Admin, Manager, Cashier];
/// Everybody of a tenant.
const EVERYBODY: [RoleKind; 4] = [Admin, Manager, Cashier, Employee];
const ALL: [RoleKind; 5] = [Platform, Admin, Manager, Cashier, Employee];

fn table() -> OpenApiRouter<App> {
    OpenApiRouter::with_openapi(meta::Description::openapi())
        .routes(routes!(meta::health))
        // Selling.
        .routes(admit(&SELLERS, routes!(checkouts::post)))
        .routes(admit(&SELLERS, routes!(checkouts::quote)))
        .routes(admit(&STAFF, routes!(checkouts::list)))
        .routes(admit(&EVERYBODY, routes!(checkouts::get)))
        .routes(admit(&ALL, routes!(me::get)))
        // Putting right.
        .routes(admit(&SELLERS, routes!(bookings::void)))
        .routes(admit(&[Admin, Manager], routes!(bookings::refund)))
        .routes(admit(&[Admin], routes!(bookings::adjust)))
        .routes(admit(&EVERYBODY, routes!(bookings::get)))
        .routes(admit(&[Admin, Employee], routes!(movements::list)))
        // Who buys.
        .routes(admit(&EVERYBODY, routes!(employees::get)))
        .routes(admit(&[Admin], routes!(employees::list)))
        .routes(admit(&[Admin], routes!(employees::post)))
        .routes(admit(&[Admin], routes!(employees::patch)))
        .routes(admit(&[Admin], routes!(badges::put)))
        .routes(admit(&[Admin], routes!(badges::delete)))
        // Who sells what where.
        .routes(admit(&EVERYBODY, routes!(stalls::list_concessionaires)))
        .routes(admit(&[Admin], routes!(stalls::put_concessionaire)))
        .routes(admit(&STAFF, routes!(stalls::list_stations)))
        .routes(admit(&[Admin], routes!(stalls::put_station)))
        .routes(admit(&EVERYBODY, routes!(menus::get)))
        .routes(admit(&[Manager], routes!(menus::put_meal)))
        .routes(admit(&[Manager], routes!(menus::delete_meal)))
        .routes(admit(&SELLERS, routes!(menus::put_availability)))
        // Who signs in, for whom.
        .routes(admit(&[Admin], routes!(users::list)))
        .routes(admit(&[Admin], routes!(users::post)))
        .routes(admit(&[Admin], routes!(users::get)))
        .routes(admit(&[Admin], routes!(users::patch)))
        .routes(admit(&[Admin], routes!(users::reset_password)))
        .routes(admit(&[Platform, Admin], routes!(tenants::get)))
        .routes(admit(&[Platform], routes!(tenants::put)))
        .routes(admit(&[Platform], routes!(tenants::suspend)))
        .routes(admit(&[Platform], routes!(tenants::resume)))
        .routes(admit(&[Platform], routes!(tenants::appoint)))
        .routes(admit(&[Platform], routes!(tenants::probe)))
        // What was done.
        .routes(admit(&[Platform, Admin, Manager, Cashier], routes!(receipts::get)))
        .routes(admit(&[Platform, Admin], routes!(receipts::audit)))
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
        .layer(middleware::map_response(finish))
        .layer(DefaultBodyLimit::max(MAX_BODY_BYTES))
        .layer(middleware::from_fn(log))
        .with_state(app)
}

/// The description of the API that the routes make up.
pub fn description() -> utoipa::openapi::OpenApi {
    table().into_openapi()
}

/// Refusals of the framework's own extractors in the form of all others, and nothing kept by a
/// cache unless its route says so.
async fn finish(response: Response) -> Response {
    let is_problem = response.headers().get(CONTENT_TYPE).is_some_and(|value| value == PROBLEM_JSON);
    let mut response = match response.status() {
        StatusCode::PAYLOAD_TOO_LARGE if !is_problem => Problem::BodyTooLarge.into_response(),
        StatusCode::BAD_REQUEST if !is_problem => {
            let detail = "a parameter is given twice, or is not text";
            Problem::field(FieldError::at_parameter("path or query", detail)).into_response()
        }
        _ => response,
    };
    response.headers_mut().entry(CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
    response
}

/// One line a request, in a span that names request and, once it is known, tenant.
async fn log(request: Request, next: Next) -> Response {
    let started = Instant::now();
    let id = match request.extensions().get::<RequestContext>() {
        Some(RequestContext::ApiGatewayV1(context)) => context.request_id.clone(),
        _ => None,
    };
    let span = tracing::info_span!("request", request.id = id, tenant.id = tracing::field::Empty);
    let method = method_name(request.method());
    let route = request.extensions().get::<MatchedPath>().map(|path| path.as_str().to_owned());
    let route = route.unwrap_or_else(|| "no route".to_owned());
    async {
        let response = next.run(request).await;
        let status = response.status().as_u16();
        let duration_ms = u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX);
        tracing::info!(
            http.method = method,
            http.route = route,
            http.status = status,
            duration_ms,
            "answered {method} {route} with {status}"
        );
        response
    }
    .instrument(span)
    .await
}

/// A method may be anything that a client makes up.
fn method_name(method: &Method) -> &'static str {
    match *method {
        Method::GET => "GET",
        Method::HEAD => "HEAD",
        Method::POST => "POST",
        Method::PUT => "PUT",
        Method::PATCH => "PATCH",
        Method::DELETE => "DELETE",
        Method::OPTIONS => "OPTIONS",
        _ => "OTHER",
    }
}
