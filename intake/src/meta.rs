//! `GET /v1/health` and `GET /v1/openapi.json`: open to all, and telling nothing of any tenant.

use axum::Json;
use serde::Serialize;
use utoipa::openapi::security::{Http, HttpAuthScheme, SecurityScheme};
use utoipa::{Modify, OpenApi, ToSchema};

#[derive(Debug, Serialize, ToSchema)]
pub struct Health {
    #[schema(example = "ok")]
    status: &'static str,
}

/// Whether this function runs.
#[utoipa::path(get, operation_id = "getHealth", path = "/v1/health", responses((status = 200, body = Health)))]
pub async fn health() -> Json<Health> {
    Json(Health { status: "ok" })
}

/// The head of the API's description; the routes add themselves.
#[derive(OpenApi)]
#[openapi(
    info(
        title = "Internal POS",
        description = "Company cafeterias: employees buy with company credit. Amounts are integers of minor units, in CSV \
                       tables as well; only in files that are imported, and exported as such, they are decimals \
                       of the currency.",
        license(name = "MIT OR Apache-2.0", identifier = "MIT OR Apache-2.0"),
    ),
    modifiers(&Security),
)]
pub struct Description;

struct Security;

impl Modify for Security {
    fn modify(&self, openapi: &mut utoipa::openapi::OpenApi) {
        let scheme = Http::builder()
            .scheme(HttpAuthScheme::Bearer)
            .bearer_format("JWT")
            .description(Some("A Cognito id token"))
            .build();
        let components = openapi.components.get_or_insert_default();
        components.add_security_scheme("cognito", SecurityScheme::Http(scheme));
    }
}
