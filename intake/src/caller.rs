//! From token claims to `Caller`; the only source of a `TenantId` in a request.
//!
//! The token names tenant and user. Role, scope and status come from the user's item, read with
//! every request, so that a change counts at once and not when a token expires.

use crate::app::App;
use crate::problem::Problem;
use aws::failure::Failure;
use aws::items::{self, Item};
use aws::keys::{self, Key};
use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use domain::id::{TenantId, UserName};
use domain::role::{Caller, RoleKind, Status};
use lambda_http::request::RequestContext;
use serde_json::Value;

/// The custom claim that names the tenant, and where Cognito puts the user's name.
pub const USER_POOL_CLAIMS: [&str; 2] = ["custom:tenant_id", "cognito:username"];

/// The roles that a route admits; every route carries one, see `routes`.
#[derive(Debug, Clone, Copy)]
pub struct Admits(pub &'static [RoleKind]);

/// Who the token says is asking. Worth nothing until it became a [`Caller`].
#[derive(Debug, Clone)]
pub struct Identity {
    tenant: TenantId,
    user: UserName,
    admits: Admits,
}

impl FromRequestParts<App> for Identity {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Problem> {
        let claims = claims(parts).ok_or(Problem::Unauthorized)?;
        let claim = |name: &str| claims.get(name).and_then(Value::as_str).ok_or(Problem::Unauthorized);
        if claim("aud")? != app.client_id || claim("token_use")? != "id" {
            return Err(Problem::Unauthorized);
        }
        let [tenant, user] = USER_POOL_CLAIMS;
        let admits = *parts.extensions.get::<Admits>().ok_or(Problem::Forbidden)?;
        Ok(Self {
            tenant: claim(tenant)?.parse().map_err(|_| Problem::Unauthorized)?,
            user: claim(user)?.parse().map_err(|_| Problem::Unauthorized)?,
            admits,
        })
    }
}

/// The claims of a token that API Gateway's Cognito authorizer has verified.
fn claims(parts: &Parts) -> Option<&Value> {
    match parts.extensions.get::<RequestContext>()? {
        RequestContext::ApiGatewayV1(context) => context.authorizer.fields.get("claims"),
        _ => None,
    }
}

impl Identity {
    /// For keys of what the caller's tenant owns.
    pub fn tenant(&self) -> &TenantId {
        &self.tenant
    }

    pub fn user_key(&self) -> Key {
        keys::user(&self.tenant, &self.user)
    }

    /// The caller, if the user's item admits them to this route.
    pub fn caller(&self, user: Option<Item>) -> Result<Caller, Problem> {
        let stored = user.map(|item| items::stored_user(&self.user, item)).transpose()?;
        let user = stored.filter(|user| user.status == Status::Active).ok_or(Problem::Forbidden)?;
        if !self.admits.0.contains(&user.role.kind()) {
            return Err(Problem::Forbidden);
        }
        Ok(Caller { tenant: self.tenant.clone(), user: user.name, role: user.role })
    }
}

/// An item that must be there whenever its tenant is.
pub fn required(item: Option<Item>, what: &'static str) -> Result<Item, Problem> {
    item.ok_or_else(|| Problem::Internal(Failure::malformed("read a tenant's items", what)))
}
