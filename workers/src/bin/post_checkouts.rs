//! The Lambda that works off checkouts.

use aws::clock::Clock;
use aws::config::{self, Clients};
use aws::telemetry::{self, Metrics};
use aws_lambda_events::sqs::SqsEvent;
use lambda_runtime::{Error, LambdaEvent, service_fn};
use workers::post_checkouts::PostCheckouts;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    telemetry::init();
    let clock = Clock::system();
    let worker = PostCheckouts::new(&Clients::new(config::worker()?), clock.clone(), Metrics::stdout(clock));
    lambda_runtime::run(service_fn(async |event: LambdaEvent<SqsEvent>| {
        Ok::<_, Error>(worker.handle(event.payload).await)
    }))
    .await
}
