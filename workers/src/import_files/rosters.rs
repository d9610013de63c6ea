//! A roster from a file: whoever is in it is created or changed, and whoever is not may be let go. Each
//! employee is written whole or not at all, so an import that is cut short goes on where nothing is left to
//! change.

use super::run::{Judged, Run};
use crate::administer::employees;
use aws::clock::Clock;
use aws::failure::Failure;
use aws::items;
use aws::keys;
use aws::retry::Policy;
use aws::stored::{put, take};
use aws::table::{Found, NotCommitted, Order, Table, Write};
use domain::admin::Rejection;
use domain::cutoff::Period;
use domain::employee::Employee;
use domain::id::{EmployeeNumber, UserName};
use domain::import::{BadCell, EMPLOYEE_KEY, Effect, EmployeeRow, Mode, Reason, Refused, RosterEffect};
use domain::planted::{self, Planted};
use domain::role::Status;
use domain::tenant::Tenant;
use futures_util::stream::{self, StreamExt, TryStreamExt};
use jiff::Timestamp;
use serde_json::{Value, json};
use sheets::{BadRow, BadRows, Checked, Taken};
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use tokio::sync::mpsc::Receiver;

/// Employees in one transaction of a hundred items: profile, wallet, badge and share of a cutoff each, and
/// the roster. The transactions go one after the other: all of them check that the roster stands still, and
/// would be in each other's way.
const TOGETHER: usize = 24;
/// Employees who are let go at the same time.
const SIDE_BY_SIDE: usize = 4;
/// Employees of the roster that are read in one call.
const PAGE: i32 = 200;
const CHANGE: &str = "import-employees";

pub async fn import(run: &mut Run, company: &Tenant, put_at: Timestamp) -> Result<Judged, Failure> {
    let desk = Desk {
        table: run.table.clone(),
        company: company.clone(),
        by: run.by()?,
        put_at,
        clock: run.clock().clone(),
    };
    let rehearse = async |rows, seen| Ok(desk.take(rows, seen, Act::Rehearse).await?.1);
    let checked = match run.validate(&company.currency, rehearse).await? {
        Ok(checked) => checked,
        Err(refused) => return Ok(Err(refused)),
    };
    let is_whole = run.import.options.mode == Mode::Replace;
    let unread = run.import.rows.bad - checked.unusable;
    if is_whole && unread > 0 {
        let detail = format!("{unread} rows cannot be read; whoever is in them would be let go");
        return Ok(Err(Refused::new(Reason::BadRows, detail)));
    }
    let mut missing = Vec::new();
    if is_whole {
        let active;
        (missing, active) = run.noting(&AtomicU64::new(0), desk.missing(&checked), |_, _| ()).await?;
        let count = u64::try_from(missing.len()).unwrap_or(u64::MAX);
        if !run.import.options.may_miss(count, active) {
            let detail = format!("{count} of {active} active employees are missing from the file");
            return Ok(Err(Refused::new(Reason::TooManyMissing, detail)));
        }
    }
    let applied = run.apply(&company.currency, |rows, done| desk.take(rows, done, Act::Write)).await?;
    let (mut checked, (mut effect, lost)) = match applied {
        Ok(applied) => applied,
        Err(refused) => return Ok(Err(refused)),
    };
    // Things may have changed since they were looked at.
    checked.refuse(lost);
    run.list(&mut checked).await?;
    // Whoever was hired since they were counted stays. (A worker that dies is followed by one that counts
    // again.)
    effect.deactivated = run.noting(&AtomicU64::new(0), desk.let_go(missing), |_, _| ()).await?;
    let after = json!({
        "created": effect.created,
        "changed": effect.changed,
        "unchanged": effect.unchanged,
        "deactivated": effect.deactivated,
    });
    let receipt = run.receipt(CHANGE, "employees".to_owned(), Value::Null, after)?;
    Ok(Ok((Effect::Roster(effect), vec![receipt])))
}

/// Whether anything is written, or only looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Act {
    Rehearse,
    Write,
}

/// Where employees are hired, and by whom.
struct Desk {
    table: Table,
    company: Tenant,
    by: UserName,
    /// When the file was put: whoever was hired or changed since is as somebody had them then.
    put_at: Timestamp,
    clock: Clock,
}

/// What some rows come to.
#[derive(Debug, Default)]
struct Taking {
    effect: RosterEffect,
    refused: BadRows,
}

/// What a row comes to.
enum Settled {
    Refused(BadRow),
    Unchanged,
    Created(Vec<Write>),
    Changed { writes: Vec<Write>, is_renamed: bool },
}

