//! The Lambda that announces what happened to whoever listens.

use aws::config;
use workers::announce::Announcer;
use workers::lambda;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_runtime::Error> {
    let (config, connections_url) = config::announce()?;
    let make = |clients: &_, clock, metrics| Announcer::new(clients, &connections_url, clock, metrics);
    lambda::run_with(config, make).await
}
