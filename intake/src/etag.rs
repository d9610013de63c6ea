//! Conditional requests: every read has a strong `ETag`, with `304` for whoever has it already, and some
//! changes are made only where what was read still stands.

use crate::problem::{FieldError, Problem};
use aws::failure::Failure;
use axum::body::{Body, to_bytes};
use axum::extract::Request;
use axum::http::header::{CACHE_CONTROL, CONTENT_LENGTH, CONTENT_TYPE, ETAG, IF_MATCH, IF_NONE_MATCH, VARY};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use sha2::{Digest, Sha256};
use utoipa::IntoParams;

/// Answers reads under the `ETag` that their route gave them, or else one that is made from their bytes. Only
/// what a route names by its version may be kept by a cache: other reads tell of people.
pub async fn conditional(request: Request, next: Next) -> Response {
    if request.method() != Method::GET {
        return next.run(request).await;
    }
    let known: Vec<_> = request.headers().get_all(IF_NONE_MATCH).iter().cloned().collect();
    let response = next.run(request).await;
    if response.status() != StatusCode::OK {
        return response;
    }
    tagged(response, &known).await.unwrap_or_else(|failure| Problem::from(failure).into_response())
}

async fn tagged(response: Response, known: &[HeaderValue]) -> Result<Response, Failure> {
    let (mut head, body) = response.into_parts();
    let body =
        to_bytes(body, usize::MAX).await.map_err(|error| Failure::malformed("read an answer", error))?;
    let etag = match head.headers.remove(ETAG) {
        Some(etag) => {
            head.headers.insert(CACHE_CONTROL, HeaderValue::from_static("private, no-cache"));
            etag
        }
        None => strong(&digest(&body))?,
    };
    let is_known = has(known, &etag);
    head.headers.insert(ETAG, etag);
    head.headers.insert(VARY, HeaderValue::from_static("authorization, accept"));
    if !is_known {
        return Ok(Response::from_parts(head, Body::from(body)));
    }
    head.status = StatusCode::NOT_MODIFIED;
    head.headers.remove(CONTENT_TYPE);
    head.headers.remove(CONTENT_LENGTH);
    Ok(Response::from_parts(head, Body::empty()))
}

fn digest(body: &[u8]) -> String {
    Sha256::digest(body).iter().take(16).map(|byte| format!("{byte:02x}")).collect()
}

/// The `ETag` that names a version.
pub fn strong(version: &str) -> Result<HeaderValue, Failure> {
    HeaderValue::try_from(format!("\"{version}\""))
        .map_err(|error| Failure::malformed("write an ETag", error))
}

pub const MATCH_HEADER: &str = "If-Match";

/// What a conditional change may be asked with.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Header)]
#[expect(dead_code, reason = "only its description is used")]
pub(crate) struct MatchParameters {
    /// The `ETag` of what was read before; it is changed only if it still stands so.
    #[param(rename = "If-Match")]
    if_match: Option<String>,
}

/// The one strong tag that a change asks for; none is no condition, and neither is `*` where there is always
/// something.
pub fn if_match(request: &HeaderMap) -> Result<Option<&str>, Problem> {
    let mut tags = request.get_all(IF_MATCH).iter();
    let tag = match (tags.next(), tags.next()) {
        (None, _) => return Ok(None),
        (Some(tag), None) => tag.to_str().ok().map(str::trim),
        (Some(_), Some(_)) => None,
    };
    if tag == Some("*") {
        return Ok(None);
    }
    let tag = tag.and_then(|tag| tag.strip_prefix('"')?.strip_suffix('"')).filter(|tag| !tag.contains('"'));
    let wrong = || Problem::field(FieldError::at_header(MATCH_HEADER, "must be one strong entity tag, or *"));
    tag.map(Some).ok_or_else(wrong)
}

/// Weak comparison, as `If-None-Match` asks for.
fn has(known: &[HeaderValue], etag: &HeaderValue) -> bool {
    let etag = etag.to_str().unwrap_or_default();
    let lists = known.iter().filter_map(|value| value.to_str().ok());
    lists
        .flat_map(|list| list.split(','))
        .map(str::trim)
        .any(|candidate| candidate == "*" || candidate.strip_prefix("W/").unwrap_or(candidate) == etag)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(if_none_match: &str, is_known: bool) {
        let known = [if_none_match.parse().unwrap()];
        assert_eq!(has(&known, &strong("3.1").unwrap()), is_known, "{if_none_match:?}");
    }

    #[test]
    fn a_change_asks_for_one_strong_tag() {
        let asked = |value: &str| {
            let headers = HeaderMap::from_iter([(IF_MATCH, value.parse().unwrap())]);
            if_match(&headers).map(|tag| tag.map(str::to_owned)).map_err(|_| ())
        };
        assert_eq!(asked("\"3.1\""), Ok(Some("3.1".to_owned())));
        assert_eq!(asked("*"), Ok(None));
        for wrong in ["3.1", "W/\"3.1\"", "\"3.1\", \"3.2\"", ""] {
            assert_eq!(asked(wrong), Err(()), "{wrong}");
        }
    }

    #[test]
    fn whoever_has_it_is_told_so() {
        check("\"3.1\"", true);
        check("W/\"3.1\"", true);
        check("\"3.0\", \"3.1\"", true);
        check("*", true);
        check("\"3.0\"", false);
        check("3.1", false);
    }
}
