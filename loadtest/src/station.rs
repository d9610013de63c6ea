//! A station as it should be written: each sale under an id that it makes and keeps, sent until it is accepted, told
//! over a socket, and asked for where the socket is silent. Whatever breaks off, the same id is sent again, and the
//! socket resumes behind the last position.

use crate::listener::{ListenError, Listener};
use crate::terminal::{Answer, Terminal, TerminalError};
use aws::failure::chain;
use domain::id::CheckoutId;
use serde_json::Value;
use std::time::Duration;
use thiserror::Error;
use tokio::time::{Instant, timeout};

/// How long a station listens for an outcome before it asks.
const PATIENCE: Duration = Duration::from_secs(3);
/// How long a socket may take to open and to be subscribed on.
const OPENING: Duration = Duration::from_secs(3);
/// After so long without a word, a socket may have ended without one: another is opened.
const STALE: Duration = Duration::from_secs(4 * 60);
/// Between two attempts to open a socket.
const REOPEN: Duration = Duration::from_millis(200);
/// What a station listens to.
const OWN_COMMANDS: &str = "commands";

#[derive(Debug)]
pub struct Station {
    terminal: Terminal,
    socket: Option<Listener>,
    heard_at: Instant,
    /// Of the last event that was received.
    position: Option<String>,
}

/// How a station came to know an outcome.
#[derive(Debug, Clone, PartialEq)]
pub enum Known {
    /// It was there at once: the id was sent before.
    AtOnce(Value),
    Told(Value),
    Asked(Value),
}

#[derive(Debug, Error)]
pub enum StationError {
    #[error(transparent)]
    Terminal(#[from] TerminalError),
    #[error("nobody could be listened to")]
    Listen(#[from] ListenError),
    #[error("the socket was not subscribed on in time")]
    TooSlow,
    #[error("the subscription was refused: {0}")]
    Refused(Value),
}

impl Station {
    pub fn new(terminal: Terminal) -> Self {
        Self { terminal, socket: None, heard_at: Instant::now(), position: None }
    }

    /// Sells once, however often it has to be sent.
    pub async fn sell(&mut self, key: CheckoutId, body: &Value) -> Result<Known, StationError> {
        // Before anything is sent, so that nothing is missed.
        if let Err(error) = self.socket().await {
            tracing::info!(error = chain(&error), "the socket does not open; the outcome will be asked for");
        }
        let accepted = self.terminal.sell(key, body).await?;
        if accepted.outcome() != "pending" {
            return Ok(Known::AtOnce(accepted.body));
        }
        match timeout(PATIENCE, self.hear_of(key)).await {
            Ok(data) => Ok(Known::Told(data)),
            Err(_) => Ok(Known::Asked(self.terminal.follow(&accepted).await?.body)),
        }
    }

    /// Listens until it is told of a sale; opens the socket again as often as it breaks off.
    async fn hear_of(&mut self, key: CheckoutId) -> Value {
        let id = key.to_string();
        loop {
            match self.hear().await {
                Ok(event) if event["data"]["id"] == id => {
                    return event.get("data").cloned().unwrap_or_default();
                }
                Ok(_) => {}
                Err(error) => {
                    tracing::info!(error = chain(&error), "the socket broke off");
                    self.socket = None;
                    tokio::time::sleep(REOPEN).await;
                }
            }
        }
    }

    /// The next event.
    async fn hear(&mut self) -> Result<Value, StationError> {
        let frame = self.socket().await?.next().await?;
        self.heard_at = Instant::now();
        if let Some(position) = frame["position"].as_str() {
            self.position = Some(position.to_owned());
        }
        Ok(frame.get("event").cloned().unwrap_or_default())
    }

    /// The open socket, behind the last position.
    async fn socket(&mut self) -> Result<&mut Listener, StationError> {
        let open = self.socket.take().filter(|_| self.heard_at.elapsed() < STALE);
        let socket = match open {
            Some(socket) => socket,
            None => {
                let opened = timeout(OPENING, self.open()).await.map_err(|_| StationError::TooSlow)??;
                self.heard_at = Instant::now();
                opened
            }
        };
        Ok(self.socket.insert(socket))
    }

    async fn open(&self) -> Result<Listener, StationError> {
        let ticket: Answer = self.terminal.listener_ticket().await?;
        let mut socket = Listener::open(&ticket.body).await?;
        socket.subscribe(OWN_COMMANDS, self.position.as_deref()).await?;
        // What was missed comes behind this.
        let first = socket.next().await?;
        if first["type"] == "subscribed" { Ok(socket) } else { Err(StationError::Refused(first)) }
    }
}
