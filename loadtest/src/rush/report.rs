//! What a rush came to, as JSON to compare and as a page to look at.

use super::Rush;
use super::audit::Audited;
use super::chart::{self, Across, Chart, Line};
use super::drive::Driven;
use super::floor::Floor;
use super::script::{Kind, Script};
use hdrhistogram::Histogram;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fmt;

/// The longest latency that is told apart: ten minutes, in microseconds.
const LATENCY_MAX_US: u64 = 600_000_000;
const DIGITS: u8 = 3;
const SECOND_US: u64 = 1_000_000;
/// Differences that a report names.
const DIFFERENCES_MAX: usize = 20;

/// What a system counted of itself: calls to the table, by who made them, and its time.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counters {
    functions: BTreeMap<String, Counted>,
    cpu_ms: Option<u64>,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counted {
    pub calls: u64,
    /// In tenths of a unit, as the others.
    pub read_decis: u64,
    pub write_decis: u64,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Report {
    pub rate: u32,
    pub seconds: u32,
    pub sent: usize,
    pub settled: usize,
    pub rejected: usize,
    pub voided: usize,
    /// Requests that had to be sent again though nothing asked for it.
    pub resent: usize,
    /// Sales accepted and settled within the seconds that count, in each.
    pub accepted_per_second: u64,
    pub settled_per_second: u64,
    /// From when a sale was due until it was accepted.
    pub answered: Percentiles,
    /// From accepted to decided, by the system's own clocks: before its commit, which `known` includes.
    pub accepted_to_decided: Percentiles,
    /// From when a sale was due until its terminal knew, of those that looked.
    pub known: Percentiles,
    /// How late a sale began for reasons of the load generator's own, at most.
    pub late_us: u64,
    /// Of each company, from the largest on: its sales, and how long they took from accepted to decided.
    pub companies: Vec<CompanyReport>,
    /// Of one settled checkout, in hundredths.
    pub per_checkout: BTreeMap<String, PerCheckout>,
    /// Of the whole system's process, all functions and services in it, for each sale that was sent.
    #[serde(default)]
    pub cpu_us_per_sale: Option<u64>,
    pub wallets: usize,
    pub movements: usize,
    pub differences: Vec<String>,
    pub series: Vec<Second>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub floor: Option<Floor>,
    /// The same as in `floor`, ten at a time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub floor_per_second: Option<u64>,
}

/// In microseconds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Percentiles {
    pub count: u64,
    pub p50_us: u64,
    pub p90_us: u64,
    pub p99_us: u64,
    pub max_us: u64,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct CompanyReport {
    pub settled: u64,
    pub accepted_to_decided: Percentiles,
}

#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub struct PerCheckout {
    pub calls_centi: u64,
    pub read_units_centi: u64,
    pub write_units_centi: u64,
}

/// One second from the beginning.
#[derive(Debug, Clone, Copy, Default, Serialize, Deserialize)]
pub struct Second {
    pub due: u64,
    pub accepted: u64,
    pub settled: u64,
    pub rejected: u64,
    pub p50_us: u64,
    pub p99_us: u64,
    pub backlog: u64,
    /// At the end of this second, how long ago the oldest was accepted of those that were not decided.
    #[serde(default)]
    pub oldest_us: u64,
    /// Of all functions, for a hundred checkouts that settled.
    #[serde(default)]
    pub calls_centi: u64,
    #[serde(default)]
    pub write_units_centi: u64,
}

/// Latencies. They are at most ten minutes, and what is longer counts as that.
#[derive(Debug)]
pub(crate) struct Latencies(Option<Histogram<u64>>);

impl Latencies {
    pub(crate) fn new() -> Self {
        Self(Histogram::new_with_max(LATENCY_MAX_US, DIGITS).ok())
    }

    pub(crate) fn of(latencies: impl IntoIterator<Item = u64>) -> Percentiles {
        let mut all = Self::new();
        latencies.into_iter().for_each(|one| all.add(one));
        all.percentiles()
    }

