//! What a checkout costs in CPU: packaged functions get real events through the Lambda Runtime API, one after
//! the other, and call the services of a system that has no workers of its own. Without TLS, which they have
//! on AWS; intake does not wait for outcomes, and nobody listens.

use crate::rush::company::{Company, CompanyError};
use crate::rush::{Rush, System};
use crate::startup::{self, Running};
use crate::terminal::{self, CHECKOUTS, TerminalError};
use aws::clock::Clock;
use aws_lambda_events::sqs::{BatchItemFailure, SqsBatchResponse, SqsEvent};
use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::IntoResponse;
use axum::routing::{get, post};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use domain::command::Purpose;
use jiff::Timestamp;
use local::demo;
use local::pump::Source;
use local::usage;
use local::users::PoolIds;
use serde_json::{Value, json};
use std::fmt;
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use thiserror::Error;
use tokio::net::TcpListener;
use tokio::sync::{Mutex, mpsc, oneshot};
use uuid::Uuid;
use workers::lambda::Worker;

/// An invocation that takes longer does not end.
const PATIENCE: Duration = Duration::from_secs(30);
const LEFT_MS: i64 = 29_000;
/// Sales before those that count, one in so many.
const WARM_UP: usize = 10;
const INVOCATION: &str = "/2018-06-01/runtime/invocation";

