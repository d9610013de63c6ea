//! Employees and their badges. A wallet is made with its employee, empty or with the share of a cutoff; only
//! movements change it.

use super::decision::Decision;
use aws::failure::Failure;
use aws::items::{self, Roster};
use aws::keys;
use aws::stored::{Stored, put, take};
use aws::table::{Table, Write};
use domain::admin::{CreateEmployee, Rejection};
use domain::badge::{self, Badge};
use domain::booking::Booking;
use domain::cutoff::Period;
use domain::employee::{Employee, EmployeePatch};
use domain::id::{EmployeeNumber, Rfid, TenantId, UserName};
use domain::planted::{self, Planted};
use domain::role::Status;
use domain::tenant::Tenant;
use domain::wallet::Wallet;
use jiff::Timestamp;
use serde_json::{Value, json};

pub async fn create(
    table: &Table,
    tenant: &TenantId,
    asked: &CreateEmployee,
    by: &UserName,
    now: Timestamp,
) -> Result<Decision, Failure> {
    let (key, tenant_key, roster_key) =
        (keys::employee(tenant, &asked.number), keys::tenant(tenant), keys::roster(tenant));
    let mut found = table.read([key.clone(), tenant_key.clone(), roster_key.clone()]).await?;
    if found.take(&key).is_some() {
        return Ok(Decision::rejected(Rejection::AlreadyExists));
    }
    let company = found.take(&tenant_key).ok_or_else(|| Failure::malformed("hire", "there is no tenant"))?;
    let company = items::stored_tenant(tenant, company)?;
    let employee = Employee {
        number: asked.number.clone(),
        name: asked.name.clone().into(),
        status: Status::Active,
        discount: asked.discount,
        limit: asked.limit,
        badges: [].into(),
        image_url: asked.image_url.clone().map(String::from),
        changed_at: Some(now),
    };
    let roster = take(&mut found, &roster_key, items::stored_roster)?;
    let period = period(table, tenant, roster.as_ref()).await?;
    let mut writes = hire(&company, &employee, period.as_ref(), by, now)?;
    writes.push(moves_in(tenant, roster.as_ref())?);
    Ok(Decision::applied(Value::Null, snapshot(&employee), writes))
}

/// Employee and wallet, with their share of a period if there is one for them; [`moves_in`] goes with it.
pub(crate) fn hire(
    company: &Tenant,
    employee: &Employee,
    period: Option<&Period>,
    by: &UserName,
    now: Timestamp,
) -> Result<Vec<Write>, Failure> {
    let period =
        period.filter(|_| employee.status == Status::Active && !planted::is(Planted::JoinerForgotten));
    let booking = period.and_then(|period| period.join(employee, &company.business_day, by, now));
    let entry = booking.as_ref().and_then(Booking::entry);
    let wallet = entry.map_or_else(Wallet::default, |entry| entry.after);
    let mut writes = vec![
        Write::Create(items::employee(&company.id, employee)?),
        Write::Create(items::wallet(&company.id, &employee.number, wallet)?),
    ];
    if let Some(booking) = &booking {
        writes.push(Write::Create(items::booking(&company.id, &employee.number, booking)?));
    }
    Ok(writes)
}

/// What goes with whoever joins the roster or moves in it. A cutoff that is opened right now either finds
/// them in their place or is found here; one that is open learns of it.
pub(crate) fn moves_in(tenant: &TenantId, roster: Option<&Stored<Roster>>) -> Result<Write, Failure> {
    Ok(match roster {
        Some(Stored { value, revision }) if value.is_open && !planted::is(Planted::JoinerForgotten) => {
            Write::Replace { item: items::roster(tenant, value)?, from: *revision }
        }
        roster => Write::Check { key: keys::roster(tenant), from: roster.map(|roster| roster.revision) },
    })
}

/// The period that whoever joins may have a share of, its cutoff as the roster has it: what is committed
/// together is not always seen together. None before the first.
pub(crate) async fn period(
    table: &Table,
    tenant: &TenantId,
    roster: Option<&Stored<Roster>>,
) -> Result<Option<Period>, Failure> {
    let Some(Stored { value: roster, .. }) = roster else { return Ok(None) };
    let (key, policy_key) = (keys::cutoff(tenant, roster.latest), keys::policy(tenant));
    let mut found = table.read([key.clone(), policy_key.clone()]).await?;
    let stored = found.take(&key).map(|item| items::stored_cutoff(roster.latest, item)).transpose()?;
    let cutoff =
        stored.map(|stored| stored.cutoff).filter(|cutoff| cutoff.closed.is_none() == roster.is_open);
    let torn = || Failure::transient("read the latest cutoff", "it was opened or closed just now");
    let cutoff = cutoff.ok_or_else(torn)?;
    let standing = found.take(&policy_key).map(items::stored_policy).transpose()?;
    let lost = || Failure::malformed("read the latest cutoff", "there is no policy");
    Ok(Some(Period { cutoff, standing: standing.ok_or_else(lost)? }))
}

