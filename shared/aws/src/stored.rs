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
