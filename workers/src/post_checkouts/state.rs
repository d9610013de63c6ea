//! The state that a batch is decided on: one strongly consistent read, and one query for each menu
//! version that this process has not seen yet. What is missing of one wallet is no other's concern.

use super::work::Work;
use aws::failure::Failure;
use aws::items::{self, Item};
use aws::keys::{self, Key};
use aws::menus::Menus;
use aws::table::{Found, Table};
use domain::checkout::Checkout;
use domain::command::PostCheckout;
use domain::employee::Employee;
use domain::id::ConcessionaireId;
use domain::menu::Menu;
use domain::tenant::Tenant;
use domain::wallet::Wallet;
use std::collections::{BTreeMap, BTreeSet};

/// What is known of the open wallets of one tenant.
#[derive(Debug)]
pub struct State {
    pub tenant: Tenant,
    /// No menu where the concessionaire has none yet.
    menus: BTreeMap<ConcessionaireId, Result<Option<Menu>, Failure>>,
    found: Found,
}

impl State {
    pub async fn read(table: &Table, menus: &Menus, works: &[Work<'_>]) -> Result<Self, Failure> {
        let open = || works.iter().flat_map(Work::next);
        let tenant = &open().next().ok_or_else(|| missing("an open command"))?.tenant;
        let tenant_key = keys::tenant(tenant);
        let mut wanted = BTreeSet::from([tenant_key.clone()]);
        for command in open() {
            wanted.insert(keys::employee(tenant, &command.employee));
            wanted.insert(keys::wallet(tenant, &command.employee));
            wanted.insert(keys::checkout(tenant, &command.employee, command.id));
            wanted.insert(keys::menu(tenant, &command.concessionaire));
        }
        let wanted: Vec<_> = wanted.into_iter().collect();
        let mut found = table.read_some(&wanted).await?;
        let stored_tenant = take(&mut found, &tenant_key)?.ok_or_else(|| missing("the tenant"))?;
        let tenant = items::stored_tenant(tenant, stored_tenant)?;
        let mut known = BTreeMap::new();
        for concessionaire in open().map(|command| &command.concessionaire).collect::<BTreeSet<_>>() {
            let menu = menu(table, menus, &tenant, concessionaire, &mut found).await;
            known.insert(concessionaire.clone(), menu);
        }
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

    /// Profile and wallet of who buys; given out once.
    pub fn take_buyer(&mut self, command: &PostCheckout) -> Result<(Employee, Wallet), Failure> {
        let employee = take(&mut self.found, &keys::employee(&self.tenant.id, &command.employee))?;
        let wallet = take(&mut self.found, &keys::wallet(&self.tenant.id, &command.employee))?;
        let employee = employee.ok_or_else(|| missing("the employee"))?;
        let wallet = wallet.ok_or_else(|| missing("the wallet"))?;
        Ok((items::stored_employee(&command.employee, employee)?, items::stored_wallet(wallet)?))
    }

    /// The outcome stored under the command's id; given out once.
    pub fn take_outcome(&mut self, command: &PostCheckout) -> Result<Option<Checkout>, Failure> {
        let key = keys::checkout(&self.tenant.id, &command.employee, command.id);
        take(&mut self.found, &key)?.map(items::stored_checkout).transpose()
    }
}

fn take(found: &mut Found, key: &Key) -> Result<Option<Item>, Failure> {
    if found.is_unread(key) {
        return Err(Failure::transient("read a batch", "a key stayed unprocessed"));
    }
    Ok(found.take(key))
}

async fn menu(
    table: &Table,
    menus: &Menus,
    tenant: &Tenant,
    concessionaire: &ConcessionaireId,
    found: &mut Found,
) -> Result<Option<Menu>, Failure> {
    match take(found, &keys::menu(&tenant.id, concessionaire))? {
        Some(item) => {
            let head = items::stored_menu_head(item)?;
            menus.under(table, &tenant.id, concessionaire, head).await.map(Some)
        }
        None => Ok(None),
    }
}

fn missing(what: &'static str) -> Failure {
    Failure::malformed("read a batch", format!("{what} is missing"))
}