pub async fn change(
    table: &Table,
    tenant: &TenantId,
    number: &EmployeeNumber,
    patch: &EmployeePatch,
    now: Timestamp,
) -> Result<Decision, Failure> {
    let (key, roster_key) = (keys::employee(tenant, number), keys::roster(tenant));
    let mut found = table.read([key.clone(), roster_key.clone()]).await?;
    let Some(stored) = take(&mut found, &key, |item| items::stored_employee(number, item))? else {
        return Ok(Decision::rejected(Rejection::NotFound));
    };
    let employee = stored.value.with(patch);
    // The roster is by name.
    let moved = if employee.name == stored.value.name {
        None
    } else {
        let roster = take(&mut found, &roster_key, items::stored_roster)?;
        Some(moves_in(tenant, roster.as_ref())?)
    };
    becomes(tenant, &stored, employee, moved, now)
}

pub async fn assign_badge(
    table: &Table,
    tenant: &TenantId,
    number: &EmployeeNumber,
    rfid: &Rfid,
    replaces: Option<&Rfid>,
    now: Timestamp,
) -> Result<Decision, Failure> {
    let Some((stored, held)) = find_with_badge(table, tenant, number, rfid).await? else {
        return Ok(Decision::rejected(Rejection::NotFound));
    };
    let holder = held.as_ref().map(|held| &held.value);
    match badge::assign(&stored.value, rfid, holder, replaces, now) {
        Ok((employee, badge)) => {
            let badge = put(items::badge(tenant, rfid, &badge)?, held.as_ref());
            becomes(tenant, &stored, employee, Some(badge), now)
        }
        Err(rejection) => Ok(Decision::rejected(rejection)),
    }
}

pub async fn block_badge(
    table: &Table,
    tenant: &TenantId,
    number: &EmployeeNumber,
    rfid: &Rfid,
    now: Timestamp,
) -> Result<Decision, Failure> {
    let Some(stored) = find(table, tenant, number).await? else {
        return Ok(Decision::rejected(Rejection::NotFound));
    };
    match badge::block(&stored.value, rfid) {
        Ok(employee) => becomes(tenant, &stored, employee, None, now),
        Err(rejection) => Ok(Decision::rejected(rejection)),
    }
}

pub async fn release_badge(
    table: &Table,
    tenant: &TenantId,
    number: &EmployeeNumber,
    rfid: &Rfid,
    now: Timestamp,
) -> Result<Decision, Failure> {
    let Some((stored, held)) = find_with_badge(table, tenant, number, rfid).await? else {
        return Ok(Decision::rejected(Rejection::NotFound));
    };
    match badge::release(&stored.value, rfid, now) {
        Ok((employee, badge)) => {
            let badge = put(items::badge(tenant, rfid, &badge)?, held.as_ref());
            becomes(tenant, &stored, employee, Some(badge), now)
        }
        Err(rejection) => Ok(Decision::rejected(rejection)),
    }
}

async fn find(
    table: &Table,
    tenant: &TenantId,
    number: &EmployeeNumber,
) -> Result<Option<Stored<Employee>>, Failure> {
    let key = keys::employee(tenant, number);
    let mut found = table.read([key.clone()]).await?;
    take(&mut found, &key, |item| items::stored_employee(number, item))
}

/// An employee, and a badge that may be somebody's.
async fn find_with_badge(
    table: &Table,
    tenant: &TenantId,
    number: &EmployeeNumber,
    rfid: &Rfid,
) -> Result<Option<(Stored<Employee>, Option<Stored<Badge>>)>, Failure> {
    let (employee_key, badge_key) = (keys::employee(tenant, number), keys::badge(tenant, rfid));
    let mut found = table.read([employee_key.clone(), badge_key.clone()]).await?;
    let employee = take(&mut found, &employee_key, |item| items::stored_employee(number, item))?;
    let badge = take(&mut found, &badge_key, items::stored_badge)?;
    Ok(employee.map(|employee| (employee, badge)))
}

fn becomes(
    tenant: &TenantId,
    stored: &Stored<Employee>,
    employee: Employee,
    with: Option<Write>,
    now: Timestamp,
) -> Result<Decision, Failure> {
    let employee = Employee { changed_at: Some(now), ..employee };
    let is_invented = planted::is(Planted::BeforeInvented);
    let before = snapshot(if is_invented { &employee } else { &stored.value });
    let mut after = snapshot(&employee);
    let changed = [
        ("name", stored.value.name != employee.name),
        ("image_url", stored.value.image_url != employee.image_url),
    ];
    let changed: Vec<_> = changed.iter().filter(|(_, differs)| *differs).map(|(name, _)| *name).collect();
    if let (Value::Object(fields), false) = (&mut after, changed.is_empty()) {
        fields.insert("changed".to_owned(), json!(changed));
    }
    let employee = put(items::employee(tenant, &employee)?, Some(stored));
    Ok(Decision::applied(before, after, [employee].into_iter().chain(with).collect()))
}

/// Without name and picture: they stand in the employee's item and nowhere else.
fn snapshot(employee: &Employee) -> Value {
    json!({
        "status": employee.status,
        "discount_basis_points": employee.discount,
        "credit_limit": employee.limit,
        "badges": employee.badges,
    })
}
