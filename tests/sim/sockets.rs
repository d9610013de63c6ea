//! Who listens, a client of each company, and their connection as API Gateway keeps it: what was sent down,
//! and whether it has ended.

use super::oracle::{Invariant, Oracle, Verdict};
use domain::event::Event;
use domain::id::TenantId;
use loadtest::station::Place;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

#[derive(Debug, Default)]
pub struct Sockets(BTreeMap<TenantId, Listener>);

#[derive(Debug, Default)]
pub struct Listener {
    /// The connection that is open.
    pub connection: Option<String>,
    connections: u32,
    /// How often all that they had missed was told, and how often it was too much.
    resumed: u64,
    gaps: u64,
    /// How many events had been told when they began to hear of their audience, without a gap since.
    pub since: Option<usize>,
    /// Ids of the events that they heard.
    pub heard: BTreeSet<String>,
    place: Place,
    is_refused: bool,
}

impl Sockets {
    /// Opens a connection for a company's listener who has none; gives its id, and the position to come back
    /// to.
    pub fn open(&mut self, tenant: &TenantId) -> Option<(String, Option<String>)> {
        let one = self.0.entry(tenant.clone()).or_default();
        if one.connection.is_some() {
            return None;
        }
        one.connections += 1;
        let id = format!("{tenant}-{}", one.connections);
        one.connection = Some(id.clone());
        one.is_refused = false;
        let position = one.place.come_back().map(str::to_owned);
        one.since = one.since.filter(|_| position.is_some());
        Some((id, position))
    }

    pub fn listeners(&self) -> impl Iterator<Item = (&TenantId, &Listener)> {
        self.0.iter()
    }

    /// What came of coming back, and how often.
    pub fn outcomes(&self) -> impl Iterator<Item = (String, u64)> {
        let count = |of: fn(&Listener) -> u64| self.0.values().map(of).sum();
        let all = [("resumed", count(|one| one.resumed)), ("gap", count(|one| one.gaps))];
        all.into_iter().filter(|(_, times)| *times > 0).map(|(what, times)| (what.to_owned(), times))
    }

    /// Companies whose listener lost their connection.
    pub fn lost(&self) -> Vec<TenantId> {
        let lost = self.0.iter().filter(|(_, one)| one.connection.is_none());
        lost.map(|(tenant, _)| tenant.clone()).collect()
    }

    /// One of the connections that are open.
    pub fn nth_open(&self, index: usize) -> Option<String> {
        let open: Vec<_> = self.0.values().filter_map(|one| one.connection.as_ref()).collect();
        open.get(index.checked_rem(open.len())?).map(|id| (*id).clone())
    }

    /// Whether there was one to end.
    pub fn end(&mut self, id: &str) -> bool {
        self.with(id).is_some_and(|(_, one)| one.connection.take().is_some())
    }

    /// Whether whoever has this connection was not given what they asked for.
    pub fn is_refused(&mut self, id: &str) -> bool {
        self.with(id).is_some_and(|(_, one)| one.is_refused)
    }

    /// Sends a frame down, if the connection is there; an event that it brings is held against what was told.
    pub fn post(&mut self, id: &str, frame: &str, oracle: &Oracle) -> Option<Verdict> {
        let (tenant, one) = self.with(id)?;
        let frame: Value = serde_json::from_str(frame).expect("a frame");
        let mut verdict = Ok(());
        match frame["type"].as_str() {
            Some("subscribed") => one.since = one.since.or(Some(oracle.told_so_far())),
            Some("gap") => {
                one.since = Some(oracle.told_so_far());
                one.gaps += 1;
            }
            Some("resumed") => one.resumed += 1,
            Some("refused") => one.is_refused = true,
            Some("event") => {
                let event: Event = serde_json::from_value(frame["event"].clone()).expect("an event");
                if event.tenant != *tenant {
                    return Some(Err((Invariant::Tenancy, format!("{id} heard of {}", event.tenant))));
                }
                one.heard.insert(event.id.clone());
                verdict = oracle.agrees_with(&event);
            }
            _ => {}
        }
        one.place.take(&frame);
        Some(verdict)
    }

    fn with(&mut self, id: &str) -> Option<(&TenantId, &mut Listener)> {
        self.0.iter_mut().find(|(_, one)| one.connection.as_deref() == Some(id))
    }
}
