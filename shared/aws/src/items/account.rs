//! Items of an employee's partition, as whoever looks whether they agree reads them.

use super::{Item, indexed, sort_key, stored_booking, stored_checkout, stored_employee, stored_wallet};
use crate::failure::Failure;
use crate::keys::{self, InAccount, IndexKey};
use domain::id::{EmployeeNumber, TenantId};
use domain::reconciliation::{Books, Finding};

/// Enters an item into its employee's books. One that does not read, or stands under a wrong key of the
/// index, is a finding, which says its sort key and nothing that it holds.
pub fn enter(
    books: &mut Books,
    tenant: &TenantId,
    number: &EmployeeNumber,
    item: Item,
) -> Result<(), Failure> {
    let sk = sort_key(&item)?.to_owned();
    let stands_at = indexed(&item);
    let is_at = |entry: IndexKey| stands_at == Some(entry);
    let entered = match keys::in_account(&sk) {
        Some(InAccount::Wallet) => stored_wallet(item).map(|wallet| {
            books.enter_wallet(wallet);
            true
        }),
        Some(InAccount::Employee) => stored_employee(number, item).map(|employee| {
            books.enter_employee();
            is_at(keys::employees_by_name(tenant, &employee.folded_name(), number))
        }),
        Some(InAccount::Checkout) => stored_checkout(item).map(|sale| {
            books.enter_checkout(&sale);
            is_at(keys::checkouts_of_day(tenant, &sale.concessionaire, sale.business_date, sale.id))
        }),
        Some(InAccount::Booking) => stored_booking(item).map(|booking| {
            books.enter_booking(&booking);
            booking.cause.is_none() || is_at(keys::audited(tenant, false, booking.at, &booking.id))
        }),
        None => Err(Failure::malformed("read an account", "nobody knows what it is")),
    };
    match entered {
        Ok(true) => {}
        Ok(false) => books.enter_finding(Finding::IndexDiffers { item: sk }),
        Err(_) => books.enter_finding(Finding::Unreadable { item: sk }),
    }
    Ok(())
}
