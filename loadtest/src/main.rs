//! Lunches against a running system, real ones and a rush, and an audit of what it made of them.

use aws::clock::Clock;
use aws::failure::chain;
use clap::{Args, Parser};
use indicatif::ProgressBar;
use jiff::civil::Date;
use loadtest::cost::{Cost, Prices, Use};
use loadtest::cpu;
use loadtest::replay::{Replay, ReplayError};
use loadtest::results;
use loadtest::rush::floor::{self, Floor};
use loadtest::rush::report::Report;
use loadtest::rush::script::{Curve, Shares};
use loadtest::rush::{self, Rush, RushError, System};
use loadtest::scale::{self, Sizes};
use loadtest::send::{Pace, Rate};
use loadtest::startup::{self, StartupError};
use loadtest::summary::Summary;
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::num::{NonZeroUsize, ParseIntError};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

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
    /// Sell at a rate, whatever becomes of it, and audit. Leaves a report: figures as JSON, and a page with
    /// charts.
    Rush {
        /// Sales a second, at the height of lunch.
        #[arg(long, default_value = "1100")]
        rate: u32,
        #[arg(long, default_value = "60")]
        seconds: u32,
        /// Seconds before those that count.
        #[arg(long, default_value = "5")]
        warm_up: u32,
        #[arg(long, value_enum, default_value = "flat")]
        curve: Curve,
        /// How many times as much a company sells as the next.
        #[arg(long, value_parser = clap::value_parser!(u32).range(1..=10), default_value = "4")]
        skew: u32,
        /// Buyers of the largest company.
        #[arg(long, default_value = "4000")]
        employees: u32,
        /// Sales in a thousand: sent twice at once, sent again later, at a wrong price, without credit,
        /// voided.
        #[arg(long, value_parser = shares, default_value = "10,10,10,10,5")]
        shares: Shares,
        #[arg(long, default_value = "1")]
        seed: u64,
        /// Seconds for each figure of the bare engine, first; none for none.
        #[arg(long, default_value = "0")]
        floor_seconds: u32,
        #[arg(long, default_value = "loadtest/target-report")]
        report: PathBuf,
        #[arg(long, env = "POS_ENDPOINTS", default_value = ".local/endpoints.json")]
        endpoints: PathBuf,
    },
    /// Measure what the bare engine does with the same calls and nothing else.
    Floor {
        /// Seconds for each figure.
        #[arg(long, default_value = "10")]
        seconds: u32,
        #[arg(long, env = "POS_ENDPOINTS", default_value = ".local/endpoints.json")]
        endpoints: PathBuf,
    },
    /// What a million checkouts cost, line by line: the calls and units of a report, times prices.
    Cost {
        #[arg(long, default_value = "loadtest/target-report/report.json")]
        report: PathBuf,
        /// Messages in a batch.
        #[arg(long, default_value = "10")]
        fill: u64,
        /// Looks at the outcome besides the request itself.
        #[arg(long, default_value = "0")]
        polls: u64,
        /// Milliseconds of intake for a sale, waiting included; of a worker and an announcer for a batch.
        #[arg(long, default_value = "300")]
        intake_ms: u64,
        #[arg(long, default_value = "50")]
        worker_ms: u64,
        #[arg(long, default_value = "20")]
        announce_ms: u64,
        #[arg(long, default_value = "256")]
        memory_mb: u64,
    },
    /// Sell through packaged functions, and say what CPU each took, against a system that has no workers.
    Cpu {
        #[arg(long, default_value = "5000")]
        sales: usize,
        /// Where `make package` left them.
        #[arg(long, default_value = ".package")]
        packages: PathBuf,
        #[arg(long, env = "POS_ENDPOINTS", default_value = ".local/endpoints.json")]
        endpoints: PathBuf,
    },
    /// Whether a checkout takes more where there is more, against a system that has no workers: 1, 10 ...
    /// companies; 1,000, 10,000 ... employees, and messages that wait. Leaves figures as JSON, and a page
    /// with charts.
    Scale {
        #[arg(long, default_value = "1000")]
        tenants: u64,
        #[arg(long, default_value = "100000")]
        employees: u64,
        #[arg(long, default_value = "100000")]
        backlog: u64,
        #[arg(long, default_value = "loadtest/target-report")]
        report: PathBuf,
        #[arg(long, env = "POS_ENDPOINTS", default_value = ".local/endpoints.json")]
        endpoints: PathBuf,
    },
    /// Show two reports beside each other.
    Compare { before: PathBuf, after: PathBuf },
    /// Start packaged functions, beside one that does nothing.
    Startup {
        /// Where `make package` left them.
        #[arg(long, default_value = ".package")]
        packages: PathBuf,
    },
}

