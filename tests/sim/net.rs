//! The network between the SDK's clients and the services: latency, and everything that goes wrong
//! between a call and its answer. A fault either lets the service do all of it or nothing.

use super::Sim;
use super::chaos::{Fate, Service};
use super::oracle::{Invariant, Verdict};
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
use domain::id::TenantId;
use serde_json::{Value, json};
use std::fmt;
use std::future::pending;
use std::sync::Arc;
use tower::ServiceExt;

/// Longer than any answer of the queues.
const ANSWER_MAX_BYTES: usize = 8 * 1024 * 1024;

/// Where connections of listeners are posted to.
pub const SOCKETS_URL: &str = "http://sockets";

tokio::task_local! {
    /// For whom a function works. Whatever it asks of a service while it does must be of that tenant.
    pub static CALLER: TenantId;
}

/// A connector of one client: `who` stands in the history.
#[derive(Clone)]
pub struct Net {
    sim: Arc<Sim>,
    queues: Router,
    who: &'static str,
    /// Whether it is the next release that calls, which writes what this one has never seen.
    is_next: bool,
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
    /// What of the address says whom it concerns.
    path: String,
    body: String,
}

type Answer = Result<HttpResponse, ConnectorError>;

impl Net {
    pub fn client(sim: &Arc<Sim>, queues: &Router, who: &'static str, is_next: bool) -> SharedHttpClient {
        SharedHttpClient::new(Self { sim: sim.clone(), queues: queues.clone(), who, is_next })
    }

