//! `make replay`: real lunches against a running system, and an audit of what it made of them.

use aws::clock::Clock;
use aws::failure::chain;
use clap::{Args, Parser};
use jiff::civil::Date;
use loadtest::replay::{Replay, ReplayError};
use loadtest::results;
use loadtest::send::{Pace, Rate};
use loadtest::startup::{self, StartupError};
use loadtest::summary::Summary;
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// Real lunches against a running Internal POS.
#[derive(Debug, Parser)]
enum Command {
    /// Send every sale of a file as a checkout, then audit. A second run within 71 hours sends the same
    /// again, which changes nothing.
    ///
    /// All lines of a transaction are one sale. Items named NONE are none: they are dropped, and a sale
    /// that has no other is not sent.
    Replay {
        #[command(flatten)]
        sales: Sales,
        /// Sales a second, or as fast as the terminals sell.
        #[arg(long, value_name = "N|max", default_value = "max")]
        rate: Rate,
        /// Terminals that sell at the same time when the rate is max.
        #[arg(long, default_value = "16")]
        terminals: NonZeroUsize,
    },
    /// Audit what is stored of the last replay of a file.
    Audit {
        #[command(flatten)]
        sales: Sales,
    },
    /// Sell coffees of the demo, and measure how soon a station knows what came of each: told over a socket,
    /// waiting, or asking.
    Results {
        /// Sales in each way.
        #[arg(long, default_value = "300")]
        sales: usize,
        #[arg(long, env = "POS_ENDPOINTS", default_value = ".local/endpoints.json")]
        endpoints: PathBuf,
    },
    /// Start packaged functions, beside one that does nothing.
    Startup {
        /// Where `make package` left them.
        #[arg(long, default_value = ".package")]
        packages: PathBuf,
    },
}

#[derive(Debug, Args)]
struct Sales {
    /// Columns Date, Time, Transaction and Item; a line an item.
    #[arg(long)]
    file: PathBuf,
    /// Only the sales of this date.
    #[arg(long, value_name = "YYYY-MM-DD", value_parser = date)]
    day: Option<Date>,
    /// Where the system is; the run is kept beside this file.
    #[arg(long, env = "POS_ENDPOINTS", default_value = ".local/endpoints.json")]
    endpoints: PathBuf,
}

fn date(text: &str) -> Result<Date, String> {
    text.parse().map_err(|error: jiff::Error| error.to_string())
}

#[tokio::main]
async fn main() -> ExitCode {
    let is_fine = match Command::parse() {
        Command::Startup { packages } => startup(&packages).map(|()| true).map_err(|error| chain(&error)),
        Command::Replay { sales, rate, terminals } => report(replay(sales, Pace { rate, terminals }).await),
        Command::Results { sales, endpoints } => results(&endpoints, sales).await.map(|()| true),
        Command::Audit { sales } => report(audit(sales).await),
    };
    match is_fine {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            say(&error);
            ExitCode::FAILURE
        }
    }
}

fn startup(packages: &Path) -> Result<(), StartupError> {
    for startup in startup::measure(packages)? {
        say(&startup.to_string());
    }
    Ok(())
}

async fn results(endpoints: &Path, sales: usize) -> Result<(), String> {
    let unreadable = |error: std::io::Error| format!("{}: {error}", endpoints.display());
    let json = std::fs::read(endpoints).map_err(unreadable)?;
    let endpoints = serde_json::from_slice(&json).map_err(|error| unreadable(error.into()))?;
    say(&results::measure(&endpoints, sales).await.map_err(|error| chain(&error))?.to_string());
    Ok(())
}

fn report(summary: Result<Summary, ReplayError>) -> Result<bool, String> {
    let summary = summary.map_err(|error| chain(&error))?;
    say(&summary.to_string());
    Ok(summary.is_clean())
}

async fn replay(sales: Sales, pace: Pace) -> Result<Summary, ReplayError> {
    let now = Clock::system().now();
    Replay::begin(&sales.endpoints, &sales.file, sales.day, now)?.run(pace, now).await
}

async fn audit(sales: Sales) -> Result<Summary, ReplayError> {
    Replay::last(&sales.endpoints, &sales.file, sales.day)?.audit().await
}

#[expect(clippy::print_stdout, reason = "this is what the command is for")]
fn say(text: &str) {
    println!("{text}");
}
