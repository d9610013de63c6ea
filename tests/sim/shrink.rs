//! Makes a failing run smaller: kinds of trouble left out one after the other, then steps of the
//! script in halves, as long as the same invariant is violated.

use super::chaos::Kind;
use super::oracle::Invariant;
use super::script::Script;
use super::{Report, run};
use std::collections::BTreeSet;

/// Runs that making it smaller may take: half a minute.
const TRIES_MAX: usize = 400;

/// The smallest failing run that was found.
#[derive(Debug)]
pub struct Shrunk {
    pub script: Script,
    pub without: BTreeSet<Kind>,
    pub report: Report,
}

/// Starts from a run of the seed that violates `invariant`.
pub fn shrink(seed: u64, invariant: Invariant) -> Shrunk {
    let mut shrinking =
        Shrinking { seed, invariant, tries: 0, script: Script::of(seed), without: BTreeSet::new() };
    for kind in Kind::ALL {
        shrinking.try_without(kind);
    }
    let mut size = shrinking.script.steps.len().div_ceil(2);
    while size > 0 {
        shrinking.try_without_steps(size);
        size = if size == 1 { 0 } else { size.div_ceil(2) };
    }
    let report = run(seed, &shrinking.script, &shrinking.without, true);
    Shrunk { script: shrinking.script, without: shrinking.without, report }
}

struct Shrinking {
    seed: u64,
    invariant: Invariant,
    tries: usize,
    script: Script,
    without: BTreeSet<Kind>,
}

impl Shrinking {
    fn fails(&mut self, script: &Script, without: &BTreeSet<Kind>) -> bool {
        self.tries += 1;
        self.tries <= TRIES_MAX
            && run(self.seed, script, without, false)
                .violation
                .is_some_and(|violation| violation.invariant == self.invariant)
    }

    fn try_without(&mut self, kind: Kind) {
        let mut without = self.without.clone();
        without.insert(kind);
        let script = self.script.without(&without);
        if self.fails(&script, &without) {
            (self.script, self.without) = (script, without);
        }
    }

    /// Leaves out every run of `size` steps that it fails without.
    fn try_without_steps(&mut self, size: usize) {
        let mut from = 0;
        while from < self.script.steps.len() {
            let to = self.script.steps.len().min(from + size);
            let mut script = self.script.clone();
            script.steps.drain(from..to);
            let without = self.without.clone();
            if self.fails(&script, &without) {
                self.script = script;
            } else {
                from = to;
            }
        }
    }
}
