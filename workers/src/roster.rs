//! Hands a tenant's roster out, part by part, each behind the last.

use aws::failure::Failure;
use aws::items;
use aws::keys;
use aws::table::{Order, Position, Table};
use domain::id::{EmployeeNumber, TenantId};

/// Employees in one part of a roster.
pub const PART: i32 = 100;
/// From this receive on, a tick that waits for parts is left to the next one.
pub const PATIENCE_RECEIVES: u32 = 20;

/// Some employees, in the order of the roster.
#[derive(Debug)]
pub struct Part {
    pub employees: Vec<EmployeeNumber>,
    pub is_last: bool,
}

/// A walk over a roster, part by part. Who is renamed meanwhile takes nobody with them: it goes on where it
/// was.
#[derive(Debug)]
pub struct Walk<'a> {
    table: &'a Table,
    tenant: &'a TenantId,
    /// Whom the first part is behind. Where they stand is looked up by their number: a position would hold
    /// their name.
    behind: Option<EmployeeNumber>,
    start: Option<Position>,
}

impl<'a> Walk<'a> {
    /// One that begins, or goes on behind an employee.
    pub fn behind(table: &'a Table, tenant: &'a TenantId, behind: Option<EmployeeNumber>) -> Self {
        Self { table, tenant, behind, start: None }
    }

    /// The next part; there is none behind the last.
    pub async fn next(&mut self) -> Result<Part, Failure> {
        if let Some(number) = self.behind.take() {
            let item = self.table.read_one(&keys::employee(self.tenant, &number)).await?;
            let item = item.ok_or_else(|| Failure::malformed("hand out a roster", "its place is lost"))?;
            self.start = Some(Position::behind(&item)?);
        }
        let (span, start) = (keys::employees(self.tenant, ""), self.start.take());
        let page = self.table.query_page(&span, PART, Order::OldestFirst, start).await?;
        let employees = page.items.iter().map(items::listed_number).collect::<Result<_, _>>()?;
        let is_last = page.next.is_none();
        self.start = page.next;
        Ok(Part { employees, is_last })
    }
}
