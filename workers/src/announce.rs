//! Announces what was told to whoever listens, to each connection of each audience of an event, and hands it
//! on for webhooks that want it, in order of its group.
//!
//! Invariant: what somebody listens to is kept before it is announced, so that who loses their connection can
//! hear it later.

use crate::batch::{Batch, Batches};
use crate::fifo::{BATCH_BUDGET, Group, HandBack, Message};
use crate::frame::Frame;
use crate::lambda::Worker;
use crate::listen::may_listen;
use aws::bus::{Bus, Names, NotPublished};
use aws::clock::Clock;
use aws::config::Clients;
use aws::connections::{Connections, Posted};
use aws::failure::{Failure, chain};
use aws::items::{self, Listeners};
use aws::keys;
use aws::retry::Policy;
use aws::stored::{put, take};
use aws::table::{Found, Table};
use aws::telemetry::Metrics;
use aws_lambda_events::sqs::{SqsBatchResponse, SqsEvent};
use domain::command::{Command, Deliver, Purpose};
use domain::event::Event;
use domain::id::TenantId;
use domain::listener::{Audience, may_be_told};
use domain::planted::{self, Planted};
use domain::role::Caller;
use domain::webhook::Webhooks;
use futures_util::stream::{self, StreamExt};
use jiff::{SignedDuration, Timestamp};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;
use tokio::time::{Instant, timeout, timeout_at};
use uuid::Uuid;

/// Groups of one batch at the same time: all that it may have.
const SIDE_BY_SIDE: usize = 10;
/// Connections that are posted to at the same time.
const AT_ONCE: usize = 50;
/// Time for one connection. One that takes nothing is ended: its client comes back and resumes.
const PATIENCE: Duration = Duration::from_secs(1);

#[derive(Debug, Clone)]
pub struct AnnounceWorker {
    table: Table,
    bus: Bus,
    connections: Connections,
    batches: Batches,
    names: Names,
    clock: Clock,
}

/// An event on its way to whoever listens.
#[derive(Debug)]
struct Announcement<'a> {
    message: &'a Message,
    event: Event,
    /// When it is told, each of a batch at its own instant.
    at: Timestamp,
}

/// Who listens to what of a batch, and who they are; and who else wants to be told.
#[derive(Debug, Default)]
struct Room {
    audiences: BTreeMap<Audience, Listeners>,
    /// Of each session whose user may hear anything.
    callers: BTreeMap<Uuid, Caller>,
    webhooks: Webhooks,
    /// Sessions that turned out to be gone.
    gone: Mutex<BTreeSet<(Audience, Uuid)>>,
}

impl AnnounceWorker {
    pub fn new(clients: &Clients, connections_url: &str, clock: Clock, metrics: Metrics) -> Self {
        Self {
            table: clients.table(Policy::WORKER),
            bus: clients.bus(Policy::INTAKE),
            connections: clients.connections(connections_url, Policy::INTAKE),
            batches: Batches::new(clients, metrics),
            names: clients.config().names.clone(),
            clock,
        }
    }

    /// The table, for whoever counts its calls.
    pub fn table(&self) -> &Table {
        &self.table
    }

