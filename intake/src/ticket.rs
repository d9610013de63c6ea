//! Tickets: which request a `202` answered, and until when it may settle.
//!
//! A ticket is bound to where the outcome will stand by a MAC, so it can neither be made up nor carried
//! over to another command.

use aws::config::TicketKey;
use aws::keys::Key;
use aws::seal;
use domain::planted::{self, Planted};
use domain::request::RequestHash;
use jiff::{SignedDuration, Timestamp};

/// A function that started before the expiry may still commit this long after it: its timeout of
/// 10 s, and generous clock skew.
const GRACE: SignedDuration = SignedDuration::from_mins(1);
const HASH_BYTES: usize = 32;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ticket {
    pub request: RequestHash,
    pub expires_at: Timestamp,
}

impl Ticket {
    pub fn seal(&self, key: &TicketKey, place: &Key) -> String {
        let expiry = self.expires_at.as_millisecond().to_be_bytes();
        let said = [&self.request.as_bytes()[..], &expiry[..]].concat();
        seal::seal(key.as_bytes(), &purpose(place), &said)
    }

    /// Reads a ticket that was sealed for `place`, and no other.
    pub fn open(key: &TicketKey, place: &Key, text: &str) -> Option<Self> {
        let said = seal::open(key.as_bytes(), &purpose(place), text)?;
        let (hash, expiry_ms) = said.split_at_checked(HASH_BYTES)?;
        Some(Self {
            request: RequestHash::from_bytes(hash.try_into().ok()?),
            expires_at: Timestamp::from_millisecond(i64::from_be_bytes(expiry_ms.try_into().ok()?)).ok()?,
        })
    }

    /// Whether nothing can come of the request any more.
    pub fn is_spent(&self, now: Timestamp) -> bool {
        let grace = if planted::is(Planted::FailedTooSoon) { -GRACE } else { GRACE };
        now > self.expires_at + grace && !planted::is(Planted::TicketNeverSpent)
    }
}

/// No id can hold a space or `#`, so no two places read the same.
fn purpose(place: &Key) -> String {
    format!("ticket {place}#")
}

#[cfg(test)]
mod tests {
    use super::*;
    use aws::keys;

    #[test]
    fn a_ticket_opens_for_its_own_checkout_only() {
        let key = TicketKey::new([3; 32]);
        let id = "01900000-0000-7000-8000-000000000000".parse().unwrap();
        let place = |number: &str| keys::checkout(&"acme".parse().unwrap(), &number.parse().unwrap(), id);
        let ticket = Ticket {
            request: RequestHash::from_bytes([1; 32]),
            expires_at: Timestamp::from_millisecond(1_700_000_000_000).unwrap(),
        };
        let sealed = ticket.seal(&key, &place("7"));
        // As version 1 gave it out.
        let golden = "AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEAAAGLz-VoAPVIguB31YkKEgYLIVnXWUo";
        assert_eq!(sealed, golden);
        assert_eq!(Ticket::open(&key, &place("7"), &sealed), Some(ticket));
        assert_eq!(Ticket::open(&key, &place("8"), &sealed), None);
        for said in [&[1; 32][..], &[1; 39], &[1; 41]] {
            let other = seal::seal(key.as_bytes(), &purpose(&place("7")), said);
            assert_eq!(Ticket::open(&key, &place("7"), &other), None, "{} bytes", said.len());
        }
    }
}
