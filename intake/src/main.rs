//! The intake Lambda.

use aws::clock::Clock;
use aws::config::{self, Clients};
use intake::{App, routes};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_http::Error> {
    aws::telemetry::init();
    let (config, intake_config) = config::intake()?;
    let app = App::new(&Clients::new(config), intake_config, Clock::system());
    lambda_http::run(routes::router(app)).await
}
