//! Movements other than checkouts: credit granted at a cutoff or on opening a wallet.

use crate::id::{BookingId, UserName};
use crate::ledger::Entry;
use crate::money::Money;
use crate::wallet::Wallet;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// Why credit moved.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum BookingKind {
    /// Credit a wallet starts with.
    Opening,
}

/// An immutable movement: what it added, and the wallet it left.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Booking {
    pub id: BookingId,
    pub kind: BookingKind,
    pub amount: Money,
    pub after: Wallet,
    pub at: Timestamp,
    pub by: UserName,
}

impl Booking {
    pub fn entry(&self) -> Entry {
        Entry { amount: self.amount, after: self.after }
    }
}