fn shares(text: &str) -> Result<Shares, String> {
    let shares: Vec<u16> = text
        .split(',')
        .map(|share| share.trim().parse().map_err(|error: ParseIntError| format!("{share}: {error}")))
        .collect::<Result<_, _>>()?;
    match shares.as_slice() {
        [duplicates, retries, wrong_prices, poor, voids] if shares.iter().sum::<u16>() <= 1_000 => {
            Ok(Shares {
                duplicates: *duplicates,
                retries: *retries,
                wrong_prices: *wrong_prices,
                poor: *poor,
                voids: *voids,
            })
        }
        _ => Err("five shares of a thousand in all".to_owned()),
    }
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

// What sends is to take as little of a machine as it can.
#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let is_fine = match Command::parse() {
        Command::Startup { packages } => startup(&packages).map(|()| true).map_err(|error| chain(&error)),
        Command::Replay { sales, rate, terminals } => report(replay(sales, Pace { rate, terminals }).await),
        Command::Results { sales, endpoints } => results(&endpoints, sales).await.map(|()| true),
        Command::Audit { sales } => report(audit(sales).await),
        Command::Rush {
            rate,
            seconds,
            warm_up,
            curve,
            skew,
            employees,
            shares,
            seed,
            floor_seconds,
            report,
            endpoints,
        } => {
            let rush = Rush { rate, seconds, warm_up, curve, skew, employees, shares, seed };
            Box::pin(lunch(&endpoints, &rush, floor_seconds, &report)).await
        }
        Command::Floor { seconds, endpoints } => measured_floor(&endpoints, seconds).await,
        Command::Cpu { sales, packages, endpoints } => cpu(&packages, &endpoints, sales).await,
        Command::Scale { tenants, employees, backlog, report, endpoints } => {
            scale(&endpoints, Sizes { tenants, employees, backlog }, &report).await
        }
        Command::Compare { before, after } => compare(&before, &after),
        Command::Cost { report, fill, polls, intake_ms, worker_ms, announce_ms, memory_mb } => {
            cost(&report, Use { fill, polls, intake_ms, worker_ms, announce_ms, memory_mb })
        }
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

fn read<T: DeserializeOwned>(path: &Path) -> Result<T, String> {
    let unreadable = |error: std::io::Error| format!("{}: {error}", path.display());
    let json = std::fs::read(path).map_err(unreadable)?;
    serde_json::from_slice(&json).map_err(|error| unreadable(error.into()))
}

fn system(endpoints: &Path) -> Result<System, String> {
    System::new(read(endpoints)?).map_err(|error| chain(&error))
}

async fn lunch(endpoints: &Path, rush: &Rush, floor_seconds: u32, dir: &Path) -> Result<bool, String> {
    let (system, words) = (Arc::new(system(endpoints)?), |error: RushError| chain(&error));
    let floor = match floor_seconds {
        0 => None,
        seconds => Some(
            floor::measure(&system, Duration::from_secs(seconds.into()))
                .await
                .map_err(|error| chain(&error))?,
        ),
    };
    let report = rush::run(&system, rush, Clock::system().now()).await.map_err(words)?;
    let report = match floor {
        Some(floor) => report.with_floor(floor),
        None => report,
    };
    say(&report.to_string());
    keep(dir, "report", &report, &report.html())?;
    Ok(report.is_clean())
}

async fn measured_floor(endpoints: &Path, seconds: u32) -> Result<bool, String> {
    let system = system(endpoints)?;
    let measured = floor::measure(&system, Duration::from_secs(seconds.into())).await;
    let Floor { one_per_second, ten_per_second, messages_per_second } =
        measured.map_err(|error| chain(&error))?;
    say(&format!("{one_per_second} checkouts/s one a transaction, {ten_per_second} ten a transaction"));
    say(&format!("{messages_per_second} messages/s published, received and deleted"));
    Ok(true)
}

async fn cpu(packages: &Path, endpoints: &Path, sales: usize) -> Result<bool, String> {
    let system = system(endpoints)?;
    let spent = cpu::measure(packages, &system, sales, Clock::system().now()).await;
    let spent = spent.map_err(|error| chain(&error))?;
    for one in &spent {
        say(&one.to_string());
    }
    let all: u64 = spent.iter().map(|one| one.us_per_checkout).sum();
    say(&format!("  together        {all:>6} us of CPU a checkout"));
    Ok(true)
}

async fn scale(endpoints: &Path, sizes: Sizes, dir: &Path) -> Result<bool, String> {
    let (system, progress) = (system(endpoints)?, ProgressBar::new_spinner());
    let scale = Box::pin(scale::measure(&system, sizes, Clock::system().now(), &progress)).await;
    let scale = scale.map_err(|error| chain(&error))?;
    keep(dir, "scale", &scale, &scale.html())?;
    say(&scale.to_string());
    Ok(true)
}

/// Leaves figures and a page in a directory.
fn keep(dir: &Path, name: &str, figures: &impl Serialize, page: &str) -> Result<(), String> {
    let unwritten = |error: std::io::Error| format!("{}: {error}", dir.display());
    std::fs::create_dir_all(dir).map_err(unwritten)?;
    let json = serde_json::to_vec_pretty(figures).map_err(|error| error.to_string())?;
    std::fs::write(dir.join(name).with_extension("json"), json).map_err(unwritten)?;
    std::fs::write(dir.join(name).with_extension("html"), page).map_err(unwritten)?;
    say(&format!("  charts: {}", dir.join(name).with_extension("html").display()));
    Ok(())
}

fn cost(report: &Path, used: Use) -> Result<bool, String> {
    let (prices, report): (_, Report) = (Prices::read().map_err(|error| error.to_string())?, read(report)?);
    if report.per_checkout.is_empty() {
        return Err("the report counts no calls: its system did not say".to_owned());
    }
    let Use { fill, polls, intake_ms, memory_mb, .. } = used;
    say(&format!(
        "a million checkouts, {fill} a batch, {polls} looks each, intake {intake_ms} ms at {memory_mb} MB, prices of {}",
        prices.of
    ));
    say(&Cost::of(&prices, used, &report).to_string());
    Ok(true)
}

fn compare(before: &Path, after: &Path) -> Result<bool, String> {
    let [before, after]: [Report; 2] = [read(before)?, read(after)?];
    say(&format!("before\n{before}\n\nafter\n{after}"));
    Ok(true)
}

async fn results(endpoints: &Path, sales: usize) -> Result<(), String> {
    let endpoints = read(endpoints)?;
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
