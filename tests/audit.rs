//! What an auditor checks after every test: wallets are explained by their movements.

use aws::failure::chain;
use aws::items::Account;
use aws::table::Table;
use domain::id::{EmployeeNumber, TenantId};
use loadtest::audit::Statement;

/// Reads an employee's wallet and every checkout; panics if the movements do not explain the wallet.
pub async fn account(table: &Table, tenant: &str, employee: &str) -> Account {
    let (tenant, employee): (TenantId, EmployeeNumber) = (tenant.parse().unwrap(), employee.parse().unwrap());
    let read = Statement::read(table, &tenant, &employee).await;
    let statement = read.unwrap_or_else(|error| panic!("employee {employee}: {}", chain(&error)));
    statement.check().unwrap_or_else(|discrepancy| panic!("employee {employee}: {discrepancy}"));
    statement.account
}
