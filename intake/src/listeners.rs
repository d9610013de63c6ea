//! `POST /v1/listener-tickets`: what opens the socket on which results come by themselves.

use crate::app::App;
use crate::caller::{self, Identity};
use crate::problem::{Problem, Problems};
use crate::request::NoBody;
use aws::failure::Failure;
use aws::session::{CONNECT_WITHIN, SessionTicket};
use axum::Json;
use axum::extract::{FromRequestParts, State};
use axum::http::StatusCode;
use axum::http::request::Parts;
use jiff::Timestamp;
use serde::Serialize;
use utoipa::ToSchema;
use uuid::{NoContext, Uuid};

/// A way to listen. The ticket opens one connection, as the query parameter `ticket` of `url`, and is the
/// `session` of what is said on it.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ListenerTicketView {
    ticket: String,
    #[schema(example = "wss://example.execute-api.eu-west-1.amazonaws.com/prod")]
    url: String,
    /// Until when it opens a connection.
    #[schema(format = DateTime)]
    connect_by: String,
    /// When the token expires, and the connection ends.
    #[schema(format = DateTime)]
    expires_at: String,
}

/// A ticket for one connection.
#[utoipa::path(
    post,
    operation_id = "createListenerTicket",
    path = "/v1/listener-tickets",
    responses((status = 201, description = "A ticket", body = ListenerTicketView), Problems),
    security(("cognito" = [])),
)]
pub async fn post(
    State(app): State<App>,
    identity: Identity,
    TokenExpiry(expires_at): TokenExpiry,
    _: NoBody,
) -> Result<(StatusCode, Json<ListenerTicketView>), Problem> {
    let (caller, _) = identity.admit(&app.table).await?;
    let now = app.clock.now();
    let connect_by = now + CONNECT_WITHIN;
    let ticket = SessionTicket {
        tenant: caller.tenant,
        user: caller.user,
        session: in_order(now),
        connect_by_ms: connect_by.as_millisecond(),
        expires_at_ms: expires_at.as_millisecond(),
    };
    let sealed = ticket.seal(&app.session_key);
    let view = ListenerTicketView {
        ticket: sealed.ok_or_else(|| Failure::malformed("seal a ticket", "it cannot be written"))?,
        url: app.listen_url.clone(),
        connect_by: connect_by.to_string(),
        expires_at: expires_at.to_string(),
    };
    Ok((StatusCode::CREATED, Json(view)))
}

/// An id that is above those before it.
fn in_order(now: Timestamp) -> Uuid {
    let seconds = u64::try_from(now.as_second()).unwrap_or_default();
    let nanos = u32::try_from(now.subsec_nanosecond()).unwrap_or_default();
    Uuid::new_v7(uuid::Timestamp::from_unix(NoContext, seconds, nanos))
}

/// When the token expires that came with a request.
pub(crate) struct TokenExpiry(Timestamp);

impl FromRequestParts<App> for TokenExpiry {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &App) -> Result<Self, Problem> {
        let claim = caller::claims(parts).and_then(|claims| claims.get("exp")?.as_str());
        claim.and_then(caller::instant).map(Self).ok_or(Problem::Unauthorized)
    }
}
