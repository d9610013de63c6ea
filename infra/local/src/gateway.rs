//! What API Gateway and its Cognito authorizer do in front of the intake function.
//!
//! Invariant: a request reaches the intake with claims only if its id token is signed by a key of the pool,
//! was issued by the pool to its client, and has not expired; nothing a client sends can stand in for that.

mod authorizer;
mod context;
mod keys;

use std::sync::Arc;

use axum::{
    Router,
    body::{self, Body},
    extract::{ConnectInfo, MatchedPath, Request, State},
    middleware::{self, Next},
    response::{IntoResponse, Response},
};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use http_body_util::LengthLimitError;
use serde_json::json;
use std::error::Error;
use std::net::SocketAddr;
use std::time::Duration;
use tokio::time::timeout;

pub use authorizer::Authorizer;
pub use keys::KeysError;

use crate::users::PoolIds;

/// API Gateway's payload limit, which cannot be raised.
const BODY_BYTES_MAX: usize = 10 * 1024 * 1024;

/// How long a body may take to come: what API Gateway gives a whole request.
const BODY_WITHIN: Duration = Duration::from_secs(29);

/// What the authorizer has to know of a user pool.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pool {
    pub issuer: String,
    pub client_id: String,
    /// Where the pool's public keys are, on the router that serves Cognito.
    pub jwks_path: String,
}

impl Pool {
    /// Everything follows from the ids: a pool's id begins with its region.
    pub fn new(ids: &PoolIds) -> Self {
        let pool_id = &ids.pool_id;
        let region = pool_id.split('_').next().unwrap_or_default();
        Self {
            issuer: format!("https://cognito-idp.{region}.amazonaws.com/{pool_id}"),
            client_id: ids.client_id.clone(),
            jwks_path: format!("/{pool_id}/.well-known/jwks.json"),
        }
    }
}

#[derive(Debug)]
struct Gateway {
    authorizer: Authorizer,
    public: Vec<String>,
}

/// Puts the gateway around `intake`. `public` paths ask for no token; one that ends in `/` stands for all
/// below it.
pub fn guard(intake: Router, authorizer: Authorizer, public: &[&str]) -> Router {
    let public = public.iter().map(|path| (*path).to_owned()).collect();
    intake.layer(middleware::from_fn_with_state(Arc::new(Gateway { authorizer, public }), pass))
}

impl Gateway {
    fn is_public(&self, path: &str) -> bool {
        self.public.iter().any(|public| match public.strip_suffix('/') {
            Some(_) => path.starts_with(public),
            None => path == public,
        })
    }
}

async fn pass(State(gateway): State<Arc<Gateway>>, request: Request, next: Next) -> Response {
    let claims = match bearer(request.headers()) {
        _ if gateway.is_public(request.uri().path()) => None,
        Some(token) => match gateway.authorizer.claims(token).await {
            Some(claims) => Some(claims),
            None => return unauthorized(),
        },
        None => return unauthorized(),
    };

    let (mut parts, body) = request.into_parts();
    let body = match timeout(BODY_WITHIN, body::to_bytes(body, BODY_BYTES_MAX)).await {
        Ok(Ok(body)) => body,
        Ok(Err(error)) if error.source().is_some_and(|source| source.is::<LengthLimitError>()) => {
            return too_large();
        }
        Ok(Err(_)) => return broken_off(),
        Err(_) => return too_slow(),
    };
    let peer = parts.extensions.get::<ConnectInfo<SocketAddr>>().map(|ConnectInfo(peer)| peer.ip());
    let route = parts.extensions.get::<MatchedPath>().map(|path| path.as_str().to_owned());
    let (context, request_id) = context::context(&parts, peer, route, claims);
    replace_gateway_headers(&mut parts.headers, peer.map(|peer| peer.to_string()));
    parts.extensions.insert(context);

    let mut response = next.run(Request::from_parts(parts, Body::from(body))).await;
    if let Ok(id) = HeaderValue::from_str(&request_id) {
        response.headers_mut().insert(HeaderName::from_static("x-amzn-requestid"), id);
    }
    response
}

/// The one token of the one `Authorization` header.
fn bearer(headers: &HeaderMap) -> Option<&str> {
    let mut values = headers.get_all(header::AUTHORIZATION).iter();
    let (value, None) = (values.next()?, values.next()) else {
        return None;
    };
    let (scheme, token) = value.to_str().ok()?.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then_some(token.trim())
}

/// What only a gateway may say: whatever a client put there goes.
const GATEWAY_HEADER_PREFIXES: [&str; 5] =
    ["x-amzn-", "x-apigateway-", "x-amz-cf-", "x-forwarded-", "cloudfront-"];

fn replace_gateway_headers(headers: &mut HeaderMap, peer: Option<String>) {
    let claimed: Vec<HeaderName> = headers
        .keys()
        .filter(|name| {
            GATEWAY_HEADER_PREFIXES.iter().any(|prefix| name.as_str().starts_with(prefix))
                || matches!(name.as_str(), "forwarded" | "via" | "x-real-ip")
        })
        .cloned()
        .collect();
    for name in claimed {
        headers.remove(name);
    }
    headers.insert("x-forwarded-proto", HeaderValue::from_static("http"));
    if let Some(Ok(peer)) = peer.map(|peer| HeaderValue::from_str(&peer)) {
        headers.insert("x-forwarded-for", peer);
    }
}

/// One answer for every reason: which check failed is nobody's business but the log's.
fn unauthorized() -> Response {
    let mut response = problem(
        StatusCode::UNAUTHORIZED,
        "urn:internal-pos:problem:unauthorized",
        "Not signed in",
        "Send `Authorization: Bearer` with a valid id token.",
    );
    response.headers_mut().insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
    response
}

fn too_large() -> Response {
    problem(
        StatusCode::PAYLOAD_TOO_LARGE,
        "urn:internal-pos:problem:body-too-large",
        "Request too large",
        "A request body has at most 10 MB.",
    )
}

fn broken_off() -> Response {
    problem(
        StatusCode::BAD_REQUEST,
        "urn:internal-pos:problem:bad-input",
        "The request is not well formed",
        "The body broke off.",
    )
}

/// And the connection ends: the rest of the body is not waited for.
fn too_slow() -> Response {
    let mut response = problem(
        StatusCode::REQUEST_TIMEOUT,
        "urn:internal-pos:problem:too-slow",
        "Request too slow",
        "A request body comes within 29 seconds.",
    );
    response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
    response
}

fn problem(status: StatusCode, kind: &str, title: &str, detail: &str) -> Response {
    let body = json!({ "type": kind, "title": title, "status": status.as_u16(), "detail": detail });
    (status, [(header::CONTENT_TYPE, "application/problem+json")], body.to_string()).into_response()
}

#[cfg(test)]
mod tests;
