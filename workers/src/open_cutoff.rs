//! Opens a tenant's cutoffs: finds out whether one is due, writes it once, hands the roster out in parts,
//! round after round, and closes it when every part of a round is done that found the roster at rest.
//!
//! Whatever stops it, the next tick carries on where it stopped; whatever comes twice finds what was done.

use crate::roster::{Part, Walk};
use aws::bus::{Bus, NotPublished};
use aws::clock::Clock;
use aws::config::Clients;
use aws::failure::Failure;
use aws::items::{self, Roster, StoredCutoff};
use aws::retry::Policy;
use aws::stored::{Stored, put, take};
use aws::table::{Order, Table, Write};
use aws::{keys, parts};
use domain::command::{Command, Kind, OpenCutoff, Replenish};
use domain::cutoff::{Cutoff, Round, StandingPolicy, Totals, Verdict};
use domain::id::TenantId;
use domain::planted::{self, Planted};
use domain::tenant::BusinessDay;
use jiff::civil::Date;
use jiff::{SignedDuration, Timestamp};
use std::time::Duration;
use tokio::time::Instant;
use uuid::Uuid;

/// Time for handing out parts before the rest is left to a tick of its own; the function's timeout is 10 s.
const BUDGET: Duration = Duration::from_secs(5);

#[derive(Debug, Clone)]
pub struct CutoffOpener {
    table: Table,
    bus: Bus,
    clock: Clock,
}

/// What a tick came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ticked {
    /// Nothing is due, or the tenant has no policy, or its parts would not arrive.
    Nothing,
    /// A cutoff is open, since so long, and waits for something.
    Open {
        date: Date,
        age: SignedDuration,
        awaits: Awaits,
    },
    Closed {
        date: Date,
        totals: Totals,
    },
}

/// What an open cutoff waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Awaits {
    /// Another tick, which is on its way.
    Tick,
    /// Parts of the roster that are not done.
    Parts,
    /// A roster at rest.
    Rest,
}

/// What opening a cutoff stands on, with the revisions that were read.
#[derive(Debug)]
pub struct Ground {
    pub business_day: BusinessDay,
    is_reached: bool,
    tenant: u64,
    policy: Option<Stored<StandingPolicy>>,
    roster: Option<Stored<Roster>>,
}

impl Ground {
    /// Nothing where nobody has founded the tenant yet.
    pub async fn read(table: &Table, tenant: &TenantId) -> Result<Option<Self>, Failure> {
        let (tenant_key, policy_key, roster_key) =
            (keys::tenant(tenant), keys::policy(tenant), keys::roster(tenant));
        let mut found = table.read([tenant_key.clone(), policy_key.clone(), roster_key.clone()]).await?;
        let company = take(&mut found, &tenant_key, |item| items::stored_tenant(tenant, item))?;
        let Some(Stored { value: company, revision }) = company else { return Ok(None) };
        Ok(Some(Self {
            is_reached: company.is_reached(Kind::Replenish),
            business_day: company.business_day,
            tenant: revision,
            policy: take(&mut found, &policy_key, items::stored_policy)?,
            roster: take(&mut found, &roster_key, items::stored_roster)?,
        }))
    }

    pub fn policy(&self) -> Option<&StandingPolicy> {
        self.policy.as_ref().map(|policy| &policy.value)
    }

    pub fn roster(&self) -> Option<Roster> {
        self.roster.as_ref().map(|roster| roster.value)
    }

    /// The last cutoff that was opened.
    pub fn latest(&self) -> Option<Date> {
        self.roster().map(|roster| roster.latest)
    }

    /// The cutoff that is due, if its parts would arrive.
    fn due(&self, now: Timestamp) -> Option<Date> {
        let standing = self.policy().filter(|_| self.is_reached)?;
        standing.to_open(&self.business_day, self.latest(), now)
    }

