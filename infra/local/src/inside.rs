//! The SDK's way to services of its own process: a request goes over as a value, not through a socket. All
//! else is as on the wire: what is signed, written and read, and who answers.

use aws_smithy_runtime_api::client::http::{
    HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpClient,
    SharedHttpConnector,
};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_runtime_api::client::result::ConnectorError;
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_runtime_api::http::HttpError;
use aws_smithy_types::body::SdkBody;
use axum::Router;
use axum::body::{Body, to_bytes};
use futures_util::FutureExt;
use http::{HeaderMap, Request};
use std::panic::AssertUnwindSafe;
use std::sync::{Arc, Weak};
use tokio::runtime::Handle;
use tower::ServiceExt;

/// The services. They end with their owner, whoever still has a client of theirs.
#[derive(Debug)]
pub struct Services {
    /// Takes requests for the table, on threads that may block.
    pub table: Router,
    pub table_threads: Handle,
    /// Takes all others, on the caller's.
    pub others: Router,
}

#[derive(Debug, Clone)]
struct Inside(Weak<Services>);

/// An HTTP client that knows these services and no other.
pub fn client(services: &Arc<Services>) -> SharedHttpClient {
    SharedHttpClient::new(Inside(Arc::downgrade(services)))
}

impl Inside {
    async fn carry(self, request: HttpRequest) -> Result<HttpResponse, ConnectorError> {
        let services = self.0.upgrade().ok_or_else(|| ConnectorError::io("the services ended".into()))?;
        let request = request.try_into_http1x().map_err(|error| ConnectorError::user(error.into()))?;
        let request = request.map(Body::new);
        if !is_for_table(request.headers()) {
            let others = services.others.clone();
            drop(services);
            // Dropped with the call, as a connection would be: who waits for messages is gone then.
            let answered = AssertUnwindSafe(answer(others, request)).catch_unwind().await;
            return answered.unwrap_or_else(|_| Err(ConnectorError::io("a service panicked".into())));
        }
        let answered = services.table_threads.spawn(answer(services.table.clone(), request));
        drop(services);
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
    answered.try_into().map_err(|error: HttpError| ConnectorError::other(error.into(), None))
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
