//! The Lambda behind queues of reconciliation: it looks once a day whether what is stored agrees.

use workers::lambda;
use workers::reconcile::ReconcileWorker;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_runtime::Error> {
    lambda::run(ReconcileWorker::new).await
}
