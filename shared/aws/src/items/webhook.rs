//! Webhooks, all of a tenant's in one item, and what they were told, each for itself.

use super::{Item, Millis, forgotten, from_item, sort_key, to_item};
use crate::failure::Failure;
use crate::keys;
use domain::event::{Event, EventKind};
use domain::id::{TenantId, WebhookId};
use domain::role::Status;
use domain::webhook::{
    Answer, Attempt, DELIVERIES_KEPT, Delivery, DeliveryId, DeliveryState, Disabled, Fault, Webhook,
    WebhookUrl, Webhooks,
};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

#[derive(Serialize, Deserialize)]
struct WebhooksItem {
    h: BTreeMap<WebhookId, WebhookEntry>,
}

#[derive(Serialize, Deserialize)]
struct WebhookEntry {
    u: WebhookUrl,
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    k: BTreeSet<EventKind>,
    s: Status,
    g: u32,
    c: Millis,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    r: Option<Millis>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    d: Option<DisabledEntry>,
}

#[derive(Serialize, Deserialize)]
struct DisabledEntry {
    t: Millis,
    d: DeliveryId,
}

#[derive(Serialize, Deserialize)]
struct DeliveryItem {
    /// As JSON, so that it is sent again as it was sent.
    e: String,
    s: DeliveryState,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    a: Vec<AttemptEntry>,
}

#[derive(Serialize, Deserialize)]
struct AttemptEntry {
    t: Millis,
    /// How many milliseconds it took.
    d: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    s: Option<u16>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    f: Option<Fault>,
}

impl From<&Webhook> for WebhookEntry {
    fn from(webhook: &Webhook) -> Self {
        let Webhook { id: _, url, events, status, generation, created_at, rotated_at, disabled } =
            webhook.clone();
        Self {
            u: url,
            k: events,
            s: status,
            g: generation,
            c: created_at.into(),
            r: rotated_at.map(Millis::from),
            d: disabled.map(|disabled| DisabledEntry { t: disabled.at.into(), d: disabled.by }),
        }
    }
}

impl WebhookEntry {
    fn read(self, id: WebhookId) -> Result<Webhook, Failure> {
        let disabled =
            |entry: DisabledEntry| Ok::<_, Failure>(Disabled { at: entry.t.try_into()?, by: entry.d });
        Ok(Webhook {
            id,
            url: self.u,
            events: self.k,
            status: self.s,
            generation: self.g,
            created_at: self.c.try_into()?,
            rotated_at: self.r.map(TryInto::try_into).transpose()?,
            disabled: self.d.map(disabled).transpose()?,
        })
    }
}

impl From<&Attempt> for AttemptEntry {
    fn from(attempt: &Attempt) -> Self {
        let (s, f) = match attempt.answer {
            Answer::Status(status) => (Some(status), None),
            Answer::None(fault) => (None, Some(fault)),
        };
        Self { t: attempt.at.into(), d: attempt.duration_ms, s, f }
    }
}

impl TryFrom<AttemptEntry> for Attempt {
    type Error = Failure;

    fn try_from(entry: AttemptEntry) -> Result<Self, Failure> {
        let answer = match (entry.s, entry.f) {
            (Some(status), _) => Answer::Status(status),
            (None, Some(fault)) => Answer::None(fault),
            (None, None) => {
                return Err(Failure::malformed("read an attempt", "it has neither answer nor fault"));
            }
        };
        Ok(Attempt { at: entry.t.try_into()?, answer, duration_ms: entry.d })
    }
}

pub fn webhooks(tenant: &TenantId, webhooks: &Webhooks) -> Result<Item, Failure> {
    let entries = webhooks.0.iter().map(|(id, webhook)| (*id, webhook.into()));
    to_item(keys::webhooks(tenant), &WebhooksItem { h: entries.collect() })
}

pub fn stored_webhooks(item: Item) -> Result<Webhooks, Failure> {
    let entries = from_item::<WebhooksItem>(item)?.h.into_iter();
    let webhooks = entries.map(|(id, entry)| Ok::<_, Failure>((id, entry.read(id)?)));
    Ok(Webhooks(webhooks.collect::<Result<_, _>>()?))
}

pub fn delivery(tenant: &TenantId, webhook: WebhookId, delivery: &Delivery) -> Result<Item, Failure> {
    let Delivery { id, event, state, attempts } = delivery;
    let attributes = DeliveryItem {
        e: serde_json::to_string(event).map_err(|error| Failure::malformed("write an event", error))?,
        s: *state,
        a: attempts.iter().map(AttemptEntry::from).collect(),
    };
    let item = to_item(keys::delivery(tenant, webhook, id), &attributes)?;
    let last = attempts.last().map_or(event.at, |last| last.at);
    Ok(forgotten(item, last + DELIVERIES_KEPT))
}

pub fn stored_delivery(item: Item) -> Result<Delivery, Failure> {
    let id = keys::parse_delivery(sort_key(&item)?)
        .ok_or_else(|| Failure::malformed("read a delivery", "the sort key holds no id"))?;
    let DeliveryItem { e, s, a } = from_item(item)?;
    let attempts = a.into_iter().map(TryInto::try_into).collect::<Result<_, _>>()?;
    let event: Event = serde_json::from_str(&e)
        .map_err(|error| Failure::malformed("read an event", format!("column {}", error.column())))?;
    Ok(Delivery { id, event, state: s, attempts })
}
