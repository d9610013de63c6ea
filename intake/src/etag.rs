//! Conditional reads: a strong `ETag`, and `304` for whoever has it already.

use crate::problem::{FieldError, Problem};
use aws::failure::Failure;
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE, ETAG, IF_MATCH, IF_NONE_MATCH, VARY};
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use utoipa::IntoParams;

const JSON: &str = "application/json";

/// Answers `body` under an `ETag` made from its bytes.
pub fn by_content(request: &HeaderMap, body: &impl Serialize) -> Result<Response, Problem> {
    let json = to_json(body)?;
    let digest = Sha256::digest(&json);
    let tag: String = digest.iter().take(16).map(|byte| format!("{byte:02x}")).collect();
    of_file(request, &tag, JSON, json)
}

/// Answers `body` under an `ETag` that its version names.
pub fn by_version(request: &HeaderMap, version: &str, body: &impl Serialize) -> Result<Response, Problem> {
    of_file(request, version, JSON, to_json(body)?)
}

fn to_json(body: &impl Serialize) -> Result<Vec<u8>, Problem> {
    serde_json::to_vec(body).map_err(|error| Failure::malformed("write a body", error).into())
}

/// Answers bytes of a type under an `ETag`.
pub fn of_file(
    request: &HeaderMap,
    tag: &str,
    content_type: &'static str,
    file: Vec<u8>,
) -> Result<Response, Problem> {
    let etag = HeaderValue::try_from(format!("\"{tag}\""))
        .map_err(|error| Failure::malformed("write an ETag", error))?;
    let mut response = if has(request, &etag) {
        StatusCode::NOT_MODIFIED.into_response()
    } else {
        ([(CONTENT_TYPE, content_type)], file).into_response()
    };
    response.headers_mut().insert(ETAG, etag);
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("private, no-cache"));
    response.headers_mut().insert(VARY, HeaderValue::from_static("authorization"));
    Ok(response)
}

/// What a conditional read may be asked with.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Header)]
#[expect(dead_code, reason = "only its description is used")]
pub(crate) struct ConditionalParameters {
    /// The `ETag` of what the client has.
    #[param(rename = "If-None-Match")]
    if_none_match: Option<String>,
}

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
    let wrong = || Problem::field(FieldError::at_header("If-Match", "must be one strong entity tag, or *"));
    tag.map(Some).ok_or_else(wrong)
}

/// Weak comparison, as `If-None-Match` asks for.
fn has(request: &HeaderMap, etag: &HeaderValue) -> bool {
    let etag = etag.to_str().unwrap_or_default();
    let lists = request.get_all(IF_NONE_MATCH).iter().filter_map(|value| value.to_str().ok());
    lists
        .flat_map(|list| list.split(','))
        .map(str::trim)
        .any(|candidate| candidate == "*" || candidate.strip_prefix("W/").unwrap_or(candidate) == etag)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(if_none_match: &str, status: u16) {
        let headers = HeaderMap::from_iter([(IF_NONE_MATCH, if_none_match.parse().unwrap())]);
        let response = by_version(&headers, "3.1", &"body").unwrap();
        assert_eq!(response.status(), status, "{if_none_match:?}");
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
        check("\"3.1\"", 304);
        check("W/\"3.1\"", 304);
        check("\"3.0\", \"3.1\"", 304);
        check("*", 304);
        check("\"3.0\"", 200);
        check("3.1", 200);
    }
}
