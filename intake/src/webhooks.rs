//! `/v1/webhooks`: a tenant's own systems that are told what happened.

use crate::administer::{Administered, Office};
use crate::app::App;
use crate::body::{Errors, Fields};
use crate::caller::Identity;
use crate::list::{self, Listed, PageParameters};
use crate::path::{self, Named};
use crate::problem::{CommandProblems, Problem, Problems};
use crate::request::{self, NoBody};
use crate::users::STATUSES;
use crate::view::{DeliveryView, EventType, WebhookView};
use aws::table::Order;
use aws::{items, keys};
use axum::Json;
use axum::body::Bytes;
use axum::extract::{Query, State};
use axum::response::{IntoResponse, Response};
use domain::admin::Change;
use domain::event::EventKind;
use domain::id::{TenantId, WebhookId};
use domain::role::Status;
use domain::webhook::{DeliveryId, Reach, Webhook, WebhookUrl};
use serde::Deserialize;
use std::collections::BTreeSet;
use utoipa::ToSchema;

/// A system that is to be told.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({ "url": "https://hooks.example.com/pos", "events": ["internal-pos.cutoff.closed.v1"] }))]
#[expect(dead_code, reason = "only its description is used")]
pub(crate) struct WebhookRequest {
    /// Where events are posted to. It must lead to public addresses, now and whenever it is called.
    #[schema(pattern = "^https://", max_length = 500)]
    url: String,
    /// What it is told of. Unless given, every type, those that are added later included.
    #[schema(value_type = Option<Vec<EventType>>, nullable = false)]
    events: Option<Vec<EventKind>>,
}

/// What changes of a webhook; what is absent stays.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({ "status": "inactive" }))]
#[expect(dead_code, reason = "only its description is used")]
pub(crate) struct WebhookPatch {
    #[schema(pattern = "^https://", max_length = 500, nullable = false)]
    url: Option<String>,
    /// Every type if empty.
    #[schema(value_type = Option<Vec<EventType>>, nullable = false)]
    events: Option<Vec<EventKind>>,
    /// While it is `inactive`, nothing is sent, and nothing of that time is sent later.
    status: Option<crate::users::StatusName>,
}

const EVENT_TYPES: &str = "the type of an event, like internal-pos.checkout.settled.v1";

/// Have a system told what happens.
///
/// The receipt shows the one who asked the secret, for ten minutes. It signs what is sent, as Standard
/// Webhooks has it.
#[utoipa::path(
    post,
    operation_id = "postWebhook",
    path = "/v1/webhooks",
    request_body = WebhookRequest,
    params(request::CommandParameters),
    responses(Administered, CommandProblems, Problems),
    security(("cognito" = [])),
)]
pub async fn post(office: Office, body: Bytes) -> Result<Response, Problem> {
    let reach = office.webhook_reach();
    let read = |fields: &mut Fields<'_>, _: &Errors| {
        let url = fields.text("url").and_then(|url| reachable(fields, url, reach));
        let events = fields.optional_words("events", EVENT_TYPES);
        Some((url?, events?.unwrap_or_default()))
    };
    let (id, (url, events)) = request::command(office.headers(), &body, office.now(), read)?;
    office.submit(id, Change::CreateWebhook { id: id.into(), url, events }).await
}

fn reachable(fields: &mut Fields<'_>, url: WebhookUrl, reach: Reach) -> Option<WebhookUrl> {
    match url.check(reach) {
        Ok(()) => Some(url),
        Err(error) => {
            fields.error("url", error);
            None
        }
    }
}

/// Change where a webhook is called or what it is told of, disable it, or enable it.
#[utoipa::path(
    patch,
    operation_id = "patchWebhook",
    path = "/v1/webhooks/{id}",
    request_body = WebhookPatch,
    params(path::Webhook, request::CommandParameters),
    responses(Administered, CommandProblems, Problems),
    security(("cognito" = [])),
)]
pub async fn patch(
    office: Office,
    Named(webhook): Named<WebhookId>,
    body: Bytes,
) -> Result<Response, Problem> {
    let reach = office.webhook_reach();
    let read = |fields: &mut Fields<'_>, _: &Errors| {
        let url = fields.optional_text("url").and_then(|url| reachable(fields, url, reach));
        let events: Option<Option<BTreeSet<EventKind>>> = fields.optional_words("events", EVENT_TYPES);
        let status: Option<Status> = fields.optional_word("status", STATUSES);
        Some((url, events?, status))
    };
    let (id, (url, events, status)) = request::command(office.headers(), &body, office.now(), read)?;
    office.submit(id, Change::ChangeWebhook { id: webhook, url, events, status }).await
}

/// Forget a webhook.
#[utoipa::path(
    delete,
    operation_id = "deleteWebhook",
    path = "/v1/webhooks/{id}",
    params(path::Webhook, request::CommandParameters),
    responses(Administered, CommandProblems, Problems),
    security(("cognito" = [])),
)]
pub async fn delete(
    office: Office,
    Named(webhook): Named<WebhookId>,
    _: NoBody,
) -> Result<Response, Problem> {
    let id = request::bodiless(office.headers(), office.now())?;
    office.submit(id, Change::DeleteWebhook { id: webhook }).await
}

