//! The Lambda that tells webhooks what happened.

use aws::config;
use workers::deliver::DeliverWorker;
use workers::lambda;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_runtime::Error> {
    let (config, webhooks) = config::from_environment()?;
    lambda::run_with(config, |clients, clock, metrics| DeliverWorker::new(clients, webhooks, clock, metrics))
        .await
}
