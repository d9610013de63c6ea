//! From token claims to `Caller`; the only source of a `TenantId` in a request.
//!
//! The token names tenant and user. Role, scope and status come from the user's item, read with
//! every request, so that a change counts at once and not when a token expires.

use crate::app::App;
use crate::description::Parameters;
use crate::etag::MATCH_HEADER;
use crate::problem::{FieldError, Problem};
use aws::failure::Failure;
use aws::items;
use aws::keys::{self, Key};
use aws::table::{Found, Table};
use aws::user_pool::TENANT_ATTRIBUTE;
use axum::extract::FromRequestParts;
use axum::http::header::IF_MATCH;
use axum::http::request::Parts;
use domain::id::{TenantId, UserName};
use domain::role::{Caller, Role, RoleKind, Status};
use domain::tenant::Tenant;
use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use lambda_http::request::RequestContext;
use serde_json::Value;
use std::sync::LazyLock;

const USER_CLAIM: &str = "cognito:username";

/// Whom a route admits, and what it may be asked with; every route carries them, see `routes`.
#[derive(Debug, Clone, Copy)]
pub struct Terms {
    pub admits: &'static [RoleKind],
    pub parameters: &'static LazyLock<Parameters>,
}

/// Who the token says is asking. Worth nothing until it became a [`Caller`].
#[derive(Debug, Clone)]
pub struct Identity {
    tenant: TenantId,
    user: UserName,
    signed_in_at: Timestamp,
    admits: &'static [RoleKind],
}

impl FromRequestParts<App> for Identity {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Problem> {
        let claims = claims(parts).ok_or(Problem::Unauthorized)?;
        let claim = |name: &str| claims.get(name).and_then(Value::as_str).ok_or(Problem::Unauthorized);
        if claim("aud")? != app.client_id || claim("token_use")? != "id" {
            return Err(Problem::Unauthorized);
        }
        let tenant: TenantId = claim(TENANT_ATTRIBUTE)?.parse().map_err(|_| Problem::Unauthorized)?;
        tracing::Span::current().record("tenant.id", tenant.as_str());
        let user = claim(USER_CLAIM)?.parse().map_err(|_| Problem::Unauthorized)?;
        let signed_in_at = instant(claim("auth_time")?).ok_or(Problem::Unauthorized)?;
        let terms = parts.extensions.get::<Terms>().ok_or(Problem::Forbidden)?;
        terms.check(parts)?;
        Ok(Self { tenant, user, signed_in_at, admits: terms.admits })
    }
}

impl Terms {
    /// What nobody reads is refused: a filter that is misspelt would let everything through, and so would a
    /// condition.
    fn check(&self, parts: &Parts) -> Result<(), Problem> {
        let names = form_urlencoded::parse(parts.uri.query().unwrap_or_default().as_bytes());
        let is_read = |name: &str| self.parameters.names.iter().any(|known| known == name);
        let unknown = names.map(|(name, _)| name).filter(|name| !is_read(name));
        let wrong = |name| FieldError::at_parameter(name, "is no parameter of this operation");
        let mut errors: Vec<_> = unknown.map(wrong).collect();
        if parts.headers.contains_key(IF_MATCH) && !self.parameters.has_condition {
            errors.push(FieldError::at_header(MATCH_HEADER, "is no condition of this operation"));
        }
        if errors.is_empty() { Ok(()) } else { Err(Problem::BadInput(errors)) }
    }
}

/// The claims of a token that API Gateway's Cognito authorizer has verified.
pub fn claims(parts: &Parts) -> Option<&Value> {
    match parts.extensions.get::<RequestContext>()? {
        RequestContext::ApiGatewayV1(context) => context.authorizer.fields.get("claims"),
        _ => None,
    }
}

/// As API Gateway's authorizer writes one: a date in words, or seconds since the epoch.
pub(crate) fn instant(claim: &str) -> Option<Timestamp> {
    if let Ok(second) = claim.parse() {
        return Timestamp::from_second(second).ok();
    }
    let at = DateTime::strptime("%a %b %d %H:%M:%S UTC %Y", claim).ok()?;
    at.to_zoned(TimeZone::UTC).ok().map(|at| at.timestamp())
}

/// The tenant that a path names: any for the platform, their own for everybody else.
pub fn named_tenant(caller: &Caller, text: &str) -> Result<TenantId, Problem> {
    let named: TenantId = text.parse().map_err(|_| Problem::NotFound)?;
    let may_name = caller.role == Role::Platform || named == caller.tenant;
    if may_name { Ok(named) } else { Err(Problem::NotFound) }
}

/// The tenant that a path of the platform's names, and that may not be there yet. Where others may call the
/// route, it is [`named_tenant`].
pub fn tenant_to_be(text: &str) -> Result<TenantId, Problem> {
    text.parse().map_err(|error| Problem::field(FieldError::at_parameter("id", error)))
}

impl Identity {
    /// For keys of what the caller's tenant owns.
    pub fn tenant(&self) -> &TenantId {
        &self.tenant
    }

    /// The caller and their tenant, if the user's item admits them to this route.
    pub async fn admit(&self, table: &Table) -> Result<(Caller, Tenant), Problem> {
        let (caller, tenant, _) = self.admit_with(table, []).await?;
        Ok((caller, tenant))
    }

    /// The same, and what stands under `wanted`, in one read.
    pub async fn admit_with(
        &self,
        table: &Table,
        wanted: impl IntoIterator<Item = Key>,
    ) -> Result<(Caller, Tenant, Found), Problem> {
        let [user_key, tenant_key] = [keys::user(&self.tenant, &self.user), keys::tenant(&self.tenant)];
        let own = [user_key.clone(), tenant_key.clone()];
        let mut found = table.read(own.into_iter().chain(wanted)).await?;
        let stored = found.take(&user_key).map(|item| items::stored_user(&self.user, item)).transpose()?;
        let user = stored.filter(|user| user.status == Status::Active).ok_or(Problem::Forbidden)?;
        if !user.is_signed_in_since(self.signed_in_at) {
            return Err(Problem::Unauthorized);
        }
        if !self.admits.contains(&user.role.kind()) {
            return Err(Problem::Forbidden);
        }
        let tenant =
            found.take(&tenant_key).ok_or_else(|| Failure::malformed("read a tenant", "it is missing"))?;
        let tenant = items::stored_tenant(&self.tenant, tenant)?;
        Ok((Caller { tenant: self.tenant.clone(), user: user.name, role: user.role }, tenant, found))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(claim: &str, expected: Option<i64>) {
        assert_eq!(instant(claim).map(Timestamp::as_second), expected, "{claim}");
    }

    #[test]
    fn an_instant_is_what_the_gateway_says() {
        check("Tue Nov 24 20:00:00 UTC 2026", Some(1_795_550_400));
        check("Sun Mar 01 00:00:01 UTC 2026", Some(1_772_323_201));
        check("1795550400", Some(1_795_550_400));
        check("tomorrow", None);
        check("", None);
    }
}
