//! Rebuilding the machine from the rows a store kept.
//! The result equals the machine that wrote them, receive counts, deduplication and marks included.

use std::collections::BTreeMap;

use super::change::{Change, Log};
use super::filter::FilterPolicy;
use super::topic::{Subscription, Topic};
use super::{Fifo, Queue, Realm};

/// Rows that contradict each other: the file is not what this machine wrote.
#[derive(Debug, thiserror::Error)]
#[error("the stored rows are inconsistent: {0}")]
pub struct Inconsistent(&'static str);

impl Fifo {
    /// Expects topics and queues before what belongs to them; `seed` counts only if none was stored.
    pub fn restore(
        realm: Realm,
        seed: i64,
        rows: impl IntoIterator<Item = Change>,
    ) -> Result<Self, Inconsistent> {
        let mut fifo = Self::new(realm, seed);
        let mut names = BTreeMap::new();
        for row in rows {
            fifo.restore_row(row, &mut names)?;
        }
        fifo.log = Log::default();
        Ok(fifo)
    }

    fn restore_row(&mut self, row: Change, names: &mut BTreeMap<i64, String>) -> Result<(), Inconsistent> {
        match row {
            Change::Counter { seed, next } => self.ids = super::Ids { seed, next, recorded: next },
            Change::PutQueue { id, name, settings } => {
                names.insert(id, name.clone());
                self.queues.insert(name.clone(), Queue::new(id, name, settings));
            }
            Change::PutTopic { id, name, settings } => {
                names.insert(id, name.clone());
                self.topics.insert(name, Topic::new(id, settings));
            }
            Change::PutSubscription { id, topic, queue, filter_policy } => {
                let filter = filter_policy.map(|json| FilterPolicy::parse(&json)).transpose();
                let filter = filter.map_err(|_| Inconsistent("a filter policy"))?.flatten();
                let topic = names.get(&topic).and_then(|name| self.topics.get_mut(name));
                let topic = topic.ok_or(Inconsistent("a subscription without topic"))?;
                topic.subscriptions.insert(id, Subscription { queue, filter });
            }
            Change::AddMessage { queue, message } => {
                let queue = names.get(&queue).and_then(|name| self.queues.get_mut(name));
                queue.ok_or(Inconsistent("a message without queue"))?.restore(message, &mut self.log);
            }
            Change::Remember { owner, key, first } => {
                let name = names.get(&owner).ok_or(Inconsistent("a duplicate without owner"))?;
                let queue = self.queues.get_mut(name).filter(|queue| queue.id == owner);
                let topic = self.topics.get_mut(name).filter(|topic| topic.id == owner);
                let window = queue.map(|q| &mut q.duplicates).or(topic.map(|t| &mut t.duplicates));
                window.ok_or(Inconsistent("a duplicate without owner"))?.restore(key, first);
            }
            Change::DropQueue { .. }
            | Change::PurgeQueue { .. }
            | Change::DropTopic { .. }
            | Change::DropSubscription { .. }
            | Change::MarkMessage { .. }
            | Change::DropMessage { .. }
            | Change::Forget { .. } => return Err(Inconsistent("a removal is not a row")),
        }
        Ok(())
    }
}
