//! Who listens: sessions, the audiences that they are in, and what was told lately.

use super::{Item, Millis, forgotten, from_item, sort_key, to_item};
use crate::failure::Failure;
use crate::keys;
use domain::event::Event;
use domain::id::{TenantId, UserName};
use domain::listener::Audience;
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use uuid::Uuid;

/// How long what was told is kept for who lost their connection.
pub const KEPT: SignedDuration = SignedDuration::from_mins(10);

/// One connection of one user.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Session {
    pub connection: String,
    pub user: UserName,
    /// When the token expires that opened it.
    pub expires_at: Timestamp,
}

/// Somebody in an audience.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listening {
    pub session: Session,
    /// Nobody is there any more; what is told is kept for when they come back.
    pub is_gone: bool,
}

/// Who is in an audience.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listeners {
    /// Since when whatever it is told is kept.
    pub since: Timestamp,
    pub sessions: BTreeMap<Uuid, Listening>,
}

impl Listening {
    /// Whether somebody is there who may hear.
    pub fn hears(&self, now: Timestamp) -> bool {
        !self.is_gone && now < self.session.expires_at
    }

    /// Until when what they miss is kept for them.
    fn kept_until(&self) -> Timestamp {
        self.session.expires_at + KEPT
    }
}

impl Listeners {
    /// An audience without listeners; what it is told is kept from `since` on.
    pub fn none_until(since: Timestamp) -> Self {
        Self { since, sessions: BTreeMap::new() }
    }

    /// Without those for whom nothing is kept any more. Where nobody is left, what it was told was not kept
    /// either.
    pub fn at(mut self, now: Timestamp) -> Self {
        self.sessions.retain(|_, one| now < one.kept_until());
        if self.sessions.is_empty() { Self::none_until(now) } else { self }
    }
}

#[derive(Serialize, Deserialize)]
struct SessionItem {
    c: String,
    u: UserName,
    x: Millis,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    g: bool,
}

impl SessionItem {
    fn of(session: &Session, is_gone: bool) -> Self {
        let Session { connection, user, expires_at } = session.clone();
        Self { c: connection, u: user, x: expires_at.into(), g: is_gone }
    }

    fn read(self) -> Result<Listening, Failure> {
        let session = Session { connection: self.c, user: self.u, expires_at: self.x.try_into()? };
        Ok(Listening { session, is_gone: self.g })
    }
}

#[derive(Serialize, Deserialize)]
struct AudienceItem {
    s: Millis,
    #[serde(default)]
    m: BTreeMap<Uuid, SessionItem>,
}

#[derive(Serialize, Deserialize)]
struct ToldItem {
    e: Event,
}

pub fn session(tenant: &TenantId, id: Uuid, session: &Session) -> Result<Item, Failure> {
    let item = to_item(keys::session(tenant, id), &SessionItem::of(session, false))?;
    Ok(forgotten(item, session.expires_at))
}

pub fn stored_session(item: Item) -> Result<Session, Failure> {
    Ok(from_item::<SessionItem>(item)?.read()?.session)
}

pub fn listeners(tenant: &TenantId, audience: &Audience, listeners: &Listeners) -> Result<Item, Failure> {
    let entry = |(id, one): (&Uuid, &Listening)| (*id, SessionItem::of(&one.session, one.is_gone));
    let attributes =
        AudienceItem { s: listeners.since.into(), m: listeners.sessions.iter().map(entry).collect() };
    let item = to_item(keys::audience(tenant, audience), &attributes)?;
    let last = listeners.sessions.values().map(Listening::kept_until).max();
    Ok(forgotten(item, last.unwrap_or(listeners.since)))
}

pub fn stored_listeners(item: Item) -> Result<Listeners, Failure> {
    let stored: AudienceItem = from_item(item)?;
    let sessions = stored.m.into_iter().map(|(id, session)| Ok::<_, Failure>((id, session.read()?)));
    Ok(Listeners { since: stored.s.try_into()?, sessions: sessions.collect::<Result<_, _>>()? })
}

/// An event that was told at `at`.
pub fn told(event: &Event, at: Timestamp) -> Result<Item, Failure> {
    let item = to_item(keys::told(&event.tenant, at, &event.id), &ToldItem { e: event.clone() })?;
    Ok(forgotten(item, at + KEPT))
}

/// An event, and its place among those that were told.
pub fn stored_told(item: Item) -> Result<(String, Event), Failure> {
    let position = keys::parse_told(sort_key(&item)?)
        .ok_or_else(|| Failure::malformed("read what was told", "the sort key holds no position"))?
        .to_owned();
    Ok((position, from_item::<ToldItem>(item)?.e))
}
