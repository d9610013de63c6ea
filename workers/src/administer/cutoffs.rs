//! Cutoffs that somebody opens or resumes by hand. The rest is what the schedule's ticks do.

use super::decision::Decision;
use crate::open_cutoff::Ground;
use aws::failure::Failure;
use aws::items::{self, Roster, StoredCutoff};
use aws::keys;
use aws::stored::{Stored, take};
use aws::table::{Table, Write};
use domain::admin::Rejection;
use domain::id::TenantId;
use jiff::Timestamp;
use jiff::civil::Date;
use serde_json::{Value, json};

pub async fn open(table: &Table, tenant: &TenantId, date: Date, now: Timestamp) -> Result<Decision, Failure> {
    let Some(ground) = Ground::read(table, tenant).await? else {
        return Ok(Decision::rejected(Rejection::NotFound));
    };
    if let Some(Roster { latest, is_open: true }) = ground.roster() {
        return Ok(Decision::rejected(Rejection::CutoffOpen { date: latest }));
    }
    let Some(standing) = ground.policy() else {
        return Ok(Decision::rejected(Rejection::NoCreditPolicy));
    };
    if let Err(rejection) = standing.by_hand(&ground.business_day, ground.latest(), date, now) {
        return Ok(Decision::rejected(rejection));
    }
    let policy = standing.policy.clone();
    let (_, writes) = ground.open(tenant, date, now)?;
    Ok(Decision::applied(Value::Null, json!({ "policy": policy }), writes))
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
        return Ok(Decision::rejected(Rejection::NotFound));
    };
    let Stored { value: StoredCutoff { cutoff, .. }, revision } = stored;
    if cutoff.closed.is_some() {
        return Ok(Decision::rejected(Rejection::CutoffClosed));
    }
    let round = cutoff.round.number;
    let resumed = StoredCutoff::new(cutoff.again(now));
    let after = json!({ "round": resumed.cutoff.round.number });
    let writes = vec![Write::Replace { item: items::cutoff(tenant, &resumed)?, from: revision }];
    Ok(Decision::applied(json!({ "round": round }), after, writes))
}