/// Give a webhook a new secret.
///
/// The receipt shows it to the one who asked, for ten minutes. For a day, what is sent is signed with the one
/// before as well.
#[utoipa::path(
    post,
    operation_id = "rotateWebhookSecret",
    path = "/v1/webhooks/{id}/secret-rotation",
    params(path::Webhook, request::CommandParameters),
    responses(Administered, CommandProblems, Problems),
    security(("cognito" = [])),
)]
pub async fn rotate(
    office: Office,
    Named(webhook): Named<WebhookId>,
    _: NoBody,
) -> Result<Response, Problem> {
    let id = request::bodiless(office.headers(), office.now())?;
    office.submit(id, Change::RotateWebhookSecret { id: webhook }).await
}

/// Send a webhook a test event: once, whatever comes of it.
#[utoipa::path(
    post,
    operation_id = "testWebhook",
    path = "/v1/webhooks/{id}/test",
    params(path::Webhook, request::CommandParameters),
    responses(Administered, CommandProblems, Problems),
    security(("cognito" = [])),
)]
pub async fn test(office: Office, Named(webhook): Named<WebhookId>, _: NoBody) -> Result<Response, Problem> {
    let id = request::bodiless(office.headers(), office.now())?;
    office.submit(id, Change::TestWebhook { id: webhook }).await
}

/// Have a webhook told something once more, under the same event id.
#[utoipa::path(
    post,
    operation_id = "redeliver",
    path = "/v1/webhooks/{id}/deliveries/{delivery}/redelivery",
    params(path::Webhook, path::Delivery, request::CommandParameters),
    responses(Administered, CommandProblems, Problems),
    security(("cognito" = [])),
)]
pub async fn redeliver(
    office: Office,
    Named((webhook, delivery)): Named<(WebhookId, DeliveryId)>,
    _: NoBody,
) -> Result<Response, Problem> {
    let id = request::bodiless(office.headers(), office.now())?;
    office.submit(id, Change::Redeliver { id: webhook, delivery }).await
}

/// Every webhook.
#[utoipa::path(
    get,
    operation_id = "listWebhooks",
    path = "/v1/webhooks",
    responses((status = 200, description = "All of them", body = Listed<WebhookView>), Problems),
    security(("cognito" = [])),
)]
pub async fn list(State(app): State<App>, identity: Identity) -> Result<Response, Problem> {
    let (_, webhooks) = all(&app, &identity).await?;
    let items = webhooks.iter().map(WebhookView::of).collect();
    Ok(Json(Listed { items, next_cursor: None }).into_response())
}

/// A webhook.
#[utoipa::path(
    get,
    operation_id = "getWebhook",
    path = "/v1/webhooks/{id}",
    params(path::Webhook),
    responses((status = 200, description = "The webhook", body = WebhookView), Problems),
    security(("cognito" = [])),
)]
pub async fn get(
    State(app): State<App>,
    identity: Identity,
    Named(id): Named<WebhookId>,
) -> Result<Json<WebhookView>, Problem> {
    let (_, webhook) = one(&app, &identity, id).await?;
    Ok(Json(WebhookView::of(&webhook)))
}

/// What a webhook was told within a week, and what came of it; the latest first.
#[utoipa::path(
    get,
    operation_id = "listDeliveries",
    path = "/v1/webhooks/{id}/deliveries",
    params(path::Webhook, PageParameters),
    responses((status = 200, description = "One page", body = Listed<DeliveryView>), Problems),
    security(("cognito" = [])),
)]
pub async fn deliveries(
    State(app): State<App>,
    identity: Identity,
    Named(id): Named<WebhookId>,
    Query(page): Query<PageParameters>,
) -> Result<Response, Problem> {
    let (tenant, webhook) = one(&app, &identity, id).await?;
    let view = |item| Ok(DeliveryView::of(&items::stored_delivery(item)?));
    let (list, span) = (format!("{tenant} deliveries {}", webhook.id), keys::deliveries(&tenant, webhook.id));
    list::page(&app, &list, page, &span, Order::NewestFirst, view).await
}

async fn all(app: &App, identity: &Identity) -> Result<(TenantId, Vec<Webhook>), Problem> {
    let key = keys::webhooks(identity.tenant());
    let (_, tenant, mut found) = identity.admit_with(&app.table, [key.clone()]).await?;
    let webhooks = found.take(&key).map(items::stored_webhooks).transpose()?.unwrap_or_default();
    Ok((tenant.id, webhooks.0.into_values().collect()))
}

async fn one(app: &App, identity: &Identity, id: WebhookId) -> Result<(TenantId, Webhook), Problem> {
    let (tenant, webhooks) = all(app, identity).await?;
    let webhook = webhooks.into_iter().find(|webhook| webhook.id == id).ok_or(Problem::NotFound)?;
    Ok((tenant, webhook))
}
