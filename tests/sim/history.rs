//! What happened, in order. Always hashed, so that two runs of a seed can be compared; kept in full
//! only when somebody wants to read it.

use std::fmt::{self, Write};

/// FNV-1a: the same on every machine, and fast on short lines.
const FNV_OFFSET: u64 = 0xcbf2_9ce4_8422_2325;
const FNV_PRIME: u64 = 0x0100_0000_01b3;

#[derive(Debug)]
pub struct History {
    hash: u64,
    line: String,
    kept: Option<Vec<String>>,
}

impl History {
    pub fn new(is_kept: bool) -> Self {
        Self { hash: FNV_OFFSET, line: String::new(), kept: is_kept.then(Vec::new) }
    }

    pub fn record(&mut self, elapsed_ms: i64, event: fmt::Arguments<'_>) {
        self.line.clear();
        write!(self.line, "{:>10}.{:03} {event}", elapsed_ms / 1_000, elapsed_ms % 1_000).unwrap();
        for byte in self.line.bytes() {
            self.hash = (self.hash ^ u64::from(byte)).wrapping_mul(FNV_PRIME);
        }
        if let Some(kept) = &mut self.kept {
            kept.push(self.line.clone());
        }
    }

    pub fn hash(&self) -> u64 {
        self.hash
    }

    pub fn take_lines(&mut self) -> Vec<String> {
        self.kept.take().unwrap_or_default()
    }
}
