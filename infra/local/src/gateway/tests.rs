use std::{
    error::Error,
    fs,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use axum::{
    Json, Router,
    body::{self, Body},
    extract::Request,
    routing::get,
};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD as BASE64};
use http::{HeaderMap, StatusCode, header};
use jsonwebtoken::{Algorithm, EncodingKey, Header, encode, get_current_timestamp};
use lambda_http::request::RequestContext;
use serde_json::{Value, json};
use tower::ServiceExt;

use super::{Authorizer, Pool, guard};
use crate::{cloud::Cloud, loopback::REGION, users::PoolIds};

type Outcome = Result<(), Box<dyn Error>>;

/// A pool, its gateway before an intake that tells what reached it, and the key of the pool.
struct World {
    _dir: tempfile::TempDir,
    cognito: Router,
    api: Router,
    pool: Pool,
    key: EncodingKey,
    kid: String,
    modulus: String,
}

impl World {
    async fn new() -> Result<Self, Box<dyn Error>> {
        let dir = tempfile::tempdir()?;
        let cognito = Cloud::open(dir.path(), REGION)?.router();
        let ids = PoolIds { pool_id: "eu-west-1_abc".into(), client_id: "client".into() };
        let pool = Pool::new(&ids);
        let request = Request::get(&pool.jwks_path).body(Body::empty())?;
        let keys = json(cognito.clone().oneshot(request).await?.into_body()).await?;
        let authorizer = Authorizer::new(pool.clone(), cognito.clone()).await?;
        let text = |name: &str| keys["keys"][0][name].as_str().unwrap_or_default().to_owned();
        Ok(Self {
            key: EncodingKey::from_rsa_der(&fs::read(dir.path().join("cognito-signing-key.der"))?),
            kid: text("kid"),
            modulus: text("n"),
            api: guard(intake(), authorizer, &["/v1/health", "/docs/"]),
            cognito,
            pool,
            _dir: dir,
        })
    }

    /// Signed with the pool's own key.
    fn token(&self, claims: &Value) -> Result<String, jsonwebtoken::errors::Error> {
        encode(&Header { kid: Some(self.kid.clone()), ..Header::new(Algorithm::RS256) }, claims, &self.key)
    }

    fn claims(&self) -> Value {
        let now = get_current_timestamp();
        json!({
            "sub": "5f0c", "iss": self.pool.issuer, "aud": "client", "token_use": "id",
            "cognito:username": "ada", "custom:tenant_id": "acme", "cognito:groups": ["a", "b"],
            "email_verified": true, "auth_time": now, "iat": now, "exp": now + 60,
        })
    }

    async fn status(&self, token: &str) -> Result<StatusCode, Box<dyn Error>> {
        let request = Request::get("/v1/whoami").header(header::AUTHORIZATION, format!("Bearer {token}"));
        Ok(self.api.clone().oneshot(request.body(Body::empty())?).await?.status())
    }

    async fn refused(&self, what: &str, token: String) -> Outcome {
        assert_eq!(self.status(&token).await?, StatusCode::UNAUTHORIZED, "{what}");
        Ok(())
    }
}

fn intake() -> Router {
    let seen = |headers: HeaderMap, request: Request| async move {
        let claims = match request.extensions().get::<RequestContext>() {
            Some(RequestContext::ApiGatewayV1(context)) => {
                json!({ "authorizer": context.authorizer.fields, "id": context.request_id, "path": context.path })
            }
            _ => Value::Null,
        };
        let names: Vec<_> = headers.keys().map(|name| name.as_str().to_owned()).collect();
        Json(json!({ "context": claims, "headers": names }))
    };
    let body = |body: body::Bytes| async move { body.len().to_string() };
    Router::new()
        .route("/v1/whoami", get(seen).post(body))
        .route("/v1/health", get(seen))
        .route("/docs/{*path}", get(seen))
}

async fn json(body: Body) -> Result<Value, Box<dyn Error>> {
    Ok(serde_json::from_slice(&body::to_bytes(body, 1 << 20).await?)?)
}

