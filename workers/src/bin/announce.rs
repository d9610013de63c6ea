//! The Lambda that announces what happened to whoever listens.

use aws::config::{self, AnnounceConfig};
use workers::announce::AnnounceWorker;
use workers::lambda;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_runtime::Error> {
    let (config, AnnounceConfig { connections_url }) = config::from_environment()?;
    let make = |clients: &_, clock, metrics| AnnounceWorker::new(clients, &connections_url, clock, metrics);
    lambda::run_with(config, make).await
}
