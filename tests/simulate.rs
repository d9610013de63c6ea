//! `make simulate`: seeds by the thousand, or one in full.

#![expect(clippy::print_stdout, reason = "a tool for people")]

use clap::Parser;
use std::collections::BTreeSet;
use std::time::Instant;
use tests::sim::{self, script::Script};

#[derive(Debug, Parser)]
struct Args {
    #[arg(long, default_value_t = 1_000)]
    seeds: u64,
    #[arg(long, default_value_t = 0)]
    from: u64,
    /// Runs this seed alone and prints its whole history.
    #[arg(long)]
    seed: Option<u64>,
}

fn main() {
    let args = Args::parse();
    if let Some(seed) = args.seed {
        let report = sim::run(seed, &Script::of(seed), &BTreeSet::new(), true);
        for line in &report.lines {
            println!("{line}");
        }
        println!("{:?} {:?} {:?} {:x}", report.violation, report.faults, report.outcomes, report.hash);
        return;
    }
    let began = Instant::now();
    for seed in args.from..args.from + args.seeds {
        let report = sim::run(seed, &Script::of(seed), &BTreeSet::new(), false);
        if let Some(v) = report.violation {
            println!("{seed}: {v:?}");
        }
    }
    println!("{:?}", began.elapsed());
}
