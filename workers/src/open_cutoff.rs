//! Opens a tenant's cutoffs: finds out whether one is due, writes it once, hands the roster out in parts, round
//! after round, and closes it when every part of a round is done that found the roster at rest.
//!
//! Whatever stops it, the next tick carries on where it stopped; whatever comes twice finds what was done.

use aws::bus::{Bus, NotPublished};
use aws::clock::Clock;
use aws::config::Clients;
use aws::failure::Failure;
use aws::items::{self, Roster, StoredCutoff};
use aws::keys;
use aws::retry::Policy;
use aws::table::{Order, Table, Write};
use domain::command::{Command, OpenCutoff, Replenish};
use domain::cutoff::{Cutoff, QUIET, Totals};
use domain::id::TenantId;
use jiff::civil::Date;
use std::time::Duration;
use tokio::time::Instant;
use uuid::Uuid;

/// Employees in one part of a roster.
pub const CHUNK: i32 = 100;
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
    /// Nothing is due, or the tenant has no policy.
    Nothing,
    /// The roster is not handed out yet; another tick is on its way.
    HandingOut,
    /// Every part is done, but the roster changed lately: it is handed out once more when it is at rest.
    Unsettled {
        date: Date,
    },
    /// The roster is handed out, and parts of it are not done.
    Waiting {
        date: Date,
        done: u64,
        expected: u64,
    },
    Closed {
        date: Date,
        totals: Totals,
    },
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
        let Some((mut stored, mut revision)) = self.open(tenant).await? else {
            return Ok(Ticked::Nothing);
        };
        let started = Instant::now();
        while !stored.cutoff.round.is_fanned_out {
            if started.elapsed() > BUDGET {
                self.tick_again(tenant).await?;
                return Ok(Ticked::HandingOut);
            }
            stored = self.hand_out(tenant, stored).await?;
            self.note(tenant, &stored, revision).await?;
            revision += 1;
        }
        self.close(tenant, stored, revision).await
    }

    async fn note(&self, tenant: &TenantId, stored: &StoredCutoff, from: u64) -> Result<(), Failure> {
        commit(&self.table, vec![Write::Replace { item: items::cutoff(tenant, stored)?, from }]).await
    }

    /// The cutoff that is open, or is opened now because it is due.
    async fn open(&self, tenant: &TenantId) -> Result<Option<(StoredCutoff, u64)>, Failure> {
        let (tenant_key, policy_key, roster_key) =
            (keys::tenant(tenant), keys::policy(tenant), keys::roster(tenant));
        let mut found = self.table.read([tenant_key.clone(), policy_key.clone(), roster_key.clone()]).await?;
        let roster_item = found.take(&roster_key);
        let roster_revision = roster_item.as_ref().map(items::revision).transpose()?;
        let roster = roster_item.map(items::stored_roster).transpose()?;
        if let Some(Roster { latest, is_open: true, .. }) = roster {
            return self.read(tenant, latest).await.map(Some);
        }
        let (Some(stored), Some(policy)) = (found.take(&tenant_key), found.take(&policy_key)) else {
            return Ok(None);
        };
        let (company, standing) = (items::stored_tenant(tenant, stored)?, items::stored_policy(policy)?);
        let now = self.clock.now();
        let latest = roster.map(|roster| roster.latest);
        let Some(date) = standing.to_open(&company.business_day, latest, now) else { return Ok(None) };
        let cutoff = Cutoff::open(date, standing.policy, now);
        let writes = opening(tenant, &cutoff, roster_revision)?;
        commit(&self.table, writes.into()).await?;
        let stored = StoredCutoff { cutoff, position: None };
        tracing::info!(tenant.id = tenant.as_str(), cutoff.date = %date, "opened the cutoff of {date}");
        Ok(Some((stored, 0)))
    }

    async fn read(&self, tenant: &TenantId, date: Date) -> Result<(StoredCutoff, u64), Failure> {
        let item = self.table.read_one(&keys::cutoff(tenant, date)).await?;
        let item = item.ok_or_else(|| Failure::malformed("read a cutoff", "it is missing"))?;
        let revision = items::revision(&item)?;
        Ok((items::stored_cutoff(date, item)?, revision))
    }

    /// Publishes the next part of the roster. If nobody notes that it was, it is published again: the topic
    /// swallows it, or the worker finds it done.
    async fn hand_out(&self, tenant: &TenantId, stored: StoredCutoff) -> Result<StoredCutoff, Failure> {
        let StoredCutoff { mut cutoff, position } = stored;
        let span = keys::employees(tenant, "");
        let page = self.table.query_page(&span, CHUNK, Order::OldestFirst, position).await?;
        let employees = page.items.into_iter().map(|item| Ok(items::listed_employee(item)?.number));
        let employees = employees.collect::<Result<Vec<_>, Failure>>()?;
        if !employees.is_empty() {
            let round = &mut cutoff.round;
            round.expected += u64::try_from(employees.len()).unwrap_or_default();
            let part = Replenish {
                tenant: tenant.clone(),
                date: cutoff.date,
                round: round.number,
                chunk: round.chunks,
                employees,
            };
            round.chunks += 1;
            self.publish(Command::Replenish(part)).await?;
        }
        cutoff.round.is_fanned_out = page.next.is_none();
        Ok(StoredCutoff { cutoff, position: page.next })
    }

    /// Closes a cutoff if every part of its round is done, their sums agree with what was handed out, and the
    /// roster was at rest; has everybody counted again if it was not.
    async fn close(&self, tenant: &TenantId, stored: StoredCutoff, revision: u64) -> Result<Ticked, Failure> {
        let Cutoff { date, round, .. } = stored.cutoff;
        let done = self.table.query_all(&keys::chunks(tenant, date, round.number)).await?;
        let parts = u64::try_from(done.len()).unwrap_or_default();
        let mut totals = Totals::default();
        for item in done {
            totals.add(&items::stored_chunk(item)?);
        }
        if parts < u64::from(round.chunks) || totals.employees() != round.expected {
            return Ok(Ticked::Waiting { date, done: totals.employees(), expected: round.expected });
        }
        let roster_item = self.table.read_one(&keys::roster(tenant)).await?;
        let roster_item = roster_item.ok_or_else(|| Failure::malformed("close a cutoff", "no roster"))?;
        let from = items::revision(&roster_item)?;
        let roster = items::stored_roster(roster_item)?;
        let now = self.clock.now();
        if !round.counts(roster.changed_at) {
            if now.duration_since(roster.changed_at) < QUIET {
                return Ok(Ticked::Unsettled { date });
            }
            let stored = StoredCutoff { cutoff: stored.cutoff.again(now), position: None };
            self.note(tenant, &stored, revision).await?;
            self.tick_again(tenant).await?;
            return Ok(Ticked::HandingOut);
        }
        let stored = StoredCutoff {
            cutoff: Cutoff { closed: Some((now, totals.clone())), ..stored.cutoff },
            position: None,
        };
        let roster = items::roster(tenant, &Roster { is_open: false, ..roster })?;
        let writes = vec![
            Write::Replace { item: items::cutoff(tenant, &stored)?, from: revision },
            Write::Replace { item: roster, from },
        ];
        commit(&self.table, writes).await?;
        let Totals { booked, .. } = totals;
        tracing::info!(tenant.id = tenant.as_str(), cutoff.date = %date, booked, "closed the cutoff of {date}");
        Ok(Ticked::Closed { date, totals })
    }

    /// Asks for another tick.
    pub async fn tick_again(&self, tenant: &TenantId) -> Result<(), Failure> {
        self.publish(Command::OpenCutoff(OpenCutoff::new(tenant, Uuid::new_v4()))).await
    }

    async fn publish(&self, command: Command) -> Result<(), Failure> {
        self.bus.publish(command).await.map_err(|error| match error {
            NotPublished::NoTopic => Failure::malformed("open a cutoff", "the tenant has no topic"),
            NotPublished::Failure(failure) => failure,
        })
    }
}

/// What has to be written to open a cutoff, when `roster` is the revision that stands there.
pub fn opening(tenant: &TenantId, cutoff: &Cutoff, roster: Option<u64>) -> Result<[Write; 2], Failure> {
    let stored = StoredCutoff { cutoff: cutoff.clone(), position: None };
    let latest = Roster { latest: cutoff.date, is_open: true, changed_at: cutoff.opened_at };
    let item = items::roster(tenant, &latest)?;
    let roster = match roster {
        Some(from) => Write::Replace { item, from },
        None => Write::Create(item),
    };
    Ok([Write::Create(items::cutoff(tenant, &stored)?), roster])
}

async fn commit(table: &Table, writes: Vec<Write>) -> Result<(), Failure> {
    table.commit(writes).await.map_err(|error| error.alone("open a cutoff"))
}
