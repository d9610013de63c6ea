//! `make results`: how soon a station knows what came of a sale, by each of the ways there are.

use crate::send::SendError;
use crate::station::{Known, Station, StationError};
use crate::terminal::{Terminal, TerminalError};
use domain::id::{CheckoutId, InvalidKey};
use hdrhistogram::Histogram;
use local::endpoints::Endpoints;
use serde_json::{Value, json};
use std::fmt;
use std::time::Duration;
use thiserror::Error;
use tokio::time::Instant;
use uuid::Uuid;

/// Who sells, where, and to how many; of the demo.
const CASHIER: &str = "acme-cashier";
const STATION: &str = "coffee-bar-1";
const FIRST_BUYER: usize = 100_101;
const BUYERS: usize = 90;
/// Between two sales, so that none waits for another.
const PAUSE: Duration = Duration::from_millis(10);
/// The longest latency that is told apart: a minute, in microseconds.
const LATENCY_MAX_US: u64 = 60_000_000;
const DIGITS: u8 = 3;

#[derive(Debug, Error)]
pub enum ResultsError {
    #[error("the endpoints name no {CASHIER}")]
    NoCashier,
    #[error("a sale failed")]
    Terminal(#[from] TerminalError),
    #[error("a station failed")]
    Station(#[from] StationError),
    #[error("no id could be made")]
    Key(#[from] InvalidKey),
    #[error(transparent)]
    Send(#[from] SendError),
}

/// What was measured: from a sale's being sent to its outcome's being known, in microseconds.
#[derive(Debug)]
pub struct Results {
    sales: usize,
    socket_us: Histogram<u64>,
    wait_us: Histogram<u64>,
    poll_us: Histogram<u64>,
    /// Sales of whose outcome the socket told nothing in time.
    asked: usize,
}

/// Sells `sales` coffees in each way, in turn.
pub async fn measure(endpoints: &Endpoints, sales: usize) -> Result<Results, ResultsError> {
    let user = endpoints.users.iter().find(|user| user.username == CASHIER);
    let user = user.ok_or(ResultsError::NoCashier)?;
    let sign_in = async || Terminal::sign_in(endpoints, &user.username, &user.password).await;
    let (terminal, mut station) = (sign_in().await?, Station::new(sign_in().await?));
    let histogram = || Histogram::new_with_max(LATENCY_MAX_US, DIGITS).map_err(SendError::from);
    let mut results =
        Results { sales, socket_us: histogram()?, wait_us: histogram()?, poll_us: histogram()?, asked: 0 };
    for index in 0..sales {
        let began = Instant::now();
        let known = station.sell(key()?, &coffee(index)).await?;
        record(&mut results.socket_us, began);
        results.asked += usize::from(matches!(known, Known::Asked(_)));
        tokio::time::sleep(PAUSE).await;

        let began = Instant::now();
        let waited = terminal.sell_and_wait(key()?, &coffee(index)).await?;
        if waited.outcome() == "pending" {
            terminal.follow(&waited).await?;
        }
        record(&mut results.wait_us, began);
        tokio::time::sleep(PAUSE).await;

        let began = Instant::now();
        let accepted = terminal.sell(key()?, &coffee(index)).await?;
        terminal.follow(&accepted).await?;
        record(&mut results.poll_us, began);
        tokio::time::sleep(PAUSE).await;
    }
    Ok(results)
}

fn key() -> Result<CheckoutId, InvalidKey> {
    Uuid::now_v7().try_into()
}

fn coffee(index: usize) -> Value {
    let badge = format!("RF{}", FIRST_BUYER + index % BUYERS);
    json!({ "rfid": badge, "station": STATION, "items": [{ "code": "COFFEE", "qty": 1 }] })
}

fn record(histogram: &mut Histogram<u64>, began: Instant) {
    histogram.saturating_record(u64::try_from(began.elapsed().as_micros()).unwrap_or(u64::MAX));
}

impl fmt::Display for Results {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{} sales each, one after the other; from sent to known, in ms", self.sales)?;
        writeln!(f, "  {:<28}{:>8}{:>8}{:>8}", "", "p50", "p99", "max")?;
        let ways = [
            ("told over the socket", &self.socket_us),
            ("Prefer: wait=5", &self.wait_us),
            ("polled, pauses from 20 ms on", &self.poll_us),
        ];
        for (way, latency_us) in ways {
            write!(f, "  {way:<28}")?;
            for quantile in [0.5, 0.99, 1.0] {
                let tenths = latency_us.value_at_quantile(quantile).div_ceil(100);
                write!(f, "{:>8}", format!("{}.{}", tenths / 10, tenths % 10))?;
            }
            writeln!(f)?;
        }
        write!(f, "  asked for, because the socket was silent: {}", self.asked)
    }
}
