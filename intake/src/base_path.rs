//! What stands before a route in the URL that the client called: `/<stage>` behind API Gateway's own
//! name, nothing behind a name of ours.

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use lambda_http::request::RequestContext;
use std::convert::Infallible;

#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct BasePath(String);

impl BasePath {
    /// The path of a route, as this client reaches it.
    pub fn join(&self, path: &str) -> String {
        format!("{}{path}", self.0)
    }

    fn before(route: &str, called: Option<&str>) -> Self {
        Self(called.and_then(|called| called.strip_suffix(route)).unwrap_or_default().to_owned())
    }
}

impl<S: Sync> FromRequestParts<S> for BasePath {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        let called = match parts.extensions.get::<RequestContext>() {
            Some(RequestContext::ApiGatewayV1(context)) => context.path.as_deref(),
            _ => None,
        };
        Ok(Self::before(parts.uri.path(), called))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(route: &str, called: Option<&str>, location: &str) {
        assert_eq!(BasePath::before(route, called).join("/v1/employees/7"), location);
    }

    #[test]
    fn a_location_leads_where_the_client_came_from() {
        check("/v1/checkouts", Some("/dev/v1/checkouts"), "/dev/v1/employees/7");
        check("/v1/checkouts", Some("/v1/checkouts"), "/v1/employees/7");
        check("/v1/checkouts", Some("/elsewhere"), "/v1/employees/7");
        check("/v1/checkouts", None, "/v1/employees/7");
    }
}
