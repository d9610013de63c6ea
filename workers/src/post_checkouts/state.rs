//! The state that a batch is decided on: one strongly consistent read, and one query for each menu
//! version that this process has not seen yet.

use super::Work;
use aws::failure::{Failure, chain};
use aws::items;
use aws::keys;
use aws::menus::Menus;
use aws::table::{Found, Table};
use domain::checkout::Checkout;
use domain::command::PostCheckout;
use domain::employee::Employee;
use domain::id::ConcessionaireId;
use domain::menu::Menu;
use domain::tenant::Tenant;
use domain::wallet::Wallet;
use std::collections::BTreeMap;

/// What is known of the open wallets of one tenant.
#[derive(Debug)]
pub struct State {
    pub tenant: Tenant,
    menus: BTreeMap<ConcessionaireId, MenuState>,
    found: Found,
}

#[derive(Debug)]
enum MenuState {
    Known(Box<Menu>),
    /// The concessionaire has no menu yet.
    None,
    /// It is there and does not read; only who sells from it is concerned.
    Unreadable(String),
}

impl State {
    pub async fn read(table: &Table, menus: &Menus, works: &[Work]) -> Result<Self, Failure> {
        let open = || works.iter().filter(|work| work.is_open()).flat_map(Work::next);
        let tenant =
            &open().next().ok_or_else(|| Failure::malformed("read a batch", "nothing is open"))?.tenant;
        let tenant_key = keys::tenant(tenant);
        let mut wanted = vec![tenant_key.clone()];
        for command in open() {
            wanted.push(keys::employee(tenant, &command.employee));
            wanted.push(keys::wallet(tenant, &command.employee));
            wanted.push(keys::checkout(tenant, &command.employee, command.id));
            wanted.push(keys::menu(tenant, &command.concessionaire));
        }
        let mut found = table.read(wanted).await?;
        let stored_tenant = found.take(&tenant_key).ok_or_else(|| missing("the tenant"))?;
        let mut known = BTreeMap::new();
        for command in open() {
            if !known.contains_key(&command.concessionaire) {
                let menu = menu(table, menus, command, &mut found).await?;
                known.insert(command.concessionaire.clone(), menu);
            }
        }
        Ok(Self { tenant: items::stored_tenant(tenant, stored_tenant)?, menus: known, found })
    }

    pub fn menu(&self, concessionaire: &ConcessionaireId) -> Result<Option<&Menu>, Failure> {
        match self.menus.get(concessionaire) {
            Some(MenuState::Known(menu)) => Ok(Some(menu)),
            Some(MenuState::None) | None => Ok(None),
            Some(MenuState::Unreadable(why)) => Err(Failure::malformed("read a menu", why.clone())),
        }
    }

    /// Profile and wallet of who buys; given out once.
    pub fn take_buyer(&mut self, command: &PostCheckout) -> Result<(Employee, Wallet), Failure> {
        let employee = self.found.take(&keys::employee(&self.tenant.id, &command.employee));
        let wallet = self.found.take(&keys::wallet(&self.tenant.id, &command.employee));
        let employee = employee.ok_or_else(|| missing("the employee"))?;
        let wallet = wallet.ok_or_else(|| missing("the wallet"))?;
        Ok((items::stored_employee(&command.employee, employee)?, items::stored_wallet(wallet)?))
    }

    /// The outcome stored under the command's id; given out once.
    pub fn take_outcome(&mut self, command: &PostCheckout) -> Result<Option<Checkout>, Failure> {
        let key = keys::checkout(&self.tenant.id, &command.employee, command.id);
        self.found.take(&key).map(items::stored_checkout).transpose()
    }
}

async fn menu(
    table: &Table,
    menus: &Menus,
    command: &PostCheckout,
    found: &mut Found,
) -> Result<MenuState, Failure> {
    let (tenant, concessionaire) = (&command.tenant, &command.concessionaire);
    let Some(item) = found.take(&keys::menu(tenant, concessionaire)) else { return Ok(MenuState::None) };
    let read = async { menus.under(table, tenant, concessionaire, items::stored_menu_head(item)?).await };
    match read.await {
        Ok(menu) => Ok(MenuState::Known(Box::new(menu))),
        Err(failure) if failure.is_transient() => Err(failure),
        Err(failure) => Ok(MenuState::Unreadable(chain(&failure))),
    }
}

fn missing(what: &'static str) -> Failure {
    Failure::malformed("read a batch", format!("{what} is missing"))
}