impl Desk {
    /// Takes every row of a file: what became of them, and which cannot be used as things are.
    async fn take(
        &self,
        mut rows: Receiver<Taken<EmployeeRow>>,
        done: Arc<AtomicU64>,
        act: Act,
    ) -> Result<(RosterEffect, BadRows), Failure> {
        let rows = stream::poll_fn(move |context| rows.poll_recv(context));
        let (mut parts, mut sum) = (pin!(rows.chunks(TOGETHER)), Taking::default());
        while let Some(part) = parts.next().await {
            let count = u64::try_from(part.len()).unwrap_or_default();
            // On the heap: it would not fit the stack of an unoptimised build.
            sum.add(Box::pin(self.settle(part, act)).await?);
            done.fetch_add(count, Ordering::Relaxed);
        }
        Ok((sum.effect, sum.refused))
    }

    /// Some rows together, or each alone where one of them lost a race.
    async fn settle(&self, rows: Vec<Taken<EmployeeRow>>, act: Act) -> Result<Taking, Failure> {
        let mut pauses = Policy::WORKER.pauses();
        loop {
            let failure = match self.attempt(&rows, act).await {
                Ok(Ok(taking)) => return Ok(taking),
                Ok(Err(NotCommitted::Cancelled(_))) if rows.len() > 1 => break,
                Ok(Err(error)) => error.alone("import an employee"),
                Err(failure) => failure,
            };
            if !failure.is_transient() || !pauses.pause().await {
                return Err(failure);
            }
        }
        let mut sum = Taking::default();
        for row in rows {
            sum.add(Box::pin(self.settle(vec![row], act)).await?);
        }
        Ok(sum)
    }

    /// Reads whatever some rows concern, decides, and commits all of it or nothing.
    async fn attempt(
        &self,
        rows: &[Taken<EmployeeRow>],
        act: Act,
    ) -> Result<Result<Taking, NotCommitted>, Failure> {
        let tenant = &self.company.id;
        let roster_key = keys::roster(tenant);
        let employees = rows.iter().map(|Taken { row, .. }| keys::employee(tenant, &row.number));
        let badges =
            rows.iter().filter_map(|Taken { row, .. }| Some(keys::badge(tenant, row.badge.as_ref()?)));
        let mut found = self.table.read(employees.chain(badges).chain([roster_key.clone()])).await?;
        let roster = take(&mut found, &roster_key, items::stored_roster)?;
        let period = employees::period(&self.table, tenant, roster.as_ref()).await?;
        let (mut taking, mut writes, mut moves) = (Taking::default(), Vec::new(), false);
        for row in rows {
            match self.decide(&mut found, row, period.as_ref())? {
                Settled::Refused(row) => taking.refused.add(row),
                Settled::Unchanged => taking.effect.unchanged += 1,
                Settled::Created(created) => {
                    taking.effect.created += 1;
                    moves = true;
                    writes.extend(created);
                }
                Settled::Changed { writes: changed, is_renamed } => {
                    taking.effect.changed += 1;
                    moves |= is_renamed;
                    writes.extend(changed);
                }
            }
        }
        if act == Act::Rehearse || writes.is_empty() {
            return Ok(Ok(taking));
        }
        if moves {
            writes.push(employees::moves_in(tenant, roster.as_ref())?);
        }
        Ok(self.table.commit(writes).await.map(|()| taking))
    }

    fn decide(
        &self,
        found: &mut Found,
        taken: &Taken<EmployeeRow>,
        period: Option<&Period>,
    ) -> Result<Settled, Failure> {
        let (tenant, row, now) = (&self.company.id, &taken.row, self.clock.now());
        let key = keys::employee(tenant, &row.number);
        let stored = take(found, &key, |item| items::stored_employee(&row.number, item))?;
        let held = match &row.badge {
            Some(rfid) => take(found, &keys::badge(tenant, rfid), items::stored_badge)?,
            None => None,
        };
        let before = stored.as_ref().map(|stored| &stored.value);
        let settled = row.settle(before, held.as_ref().map(|held| &held.value), now);
        let (employee, badge) = match settled {
            Ok(settled) => settled,
            Err(rejection) => return Ok(Settled::Refused(unusable(taken, &rejection))),
        };
        let badge = match (badge, &row.badge) {
            (Some(badge), Some(rfid)) => Some(put(items::badge(tenant, rfid, &badge)?, held.as_ref())),
            _ => None,
        };
        Ok(match before {
            None => {
                let mut writes = employees::hire(&self.company, &employee, period, &self.by, now)?;
                writes.extend(badge);
                Settled::Created(writes)
            }
            Some(before) if *before == employee && badge.is_none() => Settled::Unchanged,
            Some(before) if self.is_overtaken_by(before) => {
                let reason = "was changed since this file was put; put the row again if it still holds";
                Settled::Refused(refused(taken, row.number.to_string(), reason.to_owned()))
            }
            Some(before) => {
                let changed = put(items::employee(tenant, &employee)?, stored.as_ref());
                let writes = [changed].into_iter().chain(badge).collect();
                Settled::Changed { writes, is_renamed: before.name != employee.name }
            }
        })
    }

