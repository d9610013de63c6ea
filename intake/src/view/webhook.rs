//! What clients read of webhooks and of what those were told.

use super::EventType;
use crate::users::StatusName;
use domain::event::EventKind;
use domain::role::Status;
use domain::webhook::{Answer, Attempt, Delivery, DeliveryState, Webhook};
use serde::Serialize;
use utoipa::ToSchema;

/// A system that is told what happens.
#[derive(Debug, Serialize, ToSchema)]
pub struct WebhookView {
    id: String,
    url: String,
    /// Of everything if empty.
    #[schema(value_type = Vec<EventType>)]
    events: Vec<EventKind>,
    #[schema(value_type = StatusName)]
    status: Status,
    #[schema(format = DateTime)]
    created_at: String,
    /// When it got its newest secret, if that is not its first.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(format = DateTime)]
    rotated_at: Option<String>,
    /// When it was found that its receiver is gone, if nobody has enabled it since.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(format = DateTime)]
    failed_at: Option<String>,
}

impl WebhookView {
    pub fn of(webhook: &Webhook) -> Self {
        Self {
            id: webhook.id.to_string(),
            url: webhook.url.as_str().to_owned(),
            events: webhook.events.iter().copied().collect(),
            status: webhook.status,
            created_at: webhook.created_at.to_string(),
            rotated_at: webhook.rotated_at.map(|at| at.to_string()),
            failed_at: webhook.disabled.as_ref().map(|disabled| disabled.at.to_string()),
        }
    }
}

#[derive(ToSchema)]
#[serde(rename_all = "snake_case")]
#[expect(dead_code, reason = "only its description is used")]
enum DeliveryStateName {
    Waiting,
    Delivered,
    Failed,
    Skipped,
}

/// What came of telling a webhook of an event.
#[derive(Debug, Serialize, ToSchema)]
pub struct DeliveryView {
    id: String,
    event_id: String,
    #[serde(rename = "type")]
    #[schema(value_type = EventType)]
    kind: EventKind,
    /// When it happened.
    #[schema(format = DateTime)]
    time: String,
    /// `waiting` for another attempt, `delivered`, `failed` for good, or `skipped` because the webhook was
    /// inactive.
    #[schema(value_type = DeliveryStateName)]
    status: DeliveryState,
    /// When it is tried again, at the earliest.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(format = DateTime)]
    next_attempt_at: Option<String>,
    attempts: Vec<AttemptView>,
}

/// One call of a receiver.
#[derive(Debug, Serialize, ToSchema)]
pub struct AttemptView {
    #[schema(format = DateTime)]
    at: String,
    duration_ms: u64,
    /// What it answered.
    #[serde(skip_serializing_if = "Option::is_none")]
    http_status: Option<u16>,
    /// Why it did not: `not-resolved`, `not-public`, `not-connected`, `timed-out` or `broken-off`.
    #[serde(skip_serializing_if = "Option::is_none")]
    fault: Option<&'static str>,
}

impl DeliveryView {
    pub fn of(delivery: &Delivery) -> Self {
        let last = delivery.attempts.last();
        let next = last.zip(delivery.pause()).map(|(last, pause)| last.at + pause);
        Self {
            id: delivery.id.to_string(),
            event_id: delivery.event.id.clone(),
            kind: delivery.event.kind,
            time: delivery.event.at.to_string(),
            status: delivery.state,
            next_attempt_at: next.map(|at| at.to_string()),
            attempts: delivery.attempts.iter().map(AttemptView::of).collect(),
        }
    }
}

impl AttemptView {
    fn of(attempt: &Attempt) -> Self {
        let (http_status, fault) = match attempt.answer {
            Answer::Status(status) => (Some(status), None),
            Answer::None(fault) => (None, Some(fault.as_str())),
        };
        Self { at: attempt.at.to_string(), duration_ms: attempt.duration_ms, http_status, fault }
    }
}
