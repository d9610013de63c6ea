//! What an auditor checks after every test: wallets are explained by their movements.

use aws::items::{self, Account};
use aws::keys;
use aws::table::Table;
use domain::checkout::Checkout;
use domain::id::{EmployeeNumber, TenantId};
use domain::ledger;

/// Reads an employee's wallet and every checkout; panics if the movements do not explain the wallet.
pub async fn account(table: &Table, tenant: &str, employee: &str) -> Account {
    let (tenant, employee): (TenantId, EmployeeNumber) = (tenant.parse().unwrap(), employee.parse().unwrap());
    let wallet_key = keys::wallet(&tenant, &employee);
    let employee_key = keys::employee(&tenant, &employee);
    let mut found = table.read([wallet_key.clone(), employee_key.clone()]).await.unwrap();
    let wallet = items::stored_wallet(found.take(&wallet_key).expect("a wallet")).unwrap();
    let profile = items::stored_employee(&employee, found.take(&employee_key).expect("a profile")).unwrap();

    let stored = table.query_all(&keys::checkouts(&tenant, &employee)).await.unwrap();
    let checkouts: Vec<Checkout> =
        stored.into_iter().map(|item| items::stored_checkout(item).unwrap()).collect();
    let bookings = table.query_all(&keys::bookings(&tenant, &employee)).await.unwrap();
    let bookings = bookings.into_iter().map(|item| items::stored_booking(item).unwrap().entry());
    let entries = bookings.chain(checkouts.iter().filter_map(Checkout::entry)).collect();
    ledger::check(wallet, entries).unwrap_or_else(|discrepancy| panic!("employee {employee}: {discrepancy}"));
    Account { employee: profile, wallet, recent: checkouts }
}
