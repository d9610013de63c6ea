//! The pool's public keys, by their id.
//!
//! Invariant: only RSA keys for RS256 signatures are kept, whatever else a key set holds.

use std::collections::HashMap;

use axum::{
    Router,
    body::{self, Body},
    extract::Request,
};
use jsonwebtoken::{
    DecodingKey,
    jwk::{AlgorithmParameters, JwkSet, KeyAlgorithm},
};
use tower::ServiceExt;

/// A key set of Cognito holds two keys, about 1 KB.
const JWKS_BYTES_MAX: usize = 64 * 1024;

#[derive(Debug, thiserror::Error)]
pub enum KeysError {
    #[error("the path of the key set is no path")]
    Path(#[from] http::Error),
    #[error("the key set cannot be read")]
    Body(#[from] axum::Error),
    #[error("the key set is not one")]
    Parse(#[from] serde_json::Error),
    #[error("a key of the set is not one")]
    Key(#[from] jsonwebtoken::errors::Error),
    #[error("the key set holds no key for RS256")]
    None,
}

pub(super) type Keys = HashMap<String, DecodingKey>;

/// Reads the key set that `cognito` serves at `path`; no socket is involved.
pub(super) async fn fetch(cognito: &Router, path: &str) -> Result<Keys, KeysError> {
    let request = Request::get(path).body(Body::empty())?;
    let response = match cognito.clone().oneshot(request).await {
        Ok(response) => response,
        Err(never) => match never {},
    };
    let body = body::to_bytes(response.into_body(), JWKS_BYTES_MAX).await?;
    parse(&body)
}

fn parse(body: &[u8]) -> Result<Keys, KeysError> {
    let set: JwkSet = serde_json::from_slice(body)?;
    let mut keys = Keys::new();
    for key in &set.keys {
        let rsa = matches!(key.algorithm, AlgorithmParameters::RSA(_));
        let rs256 = matches!(key.common.key_algorithm, None | Some(KeyAlgorithm::RS256));
        if let (true, true, Some(id)) = (rsa, rs256, &key.common.key_id) {
            keys.insert(id.clone(), DecodingKey::from_jwk(key)?);
        }
    }
    if keys.is_empty() { Err(KeysError::None) } else { Ok(keys) }
}
