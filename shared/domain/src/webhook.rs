//! Webhooks: systems of a tenant's own that are told what happened, and what came of telling them.
//!
//! Invariant: what is told is told in order of each wallet for as long as the receiver takes nothing; an
//! event that it alone refuses steps aside after three attempts.

mod address;
mod delivery;
mod url;

pub use address::{Reach, is_public};
pub use delivery::{
    Answer, Attempt, DELIVERIES_KEPT, Delivery, DeliveryId, DeliveryState, Fault, LATEST, STEPS_ASIDE_FROM,
};
pub use url::WebhookUrl;

use crate::event::{Event, EventKind};
use crate::id::WebhookId;
use crate::role::Status;
use jiff::{SignedDuration, Timestamp};
use sha2::{Digest, Sha256};
use std::collections::{BTreeMap, BTreeSet};

/// Webhooks of one tenant. With [`LANES`] each, all of them together stay within the deliveries that a
/// tenant's queue has under way at the same time, so that one slow receiver takes no other's turn.
pub const MAX_WEBHOOKS: usize = 5;
/// Deliveries to one webhook that are under way at the same time, each lane in order.
pub const LANES: u8 = 4;
/// How long after a rotation what is told is signed with the secret before as well.
pub const ROTATION: SignedDuration = SignedDuration::from_hours(24);

/// A system that is told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Webhook {
    pub id: WebhookId,
    pub url: WebhookUrl,
    /// What it is told of; everything if none is named.
    pub events: BTreeSet<EventKind>,
    pub status: Status,
    /// Which secret is the newest, from 1.
    pub generation: u32,
    pub created_at: Timestamp,
    pub rotated_at: Option<Timestamp>,
    /// Set where nobody set it inactive.
    pub disabled: Option<Disabled>,
}

/// When it was found that a receiver is gone, and by which delivery.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Disabled {
    pub at: Timestamp,
    pub by: DeliveryId,
}

/// All of a tenant's.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Webhooks(pub BTreeMap<WebhookId, Webhook>);

impl Webhook {
    pub fn new(id: WebhookId, url: WebhookUrl, events: BTreeSet<EventKind>, now: Timestamp) -> Self {
        let (status, generation) = (Status::Active, 1);
        Self { id, url, events, status, generation, created_at: now, rotated_at: None, disabled: None }
    }

    pub fn is_active(&self) -> bool {
        self.status == Status::Active
    }

    pub fn wants(&self, event: &Event) -> bool {
        let is_named = self.events.is_empty() || self.events.contains(&event.kind);
        // Whoever is told that it was told no more would be told.
        let is_itself = event.kind == EventKind::WebhookDisabled && event.subject == self.subject();
        self.is_active() && is_named && !is_itself
    }

    pub fn subject(&self) -> String {
        format!("webhooks/{}", self.id)
    }

    /// Which secrets sign, the newest first.
    pub fn generations(&self, now: Timestamp) -> impl Iterator<Item = u32> + use<> {
        let before = self.rotated_at.filter(|rotated_at| now < *rotated_at + ROTATION);
        [self.generation].into_iter().chain(before.map(|_| self.generation.saturating_sub(1)))
    }
}

/// In which of a webhook's lanes an event is told: those of one wallet in one.
pub fn lane_of(event: &Event) -> u8 {
    let whose = event.about.employee.as_ref().map_or("", |employee| employee.as_str());
    let hash = Sha256::digest(whose.as_bytes());
    hash.first().copied().unwrap_or_default() % LANES
}

#[cfg(test)]
mod tests;
