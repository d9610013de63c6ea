//! What the platform changes of a tenant. Its stack is the operator's; this is what stands in the table.

use super::decision::Decision;
use aws::failure::Failure;
use aws::stored::{put, take};
use aws::table::Table;
use aws::{items, keys};
use domain::admin::{Rejection, SetTenant};
use domain::id::TenantId;
use domain::planted::{self, Planted};
use domain::tenant::{Tenant, TenantStatus};
use serde_json::{Value, json};

pub async fn set(table: &Table, asked: &SetTenant) -> Result<Decision, Failure> {
    let key = keys::tenant(&asked.tenant_id);
    let mut found = table.read([key.clone()]).await?;
    let stored = take(&mut found, &key, |item| items::stored_tenant(&asked.tenant_id, item))?;
    match &stored {
        Some(stored) if stored.value.currency != asked.currency => {
            return Ok(Decision::rejected(Rejection::CurrencyFixed));
        }
        None if !asked.currency.is_listed() => return Ok(Decision::rejected(Rejection::UnknownCurrency)),
        _ => {}
    }
    let tenant = Tenant {
        id: asked.tenant_id.clone(),
        name: asked.name.clone().into(),
        status: stored.as_ref().map_or(TenantStatus::Active, |stored| stored.value.status),
        currency: asked.currency.clone(),
        business_day: asked.business_day.clone(),
        overdraft_limit: asked.overdraft_limit,
        reached: stored
            .as_ref()
            .filter(|_| !planted::is(Planted::TenantFoundedAnew))
            .map(|stored| stored.value.reached.clone())
            .unwrap_or_default(),
    };
    let before = stored.as_ref().map_or(Value::Null, |stored| snapshot(&stored.value));
    let writes = vec![put(items::tenant(&tenant)?, stored.as_ref())];
    Ok(Decision::applied(before, snapshot(&tenant), writes))
}

pub async fn set_status(table: &Table, id: &TenantId, status: TenantStatus) -> Result<Decision, Failure> {
    let key = keys::tenant(id);
    let mut found = table.read([key.clone()]).await?;
    let Some(stored) = take(&mut found, &key, |item| items::stored_tenant(id, item))? else {
        return Ok(Decision::rejected(Rejection::NotFound));
    };
    let status = if planted::is(Planted::SuspensionForgotten) { stored.value.status } else { status };
    let tenant = Tenant { status, ..stored.value.clone() };
    let writes = vec![put(items::tenant(&tenant)?, Some(&stored))];
    Ok(Decision::applied(snapshot(&stored.value), snapshot(&tenant), writes))
}

fn snapshot(tenant: &Tenant) -> Value {
    json!({
        "name": tenant.name,
        "status": tenant.status,
        "currency": tenant.currency,
        "time_zone": tenant.business_day.zone_name(),
        "closing_hour": tenant.business_day.closing_hour(),
        "overdraft_limit": tenant.overdraft_limit,
    })
}
