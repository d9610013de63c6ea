//! Users and files: Cognito and S3 in process, behind one router on a loopback port.
//!
//! Both emulators keep their state in memory; what they change is written to disk before they answer.
//! Invariant: an answered change survives `kill -9` and power loss; sign-ins are not changes (see `effect`).

pub mod durable;
mod effect;
mod saved;
mod signing_key;

use std::{
    fs::{self, File},
    io,
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, SystemTime},
};

use awsim_cognito::{CognitoService, well_known};
use awsim_core::{
    AppState, AuthzEngine, EventBus, RequestDetailStore, ServiceHandler, gateway,
    sigv4_verify::{VerifyOutcome, verify_presigned},
};
use awsim_s3::S3Service;
use axum::{
    Router,
    extract::{DefaultBodyLimit, Request},
    middleware::{self, Next},
    response::{IntoResponse, Response},
    routing::get,
};
use http::{StatusCode, header};

use saved::Saved;

/// The largest body taken, that is the largest object in one PUT: a menu or a roster of 100,000 lines fits.
const BODY_BYTES_MAX: usize = 64 * 1024 * 1024;

/// The account all local resources belong to: what emulators use by convention.
pub const ACCOUNT_ID: &str = "000000000000";

/// What requests are signed with: made up, and the same everywhere.
pub const SECRET_KEY: &str = "local";

/// How far ahead of us a signer's clock may be, as on AWS.
const SKEW: Duration = Duration::from_mins(15);

#[derive(Debug, thiserror::Error)]
pub enum CloudError {
    #[error("{path} cannot be used")]
    Directory { path: PathBuf, source: io::Error },
    #[error("{path} is in use by another process")]
    InUse { path: PathBuf },
    #[error("the saved state of {service} cannot be read: {reason}")]
    Restore { service: &'static str, reason: String },
    #[error("the key that signs tokens cannot be used")]
    SigningKey(#[from] signing_key::SigningKeyError),
}

/// The two services and their directory, which is another process's to open once this is dropped: keep it as
/// long as a router of it serves.
pub struct Cloud {
    state: AppState,
    _lock: File,
}

impl std::fmt::Debug for Cloud {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Cloud").field("region", &self.state.default_region).finish_non_exhaustive()
    }
}

impl Cloud {
    /// Restores what `dir` holds, or begins empty; `dir` belongs to one process at a time.
    pub fn open(dir: &Path, region: &str) -> Result<Self, CloudError> {
        let in_dir = |source| CloudError::Directory { path: dir.to_owned(), source };
        fs::create_dir_all(dir).map_err(in_dir)?;
        let lock = lock(dir)?;
        signing_key::install(dir)?;

        let mut state = AppState::new(region.into(), ACCOUNT_ID.into());
        state.authz = Arc::new(AuthzEngine::new(false));
        state.request_details = RequestDetailStore::new(1, 0);
        register(&mut state, Saved::open(CognitoService::new(), effect::COGNITO, dir, None)?);
        let bodies = durable::ChangedFiles::new(dir.join("s3"));
        register(&mut state, Saved::open(S3Service::with_data_dir(dir), effect::S3, dir, Some(bodies))?);
        Ok(Self { state, _lock: lock })
    }

    /// Cognito by `X-Amz-Target`, S3 by a SigV4 header or a presigned URL (path style), the pools' JWKS and
    /// discovery documents by path. A handler of other services goes in front and passes the rest on.
    pub fn router(&self) -> Router {
        Router::new()
            .fallback(gateway::handle_request)
            .layer(middleware::from_fn(refuse_anonymous))
            .route("/{pool}/.well-known/jwks.json", get(well_known::jwks))
            .route("/{pool}/.well-known/openid-configuration", get(well_known::openid_configuration))
            .layer(DefaultBodyLimit::max(BODY_BYTES_MAX))
            .with_state(self.state.clone())
    }

    /// What S3 announces about objects; lossy, and sent before the object is synced: list the bucket at
    /// start.
    pub fn events(&self) -> &EventBus {
        &self.state.event_bus
    }
}

fn register(state: &mut AppState, service: impl ServiceHandler + 'static) {
    let routes = service.routes();
    state.register(Arc::new(service), routes);
}

fn lock(dir: &Path) -> Result<File, CloudError> {
    let path = dir.join("lock");
    let file = File::create(&path).map_err(|source| CloudError::Directory { path: path.clone(), source })?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(fs::TryLockError::WouldBlock) => Err(CloudError::InUse { path }),
        Err(fs::TryLockError::Error(source)) => Err(CloudError::Directory { path, source }),
    }
}

/// The emulator logs the `Authorization` header of a request it cannot place: those end here. Signatures in
/// headers are not checked: whoever reaches the loopback port is the operator. But a presigned URL was given
/// to somebody, and is good for what was signed and nothing else.
async fn refuse_anonymous(request: Request, next: Next) -> Response {
    let signed = request
        .headers()
        .get(header::AUTHORIZATION)
        .is_some_and(|value| value.as_bytes().starts_with(b"AWS4-HMAC-SHA256 "));
    let query = request.uri().query().filter(|query| query.contains("X-Amz-"));
    let presigned = query.is_some_and(|query| is_signed(&request, query));
    if query.is_some() && !presigned {
        return denied();
    }
    let cognito = request
        .headers()
        .get("x-amz-target")
        .is_some_and(|value| value.as_bytes().starts_with(b"AWSCognitoIdentityProviderService."));
    if signed || presigned || cognito {
        return next.run(request).await;
    }
    denied()
}

/// Whether method, path, query and the headers that a presigned URL names are what was signed, and its time
/// is not up.
fn is_signed(request: &Request, query: &str) -> bool {
    let header = |name: &str| {
        let values = request.headers().get_all(name).iter();
        let values: Option<Vec<_>> = values.map(|value| value.to_str().ok()).collect();
        values.filter(|values| !values.is_empty()).map(|values| values.join(","))
    };
    let host = header("host").unwrap_or_default();
    let now = SystemTime::UNIX_EPOCH + SystemTime::UNIX_EPOCH.elapsed().unwrap_or_default();
    let (method, path) = (request.method().as_str(), request.uri().path());
    verify_presigned(method, path, query, &host, header, SECRET_KEY, now, SKEW) == VerifyOutcome::Ok
}

fn denied() -> Response {
    let body = "<Error><Code>AccessDenied</Code><Message>Access Denied</Message></Error>";
    (StatusCode::FORBIDDEN, [(header::CONTENT_TYPE, "application/xml")], body).into_response()
}

#[cfg(test)]
mod tests;
