//! Tenants, their stations, and their users.

use super::{Item, from_item, to_item};
use crate::failure::Failure;
use crate::keys;
use domain::command::Purpose;
use domain::id::{ConcessionaireId, StationId, TenantId, UserName};
use domain::money::Money;
use domain::role::{Role, Status, User};
use domain::tenant::{BusinessDay, Currency, Station, Tenant, TenantStatus};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

#[derive(Serialize, Deserialize)]
struct TenantItem {
    n: String,
    st: TenantStatus,
    cur: Currency,
    tz: String,
    /// The closing hour.
    ch: u8,
    /// The overdraft limit.
    od: Money,
    /// Queues that a probe reached: a string set, which no two workers overwrite. Another release may know others.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty", with = "serde_dynamo::string_set")]
    q: BTreeSet<String>,
}

pub fn tenant(tenant: &Tenant) -> Result<Item, Failure> {
    let attributes = TenantItem {
        n: tenant.name.clone(),
        st: tenant.status,
        cur: tenant.currency.clone(),
        tz: tenant.business_day.zone_name().to_owned(),
        ch: tenant.business_day.closing_hour(),
        od: tenant.overdraft_limit,
        q: tenant.reached.iter().map(|purpose| purpose.as_str().to_owned()).collect(),
    };
    to_item(keys::tenant(&tenant.id), &attributes)
}

pub fn stored_tenant(id: &TenantId, item: Item) -> Result<Tenant, Failure> {
    let stored: TenantItem = from_item(item)?;
    let business_day = BusinessDay::new(&stored.tz, stored.ch)
        .map_err(|error| Failure::malformed("read a tenant", error))?;
    Ok(Tenant {
        id: id.clone(),
        name: stored.n,
        status: stored.st,
        currency: stored.cur,
        business_day,
        overdraft_limit: stored.od,
        reached: Purpose::ALL.into_iter().filter(|purpose| stored.q.contains(purpose.as_str())).collect(),
    })
}

#[derive(Serialize, Deserialize)]
struct StationItem {
    co: ConcessionaireId,
}

pub fn station(tenant: &TenantId, station: &Station) -> Result<Item, Failure> {
    let attributes = StationItem { co: station.concessionaire.clone() };
    to_item(keys::station(tenant, &station.id), &attributes)
}

pub fn stored_station(id: &StationId, item: Item) -> Result<Station, Failure> {
    let stored: StationItem = from_item(item)?;
    Ok(Station { id: id.clone(), concessionaire: stored.co })
}

#[derive(Serialize, Deserialize)]
struct UserItem {
    st: Status,
    #[serde(flatten)]
    role: Role,
}

pub fn user(tenant: &TenantId, user: &User) -> Result<Item, Failure> {
    to_item(keys::user(tenant, &user.name), &UserItem { st: user.status, role: user.role.clone() })
}

pub fn stored_user(name: &UserName, item: Item) -> Result<User, Failure> {
    let stored: UserItem = from_item(item)?;
    Ok(User { name: name.clone(), status: stored.st, role: stored.role })
}
