//! The Lambda that works off checkouts.

use workers::lambda;
use workers::post_checkouts::PostCheckoutsWorker;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_runtime::Error> {
    lambda::run(PostCheckoutsWorker::new).await
}
