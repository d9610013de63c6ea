//! What a million checkouts cost: measured calls and units times prices, line by line.
//!
//! Dollars a million are also millionths of a dollar each, and so they are kept, in millionths of those:
//! whole numbers.

use crate::rush::report::Report;
use serde::Deserialize;
use std::fmt;

/// Prices and their date, in one file.
const PRICES: &str = include_str!("../prices.json");

#[derive(Debug, Clone, Deserialize)]
pub struct Prices {
    pub of: String,
    api_gateway_request: Price,
    lambda_request: Price,
    lambda_gb_ms_arm64: Price,
    sns_fifo_publish: Price,
    sns_fifo_delivery: Price,
    sqs_fifo_request: Price,
    dynamodb_write_unit: Price,
    dynamodb_read_unit: Price,
    log_kilobyte: Price,
}

/// Millionths of a dollar for a million.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(from = "f64")]
struct Price(u64);

impl From<f64> for Price {
    #[expect(clippy::float_arithmetic, reason = "a price list in decimals, read once into whole numbers")]
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "prices are small and positive"
    )]
    fn from(dollars: f64) -> Self {
        Self((dollars * 1e6).round() as u64)
    }
}

impl Prices {
    pub fn read() -> Result<Self, serde_json::Error> {
        serde_json::from_str(PRICES)
    }
}

/// How a system is used, and how long its functions take.
#[derive(Debug, Clone, Copy)]
pub struct Use {
    /// Messages in a batch.
    pub fill: u64,
    /// Looks at the outcome besides the request itself.
    pub polls: u64,
    /// Milliseconds that intake takes for a sale, waiting included.
    pub intake_ms: u64,
    /// Milliseconds that a worker takes for a batch, and an announcer.
    pub worker_ms: u64,
    pub announce_ms: u64,
    pub memory_mb: u64,
}

#[derive(Debug)]
pub struct Cost {
    lines: Vec<(&'static str, u64)>,
}

impl Cost {
    /// Of a million settled checkouts, whose calls and units are those of `report`.
    pub fn of(prices: &Prices, used: Use, report: &Report) -> Self {
        let Use { fill, polls, intake_ms, worker_ms, announce_ms, memory_mb } = used;
        let fill = fill.max(1);
        let gb_ms = |ms: u64| prices.lambda_gb_ms_arm64.0 * ms * memory_mb / 1_024;
        let units = |of: fn(&crate::rush::report::PerCheckout) -> u64| {
            report.per_checkout.values().map(of).sum::<u64>()
        };
        let (reads, writes) = (units(|per| per.read_units_centi), units(|per| per.write_units_centi));
        let lines = vec![
            ("API Gateway: the sale, and each look", prices.api_gateway_request.0 * (1 + polls)),
            ("Lambda: intake", (prices.lambda_request.0 + gb_ms(intake_ms)) * (1 + polls)),
            ("Lambda: worker and announcer, a share of a batch", {
                (2 * prices.lambda_request.0 + gb_ms(worker_ms) + gb_ms(announce_ms)) / fill
            }),
            ("SNS FIFO: a command, and events a batch", {
                (prices.sns_fifo_publish.0 + prices.sns_fifo_delivery.0)
                    + prices.sns_fifo_publish.0 / fill
                    + prices.sns_fifo_delivery.0
            }),
            ("SQS FIFO: two sends, receives and deletes a batch", {
                prices.sqs_fifo_request.0 * 2 + prices.sqs_fifo_request.0 * 4 / fill
            }),
            ("DynamoDB: write units", prices.dynamodb_write_unit.0 * writes / 100),
            ("DynamoDB: read units", prices.dynamodb_read_unit.0 * reads / 100),
            (
                "Logs and metrics: two lines of 0.4 KB, and two a batch",
                prices.log_kilobyte.0 * (2 * fill + 2) * 4 / (10 * fill),
            ),
        ];
        Self { lines }
    }

    pub fn total(&self) -> u64 {
        self.lines.iter().map(|(_, cost)| cost).sum()
    }
}

impl fmt::Display for Cost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (name, cost) in &self.lines {
            writeln!(f, "  {name:<52}{:>10}", dollars(*cost))?;
        }
        write!(f, "  {:<52}{:>10}", "a million checkouts", dollars(self.total()))
    }
}

/// To the cent, rounded up.
pub fn dollars(millionths: u64) -> String {
    let cents = millionths.div_ceil(10_000);
    format!("${}.{:02}", cents / 100, cents % 100)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prices_read_and_add_up() {
        let prices = Prices::read().unwrap();
        assert_eq!(
            (prices.api_gateway_request, prices.dynamodb_write_unit),
            (Price(3_500_000), Price(625_000))
        );
        assert_eq!(dollars(11_823_456), "$11.83");
        assert_eq!(dollars(0), "$0.00");
    }
}