    async fn work_off<'a>(&self, queue_arn: &str, groups: &'a [Group]) -> Vec<HandBack<'a>> {
        let deadline = Instant::now() + BATCH_BUDGET;
        let (mut left, mut lanes) = (Vec::new(), Vec::new());
        let mut at = self.clock.now();
        for group in groups {
            let mut lane = Vec::new();
            for message in &group.messages {
                match read(message, queue_arn, &group.id, &self.names) {
                    Ok(event) => {
                        // So that what is kept stays in order.
                        at += SignedDuration::from_millis(1);
                        lane.push(Announcement { message, event, at });
                    }
                    Err(failure) => left.push(HandBack { group: &group.id, message, failure: Some(failure) }),
                }
            }
            lanes.push((group.id.as_str(), lane));
        }
        let events: Vec<_> = lanes.iter().flat_map(|(_, lane)| lane).collect();
        let prepared = async {
            let room = self.furnish(&events).await?;
            self.hand_on(&room, &events).await?;
            Ok(room)
        };
        let room = match timeout_at(deadline, prepared).await {
            Ok(room) => room,
            Err(_) => Err(Failure::transient("announce", "the batch ran out of time")),
        };
        match room {
            Ok(room) if room.is_silent() => {}
            Ok(room) => {
                let works: Vec<_> = lanes
                    .iter()
                    .map(|(group, lane)| self.announce_lane(&room, group, lane, deadline))
                    .collect();
                let works = stream::iter(works).buffer_unordered(SIDE_BY_SIDE).collect::<Vec<_>>();
                left.extend(works.await.into_iter().flatten());
                if let Some(first) = events.first() {
                    self.forget(&first.event.tenant, room).await;
                }
            }
            Err(failure) => {
                for (group, one) in
                    lanes.iter().flat_map(|(group, lane)| lane.iter().map(move |one| (group, one)))
                {
                    let failure = Some(failure.again().as_transient());
                    left.push(HandBack { group, message: one.message, failure });
                }
            }
        }
        left
    }

    /// Reads who listens, and keeps what they listen to.
    async fn furnish(&self, events: &[&Announcement<'_>]) -> Result<Room, Failure> {
        let Some(tenant) = events.first().map(|one| one.event.tenant.clone()) else {
            return Ok(Room::default());
        };
        let audiences: BTreeSet<_> = events.iter().flat_map(|one| Audience::of(&one.event)).collect();
        let webhooks_key = keys::webhooks(&tenant);
        let wanted = audiences.iter().map(|one| keys::audience(&tenant, one));
        let mut found = self.table.read(wanted.chain([webhooks_key.clone()])).await?;
        let (mut room, now) = (Room::default(), self.clock.now());
        if let Some(item) = found.take(&webhooks_key) {
            room.webhooks = items::stored_webhooks(item)?;
        }
        room.audiences = seated(&mut found, &tenant, &audiences, now)?;
        if room.is_silent() {
            return Ok(room);
        }
        let is_for = |event: &Event| Audience::of(event).iter().any(|one| room.audiences.contains_key(one));
        let kept = events.iter().filter(|one| is_for(&one.event)).map(|one| items::told(&one.event, one.at));
        self.table.put_unnamed(&kept.collect::<Result<Vec<_>, _>>()?).await?;
        // Whoever sat down since finds what was just kept, or is found here.
        let seats = audiences.iter().map(|one| keys::audience(&tenant, one));
        room.audiences = seated(&mut self.table.read(seats).await?, &tenant, &audiences, now)?;
        let users = room.audiences.values().flat_map(|listeners| listeners.sessions.values());
        let users: BTreeSet<_> = users.map(|one| one.session.user.clone()).collect();
        let mut found = self.table.read(users.iter().map(|name| keys::user(&tenant, name))).await?;
        let mut known = BTreeMap::new();
        for name in users {
            if let Some(item) = found.take(&keys::user(&tenant, &name)) {
                known.insert(name.clone(), items::stored_user(&name, item)?);
            }
        }
        let sessions = room.audiences.values().flat_map(|listeners| &listeners.sessions);
        let callers = sessions.filter_map(|(id, one)| {
            let user = known.get(&one.session.user).filter(|user| may_listen(user, *id))?;
            let (user, role) = (user.name.clone(), user.role.clone());
            Some((*id, Caller { tenant: tenant.clone(), user, role }))
        });
        room.callers = callers.collect();
        Ok(room)
    }

    /// Hands on what webhooks want to be told, in order: each calls its receiver when it can.
    async fn hand_on(&self, room: &Room, events: &[&Announcement<'_>]) -> Result<(), Failure> {
        let wanted = events.iter().flat_map(|one| {
            let webhooks = room.webhooks.0.values().filter(|webhook| webhook.wants(&one.event));
            webhooks.map(|webhook| Deliver {
                tenant: one.event.tenant.clone(),
                webhook: webhook.id,
                event: one.event.clone(),
                asked: None,
                is_aside: false,
            })
        });
        let wanted: Vec<_> = wanted.map(|deliver| Command::Deliver(Box::new(deliver))).collect();
        match events.first().filter(|_| !wanted.is_empty()) {
            Some(first) => {
                let published = self.bus.publish_all(&first.event.tenant, wanted).await;
                if planted::is(Planted::HookForgotten) {
                    return Ok(());
                }
                published.map_err(NotPublished::failure)
            }
            None => Ok(()),
        }
    }

    /// Announces one group's events in order, and names what is left of them.
    async fn announce_lane<'a>(
        &self,
        room: &Room,
        group: &'a str,
        lane: &[Announcement<'a>],
        deadline: Instant,
    ) -> Vec<HandBack<'a>> {
        let mut left = Vec::new();
        for one in lane {
            let failure = if left.is_empty() {
                match timeout_at(deadline, self.announce(room, one)).await {
                    Ok(Ok(())) => continue,
                    Ok(Err(failure)) => Some(failure.as_transient()),
                    Err(_) => Some(Failure::transient("announce", "the batch ran out of time")),
                }
            } else {
                None
            };
            left.push(HandBack { group, message: one.message, failure });
        }
        left
    }

    /// Announces an event to every connection that may hear it, once to each.
    async fn announce(&self, room: &Room, one: &Announcement<'_>) -> Result<(), Failure> {
        let Announcement { event, at, .. } = one;
        let position = keys::position(*at, &event.id);
        let (frame, now) = (Frame::Event { position: &position, event }.text()?, self.clock.now());
        let mut seen = BTreeSet::new();
        let mut posts = Vec::new();
        for audience in Audience::of(event) {
            let Some(listeners) = room.audiences.get(&audience) else { continue };
            for (id, listening) in &listeners.sessions {
                // Who was let go or signed out is not told, and their connection is ended.
                let caller = room.callers.get(id);
                let may_hear = caller.is_none_or(|caller| may_be_told(caller, event));
                let is_skipped = planted::is(Planted::ListenerSkipped) && event.about.employee.is_none();
                if !listening.is_gone && may_hear && !is_skipped && seen.insert(*id) {
                    let hears = caller.is_some() && listening.hears(now);
                    let (audience, frame) = (audience.clone(), &frame);
                    posts.push(async move {
                        let frame = hears.then_some(frame.as_str());
                        if self.post(&listening.session.connection, frame).await? == Posted::Gone {
                            let mut gone = room.gone.lock().unwrap_or_else(PoisonError::into_inner);
                            gone.insert((audience, *id));
                        }
                        Ok(())
                    });
                }
            }
        }
        stream::iter(posts).buffer_unordered(AT_ONCE).collect::<Vec<_>>().await.into_iter().collect()
    }

    /// Posts to a connection. One that is to hear nothing more, or that takes nothing in time, is ended.
    async fn post(&self, connection: &str, frame: Option<&str>) -> Result<Posted, Failure> {
        if let Some(frame) = frame {
            match timeout(PATIENCE, self.connections.post(connection, frame)).await {
                Ok(Ok(posted)) => return Ok(posted),
                Ok(Err(failure)) => tracing::warn!(error = chain(&failure), "a connection took nothing"),
                Err(_) => tracing::warn!("a connection took nothing in time"),
            }
        }
        let ended = timeout(PATIENCE, self.connections.end(connection)).await;
        match ended.unwrap_or_else(|error| Err(Failure::transient("end a connection", error))) {
            // Whoever is to hear nothing is in nobody's way: the next event tries again.
            Err(failure) if frame.is_none() => {
                tracing::warn!(error = chain(&failure), "a connection was not ended");
                Ok(Posted::Taken)
            }
            ended => ended.map(|()| Posted::Gone),
        }
    }

    /// Notes who is gone; for a while, what they listen to is kept for when they come back.
    async fn forget(&self, tenant: &TenantId, room: Room) {
        let mut audiences: BTreeMap<Audience, Vec<Uuid>> = BTreeMap::new();
        for (audience, id) in room.gone.into_inner().unwrap_or_else(PoisonError::into_inner) {
            audiences.entry(audience).or_default().push(id);
        }
        for (audience, gone) in audiences {
            if let Err(failure) = self.note_gone(tenant, &audience, &gone, self.clock.now()).await {
                // They are found gone again with the next event.
                tracing::info!(error = chain(&failure), "a listener who is gone was not noted");
            }
        }
    }

    async fn note_gone(
        &self,
        tenant: &TenantId,
        audience: &Audience,
        gone: &[Uuid],
        now: Timestamp,
    ) -> Result<(), Failure> {
        let key = keys::audience(tenant, audience);
        let mut found = self.table.read([key.clone()]).await?;
        let Some(stored) = take(&mut found, &key, items::stored_listeners)? else { return Ok(()) };
        let mut listeners = stored.value.clone().at(now);
        for (_, one) in listeners.sessions.iter_mut().filter(|(id, _)| gone.contains(id)) {
            one.is_gone = true;
            one.session.expires_at = one.session.expires_at.min(now);
        }
        let write = put(items::listeners(tenant, audience, &listeners)?, Some(&stored));
        self.table.commit(vec![write]).await.map_err(|error| error.alone("note who is gone"))
    }
}

