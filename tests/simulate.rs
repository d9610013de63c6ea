//! `make simulate` and `make mutants`: seeds by the thousand on every core, one seed in full, or every
//! planted bug until it is caught. Fails on a violation, on a kind of trouble or an outcome that never
//! happened, and on a bug that survives.

#![expect(clippy::print_stdout, reason = "a tool for people")]

use clap::Parser;
use std::collections::BTreeMap;
use std::ops::Range;
use std::process::ExitCode;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;
use tests::sim::chaos::Kind;
use tests::sim::shrink::shrink;
use tests::sim::{Report, Violation, run_seed};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// From so many seeds on, a kind of trouble that never happened is a mistake, and so is an outcome.
const ENOUGH_SEEDS: u64 = 300;
/// What comes of sales, corrections and changes dozens of times in so many seeds: a worker that refuses
/// everything, or takes everything, breaks no other invariant.
const COMMON: [&str; 35] = [
    "settled",
    "voided",
    "expired",
    "tenant-suspended",
    "employee-inactive",
    "badge-blocked",
    "unknown-meal",
    "sold-out",
    "price-changed",
    "insufficient-credit",
    "key-reused",
    "turned away",
    "Void booked",
    "Void not-settled",
    "Void already-voided",
    "Refund booked",
    "Refund not-settled",
    "Refund exceeds-sold",
    "Refund exceeds-paid",
    "Adjustment booked",
    "create-employee applied",
    "change-employee applied",
    "create-user applied",
    "set-meal applied",
    "set-availability applied",
    "set-station applied",
    "set-tenant applied",
    "set-tenant-status applied",
    "import-menu applied",
    "import-employees applied",
    "change precondition-failed",
    "answered 412",
    "correction's key reused",
    "resumed",
    "gap",
];

#[derive(Debug, Parser)]
struct Args {
    /// How many seeds to run.
    #[arg(long, default_value_t = 1_000)]
    seeds: u64,
    /// The first of them.
    #[arg(long, default_value_t = 0)]
    from: u64,
    /// Runs this seed alone and prints its whole history.
    #[arg(long)]
    seed: Option<u64>,
    /// Plants one bug after the other and runs seeds until each is caught.
    #[arg(long)]
    mutants: bool,
    /// Plants this bug and explains how it is caught.
    #[arg(long)]
    plant: Option<String>,
    #[arg(long, default_value_t = std::thread::available_parallelism().map_or(1, usize::from))]
    threads: usize,
}

fn main() -> ExitCode {
    let args = Args::parse();
    let seeds = args.from..args.from + args.seeds;
    let is_well = match (args.seed, args.plant) {
        (Some(seed), _) => tell(seed),
        (None, Some(name)) => explain_mutant(&name, seeds),
        (None, None) if args.mutants => mutants(seeds, args.threads),
        (None, None) => simulate(seeds, args.threads),
    };
    if is_well { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// What many seeds came to.
#[derive(Default)]
struct Tally {
    seeds: u64,
    /// Virtual time that they took.
    played_ms: i64,
    faults: BTreeMap<Kind, u64>,
    outcomes: BTreeMap<String, u64>,
    /// Of the lowest seed that failed.
    failed: Option<(u64, Violation)>,
}

impl Tally {
    fn add(&mut self, seed: u64, report: Report) {
        self.seeds += 1;
        self.played_ms += report.played_ms;
        for (kind, count) in report.faults {
            *self.faults.entry(kind).or_default() += count;
        }
        for (outcome, count) in report.outcomes {
            *self.outcomes.entry(outcome).or_default() += count;
        }
        if let Some(violation) = report.violation
            && self.failed.as_ref().is_none_or(|(failed, _)| seed < *failed)
        {
            self.failed = Some((seed, violation));
        }
    }
}

/// Runs seeds in order, as many at a time as there are threads, until one fails.
fn run_all(seeds: Range<u64>, threads: usize, prepare: impl Fn() + Sync) -> Tally {
    let (next, tally) = (AtomicU64::new(seeds.start), Mutex::new(Tally::default()));
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                prepare();
                loop {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if seed >= seeds.end {
                        return;
                    }
                    let report = run_seed(seed, false);
                    let is_failed = report.violation.is_some();
                    tally.lock().expect("a tally").add(seed, report);
                    if is_failed {
                        next.store(seeds.end, Ordering::Relaxed);
                    }
                }
            });
        }
    });
    tally.into_inner().expect("a tally")
}

