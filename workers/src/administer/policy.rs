//! How a tenant replenishes credit. A cutoff that is open goes on under the policy that it was opened with.

use super::decision::{Decision, put, take};
use aws::failure::Failure;
use aws::table::Table;
use aws::{items, keys};
use domain::cutoff::{Policy, StandingPolicy};
use domain::id::TenantId;
use jiff::Timestamp;
use serde_json::Value;

pub async fn set(
    table: &Table,
    tenant: &TenantId,
    policy: &Policy,
    now: Timestamp,
) -> Result<Decision, Failure> {
    let key = keys::policy(tenant);
    let mut found = table.read([key.clone()]).await?;
    let stored = take(&mut found, &key, items::stored_policy)?;
    let standing = StandingPolicy::with(stored.as_ref().map(|stored| &stored.value), policy.clone(), now);
    let snapshot = |policy: &Policy| {
        serde_json::to_value(policy).map_err(|error| Failure::malformed("tell a policy", error))
    };
    let before = stored.as_ref().map_or(Ok(Value::Null), |stored| snapshot(&stored.value.policy))?;
    let writes = vec![put(items::policy(tenant, &standing)?, stored.as_ref())];
    Ok(Decision::applied(before, snapshot(policy)?, writes))
}
