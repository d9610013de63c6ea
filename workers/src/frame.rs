//! What goes up and down a listener's connection: one JSON object a frame.

use aws::failure::Failure;
use domain::event::Event;
use serde::{Deserialize, Serialize};

/// What a client says.
#[derive(Debug, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case", deny_unknown_fields)]
pub enum Said {
    /// Listen to `to`; `after` the last position that was received, if the connection was lost since.
    Subscribe {
        session: String,
        to: String,
        after: Option<String>,
    },
    Unsubscribe {
        session: String,
        to: String,
    },
    /// Keeps a connection that nothing happens on, as long as its session lasts.
    Ping {
        session: String,
    },
}

/// What a client is told.
#[derive(Debug, Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Frame<'a> {
    /// Whatever happens from now on is told; with the position to come back to until the first event, if the
    /// client named none.
    Subscribed {
        to: &'a str,
        #[serde(skip_serializing_if = "Option::is_none")]
        position: Option<&'a str>,
    },
    Unsubscribed {
        to: &'a str,
    },
    /// It is not listened to, and why; stable.
    Refused {
        to: &'a str,
        reason: Refusal,
    },
    /// Something happened. The position is what to subscribe `after` next time.
    Event {
        position: &'a str,
        event: &'a Event,
    },
    /// All that was missed has been told again. What is told meanwhile is ahead of it, so the position of the
    /// last event is one to come back to only when this, or a gap, was told of everything that was subscribed
    /// to behind a position.
    Resumed {
        to: &'a str,
    },
    /// More was missed than is kept: read how things stand. What happens from the position on is told.
    Gap {
        to: &'a str,
        position: &'a str,
    },
    /// Whatever happened half a minute before the position has been told.
    Pong {
        position: &'a str,
    },
    /// The frame could not be read.
    Error {
        detail: &'a str,
    },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Refusal {
    /// The session is not this connection's, or its token has expired.
    NoSession,
    /// There is nothing of the kind, or it is not for this role.
    NotFound,
    TooManyListeners,
    BadPosition,
    /// For now: say it again.
    Unavailable,
}

impl Frame<'_> {
    pub fn text(&self) -> Result<String, Failure> {
        serde_json::to_string(self).map_err(|error| Failure::malformed("write a frame", error))
    }
}
