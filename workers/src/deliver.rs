//! Tells webhooks what happened: calls a receiver once a turn, notes what came of it, and says when the next
//! turn is.
//!
//! Invariant: a delivery is done with only when its receiver took it, or when its end is stored. Until then
//! it keeps its place in its lane, unless the receiver takes others.

pub mod receivers;

use crate::fifo;
use crate::lambda::Worker;
use crate::one_by_one::{Delivery as Delivered, OneByOne, WorkOff};
use aws::bus::{Bus, Names, NotPublished};
use aws::clock::Clock;
use aws::config::{Clients, WebhookConfig, WebhookKey};
use aws::failure::Failure;
use aws::results::Results;
use aws::retry::Policy;
use aws::signing::Secret;
use aws::stored::{Stored, put, take};
use aws::table::{Order, Table};
use aws::telemetry::Metrics;
use aws::{items, keys};
use aws_lambda_events::sqs::{SqsBatchResponse, SqsEvent};
use domain::command::{Command, Deliver};
use domain::event::Event;
use domain::id::TenantId;
use domain::planted::{self, Planted};
use domain::role::Status;
use domain::webhook::{
    Answer, Attempt, Delivery, DeliveryState, Disabled, LATEST, STEPS_ASIDE_FROM, Webhook, Webhooks,
};
use jiff::SignedDuration;
use receivers::{Call, Receivers, Told};
use std::time::Duration;
use tokio::time::Instant;

/// Deliveries of one batch at the same time: all that it may have.
const SIDE_BY_SIDE: usize = 10;
/// Time for one batch: a call, and what is read and noted around it.
const BATCH_BUDGET: Duration = Duration::from_millis(7_500);
/// How long after its last attempt a delivery says something of its receiver.
const TELLING: SignedDuration = SignedDuration::from_mins(5);

#[derive(Debug, Clone)]
pub struct DeliverWorker<R = Receivers> {
    table: Table,
    bus: Bus,
    results: Results,
    receivers: R,
    key: WebhookKey,
    batches: OneByOne,
    names: Names,
    clock: Clock,
}

/// A message's webhook and delivery, as they stand in the table.
struct Turn {
    told: Deliver,
    webhooks: Stored<Webhooks>,
    webhook: Webhook,
    delivery: Option<Stored<Delivery>>,
}

impl DeliverWorker {
    pub fn new(clients: &Clients, config: WebhookConfig, clock: Clock, metrics: Metrics) -> Self {
        let receivers = Receivers::new(config.reach);
        Self::calling(receivers, clients, config.key, clock, metrics)
    }
}

impl<R: Call + Sync> DeliverWorker<R> {
    /// The same where receivers are called otherwise.
    pub fn calling(receivers: R, clients: &Clients, key: WebhookKey, clock: Clock, metrics: Metrics) -> Self {
        Self {
            table: clients.table(Policy::WORKER),
            bus: clients.bus(Policy::WORKER),
            results: clients.results(Policy::WORKER),
            receivers,
            key,
            batches: OneByOne::new(clients, metrics, SIDE_BY_SIDE).within(BATCH_BUDGET),
            names: clients.config().names.clone(),
            clock,
        }
    }

    /// What a message is about; nothing if its webhook is gone.
    async fn turn(&self, told: Deliver) -> Result<Option<Turn>, Failure> {
        let webhooks_key = keys::webhooks(&told.tenant);
        let delivery_key = keys::delivery(&told.tenant, told.webhook, &told.id());
        let mut found = self.table.read([webhooks_key.clone(), delivery_key.clone()]).await?;
        let webhooks = take(&mut found, &webhooks_key, items::stored_webhooks)?;
        let delivery = take(&mut found, &delivery_key, items::stored_delivery)?;
        let Some(webhooks) = webhooks else { return Ok(None) };
        let webhook = webhooks.value.0.get(&told.webhook).cloned();
        Ok(webhook.map(|webhook| Turn { told, webhooks, webhook, delivery }))
    }

