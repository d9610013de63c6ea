//! The user pool and its users, made through the Cognito API alone, so it would do the same on AWS.
//!
//! Invariant: every step looks before it acts, so a run that was cut short anywhere is finished by the next.

use aws::user_pool::TENANT_ATTRIBUTE;
use aws_sdk_cognitoidentityprovider::{
    Client,
    error::{BuildError, DisplayErrorContext, ProvideErrorMetadata, SdkError},
    types::{
        AdminCreateUserConfigType, AttributeDataType, AttributeType, ExplicitAuthFlowsType,
        MessageActionType, PasswordPolicyType, PreventUserExistenceErrorTypes, SchemaAttributeType,
        StringAttributeConstraintsType, TimeUnitsType, TokenValidityUnitsType, UserPoolPolicyType,
        UserStatusType,
    },
};

/// A shift is longer than an hour, but a role taken away counts at once anyway: it is not in the token.
pub const ID_TOKEN_S: i32 = 3_600;
pub const REFRESH_TOKEN_S: i32 = 30 * 24 * 3_600;

/// NIST SP 800-63B asks for length before character classes; terminals type these once a shift.
pub const PASSWORD_LENGTH_MIN: i32 = 12;

/// Cognito's page limit for pools and clients.
const PAGE: i32 = 60;
/// Cognito's quota of 1,000 user pools an account (and of app clients a pool), in such pages.
const PAGES_MAX: usize = 17;

