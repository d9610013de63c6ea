//! The key schema of the one table. No other file formats or reads a key.
//!
//! | item          | PK                   | SK                    | read by                              |
//! |---------------|----------------------|-----------------------|--------------------------------------|
//! | tenant        | `T#<ten>`            | `TENANT`              | every request                        |
//! | station       | `T#<ten>`            | `STATION#<id>`        | checkout intake                      |
//! | user          | `T#<ten>`            | `USER#<name>`         | every request                        |
//! | wallet        | `T#<ten>#E#<num>`    | `WALLET`              | workers, `GET employee`              |
//! | employee      | `T#<ten>#E#<num>`    | `EMPLOYEE`            | workers, `GET employee`              |
//! | checkout      | `T#<ten>#E#<num>`    | `CHECKOUT#<uuidv7>`   | idempotency, `GET checkout`          |
//! | booking       | `T#<ten>#E#<num>`    | `BOOKING#<id>`        | statement                            |
//! | badge         | `T#<ten>#B#<rfid>`   | `BADGE`               | checkout intake                      |
//! | menu          | `T#<ten>#M#<con>`    | `MENU`                | workers, `GET menu`                  |
//! | meal          | `T#<ten>#M#<con>#V#<version>` | `MEAL#<code>` | workers, once a version              |
//!
//! Index `GSI1`: checkouts by `T#<ten>#C#<con>#<business date>` and uuid; employees by
//! `T#<ten>#EMPLOYEES` and `<folded name>#<num>`.
//!
//! `WALLET > EMPLOYEE > CHECKOUT#...`: one backward query reads all three, newest checkout first;
//! whatever joins that partition must sort below `CHECKOUT#`.

use domain::id::{
    BookingId, CheckoutId, ConcessionaireId, EmployeeNumber, MealCode, Rfid, StationId, TenantId, UserName,
};
use jiff::civil::Date;

pub const PK: &str = "PK";
pub const SK: &str = "SK";
pub const INDEX: &str = "GSI1";
pub const INDEX_PK: &str = "GSI1PK";
pub const INDEX_SK: &str = "GSI1SK";
/// The attribute that says when an item may be forgotten, in seconds since the epoch.
pub const TTL: &str = "TTL";

/// Where an item stands. Made by the functions below only.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Key {
    pub(crate) pk: String,
    pub(crate) sk: String,
}

/// All items of one partition, or those whose sort key begins with a text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Partition {
    pub(crate) pk: String,
    pub(crate) sk_from: String,
}

fn key(pk: String, sk: impl Into<String>) -> Key {
    Key { pk, sk: sk.into() }
}

fn tenant_pk(tenant: &TenantId) -> String {
    format!("{TENANT_PREFIX}{tenant}")
}

fn employee_pk(tenant: &TenantId, employee: &EmployeeNumber) -> String {
    format!("T#{tenant}#E#{employee}")
}

pub fn tenant(tenant: &TenantId) -> Key {
    key(tenant_pk(tenant), "TENANT")
}

pub fn station(tenant: &TenantId, station: &StationId) -> Key {
    key(tenant_pk(tenant), format!("STATION#{station}"))
}

pub fn user(tenant: &TenantId, name: &UserName) -> Key {
    key(tenant_pk(tenant), format!("USER#{name}"))
}

pub fn employee(tenant: &TenantId, number: &EmployeeNumber) -> Key {
    key(employee_pk(tenant, number), EMPLOYEE)
}

pub fn wallet(tenant: &TenantId, employee: &EmployeeNumber) -> Key {
    key(employee_pk(tenant, employee), WALLET)
}

pub fn checkout(tenant: &TenantId, employee: &EmployeeNumber, id: CheckoutId) -> Key {
    key(employee_pk(tenant, employee), format!("{CHECKOUT_PREFIX}{id}"))
}

pub fn booking(tenant: &TenantId, employee: &EmployeeNumber, id: &BookingId) -> Key {
    key(employee_pk(tenant, employee), format!("{BOOKING_PREFIX}{id}"))
}

