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

impl Part {
    /// The part that begins behind an employee, or with the first. Where somebody stands is looked up by their
    /// number: a position would hold their name.
    pub async fn behind(
        table: &Table,
        tenant: &TenantId,
        behind: Option<&EmployeeNumber>,
    ) -> Result<Self, Failure> {
        let start = match behind {
            None => None,
            Some(number) => {
                let item = table.read_one(&keys::employee(tenant, number)).await?;
                let item =
                    item.ok_or_else(|| Failure::malformed("hand out a roster", "its place is lost"))?;
                Some(Position::behind(&item)?)
            }
        };
        let page = table.query_page(&keys::employees(tenant, ""), PART, Order::OldestFirst, start).await?;
        let employees = page.items.iter().map(items::listed_number).collect::<Result<_, _>>()?;
        Ok(Self { employees, is_last: page.next.is_none() })
    }
}