/// Who listens to each audience.
fn seated(
    found: &mut Found,
    tenant: &TenantId,
    audiences: &BTreeSet<Audience>,
    now: Timestamp,
) -> Result<BTreeMap<Audience, Listeners>, Failure> {
    let mut seated = BTreeMap::new();
    for audience in audiences {
        let Some(item) = found.take(&keys::audience(tenant, audience)) else { continue };
        let listeners = items::stored_listeners(item)?.at(now);
        if !listeners.sessions.is_empty() {
            seated.insert(audience.clone(), listeners);
        }
    }
    Ok(seated)
}

impl Room {
    /// Whether nobody listens.
    fn is_silent(&self) -> bool {
        self.audiences.is_empty()
    }
}

impl Worker for AnnounceWorker {
    async fn handle(&self, event: SqsEvent) -> SqsBatchResponse {
        let batch = Batch::of(event);
        let work = Box::pin(self.work_off(&batch.queue_arn, &batch.groups));
        self.batches.work_off(&batch, work).await
    }
}

/// An event that came through its own tenant's queue in its own group.
fn read(message: &Message, queue_arn: &str, group: &str, names: &Names) -> Result<Event, Failure> {
    let event: Event = serde_json::from_str(&message.body)
        .map_err(|error| Failure::malformed("read an event", format!("line {}", error.line())))?;
    let own_queue = names.queue_arn(&names.queue(&event.tenant, Purpose::Results));
    if queue_arn != own_queue || group != keys::event_group(&event) {
        let what = "it names another tenant or wallet than its queue";
        return Err(Failure::malformed("read an event", what));
    }
    Ok(event)
}
