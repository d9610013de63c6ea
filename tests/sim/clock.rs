//! The one time of a simulation: tokio's paused clock, and jumps on top of it.
//! Waiting costs nothing; a jump moves the calendar and leaves every running timer where it was.

use aws::clock::Clock;
use jiff::Timestamp;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use tokio::time::Instant;

/// When every simulation begins: a Monday, noon in Manila.
const BEGIN_MS: i64 = 1_772_424_000_000;

#[derive(Debug, Clone)]
pub struct SimClock {
    began: Instant,
    ahead_ms: Arc<AtomicI64>,
}

impl SimClock {
    /// Must be called inside the simulation's runtime.
    pub fn start() -> Self {
        Self { began: Instant::now(), ahead_ms: Arc::default() }
    }

    pub fn now_ms(&self) -> i64 {
        BEGIN_MS + self.elapsed_ms()
    }

    /// Since the beginning, jumps included.
    pub fn elapsed_ms(&self) -> i64 {
        self.played_ms() + self.ahead_ms.load(Ordering::Relaxed)
    }

    /// The same without what was jumped over.
    pub fn played_ms(&self) -> i64 {
        i64::try_from(self.began.elapsed().as_millis()).unwrap()
    }

    pub fn jump(&self, ms: i64) {
        self.ahead_ms.fetch_add(ms, Ordering::Relaxed);
    }

    /// The clock of a function that is off by so much.
    pub fn clock(&self, skew_ms: i64) -> Clock {
        let clock = self.clone();
        Clock::from_fn(move || Timestamp::from_millisecond(clock.now_ms() + skew_ms).unwrap())
    }
}
