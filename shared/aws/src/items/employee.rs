//! Employees, their wallets and badges.

use super::{Item, Millis, from_item, index, sort_key, stored_checkout, text, to_item};
use crate::failure::Failure;
use crate::keys;
use domain::badge::Badge;
use domain::checkout::Checkout;
use domain::employee::{BadgeStatus, Employee};
use domain::id::{EmployeeNumber, Rfid, TenantId};
use domain::money::{BasisPoints, Money};
use domain::role::Status;
use domain::wallet::Wallet;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

#[derive(Serialize, Deserialize)]
struct EmployeeItem {
    n: String,
    st: Status,
    d: BasisPoints,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    lim: Option<Money>,
    /// Badges.
    bd: BTreeMap<Rfid, BadgeStatus>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    img: Option<String>,
    /// When they were changed, one by one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    ch: Option<Millis>,
}

pub fn employee(tenant: &TenantId, employee: &Employee) -> Result<Item, Failure> {
    let attributes = EmployeeItem {
        n: employee.name.clone(),
        st: employee.status,
        d: employee.discount,
        lim: employee.limit,
        bd: employee.badges.clone(),
        img: employee.image_url.clone(),
        ch: employee.changed_at.map(Millis::from),
    };
    let mut item = to_item(keys::employee(tenant, &employee.number), &attributes)?;
    index(&mut item, keys::employees_by_name(tenant, &employee.folded_name(), &employee.number));
    Ok(item)
}

pub fn stored_employee(number: &EmployeeNumber, item: Item) -> Result<Employee, Failure> {
    let stored: EmployeeItem = from_item(item)?;
    Ok(Employee {
        number: number.clone(),
        name: stored.n,
        status: stored.st,
        discount: stored.d,
        limit: stored.lim,
        badges: stored.bd,
        image_url: stored.img,
        changed_at: stored.ch.map(TryInto::try_into).transpose()?,
    })
}

/// An employee of a list.
pub fn listed_employee(item: Item) -> Result<Employee, Failure> {
    stored_employee(&listed_number(&item)?, item)
}

/// The number of an employee of a list, whatever else the item holds.
pub fn listed_number(item: &Item) -> Result<EmployeeNumber, Failure> {
    keys::parse_employee(text(item, keys::PK)?)
        .ok_or_else(|| Failure::malformed("read an employee", "the key holds no number"))
}

#[derive(Serialize, Deserialize)]
struct WalletItem {
    b: Money,
    v: u64,
}

pub fn wallet(tenant: &TenantId, employee: &EmployeeNumber, wallet: Wallet) -> Result<Item, Failure> {
    to_item(keys::wallet(tenant, employee), &WalletItem { b: wallet.balance, v: wallet.version })
}

pub fn stored_wallet(item: Item) -> Result<Wallet, Failure> {
    let stored: WalletItem = from_item(item)?;
    Ok(Wallet { balance: stored.b, version: stored.v })
}

/// A badge is only an index to its employee, whose item says whether it works.
#[derive(Serialize, Deserialize)]
struct BadgeItem {
    e: EmployeeNumber,
    /// When it was taken back.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    ra: Option<Millis>,
}

pub fn badge(tenant: &TenantId, rfid: &Rfid, badge: &Badge) -> Result<Item, Failure> {
    let attributes = BadgeItem { e: badge.employee.clone(), ra: badge.released_at.map(Millis::from) };
    to_item(keys::badge(tenant, rfid), &attributes)
}

pub fn stored_badge(item: Item) -> Result<Badge, Failure> {
    let stored: BadgeItem = from_item(item)?;
    Ok(Badge { employee: stored.e, released_at: stored.ra.map(TryInto::try_into).transpose()? })
}

/// An employee with wallet and newest checkouts, as the one-call read gives them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Account {
    pub employee: Employee,
    pub wallet: Wallet,
    pub recent: Vec<Checkout>,
}

/// Reads what a backward query of the employee's partition found; `None` if it is nobody's.
pub fn stored_account(number: &EmployeeNumber, items: Vec<Item>) -> Result<Option<Account>, Failure> {
    let (mut profile, mut credit, mut recent) = (None, None, Vec::new());
    for item in items {
        match sort_key(&item)? {
            keys::EMPLOYEE => profile = Some(stored_employee(number, item)?),
            keys::WALLET => credit = Some(stored_wallet(item)?),
            _ => recent.push(stored_checkout(item)?),
        }
    }
    match (profile, credit) {
        (Some(employee), Some(wallet)) => Ok(Some(Account { employee, wallet, recent })),
        (None, None) => Ok(None),
        _ => Err(Failure::malformed("read an account", "an employee without a wallet, or the reverse")),
    }
}
