//! Sends checkouts as a row of terminals would, each to its outcome, and measures both ways.
//!
//! At a rate, sales begin when they are due and not when an answer made room, and their latency counts
//! from then; a slow system is not given a slower lunch.

use crate::plan::PlannedCheckout;
use crate::terminal::{Answer, Terminal, TerminalError};
use futures_util::{StreamExt, TryStreamExt, stream};
use hdrhistogram::{CreationError, Histogram};
use indicatif::ProgressBar;
use jiff::Timestamp;
use std::collections::BTreeMap;
use std::num::{NonZeroU32, NonZeroUsize, ParseIntError};
use std::pin::pin;
use std::str::FromStr;
use std::time::Duration;
use thiserror::Error;
use tokio::time::Instant;

/// Sales under way at the same time when a rate is kept: as many sockets, well below the 1,024 files that
/// a process usually may open.
const UNDER_WAY_MAX: usize = 512;
/// The longest latency that is told apart: ten minutes, in microseconds.
const LATENCY_MAX_US: u64 = 600_000_000;
/// Latencies are kept to three digits.
const DIGITS: u8 = 3;

/// How fast.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rate {
    /// As fast as the terminals sell, one sale after the other.
    Max,
    PerSecond(NonZeroU32),
}

impl FromStr for Rate {
    type Err = ParseIntError;

    fn from_str(text: &str) -> Result<Self, ParseIntError> {
        if text == "max" { Ok(Self::Max) } else { text.parse().map(Self::PerSecond) }
    }
}

/// How fast, and by how many if as fast as they can.
#[derive(Debug, Clone, Copy)]
pub struct Pace {
    pub rate: Rate,
    pub terminals: NonZeroUsize,
}

impl Pace {
    fn under_way_max(self) -> usize {
        match self.rate {
            Rate::Max => self.terminals.get(),
            Rate::PerSecond(_) => UNDER_WAY_MAX,
        }
    }

    /// When the sale with this index begins.
    fn due(self, started: Instant, index: usize) -> Instant {
        match self.rate {
            Rate::Max => Instant::now(),
            Rate::PerSecond(rate) => {
                let due_us = index as u64 * 1_000_000 / u64::from(rate.get());
                started + Duration::from_micros(due_us)
            }
        }
    }
}

#[derive(Debug, Error)]
pub enum SendError {
    #[error("transaction {transaction} was not sold")]
    Sale { transaction: String, source: TerminalError },
    #[error("latencies cannot be measured")]
    Histogram(#[from] CreationError),
}

/// Outcomes by kind.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Tally {
    pub settled: usize,
    /// By reason.
    pub rejected: BTreeMap<String, usize>,
}

/// What came back.
#[derive(Debug)]
pub struct Sent {
    pub tally: Tally,
    /// Accepted, and nothing came of it.
    pub failed: usize,
    /// Outcomes of an earlier run.
    pub replayed: usize,
    pub elapsed: Duration,
    /// From request to `202` or `200`, in microseconds.
    pub answered_us: Histogram<u64>,
    /// From accepted to decided by the system's own clock, in microseconds; not of replayed ones.
    pub decided_us: Histogram<u64>,
}

struct Sold {
    answered: Duration,
    outcome: Answer,
}

/// Sends every checkout and follows it to its outcome.
pub async fn send(
    terminal: &Terminal,
    checkouts: &[&PlannedCheckout],
    pace: Pace,
    progress: &ProgressBar,
) -> Result<Sent, SendError> {
    let started = Instant::now();
    let mut sent = Sent::new()?;
    let sales = stream::iter(checkouts.iter().enumerate())
        .then(async |(index, checkout)| {
            let due = pace.due(started, index);
            tokio::time::sleep_until(due).await;
            (due, *checkout)
        })
        .map(|(due, checkout)| sell(terminal, checkout, due))
        .buffer_unordered(pace.under_way_max());
    let mut sales = pin!(sales);
    while let Some(sold) = sales.try_next().await? {
        sent.add(&sold);
        progress.inc(1);
    }
    sent.elapsed = started.elapsed();
    Ok(sent)
}

async fn sell(terminal: &Terminal, checkout: &PlannedCheckout, due: Instant) -> Result<Sold, SendError> {
    let failed = |source| SendError::Sale { transaction: checkout.transaction.clone(), source };
    let answer = terminal.sell(checkout.id, &checkout.body()).await.map_err(failed)?;
    let answered = due.elapsed();
    let outcome = match answer.outcome() {
        "pending" => terminal.follow(&answer).await.map_err(failed)?,
        _ => answer,
    };
    Ok(Sold { answered, outcome })
}

impl Sent {
    fn new() -> Result<Self, CreationError> {
        let histogram = || Histogram::new_with_max(LATENCY_MAX_US, DIGITS);
        Ok(Self {
            tally: Tally::default(),
            failed: 0,
            replayed: 0,
            elapsed: Duration::ZERO,
            answered_us: histogram()?,
            decided_us: histogram()?,
        })
    }

    fn add(&mut self, sold: &Sold) {
        let Sold { answered, outcome } = sold;
        self.answered_us.saturating_record(u64::try_from(answered.as_micros()).unwrap_or(u64::MAX));
        if outcome.is_replayed() {
            self.replayed += 1;
        } else if let Some(decided_us) = accept_to_outcome_us(outcome) {
            self.decided_us.saturating_record(decided_us);
        }
        match outcome.outcome() {
            "settled" => self.tally.settled += 1,
            "failed" => self.failed += 1,
            reason => *self.tally.rejected.entry(reason.to_owned()).or_default() += 1,
        }
    }
}

fn accept_to_outcome_us(outcome: &Answer) -> Option<u64> {
    let at = |field: &str| outcome.body[field].as_str()?.parse::<Timestamp>().ok();
    let decided_at = at("settled_at").or_else(|| at("rejected_at"))?;
    u64::try_from(decided_at.duration_since(at("accepted_at")?).as_micros()).ok()
}
