//! Opens a tenant's reconciliations: one a business day, whose roster is handed out in parts, and which is
//! closed when every part of it is done.
//!
//! Whatever stops it, the next tick carries on where it stopped; whatever comes twice finds what was done.

use crate::roster::{Part, Walk};
use aws::bus::{Bus, NotPublished};
use aws::clock::Clock;
use aws::config::Clients;
use aws::failure::Failure;
use aws::items::{self, StoredRun};
use aws::retry::Policy;
use aws::stored::Stored;
use aws::table::{Order, Table, Write};
use aws::telemetry::Metrics;
use aws::{keys, parts};
use domain::command::{Command, Kind, OpenReconciliation, Reconcile};
use domain::cutoff::Cutoff;
use domain::id::TenantId;
use domain::planted::{self, Planted};
use domain::reconciliation::{Finding, LISTED, Run};
use jiff::civil::Date;
use std::time::Duration;
use tokio::time::Instant;
use uuid::Uuid;

/// Time for handing out parts before the rest is left to a tick of its own; the function's timeout is a
/// minute.
const BUDGET: Duration = Duration::from_secs(40);
/// Of the latest cutoffs, so many have their totals looked at by each run: more than are opened in a day.
const CUTOFFS: i32 = 2;

#[derive(Debug, Clone)]
pub struct ReconciliationOpener {
    table: Table,
    bus: Bus,
    clock: Clock,
    metrics: Metrics,
}

/// What a tick came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ticked {
    /// Today's run is closed, or the tenant's parts would not arrive.
    Nothing,
    /// Another tick is on its way, to hand out the rest.
    HandedOutInPart,
    /// Parts of the roster are not done.
    Open {
        date: Date,
    },
    Closed(Run),
}

impl ReconciliationOpener {
    pub fn new(clients: &Clients, clock: Clock, metrics: Metrics) -> Self {
        Self { table: clients.table(Policy::WORKER), bus: clients.bus(Policy::WORKER), clock, metrics }
    }

    /// Opens what is due, and carries on with what is open. What another day left open is closed as it
    /// stands.
    pub async fn tick(&self, tenant: &TenantId) -> Result<Ticked, Failure> {
        let Some(today) = self.today(tenant).await? else { return Ok(Ticked::Nothing) };
        let latest = self.latest(tenant).await?;
        let Stored { value: mut stored, mut revision } = match latest {
            Some(latest) if latest.value.run.closed.is_some() && latest.value.run.date >= today => {
                return Ok(Ticked::Nothing);
            }
            Some(Stored { value, revision }) if value.run.closed.is_none() && value.run.date < today => {
                self.close(tenant, value, revision, true).await?;
                self.open(tenant, today).await?
            }
            Some(latest) if latest.value.run.closed.is_none() => latest,
            Some(_) | None => self.open(tenant, today).await?,
        };
        let started = Instant::now();
        let mut walk = Walk::behind(&self.table, tenant, stored.behind.clone());
        while !stored.run.is_handed_out {
            if started.elapsed() > BUDGET {
                self.tick_again(tenant).await?;
                return Ok(Ticked::HandedOutInPart);
            }
            stored = self.hand_out(tenant, stored, &mut walk).await?;
            self.note(tenant, &stored, revision).await?;
            revision += 1;
        }
        self.close(tenant, stored, revision, false).await
    }

    /// The tenant's business day, if there is a tenant whose parts would arrive.
    async fn today(&self, tenant: &TenantId) -> Result<Option<Date>, Failure> {
        let Some(item) = self.table.read_one(&keys::tenant(tenant)).await? else { return Ok(None) };
        let company = items::stored_tenant(tenant, item)?;
        let is_reached = company.is_reached(Kind::Reconcile);
        Ok(is_reached.then(|| company.business_day.date_of(self.clock.now())))
    }

    /// The last run that was opened.
    async fn latest(&self, tenant: &TenantId) -> Result<Option<Stored<StoredRun>>, Failure> {
        let page = self.table.query_page(&keys::reconciliations(tenant), 1, Order::NewestFirst, None).await?;
        page.items.into_iter().next().map(|item| Stored::of(item, items::stored_reconciliation)).transpose()
    }

