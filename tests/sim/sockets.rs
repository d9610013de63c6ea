//! Connections of who listens, as API Gateway keeps them: what was sent down each, and which have ended.

use super::oracle::{Invariant, Oracle, Verdict};
use domain::event::Event;
use domain::id::TenantId;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

#[derive(Debug, Default)]
pub struct Sockets(BTreeMap<String, Connection>);

#[derive(Debug)]
pub struct Connection {
    pub tenant: TenantId,
    /// How many events had been told when it began to hear of its audience.
    pub subscribed: Option<usize>,
    pub is_open: bool,
    /// Ids of the events that it heard.
    pub heard: BTreeSet<String>,
}

impl Sockets {
    pub fn open(&mut self, id: &str, tenant: &TenantId) {
        let connection =
            Connection { tenant: tenant.clone(), subscribed: None, is_open: true, heard: BTreeSet::new() };
        self.0.insert(id.to_owned(), connection);
    }

    pub fn connections(&self) -> impl Iterator<Item = (&String, &Connection)> {
        self.0.iter()
    }

    /// One of those that are open.
    pub fn nth_open(&self, index: usize) -> Option<String> {
        let open: Vec<_> = self.0.iter().filter(|(_, one)| one.is_open).map(|(id, _)| id).collect();
        open.get(index.checked_rem(open.len())?).map(|id| (*id).clone())
    }

    /// Whether there was one to end.
    pub fn end(&mut self, id: &str) -> bool {
        self.0.get_mut(id).is_some_and(|one| std::mem::replace(&mut one.is_open, false))
    }

    /// Sends a frame down, if the connection is there; an event that it brings is held against what was told.
    pub fn post(&mut self, id: &str, frame: &str, oracle: &Oracle) -> Option<Verdict> {
        let one = self.0.get_mut(id).filter(|one| one.is_open)?;
        let frame: Value = serde_json::from_str(frame).expect("a frame");
        match frame["type"].as_str() {
            Some("subscribed") => one.subscribed = Some(oracle.told_so_far()),
            Some("event") => {
                let event: Event = serde_json::from_value(frame["event"].clone()).expect("an event");
                if event.tenant != one.tenant {
                    return Some(Err((Invariant::Tenancy, format!("{id} heard of {}", event.tenant))));
                }
                one.heard.insert(event.id.clone());
                return Some(oracle.agrees_with(&event));
            }
            _ => {}
        }
        Some(Ok(()))
    }
}
