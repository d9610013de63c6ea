//! The one counter behind every id, position and sequence number; never handed out twice.
//! Message ids hash it with the seed of the store, so that they are unique without randomness.

use sha2::{Digest, Sha256};
use uuid::Uuid;

use super::change::{Change, Log};
use super::message::Sent;

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Ids {
    pub(super) seed: i64,
    pub(super) next: i64,
    pub(super) recorded: i64,
}

impl Ids {
    pub(super) fn take(&mut self) -> i64 {
        let id = self.next;
        self.next += 1;
        id
    }

    pub(super) fn sent(&mut self) -> Sent {
        let sequence = self.take();
        Sent { message_id: self.uuid(sequence).to_string(), sequence }
    }

    pub(super) fn uuid(&self, id: i64) -> Uuid {
        let mut hash = Sha256::new();
        hash.update(self.seed.to_be_bytes());
        hash.update(id.to_be_bytes());
        let digest: [u8; 32] = hash.finalize().into();
        let mut bytes = [0; 16];
        bytes.copy_from_slice(&digest[..16]);
        uuid::Builder::from_custom_bytes(bytes).into_uuid()
    }

    pub(super) fn record(&mut self, log: &mut Log) {
        if self.recorded != self.next {
            self.recorded = self.next;
            log.record(Change::Counter { seed: self.seed, next: self.next });
        }
    }
}
