//! What the parts of a cutoff or a reconciliation come to that are done so far.

use crate::failure::Failure;
use crate::table::Table;
use crate::{items, keys};
use domain::cutoff::Totals;
use domain::id::TenantId;
use domain::reconciliation::Tally;
use jiff::civil::Date;

/// How many parts of a round are done, and what they come to.
pub async fn of_cutoff(
    table: &Table,
    tenant: &TenantId,
    date: Date,
    round: u32,
) -> Result<(u32, Totals), Failure> {
    let (mut parts, mut totals) = (0, Totals::default());
    for item in table.query_all(&keys::cutoff_parts(tenant, date, round)).await? {
        parts += 1;
        totals.add(&items::stored_cutoff_part(item)?);
    }
    Ok((parts, totals))
}

/// How many parts of a date's run are done, and what they come to, with those that are under way.
pub async fn of_reconciliation(
    table: &Table,
    tenant: &TenantId,
    date: Date,
) -> Result<(u64, Tally), Failure> {
    let (mut done, mut tally) = (0, Tally::default());
    for item in table.query_all(&keys::reconciliation_parts(tenant, date)).await? {
        let part = items::stored_reconciliation_part(item)?;
        done += u64::from(part.is_done);
        tally.add(part.tally);
    }
    Ok((done, tally))
}
