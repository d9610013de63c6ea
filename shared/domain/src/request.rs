//! Which request a command stands for: what tells a resend from another request under the same key.

use crate::command::{Basket, Kind};
use crate::id::{CheckoutId, CommandId, EmployeeNumber, Rfid, StationId, TenantId, UserName};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::fmt;
use thiserror::Error;

/// How a caller names the buyer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Buyer {
    Badge(Rfid),
    Number(EmployeeNumber),
}

/// SHA-256 of a canonical request: who asked for what under which key, and nothing that changes
/// when the same request is sent again.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct RequestHash([u8; 32]);

impl RequestHash {
    pub fn of_checkout(
        tenant: &TenantId,
        caller: &UserName,
        id: CheckoutId,
        buyer: &Buyer,
        station: &StationId,
        basket: &Basket,
    ) -> Self {
        let mut canonical = Canonical(Sha256::new());
        canonical.text("post_checkout");
        canonical.text(tenant.as_str());
        canonical.text(caller.as_str());
        canonical.text(&id.to_string());
        match buyer {
            Buyer::Badge(rfid) => canonical.text("rfid").text(rfid.as_str()),
            Buyer::Number(number) => canonical.text("employee_number").text(number.as_str()),
        };
        canonical.text(station.as_str());
        for line in basket.lines() {
            let price = line.price.map_or_else(String::new, |price| price.get().to_string());
            canonical.text(line.code.as_str()).text(&line.qty.get().to_string()).text(&price);
        }
        canonical.hash()
    }

    /// Of any other command; `asked` is what is asked for, written the same way whenever it is sent.
    pub fn of_command(kind: Kind, tenant: &TenantId, caller: &UserName, id: CommandId, asked: &str) -> Self {
        let mut canonical = Canonical(Sha256::new());
        canonical.text(kind.as_str()).text(tenant.as_str()).text(caller.as_str());
        canonical.text(&id.to_string()).text(asked);
        canonical.hash()
    }

    /// Of a file that was put somewhere, one of several times.
    pub fn of_file(key: &str, sequencer: &str) -> Self {
        let mut canonical = Canonical(Sha256::new());
        canonical.text("import_file").text(key).text(sequencer);
        canonical.hash()
    }

    pub fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

/// Feeds texts to a hash so that no two different sequences read the same: each behind its length.
struct Canonical(Sha256);

impl Canonical {
    fn text(&mut self, text: &str) -> &mut Self {
        self.0.update((text.len() as u64).to_be_bytes());
        self.0.update(text.as_bytes());
        self
    }

    fn hash(self) -> RequestHash {
        RequestHash(self.0.finalize().into())
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("a request hash is 64 hexadecimal digits")]
pub struct InvalidRequestHash;

impl fmt::Display for RequestHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for RequestHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "RequestHash({self})")
    }
}

impl From<RequestHash> for String {
    fn from(hash: RequestHash) -> String {
        hash.to_string()
    }
}

impl TryFrom<String> for RequestHash {
    type Error = InvalidRequestHash;

    fn try_from(text: String) -> Result<Self, InvalidRequestHash> {
        if text.len() != 64 || !text.is_ascii() {
            return Err(InvalidRequestHash);
        }
        let mut bytes = [0; 32];
        for (byte, digits) in bytes.iter_mut().zip(text.as_bytes().chunks_exact(2)) {
            let digits = std::str::from_utf8(digits).map_err(|_| InvalidRequestHash)?;
            *byte = u8::from_str_radix(digits, 16).map_err(|_| InvalidRequestHash)?;
        }
        Ok(Self(bytes))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::command::OrderLine;

    fn line(code: &str, qty: i64, price: Option<i64>) -> OrderLine {
        OrderLine {
            code: code.parse().unwrap(),
            qty: qty.try_into().unwrap(),
            price: price.map(|minor| minor.try_into().unwrap()),
        }
    }

    fn hash(caller: &str, buyer: Buyer, lines: Vec<OrderLine>) -> RequestHash {
        RequestHash::of_checkout(
            &"acme".parse().unwrap(),
            &caller.parse().unwrap(),
            "01900000-0000-7000-8000-000000000000".parse().unwrap(),
            &buyer,
            &"s1".parse().unwrap(),
            &Basket::try_from(lines).unwrap(),
        )
    }

    #[test]
    fn every_part_of_a_request_changes_its_hash() {
        let badge = || Buyer::Badge("1001".parse().unwrap());
        let base = hash("ann", badge(), vec![line("a", 1, None), line("b", 2, None)]);
        let others = [
            hash("bob", badge(), vec![line("a", 1, None), line("b", 2, None)]),
            hash("ann", Buyer::Number("1001".parse().unwrap()), vec![line("a", 1, None), line("b", 2, None)]),
            hash("ann", badge(), vec![line("b", 2, None), line("a", 1, None)]),
            hash("ann", badge(), vec![line("a", 1, Some(0)), line("b", 2, None)]),
            hash("ann", badge(), vec![line("a", 1, None)]),
            hash("ann", badge(), vec![line("a", 12, None), line("b", 2, None)]),
        ];
        assert_eq!(base, hash("ann", badge(), vec![line("a", 1, None), line("b", 2, None)]));
        for (index, other) in others.iter().enumerate() {
            assert_ne!(base, *other, "variant {index}");
        }
    }

    #[test]
    fn a_hash_reads_back() {
        let hash = RequestHash::from_bytes([0xa5; 32]);
        assert_eq!(RequestHash::try_from(hash.to_string()), Ok(hash));
        assert_eq!(RequestHash::try_from("é".repeat(32)), Err(InvalidRequestHash));
    }
}