    pub(crate) fn add(&mut self, us: u64) {
        if let Some(histogram) = &mut self.0 {
            histogram.saturating_record(us);
        }
    }

    /// Those so far, and a fresh start.
    pub(crate) fn take(&mut self) -> Percentiles {
        std::mem::replace(self, Self::new()).percentiles()
    }

    fn percentiles(&self) -> Percentiles {
        let Some(all) = self.0.as_ref().filter(|all| !all.is_empty()) else { return Percentiles::default() };
        let at = |quantile| all.value_at_quantile(quantile);
        Percentiles {
            count: all.len(),
            p50_us: at(0.5),
            p90_us: at(0.9),
            p99_us: at(0.99),
            max_us: all.max(),
        }
    }
}

impl Report {
    pub fn new(
        rush: &Rush,
        script: &Script,
        driven: &Driven,
        audited: &Audited,
        counters: Option<(Counters, Counters)>,
    ) -> Self {
        let seconds = u64::from(rush.seconds.max(1));
        let since_us = |at: jiff::Timestamp| {
            u64::try_from(at.duration_since(driven.started_at).as_micros()).unwrap_or(0)
        };
        let counts = micros(script.counts.start)..micros(script.counts.end);
        let in_time = |at: jiff::Timestamp| counts.contains(&since_us(at));
        let took = |one: &&super::audit::Decided| {
            u64::try_from(one.decided_at.duration_since(one.accepted_at).as_micros()).unwrap_or(0)
        };
        let settled: Vec<_> = audited.decided.iter().filter(|one| one.is_settled).collect();
        let counted: Vec<_> = settled.iter().copied().filter(|one| in_time(one.accepted_at)).collect();
        let companies = audited.decided.iter().map(|one| one.company).max().map_or(0, |last| last + 1);
        let companies = (0..companies).map(|company| {
            let own: Vec<_> = counted.iter().copied().filter(|one| one.company == company).collect();
            CompanyReport {
                settled: own.len() as u64,
                accepted_to_decided: Latencies::of(own.iter().map(took)),
            }
        });
        let answered =
            script.sales.iter().zip(&driven.sent).filter(|(sale, _)| script.counts.contains(&sale.due));
        let sent: Vec<_> = answered.filter_map(|(_, sent)| sent.as_ref()).collect();
        Self {
            rate: rush.rate,
            seconds: rush.seconds,
            sent: script.len(),
            settled: settled.len(),
            rejected: audited.decided.len() - settled.len(),
            voided: script.sales.iter().filter(|sale| sale.kind == Kind::Void).count(),
            resent: driven.sent.iter().flatten().map(|sent| sent.resent).sum(),
            accepted_per_second: audited.decided.iter().filter(|one| in_time(one.accepted_at)).count() as u64
                / seconds,
            settled_per_second: settled.iter().filter(|one| in_time(one.decided_at)).count() as u64 / seconds,
            answered: Latencies::of(
                sent.iter().filter(|sent| sent.is_accepted()).map(|sent| sent.answered_us),
            ),
            accepted_to_decided: Latencies::of(counted.iter().map(took)),
            known: Latencies::of(sent.iter().filter_map(|sent| Some(sent.told.as_ref()?.1))),
            late_us: driven.late_us,
            companies: companies.collect(),
            cpu_us_per_sale: counters.as_ref().and_then(|(before, after)| {
                let spent_ms = after.cpu_ms?.saturating_sub(before.cpu_ms?);
                Some(spent_ms * 1_000 / (script.len() as u64).max(1))
            }),
            per_checkout: counters
                .map(|(before, after)| per_checkout(&before, &after, settled.len() as u64))
                .unwrap_or_default(),
            wallets: audited.wallets,
            movements: audited.movements,
            differences: audited.differences.iter().take(DIFFERENCES_MAX).cloned().collect(),
            series: series(script, driven, audited),
            floor: None,
            floor_per_second: None,
        }
    }

