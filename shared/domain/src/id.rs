//! Identifiers, each parsed once at the edge.
//!
//! No identifier can hold the `#` that separates the parts of a key, or anything else that a URL,
//! a queue name or a log line would have to escape.

use jiff::Timestamp;
use jiff::civil::Date;
use serde::{Deserialize, Serialize};
use std::fmt;
use strum::IntoStaticStr;
use thiserror::Error;
use uuid::Uuid;

/// Why a text is not an identifier of its kind.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{what} must be {min} to {max} characters of {alphabet}")]
pub struct InvalidId {
    what: &'static str,
    min: usize,
    max: usize,
    alphabet: &'static str,
}

macro_rules! text_id {
    ($(#[$doc:meta])* $name:ident, $what:literal, $min:literal..=$max:literal, $alphabet:literal, $allowed:expr) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(String);

        impl $name {
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl TryFrom<String> for $name {
            type Error = InvalidId;

            fn try_from(text: String) -> Result<Self, InvalidId> {
                let allowed: fn(u8) -> bool = $allowed;
                if ($min..=$max).contains(&text.len()) && text.bytes().all(allowed) {
                    Ok(Self(text))
                } else {
                    Err(InvalidId { what: $what, min: $min, max: $max, alphabet: $alphabet })
                }
            }
        }

        impl std::str::FromStr for $name {
            type Err = InvalidId;

            fn from_str(text: &str) -> Result<Self, InvalidId> {
                Self::try_from(text.to_owned())
            }
        }

        impl From<$name> for String {
            fn from(id: $name) -> String {
                id.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{}({})", stringify!($name), self.0)
            }
        }
    };
}

fn is_slug(byte: u8) -> bool {
    byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-'
}

fn is_code(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.')
}

fn is_user_name(byte: u8) -> bool {
    is_code(byte) || matches!(byte, b'@' | b'+')
}

text_id!(
    /// A company, or one of its sites. 32 characters keep every queue name within the 80 that SQS allows.
    TenantId, "a tenant id", 2..=32, "a-z, 0-9 and -", is_slug
);
text_id!(
    /// A vendor that runs stalls for a tenant.
    ConcessionaireId, "a concessionaire id", 1..=32, "a-z, 0-9 and -", is_slug
);
text_id!(
    /// One terminal at one stall.
    StationId, "a station id", 1..=32, "letters, digits, -, _ and .", is_code
);
text_id!(
    /// The number a company gives an employee; never used again for another.
    EmployeeNumber, "an employee number", 1..=32, "letters, digits, -, _ and .", is_code
);
text_id!(
    /// What a badge reader reads.
    Rfid, "an RFID", 4..=64, "letters, digits, -, _ and .", is_code
);
text_id!(
    /// One thing on a menu.
    MealCode, "a meal code", 1..=32, "letters, digits, -, _ and .", is_code
);
text_id!(
    /// The name somebody signs in with.
    UserName, "a user name", 1..=128, "letters, digits, -, _, ., @ and +", is_user_name
);
text_id!(
    /// A booking other than a checkout, unique within its wallet; derived from what caused it.
    BookingId, "a booking id", 1..=64, "letters, digits, -, _ and .", is_code
);

/// A key older than this is refused: 72 hours. A released badge rests an hour longer.
pub const KEY_LIFETIME_MS: i64 = 72 * 60 * 60 * 1000;
/// How far a terminal's clock may run ahead: 5 minutes.
pub const KEY_LEAD_MS: i64 = 5 * 60 * 1000;

/// Why a text is no key, or none for now, with a stable public name.
#[derive(Debug, Clone, PartialEq, Eq, Error, IntoStaticStr)]
#[strum(serialize_all = "kebab-case")]
pub enum InvalidKey {
    #[error("the key must be a UUID of version 7")]
    NotUuidV7,
    #[error("the key is older than 72 hours")]
    TooOld,
    #[error("the key is more than 5 minutes ahead; set the terminal's clock")]
    TooFarAhead,
}

impl InvalidKey {
    /// The stable public name.
    pub fn name(&self) -> &'static str {
        self.into()
    }
}

macro_rules! key_id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "Uuid")]
        pub struct $name(Uuid);

        impl $name {
            /// Milliseconds since the epoch at which the client made the id.
            pub fn created_at_ms(&self) -> i64 {
                let first_48_bits = self.0.as_u128() >> 80;
                i64::try_from(first_48_bits).unwrap_or(i64::MAX)
            }

            /// Whether the id was made within the last 72 hours and no more than 5 minutes ahead of `now`.
            pub fn check_age(&self, now: Timestamp) -> Result<(), InvalidKey> {
                let age_ms = now.as_millisecond() - self.created_at_ms();
                if age_ms > KEY_LIFETIME_MS {
                    Err(InvalidKey::TooOld)
                } else if age_ms < -KEY_LEAD_MS {
                    Err(InvalidKey::TooFarAhead)
                } else {
                    Ok(())
                }
            }
        }

        impl TryFrom<Uuid> for $name {
            type Error = InvalidKey;

            fn try_from(uuid: Uuid) -> Result<Self, InvalidKey> {
                let is_v7 = uuid.get_version_num() == 7 && uuid.get_variant() == uuid::Variant::RFC4122;
                if is_v7 { Ok(Self(uuid)) } else { Err(InvalidKey::NotUuidV7) }
            }
        }

        impl std::str::FromStr for $name {
            type Err = InvalidKey;

            /// Reads the hyphenated form only, so that one id has one spelling.
            fn from_str(text: &str) -> Result<Self, InvalidKey> {
                const HYPHENATED_LEN: usize = 36;
                if text.len() != HYPHENATED_LEN {
                    return Err(InvalidKey::NotUuidV7);
                }
                Uuid::try_parse(text).map_err(|_| InvalidKey::NotUuidV7)?.try_into()
            }
        }

        impl TryFrom<String> for $name {
            type Error = InvalidKey;

            fn try_from(text: String) -> Result<Self, InvalidKey> {
                text.parse()
            }
        }

        impl From<$name> for Uuid {
            fn from(id: $name) -> Uuid {
                id.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{}", self.0.hyphenated())
            }
        }
    };
}

