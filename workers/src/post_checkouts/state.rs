//! The state that a batch is decided on: one strongly consistent read, and one query for each menu
//! version that this process has not seen yet. What is missing of one wallet is no other's concern.

use super::work::{WalletCommand, Work};
use aws::failure::{Failure, chain};
use aws::items::{self, Item};
use aws::keys::{self, Key};
use aws::menus::Menus;
use aws::stored::Stored;
use aws::table::{Found, Table};
use domain::booking::{Booking, PostBooking};
use domain::checkout::Checkout;
use domain::employee::Employee;
use domain::id::{BookingId, CheckoutId, ConcessionaireId, EmployeeNumber};
use domain::menu::Menu;
use domain::tenant::Tenant;
use domain::wallet::Wallet;
use futures_util::future::join_all;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;
use tokio::time::{Instant, timeout_at};

/// Time to read menus, half of a batch's: whoever sells from a large one that is read anew delays nobody
/// else, and goes on from there with the next batch.
pub const MENUS_BUDGET: Duration = Duration::from_secs(3);

/// What is known of the open wallets of one tenant.
#[derive(Debug)]
pub struct State {
    pub tenant: Tenant,
    /// No menu where the concessionaire has none yet.
    menus: BTreeMap<ConcessionaireId, Result<Option<Menu>, Failure>>,
    found: Found,
}

impl State {
    pub async fn read(
        table: &Table,
        menus: &Menus,
        works: &[Work<'_>],
        menus_until: Instant,
    ) -> Result<Self, Failure> {
        let open = || works.iter().flat_map(Work::next);
        let tenant = open().next().ok_or_else(|| missing("an open command"))?.tenant();
        let tenant_key = keys::tenant(tenant);
        let mut wanted = BTreeSet::from([tenant_key.clone()]);
        let mut concessionaires = BTreeSet::new();
        for command in open() {
            let employee = command.employee();
            wanted.extend([keys::employee(tenant, employee), keys::wallet(tenant, employee)]);
            match command {
                WalletCommand::Checkout(command) => {
                    wanted.insert(keys::checkout(tenant, employee, command.id));
                    wanted.insert(keys::menu(tenant, &command.concessionaire));
                    concessionaires.insert(&command.concessionaire);
                }
                WalletCommand::Booking(command) => {
                    wanted.insert(keys::booking(tenant, employee, &command.id.into()));
                    let checkout = command.correction.checkout();
                    wanted.extend(checkout.map(|id| keys::checkout(tenant, employee, id)));
                }
            }
        }
        let wanted: Vec<_> = wanted.into_iter().collect();
        let mut found = table.read_some(&wanted).await?;
        let corrected = open().filter_map(|command| corrected_before(command, &found));
        let corrected: Vec<_> = corrected.collect::<BTreeSet<_>>().into_iter().collect();
        if !corrected.is_empty() {
            match table.read_some(&corrected).await {
                Ok(more) => found.extend(more),
                // Only whoever needs them waits for another time.
                Err(failure) => tracing::warn!(error = chain(&failure), "sales of corrections were not read"),
            }
        }
        let stored_tenant = take(&mut found, &tenant_key)?.ok_or_else(|| missing("the tenant"))?;
        let tenant = items::stored_tenant(tenant, stored_tenant)?;
        let heads: Vec<_> = concessionaires
            .into_iter()
            .map(|concessionaire| (concessionaire, take(&mut found, &keys::menu(&tenant.id, concessionaire))))
            .collect();
        let read = heads.into_iter().map(|(concessionaire, head)| async {
            let menu = timeout_at(menus_until, menu(table, menus, &tenant, concessionaire, head)).await;
            let slow = |_| Err(Failure::transient("read a menu", "it takes longer than others can wait"));
            (concessionaire.clone(), menu.unwrap_or_else(slow))
        });
        let known = join_all(read).await.into_iter().collect();
        Ok(Self { tenant, menus: known, found })
    }

    /// The menu of a concessionaire, if it has one; a failure concerns only who sells from it.
    pub fn menu(&self, concessionaire: &ConcessionaireId) -> Result<Option<&Menu>, Failure> {
        match self.menus.get(concessionaire) {
            Some(Ok(menu)) => Ok(menu.as_ref()),
            Some(Err(failure)) => Err(failure.again()),
            None => Ok(None),
        }
    }

    /// Profile and wallet of whose commands these are; given out once.
    pub fn take_owner(&mut self, number: &EmployeeNumber) -> Result<(Employee, Wallet), Failure> {
        let employee = take(&mut self.found, &keys::employee(&self.tenant.id, number))?;
        let wallet = take(&mut self.found, &keys::wallet(&self.tenant.id, number))?;
        let employee = employee.ok_or_else(|| missing("the employee"))?;
        let wallet = wallet.ok_or_else(|| missing("the wallet"))?;
        Ok((items::stored_employee(number, employee)?, items::stored_wallet(wallet)?))
    }

    /// The checkout stored under an id.
    pub fn checkout(
        &self,
        employee: &EmployeeNumber,
        id: CheckoutId,
    ) -> Result<Option<Stored<Checkout>>, Failure> {
        let item = self.get(&keys::checkout(&self.tenant.id, employee, id))?;
        item.map(|item| Stored::of(item.clone(), items::stored_checkout)).transpose()
    }

    /// The booking stored under an id.
    pub fn booking(&self, employee: &EmployeeNumber, id: &BookingId) -> Result<Option<Booking>, Failure> {
        let item = self.get(&keys::booking(&self.tenant.id, employee, id))?;
        item.cloned().map(items::stored_booking).transpose()
    }

    fn get(&self, key: &Key) -> Result<Option<&Item>, Failure> {
        if self.found.is_unread(key) { Err(unread()) } else { Ok(self.found.get(key)) }
    }
}

/// The sale of a correction that is stored already, if it was not found with it: whoever used the same key
/// before may have corrected another.
fn corrected_before(command: &WalletCommand, found: &Found) -> Option<Key> {
    let WalletCommand::Booking(PostBooking { tenant, employee, id, .. }) = command else { return None };
    let stored = found.get(&keys::booking(tenant, employee, &(*id).into()))?.clone();
    // One that cannot be read stops its own wallet where it is looked at.
    let cause = items::stored_booking(stored).ok()?.cause?;
    let key = keys::checkout(tenant, employee, cause.checkout?);
    found.get(&key).is_none().then_some(key)
}

fn take(found: &mut Found, key: &Key) -> Result<Option<Item>, Failure> {
    if found.is_unread(key) {
        return Err(unread());
    }
    Ok(found.take(key))
}

async fn menu(
    table: &Table,
    menus: &Menus,
    tenant: &Tenant,
    concessionaire: &ConcessionaireId,
    head: Result<Option<Item>, Failure>,
) -> Result<Option<Menu>, Failure> {
    let Some(head) = head? else { return Ok(None) };
    let head = items::stored_menu_head(head)?;
    menus.under(table, &tenant.id, concessionaire, head).await.map(Some)
}

fn unread() -> Failure {
    Failure::transient("read a batch", "a key stayed unprocessed")
}

fn missing(what: &'static str) -> Failure {
    Failure::malformed("read a batch", format!("{what} is missing"))
}