    pub fn with_floor(self, floor: Floor) -> Self {
        Self { floor: Some(floor), floor_per_second: Some(floor.ten_per_second), ..self }
    }

    pub fn is_clean(&self) -> bool {
        self.differences.is_empty()
    }

    /// A page of its own: figures, charts, and nothing that is fetched.
    pub fn html(&self) -> String {
        let line = |name: &'static str, of: fn(&Second) -> u64| Line {
            name,
            values: self.series.iter().map(of).collect(),
        };
        let charts = [
            Chart {
                title: "Sales a second",
                unit: "",
                across: Across::Seconds,
                lines: vec![
                    line("due", |second| second.due),
                    line("accepted", |second| second.accepted),
                    line("settled", |second| second.settled),
                ],
            },
            Chart {
                title: "From accepted to decided",
                unit: "ms",
                across: Across::Seconds,
                lines: vec![
                    line("p50", |second| second.p50_us / 1_000),
                    line("p99", |second| second.p99_us / 1_000),
                ],
            },
            Chart {
                title: "Messages that wait",
                unit: "",
                across: Across::Seconds,
                lines: vec![line("checkouts", |second| second.backlog)],
            },
            Chart {
                title: "How long the oldest of them waits",
                unit: "ms",
                across: Across::Seconds,
                lines: vec![line("oldest", |second| second.oldest_us / 1_000)],
            },
            Chart {
                title: "Calls to the table, and units written, for a hundred that settled",
                unit: "",
                across: Across::Seconds,
                lines: vec![
                    line("calls", |second| second.calls_centi),
                    line("units", |second| second.write_units_centi),
                ],
            },
            Chart {
                title: "Rejected a second",
                unit: "",
                across: Across::Seconds,
                lines: vec![line("rejected", |second| second.rejected)],
            },
        ];
        chart::page("Lunch rush", &self.to_string(), &charts)
    }
}

fn per_checkout(before: &Counters, after: &Counters, settled: u64) -> BTreeMap<String, PerCheckout> {
    let settled = settled.max(1);
    let of = |(name, after): (&String, &Counted)| {
        let before = before.functions.get(name).copied().unwrap_or_default();
        let share = |after: u64, before: u64, times: u64| after.saturating_sub(before) * times / settled;
        let per = PerCheckout {
            calls_centi: share(after.calls, before.calls, 100),
            read_units_centi: share(after.read_decis, before.read_decis, 10),
            write_units_centi: share(after.write_decis, before.write_decis, 10),
        };
        (name.clone(), per)
    };
    after.functions.iter().map(of).collect()
}

fn series(script: &Script, driven: &Driven, audited: &Audited) -> Vec<Second> {
    let length = script.sales.last().map_or(0, |last| last.due.as_secs()) + 1;
    let length = usize::try_from(length).unwrap_or(0);
    let mut series = vec![Second::default(); length];
    let mut latencies: Vec<_> = (0..length).map(|_| Latencies::new()).collect();
    let since_us = |at: jiff::Timestamp| {
        u64::try_from(at.duration_since(driven.started_at).as_micros()).unwrap_or_default()
    };
    let second = |at: jiff::Timestamp| usize::try_from(since_us(at) / SECOND_US).ok();
    for sale in &script.sales {
        if let Some(second) =
            usize::try_from(sale.due.as_secs()).ok().and_then(|second| series.get_mut(second))
        {
            second.due += 1;
        }
    }
    for one in &audited.decided {
        if let Some(at) = second(one.accepted_at).and_then(|second| series.get_mut(second)) {
            at.accepted += 1;
        }
        if let Some(at) = second(one.decided_at).and_then(|second| series.get_mut(second)) {
            if one.is_settled {
                at.settled += 1;
            } else {
                at.rejected += 1;
            }
        }
        if let Some(at) = second(one.accepted_at).and_then(|second| latencies.get_mut(second)) {
            at.add(since_us(one.decided_at).saturating_sub(since_us(one.accepted_at)));
        }
        // At the end of each second in which it was accepted and not decided.
        let waited = since_us(one.accepted_at) / SECOND_US..since_us(one.decided_at) / SECOND_US;
        for past in waited {
            if let Some(at) = usize::try_from(past).ok().and_then(|past| series.get_mut(past)) {
                at.oldest_us = at.oldest_us.max((past + 1) * SECOND_US - since_us(one.accepted_at));
            }
        }
    }
    for (index, second) in series.iter_mut().enumerate() {
        let percentiles = latencies.get(index).map(Latencies::percentiles).unwrap_or_default();
        (second.p50_us, second.p99_us) = (percentiles.p50_us, percentiles.p99_us);
        let look = |at: usize| driven.looks.get(&(at as u64));
        second.backlog = look(index).map_or(0, |look| look.backlog);
        let counters = |at| look(at).and_then(|look| look.counters.as_ref());
        if let (Some(before), Some(after), 1..) = (counters(index), counters(index + 1), second.settled) {
            let all = per_checkout(before, after, second.settled);
            second.calls_centi = all.values().map(|per| per.calls_centi).sum();
            second.write_units_centi = all.values().map(|per| per.write_units_centi).sum();
        }
    }
    series
}

