//! Fills tenants with the demo, as the local system has it.

use crate::probe::{self, ProbeError};
use crate::stage::Stage;
use aws::failure::Failure;
use domain::id::TenantId;
use domain::tenant::Tenant;
use local::demo::{self, DemoError, DemoTenant};
use local::endpoints::{self, Endpoints};
use local::seed::{self, SeedError};
use std::path::PathBuf;
use thiserror::Error;

#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// Which of the demo's companies.
    #[arg(long)]
    tenant: Vec<TenantId>,
    /// The API of the stage.
    #[arg(long)]
    api_url: String,
    /// Where to write how the stage is reached, for scripts and the black-box suite.
    #[arg(long)]
    endpoints: PathBuf,
}

#[derive(Debug, Error)]
pub enum FillError {
    #[error("the demo is not valid")]
    Demo(#[from] DemoError),
    #[error("the demo was not taken")]
    Seed(#[from] SeedError),
    #[error("the tenant cannot be read")]
    Table(#[from] Failure),
    #[error("{0} is somebody's already, and not the demo's")]
    Occupied(TenantId),
    #[error("{tenant} is there, but its queues are not reached")]
    Probe { tenant: TenantId, source: ProbeError },
    #[error("{path} cannot be written")]
    Endpoints { path: PathBuf, source: std::io::Error },
}

pub async fn fill(stage: &Stage, arguments: &Arguments) -> Result<String, FillError> {
    let companies = demo::tenants()?.into_iter().filter(|demo| arguments.tenant.contains(&demo.tenant.id));
    for DemoTenant { tenant, concessionaires } in companies {
        let id = tenant.id.clone();
        let stored = seed::stored_tenant(&stage.table(), &id).await?;
        if stored.is_some_and(|stored| stored.name != tenant.name) {
            return Err(FillError::Occupied(id));
        }
        let demo = DemoTenant { tenant: Tenant { reached: [].into(), ..tenant }, concessionaires };
        seed::tenant(&stage.table(), &stage.cognito, &stage.pool, &demo, stage.clock.now()).await?;
        probe::until_ready(stage, &id).await.map_err(|source| FillError::Probe { tenant: id, source })?;
    }
    let config = stage.clients.config();
    let cloud = &config.cloud;
    let at = |service: &str| format!("https://{service}.{}.amazonaws.com", cloud.region);
    let endpoints = Endpoints {
        api_url: arguments.api_url.clone(),
        aws_endpoint_url: cloud.endpoint_url.clone().unwrap_or_else(|| at("cognito-idp")),
        dynamodb_endpoint_url: cloud.endpoint_url.clone().unwrap_or_else(|| at("dynamodb")),
        region: cloud.region.clone(),
        account_id: config.names.account_id.clone(),
        stage: config.names.stage.clone(),
        table_name: config.table_name.clone(),
        user_pool_id: stage.pool.pool_id.clone(),
        client_id: stage.pool.client_id.clone(),
        users: endpoints::demo_users()?,
    };
    let path = &arguments.endpoints;
    let written = serde_json::to_vec_pretty(&endpoints).map_err(std::io::Error::other);
    let written = written.and_then(|json| std::fs::write(path, json));
    written.map_err(|source| FillError::Endpoints { path: path.clone(), source })?;
    Ok(format!("the demo is at {}; {} says how to reach it", endpoints.api_url, path.display()))
}
