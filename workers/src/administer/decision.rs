//! What a change comes to, and what it stands on.

use aws::failure::Failure;
use aws::items::{self, Item};
use aws::keys::Key;
use aws::table::{Found, Write};
use domain::admin::{ReceiptOutcome, Refusal};
use serde_json::Value;

/// What is told of a change, and what has to be written for it.
#[derive(Debug)]
pub struct Decision {
    pub outcome: ReceiptOutcome,
    pub writes: Vec<Write>,
}

impl Decision {
    pub fn rejected(refusal: Refusal) -> Self {
        Self { outcome: ReceiptOutcome::Rejected(refusal), writes: vec![] }
    }

    /// What changes nothing writes nothing.
    pub fn applied(before: Value, after: Value, writes: Vec<Write>) -> Self {
        Self { outcome: ReceiptOutcome::Applied { before, after }, writes }
    }

    pub fn is_applied(&self) -> bool {
        matches!(self.outcome, ReceiptOutcome::Applied { .. })
    }
}

/// A value of the table with the revision that was read.
#[derive(Debug)]
pub struct Stored<T> {
    pub value: T,
    pub revision: u64,
}

/// What stands under a key.
pub fn take<T>(
    found: &mut Found,
    key: &Key,
    read: impl FnOnce(Item) -> Result<T, Failure>,
) -> Result<Option<Stored<T>>, Failure> {
    let Some(item) = found.take(key) else { return Ok(None) };
    let revision = items::revision(&item)?;
    Ok(Some(Stored { value: read(item)?, revision }))
}

/// Puts an item where nothing stood, or in place of what was read.
pub fn put<T>(item: Item, stored: Option<&Stored<T>>) -> Write {
    match stored {
        Some(Stored { revision, .. }) => Write::Replace { item, from: *revision },
        None => Write::Create(item),
    }
}
