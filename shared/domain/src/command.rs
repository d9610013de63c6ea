//! What a caller asks for, and its versioned form in a message.
//!
//! A message outlives the code that wrote it: version 1 stays readable for ever, new fields are
//! optional, and a change of meaning is a new version.

use crate::id::{
    CheckoutId, ConcessionaireId, EmployeeNumber, MealCode, Rfid, StationId, TenantId, UserName,
};
use crate::money::{Price, Quantity};
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::fmt;
use thiserror::Error;
use uuid::Uuid;

/// How long after it was accepted a checkout may still settle: 5 minutes.
pub const CHECKOUT_LIFETIME: SignedDuration = SignedDuration::from_mins(5);
/// Lines in one checkout: more than any tray holds, and far inside one item and one message.
pub const MAX_LINES: usize = 50;

/// A command as it travels. The tag is the `kind` attribute that queues filter on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
#[expect(clippy::large_enum_variant, reason = "a batch holds ten, nearly always of the large kind")]
pub enum Command {
    PostCheckout(PostCheckout),
    Probe(Probe),
}

impl Command {
    pub fn kind(&self) -> &'static str {
        match self {
            Command::PostCheckout(_) => POST_CHECKOUT,
            Command::Probe(_) => PROBE,
        }
    }
}

const POST_CHECKOUT: &str = "post_checkout";
const PROBE: &str = "probe";

/// What one of a tenant's queues is for; each feeds one kind of worker.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Purpose {
    Checkouts,
    Admin,
    Replenishment,
}

impl Purpose {
    pub const ALL: [Self; 3] = [Self::Checkouts, Self::Admin, Self::Replenishment];

    /// As names and stored items have it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Checkouts => "checkouts",
            Self::Admin => "admin",
            Self::Replenishment => "replenishment",
        }
    }

    /// The kinds of command that go this way. A probe goes every way.
    pub fn kinds(self) -> &'static [&'static str] {
        match self {
            Self::Checkouts => &[POST_CHECKOUT, PROBE],
            Self::Admin | Self::Replenishment => &[PROBE],
        }
    }
}

/// The envelope of every message.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Message {
    pub v: FormatVersion,
    #[serde(flatten)]
    pub command: Command,
}

impl Message {
    pub fn new(command: Command) -> Self {
        Self { v: FormatVersion, command }
    }
}

/// The one format version there is; any other is refused when read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "u8", into = "u8")]
pub struct FormatVersion;

#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("format version {0} is not known here")]
pub struct UnknownFormat(u8);

impl TryFrom<u8> for FormatVersion {
    type Error = UnknownFormat;

    fn try_from(version: u8) -> Result<Self, UnknownFormat> {
        if version == 1 { Ok(Self) } else { Err(UnknownFormat(version)) }
    }
}

impl From<FormatVersion> for u8 {
    fn from(_: FormatVersion) -> u8 {
        1
    }
}

/// Find out whether a tenant's queues are reached: a filter may take a quarter of an hour to apply, and
/// until then its topic drops what it would let through.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Probe {
    pub tenant: TenantId,
    /// Another one each time, or the topic would swallow it as a resend.
    pub id: Uuid,
}

/// Sell a basket to one employee.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PostCheckout {
    pub tenant: TenantId,
    pub id: CheckoutId,
    pub request: RequestHash,
    pub caller: UserName,
    pub employee: EmployeeNumber,
    /// The badge shown, if the employee was found by one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub badge: Option<Rfid>,
    pub station: StationId,
    pub concessionaire: ConcessionaireId,
    pub basket: Basket,
    pub accepted_at: Timestamp,
    pub expires_at: Timestamp,
}

/// One line of an order; `price` is what the terminal displayed, if it says so.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OrderLine {
    pub code: MealCode,
    pub qty: Quantity,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub price: Option<Price>,
}

/// One to [`MAX_LINES`] lines.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Vec<OrderLine>", into = "Vec<OrderLine>")]
pub struct Basket(Vec<OrderLine>);

#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("a basket has 1 to {MAX_LINES} lines")]
pub struct InvalidBasket;

impl Basket {
    pub fn lines(&self) -> &[OrderLine] {
        &self.0
    }
}

impl TryFrom<Vec<OrderLine>> for Basket {
    type Error = InvalidBasket;

    fn try_from(lines: Vec<OrderLine>) -> Result<Self, InvalidBasket> {
        if (1..=MAX_LINES).contains(&lines.len()) { Ok(Self(lines)) } else { Err(InvalidBasket) }
    }
}

impl From<Basket> for Vec<OrderLine> {
    fn from(basket: Basket) -> Vec<OrderLine> {
        basket.0
    }
}

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
        Self(canonical.0.finalize().into())
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

    /// The first release's messages, readable for ever.
    #[test]
    fn a_message_of_version_1_reads_as_it_always_did() {
        let command = PostCheckout {
            tenant: "acme".parse().unwrap(),
            id: "01900000-0000-7000-8000-000000000000".parse().unwrap(),
            request: RequestHash::from_bytes([0xa5; 32]),
            caller: "acme-cashier".parse().unwrap(),
            employee: "100042".parse().unwrap(),
            badge: Some("RF100042".parse().unwrap()),
            station: "coffee-bar-1".parse().unwrap(),
            concessionaire: "coffee-bar".parse().unwrap(),
            basket: Basket::try_from(vec![line("COFFEE", 1, Some(4_500)), line("TEA", 2, None)]).unwrap(),
            accepted_at: "2026-03-02T04:00:00.123Z".parse().unwrap(),
            expires_at: "2026-03-02T04:05:00.123Z".parse().unwrap(),
        };
        let message = Message::new(Command::PostCheckout(command));
        let golden = include_str!("golden/post_checkout_v1.json");
        assert_eq!(serde_json::from_str::<Message>(golden).unwrap(), message);
        assert_eq!(serde_json::to_string_pretty(&message).unwrap(), golden.trim_end());
        let v2 = golden.replacen("\"v\": 1", "\"v\": 2", 1);
        assert!(serde_json::from_str::<Message>(&v2).is_err());
    }

    #[test]
    fn a_probe_of_version_1_reads_as_it_always_did() {
        let id = "01900000-0000-7000-8000-000000000000".parse().unwrap();
        let message = Message::new(Command::Probe(Probe { tenant: "acme".parse().unwrap(), id }));
        let golden = r#"{"v":1,"kind":"probe","tenant":"acme","id":"01900000-0000-7000-8000-000000000000"}"#;
        assert_eq!(serde_json::to_string(&message).unwrap(), golden);
        assert_eq!(serde_json::from_str::<Message>(golden).unwrap(), message);
    }

    #[test]
    fn a_purpose_is_stored_under_its_name() {
        for purpose in Purpose::ALL {
            assert_eq!(serde_json::to_value(purpose).unwrap(), purpose.as_str());
        }
    }

    #[test]
    fn a_hash_reads_back() {
        let hash = RequestHash::from_bytes([0xa5; 32]);
        assert_eq!(RequestHash::try_from(hash.to_string()), Ok(hash));
        assert_eq!(RequestHash::try_from("é".repeat(32)), Err(InvalidRequestHash));
    }

    #[test]
    fn a_basket_is_neither_empty_nor_endless() {
        assert_eq!(Basket::try_from(vec![]), Err(InvalidBasket));
        assert!(Basket::try_from(vec![line("a", 1, None); MAX_LINES]).is_ok());
        assert_eq!(Basket::try_from(vec![line("a", 1, None); MAX_LINES + 1]), Err(InvalidBasket));
    }
}
