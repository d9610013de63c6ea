//! Stored shapes and their domain values. Attribute names are short, because every kilobyte of a
//! checkout is paid twice; what a key says or a sum gives is not stored again.
//!
//! A stored name is never reused for another meaning: old items stay readable.

mod account;
mod booking;
mod checkout;
mod cutoff;
mod employee;
mod import;
mod listener;
mod menu;
mod receipt;
mod reconciliation;
mod tenant;
mod webhook;

use crate::failure::Failure;
use crate::keys::{self, Key};
use crate::table;
use aws_sdk_dynamodb::types::AttributeValue;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use std::collections::HashMap;

pub use account::enter;
pub use booking::{booking, stored_booking};
pub use checkout::{checkout, stored_checkout};
pub use cutoff::{
    Roster, StoredCutoff, cutoff, cutoff_part, listed_cutoff, policy, roster, stored_cutoff,
    stored_cutoff_part, stored_policy, stored_roster,
};
pub use employee::{
    Account, badge, employee, listed_employee, listed_number, stored_account, stored_badge, stored_employee,
    stored_wallet, wallet,
};
pub use import::{import, newest_file, stored_import, stored_newest_file};
pub use listener::{
    KEPT, Listeners, Listening, Session, listeners, session, stored_listeners, stored_session, stored_told,
    told,
};
pub use menu::{MenuHead, meal, menu_head, stored_meal, stored_menu_head};
pub use receipt::{Audited, receipt, stored_audited, stored_receipt};
pub use reconciliation::{
    StoredRun, reconciliation, reconciliation_part, stored_reconciliation, stored_reconciliation_part,
};
pub use tenant::{
    admins, concessionaire, listed_concessionaire, listed_station, listed_user, station, stored_admins,
    stored_station, stored_tenant, stored_user, tenant, user,
};
pub use webhook::{delivery, stored_delivery, stored_webhooks, webhooks};

/// An item as the table takes and gives it.
pub type Item = HashMap<String, AttributeValue>;

/// Bytes of an item as DynamoDB counts them: names, values, and what lists and maps add.
pub fn size_bytes(item: &Item) -> usize {
    fn of(value: &AttributeValue) -> usize {
        match value {
            AttributeValue::S(text) => text.len(),
            AttributeValue::N(digits) => digits.len().div_ceil(2) + 1,
            AttributeValue::B(bytes) => bytes.as_ref().len(),
            AttributeValue::L(values) => 3 + values.iter().map(|value| 1 + of(value)).sum::<usize>(),
            AttributeValue::M(values) => {
                3 + values.iter().map(|(name, value)| 1 + name.len() + of(value)).sum::<usize>()
            }
            _ => 1,
        }
    }
    item.iter().map(|(name, value)| name.len() + of(value)).sum()
}

/// The item that `attributes` make at `key`.
fn to_item(key: Key, attributes: &impl Serialize) -> Result<Item, Failure> {
    let mut item: Item = serde_dynamo::aws_sdk_dynamodb_1::to_item(attributes)
        .map_err(|error| Failure::malformed("write an item", error))?;
    item.insert(keys::PK.to_owned(), AttributeValue::S(key.pk));
    item.insert(keys::SK.to_owned(), AttributeValue::S(key.sk));
    Ok(item)
}

fn index(item: &mut Item, entry: keys::IndexKey) {
    item.insert(keys::INDEX_PK.to_owned(), AttributeValue::S(entry.pk));
    item.insert(keys::INDEX_SK.to_owned(), AttributeValue::S(entry.sk));
}

/// Says which item does not read, and nothing of what it holds: that may be anybody's name.
fn from_item<'a, T: Deserialize<'a>>(item: Item) -> Result<T, Failure> {
    let Key { pk, sk } = key_of(&item)?;
    serde_dynamo::aws_sdk_dynamodb_1::from_item(item).map_err(|_| {
        Failure::malformed("read an item", format!("{pk} {sk} does not read as what it should be"))
    })
}

/// Where an item stands in the index.
fn indexed(item: &Item) -> Option<keys::IndexKey> {
    let (pk, sk) = (text(item, keys::INDEX_PK).ok()?, text(item, keys::INDEX_SK).ok()?);
    Some(keys::IndexKey { pk: pk.to_owned(), sk: sk.to_owned() })
}

fn text<'a>(item: &'a Item, attribute: &'static str) -> Result<&'a str, Failure> {
    let value = item.get(attribute).and_then(|value| value.as_s().ok());
    value.map(String::as_str).ok_or_else(|| Failure::malformed("read a key", attribute))
}

/// With the time at which DynamoDB may delete it, which it does within days: nobody relies on it.
fn forgotten(mut item: Item, at: Timestamp) -> Item {
    item.insert(keys::TTL.to_owned(), AttributeValue::N(at.as_second().to_string()));
    item
}

/// How often an item was replaced: what [`crate::table::Write::Replace`] must still find.
pub fn revision(item: &Item) -> Result<u64, Failure> {
    let Some(stored) = item.get(table::REVISION) else { return Ok(0) };
    let number = stored.as_n().ok().and_then(|number| number.parse().ok());
    number.ok_or_else(|| Failure::malformed("read a revision", "it is not a number"))
}

/// The sort key of an item.
pub(crate) fn sort_key(item: &Item) -> Result<&str, Failure> {
    text(item, keys::SK)
}

/// The key of an item.
pub(crate) fn key_of(item: &Item) -> Result<Key, Failure> {
    Ok(Key { pk: text(item, keys::PK)?.to_owned(), sk: text(item, keys::SK)?.to_owned() })
}

/// Milliseconds since the epoch: a third of the size of a date in text.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
#[serde(transparent)]
struct Millis(i64);

impl From<Timestamp> for Millis {
    fn from(at: Timestamp) -> Self {
        Self(at.as_millisecond())
    }
}

impl TryFrom<Millis> for Timestamp {
    type Error = Failure;

    fn try_from(at: Millis) -> Result<Timestamp, Failure> {
        Timestamp::from_millisecond(at.0)
            .map_err(|error| Failure::malformed("read an instant", error.to_string()))
    }
}

#[cfg(test)]
mod tests;
