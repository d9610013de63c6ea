//! What every batch operation of SQS and SNS has in common: the checks of the whole, then entry by entry.
//! An entry that fails leaves the others untouched.

use std::collections::BTreeSet;

use super::error::FifoError;
use super::message::MESSAGE_MAX_BYTES;

/// Entries of one batch request (AWS quota, SQS and SNS alike).
pub const BATCH_MAX: usize = 10;
/// Characters of an entry's id (AWS quota).
const ENTRY_ID_MAX: usize = 80;

/// One numbered part of a batch request or of its answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry<T> {
    pub id: String,
    pub item: T,
}

pub type Outcomes<T> = Vec<Entry<Result<T, FifoError>>>;

/// Applies `apply` to each entry in order; `bytes` says how much of the batch's size an item takes.
pub(super) fn each<T, U>(
    entries: Vec<Entry<T>>,
    bytes: impl Fn(&T) -> usize,
    mut apply: impl FnMut(T) -> Result<U, FifoError>,
) -> Result<Outcomes<U>, FifoError> {
    check_ids(&entries)?;
    if entries.iter().map(|entry| bytes(&entry.item)).sum::<usize>() > MESSAGE_MAX_BYTES {
        return Err(FifoError::BatchRequestTooLong(MESSAGE_MAX_BYTES));
    }
    Ok(entries.into_iter().map(|Entry { id, item }| Entry { id, item: apply(item) }).collect())
}

fn check_ids<T>(entries: &[Entry<T>]) -> Result<(), FifoError> {
    if entries.is_empty() {
        return Err(FifoError::EmptyBatchRequest);
    }
    if entries.len() > BATCH_MAX {
        return Err(FifoError::TooManyEntriesInBatchRequest(entries.len()));
    }
    let allowed = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
    if entries.iter().any(|e| e.id.is_empty() || e.id.len() > ENTRY_ID_MAX || !e.id.chars().all(allowed)) {
        return Err(FifoError::InvalidBatchEntryId);
    }
    let distinct: BTreeSet<&str> = entries.iter().map(|entry| entry.id.as_str()).collect();
    if distinct.len() < entries.len() {
        return Err(FifoError::BatchEntryIdsNotDistinct);
    }
    Ok(())
}