    async fn travel(self, call: Call) -> Answer {
        let (fate, there, back) = {
            let now_ms = self.sim.clock.now_ms();
            let mut chaos = self.sim.chaos();
            let fate = chaos.fate(call.service, &call.operation, now_ms);
            (fate, chaos.latency(), chaos.latency())
        };
        self.sim.log(format_args!("{} {} {fate:?}", self.who, call.operation));
        if let Ok(verdict) = CALLER.try_with(|tenant| call.is_of(tenant)) {
            self.sim.note(verdict);
        }
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
                self.sim.overtake(&call.body);
                Ok(self.arrive(call).await)
            }
        }
    }

    /// The service does it.
    async fn arrive(&self, call: Call) -> HttpResponse {
        match call.service {
            Service::Table => return self.ask_table(&call.operation, &call.body),
            Service::Pool => {
                let (status, answer) = self.sim.pool().answer(&call.operation, &call.body);
                return respond(status, answer);
            }
            Service::Files => return self.ask_files(&call),
            Service::Sockets => return self.ask_sockets(&call),
            Service::Topic | Service::Queue => {}
        }
        let (parts, _) = call.request.into_parts();
        let request = http::Request::from_parts(parts, Body::from(call.body));
        let answer = self.queues.clone().oneshot(request).await.unwrap_or_else(|never| match never {});
        let (parts, body) = answer.into_parts();
        let body = to_bytes(body, ANSWER_MAX_BYTES).await.expect("an answer in memory");
        let answer = http::Response::from_parts(parts, SdkBody::from(body));
        answer.try_into().expect("an answer of a service")
    }

    fn ask_files(&self, call: &Call) -> HttpResponse {
        let key = call.path.trim_start_matches('/').split_once('/').expect("a bucket and a key").1;
        let key = key.split('?').next().unwrap_or_default();
        let (method, headers) = (call.request.method(), call.request.headers());
        self.sim.files().answer(method, key, headers, &call.body, self.sim.clock.now_ms())
    }

    fn ask_sockets(&self, call: &Call) -> HttpResponse {
        let connection = call.path.rsplit('/').next().unwrap_or_default();
        if call.operation == "DELETE" {
            let was_there = self.sim.sockets().end(connection);
            return if was_there { respond(204, String::new()) } else { socket_error(410, "GoneException") };
        }
        let posted = self.sim.sockets().post(connection, &call.body, &self.sim.oracle());
        let Some(verdict) = posted else { return socket_error(410, "GoneException") };
        self.sim.note(verdict);
        respond(200, String::new())
    }

    fn ask_table(&self, operation: &str, body: &str) -> HttpResponse {
        let newer = self.is_next.then(|| of_the_next_release(body));
        let body = newer.as_deref().unwrap_or(body);
        let (status, mut answer) = self.sim.table.answer(operation, body);
        let is_read = matches!(operation, "GetItem" | "BatchGetItem" | "Query");
        if operation == "Query" && body.contains("\"IndexName\"") {
            answer = self.behind_the_table(&answer);
        } else if is_read && !body.contains("\"ConsistentRead\":true") {
            self.sim.note(Err((Invariant::Fresh, format!("{} reads what may be old: {body}", self.who))));
        }
        if operation == "TransactWriteItems" {
            let reasons = if status == 200 { "" } else { answer.as_str() };
            self.sim.log(format_args!("table commits: {status} {reasons}"));
            if status == 200 {
                self.sim.committed(body);
            }
        }
        respond(status, answer)
    }

    /// The index knows nobody yet who joined just now.
    fn behind_the_table(&self, answer: &str) -> String {
        let lag_ms = self.sim.chaos().index_lag_ms();
        let mut page: Value = serde_json::from_str(answer).unwrap();
        if let (1.., Some(items)) = (lag_ms, page["Items"].as_array_mut()) {
            let since_ms = self.sim.clock.now_ms() - lag_ms;
            let office = self.sim.office();
            items
                .retain(|item| !item["PK"]["S"].as_str().is_some_and(|pk| office.joined_after(pk, since_ms)));
            page["Count"] = json!(items.len());
        }
        page.to_string()
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
            (Service::Pool, _) => table_error(400, "TooManyRequestsException"),
            (Service::Files, _) => file_error(503, "SlowDown"),
            (Service::Sockets, _) => socket_error(429, "LimitExceededException"),
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
        let mut chaos = self.sim.chaos();
        // They come in order, and may be read in any.
        chaos.rng.shuffle(keys);
        let left = keys.split_off(chaos.rng.usize(0..keys.len()));
        drop(chaos);
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
        let path = request.uri().path().to_owned();
        let (service, operation) = match target.and_then(|target| target.split_once('.')) {
            Some(("AmazonSQS", operation)) => (Service::Queue, operation.to_owned()),
            Some(("AWSCognitoIdentityProviderService", operation)) => (Service::Pool, operation.to_owned()),
            Some((_, operation)) => (Service::Table, operation.to_owned()),
            None if request.uri().host() == Some("sockets") => {
                (Service::Sockets, request.method().to_string())
            }
            None if path.len() > 1 => (Service::Files, request.method().to_string()),
            None => (Service::Topic, action(&body)),
        };
        Self { service, operation, request, path, body }
    }

    /// Whether it concerns nobody but a tenant.
    fn is_of(&self, tenant: &TenantId) -> Verdict {
        let foreign = match self.service {
            Service::Table => {
                self.body.match_indices("\"T#").map(|(at, _)| &self.body[at + 3..]).find(|key| {
                    let rest = key.strip_prefix(tenant.as_str());
                    !rest.is_some_and(|rest| rest.starts_with(['#', '"']))
                })
            }
            Service::Topic | Service::Queue => {
                let own = format!("-{tenant}-");
                (!self.body.contains(&own)).then_some(self.body.as_str())
            }
            Service::Files => {
                let own = format!("/{tenant}/");
                (!self.path.contains(&own)).then_some(self.path.as_str())
            }
            // A user or a connection says itself whose it is.
            Service::Pool | Service::Sockets => None,
        };
        match foreign {
            None => Ok(()),
            Some(foreign) => {
                let foreign: String = foreign.chars().take(80).collect();
                Err((Invariant::Tenancy, format!("{} of {tenant} names {foreign}", self.operation)))
            }
        }
    }
}

/// Every item that is put has an attribute more.
fn of_the_next_release(body: &str) -> String {
    let mut body: Value = serde_json::from_str(body).unwrap();
    let puts = body["TransactItems"].as_array_mut().into_iter().flatten();
    for put in puts.filter_map(|write| write.get_mut("Put")) {
        put["Item"]["zz"] = json!({ "S": "of the next release" });
    }
    body.to_string()
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

fn file_error(status: u16, code: &str) -> HttpResponse {
    respond(status, format!("<Error><Code>{code}</Code><Message>a fault of the simulation</Message></Error>"))
}

fn socket_error(status: u16, kind: &str) -> HttpResponse {
    respond(status, json!({ "__type": kind, "message": "a fault of the simulation" }).to_string())
}

fn server_error(service: Service) -> HttpResponse {
    match service {
        Service::Pool => table_error(500, "InternalErrorException"),
        Service::Files => file_error(500, "InternalError"),
        Service::Sockets => socket_error(500, "InternalServerErrorException"),
        Service::Table => table_error(500, "com.amazonaws.dynamodb.v20120810#InternalServerError"),
        Service::Queue => queue_error(500, "InternalError"),
        Service::Topic => topic_error(500, "InternalError"),
    }
}
