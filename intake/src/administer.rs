//! Admin commands: whoever may, asks for one change, and gets its receipt.

use crate::app::App;
use crate::base_path::BasePath;
use crate::caller::Identity;
use crate::problem::Problem;
use crate::submit::{self, Exchange, Submission};
use crate::view::{ReceiptView, UndecidedView};
use aws::failure::Failure;
use aws::items::{self, Item};
use aws::keys::{self, Key};
use aws::table::Found;
use axum::Json;
use axum::extract::FromRequestParts;
use axum::http::HeaderMap;
use axum::http::request::Parts;
use axum::response::{IntoResponse, Response};
use domain::admin::{Administer, Change, Receipt};
use domain::command::{COMMAND_LIFETIME, Command, Kind, Purpose};
use domain::id::CommandId;
use domain::request::RequestHash;
use domain::role::Caller;
use domain::tenant::Tenant;
use domain::webhook::Reach;
use utoipa::IntoResponses;

/// What an admin command is answered with, besides what any route may answer.
#[derive(IntoResponses)]
#[expect(dead_code, reason = "only its description is used")]
pub(crate) enum Administered {
    #[response(status = 200, description = "The receipt: applied or rejected")]
    Done(#[to_schema] ReceiptView),
    #[response(status = 202, description = "Accepted")]
    Accepted(#[to_schema] ReceiptView),
}

/// Everything of a request but its path and body.
pub struct Office {
    app: App,
    identity: Identity,
    headers: HeaderMap,
    base_path: BasePath,
}

impl FromRequestParts<App> for Office {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Problem> {
        let identity = Identity::from_request_parts(parts, app).await?;
        let Ok(base_path) = BasePath::from_request_parts(parts, app).await;
        Ok(Self { app: app.clone(), identity, headers: parts.headers.clone(), base_path })
    }
}

/// What a change is made from.
pub struct Desk<'a> {
    pub caller: &'a Caller,
    pub found: &'a mut Found,
    /// It has its outcome; what was right then is not looked at again.
    pub is_replay: bool,
}

impl Office {
    pub fn headers(&self) -> &HeaderMap {
        &self.headers
    }

    pub fn identity(&self) -> &Identity {
        &self.identity
    }

    /// Where receivers may be.
    pub fn webhook_reach(&self) -> Reach {
        self.app.webhooks.reach
    }

    pub fn now(&self) -> jiff::Timestamp {
        self.app.clock.now()
    }

    /// Enqueues a change, unless it was asked for before.
    pub async fn submit(self, id: CommandId, change: Change) -> Result<Response, Problem> {
        self.submit_from(id, [], |_| Ok(change)).await
    }

    /// The same where the change depends on who asks, or on what stands under `wanted`.
    pub async fn submit_from<const N: usize>(
        self,
        id: CommandId,
        wanted: [Key; N],
        make: impl FnOnce(Desk<'_>) -> Result<Change, Problem>,
    ) -> Result<Response, Problem> {
        let Self { app, identity, headers, base_path } = self;
        let place = keys::receipt(identity.tenant(), id);
        let wanted = [place.clone()].into_iter().chain(wanted);
        let (caller, tenant, mut found) = identity.admit_with(&app.table, wanted).await?;
        let earlier = match found.take(&place) {
            // What is wanted may have been changed by this very command, while the keys were read one after
            // the other.
            None if N > 0 => app.table.read_one(&place).await?,
            earlier => earlier,
        };
        let desk = Desk { caller: &caller, found: &mut found, is_replay: earlier.is_some() };
        let change = make(desk)?;
        let asked =
            serde_json::to_string(&change).map_err(|error| Failure::malformed("write a change", error))?;
        let request = RequestHash::of_command(Kind::Administer, &tenant.id, &caller.user, id, &asked);
        let view = |item: Item| answer(&app, &caller, items::stored_receipt(item)?, request);
        if let Some(earlier) = earlier {
            return submit::replay(view(earlier));
        }
        // What follows from it comes another way.
        let follows = match &change {
            Change::OpenCutoff { .. } | Change::ResumeCutoff { .. } => Some(Purpose::Replenishment),
            Change::CreateWebhook { .. } => Some(Purpose::Deliveries),
            _ => None,
        };
        if !follows.into_iter().flat_map(Purpose::kinds).all(|kind| tenant.is_reached(kind)) {
            return Err(Problem::TenantNotReady);
        }
        let submission = submission(&caller, &tenant, id, request, change, app.clock.now(), place);
        let exchange = Exchange { app: &app, headers: &headers, base_path: &base_path };
        submission.send(exchange, &tenant, view).await
    }
}

fn submission(
    caller: &Caller,
    tenant: &Tenant,
    id: CommandId,
    request: RequestHash,
    change: Change,
    accepted_at: jiff::Timestamp,
    place: Key,
) -> Submission<ReceiptView> {
    let expires_at = accepted_at + COMMAND_LIFETIME;
    let command = Administer {
        tenant: tenant.id.clone(),
        id,
        request,
        caller: caller.user.clone(),
        change,
        accepted_at,
        expires_at,
    };
    Submission {
        command: Command::Administer(Box::new(command)),
        request,
        expires_at,
        place,
        path: format!("/v1/receipts/{id}"),
        pending: ReceiptView::Pending(UndecidedView { id: id.to_string() }),
    }
}

fn answer(app: &App, caller: &Caller, receipt: Receipt, request: RequestHash) -> Result<Response, Problem> {
    if receipt.request != request {
        return Err(Problem::KeyReused);
    }
    Ok(Json(ReceiptView::of(receipt, caller, app)).into_response())
}
