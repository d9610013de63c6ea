//! What whoever holds something sealed may do to it.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

/// Something sealed as it came, with a bit or a character of it changed, a part of it, or made up.
pub fn forge(genuine: &str, how: u8, with: &[u8]) -> String {
    let at = |length: usize| usize::from(with.first().copied().unwrap_or(0)) % length.max(1);
    let by = with.get(1).copied().unwrap_or(1);
    match how % 6 {
        0 => genuine.to_owned(),
        1 => {
            let mut bytes = URL_SAFE_NO_PAD.decode(genuine).expect("it is base64");
            let at = at(bytes.len());
            bytes[at] ^= by;
            URL_SAFE_NO_PAD.encode(bytes)
        }
        2 => {
            let mut bytes = genuine.as_bytes().to_vec();
            let at = at(bytes.len());
            bytes[at] = by;
            String::from_utf8_lossy(&bytes).into_owned()
        }
        3 => genuine[..at(genuine.len())].to_owned(),
        4 => URL_SAFE_NO_PAD.encode(with),
        _ => String::from_utf8_lossy(with).into_owned(),
    }
}

/// As a query has it.
pub fn escaped(text: &str) -> String {
    text.bytes().map(|byte| format!("%{byte:02X}")).collect()
}
