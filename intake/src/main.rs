//! The intake Lambda.

use aws::clock::Clock;
use aws::config::{self, Clients, Config};
use aws::telemetry::Metrics;
use intake::{App, routes};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_http::Error> {
    aws::telemetry::init();
    let (config, intake): (Config, _) = config::from_environment()?;
    let (clock, stage) = (Clock::system(), config.names.stage.clone());
    let metrics = Metrics::stdout(clock.clone(), &stage);
    let app = App::new(&Clients::new(config), intake, clock, metrics);
    lambda_http::run(routes::router(app)).await
}