key_id!(
    /// The UUIDv7 that a terminal makes for a sale and keeps until it knows the outcome.
    CheckoutId
);
key_id!(
    /// The UUIDv7 that a client makes for any other command.
    CommandId
);

key_id!(
    /// A webhook: the key of the command that made it.
    WebhookId
);

impl From<CommandId> for WebhookId {
    fn from(id: CommandId) -> Self {
        Self(id.0)
    }
}

impl CommandId {
    /// The id of what no client named: made at an instant, and told from others of it by a hash.
    pub fn made_at(at_ms: i64, hash: &[u8; 32]) -> Result<Self, InvalidKey> {
        const RANDOM_BITS: u32 = 80;
        let ms = u128::try_from(at_ms).map_err(|_| InvalidKey::NotUuidV7)?;
        let random = hash.iter().take(10).fold(0_u128, |bits, byte| bits << 8 | u128::from(*byte));
        let mut bytes = (ms << RANDOM_BITS | random).to_be_bytes();
        bytes[6] = bytes[6] & 0x0f | 0x70;
        bytes[8] = bytes[8] & 0x3f | 0x80;
        Uuid::from_bytes(bytes).try_into()
    }
}

impl From<CommandId> for CheckoutId {
    /// A checkout bears the id of the command that asks for it.
    fn from(id: CommandId) -> Self {
        Self(id.0)
    }
}

impl BookingId {
    /// The one booking of a cutoff in each wallet.
    pub fn of_cutoff(date: Date) -> Self {
        Self(format!("{OF_CUTOFF}{date}"))
    }

    /// Which cutoff it is of, if it is of one.
    pub fn cutoff(&self) -> Option<Date> {
        self.0.strip_prefix(OF_CUTOFF)?.parse().ok()
    }
}

const OF_CUTOFF: &str = "cutoff-";

impl From<CommandId> for BookingId {
    /// The booking that a command asks for bears its id.
    fn from(id: CommandId) -> Self {
        Self(id.to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check_tenant(text: &str, accepted: bool) {
        assert_eq!(text.parse::<TenantId>().is_ok(), accepted, "{text:?}");
    }

    #[test]
    fn a_tenant_id_is_a_short_slug() {
        check_tenant("acme", true);
        check_tenant("acme-2", true);
        check_tenant("a", false);
        check_tenant("Acme", false);
        check_tenant("ac#me", false);
        check_tenant("acmé", false);
        check_tenant(&"a".repeat(32), true);
        check_tenant(&"a".repeat(33), false);
    }

    #[track_caller]
    fn check_age(id: &str, now_ms: i64, expected: Result<(), InvalidKey>) {
        let id: CheckoutId = id.parse().unwrap();
        assert_eq!(id.check_age(Timestamp::from_millisecond(now_ms).unwrap()), expected);
    }

    #[test]
    fn a_key_lives_72_hours_and_may_lead_5_minutes() {
        // 0x01900000_0000 = 1_717_986_918_400 ms.
        let id = "01900000-0000-7000-8000-000000000000";
        let made_ms = 1_717_986_918_400;
        check_age(id, made_ms, Ok(()));
        check_age(id, made_ms + KEY_LIFETIME_MS, Ok(()));
        check_age(id, made_ms + KEY_LIFETIME_MS + 1, Err(InvalidKey::TooOld));
        check_age(id, made_ms - KEY_LEAD_MS, Ok(()));
        check_age(id, made_ms - KEY_LEAD_MS - 1, Err(InvalidKey::TooFarAhead));
    }

    #[test]
    fn what_nobody_named_has_an_id_of_its_time() {
        let id = CommandId::made_at(1_717_986_918_400, &[0xff; 32]).unwrap();
        assert_eq!(id.to_string(), "01900000-0000-7fff-bfff-ffffffffffff");
        assert_eq!(id.created_at_ms(), 1_717_986_918_400);
        assert!(CommandId::made_at(-1, &[0; 32]).is_err());
    }

    #[test]
    fn only_a_hyphenated_uuid_of_version_7_is_a_key() {
        assert!("01900000000070008000000000000000".parse::<CheckoutId>().is_err());
        assert!("01900000-0000-4000-8000-000000000000".parse::<CheckoutId>().is_err());
        assert!("01900000-0000-7000-0000-000000000000".parse::<CheckoutId>().is_err());
        assert!("not a key".parse::<CheckoutId>().is_err());
    }
}
