//! Faults between an SDK client and its service: calls refused, replies lost, words put in.

use aws_smithy_runtime_api::client::http::{
    HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpClient,
    SharedHttpConnector,
};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_runtime_api::client::result::ConnectorError;
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_types::body::SdkBody;
use std::fmt;
use std::sync::Arc;

/// What happens to a call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fault {
    None,
    /// It does not reach the service, which "answers" this status and body.
    Answer(u16, String),
    /// It is carried out, and the answer does not arrive.
    LoseReply,
}

impl Fault {
    /// A cancelled transaction with these reasons, in the words of the service.
    pub fn cancelled(reasons: &[&str]) -> Self {
        let reasons: Vec<_> = reasons.iter().map(|code| serde_json::json!({ "Code": code })).collect();
        let body = serde_json::json!({
            "__type": "com.amazonaws.dynamodb.v20120810#TransactionCanceledException",
            "message": "Transaction cancelled, please refer cancellation reasons for specific reasons",
            "CancellationReasons": reasons,
        });
        Fault::Answer(400, body.to_string())
    }
}

/// Chooses a fault by operation (`TransactWriteItems`, ...) and request body.
type Choice = Arc<dyn Fn(&str, &str) -> Fault + Send + Sync>;

/// A real connector behind a choice of faults.
#[derive(Clone)]
pub struct Faulty {
    inner: SharedHttpConnector,
    choice: Choice,
}

impl fmt::Debug for Faulty {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Faulty")
    }
}

/// An HTTP client for SDK clients whose calls meet faults.
pub fn http_client(choice: impl Fn(&str, &str) -> Fault + Send + Sync + 'static) -> SharedHttpClient {
    let connector = aws_smithy_http_client::Connector::builder().build_http();
    SharedHttpClient::new(Faulty { inner: SharedHttpConnector::new(connector), choice: Arc::new(choice) })
}

impl HttpClient for Faulty {
    fn http_connector(&self, _: &HttpConnectorSettings, _: &RuntimeComponents) -> SharedHttpConnector {
        SharedHttpConnector::new(self.clone())
    }
}

impl HttpConnector for Faulty {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let target = request.headers().get("x-amz-target").unwrap_or_default();
        let operation = target.rsplit('.').next().unwrap_or_default();
        let body = request.body().bytes().map(String::from_utf8_lossy).unwrap_or_default();
        match (self.choice)(operation, &body) {
            Fault::None => self.inner.call(request),
            Fault::Answer(status, body) => HttpConnectorFuture::ready(Ok(answer(status, body))),
            Fault::LoseReply => {
                let call = self.inner.call(request);
                HttpConnectorFuture::new(async move {
                    call.await?;
                    Err(ConnectorError::io("the reply was lost".into()))
                })
            }
        }
    }
}

fn answer(status: u16, body: String) -> HttpResponse {
    let status = status.try_into().expect("an HTTP status");
    HttpResponse::new(status, SdkBody::from(body))
}
