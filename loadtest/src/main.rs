//! `make replay`: real lunches against a running system, and an audit of what it made of them.

use aws::clock::Clock;
use aws::failure::chain;
use clap::{Args, Parser};
use jiff::civil::Date;
use loadtest::replay::{Replay, ReplayError};
use loadtest::send::{Pace, Rate};
use loadtest::summary::Summary;
use std::num::NonZeroUsize;
use std::path::PathBuf;
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
    match run(Command::parse()).await {
        Ok(summary) => {
            say(&summary.to_string());
            if summary.is_clean() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
        }
        Err(error) => {
            say(&chain(&error));
            ExitCode::FAILURE
        }
    }
}

async fn run(command: Command) -> Result<Summary, ReplayError> {
    match command {
        Command::Replay { sales: Sales { file, day, endpoints }, rate, terminals } => {
            let now = Clock::system().now();
            Replay::begin(&endpoints, &file, day, now)?.run(Pace { rate, terminals }, now).await
        }
        Command::Audit { sales: Sales { file, day, endpoints } } => {
            Replay::last(&endpoints, &file, day)?.audit().await
        }
    }
}

#[expect(clippy::print_stdout, reason = "this is what the command is for")]
fn say(text: &str) {
    println!("{text}");
}
