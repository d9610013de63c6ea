//! SQS and SNS on a port that other services share: what is theirs is answered, the rest goes on.
//! Signatures are not verified; the port must be a loopback one.

use axum::Router;
use axum::body::{Body, Bytes, to_bytes};
use axum::extract::{Request, State};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use http::header::{AUTHORIZATION, CONTENT_TYPE, HOST};
use http::{HeaderMap, HeaderName, StatusCode};

use super::engine::Engine;
use super::{sns, sqs};

/// A batch of 256 KiB, at worst as six escaped characters a byte, and its attributes.
const BODY_MAX_BYTES: usize = 2 * 1024 * 1024;

const TARGET: HeaderName = HeaderName::from_static("x-amz-target");

/// Answers SQS's and SNS's requests itself and hands all others to `others`.
pub fn router(engine: Engine, others: Router) -> Router {
    Router::new().fallback_service(others).layer(from_fn_with_state(engine, answer_or_pass_on))
}

/// The two services alone.
pub fn standalone(engine: Engine) -> Router {
    router(engine, Router::new())
}

enum Service {
    Sqs { operation: String },
    Sns,
}

async fn answer_or_pass_on(State(engine): State<Engine>, request: Request, next: Next) -> Response {
    match service(request.headers()) {
        Some(service) => answer(&engine, service, request).await,
        None => next.run(request).await,
    }
}

async fn answer(engine: &Engine, service: Service, request: Request) -> Response {
    let base_url = base_url(&request);
    let body: Bytes = match to_bytes(request.into_body(), BODY_MAX_BYTES).await {
        Ok(body) => body,
        Err(error) => {
            tracing::debug!(%error, "a queue request could not be read");
            return (StatusCode::PAYLOAD_TOO_LARGE, "the request is too long or broke off").into_response();
        }
    };
    match service {
        Service::Sqs { operation } => sqs::answer(engine, &base_url, &operation, &body).await,
        Service::Sns => sns::answer(engine, &body).await,
    }
}

/// SQS names its operation in a header; SNS is told by its form and the scope of the signature.
fn service(headers: &HeaderMap) -> Option<Service> {
    let text = |name: HeaderName| headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
    if let Some(operation) = text(TARGET).strip_prefix("AmazonSQS.") {
        return Some(Service::Sqs { operation: operation.to_owned() });
    }
    let is_form = text(CONTENT_TYPE).starts_with("application/x-www-form-urlencoded");
    (is_form && text(AUTHORIZATION).contains("/sns/aws4_request")).then_some(Service::Sns)
}

/// Where the caller reached us, for queue URLs.
fn base_url(request: &Request<Body>) -> String {
    let host = request.headers().get(HOST).and_then(|host| host.to_str().ok());
    let host = host.or_else(|| request.uri().authority().map(|authority| authority.as_str()));
    format!("http://{}", host.unwrap_or("localhost"))
}
