//! Looks at one employee's partition while lunch goes on: at its newest movements, so that a look costs hardly
//! more in ten years, and once a quarter at all of it. What does not agree is looked at again, whole, and found only
//! if two looks in a row find the same: a sale that came in between is none of it.

use aws::failure::Failure;
use aws::items;
use aws::keys;
use aws::table::{Order, Table};
use domain::id::{EmployeeNumber, TenantId};
use domain::money::Money;
use domain::planted::{self, Planted};
use domain::reconciliation::{self, Books, Finding, Run, Stage};
use domain::tenant::Tenant;
use jiff::civil::Date;
use jiff::{SignedDuration, Timestamp};
use std::collections::BTreeSet;
use std::time::Duration;

/// How far back the newest movements go at least.
const RECENT: SignedDuration = SignedDuration::from_hours(14 * 24);
/// Items of a page of them: most have no more within a month.
const RECENT_PAGE: i32 = 32;
/// Items of a page of all else.
const PAGE: i32 = 500;
/// Sales and bookings that moved one wallet.
const MAX_MOVEMENTS: usize = 20_000;
/// All that are read of one wallet, rejected ones too: a hundred pages, and of four wallets at a time four
/// times over, if need be, in what is left of a batch after [`super::PART_BUDGET`].
const MAX_ITEMS: usize = 50_000;
/// Runs among which the last one that was complete is looked for: without one, all wallets are looked at whole.
const RUNS_LOOKED_THROUGH: i32 = 8;
/// Looks at what does not agree, before it is told that it does not hold still.
const LOOKS: usize = 4;
/// Between two looks: longer than a transaction takes to be seen as a whole.
const PAUSE: Duration = Duration::from_secs(1);

/// Whoever looks at a tenant's wallets.
#[derive(Debug)]
pub(super) struct Look<'a> {
    table: &'a Table,
    tenant: &'a TenantId,
    overdraft_limit: Money,
    /// The day of the run.
    date: Date,
    /// The last run before that was complete: whoever it found something of, and whoever's day it did not reach,
    /// are looked at whole.
    last: Option<Run>,
    recent_from: Timestamp,
}

/// What there is to see of one employee.
#[derive(Debug, Default)]
pub(super) struct Seen {
    pub movements: u64,
    /// Those that something was booked for.
    pub cutoffs: BTreeSet<Date>,
    pub found: BTreeSet<Finding>,
}

impl<'a> Look<'a> {
    pub async fn begin(
        table: &'a Table,
        company: &'a Tenant,
        date: Date,
        now: Timestamp,
    ) -> Result<Self, Failure> {
        let Tenant { id: tenant, overdraft_limit, .. } = company;
        let runs = keys::reconciliations(tenant);
        let latest = table.query_page(&runs, RUNS_LOOKED_THROUGH, Order::NewestFirst, None).await?.items;
        let latest = latest.into_iter().map(|item| Ok(items::stored_reconciliation(item)?.run));
        let latest = latest.collect::<Result<Vec<_>, Failure>>()?;
        let last = latest.into_iter().find(|run| run.date < date && run.stage() == Stage::Closed);
        let recent_from = now - RECENT;
        Ok(Self { table, tenant, overdraft_limit: *overdraft_limit, date, last, recent_from })
    }

    pub async fn at(&self, number: &EmployeeNumber) -> Result<Seen, Failure> {
        if !self.is_due_whole(number) {
            let newest = self.once(number, Some(self.recent_from), self.overdraft_limit).await?;
            let Some(newest) = newest else { return Ok(too_much()) };
            if newest.found.is_empty() {
                return Ok(newest);
            }
        }
        let Some(mut last) = self.once(number, None, self.overdraft_limit).await? else {
            return Ok(too_much());
        };
        for _ in 1..LOOKS {
            if last.found.is_empty() {
                return Ok(last);
            }
            tokio::time::sleep(PAUSE).await;
            // Whoever is overdrawn may be allowed to be by now.
            let Some(now) = self.once(number, None, self.overdraft_limit_now().await?).await? else {
                return Ok(too_much());
            };
            let found: BTreeSet<_> = last.found.intersection(&now.found).cloned().collect();
            if now.found.is_empty() || !found.is_empty() {
                return Ok(Seen { found, ..now });
            }
            last = now;
        }
        Ok(Seen { found: [Finding::Restless].into(), ..last })
    }

    fn is_due_whole(&self, number: &EmployeeNumber) -> bool {
        let last = self.last.as_ref();
        last.is_some_and(|run| run.lists(number))
            || reconciliation::is_due_whole(number, last.map(|run| run.date), self.date)
    }

    async fn overdraft_limit_now(&self) -> Result<Money, Failure> {
        let item = self.table.read_one(&keys::tenant(self.tenant)).await?;
        let item = item.ok_or_else(|| Failure::malformed("look at a part", "there is no such tenant"))?;
        Ok(items::stored_tenant(self.tenant, item)?.overdraft_limit)
    }

    /// Nothing if there is too much to look at.
    async fn once(
        &self,
        number: &EmployeeNumber,
        from: Option<Timestamp>,
        overdraft_limit: Money,
    ) -> Result<Option<Seen>, Failure> {
        let Some(mut books) = self.read(number, from).await? else { return Ok(None) };
        if books.is_overtaken()
            && let Some(wallet) = self.table.read_one(&keys::wallet(self.tenant, number)).await?
        {
            books.reread_wallet(items::stored_wallet(wallet)?);
        }
        Ok(Some(Seen {
            movements: u64::try_from(books.movements()).unwrap_or(u64::MAX),
            cutoffs: books.cutoffs().clone(),
            found: books.check(overdraft_limit),
        }))
    }

    /// A partition, wallet first: all of it, or the page with the newest sales, those since an instant, and all
    /// bookings; nothing if it is too much of it.
    async fn read(&self, number: &EmployeeNumber, from: Option<Timestamp>) -> Result<Option<Books>, Failure> {
        let [sales, bookings] = keys::account(self.tenant, number);
        let (mut books, mut items_read) = (Books::default(), 0);
        let page = if from.is_some() { RECENT_PAGE } else { PAGE };
        for (span, page, from) in [(&sales, page, from), (&bookings, PAGE, None)] {
            let mut pages = self.table.pages(span, page, Order::NewestFirst);
            while let Some(page) = pages.next().await? {
                items_read += page.len();
                if items_read > MAX_ITEMS {
                    return Ok(None);
                }
                let is_overlooked = planted::is(Planted::MovementOverlooked);
                let looked_at = page.len().saturating_sub(usize::from(is_overlooked));
                for item in page.into_iter().take(looked_at) {
                    items::enter(&mut books, self.tenant, number, item)?;
                }
                if books.movements() > MAX_MOVEMENTS {
                    return Ok(None);
                }
                if pages.has_next() && from.is_some_and(|from| books.reach_before(from)) {
                    books.leave_out_older();
                    break;
                }
            }
        }
        Ok(Some(books))
    }
}

fn too_much() -> Seen {
    let limit = u64::try_from(MAX_MOVEMENTS).unwrap_or(u64::MAX);
    Seen { found: [Finding::TooManyMovements { limit }].into(), ..Seen::default() }
}
