//! Opens connections of who listens, and puts them into audiences.
//!
//! Invariant: a connection is told of nothing before its session is an item, and a session is one
//! connection's.

mod resume;

use crate::frame::{Frame, Refusal, Said};
use aws::clock::Clock;
use aws::config::{Clients, ListenConfig, SessionKey};
use aws::connections::Connections;
use aws::failure::{Failure, chain};
use aws::items::{self, Listeners, Listening, Session};
use aws::keys;
use aws::retry::Policy;
use aws::session::{SessionTicket, began_at};
use aws::stored::{put, take};
use aws::table::{NotCommitted, Table, Write};
use aws_lambda_events::apigw::ApiGatewayWebsocketProxyRequest;
use domain::id::TenantId;
use domain::listener::Audience;
use domain::planted::{self, Planted};
use domain::role::{Caller, User};
use jiff::{SignedDuration, Timestamp};
use std::collections::BTreeMap;
use std::time::Duration;
use tokio::time::timeout;
use uuid::Uuid;

/// The query parameter that a client connects with.
pub const TICKET_PARAMETER: &str = "ticket";
/// Bytes of a frame that is read.
const MAX_FRAME_BYTES: usize = 4 * 1024;
/// Listeners of one audience; their item stays far below DynamoDB's 400 KB.
const MAX_LISTENERS: usize = 200;
/// Of them, of one user: terminals may share one, and who comes back often leaves sessions behind.
const MAX_OF_ONE_USER: usize = 20;
/// A session that is younger is not pushed out of its seat.
const SETTLED: SignedDuration = SignedDuration::from_mins(1);
/// How long telling what was missed may take, of a function's half a minute; if it takes longer, that is a
/// gap.
const RESUMING: Duration = Duration::from_secs(20);

#[derive(Debug, Clone)]
pub struct Listen {
    table: Table,
    /// The same, for what must be read even if that takes a while.
    history: Table,
    connections: Connections,
    session_key: SessionKey,
    clock: Clock,
}

/// How a request to the socket is answered; only whoever connects sees it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answer {
    Done,
    Forbidden,
    Unavailable,
}

impl Answer {
    pub fn status(self) -> u16 {
        match self {
            Answer::Done => 200,
            Answer::Forbidden => 403,
            Answer::Unavailable => 503,
        }
    }
}

/// Who says something, once it is certain.
struct Speaker {
    tenant: TenantId,
    id: Uuid,
    session: Session,
}

impl Listen {
    pub fn new(clients: &Clients, config: &ListenConfig, clock: Clock) -> Self {
        Self {
            table: clients.table(Policy::INTAKE),
            history: clients.table(Policy::WORKER),
            connections: clients.connections(&config.connections_url, Policy::INTAKE),
            session_key: config.session_key.clone(),
            clock,
        }
    }

    pub async fn handle(&self, event: &ApiGatewayWebsocketProxyRequest) -> Answer {
        let Some(connection) = &event.request_context.connection_id else { return Answer::Forbidden };
        let route = event.request_context.route_key.as_deref().unwrap_or_default();
        let done = match route {
            "$connect" => {
                let ticket = event.query_string_parameters.first(TICKET_PARAMETER).unwrap_or_default();
                self.connect(connection, ticket).await
            }
            _ => self.hear(connection, event.body.as_deref().unwrap_or_default()).await,
        };
        done.unwrap_or_else(|failure| {
            tracing::warn!(error = chain(&failure), route, "a listener was not served");
            Answer::Unavailable
        })
    }

    async fn connect(&self, connection: &str, ticket: &str) -> Result<Answer, Failure> {
        let ticket = SessionTicket::open(&self.session_key, ticket);
        let Some(ticket) = ticket.filter(|ticket| ticket.opens_a_connection(self.clock.now())) else {
            return Ok(Answer::Forbidden);
        };
        let session = Session {
            connection: connection.to_owned(),
            user: ticket.user.clone(),
            expires_at: ticket
                .expires_at()
                .ok_or_else(|| Failure::malformed("connect", "no such instant"))?,
        };
        let created = Write::Create(items::session(&ticket.tenant, ticket.session, &session)?);
        match self.table.commit(vec![created]).await {
            Ok(()) => Ok(Answer::Done),
            // Another connection was opened with it.
            Err(NotCommitted::Cancelled(_)) => Ok(Answer::Forbidden),
            Err(NotCommitted::Failure(failure)) => Err(failure),
        }
    }

