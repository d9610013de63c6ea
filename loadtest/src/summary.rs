//! What is printed at the end.

use crate::audit::Audited;
use crate::send::Sent;
use hdrhistogram::Histogram;
use std::fmt;

/// Differences that are named one by one.
const SHOWN_MAX: usize = 5;

#[derive(Debug)]
pub struct Summary {
    /// Sales with at least one item.
    pub sales: usize,
    /// Sales that have nothing but `NONE`.
    pub skipped: usize,
    /// What the terminals saw, if anything was sent.
    pub sent: Option<Sent>,
    pub audited: Audited,
}

impl Summary {
    pub fn is_clean(&self) -> bool {
        self.audited.differences.is_empty()
    }
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { sales, skipped, sent, audited } = self;
        writeln!(f, "{:<20}{sales}, and {skipped} with nothing but NONE, not sent", "sales")?;
        writeln!(f, "{:<20}{}", "settled", audited.tally.settled)?;
        writeln!(f, "{:<20}{}", "rejected", audited.tally.rejected.values().sum::<usize>())?;
        for (reason, count) in &audited.tally.rejected {
            writeln!(f, "  {reason:<18}{count}")?;
        }
        if let Some(sent) = sent {
            terminals(f, sent, *sales)?;
        }
        let Audited { wallets, movements, differences, .. } = audited;
        if differences.is_empty() {
            return write!(f, "{:<20}clean: {wallets} wallets, {movements} movements", "audit");
        }
        write!(f, "{:<20}{} differences", "audit", differences.len())?;
        for difference in differences.iter().take(SHOWN_MAX) {
            write!(f, "\n  {difference}")?;
        }
        Ok(())
    }
}

fn terminals(f: &mut fmt::Formatter<'_>, sent: &Sent, sales: usize) -> fmt::Result {
    let elapsed_ms = sent.elapsed.as_millis().max(1);
    writeln!(f, "{:<20}{}", "failed", sent.failed)?;
    writeln!(f, "{:<20}{}", "replayed", sent.replayed)?;
    let per_second = sales as u128 * 1_000 / elapsed_ms;
    writeln!(f, "{:<20}{per_second}/s over {}.{} s", "rate", elapsed_ms / 1_000, elapsed_ms % 1_000 / 100)?;
    writeln!(f, "{:<20}{:>10}{:>10}{:>10}{:>10}", "latency in ms", "p50", "p90", "p99", "max")?;
    latency(f, "request to answer", &sent.answered_us)?;
    latency(f, "accept to outcome", &sent.decided_us)
}

fn latency(f: &mut fmt::Formatter<'_>, name: &str, latency_us: &Histogram<u64>) -> fmt::Result {
    write!(f, "  {name:<18}")?;
    for quantile in [0.5, 0.9, 0.99, 1.0] {
        if latency_us.is_empty() {
            write!(f, "{:>10}", "-")?;
        } else {
            let at_least_us = latency_us.lowest_equivalent(latency_us.value_at_quantile(quantile));
            let tenths = at_least_us.div_ceil(100);
            write!(f, "{:>10}", format!("{}.{}", tenths / 10, tenths % 10))?;
        }
    }
    writeln!(f)
}
