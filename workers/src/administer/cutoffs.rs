//! Cutoffs that somebody opens or resumes by hand. The rest is what the schedule's ticks do.

use super::decision::{Decision, Stored, take};
use crate::open_cutoff::opening;
use aws::failure::Failure;
use aws::items::{self, Roster, StoredCutoff};
use aws::keys;
use aws::table::{Found, Table, Write};
use domain::admin::Refusal;
use domain::cutoff::Cutoff;
use domain::id::TenantId;
use jiff::Timestamp;
use jiff::civil::Date;
use serde_json::{Value, json};

pub async fn open(table: &Table, tenant: &TenantId, date: Date, now: Timestamp) -> Result<Decision, Failure> {
    let (tenant_key, policy_key) = (keys::tenant(tenant), keys::policy(tenant));
    let mut found = table.read([tenant_key.clone(), policy_key.clone(), keys::roster(tenant)]).await?;
    let roster = roster(&mut found, tenant)?;
    if let Some(Roster { latest, is_open: true, .. }) = roster.as_ref().map(|roster| roster.value) {
        return Ok(Decision::rejected(Refusal::CutoffOpen { date: latest }));
    }
    let Some(policy) = found.take(&policy_key) else {
        return Ok(Decision::rejected(Refusal::NoCreditPolicy));
    };
    let policy = items::stored_policy(policy)?.policy;
    let company = found.take(&tenant_key).ok_or_else(|| Failure::malformed("open a cutoff", "no tenant"))?;
    let company = items::stored_tenant(tenant, company)?;
    let latest = roster.as_ref().map(|roster| roster.value.latest);
    if let Err(refusal) = policy.by_hand(&company.business_day, latest, date, now) {
        return Ok(Decision::rejected(refusal));
    }
    let cutoff = Cutoff::open(date, policy, now);
    let writes = opening(tenant, &cutoff, roster.map(|roster| roster.revision))?;
    Ok(Decision::applied(Value::Null, json!({ "policy": cutoff.policy }), writes.into()))
}

pub async fn resume(
    table: &Table,
    tenant: &TenantId,
    date: Date,
    now: Timestamp,
) -> Result<Decision, Failure> {
    let key = keys::cutoff(tenant, date);
    let mut found = table.read([key.clone()]).await?;
    let Some(stored) = take(&mut found, &key, |item| items::stored_cutoff(date, item))? else {
        return Ok(Decision::rejected(Refusal::NotFound));
    };
    let Stored { value: StoredCutoff { cutoff, .. }, revision } = stored;
    if cutoff.closed.is_some() {
        return Ok(Decision::rejected(Refusal::CutoffClosed));
    }
    let round = cutoff.round.number;
    let resumed = StoredCutoff { cutoff: cutoff.again(now), position: None };
    let after = json!({ "round": resumed.cutoff.round.number });
    let writes = vec![Write::Replace { item: items::cutoff(tenant, &resumed)?, from: revision }];
    Ok(Decision::applied(json!({ "round": round }), after, writes))
}

fn roster(found: &mut Found, tenant: &TenantId) -> Result<Option<Stored<Roster>>, Failure> {
    take(found, &keys::roster(tenant), items::stored_roster)
}
