//! How a tenant replenishes credit. A cutoff that is open goes on under the policy that it was opened with,
//! and one that is due is opened under the days and the time that it was promised under.

use super::decision::Decision;
use aws::failure::Failure;
use aws::stored::{put, take};
use aws::table::Table;
use aws::{items, keys};
use domain::admin::Rejection;
use domain::cutoff::{Method, Policy, StandingPolicy};
use domain::id::TenantId;
use jiff::Timestamp;
use serde_json::{Value, json};

pub async fn set(
    table: &Table,
    tenant: &TenantId,
    policy: &Policy,
    now: Timestamp,
) -> Result<Decision, Failure> {
    let (tenant_key, key, roster_key) = (keys::tenant(tenant), keys::policy(tenant), keys::roster(tenant));
    let mut found = table.read([tenant_key.clone(), key.clone(), roster_key.clone()]).await?;
    let stored = take(&mut found, &key, items::stored_policy)?;
    let before = stored.as_ref().map(|stored| &stored.value);
    let standing = StandingPolicy::with(before, policy.clone(), now);
    let company = found.take(&tenant_key).ok_or_else(|| Failure::malformed("set a policy", "no tenant"))?;
    let company = items::stored_tenant(tenant, company)?;
    let roster = found.take(&roster_key).map(items::stored_roster).transpose()?;
    let latest = roster.map(|roster| roster.latest);
    let owed = before.filter(|before| before.since != standing.since);
    if let Some(date) = owed.and_then(|owed| owed.to_open(&company.business_day, latest, now)) {
        return Ok(Decision::rejected(Rejection::CutoffDue { date }));
    }
    let snapshot_before = before.map_or(Value::Null, |before| snapshot(&before.policy));
    let writes = vec![put(items::policy(tenant, &standing)?, stored.as_ref())];
    Ok(Decision::applied(snapshot_before, snapshot(policy), writes))
}

/// As the API has it: whoever wants it back sends it as it is told.
fn snapshot(policy: &Policy) -> Value {
    let mut snapshot = json!({
        "days": policy.schedule.days(),
        "time": policy.at,
        "method": policy.method.name(),
        "negative_balance": policy.negative_balance,
        "default_limit": policy.default_limit,
        "prorates_joiners": policy.prorates_joiners,
    });
    if let Method::TopUp { amount, cap } = policy.method {
        snapshot["amount"] = json!(amount);
        snapshot["cap"] = json!(cap);
    }
    snapshot
}