fn micros(duration: std::time::Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "{} s that count, at up to {} sales a second; {} sales with those before",
            self.seconds, self.rate, self.sent
        )?;
        writeln!(
            f,
            "  {} settled, {} rejected, {} to be voided again; {} requests had to be sent again",
            self.settled, self.rejected, self.voided, self.resent
        )?;
        writeln!(f, "  accepted {}/s, settled {}/s", self.accepted_per_second, self.settled_per_second)?;
        writeln!(f, "  in ms {:>27}{:>9}{:>9}{:>9}{:>10}", "p50", "p90", "p99", "max", "of")?;
        let rows = [
            ("due to accepted", self.answered),
            ("accepted to decided", self.accepted_to_decided),
            ("due to known", self.known),
        ];
        for (name, percentiles) in rows {
            writeln!(f, "  {name:<24}{percentiles}")?;
        }
        for (index, company) in self.companies.iter().enumerate() {
            writeln!(f, "  company {:<16}{}", index + 1, company.accepted_to_decided)?;
        }
        for (name, per) in &self.per_checkout {
            writeln!(
                f,
                "  a checkout costs {name:<14} {} calls, {} read and {} write units of the table",
                centis(per.calls_centi),
                centis(per.read_units_centi),
                centis(per.write_units_centi)
            )?;
        }
        if let Some(us) = self.cpu_us_per_sale {
            writeln!(f, "  a sale costs the system's process {us} us of CPU, services included")?;
        }
        if let Some(floor) = &self.floor {
            writeln!(
                f,
                "  the bare engine, the same writes alone: {} checkouts/s one at a time, {} ten at a time, {} messages/s; \
                 this rate is {} of ten at a time",
                floor.one_per_second,
                floor.ten_per_second,
                floor.messages_per_second,
                centis(self.settled_per_second * 100 / floor.ten_per_second.max(1))
            )?;
        }
        writeln!(f, "  no sale began more than {} ms late", self.late_us.div_ceil(1_000))?;
        write!(f, "  audit: {} wallets, {} movements, ", self.wallets, self.movements)?;
        match self.differences.as_slice() {
            [] => f.write_str("every sale as foreseen, every wallet the sum of its movements"),
            differences => write!(f, "NOT CLEAN:\n    {}", differences.join("\n    ")),
        }
    }
}

impl fmt::Display for Percentiles {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for us in [self.p50_us, self.p90_us, self.p99_us, self.max_us] {
            let tenths = us.div_ceil(100);
            write!(f, "{:>9}", format!("{}.{}", tenths / 10, tenths % 10))?;
        }
        write!(f, "{:>10}", self.count)
    }
}

fn centis(value: u64) -> String {
    format!("{}.{:02}", value / 100, value % 100)
}
