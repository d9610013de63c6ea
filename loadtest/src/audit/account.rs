//! One employee's account as it is stored: profile, wallet, and every movement that explains it.

use aws::failure::Failure;
use aws::items::{self, Account, Item};
use aws::keys;
use aws::table::Table;
use domain::booking::Booking;
use domain::checkout::Checkout;
use domain::id::{ConcessionaireId, EmployeeNumber, TenantId};
use domain::ledger::{self, Discrepancy, Entry};
use thiserror::Error;

#[derive(Debug, Error)]
pub enum AccountError {
    #[error("the table")]
    Table(#[from] Failure),
    #[error("there is no wallet")]
    NoWallet,
    #[error("there is no profile")]
    NoProfile,
    #[error("an item stands under a key that is not its own")]
    Misplaced,
}

/// An account with all its checkouts, oldest first, and all other movements.
#[derive(Debug)]
pub struct Statement {
    pub account: Account,
    pub bookings: Vec<Booking>,
}

impl Statement {
    /// Reads an account, all pages of it. Each item's keys, the index's too, are those of `tenant` and
    /// `employee`.
    pub async fn read(
        table: &Table,
        tenant: &TenantId,
        employee: &EmployeeNumber,
    ) -> Result<Self, AccountError> {
        let wallet_key = keys::wallet(tenant, employee);
        let employee_key = keys::employee(tenant, employee);
        let mut found = table.read([wallet_key.clone(), employee_key.clone()]).await?;
        let wallet = items::stored_wallet(found.take(&wallet_key).ok_or(AccountError::NoWallet)?)?;
        let profile = found.take(&employee_key).ok_or(AccountError::NoProfile)?;
        let profile = items::stored_employee(employee, profile)?;

        let stored = table.query_all(&keys::checkouts(tenant, employee)).await?;
        let recent = stored.into_iter().map(|item| own_checkout(tenant, employee, item));
        let recent = recent.collect::<Result<_, _>>()?;
        let stored = table.query_all(&keys::bookings(tenant, employee)).await?;
        let bookings = stored.into_iter().map(|item| Ok(items::stored_booking(item)?));
        let bookings = bookings.collect::<Result<_, AccountError>>()?;
        Ok(Self { account: Account { employee: profile, wallet, recent }, bookings })
    }

    /// Whether the movements explain the wallet.
    pub fn check(&self) -> Result<(), Discrepancy> {
        ledger::check(self.account.wallet, self.entries().collect())
    }

    /// Every movement.
    pub fn entries(&self) -> impl Iterator<Item = Entry> {
        let bookings = self.bookings.iter().filter_map(Booking::entry);
        bookings.chain(self.account.recent.iter().filter_map(Checkout::entry))
    }

    pub fn checkouts_at(&self, concessionaire: &ConcessionaireId) -> impl Iterator<Item = &Checkout> {
        self.account.recent.iter().filter(move |checkout| checkout.concessionaire == *concessionaire)
    }
}

fn own_checkout(tenant: &TenantId, employee: &EmployeeNumber, item: Item) -> Result<Checkout, AccountError> {
    let checkout = items::stored_checkout(item.clone())?;
    let own = Checkout { tenant: tenant.clone(), employee: employee.clone(), ..checkout.clone() };
    let own = items::checkout(&own)?;
    let is_own = [keys::PK, keys::SK, keys::INDEX_PK, keys::INDEX_SK]
        .iter()
        .all(|attribute| item.get(*attribute) == own.get(*attribute));
    if is_own { Ok(checkout) } else { Err(AccountError::Misplaced) }
}
