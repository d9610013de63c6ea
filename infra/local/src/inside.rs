//! The SDK's way to services of its own process: a request goes over as a value, not through a socket. All else is as on
//! the wire: what is signed, written and read, and who answers.

use aws_smithy_runtime_api::client::http::{
    HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpClient,
    SharedHttpConnector,
};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_runtime_api::client::result::ConnectorError;
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_types::body::SdkBody;
use axum::Router;
use axum::body::{Body, to_bytes};
use http::{HeaderMap, Request};
use tokio::runtime::Handle;
use tower::ServiceExt;

#[derive(Debug, Clone)]
pub struct Inside {
    services: Router,
    table: Router,
    table_threads: Handle,
}

impl Inside {
    /// Requests for the table go to `table`, on threads that may block; all others to `services`, on the caller's.
    pub fn client(services: Router, table: Router, table_threads: Handle) -> SharedHttpClient {
        SharedHttpClient::new(Self { services, table, table_threads })
    }

    async fn carry(self, request: HttpRequest) -> Result<HttpResponse, ConnectorError> {
        let request = request.try_into_http1x().map_err(|error| ConnectorError::user(error.into()))?;
        let request = request.map(Body::new);
        if !is_for_table(request.headers()) {
            return answer(self.services, request).await;
        }
        let answered = self.table_threads.spawn(answer(self.table, request));
        answered.await.map_err(|error| ConnectorError::io(error.into()))?
    }
}

fn is_for_table(headers: &HeaderMap) -> bool {
    headers.get("x-amz-target").is_some_and(|target| target.as_bytes().starts_with(b"DynamoDB_"))
}

async fn answer(router: Router, request: Request<Body>) -> Result<HttpResponse, ConnectorError> {
    let answered = router.oneshot(request).await.unwrap_or_else(|never| match never {});
    let (parts, body) = answered.into_parts();
    let body = to_bytes(body, usize::MAX).await.map_err(|error| ConnectorError::io(error.into()))?;
    let answered = http::Response::from_parts(parts, SdkBody::from(body));
    answered
        .try_into()
        .map_err(|error: aws_smithy_runtime_api::http::HttpError| ConnectorError::other(error.into(), None))
}

impl HttpClient for Inside {
    fn http_connector(&self, _: &HttpConnectorSettings, _: &RuntimeComponents) -> SharedHttpConnector {
        SharedHttpConnector::new(self.clone())
    }
}

impl HttpConnector for Inside {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        HttpConnectorFuture::new(self.clone().carry(request))
    }
}
