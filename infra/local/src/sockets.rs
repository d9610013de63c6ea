//! What API Gateway's WebSocket API does in front of the function that listens: it opens sockets, hands on
//! what is said, and takes what is posted to a connection.
//!
//! Invariant: a socket is open only if the function let it be, and its id is never used again.

use aws_lambda_events::apigw::{ApiGatewayWebsocketProxyRequest, ApiGatewayWebsocketProxyRequestContext};
use axum::Router;
use axum::body::Bytes;
use axum::extract::ws::{CloseFrame, Message, WebSocket, WebSocketUpgrade};
use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::{any, post};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::mpsc::{Receiver, Sender, channel};
use tokio::time::{Instant, timeout, timeout_at};
use uuid::Uuid;
use workers::listen::{Answer, Listen, TICKET_PARAMETER};

/// Where the API listens.
pub const PATH: &str = "/listen";
/// API Gateway's limits: of a message, of a connection on which nobody says anything, and of any.
const MAX_MESSAGE_BYTES: usize = 128 * 1024;
const IDLE: Duration = Duration::from_secs(10 * 60);
const LONGEST: Duration = Duration::from_secs(2 * 60 * 60);
/// Messages that wait for a client that is slow; one that is slower is cut off.
const WAITING: usize = 256;
const GOING_AWAY: u16 = 1001;

/// The open sockets.
#[derive(Debug, Clone, Default)]
pub struct Sockets(Arc<Mutex<HashMap<String, Sender<Message>>>>);

#[derive(Debug, Clone)]
struct Served {
    sockets: Sockets,
    listen: Arc<Listen>,
}

impl Sockets {
    /// Where clients connect.
    pub fn router(&self, listen: Arc<Listen>) -> Router {
        Router::new().route(PATH, any(open)).with_state(Served { sockets: self.clone(), listen })
    }

    /// Where functions post to connections, in front of other services.
    pub fn management(&self, others: Router) -> Router {
        let connections =
            Router::new().route("/@connections/{id}", post(post_to).delete(end)).with_state(self.clone());
        connections.fallback_service(others)
    }

    fn with<T>(&self, work: impl FnOnce(&mut HashMap<String, Sender<Message>>) -> T) -> T {
        work(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn sender(&self, id: &str) -> Option<Sender<Message>> {
        self.with(|open| open.get(id).cloned())
    }
}

async fn open(
    State(served): State<Served>,
    Query(parameters): Query<HashMap<String, String>>,
    upgrade: WebSocketUpgrade,
) -> Response {
    let id = Uuid::new_v4().to_string();
    let mut event = event(&id, "$connect", None);
    let ticket = parameters.get(TICKET_PARAMETER).cloned().unwrap_or_default();
    event.query_string_parameters = HashMap::from([(TICKET_PARAMETER.to_owned(), vec![ticket])]).into();
    match Box::pin(served.listen.handle(&event)).await {
        Answer::Done => {
            let (sender, posted) = channel(WAITING);
            served.sockets.with(|open| open.insert(id.clone(), sender));
            upgrade.max_message_size(MAX_MESSAGE_BYTES).on_upgrade(async move |socket| {
                serve(&served, &id, socket, posted).await;
                served.sockets.with(|open| open.remove(&id));
            })
        }
        answer => {
            StatusCode::from_u16(answer.status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR).into_response()
        }
    }
}

/// Until either side ends it, or its time is up.
async fn serve(served: &Served, id: &str, mut socket: WebSocket, mut posted: Receiver<Message>) {
    let ends_at = Instant::now() + LONGEST;
    let mut idle_at = Instant::now() + IDLE;
    loop {
        tokio::select! {
            said = timeout_at(ends_at.min(idle_at), socket.recv()) => match said {
                Ok(Some(Ok(Message::Text(text)))) => {
                    idle_at = Instant::now() + IDLE;
                    let event = event(id, "$default", Some(text.to_string()));
                    // What it answers is posted, and taken by the other arm meanwhile.
                    let listen = served.listen.clone();
                    tokio::spawn(async move { Box::pin(listen.handle(&event)).await });
                }
                Ok(Some(Ok(Message::Ping(_) | Message::Pong(_) | Message::Binary(_)))) => {}
                Ok(Some(Ok(Message::Close(_)) | Err(_)) | None) => return,
                Err(_) => {
                    let close = CloseFrame { code: GOING_AWAY, reason: "its time is up".into() };
                    drop(socket.send(Message::Close(Some(close))).await);
                    return;
                }
            },
            message = posted.recv() => {
                let Some(message) = message else { return };
                let is_end = matches!(message, Message::Close(_));
                if socket.send(message).await.is_err() || is_end {
                    return;
                }
            }
        }
    }
}

/// What API Gateway hands on of a connection: that it opens, under `$connect`, or what is said on it.
pub fn event(id: &str, route: &str, body: Option<String>) -> ApiGatewayWebsocketProxyRequest {
    let mut context = ApiGatewayWebsocketProxyRequestContext::default();
    context.connection_id = Some(id.to_owned());
    context.route_key = Some(route.to_owned());
    let mut event = ApiGatewayWebsocketProxyRequest::default();
    event.request_context = context;
    event.body = body;
    event
}

/// How long a post waits for a client that takes nothing.
const PATIENCE: Duration = Duration::from_secs(1);

async fn post_to(State(sockets): State<Sockets>, Path(id): Path<String>, body: Bytes) -> Response {
    let Ok(text) = String::from_utf8(body.to_vec()) else {
        return StatusCode::BAD_REQUEST.into_response();
    };
    let Some(sender) = sockets.sender(&id) else { return gone() };
    match timeout(PATIENCE, sender.send(Message::Text(text.into()))).await {
        Ok(Ok(())) => StatusCode::OK.into_response(),
        Ok(Err(_)) => gone(),
        Err(_) => {
            sockets.with(|open| open.remove(&id));
            gone()
        }
    }
}

async fn end(State(sockets): State<Sockets>, Path(id): Path<String>) -> Response {
    let Some(sender) = sockets.with(|open| open.remove(&id)) else { return gone() };
    // Whoever does not take it is gone with the sender.
    drop(sender.try_send(Message::Close(None)));
    StatusCode::NO_CONTENT.into_response()
}

fn gone() -> Response {
    (StatusCode::GONE, [("x-amzn-errortype", "GoneException")], "{}").into_response()
}
