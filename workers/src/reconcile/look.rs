//! Looks at one employee's partition while lunch goes on. What does not agree is looked at again, and found
//! only if two looks in a row find the same: a sale that came in between is none of it.

use aws::failure::Failure;
use aws::items;
use aws::keys;
use aws::table::{Order, Table};
use domain::id::{EmployeeNumber, TenantId};
use domain::money::Money;
use domain::planted::{self, Planted};
use domain::reconciliation::{Books, Finding};
use domain::tenant::Tenant;
use jiff::civil::Date;
use std::collections::BTreeSet;
use std::time::Duration;

/// Items of one page of a partition.
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
    pub fn new(table: &'a Table, company: &'a Tenant) -> Self {
        Self { table, tenant: &company.id, overdraft_limit: company.overdraft_limit }
    }

    pub async fn at(&self, number: &EmployeeNumber) -> Result<Seen, Failure> {
        let Some(mut last) = self.once(number, self.overdraft_limit).await? else { return Ok(too_much()) };
        for _ in 1..LOOKS {
            if last.found.is_empty() {
                return Ok(last);
            }
            tokio::time::sleep(PAUSE).await;
            // Whoever is overdrawn may be allowed to be by now.
            let Some(now) = self.once(number, self.overdraft_limit_now().await?).await? else {
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

    async fn overdraft_limit_now(&self) -> Result<Money, Failure> {
        let item = self.table.read_one(&keys::tenant(self.tenant)).await?;
        let item = item.ok_or_else(|| Failure::malformed("look at a part", "there is no such tenant"))?;
        Ok(items::stored_tenant(self.tenant, item)?.overdraft_limit)
    }

    /// Nothing if there is too much to look at.
    async fn once(&self, number: &EmployeeNumber, overdraft_limit: Money) -> Result<Option<Seen>, Failure> {
        let Some(mut books) = self.read(number).await? else { return Ok(None) };
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

    /// The whole partition, wallet first; nothing if it is too much of it.
    async fn read(&self, number: &EmployeeNumber) -> Result<Option<Books>, Failure> {
        let (span, mut books) = (keys::account(self.tenant, number), Books::default());
        let (mut pages, mut items_read) = (self.table.pages(&span, PAGE, Order::NewestFirst), 0);
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
        }
        Ok(Some(books))
    }
}

fn too_much() -> Seen {
    let limit = u64::try_from(MAX_MOVEMENTS).unwrap_or(u64::MAX);
    Seen { found: [Finding::TooManyMovements { limit }].into(), ..Seen::default() }
}
