//! The Lambda behind the socket: it opens connections of who listens.

use aws::clock::Clock;
use aws::config::{self, Clients};
use aws::telemetry;
use aws_lambda_events::apigw::ApiGatewayWebsocketProxyRequest;
use lambda_runtime::{Error, LambdaEvent, service_fn};
use serde_json::json;
use workers::listen::Listen;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    let (config, listen) = config::from_environment()?;
    telemetry::init();
    let listen = Listen::new(&Clients::new(config), &listen, Clock::system());
    lambda_runtime::run(service_fn(async |event: LambdaEvent<ApiGatewayWebsocketProxyRequest>| {
        let answer = Box::pin(listen.handle(&event.payload)).await;
        Ok::<_, Error>(json!({ "statusCode": answer.status() }))
    }))
    .await
}
