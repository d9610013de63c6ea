//! A receiver of webhooks on this machine: it keeps what it is sent, and answers as it is told to.

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::routing::post;
use serde_json::Value;
use std::sync::{Arc, Mutex};
use tokio::net::TcpListener;
use tokio::task::JoinSet;

/// Says what an event is answered, or that it is not.
pub type Answering = dyn Fn(&Value) -> Option<u16> + Send + Sync;

#[derive(Debug)]
pub struct Receiver {
    pub url: String,
    heard: Arc<Mutex<Vec<Heard>>>,
    _server: JoinSet<()>,
}

/// A call, and what it was answered.
#[derive(Debug, Clone)]
pub struct Heard {
    pub id: String,
    pub timestamp: String,
    pub signatures: String,
    pub body: String,
    pub answer: u16,
}

#[derive(Clone)]
struct Ear {
    heard: Arc<Mutex<Vec<Heard>>>,
    answering: Arc<Answering>,
}

impl Receiver {
    pub async fn start(answering: impl Fn(&Value) -> Option<u16> + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.expect("a port");
        let url = format!("http://{}/hook", listener.local_addr().expect("an address"));
        let heard = Arc::default();
        let ear = Ear { heard: Arc::clone(&heard), answering: Arc::new(answering) };
        let router = Router::new().route("/hook", post(hear)).with_state(ear);
        let mut server = JoinSet::new();
        server.spawn(async move { axum::serve(listener, router).await.expect("it serves") });
        Self { url, heard, _server: server }
    }

    /// Every call so far.
    pub fn heard(&self) -> Vec<Heard> {
        self.heard.lock().expect("nobody panics").clone()
    }

    /// What was taken so far.
    pub fn taken(&self) -> Vec<Value> {
        let taken = self.heard().into_iter().filter(|heard| heard.answer < 300);
        taken.map(|heard| heard.event()).collect()
    }
}

impl Heard {
    pub fn event(&self) -> Value {
        serde_json::from_str(&self.body).expect("an event")
    }
}

async fn hear(State(ear): State<Ear>, headers: HeaderMap, body: Bytes) -> StatusCode {
    let header = |name: &str| headers[name].to_str().expect("text").to_owned();
    let body = String::from_utf8(body.to_vec()).expect("text");
    let event = serde_json::from_str(&body).expect("an event");
    let Some(answer) = (ear.answering)(&event) else { return std::future::pending().await };
    let heard = Heard {
        id: header("webhook-id"),
        timestamp: header("webhook-timestamp"),
        signatures: header("webhook-signature"),
        body,
        answer,
    };
    ear.heard.lock().expect("nobody panics").push(heard);
    StatusCode::from_u16(answer).expect("a status")
}