#[derive(Debug, thiserror::Error)]
pub enum UsersError {
    #[error("Cognito refused {action}: {reason}")]
    Refused { action: &'static str, reason: String },
    #[error("Cognito's answer to {action} lacks {field}")]
    Incomplete { action: &'static str, field: &'static str },
    #[error("{action} went on past {PAGES_MAX} pages")]
    Endless { action: &'static str },
    #[error("the user belongs to another tenant")]
    AnotherTenant,
    #[error("a request could not be built")]
    Request(#[from] BuildError),
}

/// What a client needs to sign in, and a gateway to check tokens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PoolIds {
    pub pool_id: String,
    pub client_id: String,
}

/// The pool called `name` and its app client of the same name, made when absent.
pub async fn ensure_pool(cognito: &Client, name: &str) -> Result<PoolIds, UsersError> {
    let pool_id = match find_pool(cognito, name).await? {
        Some(id) => id,
        None => create_pool(cognito, name).await?,
    };
    let client_id = match find_client(cognito, &pool_id, name).await? {
        Some(id) => id,
        None => create_client(cognito, &pool_id, name).await?,
    };
    Ok(PoolIds { pool_id, client_id })
}

/// The pool and app client called `name`, where both are there.
pub async fn find(cognito: &Client, name: &str) -> Result<Option<PoolIds>, UsersError> {
    let Some(pool_id) = find_pool(cognito, name).await? else { return Ok(None) };
    let client_id = find_client(cognito, &pool_id, name).await?;
    Ok(client_id.map(|client_id| PoolIds { pool_id, client_id }))
}

/// A user of `tenant_id` who signs in with `password` from the start, and whether they had to be given it. A
/// user who is there and confirmed keeps the password they have; one of another tenant is an error.
pub async fn ensure_user(
    cognito: &Client,
    pool: &PoolIds,
    username: &str,
    password: &str,
    tenant_id: &str,
) -> Result<bool, UsersError> {
    match find_user(cognito, pool, username).await? {
        Some(user) if user.tenant_id.as_deref() != Some(tenant_id) => return Err(UsersError::AnotherTenant),
        Some(user) if user.confirmed => return Ok(false),
        Some(_) => {}
        None => create_user(cognito, pool, username, tenant_id).await?,
    }
    cognito
        .admin_set_user_password()
        .user_pool_id(&pool.pool_id)
        .username(username)
        .password(password)
        .permanent(true)
        .send()
        .await
        .map_err(refused("AdminSetUserPassword"))?;
    Ok(true)
}

struct User {
    tenant_id: Option<String>,
    confirmed: bool,
}

async fn find_user(cognito: &Client, pool: &PoolIds, username: &str) -> Result<Option<User>, UsersError> {
    let found = cognito.admin_get_user().user_pool_id(&pool.pool_id).username(username).send().await;
    let user = match found {
        Err(error) if error.as_service_error().is_some_and(|e| e.is_user_not_found_exception()) => {
            return Ok(None);
        }
        found => found.map_err(refused("AdminGetUser"))?,
    };
    let tenant = user.user_attributes().iter().find(|attribute| attribute.name() == TENANT_ATTRIBUTE);
    Ok(Some(User {
        tenant_id: tenant.and_then(|attribute| attribute.value()).map(str::to_owned),
        confirmed: user.user_status() == Some(&UserStatusType::Confirmed),
    }))
}

async fn create_user(
    cognito: &Client,
    pool: &PoolIds,
    username: &str,
    tenant_id: &str,
) -> Result<(), UsersError> {
    let tenant = AttributeType::builder().name(TENANT_ATTRIBUTE).value(tenant_id).build()?;
    cognito
        .admin_create_user()
        .user_pool_id(&pool.pool_id)
        .username(username)
        .user_attributes(tenant)
        .message_action(MessageActionType::Suppress)
        .send()
        .await
        .map_err(refused("AdminCreateUser"))?;
    Ok(())
}

/// The smallest id of that name, so that two pools made by a lost answer settle on one.
async fn find_pool(cognito: &Client, name: &str) -> Result<Option<String>, UsersError> {
    let mut found: Option<String> = None;
    let mut next = None;
    for _ in 0..PAGES_MAX {
        let page = cognito.list_user_pools().max_results(PAGE).set_next_token(next).send().await;
        let page = page.map_err(refused("ListUserPools"))?;
        let named = page.user_pools().iter().filter(|pool| pool.name() == Some(name));
        let ids = named.filter_map(|pool| pool.id()).map(str::to_owned);
        found = ids.chain(found).min();
        next = page.next_token().map(str::to_owned);
        if next.is_none() {
            return Ok(found);
        }
    }
    Err(UsersError::Endless { action: "ListUserPools" })
}

async fn find_client(cognito: &Client, pool_id: &str, name: &str) -> Result<Option<String>, UsersError> {
    let mut found: Option<String> = None;
    let mut next = None;
    for _ in 0..PAGES_MAX {
        let request = cognito.list_user_pool_clients().user_pool_id(pool_id).max_results(PAGE);
        let page = request.set_next_token(next).send().await.map_err(refused("ListUserPoolClients"))?;
        let named = page.user_pool_clients().iter().filter(|client| client.client_name() == Some(name));
        let ids = named.filter_map(|client| client.client_id()).map(str::to_owned);
        found = ids.chain(found).min();
        next = page.next_token().map(str::to_owned);
        if next.is_none() {
            return Ok(found);
        }
    }
    Err(UsersError::Endless { action: "ListUserPoolClients" })
}

async fn create_pool(cognito: &Client, name: &str) -> Result<String, UsersError> {
    let passwords = PasswordPolicyType::builder().minimum_length(PASSWORD_LENGTH_MIN).build();
    let tenant = SchemaAttributeType::builder()
        .name(TENANT_ATTRIBUTE.trim_start_matches("custom:"))
        .attribute_data_type(AttributeDataType::String)
        .mutable(false)
        .string_attribute_constraints(
            StringAttributeConstraintsType::builder().min_length("1").max_length("64").build(),
        )
        .build();
    let created = cognito
        .create_user_pool()
        .pool_name(name)
        .policies(UserPoolPolicyType::builder().password_policy(passwords).build())
        .schema(tenant)
        .admin_create_user_config(
            AdminCreateUserConfigType::builder().allow_admin_create_user_only(true).build(),
        )
        .send()
        .await
        .map_err(refused("CreateUserPool"))?;
    let id = created.user_pool().and_then(|pool| pool.id()).map(str::to_owned);
    id.ok_or(UsersError::Incomplete { action: "CreateUserPool", field: "Id" })
}

/// Validities are in seconds: the local emulator stores the number and ignores its unit. Attributes to read
/// are named because Cognito leaves custom ones out of the token otherwise.
async fn create_client(cognito: &Client, pool_id: &str, name: &str) -> Result<String, UsersError> {
    let units = TokenValidityUnitsType::builder()
        .id_token(TimeUnitsType::Seconds)
        .access_token(TimeUnitsType::Seconds)
        .refresh_token(TimeUnitsType::Seconds)
        .build();
    let created = cognito
        .create_user_pool_client()
        .user_pool_id(pool_id)
        .client_name(name)
        .generate_secret(false)
        .explicit_auth_flows(ExplicitAuthFlowsType::AllowUserPasswordAuth)
        .explicit_auth_flows(ExplicitAuthFlowsType::AllowRefreshTokenAuth)
        .prevent_user_existence_errors(PreventUserExistenceErrorTypes::Enabled)
        .id_token_validity(ID_TOKEN_S)
        .access_token_validity(ID_TOKEN_S)
        .refresh_token_validity(REFRESH_TOKEN_S)
        .token_validity_units(units)
        .read_attributes(TENANT_ATTRIBUTE)
        .send()
        .await
        .map_err(refused("CreateUserPoolClient"))?;
    let id = created.user_pool_client().and_then(|client| client.client_id()).map(str::to_owned);
    id.ok_or(UsersError::Incomplete { action: "CreateUserPoolClient", field: "ClientId" })
}

/// Keeps Cognito's own words, never the request: that may hold a password.
fn refused<E>(action: &'static str) -> impl Fn(SdkError<E>) -> UsersError
where
    E: ProvideErrorMetadata + std::error::Error + 'static,
{
    move |error| {
        let reason = match error.as_service_error().and_then(|service| service.message()) {
            Some(message) => message.to_owned(),
            None => DisplayErrorContext(&error).to_string(),
        };
        UsersError::Refused { action, reason }
    }
}

#[cfg(test)]
pub(crate) mod tests;
