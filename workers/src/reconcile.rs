//! Looks whether what is stored agrees, part by part of the roster, and repairs nothing: it writes its own
//! findings alone.
//!
//! A part is done when each of its employees was looked at, and what was found is stored once. One that takes
//! longer than an invocation notes how far it is and comes again.

mod look;

use crate::fifo;
use crate::lambda::Worker;
use crate::one_by_one::{Delivery, OneByOne, WorkOff};
use crate::open_reconciliation::{ReconciliationOpener, Ticked};
use crate::roster::PATIENCE_RECEIVES;
use aws::bus::Names;
use aws::clock::Clock;
use aws::config::Clients;
use aws::failure::Failure;
use aws::items;
use aws::keys::{self, Key};
use aws::retry::Policy;
use aws::table::{Table, Write};
use aws::telemetry::Metrics;
use aws_lambda_events::sqs::{SqsBatchResponse, SqsEvent};
use domain::command::{Command, Reconcile};
use domain::id::{EmployeeNumber, TenantId};
use domain::reconciliation::{Finding, LISTED_OF_A_PART, Progress};
use domain::tenant::Tenant;
use futures_util::future;
use jiff::civil::Date;
use look::{Look, Seen};
use std::collections::BTreeMap;
use std::time::Duration;
use tokio::time::Instant;

/// Time for one batch, which is one message; the function's timeout is a minute.
const BATCH_BUDGET: Duration = Duration::from_secs(52);
/// Time for a part before it notes how far it is: who is being looked at then has the rest of the batch's.
const PART_BUDGET: Duration = Duration::from_secs(30);
/// Employees who are looked at at the same time: so many wallets with very many movements fit into the
/// function.
const SIDE_BY_SIDE: usize = 4;

#[derive(Debug, Clone)]
pub struct ReconcileWorker {
    table: Table,
    opener: ReconciliationOpener,
    batches: OneByOne,
    names: Names,
    clock: Clock,
}

impl ReconcileWorker {
    pub fn new(clients: &Clients, clock: Clock, metrics: Metrics) -> Self {
        let batches = OneByOne::new(clients, metrics.clone(), 1).within(BATCH_BUDGET);
        Self {
            table: clients.table(Policy::WORKER),
            opener: ReconciliationOpener::new(clients, clock.clone(), metrics),
            batches,
            names: clients.config().names.clone(),
            clock,
        }
    }

    /// The table as this worker uses it, for whoever counts its calls.
    pub fn table(&self) -> &Table {
        &self.table
    }

    /// What opens reconciliations, for whoever ticks.
    pub fn opener(&self) -> &ReconciliationOpener {
        &self.opener
    }

    /// A tick waits for parts that are on their way, so that a run is closed soon after the last of them.
    async fn tick(&self, tenant: &TenantId, receives: u32) -> Result<(), Failure> {
        match self.opener.tick(tenant).await? {
            Ticked::Open { date } if receives < PATIENCE_RECEIVES => Err(Failure::transient(
                "close a reconciliation",
                format!("the one of {date} is not complete"),
            )),
            Ticked::Nothing | Ticked::HandedOutInPart | Ticked::Open { .. } | Ticked::Closed(_) => Ok(()),
        }
    }

    async fn reconcile(&self, part: &Reconcile) -> Result<(), Failure> {
        let Reconcile { tenant, date, part: number, .. } = part;
        let (key, run_key, tenant_key) = (
            keys::reconciliation_part(tenant, *date, *number),
            keys::reconciliation(tenant, *date),
            keys::tenant(tenant),
        );
        let mut found = self.table.read([key.clone(), run_key.clone(), tenant_key.clone()]).await?;
        let (Some(run), Some(company)) = (found.take(&run_key), found.take(&tenant_key)) else {
            return Err(Failure::malformed("look at a part", "there is no such run"));
        };
        let company = items::stored_tenant(tenant, company)?;
        let item = found.take(&key);
        let from = item.as_ref().map(items::revision).transpose()?;
        let mut progress = item.map(items::stored_reconciliation_part).transpose()?.unwrap_or_default();
        // What comes after its run was closed is nobody's any more.
        if progress.is_done || items::stored_reconciliation(run)?.run.closed.is_some() {
            return Ok(());
        }
        let before = progress.looked_at;
        let looked = self.look_on(part, &company, &mut progress).await;
        if progress.is_done || progress.looked_at > before {
            self.note(&key, &progress, from).await?;
        }
        looked
    }