    async fn take_turn(&self, turn: Turn) -> Result<(), Failure> {
        let stored = turn.delivery.as_ref().map(|stored| stored.value.clone());
        let delivery = stored.unwrap_or_else(|| Delivery::new(turn.told.event.clone(), turn.told.asked));
        match delivery.state {
            DeliveryState::Delivered | DeliveryState::Skipped => return Ok(()),
            DeliveryState::Failed => return self.give_up(turn, delivery).await,
            DeliveryState::Waiting => {}
        }
        if !turn.webhook.is_active() {
            return self.note(&turn, &Delivery { state: DeliveryState::Skipped, ..delivery }).await;
        }
        if let Some(pause) = self.left_of_pause(&delivery) {
            return Err(held(pause));
        }
        let attempt = self.call(&turn.told.tenant, &turn.webhook, &delivery.event).await?;
        let delivery = delivery.after(attempt);
        self.note(&turn, &delivery).await?;
        log(&turn.webhook, &delivery);
        match delivery.state {
            DeliveryState::Delivered | DeliveryState::Skipped => Ok(()),
            DeliveryState::Failed => self.give_up(turn, delivery).await,
            DeliveryState::Waiting => self.wait(turn, &delivery).await,
        }
    }

    /// What is left of the pause behind the last attempt: a message may come early, or twice.
    fn left_of_pause(&self, delivery: &Delivery) -> Option<Duration> {
        let due = delivery.attempts.last()?.at + delivery.pause()?;
        let left = due.duration_since(self.clock.now());
        Duration::try_from(left).ok().filter(|left| left.as_secs() > 0)
    }

    async fn call(&self, tenant: &TenantId, webhook: &Webhook, event: &Event) -> Result<Attempt, Failure> {
        let body =
            serde_json::to_string(event).map_err(|error| Failure::malformed("write an event", error))?;
        let (at, began) = (self.clock.now(), Instant::now());
        let secrets = webhook.generations(at);
        let secrets = secrets.map(|generation| Secret::of(&self.key, tenant, webhook.id, generation));
        let signatures: Vec<_> = secrets.map(|secret| secret.sign(&event.id, at, &body)).collect();
        let told = Told { id: event.id.clone(), at, signatures: signatures.join(" "), body };
        let answer = self.receivers.call(&webhook.url, told).await;
        let duration_ms = u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX);
        Ok(Attempt { at, answer, duration_ms })
    }

    async fn note(&self, turn: &Turn, delivery: &Delivery) -> Result<(), Failure> {
        let item = items::delivery(&turn.told.tenant, turn.told.webhook, delivery)?;
        let write = put(item, turn.delivery.as_ref());
        self.table.commit(vec![write]).await.map_err(|error| error.alone("note a delivery"))
    }

    /// It keeps its place for the next attempt, unless its receiver takes others: then it leaves its lane to
    /// them.
    async fn wait(&self, turn: Turn, delivery: &Delivery) -> Result<(), Failure> {
        let may_step_aside = !turn.told.is_aside && delivery.attempts.len() >= STEPS_ASIDE_FROM;
        if may_step_aside && delivery.steps_aside(&self.since(&turn, delivery).await?) {
            let aside = Deliver { is_aside: true, ..turn.told };
            let published = self.bus.publish(Command::Deliver(Box::new(aside))).await;
            return published.map_err(NotPublished::failure);
        }
        if planted::is(Planted::HookAcknowledged) {
            return Ok(());
        }
        let pause = delivery.pause().and_then(|pause| Duration::try_from(pause).ok());
        Err(held(pause.unwrap_or_default()))
    }

    /// It is over. A receiver that takes nothing else either is gone, and whoever administers is told.
    async fn give_up(&self, turn: Turn, delivery: Delivery) -> Result<(), Failure> {
        let tenant = &turn.told.tenant;
        let is_ours = |disabled: &Disabled| disabled.by == delivery.id;
        let disabled = match &turn.webhook.disabled {
            Some(disabled) if is_ours(disabled) => disabled.clone(),
            None if turn.webhook.is_active()
                && self.is_telling(&delivery)
                && delivery.disables(&self.since(&turn, &delivery).await?) =>
            {
                let disabled = Disabled { at: self.clock.now(), by: delivery.id };
                self.disable(&turn, &disabled).await?;
                disabled
            }
            _ => return Ok(()),
        };
        self.results.tell(tenant, [Event::of_disabled(tenant, &turn.webhook, &disabled)]).await
    }

    /// Not where somebody has enabled its webhook since, and nothing was tried.
    fn is_telling(&self, delivery: &Delivery) -> bool {
        let last = delivery.attempts.last();
        last.is_some_and(|last| self.clock.now() < last.at + TELLING)
    }

    async fn disable(&self, turn: &Turn, disabled: &Disabled) -> Result<(), Failure> {
        let mut webhooks = turn.webhooks.value.clone();
        let inactive =
            Webhook { status: Status::Inactive, disabled: Some(disabled.clone()), ..turn.webhook.clone() };
        webhooks.0.insert(inactive.id, inactive);
        let write = put(items::webhooks(&turn.told.tenant, &webhooks)?, Some(&turn.webhooks));
        self.table.commit(vec![write]).await.map_err(|error| error.alone("disable a webhook"))?;
        tracing::warn!(
            webhook.id = turn.webhook.id.to_string(),
            "a webhook's receiver is gone: it is disabled"
        );
        Ok(())
    }

    /// The latest deliveries of what happened since, this one included.
    async fn since(&self, turn: &Turn, delivery: &Delivery) -> Result<Vec<Delivery>, Failure> {
        let span = keys::deliveries_from(&turn.told.tenant, turn.told.webhook, &delivery.id);
        let page = self.table.query_page(&span, LATEST, Order::NewestFirst, None).await?;
        page.items.into_iter().map(items::stored_delivery).collect()
    }
}

