use std::{
    error::Error,
    fs,
    path::Path,
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use aws_sdk_cognitoidentityprovider::Client;
use axum::{Router, routing::get};
use serde_json::json;

use super::{Cloud, CloudError};
use crate::{
    gateway::{Authorizer, Pool},
    loopback::{REGION, sdk_config, serve},
    users::{
        ensure_pool, ensure_user,
        tests::{initiate_auth, sign_in},
    },
};

type Outcome = Result<(), Box<dyn Error>>;

const PASSWORD: &str = "a long enough passphrase";
const DIR_VARIABLE: &str = "POS_TEST_CLOUD_DIR";
/// A test must not hang; a child that makes its first RSA key on a busy machine takes seconds.
const START_S_MAX: u64 = 60;

#[tokio::test]
async fn users_keys_and_files_outlive_a_kill() -> Outcome {
    let dir = tempfile::tempdir()?;
    let (first, url) = Killed::start(dir.path())?;
    let cognito = Client::new(&sdk_config(&url));
    let pool = ensure_pool(&cognito, "pos").await?;
    ensure_user(&cognito, &pool, "ada", PASSWORD, "acme").await?;
    let tokens = sign_in(&url, &pool, "ada", PASSWORD).await?;
    put(&url, "menus", BUCKET).await?;
    put(&url, "menus/acme/monday.csv", "old").await?;
    put(&url, "menus/acme/monday.csv", "code,price").await?;
    assert_eq!(read(&url, "menus/acme/monday.csv").await?, "code,price");
    drop(first);

    let (_second, url) = Killed::start(dir.path())?;
    let cognito = Client::new(&sdk_config(&url));
    assert_eq!(ensure_pool(&cognito, "pos").await?, pool);
    let keys = reqwest::get(format!("{url}/{}/.well-known/jwks.json", pool.pool_id)).await?.text().await?;
    let keys = Router::new().route("/{pool}/.well-known/jwks.json", get(|| async { keys }));
    let authorizer = Authorizer::new(Pool::new(&pool), keys).await?;
    let tokens = &tokens["AuthenticationResult"];
    let claims = authorizer.claims(tokens["IdToken"].as_str().ok_or("no token")?).await;
    assert_eq!(claims.ok_or("refused")?["custom:tenant_id"], "acme");

    let refresh = json!({ "REFRESH_TOKEN": tokens["RefreshToken"] });
    for answer in [
        sign_in(&url, &pool, "ada", PASSWORD).await?,
        initiate_auth(&url, &pool, "REFRESH_TOKEN_AUTH", refresh).await?,
    ] {
        assert!(answer["AuthenticationResult"]["IdToken"].is_string(), "{answer}");
    }
    assert_eq!(read(&url, "menus/acme/monday.csv").await?, "code,price");
    Ok(())
}

#[tokio::test]
async fn a_deleted_user_stays_deleted() -> Outcome {
    let dir = tempfile::tempdir()?;
    let cloud = Cloud::open(dir.path(), REGION)?;
    let cognito = Client::new(&sdk_config(&serve(cloud.router()).await?));
    let pool = ensure_pool(&cognito, "pos").await?;
    ensure_user(&cognito, &pool, "ada", PASSWORD, "acme").await?;
    cognito.admin_delete_user().user_pool_id(&pool.pool_id).username("ada").send().await?;
    drop(cloud);

    let url = serve(Cloud::open(dir.path(), REGION)?.router()).await?;
    let answer = sign_in(&url, &pool, "ada", PASSWORD).await?;
    assert_eq!(answer["__type"], "NotAuthorizedException");
    Ok(())
}

#[tokio::test]
async fn reads_and_sign_ins_write_nothing() -> Outcome {
    let dir = tempfile::tempdir()?;
    let url = serve(Cloud::open(dir.path(), REGION)?.router()).await?;
    let cognito = Client::new(&sdk_config(&url));
    let pool = ensure_pool(&cognito, "pos").await?;
    ensure_user(&cognito, &pool, "ada", PASSWORD, "acme").await?;
    put(&url, "menus", BUCKET).await?;
    put(&url, "menus/a", "b").await?;
    let files = ["cognito-idp.json", "s3.json"].map(|name| dir.path().join(name));
    for file in &files {
        fs::remove_file(file)?;
    }
    sign_in(&url, &pool, "ada", PASSWORD).await?;
    ensure_user(&cognito, &pool, "ada", PASSWORD, "acme").await?;
    assert_eq!(ensure_pool(&cognito, "pos").await?, pool);
    assert_eq!(read(&url, "menus/a").await?, "b");
    assert_eq!(files.map(|file| file.exists()), [false, false]);
    Ok(())
}

#[tokio::test]
async fn a_change_that_cannot_be_saved_is_not_confirmed() -> Outcome {
    let dir = tempfile::tempdir()?;
    let url = serve(Cloud::open(dir.path(), REGION)?.router()).await?;
    fs::create_dir(dir.path().join("cognito-idp.tmp"))?;
    assert!(ensure_pool(&Client::new(&sdk_config(&url)), "pos").await.is_err());
    Ok(())
}

#[tokio::test]
async fn one_process_at_a_time() -> Outcome {
    let dir = tempfile::tempdir()?;
    let _first = Cloud::open(dir.path(), REGION)?;
    assert!(matches!(Cloud::open(dir.path(), REGION), Err(CloudError::InUse { .. })));
    Ok(())
}

#[tokio::test]
async fn a_request_that_names_no_service_ends_here() -> Outcome {
    let dir = tempfile::tempdir()?;
    let url = serve(Cloud::open(dir.path(), REGION)?.router()).await?;
    let request = reqwest::Client::new().get(format!("{url}/menus/a")).bearer_auth("secret");
    assert_eq!(request.send().await?.status(), 403);
    Ok(())
}

/// Not a test: the process that `users_keys_and_files_outlive_a_kill` kills.
#[tokio::test]
#[ignore = "serves until killed"]
async fn child() -> Outcome {
    #[expect(clippy::disallowed_methods, reason = "how a parent speaks to this child")]
    let dir = std::env::var(DIR_VARIABLE)?;
    let url = serve(Cloud::open(Path::new(&dir), REGION)?.router()).await?;
    super::durable::replace(&Path::new(&dir).join("url"), url.as_bytes())?;
    std::future::pending().await
}

/// Dies by SIGKILL when dropped.
struct Killed(Child);

impl Killed {
    fn start(dir: &Path) -> Result<(Self, String), Box<dyn Error>> {
        let url = dir.join("url");
        if url.exists() {
            fs::remove_file(&url)?;
        }
        let mut child = Command::new(std::env::current_exe()?)
            .args(["--ignored", "--exact", "cloud::tests::child"])
            .env(DIR_VARIABLE, dir)
            .stdout(Stdio::null())
            .spawn()?;
        let started = Instant::now();
        while !url.exists() {
            if child.try_wait()?.is_some() || started.elapsed() > Duration::from_secs(START_S_MAX) {
                return Err("the child did not start".into());
            }
            std::thread::yield_now();
        }
        Ok((Self(child), fs::read_to_string(url)?))
    }
}

impl Drop for Killed {
    fn drop(&mut self) {
        self.0.kill().and_then(|()| self.0.wait()).expect("the child can be killed");
    }
}

/// The scope is what counts: signatures are not checked.
const SIGNED: &str =
    "AWS4-HMAC-SHA256 Credential=local/20260101/eu-west-1/s3/aws4_request, SignedHeaders=host, Signature=00";

/// S3 asks for the region of a new bucket outside us-east-1.
const BUCKET: &str = "<CreateBucketConfiguration><LocationConstraint>eu-west-1</LocationConstraint></CreateBucketConfiguration>";

async fn put(url: &str, path: &str, body: &'static str) -> reqwest::Result<()> {
    let request = reqwest::Client::new().put(format!("{url}/{path}")).header("authorization", SIGNED);
    request.body(body).send().await?.error_for_status().map(drop)
}

async fn read(url: &str, path: &str) -> reqwest::Result<String> {
    let request = reqwest::Client::new().get(format!("{url}/{path}")).header("authorization", SIGNED);
    request.send().await?.error_for_status()?.text().await
}

/// Prints how long opening takes: an empty directory, and one with a pool and users.
#[tokio::test]
#[ignore = "a measurement"]
async fn opening() -> Outcome {
    let dir = tempfile::tempdir()?;
    let mut report = Vec::new();
    for users in [50, 0] {
        let started = Instant::now();
        let cloud = Cloud::open(dir.path(), REGION)?;
        let opened_ms = started.elapsed().as_millis();
        let url = serve(cloud.router()).await?;
        let cognito = Client::new(&sdk_config(&url));
        let pool = ensure_pool(&cognito, "pos").await?;
        let pool_ms = started.elapsed().as_millis();
        for n in 0..users {
            ensure_user(&cognito, &pool, &format!("user{n}"), PASSWORD, "acme").await?;
        }
        let users_ms = started.elapsed().as_millis();
        sign_in(&url, &pool, "user0", PASSWORD).await?;
        report.push(format!(
            "opened {opened_ms}, pool {pool_ms}, {users} users {users_ms}, signed in {} ms\n",
            started.elapsed().as_millis()
        ));
    }
    Ok(std::io::Write::write_all(&mut std::io::stderr(), report.concat().as_bytes())?)
}
