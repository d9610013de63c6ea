//! The five minutes in which a topic or queue answers a repeated message with the first one's receipt.
//! An entry outlives the message it stands for, so that a late retry is still a duplicate.

use std::collections::{BTreeMap, BTreeSet};

use super::change::{Change, Log};
use super::message::{Content, Sent};

/// AWS's fixed deduplication interval.
pub const DEDUPLICATION_MS: i64 = 300_000;

/// What makes two messages the same: the id, and within `Scope::Group` its group (else empty).
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Key {
    pub group_id: String,
    pub id: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, serde::Serialize, serde::Deserialize)]
pub enum Scope {
    #[default]
    All,
    Group,
}

/// The first message of its key, and when it is forgotten.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct First {
    pub expires_ms: i64,
    pub sent: Sent,
}

/// Every operation costs the logarithm of the entries held; forgetting is paid once an entry.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Window {
    firsts: BTreeMap<Key, First>,
    expiries: BTreeSet<(i64, Key)>,
}

impl Scope {
    pub(super) fn key(self, content: &Content) -> Key {
        let group_id = match self {
            Self::All => String::new(),
            Self::Group => content.group_id.clone(),
        };
        Key { group_id, id: content.deduplication_id.clone() }
    }
}

impl Window {
    /// Forgets what is old, then looks.
    pub(super) fn find(&mut self, owner: i64, key: &Key, now_ms: i64, log: &mut Log) -> Option<Sent> {
        self.forget_until(owner, now_ms, log);
        self.firsts.get(key).map(|first| first.sent.clone())
    }

    pub(super) fn remember(&mut self, owner: i64, key: Key, sent: Sent, now_ms: i64, log: &mut Log) {
        let first = First { expires_ms: now_ms.saturating_add(DEDUPLICATION_MS), sent };
        self.restore(key.clone(), first.clone());
        log.record(Change::Remember { owner, key, first });
    }

    pub(super) fn restore(&mut self, key: Key, first: First) {
        self.expiries.insert((first.expires_ms, key.clone()));
        self.firsts.insert(key, first);
    }

    fn forget_until(&mut self, owner: i64, now_ms: i64, log: &mut Log) {
        let mut forgot = false;
        while let Some((_, key)) = self.expiries.first().filter(|(expires_ms, _)| *expires_ms <= now_ms) {
            self.firsts.remove(key);
            self.expiries.pop_first();
            forgot = true;
        }
        if forgot {
            log.record(Change::Forget { owner, until_ms: now_ms });
        }
    }
}