    async fn hear(&self, connection: &str, said: &str) -> Result<Answer, Failure> {
        let said: Said = match serde_json::from_str(said) {
            Ok(read) if said.len() <= MAX_FRAME_BYTES => read,
            _ => {
                let detail = "send subscribe, unsubscribe or ping, as one small JSON object";
                self.tell(connection, &Frame::Error { detail }).await?;
                self.connections.end(connection).await?;
                return Ok(Answer::Done);
            }
        };
        let (session, to) = match &said {
            Said::Ping { session } => (session, ""),
            Said::Subscribe { session, to, .. } | Said::Unsubscribe { session, to } => (session, to.as_str()),
        };
        let refused = |reason| Frame::Refused { to, reason };
        let speaker = match self.speaker(connection, session).await {
            Ok(Some(speaker)) => speaker,
            Ok(None) => return self.end(connection, to).await,
            Err(failure) => return self.put_off(connection, to, &failure).await,
        };
        if matches!(said, Said::Ping { .. }) {
            let position = keys::position(self.clock.now(), "");
            return self.tell(connection, &Frame::Pong { position: &position }).await;
        }
        let Some(audience) = Audience::parse(to, &speaker.session.user) else {
            return self.tell(connection, &refused(Refusal::NotFound)).await;
        };
        let done = match &said {
            Said::Subscribe { after, .. } => self.subscribe(&speaker, &audience, after.as_deref(), to).await,
            _ => self.unsubscribe(&speaker, &audience, to).await,
        };
        match done {
            Ok(Ok(())) => Ok(Answer::Done),
            Ok(Err(Refusal::NoSession)) => self.end(connection, to).await,
            Ok(Err(reason)) => self.tell(connection, &refused(reason)).await,
            Err(failure) => self.put_off(connection, to, &failure).await,
        }
    }

    /// Whoever has no session that lasts opens another.
    async fn end(&self, connection: &str, to: &str) -> Result<Answer, Failure> {
        self.tell(connection, &Frame::Refused { to, reason: Refusal::NoSession }).await?;
        self.connections.end(connection).await?;
        Ok(Answer::Done)
    }

    async fn put_off(&self, connection: &str, to: &str, failure: &Failure) -> Result<Answer, Failure> {
        tracing::warn!(error = chain(failure), "a listener was put off");
        self.tell(connection, &Frame::Refused { to, reason: Refusal::Unavailable }).await
    }

    /// Whose session it is, if it is this connection's and lasts.
    async fn speaker(&self, connection: &str, session: &str) -> Result<Option<Speaker>, Failure> {
        let ticket = SessionTicket::open(&self.session_key, session);
        let Some(ticket) = ticket.filter(|ticket| !ticket.has_expired(self.clock.now())) else {
            return Ok(None);
        };
        let item = self.table.read_one(&keys::session(&ticket.tenant, ticket.session)).await?;
        let session = item.map(items::stored_session).transpose()?;
        let own = session.filter(|session| session.connection == connection);
        Ok(own.map(|session| Speaker { tenant: ticket.tenant, id: ticket.session, session }))
    }

    async fn subscribe(
        &self,
        speaker: &Speaker,
        audience: &Audience,
        after: Option<&str>,
        to: &str,
    ) -> Result<Result<(), Refusal>, Failure> {
        let caller = match self.admitted(speaker, audience).await? {
            Ok(caller) => caller,
            Err(refusal) => return Ok(Err(refusal)),
        };
        let after = match after.map(|position| keys::told_at(position).ok_or(Refusal::BadPosition)) {
            Some(Err(refusal)) => return Ok(Err(refusal)),
            Some(Ok(at)) => Some(at),
            None => None,
        };
        let here = Listening { session: speaker.session.clone(), is_gone: false };
        let now = self.clock.now();
        let changed =
            self.change(speaker, audience, |listeners| seat(listeners, speaker.id, here.clone(), now));
        let kept_since = match changed.await? {
            Ok(listeners) => listeners.since,
            Err(refusal) => return Ok(Err(refusal)),
        };
        let connection = &speaker.session.connection;
        let position = keys::position(now.max(kept_since), "");
        let Some(after) = after else {
            self.tell(connection, &Frame::Subscribed { to, position: Some(&position) }).await?;
            return Ok(Ok(()));
        };
        self.tell(connection, &Frame::Subscribed { to, position: None }).await?;
        let is_resumed = after >= kept_since && {
            let resumed = self.resume(speaker, &caller, audience, after, to);
            let resumed = timeout(RESUMING, resumed).await;
            let resumed =
                resumed.unwrap_or_else(|error| Err(Failure::transient("tell what was missed", error)));
            resumed.unwrap_or_else(|failure| {
                tracing::warn!(error = chain(&failure), "what was missed was not told");
                false
            })
        };
        if !is_resumed {
            self.tell(connection, &Frame::Gap { to, position: &position }).await?;
        }
        Ok(Ok(()))
    }

