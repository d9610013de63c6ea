//! What calls cost: how many, and the capacity units that the table reports for them.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

/// Counts calls by operation and capacity units in all. Cheap enough to stay on everywhere.
#[derive(Debug, Default)]
pub struct Usage(Mutex<Spent>);

/// A reading of [`Usage`].
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Spent {
    pub calls: BTreeMap<&'static str, u64>,
    /// Read and write capacity in tenths of a unit: the service reports halves.
    pub read_decis: u64,
    pub write_decis: u64,
}

impl Usage {
    pub fn count(&self, operation: &'static str, read_units: f64, write_units: f64) {
        let mut spent = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        *spent.calls.entry(operation).or_default() += 1;
        spent.read_decis += decis(read_units);
        spent.write_decis += decis(write_units);
    }

    pub fn reading(&self) -> Spent {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The reading so far, and a fresh start.
    pub fn take(&self) -> Spent {
        std::mem::take(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

#[expect(clippy::float_arithmetic, reason = "the service reports capacity units as a double")]
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "units are small and positive")]
fn decis(units: f64) -> u64 {
    (units * 10.0).round() as u64
}
