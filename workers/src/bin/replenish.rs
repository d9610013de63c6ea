//! The Lambda behind queues of replenishment: it opens cutoffs when a tick comes, and replenishes wallets.

use workers::lambda;
use workers::replenish::ReplenishWorker;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_runtime::Error> {
    lambda::run(ReplenishWorker::new).await
}
