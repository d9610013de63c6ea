//! The Lambda behind queues of replenishment, which carry nothing but probes yet.

use domain::command::Purpose;
use workers::lambda;
use workers::probe::Probes;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_runtime::Error> {
    lambda::run(|clients, _, _| Probes::new(clients, Purpose::Replenishment)).await
}
