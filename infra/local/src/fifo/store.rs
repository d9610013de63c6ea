//! The rows of the machine in one SQLite file: a transaction for each commit, all rows back at start.
//! Synced commits survive a power cut; the others survive the process and cost at most a redelivery.

mod rows;

use std::path::Path;
use std::time::Duration;

use rusqlite::Connection;

use super::change::Change;
use super::restore::Inconsistent;
use super::{Fifo, Realm};

/// How long opening waits for a process that has the file and is about to end.
const LOCK_WAIT: Duration = Duration::from_secs(10);
/// More than there are statements in `rows.rs`, so that each is prepared once.
const STATEMENTS_MAX: usize = 32;

const SCHEMA: &str = "
CREATE TABLE IF NOT EXISTS counter (id INTEGER PRIMARY KEY CHECK (id = 1), seed INTEGER, next INTEGER);
CREATE TABLE IF NOT EXISTS queues (id INTEGER PRIMARY KEY, name TEXT UNIQUE, settings TEXT);
CREATE TABLE IF NOT EXISTS topics (id INTEGER PRIMARY KEY, name TEXT UNIQUE, settings TEXT);
CREATE TABLE IF NOT EXISTS subscriptions (
    id INTEGER PRIMARY KEY, topic INTEGER, queue TEXT, filter_policy TEXT);
CREATE TABLE IF NOT EXISTS messages (
    position INTEGER PRIMARY KEY, queue INTEGER, receive_count INTEGER, first_received_ms INTEGER,
    hidden_until_ms INTEGER, sent_ms INTEGER, message_id TEXT, group_id TEXT, deduplication_id TEXT,
    source TEXT, attributes TEXT, body TEXT);
CREATE TABLE IF NOT EXISTS duplicates (
    owner INTEGER, expires_ms INTEGER, group_id TEXT, id TEXT, message_id TEXT, sequence INTEGER,
    PRIMARY KEY (owner, expires_ms, group_id, id)) WITHOUT ROWID;
";

#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    #[error("the queue file could not be read or written")]
    Sqlite(#[from] rusqlite::Error),
    #[error("a row of the queue file is not what it should be")]
    Json(#[from] serde_json::Error),
    #[error("the queue file does not add up")]
    Inconsistent(#[from] Inconsistent),
    #[error("no random seed from the operating system: {0}")]
    Seed(getrandom::Error),
    #[error("the thread of the queue engine could not be started")]
    Thread(#[from] std::io::Error),
}

/// The open file, for this process alone.
#[derive(Debug)]
pub struct Store {
    connection: Connection,
    synced: bool,
}

impl Store {
    /// Opens or makes the file, and keeps every other process out.
    pub fn open(path: &Path) -> Result<Self, StoreError> {
        Self::prepare(Connection::open(path)?)
    }

    pub fn in_memory() -> Result<Self, StoreError> {
        Self::prepare(Connection::open_in_memory()?)
    }

    fn prepare(connection: Connection) -> Result<Self, StoreError> {
        connection.busy_timeout(LOCK_WAIT)?;
        connection.pragma_update(None, "locking_mode", "EXCLUSIVE")?;
        connection.pragma_update(None, "journal_mode", "WAL")?;
        connection.pragma_update(None, "synchronous", "FULL")?;
        connection.set_prepared_statement_cache_capacity(STATEMENTS_MAX);
        connection.execute_batch(SCHEMA)?;
        Ok(Self { connection, synced: true })
    }

    /// Writes all changes or none. On an error the file decides: load it again.
    pub fn commit(&mut self, changes: &[Change]) -> Result<(), StoreError> {
        self.sync_next(changes.iter().any(Change::must_be_synced))?;
        let transaction = self.connection.transaction()?;
        for change in changes {
            rows::write(&transaction, change)?;
        }
        Ok(transaction.commit()?)
    }

    /// The machine as the file has it.
    pub fn load(&self, realm: Realm) -> Result<Fifo, StoreError> {
        let mut seed = [0; 8];
        getrandom::fill(&mut seed).map_err(StoreError::Seed)?;
        Ok(Fifo::restore(realm, i64::from_be_bytes(seed), rows::read(&self.connection)?)?)
    }

    fn sync_next(&mut self, synced: bool) -> Result<(), StoreError> {
        if self.synced != synced {
            let level = if synced { "FULL" } else { "NORMAL" };
            self.connection.pragma_update(None, "synchronous", level)?;
            self.synced = synced;
        }
        Ok(())
    }
}