fn tell(seed: u64) -> bool {
    let report = run_seed(seed, true);
    for line in &report.lines {
        println!("{line}");
    }
    println!("seed {seed}, history {:016x}: {:?}", report.hash, report.outcomes);
    if let Some(Violation { invariant, what }) = &report.violation {
        println!("violated: {invariant}: {what}");
    }
    report.violation.is_none()
}

fn simulate(seeds: Range<u64>, threads: usize) -> bool {
    let began = Instant::now();
    let tally = run_all(seeds, threads, || ());
    let hours = tally.played_ms / 3_600_000;
    println!(
        "{} seeds, {hours} hours simulated, in {:.1?} on {threads} threads",
        tally.seeds,
        began.elapsed()
    );
    if let Some((seed, violation)) = &tally.failed {
        explain(*seed, violation);
        return false;
    }
    println!("\nfaults");
    for kind in Kind::ALL {
        println!("  {:<14} {:>9}", format!("{kind:?}"), tally.faults.get(&kind).copied().unwrap_or_default());
    }
    println!("\noutcomes");
    for (outcome, count) in &tally.outcomes {
        println!("  {outcome:<28} {count:>9}");
    }
    let kinds = Kind::ALL.into_iter().filter(|kind| !tally.faults.contains_key(kind));
    let outcomes = COMMON.into_iter().filter(|outcome| !tally.outcomes.contains_key(*outcome));
    let missing: Vec<_> = kinds.map(|kind| format!("{kind:?}")).chain(outcomes.map(str::to_owned)).collect();
    if tally.seeds >= ENOUGH_SEEDS && !missing.is_empty() {
        println!("\nnever happened: {missing:?}");
        return false;
    }
    println!("\n0 violations\n{} passed, 0 failed", tally.seeds);
    true
}

/// Prints a smaller history of the same failure, and how to see all of it.
fn explain(seed: u64, violation: &Violation) {
    let Violation { invariant, what } = violation;
    println!("\nseed {seed} violates {invariant}: {what}");
    let shrunk = shrink(seed, *invariant);
    println!("\nshortened, without {:?}:", shrunk.without);
    for step in &shrunk.script.steps {
        println!("  {:>7} ms  {:?}", step.at_ms, step.act);
    }
    println!();
    for line in &shrunk.report.lines {
        println!("{line}");
    }
    println!("\nthe whole history: make simulate SEED={seed}");
}

#[cfg(not(feature = "planted-bugs"))]
fn mutants(_: Range<u64>, _: usize) -> bool {
    println!("there are no bugs in here: build with --features planted-bugs");
    false
}

#[cfg(not(feature = "planted-bugs"))]
fn explain_mutant(_: &str, seeds: Range<u64>) -> bool {
    mutants(seeds, 1)
}

#[cfg(feature = "planted-bugs")]
fn mutants(seeds: Range<u64>, threads: usize) -> bool {
    use domain::planted::{Planted, plant};
    println!("  {:<22} {:<14} {:>6}", "planted bug", "caught by", "seeds");
    let (mut survivors, mut most) = (0, 1);
    for planted in Planted::ALL {
        let tally = run_all(seeds.clone(), threads, || plant(Some(planted)));
        match tally.failed {
            Some((seed, Violation { invariant, .. })) => {
                let name = format!("{planted:?}");
                let taken = seed - seeds.start + 1;
                println!("  {name:<22} {:<14} {taken:>6}", invariant.to_string());
                most = most.max(taken);
            }
            None => {
                survivors += 1;
                println!("  {:<22} SURVIVED", format!("{planted:?}"));
            }
        }
    }
    // What catches a bug must find nothing where none is.
    let unbroken = run_all(seeds.start..seeds.start + most, threads, || plant(None));
    if let Some((seed, violation)) = &unbroken.failed {
        println!("  nothing at all is caught as well, by seed {seed}: {violation:?}");
    }
    survivors == 0 && unbroken.failed.is_none()
}

/// Plants one bug, and explains the first seed that catches it as if it were found by chance.
#[cfg(feature = "planted-bugs")]
fn explain_mutant(name: &str, seeds: Range<u64>) -> bool {
    use domain::planted::{Planted, plant};
    let named = Planted::ALL.into_iter().find(|planted| format!("{planted:?}") == name);
    let Some(planted) = named else {
        println!("one of {:?}", Planted::ALL);
        return false;
    };
    plant(Some(planted));
    let tally = run_all(seeds, 1, || plant(Some(planted)));
    let Some((seed, violation)) = tally.failed else { return false };
    explain(seed, &violation);
    true
}
