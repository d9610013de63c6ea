//! What stands under a key, and the revision that a write in its place must still find.

use crate::failure::Failure;
use crate::items::{self, Item};
use crate::keys::Key;
use crate::table::{Found, Write};

/// A value of the table with the revision that was read.
#[derive(Debug)]
pub struct Stored<T> {
    pub value: T,
    pub revision: u64,
}

impl<T> Stored<T> {
    /// What an item says.
    pub fn of(item: Item, read: impl FnOnce(Item) -> Result<T, Failure>) -> Result<Self, Failure> {
        let revision = items::revision(&item)?;
        Ok(Self { value: read(item)?, revision })
    }
}

/// What stands under a key.
pub fn take<T>(
    found: &mut Found,
    key: &Key,
    read: impl FnOnce(Item) -> Result<T, Failure>,
) -> Result<Option<Stored<T>>, Failure> {
    found.take(key).map(|item| Stored::of(item, read)).transpose()
}

/// Puts an item where nothing stood, or in place of what was read.
pub fn put<T>(item: Item, stored: Option<&Stored<T>>) -> Write {
    match stored {
        Some(Stored { revision, .. }) => Write::Replace { item, from: *revision },
        None => Write::Create(item),
    }
}
