//! Tenants, their vendors and stations, and their users.

use super::{Item, Millis, from_item, sort_key, to_item};
use crate::failure::Failure;
use crate::keys;
use domain::command::Kind;
use domain::id::{ConcessionaireId, StationId, TenantId, UserName};
use domain::money::Money;
use domain::role::{Admins, Role, Status, User};
use domain::tenant::{BusinessDay, Concessionaire, Currency, FormerStation, Station, Tenant, TenantStatus};
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
    /// Kinds of which a probe came through: a string set, which no two workers overwrite. Another release may
    /// know others; the first noted queues.
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
        q: tenant.reached.iter().map(|kind| kind.as_str().to_owned()).collect(),
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
        reached: Kind::ALL.into_iter().filter(|kind| is_reached(&stored.q, *kind)).collect(),
    })
}

/// Version 1's mark of the checkout queue stands for the one kind that went there.
fn is_reached(marks: &BTreeSet<String>, kind: Kind) -> bool {
    marks.contains(kind.as_str()) || (kind == Kind::PostCheckout && marks.contains("checkouts"))
}

#[derive(Serialize, Deserialize)]
struct ConcessionaireItem {
    n: String,
}

pub fn concessionaire(tenant: &TenantId, concessionaire: &Concessionaire) -> Result<Item, Failure> {
    let attributes = ConcessionaireItem { n: concessionaire.name.clone() };
    to_item(keys::concessionaire(tenant, &concessionaire.id), &attributes)
}

/// A concessionaire of a list, or read by its key.
pub fn listed_concessionaire(item: Item) -> Result<Concessionaire, Failure> {
    let id = keys::parse_concessionaire(sort_key(&item)?)
        .ok_or_else(|| Failure::malformed("read a concessionaire", "the sort key holds no id"))?;
    Ok(Concessionaire { id, name: from_item::<ConcessionaireItem>(item)?.n })
}

#[derive(Serialize, Deserialize)]
struct StationItem {
    co: ConcessionaireId,
    #[serde(default = "active")]
    st: Status,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    was: Vec<FormerStationItem>,
}

#[derive(Serialize, Deserialize)]
struct FormerStationItem {
    co: ConcessionaireId,
    st: Status,
    /// Until when.
    at: Millis,
}

fn active() -> Status {
    Status::Active
}

pub fn station(tenant: &TenantId, station: &Station) -> Result<Item, Failure> {
    let was = station.former.iter().map(|former| FormerStationItem {
        co: former.concessionaire.clone(),
        st: former.status,
        at: former.until.into(),
    });
    let was = was.collect();
    let attributes = StationItem { co: station.concessionaire.clone(), st: station.status, was };
    to_item(keys::station(tenant, &station.id), &attributes)
}

pub fn stored_station(id: &StationId, item: Item) -> Result<Station, Failure> {
    let stored: StationItem = from_item(item)?;
    let former = |was: FormerStationItem| -> Result<FormerStation, Failure> {
        Ok(FormerStation { concessionaire: was.co, status: was.st, until: was.at.try_into()? })
    };
    let former = stored.was.into_iter().map(former).collect::<Result<_, _>>()?;
    Ok(Station { id: id.clone(), concessionaire: stored.co, status: stored.st, former })
}

/// A station of a list.
pub fn listed_station(item: Item) -> Result<Station, Failure> {
    let id = keys::parse_station(sort_key(&item)?)
        .ok_or_else(|| Failure::malformed("read a station", "the sort key holds no id"))?;
    stored_station(&id, item)
}

#[derive(Serialize, Deserialize)]
struct UserItem {
    st: Status,
    #[serde(flatten)]
    role: Role,
    /// When they were signed out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    so: Option<Millis>,
}

pub fn user(tenant: &TenantId, user: &User) -> Result<Item, Failure> {
    let so = user.signed_out_at.map(Millis::from);
    to_item(keys::user(tenant, &user.name), &UserItem { st: user.status, role: user.role.clone(), so })
}

pub fn stored_user(name: &UserName, item: Item) -> Result<User, Failure> {
    let stored: UserItem = from_item(item)?;
    let signed_out_at = stored.so.map(TryInto::try_into).transpose()?;
    Ok(User { name: name.clone(), status: stored.st, role: stored.role, signed_out_at })
}

/// A user of a list.
pub fn listed_user(item: Item) -> Result<User, Failure> {
    let name = keys::parse_user(sort_key(&item)?)
        .ok_or_else(|| Failure::malformed("read a user", "the sort key holds no name"))?;
    stored_user(&name, item)
}

#[derive(Serialize, Deserialize)]
struct AdminsItem {
    #[serde(with = "serde_dynamo::string_set")]
    a: BTreeSet<UserName>,
}

pub fn admins(tenant: &TenantId, admins: &Admins) -> Result<Item, Failure> {
    to_item(keys::admins(tenant), &AdminsItem { a: admins.0.clone() })
}

pub fn stored_admins(item: Item) -> Result<Admins, Failure> {
    Ok(Admins(from_item::<AdminsItem>(item)?.a))
}
