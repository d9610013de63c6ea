//! Policies, cutoffs, and what the parts of a roster came to.

use super::{Item, Millis, from_item, sort_key, to_item};
use crate::failure::Failure;
use crate::keys::{self, Key};
use domain::cutoff::{Cutoff, Policy, Round, Sighting, StandingPolicy, Totals};
use domain::id::{EmployeeNumber, TenantId};
use jiff::civil::Date;
use serde::{Deserialize, Serialize};

#[derive(Serialize, Deserialize)]
struct PolicyItem {
    p: Policy,
    /// Since when.
    si: Millis,
}

pub fn policy(tenant: &TenantId, standing: &StandingPolicy) -> Result<Item, Failure> {
    let attributes = PolicyItem { p: standing.policy.clone(), si: standing.since.into() };
    to_item(keys::policy(tenant), &attributes)
}

pub fn stored_policy(item: Item) -> Result<StandingPolicy, Failure> {
    let stored: PolicyItem = from_item(item)?;
    Ok(StandingPolicy { policy: stored.p, since: stored.si.try_into()? })
}

/// The latest cutoff of a tenant. Whoever joins the roster or moves in it checks that it has not changed, and
/// replaces it by itself while a cutoff is open, so that nobody falls between a roster that is read and an
/// employee who is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Roster {
    #[serde(rename = "d")]
    pub latest: Date,
    #[serde(rename = "o")]
    pub is_open: bool,
}

pub fn roster(tenant: &TenantId, roster: &Roster) -> Result<Item, Failure> {
    to_item(keys::roster(tenant), roster)
}

pub fn stored_roster(item: Item) -> Result<Roster, Failure> {
    from_item(item)
}

#[derive(Serialize, Deserialize)]
struct CutoffItem {
    p: Policy,
    oa: Millis,
    /// Which round, when it began, and the roster's revision with since when it was seen.
    r: u32,
    ra: Millis,
    w0: u64,
    ws: Millis,
    /// Chunks and employees handed out, and behind whom the next begin.
    c: u32,
    n: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    at: Option<EmployeeNumber>,
    f: bool,
    /// When it was closed, and the totals.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    ca: Option<Millis>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    t: Option<Totals>,
    /// Whether nobody was told yet that it was closed.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    u: bool,
}

/// A cutoff, and how far its roster was handed out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredCutoff {
    pub cutoff: Cutoff,
    /// By number: a position in the roster would hold their name.
    pub behind: Option<EmployeeNumber>,
    /// Whether it was closed and nobody was told of it yet.
    pub is_untold: bool,
}

impl StoredCutoff {
    /// A cutoff of which nothing is handed out and nothing is to be told.
    pub fn new(cutoff: Cutoff) -> Self {
        Self { cutoff, behind: None, is_untold: false }
    }
}

pub fn cutoff(tenant: &TenantId, stored: &StoredCutoff) -> Result<Item, Failure> {
    let StoredCutoff { cutoff, behind, is_untold } = stored;
    let attributes = CutoffItem {
        p: cutoff.policy.clone(),
        oa: cutoff.opened_at.into(),
        r: cutoff.round.number,
        ra: cutoff.round.started_at.into(),
        w0: cutoff.round.roster.revision,
        ws: cutoff.round.roster.since.into(),
        c: cutoff.round.parts,
        n: cutoff.round.expected,
        at: behind.clone(),
        f: cutoff.round.is_handed_out,
        ca: cutoff.closed.as_ref().map(|(at, _)| (*at).into()),
        t: cutoff.closed.as_ref().map(|(_, totals)| totals.clone()),
        u: *is_untold,
    };
    to_item(keys::cutoff(tenant, cutoff.date), &attributes)
}

pub fn stored_cutoff(date: Date, item: Item) -> Result<StoredCutoff, Failure> {
    let stored: CutoffItem = from_item(item)?;
    let closed = stored.ca.zip(stored.t).map(|(at, totals)| Ok::<_, Failure>((at.try_into()?, totals)));
    let cutoff = Cutoff {
        date,
        policy: stored.p,
        opened_at: stored.oa.try_into()?,
        round: Round {
            number: stored.r,
            started_at: stored.ra.try_into()?,
            roster: Sighting { revision: stored.w0, since: stored.ws.try_into()? },
            parts: stored.c,
            expected: stored.n,
            is_handed_out: stored.f,
        },
        closed: closed.transpose()?,
    };
    Ok(StoredCutoff { cutoff, behind: stored.at, is_untold: stored.u })
}

/// A cutoff of a list.
pub fn listed_cutoff(item: Item) -> Result<StoredCutoff, Failure> {
    let date = keys::parse_cutoff(sort_key(&item)?)
        .ok_or_else(|| Failure::malformed("read a cutoff", "the sort key holds no date"))?;
    stored_cutoff(date, item)
}

pub fn cutoff_part(key: Key, totals: &Totals) -> Result<Item, Failure> {
    to_item(key, totals)
}

pub fn stored_cutoff_part(item: Item) -> Result<Totals, Failure> {
    from_item(item)
}
