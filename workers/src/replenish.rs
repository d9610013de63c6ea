//! Replenishes wallets for a cutoff, part by part of the roster: one movement an employee under the one id
//! that a cutoff has in each wallet, together with the wallet at the version that was read.
//!
//! Lunch goes on meanwhile: whoever loses a race with a sale is read again. A part is done when every one of
//! its employees has an outcome that was told, and what they came to is stored once.

use crate::fifo;
use crate::lambda::Worker;
use crate::one_by_one::{Delivery, OneByOne, WorkOff};
use crate::open_cutoff::{Awaits, CutoffOpener, Ticked};
use crate::roster::PATIENCE_RECEIVES;
use aws::bus::Names;
use aws::clock::Clock;
use aws::config::Clients;
use aws::failure::Failure;
use aws::items;
use aws::keys;
use aws::results::Results;
use aws::retry::Policy;
use aws::stored::Stored;
use aws::table::{NotCommitted, Reason, Table, Write};
use aws::telemetry::Metrics;
use aws_lambda_events::sqs::{SqsBatchResponse, SqsEvent};
use domain::booking::Booking;
use domain::command::{Command, Replenish};
use domain::cutoff::{self, Cutoff, Totals};
use domain::event::Event;
use domain::id::{EmployeeNumber, TenantId, UserName};
use domain::planted::{self, Planted};
use jiff::SignedDuration;
use jiff::civil::Date;
use std::iter;

/// Wallets in one transaction, which takes a hundred items: two of each.
const TOGETHER: usize = 50;
/// Parts of one batch at the same time: lunch goes first, and several batches run at the same time already.
const SIDE_BY_SIDE: usize = 1;

#[derive(Debug, Clone)]
pub struct ReplenishWorker {
    table: Table,
    results: Results,
    opener: CutoffOpener,
    batches: OneByOne,
    names: Names,
    clock: Clock,
    metrics: Metrics,
}

/// What a part came to, and what is told of it.
#[derive(Default)]
struct Tally {
    totals: Totals,
    events: Vec<Event>,
}

impl Tally {
    fn count(&mut self, tenant: &TenantId, number: &EmployeeNumber, booking: &Booking) {
        self.totals.count(booking);
        self.events.push(Event::of_booking(tenant, number, booking, None));
    }
}

/// An employee of a part who has no outcome yet.
struct Open {
    number: EmployeeNumber,
    /// They lost a race: nobody else waits for them.
    is_alone: bool,
}

/// An employee, and what is to be written for them.
struct Decided {
    open: Open,
    booking: Booking,
    writes: Vec<Write>,
}

impl ReplenishWorker {
    pub fn new(clients: &Clients, clock: Clock, metrics: Metrics) -> Self {
        Self {
            table: clients.table(Policy::WORKER),
            results: clients.results(Policy::WORKER),
            opener: CutoffOpener::new(clients, clock.clone()),
            batches: OneByOne::new(clients, metrics.clone(), SIDE_BY_SIDE),
            names: clients.config().names.clone(),
            clock,
            metrics,
        }
    }

    /// The table as this worker uses it, for whoever counts its calls.
    pub fn table(&self) -> &Table {
        &self.table
    }

    /// What opens cutoffs, for whoever ticks.
    pub fn opener(&self) -> &CutoffOpener {
        &self.opener
    }

    /// A tick waits for parts that are on their way, so that a cutoff is closed soon after the last of them.
    async fn tick(&self, tenant: &TenantId, receives: u32) -> Result<(), Failure> {
        let ticked = self.opener.tick(tenant).await?;
        let age = if let Ticked::Open { age, .. } = ticked { age } else { SignedDuration::ZERO };
        self.metrics.cutoff_age(tenant, age);
        if receives > 1 && matches!(ticked, Ticked::Open { .. }) {
            // Whoever closed the last one may have died before telling, and another may be open since.
            self.tell_closed(tenant).await?;
        }
        match ticked {
            Ticked::Open { date, awaits: Awaits::Parts | Awaits::Rest, .. }
                if receives < PATIENCE_RECEIVES =>
            {
                Err(Failure::transient("close a cutoff", format!("the one of {date} is not complete")))
            }
            Ticked::Closed { totals, .. } => {
                self.metrics.replenished(tenant, &totals);
                self.tell_closed(tenant).await
            }
            // A dead letter that told of it may have been moved back, as a message that nobody received
            // before.
            Ticked::Nothing => self.tell_closed(tenant).await,
            Ticked::Open { .. } => Ok(()),
        }
    }

