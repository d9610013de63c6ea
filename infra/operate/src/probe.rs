//! Probes a tenant's queues until its commands reach every worker.

use crate::stage::Stage;
use aws::bus::NotPublished;
use aws::failure::Failure;
use domain::command::{Command, Kind, Probe};
use domain::id::TenantId;
use local::seed;
use std::time::Duration;
use thiserror::Error;
use uuid::Uuid;

/// Between two probes, and between two looks.
const PAUSE: Duration = Duration::from_secs(2);
/// SNS says that a filter takes up to 15 minutes to apply.
const PATIENCE: Duration = Duration::from_mins(20);

#[derive(Debug, Error)]
pub enum ProbeError {
    #[error("the probe was not published; is the tenant's stack there?")]
    NotPublished(#[from] NotPublished),
    #[error("the tenant cannot be read")]
    Table(#[from] Failure),
    #[error("no probe of {} came through in {} minutes", .missing.join(", "), PATIENCE.as_secs() / 60)]
    Unreached { missing: Vec<&'static str> },
}

/// Returns once a probe of each kind of command came through.
pub async fn until_ready(stage: &Stage, id: &TenantId) -> Result<(), ProbeError> {
    let (bus, table) = (stage.bus(), stage.table());
    let mut missing = Kind::ALL.to_vec();
    for _ in 0..PATIENCE.as_secs() / PAUSE.as_secs() {
        for of in &missing {
            let probe = Probe { tenant: id.clone(), of: *of, id: Uuid::new_v4() };
            bus.publish(Command::Probe(probe)).await?;
        }
        tokio::time::sleep(PAUSE).await;
        let tenant = seed::stored_tenant(&table, id).await?;
        let tenant = tenant.ok_or_else(|| Failure::malformed("read a tenant", "it is missing"))?;
        missing.retain(|kind| !tenant.is_reached(*kind));
        if missing.is_empty() {
            return Ok(());
        }
    }
    Err(ProbeError::Unreached { missing: missing.into_iter().map(Kind::as_str).collect() })
}
