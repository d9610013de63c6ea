//! Id token in, claims out: signature, issuer, audience, use and time.
//!
//! Invariant: the algorithm is ours to choose, never the token's: RS256, with a key the pool published.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError, RwLock},
    time::{Duration, Instant},
};

use axum::Router;
use jsonwebtoken::{Algorithm, Validation, decode, decode_header, get_current_timestamp};
use serde_json::{Map, Value};

use super::{
    Pool,
    keys::{self, Keys, KeysError},
};

pub(crate) type Claims = Arc<Map<String, Value>>;

/// API Gateway takes 10,240 bytes of headers in all; an id token of ours has about 1,100.
const TOKEN_BYTES_MAX: usize = 8 * 1024;

/// How often an unknown key id may make us ask for the key set again: forgers make ids up for free.
const REFETCH_EVERY_S: u64 = 10;

/// Tokens remembered as verified, about one a terminal; API Gateway, too, checks a token again only after
/// minutes.
const REMEMBERED_MAX: usize = 4_096;

/// Verifies id tokens of one pool, as issued to one client.
pub struct Authorizer {
    pool: Pool,
    cognito: Router,
    validation: Validation,
    keys: RwLock<Arc<Keys>>,
    refetch: tokio::sync::Mutex<Option<Instant>>,
    verified: Mutex<HashMap<String, Verified>>,
}

struct Verified {
    expires_at_s: u64,
    claims: Claims,
}

impl std::fmt::Debug for Authorizer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Authorizer").field("pool", &self.pool).finish_non_exhaustive()
    }
}

/// Why a token was refused; for the log only.
#[derive(Debug, thiserror::Error)]
enum Refusal {
    #[error("longer than {TOKEN_BYTES_MAX} bytes")]
    TooLong,
    #[error("not signed by RS256")]
    Algorithm,
    #[error("invalid")]
    Invalid(#[from] jsonwebtoken::errors::Error),
    #[error("signed with a key the pool does not have")]
    UnknownKey,
    #[error("claim {0} is missing or another's")]
    Claim(&'static str),
}

impl Authorizer {
    /// `cognito` is the router that serves the pool's keys; they are read once now.
    pub async fn new(pool: Pool, cognito: Router) -> Result<Self, KeysError> {
        let keys = keys::fetch(&cognito, &pool.jwks_path).await?;
        let mut validation = Validation::new(Algorithm::RS256);
        validation.leeway = 0;
        validation.validate_nbf = true;
        validation.set_issuer(&[&pool.issuer]);
        validation.set_audience(&[&pool.client_id]);
        validation.set_required_spec_claims(&["exp", "iss", "aud", "sub"]);
        Ok(Self {
            pool,
            cognito,
            validation,
            keys: RwLock::new(Arc::new(keys)),
            refetch: tokio::sync::Mutex::new(None),
            verified: Mutex::new(HashMap::new()),
        })
    }

    /// The claims of a valid token, nothing for any other.
    pub(crate) async fn claims(&self, token: &str) -> Option<Claims> {
        if let Some(claims) = self.remembered(token) {
            return Some(claims);
        }
        match self.verify(token).await {
            Ok(verified) => Some(self.remember(token, verified)),
            Err(refusal) => {
                tracing::info!(%refusal, cause = ?std::error::Error::source(&refusal), "a token was refused");
                None
            }
        }
    }

    async fn verify(&self, token: &str) -> Result<Verified, Refusal> {
        if token.len() > TOKEN_BYTES_MAX {
            return Err(Refusal::TooLong);
        }
        let header = decode_header(token)?;
        if header.alg != Algorithm::RS256 {
            return Err(Refusal::Algorithm);
        }
        let id = header.kid.ok_or(Refusal::UnknownKey)?;
        let keys = self.keys_with(&id).await;
        let key = keys.get(&id).ok_or(Refusal::UnknownKey)?;
        let claims = decode::<Map<String, Value>>(token, key, &self.validation)?.claims;

        // The library also takes lists of issuers and audiences, which Cognito never writes.
        let is = |claim, value: &str| claims.get(claim).and_then(Value::as_str) == Some(value);
        for (claim, value) in
            [("iss", &*self.pool.issuer), ("aud", &*self.pool.client_id), ("token_use", "id")]
        {
            if !is(claim, value) {
                return Err(Refusal::Claim(claim));
            }
        }
        let expires_at_s = claims.get("exp").and_then(Value::as_u64).ok_or(Refusal::Claim("exp"))?;
        Ok(Verified { expires_at_s, claims: Arc::new(claims) })
    }

    /// The known keys, read anew if `id` is not among them and the last time was long enough ago.
    async fn keys_with(&self, id: &str) -> Arc<Keys> {
        let known = self.known_keys();
        if known.contains_key(id) {
            return known;
        }
        let mut last = self.refetch.lock().await;
        let interval = Duration::from_secs(REFETCH_EVERY_S);
        if last.is_none_or(|last| last.elapsed() >= interval) {
            *last = Some(Instant::now());
            match keys::fetch(&self.cognito, &self.pool.jwks_path).await {
                Ok(keys) => *self.keys.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(keys),
                Err(error) => tracing::warn!(%error, "the pool's keys could not be read again"),
            }
        }
        self.known_keys()
    }

    fn known_keys(&self) -> Arc<Keys> {
        self.keys.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn remembered(&self, token: &str) -> Option<Claims> {
        let verified = self.verified.lock().unwrap_or_else(PoisonError::into_inner);
        let known = verified.get(token).filter(|known| known.expires_at_s > get_current_timestamp());
        known.map(|known| known.claims.clone())
    }

    fn remember(&self, token: &str, new: Verified) -> Claims {
        let claims = new.claims.clone();
        let mut verified = self.verified.lock().unwrap_or_else(PoisonError::into_inner);
        if verified.len() >= REMEMBERED_MAX {
            verified.retain(|_, known| known.expires_at_s > get_current_timestamp());
        }
        if verified.len() >= REMEMBERED_MAX {
            verified.clear();
        }
        verified.insert(token.to_owned(), new);
        claims
    }
}
