//! Tickets: which request a `202` answered, and until when it may settle.
//!
//! A ticket is bound to where the outcome will stand by a MAC, so it can neither be made up nor carried
//! over to another command.

use aws::config::TicketKey;
use aws::keys::Key;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use domain::planted::{self, Planted};
use domain::request::RequestHash;
use hmac::{Hmac, KeyInit, Mac};
use jiff::{SignedDuration, Timestamp};
use sha2::Sha256;

/// A function that started before the expiry may still commit this long after it: its timeout of
/// 10 s, and generous clock skew.
const GRACE: SignedDuration = SignedDuration::from_mins(1);
const HASH_BYTES: usize = 32;
const EXPIRY_BYTES: usize = 8;
const MAC_BYTES: usize = 16;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ticket {
    pub request: RequestHash,
    pub expires_at: Timestamp,
}

impl Ticket {
    pub fn seal(&self, key: &TicketKey, place: &Key) -> String {
        let mut bytes = Vec::with_capacity(HASH_BYTES + EXPIRY_BYTES + MAC_BYTES);
        bytes.extend(self.request.as_bytes());
        bytes.extend(self.expires_at.as_millisecond().to_be_bytes());
        let tag = mac(key, place, &bytes).finalize().into_bytes();
        bytes.extend(tag.iter().take(MAC_BYTES));
        URL_SAFE_NO_PAD.encode(bytes)
    }

    /// Reads a ticket that was sealed for `place`, and no other.
    pub fn open(key: &TicketKey, place: &Key, text: &str) -> Option<Self> {
        let bytes = URL_SAFE_NO_PAD.decode(text).ok()?;
        let (signed, tag) = bytes.split_at_checked(HASH_BYTES + EXPIRY_BYTES)?;
        if tag.len() != MAC_BYTES {
            return None;
        }
        mac(key, place, signed).verify_truncated_left(tag).ok()?;
        let (hash, expiry_ms) = signed.split_at(HASH_BYTES);
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

#[expect(clippy::expect_used, reason = "HMAC takes a key of any length")]
fn mac(key: &TicketKey, place: &Key, signed: &[u8]) -> Hmac<Sha256> {
    let mut mac = Hmac::<Sha256>::new_from_slice(key.as_bytes()).expect("HMAC takes any key");
    // No id can hold a space or `#`, so no two places read the same.
    mac.update(format!("ticket {place}#").as_bytes());
    mac.update(signed);
    mac
}

#[cfg(test)]
mod tests {
    use super::*;
    use aws::keys;

    fn seal_and_open(change: impl FnOnce(&mut Vec<u8>), employee: &str) -> Option<Ticket> {
        let key = TicketKey::new([3; 32]);
        let id = "01900000-0000-7000-8000-000000000000".parse().unwrap();
        let place = |number: &str| keys::checkout(&"acme".parse().unwrap(), &number.parse().unwrap(), id);
        let ticket = Ticket {
            request: RequestHash::from_bytes([1; 32]),
            expires_at: Timestamp::from_millisecond(1_700_000_000_000).unwrap(),
        };
        let sealed = ticket.seal(&key, &place("7"));
        let mut bytes = URL_SAFE_NO_PAD.decode(sealed).unwrap();
        change(&mut bytes);
        let opened = Ticket::open(&key, &place(employee), &URL_SAFE_NO_PAD.encode(bytes));
        assert!(opened.is_none_or(|opened| opened == ticket));
        opened
    }

    #[test]
    fn a_ticket_opens_for_its_own_checkout_only() {
        assert!(seal_and_open(|_| (), "7").is_some());
        assert!(seal_and_open(|_| (), "8").is_none());
        for byte in 0..HASH_BYTES + EXPIRY_BYTES + MAC_BYTES {
            assert!(seal_and_open(|bytes| bytes[byte] ^= 1, "7").is_none(), "byte {byte}");
        }
        assert!(seal_and_open(|bytes| bytes.truncate(40), "7").is_none());
        assert!(seal_and_open(Vec::clear, "7").is_none());
    }
}
