//! The Lambda that works off what is administered.

use aws::config;
use workers::administer::AdministerWorker;
use workers::lambda;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_runtime::Error> {
    let (config, administer) = config::from_environment()?;
    lambda::run_with(config, |clients, clock, metrics| {
        AdministerWorker::new(clients, administer, clock, metrics)
    })
    .await
}
