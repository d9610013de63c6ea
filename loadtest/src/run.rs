//! One run over a file: when it began, kept beside the endpoints, so that the next run sends the same
//! ids and changes nothing. Everything else follows from the file and that instant by hash.

use domain::id::{CheckoutId, InvalidKey};
use jiff::{SignedDuration, Timestamp};
use local::cloud::durable;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::io;
use std::path::{Path, PathBuf};
use thiserror::Error;

/// A key is taken for 72 hours, so a run that is older than this gives way to a new one: one hour is left
/// to finish in.
const LIFETIME: SignedDuration = SignedDuration::from_hours(71);

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Run {
    file: [u8; 32],
    started_at: Timestamp,
}

/// What is kept of a run.
#[derive(Serialize, Deserialize)]
struct Kept {
    started_at: Timestamp,
}

#[derive(Debug, Error)]
pub enum RunError {
    #[error("{path} cannot be used")]
    Kept { path: PathBuf, source: io::Error },
    #[error("no run over this file is known; replay it first")]
    Unknown,
}

impl Run {
    pub fn new(file: [u8; 32], started_at: Timestamp) -> Self {
        Self { file, started_at }
    }

    /// The run over `file` that is kept in `dir`, or a new one; it is kept when this returns.
    pub fn begin(dir: &Path, file: [u8; 32], now: Timestamp) -> Result<Self, RunError> {
        match Self::read(dir, file)? {
            Some(run) if now.duration_since(run.started_at) <= LIFETIME => Ok(run),
            _ => {
                let kept = serde_json::to_vec(&Kept { started_at: now }).map_err(io::Error::other);
                let path = path(dir, &file);
                kept.and_then(|kept| durable::replace(&path, &kept))
                    .map_err(|source| RunError::Kept { path, source })?;
                Ok(Self::new(file, now))
            }
        }
    }

    /// The run over `file` that is kept in `dir`, however old.
    pub fn last(dir: &Path, file: [u8; 32]) -> Result<Self, RunError> {
        Self::read(dir, file)?.ok_or(RunError::Unknown)
    }

    fn read(dir: &Path, file: [u8; 32]) -> Result<Option<Self>, RunError> {
        let path = path(dir, &file);
        let kept = durable::read(&path).and_then(|kept| {
            kept.map(|kept| serde_json::from_slice::<Kept>(&kept).map_err(io::Error::other)).transpose()
        });
        let kept = kept.map_err(|source| RunError::Kept { path, source })?;
        Ok(kept.map(|Kept { started_at }| Self { file, started_at }))
    }

    /// Names what is this run's own: eight hexadecimal digits.
    pub fn tag(&self) -> String {
        hex(&self.hash("tag", &self.started_at.as_millisecond().to_string()), 4)
    }

    /// A UUIDv7 of the run's start, whose random part is hashed from file and sale.
    pub fn id_of(&self, transaction: &str) -> Result<CheckoutId, InvalidKey> {
        /// A UUIDv7 takes this many, less six bits for version and variant.
        const RANDOM_BYTES: usize = 10;
        let started_at_ms = u64::try_from(self.started_at.as_millisecond()).unwrap_or_default();
        let mut random = [0; RANDOM_BYTES];
        random.copy_from_slice(&self.hash("id", transaction)[..RANDOM_BYTES]);
        uuid::Builder::from_unix_timestamp_millis(started_at_ms, &random).into_uuid().try_into()
    }

    /// One of `count` for a sale, the same every time.
    pub fn pick(&self, what: &str, transaction: &str, count: usize) -> usize {
        number(&self.hash(what, transaction)) as usize % count
    }

    fn hash(&self, what: &str, about: &str) -> [u8; 32] {
        hash(&[&self.file, what.as_bytes(), about.as_bytes()])
    }
}

fn path(dir: &Path, file: &[u8; 32]) -> PathBuf {
    dir.join(format!("replay-{}.json", hex(file, 8)))
}

/// SHA-256 of parts that cannot run into each other.
pub(crate) fn hash(parts: &[&[u8]]) -> [u8; 32] {
    let mut hash = Sha256::new();
    for part in parts {
        hash.update((part.len() as u64).to_be_bytes());
        hash.update(part);
    }
    hash.finalize().into()
}

/// A number below 2^32 from a hash.
pub(crate) fn number(hash: &[u8; 32]) -> u32 {
    u32::from_be_bytes([hash[0], hash[1], hash[2], hash[3]])
}

pub(crate) fn hex(hash: &[u8; 32], bytes: usize) -> String {
    hash.iter().take(bytes).map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;
    use uuid::{Uuid, Variant};

    fn at(ms: i64) -> Timestamp {
        Timestamp::from_millisecond(ms).unwrap()
    }

    #[test]
    fn ids_are_the_same_twice_and_unlike_any_other() {
        let started_at = at(1_717_986_918_400);
        let run = Run::new([7; 32], started_at);
        let ids = || (0..10_000).map(|sale| run.id_of(&sale.to_string()).unwrap());
        assert!(ids().eq(ids()));
        assert_eq!(ids().collect::<HashSet<_>>().len(), 10_000);
        for id in ids() {
            let uuid = Uuid::from(id);
            assert_eq!((uuid.get_version_num(), uuid.get_variant()), (7, Variant::RFC4122));
            assert_eq!(id.created_at_ms(), started_at.as_millisecond());
        }
        let other_file = Run::new([8; 32], started_at);
        assert_ne!(other_file.id_of("1").unwrap(), run.id_of("1").unwrap());
        assert_ne!(other_file.tag(), run.tag());
    }

    #[test]
    fn a_run_goes_on_for_71_hours() {
        let dir = tempfile::tempdir().unwrap();
        let begin = |now: Timestamp| Run::begin(dir.path(), [7; 32], now).unwrap();
        assert!(matches!(Run::last(dir.path(), [7; 32]), Err(RunError::Unknown)));
        let first = begin(at(1_000));
        assert_eq!(begin(at(1_000) + LIFETIME), first);
        let second = begin(at(1_001) + LIFETIME);
        assert_ne!(second.id_of("1").unwrap(), first.id_of("1").unwrap());
        assert_ne!(second.tag(), first.tag());
        assert_eq!(Run::last(dir.path(), [7; 32]).unwrap(), second);
    }
}