    /// Whether somebody changed an employee since the file was put.
    fn is_overtaken_by(&self, employee: &Employee) -> bool {
        employee.is_newer_than(self.put_at) && !planted::is(Planted::RosterOverwrites)
    }

    /// Whoever is active and not in the file, and of how many they are.
    async fn missing(&self, checked: &Checked) -> Result<(Vec<EmployeeNumber>, u64), Failure> {
        let (span, mut missing, mut active) = (keys::employees(&self.company.id, ""), Vec::new(), 0);
        let mut pages = self.table.pages(&span, PAGE, Order::OldestFirst);
        while let Some(page) = pages.next().await? {
            let employees = page.into_iter().map(items::listed_employee);
            let employees = employees.collect::<Result<Vec<_>, _>>()?;
            let is_active = |employee: &&Employee| employee.status == Status::Active;
            let is_there = |employee: &&Employee| {
                checked.has(EMPLOYEE_KEY, employee.number.as_str()) && !planted::is(Planted::RosterUnread)
            };
            let active_ones = employees.iter().filter(is_active).inspect(|_| active += 1);
            let missing_ones = active_ones.filter(|one| !is_there(one) && !self.is_overtaken_by(one));
            missing.extend(missing_ones.map(|one| one.number.clone()));
        }
        Ok((missing, active))
    }

    /// How many of these it let go: all who were active still.
    async fn let_go(&self, missing: Vec<EmployeeNumber>) -> Result<u64, Failure> {
        if planted::is(Planted::LeaversKept) {
            return Ok(0);
        }
        let letting = stream::iter(missing).map(|number| self.let_one_go(number));
        let counted = letting.buffer_unordered(SIDE_BY_SIDE);
        counted.try_fold(0, async |count, was_active| Ok(count + u64::from(was_active))).await
    }

    async fn let_one_go(&self, number: EmployeeNumber) -> Result<bool, Failure> {
        let (tenant, key) = (&self.company.id, keys::employee(&self.company.id, &number));
        let (mut pauses, mut may_be_gone) = (Policy::WORKER.pauses(), false);
        loop {
            let mut found = self.table.read([key.clone()]).await?;
            let stored = take(&mut found, &key, |item| items::stored_employee(&number, item))?;
            let Some(stored) = stored.filter(|stored| stored.value.status == Status::Active) else {
                return Ok(may_be_gone);
            };
            if self.is_overtaken_by(&stored.value) {
                return Ok(false);
            }
            let gone = Employee { status: Status::Inactive, ..stored.value.clone() };
            let write = put(items::employee(tenant, &gone)?, Some(&stored));
            let failure = match self.table.commit(vec![write]).await {
                Ok(()) => return Ok(true),
                Err(error) => {
                    may_be_gone |= matches!(error, NotCommitted::Failure(_));
                    error.alone("let an employee go")
                }
            };
            if !failure.is_transient() || !pauses.pause().await {
                return Err(failure);
            }
        }
    }
}

impl Taking {
    fn add(&mut self, other: Taking) {
        let (sum, other_effect) = (&mut self.effect, other.effect);
        sum.created += other_effect.created;
        sum.changed += other_effect.changed;
        sum.unchanged += other_effect.unchanged;
        self.refused.append(other.refused);
    }
}

/// A row that reads, and cannot be used as things are.
fn unusable(taken: &Taken<EmployeeRow>, rejection: &Rejection) -> BadRow {
    let value = taken.row.badge.as_ref().map(ToString::to_string).unwrap_or_default();
    let reason = match rejection {
        Rejection::BadgeTaken => "is another employee's badge".to_owned(),
        Rejection::BadgeResting { until } => format!("was another employee's badge, and rests until {until}"),
        Rejection::TooManyBadges => "is one badge too many; take some back".to_owned(),
        other => other.name().to_owned(),
    };
    refused(taken, value, reason)
}

fn refused(taken: &Taken<EmployeeRow>, value: String, reason: String) -> BadRow {
    let bad = vec![BadCell { column: String::new(), value, reason }];
    BadRow { line: taken.line, cells: taken.cells.clone(), bad }
}
