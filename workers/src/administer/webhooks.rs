//! Webhooks: all of a tenant's stand in one item, so that they can be counted and read in one go.

use super::decision::Decision;
use aws::failure::Failure;
use aws::stored::{Stored, put, take};
use aws::table::Table;
use aws::{items, keys};
use domain::admin::{Administer, Change, Receipt, Rejection, SECRET_GENERATION};
use domain::command::Deliver;
use domain::event::{Event, EventKind};
use domain::id::{TenantId, WebhookId};
use domain::role::Status;
use domain::webhook::{MAX_WEBHOOKS, Webhook, WebhookUrl, Webhooks};
use jiff::Timestamp;
use serde_json::{Value, json};
use std::collections::BTreeSet;

/// What is asked for of a webhook.
#[derive(Debug)]
pub enum Asked<'a> {
    Create(&'a WebhookUrl, &'a BTreeSet<EventKind>),
    Change(Option<&'a WebhookUrl>, Option<&'a BTreeSet<EventKind>>, Option<Status>),
    Delete,
    Rotate,
}

pub async fn set(
    table: &Table,
    tenant: &TenantId,
    id: WebhookId,
    asked: Asked<'_>,
    now: Timestamp,
) -> Result<Decision, Failure> {
    let stored = read(table, tenant).await?;
    let mut webhooks = stored.as_ref().map(|stored| stored.value.clone()).unwrap_or_default();
    let before = webhooks.0.get(&id).cloned();
    let after = match becomes(&webhooks, id, before.clone(), asked, now) {
        Ok(after) => after,
        Err(rejection) => return Ok(Decision::rejected(rejection)),
    };
    match &after {
        Some(webhook) => webhooks.0.insert(id, webhook.clone()),
        None => webhooks.0.remove(&id),
    };
    let writes = vec![put(items::webhooks(tenant, &webhooks)?, stored.as_ref())];
    let snapshot = |webhook: Option<&Webhook>| webhook.map_or(Value::Null, snapshot);
    Ok(Decision::applied(snapshot(before.as_ref()), snapshot(after.as_ref()), writes))
}

fn becomes(
    all: &Webhooks,
    id: WebhookId,
    before: Option<Webhook>,
    asked: Asked<'_>,
    now: Timestamp,
) -> Result<Option<Webhook>, Rejection> {
    if let Asked::Create(url, events) = asked {
        return match before {
            Some(_) => Err(Rejection::AlreadyExists),
            None if all.0.len() >= MAX_WEBHOOKS => Err(Rejection::TooManyWebhooks),
            None => Ok(Some(Webhook::new(id, url.clone(), events.clone(), now))),
        };
    }
    let webhook = before.ok_or(Rejection::NotFound)?;
    Ok(match asked {
        Asked::Create(..) | Asked::Delete => None,
        Asked::Change(url, events, status) => Some(Webhook {
            url: url.unwrap_or(&webhook.url).clone(),
            events: events.unwrap_or(&webhook.events).clone(),
            status: status.unwrap_or(webhook.status),
            disabled: webhook.disabled.filter(|_| status.is_none()),
            ..webhook
        }),
        Asked::Rotate if webhook.generations(now).count() > 1 => return Err(Rejection::RotatedLately),
        Asked::Rotate => {
            Some(Webhook { generation: webhook.generation + 1, rotated_at: Some(now), ..webhook })
        }
    })
}

/// Nothing in the table changes, and the receipt says so.
pub async fn tell(table: &Table, tenant: &TenantId, change: &Change) -> Result<Decision, Failure> {
    let (id, delivery) = match change {
        Change::TestWebhook { id } => (id, None),
        Change::Redeliver { id, delivery } => (id, Some(keys::delivery(tenant, *id, delivery))),
        _ => return Err(Failure::malformed("tell a webhook", "it is another change")),
    };
    let webhooks_key = keys::webhooks(tenant);
    let mut found = table.read([webhooks_key.clone()].into_iter().chain(delivery.clone())).await?;
    let stored = take(&mut found, &webhooks_key, items::stored_webhooks)?;
    let webhook = stored.and_then(|stored| stored.value.0.get(id).cloned());
    let is_there = delivery.is_none_or(|key| found.take(&key).is_some());
    Ok(match webhook {
        Some(webhook) if is_there && webhook.is_active() => {
            Decision::applied(snapshot(&webhook), snapshot(&webhook), vec![])
        }
        Some(_) if is_there => Decision::rejected(Rejection::WebhookInactive),
        _ => Decision::rejected(Rejection::NotFound),
    })
}

/// What a webhook is told because of a change that was applied; nothing if it is forgotten meanwhile.
pub async fn told(
    table: &Table,
    command: &Administer,
    receipt: &Receipt,
) -> Result<Option<Deliver>, Failure> {
    let tenant = &command.tenant;
    let (id, event) = match &command.change {
        Change::TestWebhook { id } => (id, Some(Event::of_test(tenant, *id, command.id, receipt.decided_at))),
        Change::Redeliver { id, delivery } => {
            let item = table.read_one(&keys::delivery(tenant, *id, delivery)).await?;
            (id, item.map(items::stored_delivery).transpose()?.map(|delivery| delivery.event))
        }
        _ => return Ok(None),
    };
    let deliver = |event| Deliver {
        tenant: tenant.clone(),
        webhook: *id,
        event,
        asked: Some(command.id),
        // It waits for nothing, and nothing for it.
        is_aside: true,
    };
    Ok(event.map(deliver))
}

async fn read(table: &Table, tenant: &TenantId) -> Result<Option<Stored<Webhooks>>, Failure> {
    let key = keys::webhooks(tenant);
    take(&mut table.read([key.clone()]).await?, &key, items::stored_webhooks)
}

fn snapshot(webhook: &Webhook) -> Value {
    json!({
        "url": webhook.url,
        "events": webhook.events,
        "status": webhook.status,
        SECRET_GENERATION: webhook.generation,
    })
}
