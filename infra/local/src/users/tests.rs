use std::error::Error;

use aws_sdk_cognitoidentityprovider::{Client, types::AttributeType};
use serde_json::{Value, json};

use super::{PoolIds, TENANT_ATTRIBUTE, UsersError, ensure_pool, ensure_user};
use crate::{
    cloud::Cloud,
    loopback::{REGION, sdk_config, serve},
};

type Outcome = Result<(), Box<dyn Error>>;

const PASSWORD: &str = "a long enough passphrase";

#[tokio::test]
async fn pool_client_and_user_are_made_once() -> Outcome {
    let (_dir, url, cognito) = cloud().await?;
    let pool = ensure_pool(&cognito, "pos").await?;
    assert_eq!(ensure_pool(&cognito, "pos").await?, pool);
    ensure_user(&cognito, &pool, "ada", PASSWORD, "acme").await?;
    ensure_user(&cognito, &pool, "ada", "another long passphrase", "acme").await?;

    let answer = sign_in(&url, &pool, "ada", PASSWORD).await?;
    assert!(answer["AuthenticationResult"]["IdToken"].is_string(), "the first password stays: {answer}");
    let refused = sign_in(&url, &pool, "ada", "another long passphrase").await?;
    assert_eq!(refused["__type"], "NotAuthorizedException");
    Ok(())
}

#[tokio::test]
async fn a_user_left_without_a_password_is_finished() -> Outcome {
    let (_dir, url, cognito) = cloud().await?;
    let pool = ensure_pool(&cognito, "pos").await?;
    super::create_user(&cognito, &pool, "ada", "acme").await?;
    ensure_user(&cognito, &pool, "ada", PASSWORD, "acme").await?;
    assert!(sign_in(&url, &pool, "ada", PASSWORD).await?["AuthenticationResult"]["IdToken"].is_string());
    Ok(())
}

#[tokio::test]
async fn a_pool_left_without_a_client_is_finished() -> Outcome {
    let (_dir, _url, cognito) = cloud().await?;
    let pool_id = super::create_pool(&cognito, "pos").await?;
    let pool = ensure_pool(&cognito, "pos").await?;
    assert_eq!(pool.pool_id, pool_id);
    assert_eq!(ensure_pool(&cognito, "pos").await?, pool);
    Ok(())
}

#[tokio::test]
async fn nobody_moves_to_another_tenant() -> Outcome {
    let (_dir, url, cognito) = cloud().await?;
    let pool = ensure_pool(&cognito, "pos").await?;
    ensure_user(&cognito, &pool, "ada", PASSWORD, "acme").await?;
    let moved = ensure_user(&cognito, &pool, "ada", PASSWORD, "globex").await;
    assert!(matches!(moved, Err(UsersError::AnotherTenant)), "{moved:?}");

    let answer = sign_in(&url, &pool, "ada", PASSWORD).await?;
    let token = answer["AuthenticationResult"]["AccessToken"].as_str().ok_or("no token")?;
    let tenant = AttributeType::builder().name(TENANT_ATTRIBUTE).value("globex").build()?;
    let update = cognito.update_user_attributes().access_token(token).user_attributes(tenant.clone());
    assert!(update.send().await.is_err());
    let sign_up = cognito.sign_up().client_id(&pool.client_id).username("eve").password(PASSWORD);
    assert!(sign_up.user_attributes(tenant).send().await.is_err());
    Ok(())
}

#[tokio::test]
async fn a_short_password_is_refused() -> Outcome {
    let (_dir, _url, cognito) = cloud().await?;
    let pool = ensure_pool(&cognito, "pos").await?;
    let refused = ensure_user(&cognito, &pool, "ada", "short", "acme").await;
    assert!(matches!(refused, Err(UsersError::Refused { .. })), "{refused:?}");
    Ok(())
}

async fn cloud() -> Result<(tempfile::TempDir, String, Client), Box<dyn Error>> {
    let dir = tempfile::tempdir()?;
    let url = serve(Cloud::open(dir.path(), REGION)?.router()).await?;
    let cognito = Client::new(&sdk_config(&url));
    Ok((dir, url, cognito))
}

/// What the README's curl sends.
pub(crate) async fn sign_in(
    url: &str,
    pool: &PoolIds,
    username: &str,
    password: &str,
) -> reqwest::Result<Value> {
    let parameters = json!({ "USERNAME": username, "PASSWORD": password });
    initiate_auth(url, pool, "USER_PASSWORD_AUTH", parameters).await
}

pub(crate) async fn initiate_auth(
    url: &str,
    pool: &PoolIds,
    flow: &str,
    parameters: Value,
) -> reqwest::Result<Value> {
    let body = json!({ "AuthFlow": flow, "ClientId": pool.client_id, "AuthParameters": parameters });
    let request = reqwest::Client::new()
        .post(url)
        .header("x-amz-target", "AWSCognitoIdentityProviderService.InitiateAuth")
        .header("content-type", "application/x-amz-json-1.1");
    request.body(body.to_string()).send().await?.json().await
}
