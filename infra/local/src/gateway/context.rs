//! The request context as API Gateway hands it to a function behind a Cognito authorizer.
//!
//! Invariant: every claim arrives as a string, as it does on AWS: lists joined by commas, `exp` and `iat`
//! as dates. Code that only works with the token's own types fails here too.

use std::{
    net::IpAddr,
    time::{Duration, SystemTime},
};

use http::request::Parts;
use jiff::Timestamp;
use lambda_http::{aws_lambda_events::apigw::ApiGatewayProxyRequestContext, request::RequestContext};
use serde_json::{Map, Value};

use super::authorizer::Claims;
use crate::cloud::ACCOUNT_ID;

/// The context and the request id within it.
pub(super) fn context(
    parts: &Parts,
    peer: Option<IpAddr>,
    route: Option<String>,
    claims: Option<Claims>,
) -> (RequestContext, String) {
    let since_epoch = SystemTime::UNIX_EPOCH.elapsed().unwrap_or(Duration::ZERO);
    let now_ms = i64::try_from(since_epoch.as_millis()).unwrap_or(i64::MAX);
    let now = Timestamp::from_millisecond(now_ms).unwrap_or_default();
    let request_id = request_id(since_epoch);
    let mut context = ApiGatewayProxyRequestContext::default();
    context.account_id = Some(ACCOUNT_ID.into());
    context.apiid = Some("local".into());
    context.stage = Some("local".into());
    context.protocol = Some("HTTP/1.1".into());
    context.http_method = parts.method.clone();
    context.path = Some(parts.uri.path().to_owned());
    context.resource_path = route;
    context.request_id = Some(request_id.clone());
    context.request_time = Some(now.strftime("%d/%b/%Y:%H:%M:%S +0000").to_string());
    context.request_time_epoch = now_ms;
    context.identity.source_ip = peer.map(|peer| peer.to_string());
    if let Some(claims) = claims {
        let claims = claims.iter().map(|(name, value)| (name.clone(), Value::String(text(name, value))));
        let claims: Map<String, Value> = claims.collect();
        context.authorizer.fields.insert("claims".into(), Value::Object(claims));
    }
    (RequestContext::ApiGatewayV1(context), request_id)
}

fn text(name: &str, value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Array(values) => values.iter().map(text_of).collect::<Vec<_>>().join(","),
        Value::Number(number) if matches!(name, "exp" | "iat") => {
            let at = number.as_i64().and_then(|second| Timestamp::from_second(second).ok());
            at.map_or_else(|| number.to_string(), |at| at.strftime("%a %b %d %H:%M:%S UTC %Y").to_string())
        }
        other => other.to_string(),
    }
}

fn text_of(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

/// Random, not secret; falls back to the clock where the system has no randomness.
fn request_id(since_epoch: Duration) -> String {
    let mut bytes = [0; 16];
    if getrandom::fill(&mut bytes).is_err() {
        bytes = since_epoch.as_nanos().to_be_bytes();
    }
    uuid::Builder::from_random_bytes(bytes).into_uuid().to_string()
}