#[derive(Debug, Error)]
pub enum CpuError {
    #[error("{path} cannot be started; has `make package` run for this machine?")]
    Package { path: PathBuf, source: std::io::Error },
    #[error("no port for the Runtime API")]
    Port(#[from] std::io::Error),
    #[error("the company cannot be made")]
    Company(#[from] CompanyError),
    #[error("the company cannot be written")]
    Prepare(#[from] crate::prepare::PrepareError),
    #[error("its cashier cannot sign in")]
    SignIn(#[from] TerminalError),
    #[error("HTTP")]
    Http(#[from] reqwest::Error),
    #[error("the queues")]
    Queues(#[from] Box<aws_sdk_sqs::Error>),
    #[error("{function} answered no event within {} s", PATIENCE.as_secs())]
    Silent { function: &'static str },
    #[error("{function} answered {answer}")]
    Unexpected { function: &'static str, answer: String },
    #[error("this system does not tell what a process used")]
    Untold,
}

/// What one function used.
#[derive(Debug, Clone, Copy)]
pub struct Spent {
    pub function: &'static str,
    /// User and system time of a checkout, in microseconds.
    pub us_per_checkout: u64,
    pub checkouts: u64,
    pub invocations: u64,
    /// Afterwards, in KiB.
    pub resident_kib: u64,
}

impl fmt::Display for Spent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { function, us_per_checkout, checkouts, invocations, resident_kib } = self;
        write!(
            f,
            "  {function:<16}{us_per_checkout:>6} us of CPU a checkout, of {checkouts} in {invocations} events;{resident_kib:>7} KiB resident"
        )
    }
}

/// Sells `sales` times through intake, then works off what it sent, and what came of that.
pub async fn measure(
    packages: &Path,
    system: &System,
    sales: usize,
    now: Timestamp,
) -> Result<Vec<Spent>, CpuError> {
    let rush = Rush::by_hand(u32::try_from(sales).unwrap_or(u32::MAX));
    let Some(tenant) = system.tenants().into_iter().next() else { return Ok(vec![]) };
    let company = Company::new(tenant, 0, &rush, now)?;
    let pool = PoolIds {
        pool_id: system.endpoints.user_pool_id.clone(),
        client_id: system.endpoints.client_id.clone(),
    };
    let cognito = aws_sdk_cognitoidentityprovider::Client::new(system.clients.sdk());
    company.open(&system.table, &cognito, &pool, now).await?;

    let intake = Function::start(packages, "intake", system).await?;
    let claims = claims(system, &company).await?;
    let buyers: Vec<usize> = (0..company.buyers.len()).filter(|buyer| !Company::is_poor(*buyer)).collect();
    let warm_up = buyers.len() / WARM_UP;
    for (index, buyer) in buyers.iter().enumerate() {
        if index == warm_up {
            intake.begin().await?;
        }
        let answer = intake.invoke(sale(&company, *buyer, &claims, now).to_string().into()).await?;
        let answer: Value = serde_json::from_slice(&answer).unwrap_or_default();
        if answer["statusCode"] != 202 {
            return Err(CpuError::Unexpected { function: "intake", answer: answer.to_string() });
        }
        intake.count(1).await;
    }
    let mut spent = vec![intake.end().await?];
    for (function, purpose) in [("post_checkouts", Purpose::Checkouts), ("announce", Purpose::Results)] {
        let function = Arc::new(Function::start(packages, function, system).await?);
        let source = Source::new(&system.clients, &company.tenant, purpose);
        let mut worked = 0;
        let mut is_warm = false;
        loop {
            match source.turn(&function, 0).await.map_err(Box::new)? {
                0 => break,
                some => worked += some,
            }
            if !is_warm && worked >= warm_up {
                is_warm = true;
                function.begin().await?;
            }
        }
        spent.push(function.end().await?);
    }
    Ok(spent)
}

async fn claims(system: &System, company: &Company) -> Result<Value, CpuError> {
    let http = reqwest::Client::new();
    let name = company.cashier.as_str();
    let answer = terminal::initiate_auth(&http, &system.endpoints, name, demo::PASSWORD).await?;
    let token = terminal::id_token(&answer)?;
    let claims = token.split('.').nth(1).and_then(|claims| URL_SAFE_NO_PAD.decode(claims).ok());
    Ok(claims.and_then(|claims| serde_json::from_slice(&claims).ok()).unwrap_or_default())
}

/// A sale as API Gateway hands it on.
fn sale(company: &Company, buyer: usize, claims: &Value, now: Timestamp) -> Value {
    let body = company.request(buyer, 0, &company.two_meals(buyer));
    let headers = json!({
        "Accept": "*/*",
        "Content-Type": "application/json",
        "Host": "api.invalid",
        "Idempotency-Key": Uuid::now_v7().to_string(),
        "User-Agent": "till/1",
        "X-Amzn-Trace-Id": "Root=1-00000000-000000000000000000000000",
        "X-Forwarded-For": "192.0.2.1",
    });
    let many: serde_json::Map<_, _> = headers
        .as_object()
        .into_iter()
        .flatten()
        .map(|(name, value)| (name.clone(), json!([value])))
        .collect();
    json!({
        "resource": CHECKOUTS,
        "path": CHECKOUTS,
        "httpMethod": "POST",
        "headers": headers,
        "multiValueHeaders": many,
        "queryStringParameters": null,
        "multiValueQueryStringParameters": null,
        "pathParameters": null,
        "stageVariables": null,
        "requestContext": {
            "accountId": "000000000000",
            "apiId": "api",
            "stage": "v",
            "requestId": Uuid::new_v4().to_string(),
            "requestTimeEpoch": now.as_millisecond(),
            "identity": { "sourceIp": "192.0.2.1", "userAgent": "till/1" },
            "authorizer": { "claims": claims },
            "resourceId": "checkouts",
            "resourcePath": CHECKOUTS,
            "httpMethod": "POST",
            "path": CHECKOUTS,
            "protocol": "HTTP/1.1",
        },
        "body": body,
        "isBase64Encoded": false,
    })
}

struct Event {
    body: Bytes,
    answer: oneshot::Sender<Bytes>,
}

/// The Runtime API of one function: it asks for an event, and answers it before it asks again.
struct RuntimeApi {
    events: Mutex<mpsc::Receiver<Event>>,
    open: Mutex<Option<oneshot::Sender<Bytes>>>,
    function: &'static str,
}

impl RuntimeApi {
    fn router(self) -> Router {
        Router::new()
            .route(&format!("{INVOCATION}/next"), get(next))
            .route(&format!("{INVOCATION}/{{id}}/response"), post(answered))
            .route(&format!("{INVOCATION}/{{id}}/error"), post(failed))
            .with_state(Arc::new(self))
    }
}

async fn next(State(api): State<Arc<RuntimeApi>>) -> impl IntoResponse {
    let Some(Event { body, answer }) = api.events.lock().await.recv().await else {
        return StatusCode::GONE.into_response();
    };
    *api.open.lock().await = Some(answer);
    let deadline = Clock::system().now().as_millisecond() + LEFT_MS;
    let headers = [
        ("lambda-runtime-aws-request-id", Uuid::new_v4().to_string()),
        ("lambda-runtime-deadline-ms", deadline.to_string()),
        (
            "lambda-runtime-invoked-function-arn",
            format!("arn:aws:lambda:eu-west-1:000000000000:function:{}", api.function),
        ),
        ("content-type", "application/json".to_owned()),
    ];
    (headers, body).into_response()
}

async fn answered(State(api): State<Arc<RuntimeApi>>, body: Bytes) -> StatusCode {
    if let Some(answer) = api.open.lock().await.take() {
        // Whoever waited may have given up.
        drop(answer.send(body));
    }
    StatusCode::ACCEPTED
}

/// Without an answer, whoever waits learns that there is none.
async fn failed(State(api): State<Arc<RuntimeApi>>, body: Bytes) -> StatusCode {
    tracing::error!(error = %String::from_utf8_lossy(&body), "a function failed");
    drop(api.open.lock().await.take());
    StatusCode::ACCEPTED
}

/// A running function.
struct Function {
    name: &'static str,
    process: Running,
    events: mpsc::Sender<Event>,
    counted: Mutex<Counted>,
}

#[derive(Default)]
struct Counted {
    cpu_ms: u64,
    checkouts: u64,
    invocations: u64,
    /// Messages that a worker handed back, of all it got.
    kept: usize,
}

impl Function {
    async fn start(packages: &Path, name: &'static str, system: &System) -> Result<Self, CpuError> {
        let (events, inbox) = mpsc::channel(1);
        let api = RuntimeApi { events: Mutex::new(inbox), open: Mutex::new(None), function: name };
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let address = listener.local_addr()?.to_string();
        tokio::spawn(async move {
            if let Err(error) = axum::serve(listener, api.router()).await {
                tracing::error!(%error, "the Runtime API ended");
            }
        });
        let config = system.clients.config();
        let spawned = startup::bootstrap(packages, name, &address)
            .env("AWS_REGION", &config.names.region)
            .env("ACCOUNT_ID", &config.names.account_id)
            .env("STAGE", &config.names.stage)
            .env("TABLE_NAME", &config.table_name)
            .env("AWS_ENDPOINT_URL", &system.endpoints.aws_endpoint_url)
            .env("AWS_ENDPOINT_URL_DYNAMODB", &system.endpoints.dynamodb_endpoint_url)
            .env("CONNECTIONS_URL", &system.endpoints.aws_endpoint_url)
            .env("USER_POOL_CLIENT_ID", &system.endpoints.client_id)
            .env("AWS_LAMBDA_HTTP_IGNORE_STAGE_IN_PATH", "true")
            .spawn();
        let unusable = |source| CpuError::Package { path: packages.join(name).join("bootstrap"), source };
        let process = Running(spawned.map_err(unusable)?);
        Ok(Self { name, process, events, counted: Mutex::default() })
    }

    async fn invoke(&self, body: Bytes) -> Result<Bytes, CpuError> {
        let silent = || CpuError::Silent { function: self.name };
        let (answer, answered) = oneshot::channel();
        self.events.send(Event { body, answer }).await.map_err(|_| silent())?;
        let answer = tokio::time::timeout(PATIENCE, answered).await;
        answer.map_err(|_| silent())?.map_err(|_| silent())
    }

    fn cpu_ms(&self) -> Result<u64, CpuError> {
        usage::cpu_ms(self.process.0.id()).ok_or(CpuError::Untold)
    }

    /// Counts from now on.
    async fn begin(&self) -> Result<(), CpuError> {
        let mut counted = self.counted.lock().await;
        *counted = Counted { cpu_ms: self.cpu_ms()?, kept: counted.kept, ..Counted::default() };
        Ok(())
    }

    async fn count(&self, checkouts: usize) {
        let mut counted = self.counted.lock().await;
        counted.checkouts += checkouts as u64;
        counted.invocations += 1;
    }

    async fn end(&self) -> Result<Spent, CpuError> {
        let Counted { cpu_ms, checkouts, invocations, kept } = *self.counted.lock().await;
        if kept > 0 || checkouts == 0 {
            let answer = format!("{checkouts} checkouts, and handed {kept} back");
            return Err(CpuError::Unexpected { function: self.name, answer });
        }
        let used_us = (self.cpu_ms()? - cpu_ms) * 1_000;
        Ok(Spent {
            function: self.name,
            us_per_checkout: used_us.checked_div(checkouts).unwrap_or_default(),
            checkouts,
            invocations,
            resident_kib: startup::resident_kib(self.process.0.id()),
        })
    }
}

impl Worker for Function {
    /// All of a batch stays where the function gave no clear answer.
    async fn handle(&self, event: SqsEvent) -> SqsBatchResponse {
        let (count, ids): (_, Vec<_>) = (
            event.records.len(),
            event.records.iter().filter_map(|record| record.message_id.clone()).collect(),
        );
        let answer = match serde_json::to_vec(&event) {
            Ok(event) => self.invoke(event.into()).await.ok(),
            Err(error) => {
                tracing::error!(%error, "an event was not written");
                None
            }
        };
        self.count(count).await;
        let answered = answer.and_then(|answer| serde_json::from_slice::<SqsBatchResponse>(&answer).ok());
        let answered = answered.unwrap_or_else(|| {
            let mut kept = SqsBatchResponse::default();
            kept.batch_item_failures = ids
                .into_iter()
                .map(|id| {
                    let mut failure = BatchItemFailure::default();
                    failure.item_identifier = id;
                    failure
                })
                .collect();
            kept
        });
        self.counted.lock().await.kept += answered.batch_item_failures.len();
        answered
    }
}
