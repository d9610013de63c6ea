//! Looks at one employee's partition while lunch goes on: at its newest movements, so that a look costs the same
//! in ten years, and once a quarter at all of it. What does not agree is looked at again, whole, and found only
//! if two looks in a row find the same: a sale that came in between is none of it.

use aws::failure::Failure;
use aws::items::{self, Item};
use aws::keys;
use aws::table::{Order, Table};
use domain::id::{EmployeeNumber, TenantId};
use domain::money::Money;
use domain::planted::{self, Planted};
use domain::reconciliation::{self, Books, Finding};
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
    recent_from: Timestamp,
}

/// How much of a partition is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Depth {
    Newest,
    Whole,
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
    pub fn new(table: &'a Table, company: &'a Tenant, date: Date, now: Timestamp) -> Self {
        let Tenant { id: tenant, overdraft_limit, .. } = company;
        Self { table, tenant, overdraft_limit: *overdraft_limit, date, recent_from: now - RECENT }
    }

    pub async fn at(&self, number: &EmployeeNumber) -> Result<Seen, Failure> {
        if !reconciliation::is_due_whole(number, self.date) {
            let newest = self.once(number, Depth::Newest, self.overdraft_limit).await?;
            if newest.found.is_empty() {
                return Ok(newest);
            }
        }
        let mut last = self.once(number, Depth::Whole, self.overdraft_limit).await?;
        for _ in 1..LOOKS {
            if last.found.is_empty() {
                return Ok(last);
            }
            tokio::time::sleep(PAUSE).await;
            // Whoever is overdrawn may be allowed to be by now.
            let now = self.once(number, Depth::Whole, self.overdraft_limit_now().await?).await?;
            let found: BTreeSet<_> = last.found.intersection(&now.found).cloned().collect();
            if now.found.is_empty() || !found.is_empty() {
                return Ok(Seen { found, ..now });
            }
            last = now;
        }
        Ok(Seen { found: [Finding::Restless].into(), ..last })
    }

    async fn overdraft_limit_now(&self) -> Result<Money, Failure> {
        let item = self.table.read_one(&keys::tenant(self.tenant)).await?;
        let item = item.ok_or_else(|| Failure::malformed("look at a part", "there is no such tenant"))?;
        Ok(items::stored_tenant(self.tenant, item)?.overdraft_limit)
    }

    async fn once(
        &self,
        number: &EmployeeNumber,
        depth: Depth,
        overdraft_limit: Money,
    ) -> Result<Seen, Failure> {
        let Some(mut books) = self.read(number, depth).await? else { return Ok(too_much()) };
        if books.is_overtaken()
            && let Some(wallet) = self.table.read_one(&keys::wallet(self.tenant, number)).await?
        {
            books.reread_wallet(items::stored_wallet(wallet)?);
        }
        Ok(Seen {
            movements: u64::try_from(books.movements()).unwrap_or(u64::MAX),
            cutoffs: books.cutoffs().clone(),
            found: books.check(overdraft_limit),
        })
    }

    /// A partition, wallet first; nothing if it is too much of it.
    async fn read(&self, number: &EmployeeNumber, depth: Depth) -> Result<Option<Books>, Failure> {
        let [sales, bookings] = keys::account(self.tenant, number);
        let (mut books, mut room) = (Books::default(), MAX_ITEMS);
        let recent_from_ms = self.recent_from.as_millisecond();
        let page = if depth == Depth::Whole { PAGE } else { RECENT_PAGE };
        let mut pages = self.table.pages(&sales, page, Order::NewestFirst);
        while let Some(page) = pages.next().await? {
            if !self.enter(&mut books, number, page, &mut room)? {
                return Ok(None);
            }
            let is_recent = books.oldest_sale().is_none_or(|sale| sale.created_at_ms() >= recent_from_ms);
            if depth == Depth::Newest && !is_recent {
                books.leave_out_older();
                break;
            }
        }
        let mut pages = self.table.pages(&bookings, PAGE, Order::NewestFirst);
        while let Some(page) = pages.next().await? {
            if !self.enter(&mut books, number, page, &mut room)? {
                return Ok(None);
            }
        }
        Ok(Some(books))
    }

    /// Enters a page; whether there was room for it.
    fn enter(
        &self,
        books: &mut Books,
        number: &EmployeeNumber,
        page: Vec<Item>,
        room: &mut usize,
    ) -> Result<bool, Failure> {
        let Some(left) = room.checked_sub(page.len()) else { return Ok(false) };
        *room = left;
        let is_overlooked = planted::is(Planted::MovementOverlooked);
        let looked_at = page.len().saturating_sub(usize::from(is_overlooked));
        for item in page.into_iter().take(looked_at) {
            items::enter(books, self.tenant, number, item)?;
        }
        Ok(books.movements() <= MAX_MOVEMENTS)
    }
}

fn too_much() -> Seen {
    let limit = u64::try_from(MAX_MOVEMENTS).unwrap_or(u64::MAX);
    Seen { found: [Finding::TooManyMovements { limit }].into(), ..Seen::default() }
}