    /// The caller, if their session lasts and their role admits them.
    async fn admitted(
        &self,
        speaker: &Speaker,
        audience: &Audience,
    ) -> Result<Result<Caller, Refusal>, Failure> {
        let (tenant, name) = (&speaker.tenant, &speaker.session.user);
        let user_key = keys::user(tenant, name);
        let station = if let Audience::Station(id) = audience { Some(id) } else { None };
        let station_key = station.map(|id| keys::station(tenant, id));
        let wanted = [user_key.clone()].into_iter().chain(station_key.clone());
        let mut found = self.table.read(wanted).await?;
        let user = found.take(&user_key).map(|item| items::stored_user(name, item)).transpose()?;
        let Some(user) = user.filter(|user| may_listen(user, speaker.id)) else {
            return Ok(Err(Refusal::NoSession));
        };
        let item = station_key.and_then(|key| found.take(&key));
        let station = station.zip(item).map(|(id, item)| items::stored_station(id, item)).transpose()?;
        let owner = station.map(|station| station.concessionaire);
        let caller = Caller { tenant: tenant.clone(), user: user.name, role: user.role };
        Ok(if audience.admits(&caller, owner.as_ref()) { Ok(caller) } else { Err(Refusal::NotFound) })
    }

    async fn unsubscribe(
        &self,
        speaker: &Speaker,
        audience: &Audience,
        to: &str,
    ) -> Result<Result<(), Refusal>, Failure> {
        let changed = self.change(speaker, audience, |listeners| {
            listeners.sessions.remove(&speaker.id);
            Ok(None)
        });
        if let Err(refusal) = changed.await? {
            return Ok(Err(refusal));
        }
        self.tell(&speaker.session.connection, &Frame::Unsubscribed { to }).await?;
        Ok(Ok(()))
    }

    /// Changes who is in an audience, without those whose time is up, and gives it; reads again after a lost
    /// race. A connection that loses its seat is ended first, so that its client comes back instead of
    /// hearing nothing.
    async fn change(
        &self,
        speaker: &Speaker,
        audience: &Audience,
        change: impl Fn(&mut Listeners) -> Result<Option<Session>, Refusal>,
    ) -> Result<Result<Listeners, Refusal>, Failure> {
        let key = keys::audience(&speaker.tenant, audience);
        let mut pauses = Policy::WORKER.pauses();
        loop {
            let mut found = self.table.read([key.clone()]).await?;
            let stored = take(&mut found, &key, items::stored_listeners)?;
            let now = self.clock.now();
            let listeners = stored.as_ref().map(|stored| stored.value.clone());
            let mut listeners = listeners.map_or(Listeners::none_until(now), |listeners| listeners.at(now));
            match change(&mut listeners) {
                Ok(None) => {}
                Ok(Some(session)) => self.connections.end(&session.connection).await?,
                Err(refusal) => return Ok(Err(refusal)),
            }
            let write = put(items::listeners(&speaker.tenant, audience, &listeners)?, stored.as_ref());
            let failure = match self.table.commit(vec![write]).await {
                Ok(()) => return Ok(Ok(listeners)),
                Err(error) => error.alone("change an audience"),
            };
            if !failure.is_transient() || !pauses.pause().await {
                return Err(failure);
            }
        }
    }

