//! Every error as an RFC 9457 problem document; the only place that chooses an error status.

use crate::view::ProblemType;
use aws::bus::NotPublished;
use aws::failure::{Failure, chain};
use axum::Json;
use axum::http::header::{CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE};
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use strum::{IntoStaticStr, VariantNames};
use utoipa::{IntoResponses, ToSchema};

/// What went wrong with a request, or with the world while it was served.
#[derive(Debug, IntoStaticStr, VariantNames)]
#[strum(serialize_all = "kebab-case")]
pub enum Problem {
    BadInput(Vec<FieldError>),
    /// No valid token.
    Unauthorized,
    /// The user is unknown here, disabled, or in a role that may not do this.
    Forbidden,
    TenantSuspended,
    StationClosed,
    NotFound,
    UnknownBadge,
    UnknownEmployee,
    UnknownStation,
    MethodNotAllowed,
    BodyTooLarge,
    UnsupportedMediaType,
    /// The key was used for another request.
    #[strum(serialize = "idempotency-key-reused")]
    KeyReused,
    /// The tenant has no topic and queues.
    NoPlace,
    /// It changed since it was read.
    PreconditionFailed,
    /// The tenant has no topic (yet), or commands of this kind do not reach its queue yet.
    TenantNotReady,
    Unavailable(Failure),
    Internal(Failure),
}

/// One wrong part of a request; exactly one of `pointer`, `header` and `parameter` says where.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct FieldError {
    /// JSON pointer (RFC 6901) into the body.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pointer: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub header: Option<&'static str>,
    /// Of the query or the path.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub parameter: Option<String>,
    /// Stable: of a key `not-uuid-v7`, `too-old` or `too-far-ahead`, which a client may have to tell apart.
    #[serde(rename = "type", skip_serializing_if = "Option::is_none")]
    #[schema(example = "too-far-ahead")]
    pub kind: Option<&'static str>,
    pub detail: String,
}

impl FieldError {
    pub fn at_pointer(pointer: impl Into<String>, detail: impl ToString) -> Self {
        Self { pointer: Some(pointer.into()), ..Self::nowhere(detail) }
    }

    pub fn at_header(header: &'static str, detail: impl ToString) -> Self {
        Self { header: Some(header), ..Self::nowhere(detail) }
    }

    pub fn at_parameter(parameter: impl Into<String>, detail: impl ToString) -> Self {
        Self { parameter: Some(parameter.into()), ..Self::nowhere(detail) }
    }

    fn nowhere(detail: impl ToString) -> Self {
        Self { pointer: None, header: None, parameter: None, kind: None, detail: detail.to_string() }
    }
}

/// A problem document.
#[derive(Debug, Serialize, ToSchema)]
pub struct ProblemDocument {
    /// Stable; what clients tell problems apart by.
    #[serde(rename = "type")]
    #[schema(value_type = ProblemType)]
    kind: String,
    title: &'static str,
    status: u16,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    errors: Vec<FieldError>,
}

/// What any route may answer besides its own.
#[derive(IntoResponses)]
#[expect(dead_code, reason = "only its description is used")]
pub(crate) enum Problems {
    #[response(
        status = 400,
        description = "Wrong input; every wrong field is named",
        content_type = "application/problem+json"
    )]
    BadInput(ProblemDocument),
    #[response(status = 401, description = "No valid token", content_type = "application/problem+json")]
    Unauthorized(ProblemDocument),
    #[response(
        status = 403,
        description = "Not for this user or this role",
        content_type = "application/problem+json"
    )]
    Forbidden(ProblemDocument),
    #[response(
        status = 404,
        description = "Not there, or not yours",
        content_type = "application/problem+json"
    )]
    NotFound(ProblemDocument),
    #[response(
        status = 429,
        description = "Too much for the moment: send the same again",
        headers(("Retry-After" = u32, description = "When, in seconds")),
        content_type = "application/problem+json"
    )]
    TooManyRequests(ProblemDocument),
    #[response(
        status = 500,
        description = "Something is wrong on our side: the same again may find it mended",
        content_type = "application/problem+json"
    )]
    Internal(ProblemDocument),
    #[response(
        status = 503,
        description = "Not for the moment: send the same again",
        headers(("Retry-After" = u32, description = "When, in seconds")),
        content_type = "application/problem+json"
    )]
    Unavailable(ProblemDocument),
}

/// What any question with a body may answer besides.
#[derive(IntoResponses)]
#[expect(dead_code, reason = "only its description is used")]
pub(crate) enum BodyProblems {
    #[response(status = 413, description = "More than 64 KiB", content_type = "application/problem+json")]
    TooLarge(ProblemDocument),
    #[response(status = 415, description = "Not JSON", content_type = "application/problem+json")]
    UnsupportedMediaType(ProblemDocument),
}

/// What any command may answer besides.
#[derive(IntoResponses)]
#[expect(dead_code, reason = "only its description is used")]
pub(crate) enum CommandProblems {
    #[response(status = 413, description = "More than 64 KiB", content_type = "application/problem+json")]
    TooLarge(ProblemDocument),
    #[response(status = 415, description = "Not JSON", content_type = "application/problem+json")]
    UnsupportedMediaType(ProblemDocument),
    #[response(
        status = 422,
        description = "The key was used for another request",
        content_type = "application/problem+json"
    )]
    KeyReused(ProblemDocument),
}

