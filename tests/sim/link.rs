//! The way from a terminal to the API and back: the real intake router, called as the gateway would,
//! with requests and answers that get lost and functions that die.

use super::Shared;
use super::net::CALLER;
use super::office::Cashier;
use super::workers::Fated;
use axum::Router;
use axum::body::{Body, to_bytes};
use http::{HeaderMap, Request};
use lambda_http::aws_lambda_events::apigw::ApiGatewayProxyRequestContext;
use lambda_http::request::RequestContext;
use serde_json::{Value, json};
use std::time::Duration;
use tower::ServiceExt;

pub const CLIENT_ID: &str = "sim";
/// How long a terminal waits for an answer: a little more than the longest wait it may ask for.
const PATIENCE: Duration = Duration::from_secs(9);
const ANSWER_MAX_BYTES: usize = 1024 * 1024;
const FIRST_PAUSE: Duration = Duration::from_secs(2);
const LONGEST_PAUSE: Duration = Duration::from_secs(25);

#[derive(Debug, Clone)]
pub struct Link {
    pub sim: Shared,
    /// Functions of intake, of which any may get a request.
    pub instances: [Router; 2],
}

/// Pauses of whoever sends again or looks again, ever longer.
#[derive(Debug)]
pub struct Pauses {
    next: Duration,
}

#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub headers: HeaderMap,
    pub body: Value,
}

impl Pauses {
    pub fn new() -> Self {
        Self { next: FIRST_PAUSE }
    }

    pub async fn pause(&mut self) {
        tokio::time::sleep(self.next).await;
        self.next = LONGEST_PAUSE.min(self.next * 2);
    }
}

impl Answer {
    /// The name of a problem, without what all their types begin with.
    pub fn problem(&self) -> &str {
        let kind = self.body["type"].as_str().unwrap_or_default();
        kind.strip_prefix("urn:internal-pos:problem:").unwrap_or_default()
    }
}

impl Link {
    /// Sends a request; `None` if no answer came, whatever became of it.
    pub async fn send(&self, who: &Cashier, request: http::request::Builder, body: String) -> Option<Answer> {
        let (there, back, run, is_lost, is_reply_lost) = {
            let mut chaos = self.sim.chaos();
            let (there, back) = (chaos.latency(), chaos.latency());
            (there, back, chaos.intake_run(), chaos.loses_link(), chaos.loses_link())
        };
        let request = request.extension(context(who)).body(Body::from(body)).expect("a request");
        tokio::time::sleep(there).await;
        if is_lost {
            return None;
        }
        let intake = self.instances[self.sim.chaos().rng.usize(0..2)].clone();
        let tenant = who.tenant.clone();
        let (tell, told) = tokio::sync::oneshot::channel();
        // The function runs on when the terminal goes away, as it would.
        self.sim.in_background(async move {
            let answer = Fated::new(CALLER.scope(tenant, serve(intake, request)), run).await;
            drop(tell.send(answer));
        });
        let answer = tokio::time::timeout(PATIENCE, told).await.ok()?.ok()??;
        tokio::time::sleep(back).await;
        (!is_reply_lost).then_some(answer)
    }
}

async fn serve(intake: Router, request: Request<Body>) -> Answer {
    let answer = intake.oneshot(request).await.unwrap_or_else(|never| match never {});
    let (parts, body) = answer.into_parts();
    let body = to_bytes(body, ANSWER_MAX_BYTES).await.expect("an answer in memory");
    let body = serde_json::from_slice(&body).unwrap_or(Value::Null);
    Answer { status: parts.status.as_u16(), headers: parts.headers, body }
}

/// What the gateway hands on: the claims as strings.
fn context(who: &Cashier) -> RequestContext {
    let claims = json!({
        "aud": CLIENT_ID,
        "token_use": "id",
        "custom:tenant_id": who.tenant.as_str(),
        "cognito:username": who.user.as_str(),
        // Both in 2036: nobody's token ends meanwhile, and who is signed out signs in again.
        "auth_time": "2087996400",
        "exp": "2088000000",
    });
    let mut context = ApiGatewayProxyRequestContext::default();
    context.authorizer.fields.insert("claims".to_owned(), claims);
    RequestContext::ApiGatewayV1(context)
}
