//! Faults between an SDK client and its service: calls refused, replies lost, words put in.

use aws::config::{Clients, Config};
use aws_lambda_events::sqs::{SqsBatchResponse, SqsEvent};
use aws_smithy_runtime_api::client::http::{
    HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpClient,
    SharedHttpConnector,
};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_runtime_api::client::result::ConnectorError;
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_types::body::SdkBody;
use aws_smithy_types::byte_stream::ByteStream;
use serde_json::{Value, json};
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::Duration;
use tokio::sync::Notify;
use workers::lambda::Worker;

/// What happens to a call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fault {
    None,
    /// It does not reach the service, which "answers" this status and body.
    Answer(u16, String),
    /// It is carried out, and the answer does not arrive.
    LoseReply,
    /// It does not reach the service, and nothing comes back.
    Hang,
    /// It is carried out, and nothing comes back.
    Freeze,
}

impl Fault {
    /// A cancelled transaction with these reasons, in the words of the service.
    pub fn cancelled(reasons: &[&str]) -> Self {
        let reasons: Vec<_> = reasons.iter().map(|code| json!({ "Code": code })).collect();
        let body = json!({
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

/// No answer comes at once: whoever asks without end lets others go on meanwhile.
const ANSWER: Duration = Duration::from_millis(1);
/// Long enough for a call on this machine that is being carried out.
const CALL: Duration = Duration::from_millis(60);

/// Gives a batch to a worker that dies with its call number `call`, by a [`Fault::Hang`] before that was
/// carried out or a [`Fault::Freeze`] after; what the worker answers if it makes fewer.
pub async fn until_death<W: Worker>(
    config: &Config,
    call: u32,
    death: Fault,
    batch: SqsEvent,
    make: impl FnOnce(&Clients) -> W,
) -> Option<SqsBatchResponse> {
    let (count, died) = (AtomicU32::new(0), Arc::new(Notify::new()));
    let dying = died.clone();
    let http_client = http_client(move |_, _| {
        if count.fetch_add(1, Ordering::SeqCst) < call {
            return Fault::None;
        }
        dying.notify_one();
        death.clone()
    });
    let worker = make(&Clients::over(config.clone(), http_client));
    tokio::select! {
        response = worker.handle(batch) => Some(response),
        () = async { died.notified().await; tokio::time::sleep(CALL).await } => None,
    }
}

/// Rewrites the bodies of answers, by operation.
type Rewrite = Arc<dyn Fn(&str, String) -> String + Send + Sync>;

/// A real connector whose answers are rewritten.
#[derive(Clone)]
struct Rewriting {
    inner: SharedHttpConnector,
    rewrite: Rewrite,
}

impl fmt::Debug for Rewriting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Rewriting")
    }
}

/// An HTTP client for SDK clients whose answers are rewritten.
pub fn rewriting(rewrite: impl Fn(&str, String) -> String + Send + Sync + 'static) -> SharedHttpClient {
    let connector = aws_smithy_http_client::Connector::builder().build_http();
    SharedHttpClient::new(Rewriting {
        inner: SharedHttpConnector::new(connector),
        rewrite: Arc::new(rewrite),
    })
}

/// A rewrite that leaves one key of every batch read unprocessed.
pub fn unprocessed(table: String, key: Value) -> impl Fn(&str, String) -> String {
    move |operation, body| {
        if operation != "BatchGetItem" {
            return body;
        }
        let mut answer: Value = serde_json::from_str(&body).expect("JSON");
        if let Some(items) = answer["Responses"][&table].as_array_mut() {
            items.retain(|item| item["PK"] != key["PK"] || item["SK"] != key["SK"]);
        }
        answer["UnprocessedKeys"] = json!({ &table: { "Keys": [key] } });
        answer.to_string()
    }
}

/// A rewrite of the first batch read that finds something under a sort key: the keys were read one after the
/// other, and some of the items are, as `change` says, from before what the others tell of. With it, whether
/// there was such a read.
pub fn torn(
    sort_key: &'static str,
    change: impl Fn(&mut Vec<Value>) + Send + Sync + 'static,
) -> (impl Fn(&str, String) -> String + Send + Sync + 'static, Arc<AtomicBool>) {
    let is_torn = Arc::new(AtomicBool::new(false));
    let tearing = is_torn.clone();
    let rewrite = move |operation: &str, body: String| {
        if operation != "BatchGetItem" {
            return body;
        }
        let mut answer: Value = serde_json::from_str(&body).expect("JSON");
        let tables = answer["Responses"].as_object_mut().expect("tables");
        let items = tables.values_mut().next().and_then(Value::as_array_mut).expect("items");
        let is_found = items.iter().any(|item| is_under(item, sort_key));
        if !is_found || tearing.swap(true, Ordering::SeqCst) {
            return body;
        }
        change(items);
        answer.to_string()
    };
    (rewrite, is_torn)
}

/// Whether an item's sort key begins so.
pub fn is_under(item: &Value, sort_key: &str) -> bool {
    item["SK"]["S"].as_str().is_some_and(|sk| sk.starts_with(sort_key))
}

impl HttpClient for Rewriting {
    fn http_connector(&self, _: &HttpConnectorSettings, _: &RuntimeComponents) -> SharedHttpConnector {
        SharedHttpConnector::new(self.clone())
    }
}

impl HttpConnector for Rewriting {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let operation = operation(&request);
        // Files and topics have no operation there, and are let through as they are.
        if operation.is_empty() {
            return self.inner.call(request);
        }
        let (call, rewrite) = (self.inner.call(request), self.rewrite.clone());
        HttpConnectorFuture::new(async move {
            let answer = call.await?;
            let status = answer.status();
            let body = ByteStream::new(answer.into_body()).collect().await;
            let body = body.map_err(|error| ConnectorError::io(error.into()))?.into_bytes();
            let body = rewrite(&operation, String::from_utf8_lossy(&body).into_owned());
            Ok(HttpResponse::new(status, SdkBody::from(body)))
        })
    }
}

fn operation(request: &HttpRequest) -> String {
    let target = request.headers().get("x-amz-target").unwrap_or_default();
    target.rsplit('.').next().unwrap_or_default().to_owned()
}

impl HttpClient for Faulty {
    fn http_connector(&self, _: &HttpConnectorSettings, _: &RuntimeComponents) -> SharedHttpConnector {
        SharedHttpConnector::new(self.clone())
    }
}

impl HttpConnector for Faulty {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let operation = operation(&request);
        let body = request.body().bytes().map(String::from_utf8_lossy).unwrap_or_default();
        match (self.choice)(&operation, &body) {
            Fault::None => self.inner.call(request),
            Fault::Answer(status, body) => HttpConnectorFuture::new(async move {
                tokio::time::sleep(ANSWER).await;
                Ok(answer(status, body))
            }),
            Fault::Hang => HttpConnectorFuture::new(std::future::pending()),
            Fault::Freeze => {
                let call = self.inner.call(request);
                HttpConnectorFuture::new(async move {
                    call.await?;
                    std::future::pending().await
                })
            }
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
