//! A buyer: profile, badges, discount and limit. The balance stands in the wallet.

use crate::id::{EmployeeNumber, Rfid};
use crate::money::{BasisPoints, Money};
use crate::role::Status;
use crate::text::{ImageUrl, Name};
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Employee {
    pub number: EmployeeNumber,
    pub name: String,
    pub status: Status,
    pub discount: BasisPoints,
    /// What a cutoff fills the wallet up to; the policy's default unless there is one.
    pub limit: Option<Money>,
    pub badges: BTreeMap<Rfid, BadgeStatus>,
    pub image_url: Option<String>,
    /// When somebody hired or changed them, one by one. A roster leaves it as it is.
    pub changed_at: Option<Timestamp>,
}

/// What a store cuts off when it says when a file was put.
const A_SECOND: SignedDuration = SignedDuration::from_secs(1);

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum BadgeStatus {
    Active,
    Blocked,
}

/// What changes of an employee; what is absent stays.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct EmployeePatch {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<Name>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub status: Option<Status>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub discount: Option<BasisPoints>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub limit: Option<LimitChange>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub image_url: Option<ImageChange>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ImageChange {
    Set(ImageUrl),
    Remove,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LimitChange {
    Set(Money),
    /// Back to the policy's default.
    Remove,
}

impl Employee {
    pub fn with(&self, patch: &EmployeePatch) -> Self {
        let EmployeePatch { name, status, discount, limit, image_url } = patch.clone();
        Self {
            number: self.number.clone(),
            name: name.map_or_else(|| self.name.clone(), String::from),
            status: status.unwrap_or(self.status),
            discount: discount.unwrap_or(self.discount),
            limit: match limit {
                None => self.limit,
                Some(LimitChange::Set(limit)) => Some(limit),
                Some(LimitChange::Remove) => None,
            },
            badges: self.badges.clone(),
            image_url: match image_url {
                None => self.image_url.clone(),
                Some(ImageChange::Set(url)) => Some(url.into()),
                Some(ImageChange::Remove) => None,
            },
            changed_at: self.changed_at,
        }
    }

    /// Whether somebody changed them after a file was put, so that what it says of them may be overtaken.
    pub fn is_newer_than(&self, put_at: Timestamp) -> bool {
        self.changed_at.is_some_and(|changed_at| changed_at.duration_since(put_at) >= A_SECOND)
    }

    /// Whether `rfid` is a badge of this employee and works.
    pub fn has_active_badge(&self, rfid: &Rfid) -> bool {
        self.badges.get(rfid) == Some(&BadgeStatus::Active)
    }

    /// The name as lists sort and search it: lower case, single spaces, no key separator.
    pub fn folded_name(&self) -> String {
        fold(&self.name)
    }
}

/// A name, or the start of one, as lists sort and search it.
pub fn fold(name: &str) -> String {
    let name = name.replace('#', " ").to_lowercase();
    name.split_whitespace().collect::<Vec<_>>().join(" ")
}