    /// A cutoff as it is opened, and what has to be written for it.
    pub fn open(
        &self,
        tenant: &TenantId,
        date: Date,
        now: Timestamp,
    ) -> Result<(StoredCutoff, Vec<Write>), Failure> {
        let no_policy = || Failure::malformed("open a cutoff", "there is no policy");
        let policy = self.policy.as_ref().ok_or_else(no_policy)?;
        let item = items::roster(tenant, &Roster { latest: date, is_open: true })?;
        let roster_revision = self.roster.as_ref().map_or(0, |roster| roster.revision + 1);
        let cutoff = Cutoff::open(date, policy.value.policy.clone(), roster_revision, now);
        let stored = StoredCutoff::new(cutoff);
        let mut writes = vec![
            Write::Create(items::cutoff(tenant, &stored)?),
            put(item, self.roster.as_ref()),
            Write::Check { key: keys::tenant(tenant), from: Some(self.tenant) },
        ];
        if !planted::is(Planted::PolicyUnguarded) {
            writes.push(Write::Check { key: keys::policy(tenant), from: Some(policy.revision) });
        }
        Ok((stored, writes))
    }
}

impl CutoffOpener {
    pub fn new(clients: &Clients, clock: Clock) -> Self {
        Self { table: clients.table(Policy::WORKER), bus: clients.bus(Policy::WORKER), clock }
    }

    /// The table as this worker uses it, for whoever counts its calls.
    pub fn table(&self) -> &Table {
        &self.table
    }

    /// Opens what is due, and carries on with what is open.
    pub async fn tick(&self, tenant: &TenantId) -> Result<Ticked, Failure> {
        let Some(open) = self.open(tenant).await? else { return Ok(Ticked::Nothing) };
        let Stored { value: mut stored, mut revision } = open;
        let started = Instant::now();
        let mut walk = Walk::behind(&self.table, tenant, stored.behind.clone());
        while !stored.cutoff.round.is_handed_out {
            if started.elapsed() > BUDGET {
                self.tick_again(tenant).await?;
                return Ok(self.still_open(&stored.cutoff, Awaits::Tick));
            }
            stored = self.hand_out(tenant, stored, &mut walk).await?;
            self.note(tenant, &stored, revision).await?;
            revision += 1;
        }
        self.close(tenant, stored, revision).await
    }

    fn still_open(&self, cutoff: &Cutoff, awaits: Awaits) -> Ticked {
        let age = self.clock.now().duration_since(cutoff.opened_at);
        Ticked::Open { date: cutoff.date, age, awaits }
    }

    async fn note(&self, tenant: &TenantId, stored: &StoredCutoff, from: u64) -> Result<(), Failure> {
        self.commit(vec![Write::Replace { item: items::cutoff(tenant, stored)?, from }]).await
    }

    /// The cutoff that is open, or is opened now because it is due.
    async fn open(&self, tenant: &TenantId) -> Result<Option<Stored<StoredCutoff>>, Failure> {
        let Some(ground) = Ground::read(&self.table, tenant).await? else { return Ok(None) };
        if let Some(Roster { latest, is_open: true }) = ground.roster() {
            let stored = self.read(tenant, latest).await?;
            // Somebody may have closed it since the roster was read.
            return Ok(stored.value.cutoff.closed.is_none().then_some(stored));
        }
        let now = self.clock.now();
        let Some(date) = ground.due(now) else { return Ok(None) };
        let (value, writes) = ground.open(tenant, date, now)?;
        self.commit(writes).await?;
        tracing::info!(tenant.id = tenant.as_str(), cutoff.date = %date, "opened the cutoff of {date}");
        Ok(Some(Stored { value, revision: 0 }))
    }

    async fn read(&self, tenant: &TenantId, date: Date) -> Result<Stored<StoredCutoff>, Failure> {
        let item = self.table.read_one(&keys::cutoff(tenant, date)).await?;
        let item = item.ok_or_else(|| Failure::malformed("read a cutoff", "it is missing"))?;
        Stored::of(item, |item| items::stored_cutoff(date, item))
    }

    /// Publishes the next part of the roster. If nobody notes that it was, it is published again: the topic
    /// swallows it, or the worker finds it done.
    async fn hand_out(
        &self,
        tenant: &TenantId,
        stored: StoredCutoff,
        walk: &mut Walk<'_>,
    ) -> Result<StoredCutoff, Failure> {
        let StoredCutoff { mut cutoff, behind, .. } = stored;
        let Part { employees, is_last } = walk.next().await?;
        let behind = employees.last().cloned().or(behind);
        if !employees.is_empty() {
            let round = &mut cutoff.round;
            round.expected += u64::try_from(employees.len()).unwrap_or_default();
            let part = Replenish {
                tenant: tenant.clone(),
                date: cutoff.date,
                round: round.number,
                part: round.parts,
                employees,
            };
            round.parts += 1;
            self.publish(Command::Replenish(part)).await?;
        }
        cutoff.round.is_handed_out = is_last;
        Ok(StoredCutoff { behind, ..StoredCutoff::new(cutoff) })
    }

