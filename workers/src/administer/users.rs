//! Users: who may do what stands in the table, who signs in with what in the pool.
//!
//! The pool goes first and the table second, in one order: until the receipt is there, the command comes
//! again and finds what is missing. Where it is refused in the end, the pool goes back to what the table has.

use super::AdministerWorker;
use super::decision::Decision;
use aws::failure::Failure;
use aws::keys::Key;
use aws::stored::{Stored, put, take};
use aws::table::{Found, Table};
use aws::user_pool::{self, Entry, Target};
use aws::{items, keys};
use domain::admin::{Administer, Change, Rejection};
use domain::id::{TenantId, UserName};
use domain::planted::{self, Planted};
use domain::role::{Admins, Role, Status, User};
use jiff::Timestamp;
use serde_json::{Value, json};

/// Which user of which tenant a change concerns.
pub fn of<'a>(change: &'a Change, callers: &'a TenantId) -> Option<(&'a TenantId, &'a UserName)> {
    match change {
        Change::AppointAdmin { tenant_id, name } => Some((tenant_id, name)),
        Change::CreateUser { name, .. }
        | Change::ChangeUser { name, .. }
        | Change::ResetPassword { name } => {
            Some((callers, name)).filter(|_| !planted::is(Planted::PoolForgotten))
        }
        _ => None,
    }
}

/// Whether a user operates tenants by now.
pub async fn is_operator(table: &Table, tenant: &TenantId, name: &UserName) -> Result<bool, Failure> {
    let user = stored(table, tenant, name).await?;
    Ok(user.is_some_and(|user| user.status == Status::Active && user.role == Role::Platform))
}

/// The first administrator, or another, by the platform.
pub async fn appoint(table: &Table, tenant: &TenantId, name: &UserName) -> Result<Decision, Failure> {
    create(table, tenant, name, &Role::Admin).await
}

pub async fn create(
    table: &Table,
    tenant: &TenantId,
    name: &UserName,
    role: &Role,
) -> Result<Decision, Failure> {
    let mut office = Office::read(table, tenant, name, Some(role)).await?;
    if !office.has_tenant {
        return Ok(Decision::rejected(Rejection::NotFound));
    }
    if office.user.is_some() {
        return Ok(Decision::rejected(Rejection::AlreadyExists));
    }
    office.becomes(tenant, &User::active(name.clone(), role.clone()))
}

pub async fn change(
    table: &Table,
    tenant: &TenantId,
    name: &UserName,
    role: Option<&Role>,
    status: Option<Status>,
    now: Timestamp,
) -> Result<Decision, Failure> {
    let mut office = Office::read(table, tenant, name, role).await?;
    let Some(stored) = office.own_user() else { return Ok(Decision::rejected(Rejection::NotFound)) };
    let user = User {
        name: name.clone(),
        status: status.unwrap_or(stored.value.status),
        role: role.unwrap_or(&stored.value.role).clone(),
        signed_out_at: match status {
            Some(Status::Inactive) => Some(now),
            Some(Status::Active) | None => stored.value.signed_out_at,
        },
    };
    office.becomes(tenant, &user)
}

/// Whoever is signed in is no more, but for who asks it of themselves: they have to read the receipt. Nothing
/// else in the table changes, and the receipt says so.
pub async fn reset_password(
    table: &Table,
    tenant: &TenantId,
    name: &UserName,
    by: &UserName,
    now: Timestamp,
) -> Result<Decision, Failure> {
    let mut office = Office::read(table, tenant, name, None).await?;
    let Some(stored) = office.own_user() else { return Ok(Decision::rejected(Rejection::NotFound)) };
    let signed_out_at = if name == by { stored.value.signed_out_at } else { Some(now) };
    let user = User { signed_out_at, ..stored.value.clone() };
    office.becomes(tenant, &user)
}

/// What a change of one user stands on.
struct Office {
    has_tenant: bool,
    user: Option<Stored<User>>,
    admins: Option<Stored<Admins>>,
    /// Why the role is for nobody.
    unknown: Option<Rejection>,
}

impl Office {
    async fn read(
        table: &Table,
        tenant: &TenantId,
        name: &UserName,
        role: Option<&Role>,
    ) -> Result<Self, Failure> {
        let (user, admins) = (keys::user(tenant, name), keys::admins(tenant));
        let scope = role.and_then(|role| scope(tenant, role));
        let wanted = [keys::tenant(tenant), user.clone(), admins.clone()];
        let wanted = wanted.into_iter().chain(scope.iter().map(|(key, _)| key.clone()));
        let mut found: Found = table.read(wanted).await?;
        Ok(Self {
            has_tenant: found.take(&keys::tenant(tenant)).is_some(),
            user: take(&mut found, &user, |item| items::stored_user(name, item))?,
            admins: take(&mut found, &admins, items::stored_admins)?,
            unknown: scope.and_then(|(key, rejection)| found.take(&key).is_none().then_some(rejection)),
        })
    }

