//! What is given out as text, and believed when it comes back: bytes with a tag that only whoever holds the
//! key can make.
//!
//! Invariant: what was sealed with one key for one purpose opens with no other key, and for no other purpose.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

/// Half of an HMAC-SHA256, which RFC 2104 has as the least.
const TAG_BYTES: usize = 16;

/// Base64 of what is said and its tag. No purpose may begin with another of the same key.
pub fn seal(key: &[u8; 32], purpose: &str, said: &[u8]) -> String {
    let tag = mac(key, &[purpose.as_bytes(), said]).finalize().into_bytes();
    let bytes: Vec<_> = said.iter().chain(tag.iter().take(TAG_BYTES)).copied().collect();
    URL_SAFE_NO_PAD.encode(bytes)
}

/// What was said, if it was sealed with this key for this purpose.
pub fn open(key: &[u8; 32], purpose: &str, text: &str) -> Option<Vec<u8>> {
    let mut bytes = URL_SAFE_NO_PAD.decode(text).ok()?;
    let tag = bytes.split_off(bytes.len().checked_sub(TAG_BYTES)?);
    mac(key, &[purpose.as_bytes(), &bytes]).verify_truncated_left(&tag).ok()?;
    Some(bytes)
}

/// The HMAC-SHA256 of parts that stand behind one another.
pub(crate) fn digest(key: &[u8; 32], parts: &[&[u8]]) -> [u8; 32] {
    mac(key, parts).finalize().into_bytes().into()
}

#[expect(clippy::expect_used, reason = "HMAC takes a key of any length")]
fn mac(key: &[u8; 32], parts: &[&[u8]]) -> Hmac<Sha256> {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("HMAC takes any key");
    parts.iter().for_each(|part| mac.update(part));
    mac
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_sealed_opens_as_it_was_and_no_other_way() {
        let (key, text) = ([3; 32], seal(&[3; 32], "ticket a#", b"said"));
        assert_eq!(open(&key, "ticket a#", &text).as_deref(), Some(&b"said"[..]));
        assert_eq!(open(&[4; 32], "ticket a#", &text), None);
        assert_eq!(open(&key, "ticket b#", &text), None);
        let bytes = URL_SAFE_NO_PAD.decode(&text).unwrap();
        for index in 0..bytes.len() {
            let mut altered = bytes.clone();
            altered[index] ^= 1;
            assert_eq!(open(&key, "ticket a#", &URL_SAFE_NO_PAD.encode(altered)), None, "byte {index}");
        }
        for short in ["", "c2FpZA", "?"] {
            assert_eq!(open(&key, "ticket a#", short), None);
        }
    }
}
