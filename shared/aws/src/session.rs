//! Sessions of who listens: a ticket that intake seals opens one connection, soon, and names its session from
//! then on.
//!
//! Invariant: a ticket opens one connection, because its session is an item that must not exist yet. Whoever
//! reads it later can say something in that session only over the connection that it opened.

use crate::config::SessionKey;
use crate::seal;
use domain::id::{TenantId, UserName};
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// How long after it was given out a ticket opens a connection.
pub const CONNECT_WITHIN: SignedDuration = SignedDuration::from_secs(30);

/// What a ticket says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SessionTicket {
    #[serde(rename = "t")]
    pub tenant: TenantId,
    #[serde(rename = "u")]
    pub user: UserName,
    #[serde(rename = "s")]
    pub session: Uuid,
    /// In milliseconds since the epoch, as is the other.
    #[serde(rename = "c")]
    pub connect_by_ms: i64,
    /// When the token expires that it was given out for.
    #[serde(rename = "x")]
    pub expires_at_ms: i64,
}

impl SessionTicket {
    pub fn seal(&self, key: &SessionKey) -> Option<String> {
        Some(seal::seal(key.as_bytes(), "", &serde_json::to_vec(self).ok()?))
    }

    /// Reads a ticket that was sealed with this key.
    pub fn open(key: &SessionKey, text: &str) -> Option<Self> {
        serde_json::from_slice(&seal::open(key.as_bytes(), "", text)?).ok()
    }

    pub fn opens_a_connection(&self, now: Timestamp) -> bool {
        now.as_millisecond() <= self.connect_by_ms && !self.has_expired(now)
    }

    pub fn expires_at(&self) -> Option<Timestamp> {
        Timestamp::from_millisecond(self.expires_at_ms).ok()
    }

    pub fn has_expired(&self, now: Timestamp) -> bool {
        now.as_millisecond() >= self.expires_at_ms
    }
}

/// When a session was given out, as its id says.
pub fn began_at(session: Uuid) -> Timestamp {
    let at = session.get_timestamp().map(|at| at.to_unix());
    let at =
        at.and_then(|(second, nano)| Timestamp::new(second.try_into().ok()?, nano.try_into().ok()?).ok());
    at.unwrap_or(Timestamp::MIN)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ticket_opens_as_it_was_sealed_and_no_other_way() {
        let ticket = SessionTicket {
            tenant: "acme".parse().unwrap(),
            user: "acme-cashier".parse().unwrap(),
            session: Uuid::from_bytes([7; 16]),
            connect_by_ms: 30_000,
            expires_at_ms: 40_000,
        };
        let key = SessionKey::new([3; 32]);
        let sealed = ticket.seal(&key).unwrap();
        assert_eq!(SessionTicket::open(&key, &sealed), Some(ticket.clone()));
        assert_eq!(SessionTicket::open(&SessionKey::new([4; 32]), &sealed), None);
        assert_eq!(SessionTicket::open(&key, ""), None);
        let at = |ms| Timestamp::from_millisecond(ms).unwrap();
        assert!(ticket.opens_a_connection(at(30_000)) && !ticket.opens_a_connection(at(30_001)));
        assert!(!ticket.has_expired(at(39_999)) && ticket.has_expired(at(40_000)));
    }
}
