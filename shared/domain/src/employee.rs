//! A buyer: profile, badges, discount and limit. The balance stands in the wallet.

use crate::id::{EmployeeNumber, Rfid};
use crate::money::{BasisPoints, Money};
use crate::role::Status;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Employee {
    pub number: EmployeeNumber,
    pub name: String,
    pub status: Status,
    pub discount: BasisPoints,
    /// What a cutoff fills the wallet up to.
    pub limit: Money,
    pub badges: BTreeMap<Rfid, BadgeStatus>,
    pub image_url: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum BadgeStatus {
    Active,
    Blocked,
}

impl Employee {
    /// Whether `rfid` is a badge of this employee and works.
    pub fn has_active_badge(&self, rfid: &Rfid) -> bool {
        self.badges.get(rfid) == Some(&BadgeStatus::Active)
    }

    /// The name as lists sort and search it: lower case, single spaces, no key separator.
    pub fn folded_name(&self) -> String {
        let name = self.name.replace('#', " ").to_lowercase();
        name.split_whitespace().collect::<Vec<_>>().join(" ")
    }
}
