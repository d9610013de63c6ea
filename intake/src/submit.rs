//! What all commands have in common once they are checked: publish, and perhaps wait; then be asked for.
//!
//! Whoever is refused before has enqueued nothing; whoever is answered `202` is worked off for certain.

use crate::app::App;
use crate::base_path::BasePath;
use crate::prefer;
use crate::problem::{FieldError, Problem};
use crate::ticket::Ticket;
use aws::failure::{Failure, chain};
use aws::items::Item;
use aws::keys::Key;
use axum::Json;
use axum::http::header::{LOCATION, RETRY_AFTER};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use domain::command::Command;
use domain::planted::{self, Planted};
use domain::request::RequestHash;
use domain::tenant::Tenant;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use std::time::Duration;
use utoipa::IntoParams;

const REPLAYED: HeaderName = HeaderName::from_static("idempotent-replayed");
const PREFERENCE_APPLIED: HeaderName = HeaderName::from_static("preference-applied");
/// When a client should look again, in seconds.
const LOOK_AGAIN: HeaderValue = HeaderValue::from_static("1");

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct TicketParameter {
    /// As the `Location` of the `202` gave it.
    pub ticket: Option<String>,
}

/// A command about to be enqueued.
pub struct Submission<P> {
    pub command: Command,
    pub request: RequestHash,
    pub expires_at: Timestamp,
    /// Where its outcome will stand.
    pub place: Key,
    /// The path of that outcome.
    pub path: String,
    /// How it reads until it is there.
    pub pending: P,
}

/// How the request came, and how its answer should leave.
pub struct Exchange<'a> {
    pub app: &'a App,
    pub headers: &'a HeaderMap,
    pub base_path: &'a BasePath,
}

/// The outcome of the same request, sent again.
pub fn replay(outcome: Result<Response, Problem>) -> Result<Response, Problem> {
    let mut response = outcome?;
    response.headers_mut().insert(REPLAYED, HeaderValue::from_static("true"));
    Ok(response)
}

impl<P: Serialize> Submission<P> {
    /// `202` once the command is durably enqueued, or what came of it within the wait that is preferred;
    /// `view` reads it.
    pub async fn send(
        self,
        exchange: Exchange<'_>,
        tenant: &Tenant,
        view: impl Fn(Item) -> Result<Response, Problem>,
    ) -> Result<Response, Problem> {
        if !tenant.is_reached(self.command.kind()) {
            return Err(Problem::TenantNotReady);
        }
        let Exchange { app, headers, base_path } = exchange;
        let published = app.bus.publish(self.command).await;
        if !planted::is(Planted::AcceptedUnpublished) {
            published?;
        }
        let wait = prefer::wait(headers);
        match tokio::time::timeout(wait, await_outcome(app, &self.place, wait)).await {
            Ok(Ok(Some(item))) => {
                let mut response = view(item)?;
                response.headers_mut().insert(PREFERENCE_APPLIED, applied(wait)?);
                return Ok(response);
            }
            Ok(Ok(None)) | Err(_) => {}
            // The command is safe: the client finds the outcome where the `Location` says.
            Ok(Err(failure)) => tracing::warn!(error = chain(&failure), "stopped waiting for an outcome"),
        }
        let ticket = Ticket { request: self.request, expires_at: self.expires_at };
        accepted(app, base_path, &ticket, (&self.path, &self.place), self.pending)
    }
}

/// `202`, with the `Location` of an outcome that will stand at `place`, and how it reads until then.
pub fn accepted(
    app: &App,
    base_path: &BasePath,
    ticket: &Ticket,
    (path, place): (&str, &Key),
    pending: impl Serialize,
) -> Result<Response, Problem> {
    let sealed = ticket.seal(&app.ticket_key, place);
    let location = base_path.join(&format!("{path}?ticket={sealed}"));
    let location =
        HeaderValue::try_from(location).map_err(|error| Failure::malformed("write a Location", error))?;
    let headers = [(LOCATION, location), (RETRY_AFTER, LOOK_AGAIN)];
    Ok((StatusCode::ACCEPTED, headers, Json(pending)).into_response())
}

async fn await_outcome(app: &App, place: &Key, wait: Duration) -> Result<Option<Item>, Failure> {
    for pause in prefer::pauses(wait) {
        tokio::time::sleep(pause).await;
        if let Some(item) = app.table.look_at(place).await? {
            return Ok(Some(item));
        }
    }
    Ok(None)
}

fn applied(wait: Duration) -> Result<HeaderValue, Problem> {
    HeaderValue::try_from(format!("wait={}", wait.as_secs()))
        .map_err(|error| Failure::malformed("write a header", error).into())
}

/// The ticket of whoever asks what came of a command.
pub fn ticket(
    app: &App,
    place: &Key,
    TicketParameter { ticket }: TicketParameter,
) -> Result<Option<Ticket>, Problem> {
    let open = |text: String| {
        let detail = "is not a ticket of this resource";
        Ticket::open(&app.ticket_key, place, &text)
            .ok_or_else(|| Problem::field(FieldError::at_parameter("ticket", detail)))
    };
    ticket.map(open).transpose()
}

/// What to say where nothing is stored: that it is on its way, or never comes.
pub fn undecided<P: Serialize>(
    app: &App,
    ticket: Option<Ticket>,
    pending: P,
    failed: P,
) -> Result<Response, Problem> {
    match ticket {
        None => Err(Problem::NotFound),
        Some(ticket) if ticket.is_spent(app.clock.now()) => Ok(Json(failed).into_response()),
        Some(_) => Ok(([(RETRY_AFTER, LOOK_AGAIN)], Json(pending)).into_response()),
    }
}