    /// Whoever is gone is told nothing.
    async fn tell(&self, connection: &str, frame: &Frame<'_>) -> Result<Answer, Failure> {
        self.connections.post(connection, &frame.text()?).await?;
        Ok(Answer::Done)
    }
}

/// Gives a session a seat: instead of the user's own that is the oldest, where they have many, or of somebody
/// who is gone. Gives the session that loses it, if it may be connected. One that sat down just now stays:
/// more clients than seats must not push each other out in turn.
fn seat(
    listeners: &mut Listeners,
    id: Uuid,
    here: Listening,
    now: Timestamp,
) -> Result<Option<Session>, Refusal> {
    let sessions = &mut listeners.sessions;
    sessions.remove(&id);
    let own = |one: &Listening| one.session.user == here.session.user;
    let oldest = |sessions: &BTreeMap<Uuid, Listening>, may_go: &dyn Fn(&Listening) -> bool| {
        let going = sessions.iter().filter(|(_, one)| may_go(one));
        going.min_by_key(|(id, one)| (one.hears(now), **id)).map(|(id, _)| *id)
    };
    let going = if sessions.values().filter(|one| own(one)).count() >= MAX_OF_ONE_USER {
        oldest(sessions, &|one| own(one))
    } else if sessions.len() >= MAX_LISTENERS {
        Some(oldest(sessions, &|one| !one.hears(now)).ok_or(Refusal::TooManyListeners)?)
    } else {
        None
    };
    let stays = |going: &Uuid| sessions.get(going).is_some_and(|one| one.hears(now)) && is_new(going, now);
    if going.as_ref().is_some_and(stays) {
        return Err(Refusal::TooManyListeners);
    }
    let going = going.and_then(|going| sessions.remove(&going)).filter(|going| !going.is_gone);
    if !planted::is(Planted::SeatForgotten) {
        sessions.insert(id, here);
    }
    Ok(going.map(|going| going.session))
}

/// Whether a session began a moment ago.
fn is_new(id: &Uuid, now: Timestamp) -> bool {
    now.duration_since(began_at(*id)) < SETTLED
}

/// Whether a user may hear anything in a session of theirs.
pub(crate) fn may_listen(user: &User, session: Uuid) -> bool {
    user.is_active_since(began_at(session))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn one(user: &str, expires_s: i64, is_gone: bool) -> Listening {
        let expires_at = Timestamp::UNIX_EPOCH + SignedDuration::from_secs(expires_s);
        let session = Session { connection: expires_s.to_string(), user: user.parse().unwrap(), expires_at };
        Listening { session, is_gone }
    }

    /// Gives the connection that loses its seat.
    fn seated(listeners: &mut Listeners, user: &str, expires_s: i64) -> Result<Option<String>, Refusal> {
        let id = Uuid::from_u128(u128::try_from(expires_s).unwrap());
        let going = seat(listeners, id, one(user, expires_s, false), Timestamp::UNIX_EPOCH)?;
        Ok(going.map(|session| session.connection))
    }

    #[test]
    fn nobody_takes_all_seats_and_who_is_gone_keeps_none() {
        let mut listeners = Listeners::none_until(Timestamp::UNIX_EPOCH);
        for expires_s in 1..=50 {
            let going = (expires_s > 20).then(|| (expires_s - 20).to_string());
            assert_eq!(seated(&mut listeners, "ann", expires_s), Ok(going));
        }
        assert_eq!(listeners.sessions.len(), MAX_OF_ONE_USER);
        let left = listeners.sessions.values().map(|one| one.session.connection.as_str());
        assert!(left.clone().all(|expires_s| expires_s.parse::<u32>().unwrap() > 30));
        for user in 0..MAX_LISTENERS - MAX_OF_ONE_USER {
            seated(&mut listeners, &format!("user-{user}"), 1_000 + i64::try_from(user).unwrap()).unwrap();
        }
        assert_eq!(seated(&mut listeners, "late", 9_000), Err(Refusal::TooManyListeners));
        let first = Uuid::from_u128(1_000);
        listeners.sessions.get_mut(&first).unwrap().is_gone = true;
        assert_eq!(seated(&mut listeners, "late", 9_000), Ok(None));
        assert!(!listeners.sessions.contains_key(&first));
        assert_eq!(listeners.sessions.len(), MAX_LISTENERS);
    }
}