    /// The user, if they are the tenant's to change: whoever operates tenants is not.
    fn own_user(&self) -> Option<&Stored<User>> {
        self.user.as_ref().filter(|stored| stored.value.role != Role::Platform)
    }

    /// The active administrators; of a tenant that never counted them, the one that is known.
    fn counted(&self) -> Admins {
        let known = || {
            let known = self.user.iter().map(|stored| &stored.value).filter(|user| user.is_active_admin());
            Admins(known.map(|user| user.name.clone()).collect())
        };
        self.admins.as_ref().map_or_else(known, |stored| stored.value.clone())
    }

    fn becomes(&mut self, tenant: &TenantId, user: &User) -> Result<Decision, Failure> {
        if let Some(rejection) = self.unknown.take() {
            return Ok(Decision::rejected(rejection));
        }
        let before = self.counted();
        let admins = match before.with(user) {
            Ok(admins) => admins,
            Err(rejection) => return Ok(Decision::rejected(rejection)),
        };
        let mut writes = vec![put(items::user(tenant, user)?, self.user.as_ref())];
        // Its revision is what keeps two administrators from going at the same time.
        if admins != before {
            writes.push(put(items::admins(tenant, &admins)?, self.admins.as_ref()));
        }
        let before = self.user.as_ref().map_or(Value::Null, |stored| snapshot(&stored.value));
        Ok(Decision::applied(before, snapshot(user), writes))
    }
}

/// What a role is for, and how it is called when it is not there.
fn scope(tenant: &TenantId, role: &Role) -> Option<(Key, Rejection)> {
    match role {
        Role::Manager { concessionaire_id } | Role::Cashier { concessionaire_id } => {
            Some((keys::concessionaire(tenant, concessionaire_id), Rejection::UnknownConcessionaire))
        }
        Role::Employee { employee_number } => {
            Some((keys::employee(tenant, employee_number), Rejection::UnknownEmployee))
        }
        Role::Platform | Role::Admin => None,
    }
}

/// The pool follows: what is applied first, or what the table has where it is refused.
pub async fn follow(
    worker: &AdministerWorker,
    command: &Administer,
    tenant: &TenantId,
    name: &UserName,
    decision: Decision,
) -> Result<Decision, Failure> {
    let first_password = user_pool::first_password(&worker.password_key, name, command.id);
    let target = |is_enabled, is_reset| Target { is_enabled, first_password: &first_password, is_reset };
    if !decision.is_applied() {
        restore(worker, command, tenant, name).await?;
        return Ok(decision);
    }
    let is_enabled = match (&command.change, stored(&worker.table, tenant, name).await?) {
        (Change::ChangeUser { status: Some(status), .. }, _) => *status == Status::Active,
        (_, Some(user)) => user.status == Status::Active,
        (_, None) => true,
    };
    let is_reset = !matches!(command.change, Change::ChangeUser { .. });
    match worker.pool.set(tenant, name, target(is_enabled, is_reset)).await? {
        Entry::Anothers => Ok(Decision::rejected(Rejection::UserNameTaken)),
        Entry::Nobody | Entry::Ours { .. } => Ok(decision),
    }
}

/// Brings a user of the pool to where the table has them.
pub async fn restore(
    worker: &AdministerWorker,
    command: &Administer,
    tenant: &TenantId,
    name: &UserName,
) -> Result<(), Failure> {
    let user = match stored(&worker.table, tenant, name).await? {
        Some(user) => user,
        None => {
            worker.pool.remove(tenant, name).await?;
            // Another queue's command may have made them meanwhile: a platform appoints administrators.
            let Some(user) = stored(&worker.table, tenant, name).await? else { return Ok(()) };
            user
        }
    };
    let first_password = user_pool::first_password(&worker.password_key, name, command.id);
    let is_enabled = user.status == Status::Active;
    let target = Target { is_enabled, first_password: &first_password, is_reset: false };
    worker.pool.set(tenant, name, target).await.map(|_| ())
}

async fn stored(table: &Table, tenant: &TenantId, name: &UserName) -> Result<Option<User>, Failure> {
    let item = table.read_one(&keys::user(tenant, name)).await?;
    item.map(|item| items::stored_user(name, item)).transpose()
}

fn snapshot(user: &User) -> Value {
    let mut snapshot = json!({ "status": user.status });
    if let (Value::Object(fields), Ok(Value::Object(role))) =
        (&mut snapshot, serde_json::to_value(&user.role))
    {
        fields.extend(role);
    }
    snapshot
}
