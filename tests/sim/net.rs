//! The network between the SDK's clients and the services: latency, and everything that goes wrong
//! between a call and its answer. A fault either lets the service do all of it or nothing.

use super::Sim;
use super::chaos::{Fate, Service};
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
use serde_json::{Value, json};
use std::fmt;
use std::future::pending;
use std::sync::Arc;
use tower::ServiceExt;

/// Longer than any answer of the queues.
const ANSWER_MAX_BYTES: usize = 8 * 1024 * 1024;

/// A connector of one client: `who` stands in the history.
#[derive(Clone)]
pub struct Net {
    sim: Arc<Sim>,
    queues: Router,
    who: &'static str,
}

impl fmt::Debug for Net {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Net({})", self.who)
    }
}

/// A call as its service reads it.
struct Call {
    service: Service,
    operation: String,
    request: http::Request<SdkBody>,
    body: String,
}

type Answer = Result<HttpResponse, ConnectorError>;

impl Net {
    pub fn client(sim: &Arc<Sim>, queues: &Router, who: &'static str) -> SharedHttpClient {
        SharedHttpClient::new(Self { sim: sim.clone(), queues: queues.clone(), who })
    }

    async fn travel(self, call: Call) -> Answer {
        let (fate, there, back) = {
            let now_ms = self.sim.clock.now_ms();
            let mut chaos = self.sim.chaos();
            let fate = chaos.fate(call.service, &call.operation, now_ms);
            (fate, chaos.latency(), chaos.latency())
        };
        self.sim.log(format_args!("{} {} {fate:?}", self.who, call.operation));
        tokio::time::sleep(there).await;
        let answer = self.meet(fate, call).await?;
        tokio::time::sleep(back).await;
        Ok(answer)
    }

    async fn meet(&self, fate: Fate, call: Call) -> Answer {
        match fate {
            Fate::Pass => Ok(self.arrive(call).await),
            Fate::Refused => Err(lost("connection refused")),
            Fate::Throttled => Ok(self.throttle(&call)),
            Fate::ServerError => Ok(server_error(call.service)),
            Fate::Conflict => Ok(self.conflict(&call)),
            Fate::ReplyLost => {
                self.arrive(call).await;
                Err(lost("the connection broke off"))
            }
            Fate::LateArrival(delay) => {
                let net = self.clone();
                self.sim.in_background(async move {
                    tokio::time::sleep(delay).await;
                    net.arrive(call).await;
                });
                pending().await
            }
            Fate::SlowReply(delay) => {
                let answer = self.arrive(call).await;
                tokio::time::sleep(delay).await;
                Ok(answer)
            }
            Fate::Unprocessed => Ok(self.leave_unprocessed(&call)),
            Fate::Race => {
                self.sim.move_wallets_of(&call.body);
                Ok(self.arrive(call).await)
            }
        }
    }

    /// The service does it.
    async fn arrive(&self, call: Call) -> HttpResponse {
        if call.service == Service::Table {
            return self.ask_table(&call.operation, &call.body);
        }
        let (parts, _) = call.request.into_parts();
        let request = http::Request::from_parts(parts, Body::from(call.body));
        let answer = self.queues.clone().oneshot(request).await.unwrap_or_else(|never| match never {});
        let (parts, body) = answer.into_parts();
        let body = to_bytes(body, ANSWER_MAX_BYTES).await.expect("an answer in memory");
        let answer = http::Response::from_parts(parts, SdkBody::from(body));
        answer.try_into().expect("an answer of a service")
    }

    fn ask_table(&self, operation: &str, body: &str) -> HttpResponse {
        let (status, answer) = self.sim.table.answer(operation, body);
        if operation == "TransactWriteItems" {
            let reasons = if status == 200 { "" } else { answer.as_str() };
            self.sim.log(format_args!("table commits: {status} {reasons}"));
            if status == 200 {
                self.sim.committed(body);
            }
        }
        respond(status, answer)
    }

    fn throttle(&self, call: &Call) -> HttpResponse {
        let is_first = self.sim.chaos().rng.bool();
        match (call.service, is_first) {
            (Service::Table, _) if call.operation == "TransactWriteItems" => {
                let reasons = vec!["ThrottlingError"; writes(&call.body)];
                cancelled(&reasons)
            }
            (Service::Table, true) => {
                table_error(400, "com.amazonaws.dynamodb.v20120810#ProvisionedThroughputExceededException")
            }
            (Service::Table, false) => table_error(400, "com.amazon.coral.availability#ThrottlingException"),
            (Service::Queue, true) => queue_error(403, "RequestThrottled"),
            (Service::Queue, false) => queue_error(400, "ThrottlingException"),
            (Service::Topic, true) => topic_error(400, "Throttling"),
            (Service::Topic, false) => topic_error(429, "Throttled"),
        }
    }

