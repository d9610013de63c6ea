//! Fills an empty table with the demo, through the SDK clients and the shared item types only.
//!
//! The tenant's own item is written last: where it stands, everything else does. A seed that was cut
//! short is finished by the next, because every write only creates what is not there.

use crate::demo::{self, DemoConcessionaire, DemoError, DemoTenant};
use crate::users::{self, PoolIds, UsersError};
use aws::failure::Failure;
use aws::items::{self, Item, MenuHead};
use aws::keys;
use aws::stored::{put, take};
use aws::table::{MAX_TRANSACTION, NotCommitted, Reason, Table, Write};
use aws_sdk_cognitoidentityprovider::Client as Cognito;
use domain::badge::Badge;
use domain::booking::{Booking, BookingKind, BookingOutcome};
use domain::employee::Employee;
use domain::id::{TenantId, UserName};
use domain::menu::MenuVersion;
use domain::role::{Admins, Role, User};
use domain::tenant::{Concessionaire, Tenant};
use domain::wallet::Wallet;
use jiff::Timestamp;

/// The menu version that the demo starts with.
const FIRST_MENU: MenuVersion = MenuVersion { meals: 1, edit: 0 };

#[derive(Debug, thiserror::Error)]
pub enum SeedError {
    #[error("the demo is not valid")]
    Demo(#[from] DemoError),
    #[error("the table did not take the demo")]
    Table(#[from] Failure),
    #[error("the table refused a part of the demo")]
    Refused(#[source] NotCommitted),
    #[error("the demo's users could not be made")]
    Users(#[from] UsersError),
}

/// Makes the demo's users in Cognito and its items in the table, as far as they are not there.
pub async fn tenant(
    table: &Table,
    cognito: &Cognito,
    pool: &PoolIds,
    demo: &DemoTenant,
    now: Timestamp,
) -> Result<(), SeedError> {
    let id = &demo.tenant.id;
    let users = demo::users(id)?;
    for (name, _) in &users {
        users::ensure_user(cognito, pool, name.as_str(), demo::PASSWORD, id.as_str()).await?;
    }
    if stored_tenant(table, id).await?.is_some() {
        return Ok(());
    }
    create(table, people(id, users)?).await?;
    for concessionaire in &demo.concessionaires {
        create(table, stall(id, concessionaire)?).await?;
    }
    let by = "seed".parse::<UserName>().map_err(DemoError::from)?;
    let mut buyers = Vec::new();
    for index in 0..demo::EMPLOYEES {
        buyers.extend(buyer(id, &demo::employee(index)?, &by, now)?);
    }
    create(table, buyers).await?;
    create(table, vec![items::tenant(&demo.tenant)?]).await
}

/// The tenant's own item, if it is there.
pub async fn stored_tenant(table: &Table, id: &TenantId) -> Result<Option<Tenant>, Failure> {
    let key = keys::tenant(id);
    let stored = table.read([key.clone()]).await?.take(&key);
    stored.map(|item| items::stored_tenant(id, item)).transpose()
}

fn people(tenant: &TenantId, users: Vec<(UserName, Role)>) -> Result<Vec<Item>, Failure> {
    let users: Vec<_> = users.into_iter().map(|(name, role)| User::active(name, role)).collect();
    let admins = users.iter().filter(|user| user.is_active_admin()).map(|user| user.name.clone());
    let admins = items::admins(tenant, &Admins(admins.collect()));
    users.iter().map(|user| items::user(tenant, user)).chain([admins]).collect()
}

fn stall(tenant: &TenantId, concessionaire: &DemoConcessionaire) -> Result<Vec<Item>, Failure> {
    let DemoConcessionaire { id, name, stations, meals } = concessionaire;
    let concessionaire = Concessionaire { id: id.clone(), name: (*name).to_owned() };
    let mut stall = vec![items::concessionaire(tenant, &concessionaire)?];
    for (code, meal) in meals {
        stall.push(items::meal(tenant, id, FIRST_MENU.meals, code, meal)?);
    }
    let head = MenuHead { version: FIRST_MENU, begun: FIRST_MENU.meals, ..MenuHead::default() };
    stall.push(items::menu_head(tenant, id, &head)?);
    for station in stations {
        stall.push(items::station(tenant, station)?);
    }
    Ok(stall)
}

/// An employee with a badge, and a wallet with the movement that explains its balance: four items, so that
/// whole buyers share a transaction.
pub fn buyer(
    tenant: &TenantId,
    employee: &Employee,
    by: &UserName,
    now: Timestamp,
) -> Result<Vec<Item>, SeedError> {
    let opening_credit = employee.limit.unwrap_or_default();
    let after = Wallet { balance: opening_credit, version: 1 };
    let opening = Booking {
        id: "opening".parse().map_err(DemoError::from)?,
        kind: BookingKind::Opening,
        at: now,
        by: by.clone(),
        cause: None,
        replenished: None,
        outcome: BookingOutcome::Booked { amount: opening_credit, after },
    };
    let mut buyer = vec![
        items::employee(tenant, employee)?,
        items::wallet(tenant, &employee.number, after)?,
        items::booking(tenant, &employee.number, &opening)?,
    ];
    for rfid in employee.badges.keys() {
        let badge = Badge { employee: employee.number.clone(), released_at: None };
        buyer.push(items::badge(tenant, rfid, &badge)?);
    }
    Ok(buyer)
}

/// Adds an active administrator to those that a tenant has.
pub async fn count_admin(table: &Table, tenant: &TenantId, user: &User) -> Result<(), SeedError> {
    let key = keys::admins(tenant);
    let stored = take(&mut table.read([key.clone()]).await?, &key, items::stored_admins)?;
    let before = stored.as_ref().map(|stored| stored.value.clone()).unwrap_or_default();
    // Whoever is no administrator was none before, so nobody is taken out.
    let Ok(admins) = before.with(user) else { return Ok(()) };
    if admins == before {
        return Ok(());
    }
    let write = put(items::admins(tenant, &admins)?, stored.as_ref());
    table.commit(vec![write]).await.map_err(SeedError::Refused)
}

/// Creates items together; if they are there already, they stay as they are.
pub async fn create(table: &Table, items: Vec<Item>) -> Result<(), SeedError> {
    for chunk in items.chunks(MAX_TRANSACTION) {
        match table.commit(chunk.iter().cloned().map(Write::Create).collect()).await {
            Ok(()) => {}
            Err(NotCommitted::Cancelled(reasons)) if reasons.contains(&Reason::ConditionFailed) => {}
            Err(error) => return Err(SeedError::Refused(error)),
        }
    }
    Ok(())
}