#[tokio::test]
async fn a_good_token_brings_its_claims_as_strings() -> Outcome {
    let world = World::new().await?;
    let mut claims = world.claims();
    claims["exp"] = json!(4_102_444_800_u64);
    let request = Request::get("/v1/whoami")
        .header(header::AUTHORIZATION, format!("Bearer {}", world.token(&claims)?))
        .header("x-amzn-request-context", "{}")
        .header("x-apigateway-event", "{}")
        .header("x-forwarded-for", "10.0.0.1")
        .header("x-mine", "kept");
    let response = world.api.clone().oneshot(request.body(Body::empty())?).await?;
    let id = response.headers().get("x-amzn-requestid").cloned().ok_or("no id")?;
    let seen = json(response.into_body()).await?;

    let context = &seen["context"];
    assert_eq!(context["id"], id.to_str()?);
    assert_eq!(context["path"], "/v1/whoami");
    let claims = &context["authorizer"]["claims"];
    for (name, value) in [
        ("custom:tenant_id", "acme"),
        ("cognito:username", "ada"),
        ("cognito:groups", "a,b"),
        ("email_verified", "true"),
        ("token_use", "id"),
        ("exp", "Fri Jan 01 00:00:00 UTC 2100"),
    ] {
        assert_eq!(claims[name], value, "{name}");
    }
    assert!(claims["auth_time"].is_string());
    let expected = json!(["authorization", "x-mine", "x-forwarded-proto"]);
    assert_eq!(seen["headers"], expected);
    Ok(())
}

#[tokio::test]
async fn forged_tokens_are_refused() -> Outcome {
    let world = World::new().await?;
    let good = world.claims();
    assert_eq!(world.status(&world.token(&good)?).await?, StatusCode::OK, "the yardstick");

    let now = get_current_timestamp();
    for (name, value) in [
        ("exp", json!(now - 1)),
        ("exp", Value::Null),
        ("exp", json!("4102444800")),
        ("nbf", json!(now + 60)),
        ("iss", json!("https://cognito-idp.eu-west-1.amazonaws.com/eu-west-1_other")),
        ("iss", json!([world.pool.issuer, "other"])),
        ("iss", Value::Null),
        ("aud", json!("another-client")),
        ("aud", json!(["client", "another-client"])),
        ("aud", Value::Null),
        ("token_use", json!("access")),
        ("token_use", Value::Null),
        ("sub", Value::Null),
    ] {
        let mut claims = good.clone();
        claims[name] = value;
        world.refused(name, world.token(&claims)?).await?;
    }
    Ok(())
}

#[tokio::test]
async fn tokens_the_pool_did_not_sign_are_refused() -> Outcome {
    let world = World::new().await?;
    let good = world.token(&world.claims())?;
    let [head, payload, signature] = good.split('.').collect::<Vec<_>>()[..] else {
        return Err("not a token".into());
    };
    let none = BASE64.encode(json!({ "alg": "none", "kid": world.kid }).to_string());
    let mut other_tenant = world.claims();
    other_tenant["custom:tenant_id"] = json!("globex");
    let tampered = BASE64.encode(other_tenant.to_string());
    let mut forged = Vec::new();
    forged.push(("alg none", format!("{none}.{payload}.")));
    forged.push(("alg none with a signature", format!("{none}.{payload}.{signature}")));
    forged.push(("another payload", format!("{head}.{tampered}.{signature}")));
    forged.push(("no signature", format!("{head}.{payload}.")));
    forged.push(("two parts", format!("{head}.{payload}")));
    forged.push(("nothing", String::new()));
    forged.push(("too long", format!("{good}{}", "A".repeat(10_000))));

    let header = |algorithm, kid: &str| Header { kid: Some(kid.to_owned()), ..Header::new(algorithm) };
    for secret in [world.modulus.as_bytes().to_vec(), BASE64.decode(&world.modulus)?] {
        let key = EncodingKey::from_secret(&secret);
        forged.push(("HS256", encode(&header(Algorithm::HS256, &world.kid), &world.claims(), &key)?));
    }
    for algorithm in [Algorithm::RS384, Algorithm::RS512, Algorithm::PS256] {
        forged.push((
            "another algorithm",
            encode(&header(algorithm, &world.kid), &world.claims(), &world.key)?,
        ));
    }
    forged.push(("unknown key", encode(&header(Algorithm::RS256, "other"), &world.claims(), &world.key)?));
    forged.push(("no key", encode(&Header::new(Algorithm::RS256), &world.claims(), &world.key)?));
    for (what, token) in forged {
        world.refused(what, token).await?;
    }
    Ok(())
}