/// What a conditional change may answer besides.
#[derive(IntoResponses)]
#[response(
    status = 412,
    description = "Somebody had changed it since it was read; nothing was enqueued",
    content_type = "application/problem+json"
)]
#[expect(dead_code, reason = "only its description is used")]
pub(crate) struct PreconditionProblem(ProblemDocument);

/// The media type of problem documents.
pub const PROBLEM_JSON: &str = "application/problem+json";
const TYPE_PREFIX: &str = "urn:internal-pos:problem:";
/// What API Gateway answers with before any function is asked.
const TOO_MANY_REQUESTS: &str = "too-many-requests";

impl Problem {
    /// One wrong field.
    pub fn field(error: FieldError) -> Self {
        Problem::BadInput(vec![error])
    }

    /// The stable name.
    fn name(&self) -> &'static str {
        self.into()
    }

    /// Status and title.
    fn describe(&self) -> (StatusCode, &'static str) {
        match self {
            Problem::BadInput(_) => (StatusCode::BAD_REQUEST, "The request is not well formed"),
            Problem::Unauthorized => (StatusCode::UNAUTHORIZED, "A valid Cognito id token is required"),
            Problem::Forbidden => (StatusCode::FORBIDDEN, "This user may not do this"),
            Problem::TenantSuspended => (StatusCode::FORBIDDEN, "The tenant is suspended and sells nothing"),
            Problem::StationClosed => (StatusCode::FORBIDDEN, "This station is closed and sells nothing"),
            Problem::NotFound => (StatusCode::NOT_FOUND, "There is no such thing here"),
            Problem::UnknownBadge => (StatusCode::NOT_FOUND, "No such badge"),
            Problem::UnknownEmployee => (StatusCode::NOT_FOUND, "No such employee"),
            Problem::UnknownStation => (StatusCode::NOT_FOUND, "No such station"),
            Problem::MethodNotAllowed => {
                (StatusCode::METHOD_NOT_ALLOWED, "This resource does not take that method")
            }
            Problem::BodyTooLarge => (StatusCode::PAYLOAD_TOO_LARGE, "A body has at most 65536 bytes"),
            Problem::UnsupportedMediaType => (StatusCode::UNSUPPORTED_MEDIA_TYPE, "Send application/json"),
            Problem::KeyReused => (StatusCode::UNPROCESSABLE_ENTITY, "This key was used for another request"),
            Problem::NoPlace => {
                (StatusCode::CONFLICT, "The tenant's topic and queues are not there; they come first")
            }
            Problem::PreconditionFailed => {
                (StatusCode::PRECONDITION_FAILED, "Somebody changed it since it was read; read it again")
            }
            Problem::TenantNotReady => {
                (StatusCode::SERVICE_UNAVAILABLE, "The tenant is not ready for this yet")
            }
            Problem::Unavailable(_) => {
                (StatusCode::SERVICE_UNAVAILABLE, "Busy for the moment; send the same again")
            }
            Problem::Internal(_) => (StatusCode::INTERNAL_SERVER_ERROR, "Something is wrong on our side"),
        }
    }

    /// When to send the same again, in seconds.
    fn retry_after(&self) -> Option<HeaderValue> {
        match self {
            Problem::Unavailable(_) => Some(HeaderValue::from_static("1")),
            // A topic's filters take up to a quarter of an hour to apply.
            Problem::TenantNotReady => Some(HeaderValue::from_static("30")),
            _ => None,
        }
    }
}

/// The type of each problem, those included that the gateway in front answers with.
pub(crate) fn types() -> Vec<String> {
    [Problem::VARIANTS, &[TOO_MANY_REQUESTS]].concat().into_iter().map(kind).collect()
}

fn kind(name: &str) -> String {
    format!("{TYPE_PREFIX}{name}")
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let ((status, title), name, retry_after) = (self.describe(), self.name(), self.retry_after());
        let errors = match self {
            Problem::BadInput(errors) => errors,
            Problem::Unavailable(failure) => {
                tracing::warn!(error = %chain(&failure), "answered unavailable");
                vec![]
            }
            Problem::Internal(failure) => {
                tracing::error!(error = %chain(&failure), "answered internal error");
                vec![]
            }
            _ => vec![],
        };
        let document = ProblemDocument { kind: kind(name), title, status: status.as_u16(), errors };
        let mut response = (status, Json(document)).into_response();
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(PROBLEM_JSON));
        if let Some(seconds) = retry_after {
            headers.insert(RETRY_AFTER, seconds);
        }
        if status == StatusCode::UNAUTHORIZED {
            headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        response
    }
}

impl From<Failure> for Problem {
    fn from(failure: Failure) -> Self {
        if failure.is_transient() { Problem::Unavailable(failure) } else { Problem::Internal(failure) }
    }
}

impl From<NotPublished> for Problem {
    fn from(error: NotPublished) -> Self {
        match error {
            NotPublished::NoTopic => Problem::TenantNotReady,
            NotPublished::Failure(failure) => failure.into(),
        }
    }
}
