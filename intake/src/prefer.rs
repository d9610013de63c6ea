//! `Prefer: wait=N` (RFC 7240): the longest a client would have us wait for an outcome.

use axum::http::HeaderMap;
use std::time::Duration;

/// Longer wishes are cut to this.
const MAX_WAIT_SECONDS: u64 = 5;
/// Reads in one wait, whatever its length.
const MAX_READS: usize = 6;

/// How long to wait, zero if nothing (readable) is wished: a preference is never an error.
pub fn wait(headers: &HeaderMap) -> Duration {
    let preferences = headers.get_all("prefer").iter().filter_map(|value| value.to_str().ok());
    let mut named = preferences.flat_map(|value| value.split(',')).filter_map(|part| {
        let (name, value) = part.split_once('=')?;
        let is_wait = name.trim().eq_ignore_ascii_case("wait");
        is_wait.then(|| value.split(';').next().unwrap_or_default().trim().trim_matches('"'))
    });
    let seconds =
        named.next().filter(|seconds| seconds.bytes().all(|b| b.is_ascii_digit()) && !seconds.is_empty());
    let seconds = seconds.map_or(0, |seconds| seconds.parse().unwrap_or(MAX_WAIT_SECONDS));
    Duration::from_secs(MAX_WAIT_SECONDS.min(seconds))
}

/// What the last read may take of the wait.
const LAST_READ: Duration = Duration::from_millis(250);
/// The first pauses: most outcomes are there by then, however long a client would wait.
const FIRST_PAUSES_MS: [u32; 3] = [20, 40, 80];
/// Shares of the rest, each twice the one before.
const LATER_SHARES: [u32; 3] = [1, 2, 4];

/// The pauses before each read, ever longer, together the wait but for the time of the last read.
pub fn pauses(wait: Duration) -> impl Iterator<Item = Duration> {
    let first = FIRST_PAUSES_MS.map(|pause_ms| Duration::from_millis(pause_ms.into()));
    let rest = wait.saturating_sub(LAST_READ).saturating_sub(first.iter().sum());
    let later = LATER_SHARES.map(|share| rest * share / LATER_SHARES.iter().sum::<u32>());
    let reads = if wait.is_zero() { 0 } else { MAX_READS };
    first.into_iter().chain(later).take(reads)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(header: &str, seconds: u64) {
        let headers = HeaderMap::from_iter([("prefer".parse().unwrap(), header.parse().unwrap())]);
        assert_eq!(wait(&headers), Duration::from_secs(seconds), "{header:?}");
    }

    #[test]
    fn a_wish_is_read_and_cut() {
        check("wait=3", 3);
        check("respond-async, wait=2", 2);
        check("Wait = \"4\"; foo=bar", 4);
        check("wait=60", 5);
        check("wait=99999999999999999999999999", 5);
        check("wait=0", 0);
        check("wait=-1", 0);
        check("wait=soon", 0);
        check("wait=1, wait=2", 1);
        check("", 0);
    }

    #[test]
    fn six_growing_pauses_fill_the_wait() {
        let pauses: Vec<_> = pauses(Duration::from_secs(5)).collect();
        assert_eq!(pauses.len(), 6);
        assert!(pauses.is_sorted());
        let total: Duration = pauses.iter().sum();
        assert!(Duration::from_millis(4_749) < total && total <= Duration::from_millis(4_750));
        assert_eq!(super::pauses(Duration::ZERO).count(), 0);
    }
}