pub fn badge(tenant: &TenantId, rfid: &Rfid) -> Key {
    key(format!("T#{tenant}#B#{rfid}"), "BADGE")
}

pub fn menu(tenant: &TenantId, concessionaire: &ConcessionaireId) -> Key {
    key(format!("T#{tenant}#M#{concessionaire}"), "MENU")
}

pub fn meal(tenant: &TenantId, concessionaire: &ConcessionaireId, version: u32, code: &MealCode) -> Key {
    key(meals_pk(tenant, concessionaire, version), format!("{MEAL_PREFIX}{code}"))
}

/// Every meal of one menu version.
pub fn meals(tenant: &TenantId, concessionaire: &ConcessionaireId, version: u32) -> Partition {
    Partition { pk: meals_pk(tenant, concessionaire, version), sk_from: MEAL_PREFIX.to_owned() }
}

/// Every other movement of one employee's wallet.
pub fn bookings(tenant: &TenantId, employee: &EmployeeNumber) -> Partition {
    Partition { pk: employee_pk(tenant, employee), sk_from: BOOKING_PREFIX.to_owned() }
}

/// Every checkout of one employee. Read backwards from the end of the partition, wallet and profile
/// come first, then the newest checkouts.
pub fn checkouts(tenant: &TenantId, employee: &EmployeeNumber) -> Partition {
    Partition { pk: employee_pk(tenant, employee), sk_from: CHECKOUT_PREFIX.to_owned() }
}

fn meals_pk(tenant: &TenantId, concessionaire: &ConcessionaireId, version: u32) -> String {
    format!("T#{tenant}#M#{concessionaire}#V#{version}")
}

/// The message group of a wallet's commands: they are worked off one after the other.
pub fn wallet_group(tenant: &TenantId, employee: &EmployeeNumber) -> String {
    employee_pk(tenant, employee)
}

/// The message group of a tenant's probes.
pub fn probe_group(tenant: &TenantId) -> String {
    format!("{}{PROBE_SUFFIX}", tenant_pk(tenant))
}

/// Whether a message group is one of probes, whosever. An employee may be called anything.
pub fn is_probe_group(group: &str) -> bool {
    let tenant = group.strip_prefix(TENANT_PREFIX).and_then(|rest| rest.strip_suffix(PROBE_SUFFIX));
    tenant.is_some_and(|tenant| tenant.parse::<TenantId>().is_ok())
}

const TENANT_PREFIX: &str = "T#";
const PROBE_SUFFIX: &str = "#PROBE";
pub(crate) const EMPLOYEE: &str = "EMPLOYEE";
pub(crate) const WALLET: &str = "WALLET";
const CHECKOUT_PREFIX: &str = "CHECKOUT#";
const BOOKING_PREFIX: &str = "BOOKING#";
const MEAL_PREFIX: &str = "MEAL#";

/// An entry of the index.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IndexKey {
    pub(crate) pk: String,
    pub(crate) sk: String,
}

pub fn checkouts_of_day(
    tenant: &TenantId,
    concessionaire: &ConcessionaireId,
    business_date: Date,
    id: CheckoutId,
) -> IndexKey {
    IndexKey { pk: format!("T#{tenant}#C#{concessionaire}#{business_date}"), sk: id.to_string() }
}

pub fn employees_by_name(tenant: &TenantId, folded_name: &str, number: &EmployeeNumber) -> IndexKey {
    IndexKey { pk: format!("T#{tenant}#EMPLOYEES"), sk: format!("{folded_name}#{number}") }
}

/// The parts of a checkout that its keys hold and its attributes do not repeat.
pub(crate) struct CheckoutKeyParts {
    pub tenant: TenantId,
    pub employee: EmployeeNumber,
    pub id: CheckoutId,
    pub concessionaire: ConcessionaireId,
    pub business_date: Date,
}