    /// Some of a transaction's items were in other hands.
    fn conflict(&self, call: &Call) -> HttpResponse {
        let mut reasons = vec!["None"; writes(&call.body)];
        let mut chaos = self.sim.chaos();
        let guilty = chaos.rng.usize(0..reasons.len());
        for (index, reason) in reasons.iter_mut().enumerate() {
            if index == guilty || chaos.rng.u32(0..4) == 0 {
                *reason =
                    ["TransactionConflict", "TransactionConflict", "ThrottlingError"][chaos.rng.usize(0..3)];
            }
        }
        cancelled(&reasons)
    }

    /// Reads some of the keys and hands back the rest, at times all of them.
    fn leave_unprocessed(&self, call: &Call) -> HttpResponse {
        let mut request: Value = serde_json::from_str(&call.body).unwrap();
        let keys = request["RequestItems"][super::table::TABLE_NAME]["Keys"].as_array_mut().expect("keys");
        let left = keys.split_off(self.sim.chaos().rng.usize(0..keys.len()));
        let (status, answer) = if keys.is_empty() {
            (200, json!({ "Responses": {} }).to_string())
        } else {
            self.sim.table.answer("BatchGetItem", &request.to_string())
        };
        let mut answer: Value = serde_json::from_str(&answer).unwrap();
        answer["UnprocessedKeys"] =
            json!({ super::table::TABLE_NAME: { "Keys": left, "ConsistentRead": true } });
        respond(status, answer.to_string())
    }
}

impl HttpClient for Net {
    fn http_connector(&self, _: &HttpConnectorSettings, _: &RuntimeComponents) -> SharedHttpConnector {
        SharedHttpConnector::new(self.clone())
    }
}

impl HttpConnector for Net {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        HttpConnectorFuture::new(self.clone().travel(Call::read(request)))
    }
}

impl Call {
    fn read(request: HttpRequest) -> Self {
        let request = request.try_into_http1x().expect("a request of the SDK");
        let bytes = request.body().bytes().expect("a body in memory");
        let body = String::from_utf8(bytes.to_vec()).expect("text");
        let target = request.headers().get("x-amz-target").and_then(|target| target.to_str().ok());
        let (service, operation) = match target.and_then(|target| target.split_once('.')) {
            Some(("AmazonSQS", operation)) => (Service::Queue, operation.to_owned()),
            Some((_, operation)) => (Service::Table, operation.to_owned()),
            None => (Service::Topic, action(&body)),
        };
        Self { service, operation, request, body }
    }
}

/// What a form asks SNS for.
fn action(form: &str) -> String {
    let named = form.split('&').find_map(|field| field.strip_prefix("Action="));
    named.unwrap_or_default().to_owned()
}

fn lost(what: &'static str) -> ConnectorError {
    ConnectorError::io(what.into())
}

fn respond(status: u16, body: String) -> HttpResponse {
    HttpResponse::new(status.try_into().expect("an HTTP status"), SdkBody::from(body))
}

/// How many items a transaction writes.
fn writes(body: &str) -> usize {
    let body: Value = serde_json::from_str(body).unwrap();
    body["TransactItems"].as_array().expect("a transaction").len()
}

fn cancelled(reasons: &[&str]) -> HttpResponse {
    let reasons: Vec<_> = reasons.iter().map(|code| json!({ "Code": code })).collect();
    let body = json!({
        "__type": "com.amazonaws.dynamodb.v20120810#TransactionCanceledException",
        "Message": "Transaction cancelled, please refer cancellation reasons for specific reasons",
        "CancellationReasons": reasons,
    });
    respond(400, body.to_string())
}

fn table_error(status: u16, kind: &str) -> HttpResponse {
    respond(status, json!({ "__type": kind, "message": "a fault of the simulation" }).to_string())
}

fn queue_error(status: u16, kind: &str) -> HttpResponse {
    let body =
        json!({ "__type": format!("com.amazonaws.sqs#{kind}"), "message": "a fault of the simulation" });
    respond(status, body.to_string())
}

fn topic_error(status: u16, code: &str) -> HttpResponse {
    let body = format!(
        "<ErrorResponse xmlns=\"http://sns.amazonaws.com/doc/2010-03-31/\"><Error><Type>Sender</Type>\
         <Code>{code}</Code><Message>a fault of the simulation</Message></Error>\
         <RequestId>00000000</RequestId></ErrorResponse>"
    );
    respond(status, body)
}

fn server_error(service: Service) -> HttpResponse {
    match service {
        Service::Table => table_error(500, "com.amazonaws.dynamodb.v20120810#InternalServerError"),
        Service::Queue => queue_error(500, "InternalError"),
        Service::Topic => topic_error(500, "InternalError"),
    }
}
