//! Who asks, and in which role.

use crate::admin::Rejection;
use crate::id::{ConcessionaireId, EmployeeNumber, TenantId, UserName};
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

/// What a user may be. A role that acts for somebody says for whom.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "role", rename_all = "snake_case")]
pub enum Role {
    /// Operates tenants.
    Platform,
    /// Runs one tenant.
    Admin,
    /// Runs one concessionaire.
    Manager { concessionaire_id: ConcessionaireId },
    /// Sells for one concessionaire.
    Cashier { concessionaire_id: ConcessionaireId },
    /// Sees the own wallet only.
    Employee { employee_number: EmployeeNumber },
}

/// A role without its scope, for tables of who may do what.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum RoleKind {
    Platform,
    Admin,
    Manager,
    Cashier,
    Employee,
}

impl RoleKind {
    /// As users and descriptions have it.
    pub fn as_str(self) -> &'static str {
        match self {
            RoleKind::Platform => "platform",
            RoleKind::Admin => "admin",
            RoleKind::Manager => "manager",
            RoleKind::Cashier => "cashier",
            RoleKind::Employee => "employee",
        }
    }
}

impl Role {
    pub fn kind(&self) -> RoleKind {
        match self {
            Role::Platform => RoleKind::Platform,
            Role::Admin => RoleKind::Admin,
            Role::Manager { .. } => RoleKind::Manager,
            Role::Cashier { .. } => RoleKind::Cashier,
            Role::Employee { .. } => RoleKind::Employee,
        }
    }

    /// The one for whom it sells.
    pub fn concessionaire(&self) -> Option<&ConcessionaireId> {
        match self {
            Role::Manager { concessionaire_id } | Role::Cashier { concessionaire_id } => {
                Some(concessionaire_id)
            }
            Role::Admin | Role::Platform | Role::Employee { .. } => None,
        }
    }
}

/// Whether somebody or something takes part.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    Active,
    Inactive,
}

/// Somebody who signs in, as the table knows them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct User {
    pub name: UserName,
    pub status: Status,
    pub role: Role,
    /// When they were let go or given another password; none before the first time.
    pub signed_out_at: Option<Timestamp>,
}

/// Clocks of a pool and of functions differ, a token says its second alone, and whoever is given a password may
/// sign in at once.
pub const CLOCKS_DIFFER: SignedDuration = SignedDuration::from_secs(2);

impl User {
    /// Somebody new.
    pub fn active(name: UserName, role: Role) -> Self {
        Self { name, status: Status::Active, role, signed_out_at: None }
    }

    pub fn is_active_admin(&self) -> bool {
        self.status == Status::Active && self.role == Role::Admin
    }

    /// Whether what was opened at that instant, a sign-in or a session, is still open.
    pub fn is_signed_in_since(&self, at: Timestamp) -> bool {
        let is_behind = |out: Timestamp| out.duration_since(at) <= CLOCKS_DIFFER;
        self.signed_out_at.is_none_or(is_behind)
    }

    /// The same of whoever has not been let go.
    pub fn is_active_since(&self, at: Timestamp) -> bool {
        self.status == Status::Active && self.is_signed_in_since(at)
    }
}

/// The active administrators of one tenant; never again none, once there was one.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Admins(pub BTreeSet<UserName>);

impl Admins {
    /// The administrators once `user` stands as given.
    pub fn with(&self, user: &User) -> Result<Admins, Rejection> {
        let mut admins = self.0.clone();
        if user.is_active_admin() {
            admins.insert(user.name.clone());
        } else if admins.remove(&user.name) && admins.is_empty() {
            return Err(Rejection::LastAdmin);
        }
        Ok(Admins(admins))
    }
}

/// Whether a user of this name can only be this tenant's: `<tenant>.<anything>`. One pool holds the users of
/// all tenants, and no tenant learns what names another has taken.
pub fn is_name_of(tenant: &TenantId, name: &UserName) -> bool {
    let rest = name.as_str().strip_prefix(tenant.as_str()).and_then(|rest| rest.strip_prefix('.'));
    rest.is_some_and(|rest| !rest.is_empty())
}

/// Who asks: made from the token and the user's item, never from a body.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Caller {
    pub tenant: TenantId,
    pub user: UserName,
    pub role: Role,
}

impl Caller {
    /// Whether this caller works for `concessionaire` or stands above all of them.
    pub fn sells_for(&self, concessionaire: &ConcessionaireId) -> bool {
        self.role == Role::Admin || self.role.concessionaire() == Some(concessionaire)
    }

    /// Whether this caller may see what `concessionaire` sold to `employee`.
    pub fn sees_sale_of(&self, concessionaire: &ConcessionaireId, employee: &EmployeeNumber) -> bool {
        match &self.role {
            Role::Employee { employee_number } => employee_number == employee,
            Role::Admin | Role::Manager { .. } | Role::Cashier { .. } | Role::Platform => {
                self.sells_for(concessionaire)
            }
        }
    }

    /// Whether this caller may see the wallet of `employee`.
    pub fn sees_wallet_of(&self, employee: &EmployeeNumber) -> bool {
        match &self.role {
            Role::Admin | Role::Manager { .. } | Role::Cashier { .. } => true,
            Role::Employee { employee_number } => employee_number == employee,
            Role::Platform => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn user(name: &str, status: Status, role: Role) -> User {
        User { name: name.parse().unwrap(), status, role, signed_out_at: None }
    }

    #[test]
    fn whoever_was_signed_out_signs_in_again() {
        let at = |second| Timestamp::from_second(second).unwrap();
        let ann = user("acme.ann", Status::Active, Role::Admin);
        assert!(ann.is_signed_in_since(at(0)));
        let ann = User { signed_out_at: Some(at(100)), ..ann };
        assert!(!ann.is_signed_in_since(at(97)));
        assert!(ann.is_signed_in_since(at(98)) && ann.is_signed_in_since(at(101)));
    }

    #[test]
    fn the_last_admin_stays() {
        let ann = |status, role| user("acme.ann", status, role);
        let one = Admins::default().with(&ann(Status::Active, Role::Admin)).unwrap();
        assert_eq!(one.with(&ann(Status::Inactive, Role::Admin)), Err(Rejection::LastAdmin));
        assert_eq!(one.with(&ann(Status::Active, Role::Platform)), Err(Rejection::LastAdmin));
        let two = one.with(&user("acme.bob", Status::Active, Role::Admin)).unwrap();
        assert_eq!(two.with(&ann(Status::Inactive, Role::Admin)).unwrap().0.len(), 1);
        assert_eq!(two.with(&user("acme.eve", Status::Inactive, Role::Admin)), Ok(two));
    }

    #[test]
    fn a_user_name_says_whose_it_is() {
        let (acme, acme_2): (TenantId, TenantId) = ("acme".parse().unwrap(), "acme-2".parse().unwrap());
        assert!(is_name_of(&acme, &"acme.ann".parse().unwrap()));
        assert!(!is_name_of(&acme, &"acme-2.ann".parse().unwrap()));
        assert!(!is_name_of(&acme, &"acme.".parse().unwrap()));
        assert!(!is_name_of(&acme_2, &"acme.ann".parse().unwrap()));
    }
}
