//! The API's pages for people, from assets inside the binary: no outside network, and not in the Lambda.

use axum::Router;
use utoipa_swagger_ui::{Config, SwaggerUi};

/// Where they are.
pub const PATH: &str = "/docs";

pub fn router() -> Router {
    SwaggerUi::new(PATH).config(Config::from("/v1/openapi.json").validator_url("none")).into()
}
