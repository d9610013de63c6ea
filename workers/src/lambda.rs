//! What makes a worker a Lambda.

use aws::clock::Clock;
use aws::config::{self, Clients, Config};
use aws::telemetry::{self, Metrics};
use aws_lambda_events::sqs::{SqsBatchResponse, SqsEvent};
use lambda_runtime::{Error, LambdaEvent, service_fn};

/// Works off batches of one kind of queue.
pub trait Worker {
    /// Works off one batch and names what is handed back.
    fn handle(&self, event: SqsEvent) -> impl Future<Output = SqsBatchResponse> + Send;
}

/// Makes a worker once, from the configuration of any, and gives it every batch that this Lambda gets.
pub async fn run<W: Worker>(make: impl FnOnce(&Clients, Clock, Metrics) -> W) -> Result<(), Error> {
    run_with(config::from_environment()?, make).await
}

/// The same from a configuration that was read already.
pub async fn run_with<W: Worker>(
    config: Config,
    make: impl FnOnce(&Clients, Clock, Metrics) -> W,
) -> Result<(), Error> {
    telemetry::init();
    let clock = Clock::system();
    let metrics = Metrics::stdout(clock.clone(), &config.names.stage);
    let worker = make(&Clients::new(config), clock, metrics);
    lambda_runtime::run(service_fn(async |event: LambdaEvent<SqsEvent>| {
        Ok::<_, Error>(Box::pin(worker.handle(event.payload)).await)
    }))
    .await
}
