//! The route table: one line an endpoint, with the roles it admits. What carries no roles admits
//! nobody who must say who they are.

use crate::app::App;
use crate::body::MAX_BODY_BYTES;
use crate::caller::Terms;
use crate::description::Parameters;
use crate::problem::{FieldError, PROBLEM_JSON, Problem};
use crate::{
    badges, bookings, checkouts, corrections, credit, cutoffs, description, employees, etag, events, imports,
    listeners, me, menus, meta, movements, receipts, reconciliations, reports, stalls, takings, tenants,
    users, webhooks,
};
use axum::extract::{DefaultBodyLimit, MatchedPath, Request};
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use axum::http::{HeaderValue, Method, StatusCode};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::{MethodFilter, get, on};
use axum::{Extension, Json, Router};
use domain::role::RoleKind::{self, Admin, Cashier, Employee, Manager, Platform};
use lambda_http::request::RequestContext;
use pastey::paste;
use std::sync::LazyLock;
use std::time::Instant;
use tracing::Instrument;
use utoipa::OpenApi;
use utoipa::openapi::HttpMethod;
use utoipa_axum::PathItemExt;
use utoipa_axum::router::OpenApiRouter;
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

/// The table twice over: as the router that serves it, and as its description, which only whoever asks for
/// it has to wait for.
macro_rules! table {
    ($($module:ident :: $handler:ident for $roles:expr;)*) => {
        fn routed(router: Router<App>) -> Router<App> {
            router$(.route(
                &described_by!($module $handler path()),
                on(filter(described_by!($module $handler methods())), $module::$handler)
                    .layer(Extension(Terms { admits: $roles, parameters: {
                        static PARAMETERS: LazyLock<Parameters> = LazyLock::new(|| {
                            Parameters::of(&described_by!($module $handler operation()))
                        });
                        &PARAMETERS
                    } })),
            ))*
        }

        fn described(router: OpenApiRouter<App>) -> OpenApiRouter<App> {
            router$(.routes(description::complete($roles, routes!($module::$handler))))*
        }
    };
}

/// What `utoipa::path` made of a handler.
macro_rules! described_by {
    ($module:ident $handler:ident $function:ident()) => {
        paste! { <$module::[<__path_ $handler>] as utoipa::Path>::$function() }
    };
}

fn filter(methods: Vec<HttpMethod>) -> MethodFilter {
    let filters = methods.into_iter().map(|method| method.to_method_filter());
    filters.reduce(MethodFilter::or).unwrap_or(MethodFilter::GET)
}

table! {
    meta::health for &[];
    // Selling.
    checkouts::post for &SELLERS;
    checkouts::quote for &SELLERS;
    checkouts::list for &STAFF;
    checkouts::get for &EVERYBODY;
    takings::get for &STAFF;
    me::get for &ALL;
    listeners::post for &ALL;
    // Putting right.
    bookings::void for &SELLERS;
    bookings::refund for &[Admin, Manager];
    bookings::adjust for &[Admin];
    bookings::get for &EVERYBODY;
    corrections::list for &STAFF;
    movements::list for &[Admin, Employee];
    // Credit.
    credit::get for &[Admin, Employee];
    credit::put for &[Admin];
    cutoffs::list for &[Admin];
    cutoffs::post for &[Admin];
    cutoffs::preview for &[Admin];
    cutoffs::get for &[Admin];
    cutoffs::employees for &[Admin];
    cutoffs::resume for &[Admin];
    reports::credit for &[Admin];
    reconciliations::list for &[Admin];
    reconciliations::get for &[Admin];
    // Who buys.
    employees::get for &EVERYBODY;
    employees::list for &[Admin];
    employees::export for &[Admin];
    employees::post for &[Admin];
    employees::patch for &[Admin];
    badges::put for &[Admin];
    badges::delete for &[Admin];
    // Who sells what where.
    stalls::list_concessionaires for &EVERYBODY;
    stalls::put_concessionaire for &[Admin];
    stalls::list_stations for &STAFF;
    stalls::put_station for &[Admin];
    menus::get for &EVERYBODY;
    menus::export for &EVERYBODY;
    menus::put_meal for &[Manager];
    menus::delete_meal for &[Manager];
    menus::put_availability for &SELLERS;
    imports::post_menu for &[Manager];
    imports::post_employees for &[Admin];
    imports::list for &[Admin, Manager];
    imports::get for &[Admin, Manager];
    // Who signs in, for whom.
    users::list for &[Admin];
    users::post for &[Admin];
    users::get for &[Admin];
    users::patch for &[Admin];
    users::reset_password for &[Admin];
    tenants::get for &[Platform, Admin];
    tenants::put for &[Platform];
    tenants::suspend for &[Platform];
    tenants::resume for &[Platform];
    tenants::appoint for &[Platform];
    tenants::probe for &[Platform];
    // Who is told.
    webhooks::list for &[Admin];
    webhooks::post for &[Admin];
    webhooks::get for &[Admin];
    webhooks::patch for &[Admin];
    webhooks::delete for &[Admin];
    webhooks::rotate for &[Admin];
    webhooks::test for &[Admin];
    webhooks::deliveries for &[Admin];
    webhooks::redeliver for &[Admin];
    // What was done.
    receipts::get for &[Platform, Admin, Manager, Cashier];
    receipts::audit for &[Platform, Admin];
}

/// The whole API, as the Lambda and the local system serve it.
pub fn router(app: App) -> Router {
    routed(Router::new())
        .route(OPENAPI_PATH, get(async || Json(&*DESCRIPTION)))
        .fallback(async || Problem::NotFound)
        .method_not_allowed_fallback(async || Problem::MethodNotAllowed)
        .layer(middleware::from_fn(etag::conditional))
        .layer(middleware::map_response(finish))
        .layer(DefaultBodyLimit::max(MAX_BODY_BYTES))
        .layer(middleware::from_fn(log))
        .with_state(app)
}

static DESCRIPTION: LazyLock<utoipa::openapi::OpenApi> = LazyLock::new(description);

/// The description of the API that the routes make up.
pub fn description() -> utoipa::openapi::OpenApi {
    let mut openapi = described(OpenApiRouter::with_openapi(meta::Description::openapi())).into_openapi();
    events::describe(&mut openapi);
    openapi
}

/// Refusals of the framework's own extractors in the form of all others, and nothing kept by a
/// cache but versions.
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