    async fn open(&self, tenant: &TenantId, date: Date) -> Result<Stored<StoredRun>, Failure> {
        let value = StoredRun { run: Run::open(date, self.clock.now()), behind: None };
        self.commit(Write::Create(items::reconciliation(tenant, &value)?)).await?;
        let id = tenant.as_str();
        tracing::info!(tenant.id = id, reconciliation.date = %date, "opened the reconciliation of {date}");
        Ok(Stored { value, revision: 0 })
    }

    /// Publishes the next part of the roster. If nobody notes that it was, it is published again: the topic
    /// swallows it, or the worker finds it done.
    async fn hand_out(
        &self,
        tenant: &TenantId,
        stored: StoredRun,
        walk: &mut Walk<'_>,
    ) -> Result<StoredRun, Failure> {
        let StoredRun { mut run, behind } = stored;
        let Part { employees, is_last } = walk.next().await?;
        let behind = employees.last().cloned().or(behind);
        if !employees.is_empty() {
            run.expected += u64::try_from(employees.len()).unwrap_or_default();
            let part = Reconcile { tenant: tenant.clone(), date: run.date, part: run.parts, employees };
            run.parts += 1;
            self.publish(Command::Reconcile(part)).await?;
        }
        run.is_handed_out = is_last;
        Ok(StoredRun { run, behind })
    }

    /// Closes a run if every part of it is done, or because its day is over.
    async fn close(
        &self,
        tenant: &TenantId,
        stored: StoredRun,
        revision: u64,
        is_over: bool,
    ) -> Result<Ticked, Failure> {
        let StoredRun { mut run, behind } = stored;
        let date = run.date;
        let (done, mut tally) = parts::of_reconciliation(&self.table, tenant, date).await?;
        match run.missing(done) {
            Some(_) if planted::is(Planted::RunClosedEarly) => {}
            Some(_) if !is_over => return Ok(Ticked::Open { date }),
            Some(missing) => tally.note(None, missing, LISTED),
            // A part that was handed out twice, the second time with whoever had joined, is done once.
            None => run.expected = tally.employees,
        }
        for finding in self.check_cutoffs(tenant).await? {
            tally.note(None, finding, LISTED);
        }
        // Told before it is noted: twice rather than never.
        self.metrics.reconciled(tenant, &tally);
        let (id, employees, findings) = (tenant.as_str(), tally.employees, tally.findings());
        let run = Run { closed: Some((self.clock.now(), tally)), ..run };
        let stored = StoredRun { run, behind };
        self.note(tenant, &stored, revision).await?;
        tracing::info!(
            tenant.id = id, reconciliation.date = %date, employees, findings,
            "closed the reconciliation of {date} with {findings} findings"
        );
        Ok(Ticked::Closed(stored.run))
    }

    /// The latest cutoffs that are closed, and whose totals are not what their parts came to.
    async fn check_cutoffs(&self, tenant: &TenantId) -> Result<Vec<Finding>, Failure> {
        let page = self.table.query_page(&keys::cutoffs(tenant), CUTOFFS, Order::NewestFirst, None).await?;
        let mut found = Vec::new();
        for item in page.items {
            let Cutoff { date, round, closed: Some((_, totals)), .. } = items::listed_cutoff(item)?.cutoff
            else {
                continue;
            };
            let done = parts::of_cutoff(&self.table, tenant, date, round.number).await?;
            if done != (round.parts, totals) {
                found.push(Finding::CutoffDiffers { date });
            }
        }
        Ok(found)
    }

    /// Asks for another tick.
    pub async fn tick_again(&self, tenant: &TenantId) -> Result<(), Failure> {
        self.publish(Command::OpenReconciliation(OpenReconciliation::new(tenant, Uuid::new_v4()))).await
    }

    async fn publish(&self, command: Command) -> Result<(), Failure> {
        self.bus.publish(command).await.map_err(NotPublished::failure)
    }

    async fn note(&self, tenant: &TenantId, stored: &StoredRun, from: u64) -> Result<(), Failure> {
        self.commit(Write::Replace { item: items::reconciliation(tenant, stored)?, from }).await
    }

    async fn commit(&self, write: Write) -> Result<(), Failure> {
        self.table.commit(vec![write]).await.map_err(|error| error.alone("open a reconciliation"))
    }
}