pub(crate) fn parse_checkout(pk: &str, sk: &str, index_pk: &str) -> Option<CheckoutKeyParts> {
    let (tenant, employee) = pk.strip_prefix("T#")?.split_once("#E#")?;
    let (_, stall) = index_pk.split_once("#C#")?;
    let (concessionaire, business_date) = stall.split_once('#')?;
    Some(CheckoutKeyParts {
        tenant: tenant.parse().ok()?,
        employee: employee.parse().ok()?,
        id: sk.strip_prefix(CHECKOUT_PREFIX)?.parse().ok()?,
        concessionaire: concessionaire.parse().ok()?,
        business_date: business_date.parse().ok()?,
    })
}

pub(crate) fn parse_booking(sk: &str) -> Option<BookingId> {
    sk.strip_prefix(BOOKING_PREFIX)?.parse().ok()
}

pub(crate) fn parse_meal(sk: &str) -> Option<MealCode> {
    sk.strip_prefix(MEAL_PREFIX)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn every_key(tenant: &TenantId) -> Vec<Key> {
        let (number, station, meal_code) =
            ("7".parse().unwrap(), "s1".parse().unwrap(), "m".parse().unwrap());
        let id = "01900000-0000-7000-8000-000000000000".parse().unwrap();
        let stall = "canteen".parse().unwrap();
        vec![
            super::tenant(tenant),
            super::station(tenant, &station),
            user(tenant, &"ann".parse().unwrap()),
            employee(tenant, &number),
            wallet(tenant, &number),
            checkout(tenant, &number, id),
            booking(tenant, &number, &"opening".parse().unwrap()),
            badge(tenant, &"1001".parse().unwrap()),
            menu(tenant, &stall),
            meal(tenant, &stall, 1, &meal_code),
        ]
    }

    #[test]
    fn every_partition_begins_with_its_tenant() {
        let (acme, acme_2) = ("acme".parse().unwrap(), "acme-2".parse().unwrap());
        let begins = |pk: &str| pk == "T#acme" || pk.starts_with("T#acme#");
        assert!(every_key(&acme).iter().all(|key| begins(&key.pk)));
        assert!(!every_key(&acme_2).iter().any(|key| begins(&key.pk)));
        let id = "01900000-0000-7000-8000-000000000000".parse().unwrap();
        let date = jiff::civil::date(2026, 3, 2);
        assert!(begins(&checkouts_of_day(&acme, &"canteen".parse().unwrap(), date, id).pk));
        assert!(begins(&employees_by_name(&acme, "ann", &"7".parse().unwrap()).pk));
    }

    /// The one-call read goes backwards from the end of the partition and stops after the newest
    /// checkouts: nothing else may stand above or among them.
    #[test]
    fn an_employee_reads_wallet_then_profile_then_checkouts() {
        let tenant = "acme".parse().unwrap();
        let mut keys: Vec<_> =
            every_key(&tenant).into_iter().filter(|key| key.pk == "T#acme#E#7").map(|key| key.sk).collect();
        keys.sort_by(|a, b| b.cmp(a));
        let kinds: Vec<_> = keys.iter().map(|sk| sk.split('#').next().unwrap()).collect();
        assert_eq!(kinds, ["WALLET", "EMPLOYEE", "CHECKOUT", "BOOKING"]);
    }

    #[test]
    fn no_wallet_is_taken_for_a_probe() {
        let acme = "acme".parse().unwrap();
        assert!(is_probe_group(&probe_group(&acme)));
        for number in ["PROBE", "7"] {
            assert!(!is_probe_group(&wallet_group(&acme, &number.parse().unwrap())), "{number}");
        }
    }

    #[test]
    fn a_checkout_key_reads_back() {
        let tenant: TenantId = "acme".parse().unwrap();
        let id = "01900000-0000-7000-8000-000000000000".parse().unwrap();
        let key = checkout(&tenant, &"7".parse().unwrap(), id);
        let date = jiff::civil::date(2026, 3, 2);
        let index = checkouts_of_day(&tenant, &"canteen".parse().unwrap(), date, id);
        let parts = parse_checkout(&key.pk, &key.sk, &index.pk).unwrap();
        assert_eq!((parts.tenant.as_str(), parts.employee.as_str(), parts.id), ("acme", "7", id));
        assert_eq!((parts.concessionaire.as_str(), parts.business_date), ("canteen", date));
    }
}
