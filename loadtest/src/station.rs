//! A station as it should be written: each sale under an id that it makes and keeps, sent until it is
//! accepted, told over a socket, and asked for where the socket is silent. Whatever breaks off, the same id
//! is sent again, and the socket resumes behind the last position.

use crate::listener::{ListenError, Listener};
use crate::terminal::{Answer, Terminal, TerminalError};
use aws::failure::chain;
use domain::id::CheckoutId;
use serde_json::Value;
use std::collections::VecDeque;
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
    /// Came before the socket was said to be subscribed on, and is still to be heard.
    early: VecDeque<Value>,
    place: Place,
}

/// Where whoever listens comes back to when their socket breaks off.
#[derive(Debug, Default)]
pub struct Place {
    /// Of the last event before which it knows all, or of when it began to listen.
    position: Option<String>,
    /// Of the last event that came while what was missed before was still being told.
    ahead: Option<String>,
    /// What was missed is being told.
    is_behind: bool,
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
        Self {
            terminal,
            socket: None,
            heard_at: Instant::now(),
            early: VecDeque::new(),
            place: Place::default(),
        }
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
        let frame = match self.early.pop_front() {
            Some(early) => early,
            None => self.socket().await?.next().await?,
        };
        self.heard_at = Instant::now();
        // A frame without a type is the gateway's own, and says that something broke.
        if frame["type"] == "refused" || frame["type"].is_null() {
            return Err(StationError::Refused(frame));
        }
        self.place.take(&frame);
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

    async fn open(&mut self) -> Result<Listener, StationError> {
        let ticket: Answer = self.terminal.listener_ticket().await?;
        let mut socket = Listener::open(&ticket.body).await?;
        socket.subscribe(OWN_COMMANDS, self.place.come_back()).await?;
        loop {
            let frame = socket.next().await?;
            match frame["type"].as_str() {
                // What was missed comes behind this.
                Some("subscribed") => {
                    self.place.take(&frame);
                    return Ok(socket);
                }
                Some("event") => self.early.push_back(frame),
                _ => return Err(StationError::Refused(frame)),
            }
        }
    }
}

impl Place {
    /// The position to subscribe after on another socket; none before anything was heard.
    pub fn come_back(&mut self) -> Option<&str> {
        self.ahead = None;
        self.is_behind = self.position.is_some();
        self.position.as_deref()
    }

    /// Takes in a frame: events in between do not say that those before them were told.
    pub fn take(&mut self, frame: &Value) {
        if let Some(position) = frame["position"].as_str() {
            self.ahead = Some(position.to_owned());
        }
        if ["resumed", "gap"].iter().any(|end| frame["type"] == *end) {
            self.is_behind = false;
        }
        if !self.is_behind {
            self.position = self.ahead.take().or(self.position.take());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    /// What comes meanwhile is ahead of what was missed, and no place to come back to.
    #[test]
    fn a_station_comes_back_to_where_it_knew_all() {
        let mut place = Place::default();
        let event = |position: &str| json!({ "type": "event", "position": position, "event": {} });
        place.come_back();
        place.take(&json!({ "type": "subscribed", "to": "commands", "position": "0#" }));
        assert_eq!(place.position.as_deref(), Some("0#"));
        place.take(&event("1#a"));
        assert_eq!(place.position.as_deref(), Some("1#a"));
        place.come_back();
        place.take(&event("9#live"));
        place.take(&event("2#missed"));
        assert_eq!(place.position.as_deref(), Some("1#a"));
        // It broke off before all was told.
        place.come_back();
        for frame in [event("2#missed"), event("3#missed"), json!({ "type": "resumed", "to": "commands" })] {
            place.take(&frame);
        }
        assert_eq!(place.position.as_deref(), Some("3#missed"));
        place.come_back();
        place.take(&json!({ "type": "gap", "to": "commands" }));
        place.take(&event("12#b"));
        assert_eq!(place.position.as_deref(), Some("12#b"));
    }
}
