//! The Lambda that takes files of menus and rosters.

use workers::import_files::ImportWorker;
use workers::lambda;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_runtime::Error> {
    lambda::run(ImportWorker::new).await
}