    /// Looks at whoever of a part was not looked at yet, for as long as there is time.
    async fn look_on(
        &self,
        part: &Reconcile,
        company: &Tenant,
        progress: &mut Progress,
    ) -> Result<(), Failure> {
        let started = Instant::now();
        let look = Look::begin(&self.table, company, part.date, self.clock.now()).await?;
        let mut cutoffs = BTreeMap::new();
        let open = part.employees.get(progress.looked_at..).unwrap_or_default();
        for some in open.chunks(SIDE_BY_SIDE) {
            if started.elapsed() > PART_BUDGET {
                let so_far = format!("{} of {} so far", progress.looked_at, part.employees.len());
                return Err(Failure::transient("look at a part", so_far));
            }
            let seen = future::try_join_all(some.iter().map(|number| look.at(number))).await?;
            for (number, seen) in some.iter().zip(seen) {
                self.note_seen(&company.id, number, seen, &mut cutoffs, progress).await?;
            }
        }
        progress.is_done = true;
        Ok(())
    }

    /// Counts what was seen of one employee, and whether the cutoffs that they were booked for are there.
    async fn note_seen(
        &self,
        tenant: &TenantId,
        number: &EmployeeNumber,
        seen: Seen,
        known: &mut BTreeMap<Date, bool>,
        progress: &mut Progress,
    ) -> Result<(), Failure> {
        let Seen { movements, cutoffs, mut found } = seen;
        let unknown: Vec<_> = cutoffs.iter().copied().filter(|date| !known.contains_key(date)).collect();
        let mut items = self.table.read(unknown.iter().map(|date| keys::cutoff(tenant, *date))).await?;
        known.extend(unknown.iter().map(|date| (*date, items.take(&keys::cutoff(tenant, *date)).is_some())));
        let missing = cutoffs.iter().filter(|date| known.get(date) == Some(&false));
        found.extend(missing.map(|date| Finding::CutoffMissing { date: *date }));
        progress.looked_at += 1;
        progress.tally.employees += 1;
        progress.tally.movements += movements;
        for finding in found {
            if progress.tally.listed.len() < LISTED_OF_A_PART {
                tracing::error!(
                    employee.number = number.as_str(),
                    finding = finding.name(),
                    "what is stored of employee {number} does not agree: {finding}"
                );
            }
            progress.tally.note(Some(number), finding, LISTED_OF_A_PART);
        }
        Ok(())
    }

    /// Stores how far a part is, in place of what was read at a revision.
    async fn note(&self, key: &Key, progress: &Progress, from: Option<u64>) -> Result<(), Failure> {
        let item = items::reconciliation_part(key.clone(), progress, self.clock.now())?;
        let write = match from {
            None => Write::Create(item),
            Some(from) => Write::Replace { item, from },
        };
        self.table.commit(vec![write]).await.map_err(|error| error.alone("note a part"))
    }
}

impl Worker for ReconcileWorker {
    async fn handle(&self, event: SqsEvent) -> SqsBatchResponse {
        self.batches.handle(event, self).await
    }
}

impl WorkOff for ReconcileWorker {
    async fn work_off(&self, delivery: Delivery<'_>) -> Result<(), Failure> {
        match delivery.read(&self.names)? {
            Command::OpenReconciliation(tick) => self.tick(&tick.tenant, delivery.message.receives).await,
            Command::Reconcile(part) => self.reconcile(&part).await,
            _ => Err(fifo::another_workers()),
        }
    }
}
