//! The Lambda that announces what happened to whoever listens.

use aws::config;
use workers::announce::Announcer;
use workers::lambda;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_runtime::Error> {
    let (config, listen) = config::listen()?;
    lambda::run_with(config, |clients, clock, metrics| Announcer::new(clients, &listen, clock, metrics)).await
}
