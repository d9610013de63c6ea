//! Policies, cutoffs, and what the parts of a roster came to.

use super::{Item, Millis, from_item, sort_key, to_item};
use crate::failure::Failure;
use crate::keys::{self, Key};
use crate::table::Position;
use domain::cutoff::{Cutoff, Policy, Round, StandingPolicy, Totals};
use domain::id::TenantId;
use jiff::Timestamp;
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
/// says so while a cutoff is open, so that nobody falls between a roster that is read and an employee who is
/// written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Roster {
    pub latest: Date,
    pub is_open: bool,
    /// When somebody joined or moved while a cutoff was open, or it was opened.
    pub changed_at: Timestamp,
}

#[derive(Serialize, Deserialize)]
struct RosterItem {
    d: Date,
    o: bool,
    ca: Millis,
}

pub fn roster(tenant: &TenantId, roster: &Roster) -> Result<Item, Failure> {
    let Roster { latest, is_open, changed_at } = *roster;
    to_item(keys::roster(tenant), &RosterItem { d: latest, o: is_open, ca: changed_at.into() })
}

pub fn stored_roster(item: Item) -> Result<Roster, Failure> {
    let RosterItem { d, o, ca } = from_item(item)?;
    Ok(Roster { latest: d, is_open: o, changed_at: ca.try_into()? })
}

#[derive(Serialize, Deserialize)]
struct CutoffItem {
    p: Policy,
    oa: Millis,
    /// Which round, and when it began.
    r: u32,
    ra: Millis,
    /// Chunks and employees handed out, and behind which of the roster the next begin.
    c: u32,
    n: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    at: Option<Position>,
    f: bool,
    /// When it was closed, and the totals.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    ca: Option<Millis>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    t: Option<Totals>,
}

/// A cutoff, and how far its roster was handed out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredCutoff {
    pub cutoff: Cutoff,
    pub position: Option<Position>,
}

pub fn cutoff(tenant: &TenantId, stored: &StoredCutoff) -> Result<Item, Failure> {
    let StoredCutoff { cutoff, position } = stored;
    let attributes = CutoffItem {
        p: cutoff.policy.clone(),
        oa: cutoff.opened_at.into(),
        r: cutoff.round.number,
        ra: cutoff.round.started_at.into(),
        c: cutoff.round.chunks,
        n: cutoff.round.expected,
        at: position.clone(),
        f: cutoff.round.is_fanned_out,
        ca: cutoff.closed.as_ref().map(|(at, _)| (*at).into()),
        t: cutoff.closed.as_ref().map(|(_, totals)| totals.clone()),
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
            chunks: stored.c,
            expected: stored.n,
            is_fanned_out: stored.f,
        },
        closed: closed.transpose()?,
    };
    Ok(StoredCutoff { cutoff, position: stored.at })
}

/// A cutoff of a list.
pub fn listed_cutoff(item: Item) -> Result<Cutoff, Failure> {
    let date = keys::parse_cutoff(sort_key(&item)?)
        .ok_or_else(|| Failure::malformed("read a cutoff", "the sort key holds no date"))?;
    Ok(stored_cutoff(date, item)?.cutoff)
}

pub fn chunk(key: Key, totals: &Totals) -> Result<Item, Failure> {
    to_item(key, totals)
}

pub fn stored_chunk(item: Item) -> Result<Totals, Failure> {
    from_item(item)
}
