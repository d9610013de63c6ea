//! Opens a tenant: its item, its first administrator, and a probe through every queue.

use crate::probe::{self, ProbeError};
use crate::stage::Stage;
use aws::failure::Failure;
use aws::table::{NotCommitted, Reason, Write};
use aws::{items, keys};
use clap::Args;
use domain::id::{TenantId, UserName};
use domain::money::Money;
use domain::role::{Role, User, is_name_of};
use domain::tenant::{BusinessDay, InvalidTenant, Tenant, TenantStatus};
use local::seed::{self, SeedError};
use local::users::{self, UsersError};
use thiserror::Error;

/// Random bytes in a first password, written as twice as many hexadecimal digits.
const PASSWORD_BYTES: usize = 12;

#[derive(Debug, Args)]
pub struct Arguments {
    /// As its stack has it.
    #[arg(long)]
    id: TenantId,
    #[arg(long)]
    name: String,
    /// An ISO 4217 code.
    #[arg(long)]
    currency: String,
    /// A name of the IANA database.
    #[arg(long)]
    zone: String,
    /// The local hour before which a sale still belongs to the day before.
    #[arg(long, default_value_t = 0)]
    closing_hour: u8,
    /// The user name of the first administrator: `<tenant>.<anything>`.
    #[arg(long)]
    admin: UserName,
    /// The user operates tenants instead of administering this one.
    #[arg(long)]
    platform: bool,
}

#[derive(Debug, Error)]
pub enum OpenError {
    #[error("no such tenant can be")]
    Invalid(#[from] InvalidTenant),
    #[error(
        "{id} is there already, as {:?} in {}: name it so to open it again, or take another id",
        stored.name,
        String::from(stored.currency.clone())
    )]
    Other { id: TenantId, stored: Box<Tenant> },
    #[error("a user name of {tenant} begins with {tenant}.")]
    Name { tenant: TenantId },
    #[error("there is no randomness for a password: {0}")]
    Password(getrandom::Error),
    #[error("the administrator could not be made")]
    Users(#[from] UsersError),
    #[error("an item could not be read or written")]
    Item(#[from] Failure),
    #[error("the table did not take the tenant")]
    Table(#[from] SeedError),
    #[error("the tenant is there, but its queues are not reached")]
    Probe(#[from] ProbeError),
}

/// What stands already stays as it is. Whoever was closed is not opened as somebody else, whose administrator
/// would see what those before left.
pub async fn open(stage: &Stage, arguments: Arguments) -> Result<String, OpenError> {
    let Arguments { id, name, currency, zone, closing_hour, admin, platform } = arguments;
    // Whoever is there may be called otherwise by an older release.
    let is_new = stage.table().read_one(&keys::user(&id, &admin)).await?.is_none();
    if is_new && !is_name_of(&id, &admin) {
        return Err(OpenError::Name { tenant: id });
    }
    let tenant = Tenant {
        id: id.clone(),
        name,
        status: TenantStatus::Active,
        currency: currency.try_into()?,
        business_day: BusinessDay::new(&zone, closing_hour)?,
        overdraft_limit: Money::ZERO,
        reached: [].into(),
    };
    let stored = stage.table().read_one(&keys::tenant(&id)).await?;
    match stored.map(|item| items::stored_tenant(&id, item)).transpose()? {
        Some(stored) if is_another(&stored, &tenant) => {
            return Err(OpenError::Other { id, stored: Box::new(stored) });
        }
        None if !tenant.currency.is_listed() => return Err(InvalidTenant::UnlistedCurrency.into()),
        _ => {}
    }
    let role = if platform { Role::Platform } else { Role::Admin };
    let user = User::active(admin.clone(), role);
    for item in [items::tenant(&tenant)?, items::user(&id, &user)?] {
        seed::create(&stage.table(), vec![item]).await?;
    }
    seed::count_admin(&stage.table(), &id, &user).await?;
    probe::until_ready(stage, &id).await?;
    // Last, so that whoever gets a password also reads it.
    let password = password()?;
    let has_new_password =
        users::ensure_user(&stage.cognito, &stage.pool, admin.as_str(), &password, id.as_str()).await?;
    let key = if has_new_password { format!("with the password {password}") } else { "as before".to_owned() };
    Ok(format!("{id} is open; {admin} signs in {key}"))
}

/// Whether it is another company than is to be opened. One that is open may be called otherwise by now.
fn is_another(stored: &Tenant, asked: &Tenant) -> bool {
    let is_closed = stored.reached.is_empty();
    stored.currency != asked.currency || (is_closed && stored.name != asked.name)
}

fn password() -> Result<String, OpenError> {
    let mut bytes = [0; PASSWORD_BYTES];
    getrandom::fill(&mut bytes).map_err(OpenError::Password)?;
    Ok(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
}

#[derive(Debug, Args)]
pub struct CloseArguments {
    #[arg(long)]
    id: TenantId,
}

/// Accepts nothing for a tenant any more, until it is opened again. Before its stack goes: its filters would
/// take their time again, and what came meanwhile would be dropped.
pub async fn close(stage: &Stage, CloseArguments { id }: CloseArguments) -> Result<String, OpenError> {
    let closed = stage.table().commit(vec![Write::Close { key: keys::tenant(&id) }]).await;
    match closed {
        Ok(()) => Ok(format!("{id} is closed")),
        Err(NotCommitted::Cancelled(reasons)) if reasons.contains(&Reason::ConditionFailed) => {
            Ok(format!("{id} was never opened"))
        }
        Err(error) => Err(SeedError::Refused(error).into()),
    }
}