    async fn tell_closed(&self, tenant: &TenantId) -> Result<(), Failure> {
        let Some(untold) = self.opener.untold(tenant).await? else { return Ok(()) };
        let Stored { value: cutoff, revision } = untold;
        let closed =
            cutoff.closed.as_ref().map(|(at, totals)| Event::of_cutoff(tenant, cutoff.date, totals, *at));
        self.results.tell(tenant, closed).await?;
        self.opener.note_told(tenant, cutoff, revision).await
    }

    /// Who was booked in an earlier round was told of then, unless this part `is_again` here.
    async fn replenish(&self, part: &Replenish, is_again: bool) -> Result<(), Failure> {
        let Replenish { tenant, date, round, part: number, employees } = part;
        let (part_key, cutoff_key) =
            (keys::cutoff_part(tenant, *date, *round, *number), keys::cutoff(tenant, *date));
        let mut found = self.table.read([part_key.clone(), cutoff_key.clone()]).await?;
        if found.take(&part_key).is_some() {
            return Ok(());
        }
        let cutoff = found.take(&cutoff_key);
        let cutoff = cutoff.ok_or_else(|| Failure::malformed("replenish", "there is no such cutoff"))?;
        let cutoff = items::stored_cutoff(*date, cutoff)?.cutoff;
        if planted::is(Planted::PartNotedFirst) {
            let noted = Write::Create(items::cutoff_part(part_key.clone(), &Totals::default())?);
            self.table.commit(vec![noted]).await.map_err(|error| error.alone("note a part"))?;
        }
        let mut tally = Tally::default();
        let mut open = employees.clone();
        if *round > 0 {
            open = self.count_done(tenant, *date, open, &mut tally).await?;
            if !is_again {
                tally.events.clear();
            }
        }
        for together in open.chunks(TOGETHER) {
            self.replenish_some(tenant, &cutoff, together, &mut tally).await?;
        }
        self.results.tell(tenant, tally.events).await?;
        if planted::is(Planted::PartNotedFirst) {
            return Ok(());
        }
        let done = Write::Create(items::cutoff_part(part_key, &tally.totals)?);
        self.table.commit(vec![done]).await.map_err(|error| error.alone("note a part"))
    }

    /// Counts who was booked in an earlier round, as nearly everybody was, and names the others.
    async fn count_done(
        &self,
        tenant: &TenantId,
        date: Date,
        employees: Vec<EmployeeNumber>,
        tally: &mut Tally,
    ) -> Result<Vec<EmployeeNumber>, Failure> {
        let id = cutoff::booking_id(date);
        let key_of = |number: &EmployeeNumber| keys::booking(tenant, number, &id);
        let mut found = self.table.read(employees.iter().map(key_of)).await?;
        let mut open = Vec::new();
        for number in employees {
            match found.take(&key_of(&number)) {
                Some(item) => tally.count(tenant, &number, &items::stored_booking(item)?),
                None => open.push(number),
            }
        }
        Ok(open)
    }

    /// Books each employee once: together, and alone whoever lost a race.
    async fn replenish_some(
        &self,
        tenant: &TenantId,
        cutoff: &Cutoff,
        employees: &[EmployeeNumber],
        tally: &mut Tally,
    ) -> Result<(), Failure> {
        let mut open: Vec<_> =
            employees.iter().map(|number| Open { number: number.clone(), is_alone: false }).collect();
        let mut pauses = Policy::WORKER.pauses();
        loop {
            let decided = self.decide(tenant, cutoff, open, tally).await?;
            let (alone, crowd): (Vec<_>, Vec<_>) = decided.into_iter().partition(|one| one.open.is_alone);
            open = Vec::new();
            let parts = iter::once(crowd).chain(alone.into_iter().map(|one| vec![one]));
            for part in parts.filter(|part| !part.is_empty()) {
                open.extend(self.commit(tenant, part, tally).await?);
            }
            if open.is_empty() {
                return Ok(());
            }
            if !pauses.pause().await {
                return Err(Failure::transient("replenish", "lost every race with lunch"));
            }
        }
    }

