//! Who asks, and in which role.

use crate::id::{ConcessionaireId, EmployeeNumber, TenantId, UserName};
use serde::{Deserialize, Serialize};

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
        match &self.role {
            Role::Admin => true,
            Role::Manager { concessionaire_id } | Role::Cashier { concessionaire_id } => {
                concessionaire_id == concessionaire
            }
            Role::Platform | Role::Employee { .. } => false,
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