    /// Closes a cutoff if every part of its round is done, their sums agree with what was handed out, and the
    /// roster was at rest; has everybody counted again if not.
    async fn close(&self, tenant: &TenantId, stored: StoredCutoff, revision: u64) -> Result<Ticked, Failure> {
        let StoredCutoff { cutoff, .. } = stored;
        let (date, round) = (cutoff.date, cutoff.round);
        let (done, totals) = parts::of_cutoff(&self.table, tenant, date, round.number).await?;
        let is_early = planted::is(Planted::CutoffClosedEarly);
        if done < round.parts && !is_early {
            return Ok(self.still_open(&cutoff, Awaits::Parts));
        }
        let adds_up = done == round.parts && totals.employees() == round.expected;
        let roster = self.table.read_one(&keys::roster(tenant)).await?;
        let roster = roster.ok_or_else(|| Failure::malformed("close a cutoff", "no roster"))?;
        let (from, now) = (items::revision(&roster)?, self.clock.now());
        let verdict = if is_early { Verdict::Counts } else { round.judge(adds_up, from, now) };
        match verdict {
            Verdict::Counts => {}
            Verdict::Wait => return Ok(self.still_open(&cutoff, Awaits::Rest)),
            Verdict::Changed(roster) => {
                let cutoff = Cutoff { round: Round { roster, ..round }, ..cutoff };
                let stored = StoredCutoff::new(cutoff);
                self.note(tenant, &stored, revision).await?;
                return Ok(self.still_open(&stored.cutoff, Awaits::Rest));
            }
            Verdict::Again => {
                let stored = StoredCutoff::new(cutoff.again(now));
                self.note(tenant, &stored, revision).await?;
                self.tick_again(tenant).await?;
                return Ok(self.still_open(&stored.cutoff, Awaits::Tick));
            }
        }
        let closed = Cutoff { closed: Some((now, totals.clone())), ..cutoff };
        let stored = StoredCutoff { is_untold: true, ..StoredCutoff::new(closed) };
        let roster = items::roster(tenant, &Roster { latest: date, is_open: false })?;
        self.commit(vec![
            Write::Replace { item: items::cutoff(tenant, &stored)?, from: revision },
            Write::Replace { item: roster, from },
        ])
        .await?;
        let Totals { booked, .. } = totals;
        tracing::info!(tenant.id = tenant.as_str(), cutoff.date = %date, booked, "closed the cutoff of {date}");
        Ok(Ticked::Closed { date, totals })
    }

    /// The cutoff that was closed and that nobody was told of yet, with its revision. Behind it there is at
    /// most one, which is open.
    pub async fn untold(&self, tenant: &TenantId) -> Result<Option<Stored<Cutoff>>, Failure> {
        let page = self.table.query_page(&keys::cutoffs(tenant), 2, Order::NewestFirst, None).await?;
        for item in page.items {
            let Stored { value: StoredCutoff { cutoff, is_untold, .. }, revision } =
                Stored::of(item, items::listed_cutoff)?;
            if is_untold {
                return Ok(Some(Stored { value: cutoff, revision }));
            }
        }
        Ok(None)
    }

    /// Notes that what [`untold`](Self::untold) found was told.
    pub async fn note_told(&self, tenant: &TenantId, cutoff: Cutoff, from: u64) -> Result<(), Failure> {
        self.note(tenant, &StoredCutoff::new(cutoff), from).await
    }

    /// Asks for another tick.
    pub async fn tick_again(&self, tenant: &TenantId) -> Result<(), Failure> {
        self.publish(Command::OpenCutoff(OpenCutoff::new(tenant, Uuid::new_v4()))).await
    }

    async fn publish(&self, command: Command) -> Result<(), Failure> {
        self.bus.publish(command).await.map_err(NotPublished::failure)
    }

    async fn commit(&self, writes: Vec<Write>) -> Result<(), Failure> {
        self.table.commit(writes).await.map_err(|error| error.alone("open a cutoff"))
    }
}