    /// Reads and decides; who is done already is counted, and who is nobody skipped.
    async fn decide(
        &self,
        tenant: &TenantId,
        cutoff: &Cutoff,
        open: Vec<Open>,
        tally: &mut Tally,
    ) -> Result<Vec<Decided>, Failure> {
        let id = cutoff::booking_id(cutoff.date);
        let keys_of = |number: &EmployeeNumber| {
            [keys::employee(tenant, number), keys::wallet(tenant, number), keys::booking(tenant, number, &id)]
        };
        let mut found = self.table.read(open.iter().flat_map(|one| keys_of(&one.number))).await?;
        let by: UserName = cutoff::BY.parse().map_err(|error| Failure::malformed("replenish", error))?;
        let mut decided = Vec::new();
        for open in open {
            let number = &open.number;
            let [employee, wallet, booking] = keys_of(number);
            if let Some(item) = found.take(&booking) {
                tally.count(tenant, number, &items::stored_booking(item)?);
                continue;
            }
            let (Some(employee), Some(stored)) = (found.take(&employee), found.take(&wallet)) else {
                tally.totals.skip(cutoff::UNKNOWN_EMPLOYEE);
                continue;
            };
            let employee = items::stored_employee(number, employee)?;
            let before = items::stored_wallet(stored)?;
            let mut booking =
                cutoff::decide(&cutoff.policy, cutoff.date, &employee, before, &by, self.clock.now());
            if planted::is(Planted::GrantUnnamed) {
                let unnamed = format!("{}-{}", booking.id, cutoff.round.number);
                booking.id = unnamed.parse().map_err(|error| Failure::malformed("name a grant", error))?;
            }
            let mut writes = vec![Write::Create(items::booking(tenant, number, &booking)?)];
            if let Some(entry) = booking.entry() {
                writes.push(Write::MoveWallet { key: wallet, from_version: before.version, to: entry.after });
            }
            decided.push(Decided { open, booking, writes });
        }
        Ok(decided)
    }

    /// Commits together, and names who is still open.
    async fn commit(
        &self,
        tenant: &TenantId,
        part: Vec<Decided>,
        tally: &mut Tally,
    ) -> Result<Vec<Open>, Failure> {
        let writes = part.iter().flat_map(|one| one.writes.iter().cloned()).collect();
        let reasons = match self.table.commit(writes).await {
            Ok(()) => {
                part.iter().for_each(|one| tally.count(tenant, &one.open.number, &one.booking));
                return Ok(vec![]);
            }
            Err(NotCommitted::Cancelled(reasons)) => reasons,
            Err(error @ NotCommitted::Failure(_)) => return Err(error.alone("replenish")),
        };
        if part.len() == 1 && reasons.contains(&Reason::Invalid) {
            return Err(NotCommitted::Cancelled(reasons).alone("replenish"));
        }
        let mut reasons = reasons.into_iter();
        // Who was throttled goes together again, after a pause: alone, they would ask for more.
        let still_open = |Decided { open, writes, .. }| {
            let own: Vec<_> = reasons.by_ref().take(writes.len()).collect();
            let is_to_blame = own.iter().any(|reason| !matches!(reason, Reason::None | Reason::Refused));
            Open { is_alone: open.is_alone || is_to_blame, ..open }
        };
        Ok(part.into_iter().map(still_open).collect())
    }
}

impl Worker for ReplenishWorker {
    async fn handle(&self, event: SqsEvent) -> SqsBatchResponse {
        self.batches.handle(event, self).await
    }
}

impl WorkOff for ReplenishWorker {
    async fn work_off(&self, delivery: Delivery<'_>) -> Result<(), Failure> {
        let receives = delivery.message.receives;
        match delivery.read(&self.names)? {
            Command::OpenCutoff(tick) => self.tick(&tick.tenant, receives).await,
            Command::Replenish(part) => self.replenish(&part, receives > 1).await,
            _ => Err(fifo::another_workers()),
        }
    }
}