#[tokio::test]
async fn a_remembered_token_still_expires() -> Outcome {
    let world = World::new().await?;
    let mut claims = world.claims();
    let expires = get_current_timestamp() + 1;
    claims["exp"] = json!(expires);
    let token = world.token(&claims)?;
    assert_eq!(world.status(&token).await?, StatusCode::OK);
    while get_current_timestamp() <= expires {
        tokio::task::yield_now().await;
    }
    world.refused("expired since", token).await
}

#[tokio::test]
async fn without_a_token_only_public_paths_pass() -> Outcome {
    let world = World::new().await?;
    for (path, status) in [
        ("/v1/health", 200),
        ("/docs/index.html", 200),
        ("/v1/health/", 401),
        ("/v1/healthy", 401),
        ("/docs", 401),
        ("/v1/whoami", 401),
    ] {
        let response = world.api.clone().oneshot(Request::get(path).body(Body::empty())?).await?;
        assert_eq!(response.status(), status, "{path}");
    }
    let twice = Request::get("/v1/whoami")
        .header(header::AUTHORIZATION, format!("Bearer {}", world.token(&world.claims())?))
        .header(header::AUTHORIZATION, "Bearer other");
    let response = world.api.clone().oneshot(twice.body(Body::empty())?).await?;
    assert_eq!(response.status(), 401);
    assert_eq!(response.headers()[header::WWW_AUTHENTICATE], "Bearer");
    assert_eq!(response.headers()[header::CONTENT_TYPE], "application/problem+json");
    let problem = json(response.into_body()).await?;
    assert_eq!(problem["type"], "urn:internal-pos:problem:unauthorized");
    assert_eq!(problem["status"], 401);
    Ok(())
}

#[tokio::test]
async fn a_body_past_ten_megabytes_is_refused() -> Outcome {
    let world = World::new().await?;
    let token = world.token(&world.claims())?;
    for (bytes, status) in [(super::BODY_BYTES_MAX, 200), (super::BODY_BYTES_MAX + 1, 413)] {
        let request = Request::post("/v1/whoami").header(header::AUTHORIZATION, format!("Bearer {token}"));
        let response = world.api.clone().oneshot(request.body(Body::from(vec![0; bytes]))?).await?;
        // The intake's own limit is stricter: 413 as well, but not ours.
        let ours = response
            .headers()
            .get(header::CONTENT_TYPE)
            .is_some_and(|kind| kind == "application/problem+json");
        assert_eq!(ours, status == 413, "{bytes}");
    }
    Ok(())
}

#[tokio::test]
async fn a_new_key_is_found_and_forgers_do_not_make_us_ask_for_more() -> Outcome {
    let world = World::new().await?;
    let real = Request::get(&world.pool.jwks_path).body(Body::empty())?;
    let real = json(world.cognito.clone().oneshot(real).await?.into_body()).await?;
    let mut old = real.clone();
    old["keys"][0]["kid"] = json!("old");
    let asked = Arc::new(AtomicUsize::new(0));
    let count = asked.clone();
    let keys = move || {
        let nth = count.fetch_add(1, Ordering::SeqCst);
        let set = if nth == 0 { old.clone() } else { real.clone() };
        async { Json(set) }
    };
    let cognito = Router::new().route("/{pool}/.well-known/jwks.json", get(keys));
    let authorizer = Authorizer::new(world.pool.clone(), cognito).await?;

    assert!(authorizer.claims(&world.token(&world.claims())?).await.is_some());
    assert_eq!(asked.load(Ordering::SeqCst), 2);
    for n in 0..20 {
        let header = Header { kid: Some(format!("forged-{n}")), ..Header::new(Algorithm::RS256) };
        let forged = encode(&header, &world.claims(), &world.key)?;
        assert!(authorizer.claims(&forged).await.is_none());
    }
    assert_eq!(asked.load(Ordering::SeqCst), 2);
    Ok(())
}