fn held(pause: Duration) -> Failure {
    Failure::Held { context: "tell a webhook", pause }
}

/// Without the URL, which may hold a secret.
fn log(webhook: &Webhook, delivery: &Delivery) {
    let Some(Attempt { answer, duration_ms, .. }) = delivery.attempts.last() else { return };
    let (id, attempts) = (webhook.id.to_string(), delivery.attempts.len());
    let (status, fault) = match answer {
        Answer::Status(status) => (Some(*status), None),
        Answer::None(fault) => (None, Some(fault.as_str())),
    };
    if delivery.state == DeliveryState::Delivered {
        tracing::info!(webhook.id = id, http.status = status, attempts, duration_ms, "told webhook {id}");
    } else {
        let event = delivery.event.id.as_str();
        tracing::warn!(
            webhook.id = id,
            event.id = event,
            http.status = status,
            fault,
            attempts,
            duration_ms,
            "webhook {id} did not take an event"
        );
    }
}

impl<R: Call + Sync> Worker for DeliverWorker<R> {
    async fn handle(&self, event: SqsEvent) -> SqsBatchResponse {
        self.batches.handle(event, self).await
    }
}

impl<R: Call + Sync> WorkOff for DeliverWorker<R> {
    async fn work_off(&self, delivery: Delivered<'_>) -> Result<(), Failure> {
        let told = read(delivery, &self.names)?;
        match self.turn(told).await? {
            Some(turn) => Box::pin(self.take_turn(turn)).await,
            None => Ok(()),
        }
    }
}

/// What a webhook is told of its own tenant.
fn read(delivery: Delivered<'_>, names: &Names) -> Result<Deliver, Failure> {
    let Command::Deliver(told) = delivery.read(names)? else { return Err(fifo::another_workers()) };
    if told.event.tenant != told.tenant {
        return Err(Failure::malformed("read a message", "it tells a webhook of another tenant"));
    }
    Ok(*told)
}
