//! Looks at all of a tenant's wallets, and what their parts came to.

use super::{Item, Millis, forgotten, from_item, sort_key, to_item};
use crate::failure::Failure;
use crate::keys::{self, Key};
use domain::id::{EmployeeNumber, TenantId};
use domain::reconciliation::{Progress, Run, Tally};
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

/// How long parts are kept, for whoever asks about a run that is not closed: a month. The run itself stays.
const PART_KEPT: SignedDuration = SignedDuration::from_hours(31 * 24);

#[derive(Serialize, Deserialize)]
struct RunItem {
    oa: Millis,
    /// Parts and employees handed out, and behind whom the next begin.
    c: u32,
    n: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    at: Option<EmployeeNumber>,
    f: bool,
    /// When it was closed, and what it came to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    ca: Option<Millis>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    t: Option<Tally>,
}

/// A run, and how far its roster was handed out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredRun {
    pub run: Run,
    /// By number: a position in the roster would hold their name.
    pub behind: Option<EmployeeNumber>,
}

pub fn reconciliation(tenant: &TenantId, stored: &StoredRun) -> Result<Item, Failure> {
    let StoredRun { run, behind } = stored;
    let attributes = RunItem {
        oa: run.opened_at.into(),
        c: run.parts,
        n: run.expected,
        at: behind.clone(),
        f: run.is_handed_out,
        ca: run.closed.as_ref().map(|(at, _)| (*at).into()),
        t: run.closed.as_ref().map(|(_, tally)| tally.clone()),
    };
    to_item(keys::reconciliation(tenant, run.date), &attributes)
}

pub fn stored_reconciliation(item: Item) -> Result<StoredRun, Failure> {
    let date = keys::parse_reconciliation(sort_key(&item)?)
        .ok_or_else(|| Failure::malformed("read a reconciliation", "the sort key holds no date"))?;
    let stored: RunItem = from_item(item)?;
    let closed = stored.ca.zip(stored.t).map(|(at, tally)| Ok::<_, Failure>((at.try_into()?, tally)));
    let run = Run {
        date,
        opened_at: stored.oa.try_into()?,
        parts: stored.c,
        expected: stored.n,
        is_handed_out: stored.f,
        closed: closed.transpose()?,
    };
    Ok(StoredRun { run, behind: stored.at })
}

#[derive(Serialize, Deserialize)]
struct PartItem {
    /// How many employees were looked at, and whether that is all of the part.
    d: usize,
    f: bool,
    t: Tally,
}

/// At the key that [`keys::reconciliation_part`] made, for a month from `now`.
pub fn reconciliation_part(key: Key, progress: &Progress, now: Timestamp) -> Result<Item, Failure> {
    let Progress { looked_at, is_done, tally } = progress;
    let item = to_item(key, &PartItem { d: *looked_at, f: *is_done, t: tally.clone() })?;
    Ok(forgotten(item, now + PART_KEPT))
}

pub fn stored_reconciliation_part(item: Item) -> Result<Progress, Failure> {
    let PartItem { d, f, t } = from_item(item)?;
    Ok(Progress { looked_at: d, is_done: f, tally: t })
}
