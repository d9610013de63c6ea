//! A command's request, head and body, parsed once: whatever is wrong with it is said in one answer.

use crate::app::App;
use crate::body::{self, Errors, Fields};
use crate::problem::{FieldError, Problem};
use axum::body::Bytes;
use axum::extract::{FromRequest, Request};
use axum::http::HeaderMap;
use axum::response::{IntoResponse, Response};
use domain::id::{CommandId, InvalidKey};
use jiff::Timestamp;
use serde::Deserialize;
use utoipa::openapi::path::{Parameter, ParameterIn};
use utoipa::{IntoParams, ToSchema};

pub const KEY_HEADER: &str = "Idempotency-Key";
pub const PREFER_HEADER: &str = "Prefer";

/// The head of a command.
pub(crate) struct CommandParameters;

impl IntoParams for CommandParameters {
    fn into_params(at: impl Fn() -> Option<ParameterIn>) -> Vec<Parameter> {
        [KeyParameter::into_params(&at), PreferParameter::into_params(&at)].concat()
    }
}

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Header)]
#[expect(dead_code, reason = "only its description is used")]
struct PreferParameter {
    /// `wait=N`: the outcome itself, if it is there within N (at most 5) seconds.
    #[param(rename = "Prefer", example = "wait=5")]
    prefer: Option<String>,
}

/// The head of a command whose outcome nobody waits for.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Header)]
#[expect(dead_code, reason = "only its description is used")]
pub(crate) struct KeyParameter {
    /// A UUIDv7 that the client makes and keeps: no older than 72 hours and no more than 5 minutes ahead. It
    /// is good for one request of one user: by another user, the same is another request. A 4xx to what was
    /// sent before says nothing of what came of it then.
    #[param(rename = "Idempotency-Key", example = "01900000-0000-7000-8000-000000000000")]
    idempotency_key: String,
}

/// Why it is asked for.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({ "reason": "rung up twice" }))]
#[expect(dead_code, reason = "only its description is used")]
pub(crate) struct ReasonRequest {
    #[schema(min_length = 1, max_length = 200)]
    reason: String,
}

/// Key and body of a command.
pub fn command<T>(
    headers: &HeaderMap,
    body: &[u8],
    now: Timestamp,
    read: impl FnOnce(&mut Fields<'_>, &Errors) -> Option<T>,
) -> Result<(CommandId, T), Problem> {
    body::check_content_type(headers)?;
    let errors = Errors::default();
    let id = key(headers, now).map_err(|error| errors.add(error));
    let asked = object(body, &errors, read);
    let both = id.ok().zip(asked);
    errors.into_result(both)
}

/// The body of a request that changes nothing: a quote, a preview.
pub fn query<T>(
    headers: &HeaderMap,
    body: &[u8],
    read: impl FnOnce(&mut Fields<'_>, &Errors) -> Option<T>,
) -> Result<T, Problem> {
    body::check_content_type(headers)?;
    let errors = Errors::default();
    let asked = object(body, &errors, read);
    errors.into_result(asked)
}

/// The key of a command whose path says everything.
pub fn bodiless(headers: &HeaderMap, now: Timestamp) -> Result<CommandId, Problem> {
    key(headers, now).map_err(Problem::field)
}

/// The body of a request whose path says everything: none.
#[derive(Debug)]
pub struct NoBody;

impl FromRequest<App> for NoBody {
    type Rejection = Response;

    async fn from_request(request: Request, app: &App) -> Result<Self, Response> {
        let body = Bytes::from_request(request, app).await.map_err(IntoResponse::into_response)?;
        if body.is_empty() {
            return Ok(Self);
        }
        Err(Problem::field(FieldError::at_pointer("", "must be empty")).into_response())
    }
}

fn object<T>(
    body: &[u8],
    errors: &Errors,
    read: impl FnOnce(&mut Fields<'_>, &Errors) -> Option<T>,
) -> Option<T> {
    let mut fields = Fields::new("", body::parse(body, errors)?, errors);
    let asked = read(&mut fields, errors);
    fields.no_more();
    asked
}

fn key(headers: &HeaderMap, now: Timestamp) -> Result<CommandId, FieldError> {
    let mut keys = headers.get_all(KEY_HEADER).iter();
    let (Some(key), None) = (keys.next(), keys.next()) else {
        return Err(FieldError::at_header(KEY_HEADER, "is required, exactly once"));
    };
    let wrong = |error: InvalidKey| {
        let kind = Some(error.name());
        FieldError { kind, ..FieldError::at_header(KEY_HEADER, error) }
    };
    let id: CommandId = key.to_str().unwrap_or_default().parse().map_err(wrong)?;
    id.check_age(now).map_err(wrong)?;
    Ok(id)
}
