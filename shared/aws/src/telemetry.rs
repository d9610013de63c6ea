//! Logs and metrics: JSON lines on standard output, where CloudWatch reads both.
//!
//! No secret, token, body or personal name reaches a line; stage and tenant are in every metric.

use crate::clock::Clock;
use domain::cutoff::Totals;
use domain::id::TenantId;
use domain::import::Target;
use domain::reconciliation::Tally;
use jiff::SignedDuration;
use serde_json::{Map, Value, json};
use std::fmt;
use std::io::Write;
use std::sync::Arc;
use tracing_subscriber::EnvFilter;

/// Of every metric.
pub const NAMESPACE: &str = "InternalPos";
/// Values in one array of the embedded metric format, a CloudWatch limit.
const MAX_VALUES: usize = 100;

/// Sends `tracing` events to standard output as JSON, from `info` up.
pub fn init() {
    tracing_subscriber::fmt()
        .json()
        .flatten_event(true)
        .with_span_list(false)
        .with_env_filter(EnvFilter::new("info"))
        .init();
}

/// Where metric lines go.
#[derive(Clone)]
pub struct Metrics {
    clock: Clock,
    stage: String,
    line: Arc<dyn Fn(&str) + Send + Sync>,
}

impl fmt::Debug for Metrics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Metrics")
    }
}

/// What a metric counts in, in CloudWatch's words.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unit {
    Count,
    Milliseconds,
    Seconds,
}

impl Metrics {
    /// Lines on standard output, as Lambda hands them to CloudWatch.
    pub fn stdout(clock: Clock, stage: &str) -> Self {
        Self::to(clock, stage, |line| {
            let mut out = std::io::stdout().lock();
            if let Err(error) = writeln!(out, "{line}") {
                tracing::warn!(%error, "a metric line was not written");
            }
        })
    }

    pub fn to(clock: Clock, stage: &str, line: impl Fn(&str) + Send + Sync + 'static) -> Self {
        Self { clock, stage: stage.to_owned(), line: Arc::new(line) }
    }

    /// How many checkouts settled, and how long each took from acceptance.
    pub fn settled(&self, tenant: &TenantId, accept_to_settled_ms: &[i64]) {
        for chunk in accept_to_settled_ms.chunks(MAX_VALUES) {
            self.emit(
                &[("Tenant", tenant.as_str())],
                &[
                    ("Settled", Unit::Count, json!(chunk.len())),
                    ("AcceptToSettled", Unit::Milliseconds, json!(chunk)),
                ],
            );
        }
    }

    pub fn rejected(&self, tenant: &TenantId, reason: &str) {
        self.emit(&[("Tenant", tenant.as_str()), ("Reason", reason)], &[("Rejected", Unit::Count, json!(1))]);
    }

    pub fn administered(&self, tenant: &TenantId, change: &str) {
        self.emit(
            &[("Tenant", tenant.as_str()), ("Change", change)],
            &[("Administered", Unit::Count, json!(1))],
        );
    }

    /// What a closed cutoff came to.
    pub fn replenished(&self, tenant: &TenantId, totals: &Totals) {
        let skipped: u64 = totals.skipped.values().sum();
        self.emit(
            &[("Tenant", tenant.as_str())],
            &[
                ("Replenished", Unit::Count, json!(totals.booked)),
                ("NotReplenished", Unit::Count, json!(skipped)),
            ],
        );
    }

    /// A wallet that its movements do not explain.
    pub fn credit_difference(&self, tenant: &TenantId) {
        self.emit(&[("Tenant", tenant.as_str())], &[("CreditDifferences", Unit::Count, json!(1))]);
    }

    /// What a look at all of a tenant's wallets came to.
    pub fn reconciled(&self, tenant: &TenantId, tally: &Tally) {
        self.emit(
            &[("Tenant", tenant.as_str())],
            &[
                ("WalletsReconciled", Unit::Count, json!(tally.employees)),
                ("Findings", Unit::Count, json!(tally.findings())),
            ],
        );
    }

    /// Since when a cutoff is open, at every tick; zero if none is.
    pub fn cutoff_age(&self, tenant: &TenantId, age: SignedDuration) {
        self.emit(&[("Tenant", tenant.as_str())], &[("CutoffAge", Unit::Seconds, json!(age.as_secs()))]);
    }

    /// A file that was applied or refused.
    pub fn imported(&self, tenant: &TenantId, target: &Target, is_applied: bool) {
        let what = match target {
            Target::Menu(_) => "menu",
            Target::Roster => "roster",
        };
        let name = if is_applied { "ImportsApplied" } else { "ImportsRefused" };
        self.emit(&[("Tenant", tenant.as_str()), ("Target", what)], &[(name, Unit::Count, json!(1))]);
    }

    /// Of no tenant: a metric of each would be paid for in every hour, as ticks are batches, too.
    pub fn batch(&self, messages: usize, failed: usize) {
        self.emit(
            &[],
            &[("BatchSize", Unit::Count, json!(messages)), ("HandedBack", Unit::Count, json!(failed))],
        );
    }

    /// Messages that can never be worked off, of whichever tenant and worker: what a release cannot read, it
    /// tells at once.
    pub fn unworkable(&self, messages: usize) {
        if messages > 0 {
            self.emit(&[], &[("Unworkable", Unit::Count, json!(messages))]);
        }
    }

    /// One line in the embedded metric format.
    fn emit(&self, dimensions: &[(&str, &str)], metrics: &[(&str, Unit, Value)]) {
        let stage = ("Stage", self.stage.as_str());
        let dimensions: Vec<_> = [stage].iter().chain(dimensions).copied().collect();
        let names: Vec<_> = dimensions.iter().map(|(name, _)| name).collect();
        let declared: Vec<_> = metrics
            .iter()
            .map(|(name, unit, _)| json!({ "Name": name, "Unit": format!("{unit:?}") }))
            .collect();
        let mut line = Map::new();
        line.insert(
            "_aws".to_owned(),
            json!({
                "Timestamp": self.clock.now().as_millisecond(),
                "CloudWatchMetrics": [{ "Namespace": NAMESPACE, "Dimensions": [names], "Metrics": declared }],
            }),
        );
        line.extend(dimensions.iter().map(|(name, value)| ((*name).to_owned(), json!(value))));
        line.extend(metrics.iter().map(|(name, _, value)| ((*name).to_owned(), value.clone())));
        (self.line)(&Value::Object(line).to_string());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Mutex;

    #[test]
    fn a_metric_is_one_line_that_cloudwatch_reads() {
        let lines = Arc::new(Mutex::new(Vec::new()));
        let clock = Clock::from_fn(|| jiff::Timestamp::from_millisecond(1_000).unwrap());
        let sink = lines.clone();
        let metrics = Metrics::to(clock, "dev", move |line| sink.lock().unwrap().push(line.to_owned()));
        metrics.settled(&"acme".parse().unwrap(), &[12, 15]);
        let line: Value = serde_json::from_str(&lines.lock().unwrap()[0]).unwrap();
        let expected = json!({
            "_aws": {
                "Timestamp": 1_000,
                "CloudWatchMetrics": [{
                    "Namespace": "InternalPos",
                    "Dimensions": [["Stage", "Tenant"]],
                    "Metrics": [
                        { "Name": "Settled", "Unit": "Count" },
                        { "Name": "AcceptToSettled", "Unit": "Milliseconds" },
                    ],
                }],
            },
            "Stage": "dev",
            "Tenant": "acme",
            "Settled": 2,
            "AcceptToSettled": [12, 15],
        });
        assert_eq!(line, expected);
    }
}
