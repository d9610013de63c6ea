//! Trying again: the only module that knows `backoff`, and the only retries there are (the SDK's
//! own are off, so that attempts do not multiply).

use crate::failure::Failure;
use backoff::ExponentialBackoff;
use backoff::backoff::Backoff;
use std::ops::RangeInclusive;
use std::time::Duration;

/// What becomes of a pause: half of it to half as much again, so that those who lost together do
/// not come back together. From a generator that a simulation can seed.
const JITTER_PERCENT: RangeInclusive<u32> = 50..=150;

/// How often and how long to try again.
#[derive(Debug, Clone, Copy)]
pub struct Policy {
    /// Attempts in all, the first included.
    pub max_attempts: u32,
    pub first_pause: Duration,
    pub longest_pause: Duration,
}

impl Policy {
    /// For callers who try again themselves.
    pub const ONCE: Policy =
        Policy { max_attempts: 1, first_pause: Duration::ZERO, longest_pause: Duration::ZERO };
    /// In front of a terminal that waits: three attempts, with pauses of some 100 ms in all.
    pub const INTAKE: Policy = Policy {
        max_attempts: 3,
        first_pause: Duration::from_millis(25),
        longest_pause: Duration::from_millis(100),
    };
    /// In a worker, inside a function timeout of 10 s: six attempts, with pauses of some 2 s in all.
    pub const WORKER: Policy = Policy {
        max_attempts: 6,
        first_pause: Duration::from_millis(25),
        longest_pause: Duration::from_secs(1),
    };

    /// The pauses between attempts, jittered; ends when the attempts are used up.
    pub fn pauses(self) -> Pauses {
        let growing = ExponentialBackoff {
            initial_interval: self.first_pause,
            current_interval: self.first_pause,
            max_interval: self.longest_pause,
            multiplier: 3.0,
            randomization_factor: 0.0,
            max_elapsed_time: None,
            ..ExponentialBackoff::default()
        };
        Pauses { growing, left: self.max_attempts.saturating_sub(1) }
    }
}

/// An exponential backoff that gives up after a number of pauses.
#[derive(Debug)]
pub struct Pauses {
    growing: ExponentialBackoff,
    left: u32,
}

impl Pauses {
    /// Sleeps before the next attempt; false if there is none left.
    pub async fn pause(&mut self) -> bool {
        match self.next_backoff() {
            Some(pause) => {
                tokio::time::sleep(pause).await;
                true
            }
            None => false,
        }
    }
}

impl Backoff for Pauses {
    fn next_backoff(&mut self) -> Option<Duration> {
        self.left = self.left.checked_sub(1)?;
        Some(self.growing.next_backoff()? * fastrand::u32(JITTER_PERCENT) / 100)
    }
}

/// Runs `attempt` until it succeeds, fails for good, or the policy is used up.
pub async fn transient<T, F>(policy: Policy, mut attempt: impl FnMut() -> F) -> Result<T, Failure>
where
    F: Future<Output = Result<T, Failure>>,
{
    backoff::future::retry(policy.pauses(), || {
        let attempt = attempt();
        async move {
            attempt.await.map_err(|failure| {
                if failure.is_transient() {
                    tracing::debug!(error = %crate::failure::chain(&failure), "will try again");
                    backoff::Error::transient(failure)
                } else {
                    backoff::Error::permanent(failure)
                }
            })
        }
    })
    .await
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::cell::Cell;

    #[track_caller]
    fn check(transient: bool, succeeds_at: u32, attempts: u32, succeeds: bool) {
        let runtime =
            tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
        let count = Cell::new(0);
        let result = runtime.block_on(super::transient(Policy::INTAKE, || {
            count.set(count.get() + 1);
            let done = count.get() == succeeds_at;
            async move {
                match (done, transient) {
                    (true, _) => Ok(()),
                    (false, true) => Err(Failure::transient("test", "later")),
                    (false, false) => Err(Failure::malformed("test", "never")),
                }
            }
        }));
        assert_eq!((count.get(), result.is_ok()), (attempts, succeeds));
    }

    #[test]
    fn only_what_may_pass_is_tried_again_and_not_for_ever() {
        check(true, 1, 1, true);
        check(true, 3, 3, true);
        check(true, 9, 3, false);
        check(false, 9, 1, false);
    }
}
