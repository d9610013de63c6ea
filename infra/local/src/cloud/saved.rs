//! A service whose changes are on disk before they are answered.
//!
//! The state is written whole, one file a service: right for tens of users and files, not for thousands.
//! Invariant: no answer to a change leaves before a snapshot taken after it was synced.

use std::{
    fmt, io,
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};

use async_trait::async_trait;
use awsim_core::{AwsError, Protocol, RequestContext, RouteDefinition, ServiceHandler};
use serde_json::Value;

use super::{
    CloudError,
    durable::{self, ChangedFiles},
    effect::{Effect, Rules},
};

pub(super) struct Saved<S> {
    inner: Arc<Inner<S>>,
}

struct Inner<S> {
    service: S,
    rules: Rules,
    path: PathBuf,
    /// Changes made so far; a snapshot covers those counted before it was taken.
    changes: AtomicU64,
    disk: Mutex<Disk>,
}

struct Disk {
    /// How many changes the file holds.
    saved: u64,
    bodies: Option<ChangedFiles>,
}

impl<S: ServiceHandler + 'static> Saved<S> {
    /// Restores `service` from `dir`; `bodies` are the files it keeps apart from its snapshot.
    pub(super) fn open(
        service: S,
        rules: Rules,
        dir: &Path,
        bodies: Option<ChangedFiles>,
    ) -> Result<Self, CloudError> {
        let path = dir.join(format!("{}.json", service.service_name()));
        let stored =
            durable::read(&path).map_err(|source| CloudError::Directory { path: path.clone(), source })?;
        if let Some(stored) = stored {
            let service_name = if bodies.is_some() { "s3" } else { "cognito" };
            service
                .restore(&stored)
                .map_err(|reason| CloudError::Restore { service: service_name, reason })?;
        }
        let disk = Mutex::new(Disk { saved: 0, bodies });
        Ok(Self { inner: Arc::new(Inner { service, rules, path, changes: AtomicU64::new(0), disk }) })
    }
}

impl<S: ServiceHandler + 'static> Inner<S> {
    /// Waits for the snapshot that covers all changes so far, taken by this caller or by another.
    fn save(&self) -> io::Result<()> {
        let wanted = self.changes.fetch_add(1, Ordering::SeqCst) + 1;
        let mut disk = self.disk.lock().unwrap_or_else(PoisonError::into_inner);
        if disk.saved >= wanted {
            return Ok(());
        }
        let covered = self.changes.load(Ordering::SeqCst);
        let snapshot = self.service.snapshot().ok_or_else(|| io::Error::other("no snapshot"))?;
        if let Some(bodies) = &mut disk.bodies {
            bodies.sync()?;
        }
        durable::replace(&self.path, &snapshot)?;
        disk.saved = covered;
        Ok(())
    }

    async fn change(self: Arc<Self>, operation: String, input: Value, ctx: RequestContext) -> Answer {
        let and_then = (self.rules.and_then)(&operation, &input);
        let answer = self.service.handle(&operation, input, &ctx).await?;
        if let Some((operation, input)) = and_then {
            self.service.handle(operation, input, &ctx).await?;
        }
        let saved = tokio::task::spawn_blocking(move || self.save());
        match saved.await.map_err(io::Error::other).flatten() {
            Ok(()) => Ok(answer),
            Err(error) => {
                tracing::error!(operation, %error, "a change could not be saved");
                Err(AwsError::internal("The change could not be saved."))
            }
        }
    }
}

type Answer = Result<Value, AwsError>;

#[async_trait]
impl<S: ServiceHandler + 'static> ServiceHandler for Saved<S> {
    async fn handle(&self, operation: &str, input: Value, ctx: &RequestContext) -> Answer {
        match (self.inner.rules.effect)(operation) {
            Effect::None => self.inner.service.handle(operation, input, ctx).await,
            Effect::Refused(code) => {
                Err(AwsError::bad_request(code, format!("{operation} is not permitted")))
            }
            // A task of its own: a caller that hangs up must not leave a change made but unsaved.
            Effect::Change => {
                let change = self.inner.clone().change(operation.into(), input, ctx.clone());
                tokio::spawn(change).await.unwrap_or_else(|error| Err(AwsError::internal(error.to_string())))
            }
        }
    }

    fn service_name(&self) -> &str {
        self.inner.service.service_name()
    }

    fn signing_name(&self) -> &str {
        self.inner.service.signing_name()
    }

    fn protocol(&self) -> Protocol {
        self.inner.service.protocol()
    }

    fn routes(&self) -> Vec<RouteDefinition> {
        self.inner.service.routes()
    }
}

impl<S> fmt::Debug for Saved<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Saved").field("path", &self.inner.path).finish_non_exhaustive()
    }
}
