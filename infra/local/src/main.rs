//! `make run`: the whole system in one process, until it is interrupted.

use aws::clock::Clock;
use aws::failure::chain;
use aws::telemetry::Metrics;
use clap::Parser;
use domain::webhook::Reach;
use local::endpoints::Endpoints;
use local::system::{Options, System, Through};
use std::fs::{DirBuilder, File};
use std::io::Write;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;
use tokio::signal::unix::{SignalKind, signal};
use tracing_subscriber::EnvFilter;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Internal POS in one process, on loopback ports.
#[derive(Debug, Parser)]
struct Arguments {
    /// Where everything is kept.
    #[arg(long, default_value = ".local")]
    dir: PathBuf,
    #[arg(long, default_value_t = 8080)]
    api_port: u16,
    /// SNS, SQS, Cognito and S3.
    #[arg(long, default_value_t = 4566)]
    aws_port: u16,
    #[arg(long, default_value_t = 4567)]
    dynamodb_port: u16,
    /// Batches of one queue that are worked on at the same time.
    #[arg(long, default_value_t = 4)]
    max_concurrency: usize,
    /// Requests that intake works on at the same time; others wait for their turn.
    #[arg(long, default_value_t = local::system::INTAKE_CONCURRENCY)]
    intake_concurrency: usize,
    /// How many times as fast time runs for cutoffs, to see several of them: 43200 is a month a minute.
    #[arg(long, default_value_t = 1)]
    cutoff_speed: i32,
    /// Where functions reach SNS, SQS, Cognito and S3, if something stands before their port: a proxy that
    /// makes trouble.
    #[arg(long, value_name = "URL", requires = "dynamodb_through")]
    aws_through: Option<String>,
    /// The same for the table.
    #[arg(long, value_name = "URL", requires = "aws_through")]
    dynamodb_through: Option<String>,
    /// Webhooks may call receivers on this machine, without TLS too.
    #[arg(long)]
    webhooks_to_loopback: bool,
}

/// Between two looks whether a cutoff is due: an hour on AWS, and no more than this here.
const TICK_MAX: Duration = Duration::from_mins(1);
const TICK_MIN: Duration = Duration::from_millis(500);

#[tokio::main]
async fn main() -> ExitCode {
    match start(Arguments::parse()).await {
        Ok(system) => {
            say(std::io::stdout(), &welcome(&system.endpoints));
            tokio::select! {
                () = system.run() => ExitCode::FAILURE,
                asked = asked_to_end() => match asked {
                    Ok(()) => ExitCode::SUCCESS,
                    Err(error) => {
                        say(std::io::stderr(), &format!("cannot hear signals: {}", chain(&error)));
                        ExitCode::FAILURE
                    }
                },
            }
        }
        Err(error) => {
            say(std::io::stderr(), &format!("cannot start: {}", chain(error.as_ref())));
            ExitCode::FAILURE
        }
    }
}

/// By whoever sits at the terminal, or by what started it. What was begun need not end: the same holds after
/// a kill.
async fn asked_to_end() -> std::io::Result<()> {
    let mut terminate = signal(SignalKind::terminate())?;
    tokio::select! {
        interrupted = tokio::signal::ctrl_c() => interrupted,
        _ = terminate.recv() => Ok(()),
    }
}

async fn start(arguments: Arguments) -> Result<System, Box<dyn std::error::Error>> {
    let log = Arc::new(log_file(&arguments.dir)?);
    let clock = Clock::system();
    let metrics = Metrics::to(clock.clone(), local::system::STAGE, lines_to(log.clone()));
    tracing_subscriber::fmt()
        .json()
        .flatten_event(true)
        // The emulators log user names, and what they refuse as if it were a fault.
        .with_env_filter(EnvFilter::new("info,awsim_core=error,awsim_cognito=error,awsim_s3=error"))
        .with_span_list(false)
        .log_internal_errors(false)
        .with_writer(log)
        .init();
    let Arguments {
        dir,
        api_port,
        aws_port,
        dynamodb_port,
        max_concurrency,
        intake_concurrency,
        cutoff_speed,
        aws_through,
        dynamodb_through,
        webhooks_to_loopback,
    } = arguments;
    let through = match (aws_through, dynamodb_through) {
        (Some(aws_endpoint_url), Some(dynamodb_endpoint_url)) => {
            Through::Proxies { aws_endpoint_url, dynamodb_endpoint_url }
        }
        _ => Through::Inside,
    };
    let (real, started) = (clock.clone(), clock.now());
    let cutoff_clock = Clock::from_fn(move || {
        let passed = real.now().duration_since(started);
        started + passed.checked_mul(cutoff_speed.max(1)).unwrap_or(passed)
    });
    let tick = (TICK_MAX / cutoff_speed.max(1).unsigned_abs()).max(TICK_MIN);
    let options = Options {
        dir,
        api_port,
        aws_port,
        dynamodb_port,
        through,
        max_concurrency,
        intake_concurrency,
        tick: Some(tick),
        metrics,
        clock,
        cutoff_clock,
        webhook_reach: if webhooks_to_loopback { Reach::Loopback } else { Reach::Public },
    };
    Ok(System::start(options).await?)
}

/// The log goes on where it ended, so that whatever a crash left in it stays.
fn log_file(dir: &Path) -> Result<File, String> {
    let path = dir.join("log.jsonl");
    let opened = DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(dir)
        .and_then(|()| File::options().create(true).append(true).open(&path));
    opened.map_err(|error| format!("{} cannot be used: {error}", path.display()))
}

fn lines_to(file: Arc<File>) -> impl Fn(&str) + Send + Sync {
    move |line| {
        if let Err(error) = (&*file).write_all(format!("{line}\n").as_bytes()) {
            tracing::warn!(%error, "a metric line was not written");
        }
    }
}

fn welcome(endpoints: &Endpoints) -> String {
    let Endpoints { api_url, aws_endpoint_url, client_id, .. } = endpoints;
    format!(
        r#"
Internal POS is up.   API {api_url}/v1   docs {api_url}/docs   AWS {aws_endpoint_url}
It keeps everything in its directory; interrupt or kill it whenever you like.

Sell a coffee, in another terminal:

  TOKEN=$(curl -s {aws_endpoint_url} -H 'Content-Type: application/x-amz-json-1.1' \
    -H 'X-Amz-Target: AWSCognitoIdentityProviderService.InitiateAuth' -d '{{
      "AuthFlow": "USER_PASSWORD_AUTH", "ClientId": "{client_id}",
      "AuthParameters": {{"USERNAME": "acme-cashier", "PASSWORD": "{password}"}}
    }}' | sed 's/.*"IdToken":"\([^"]*\)".*/\1/')

  KEY=$(printf '%012x7%03x8%03x%012x' "$(date +%s)000" $((RANDOM % 4096)) $((RANDOM % 4096)) $RANDOM$RANDOM |
    sed 's/^\(.\{{8\}}\)\(.\{{4\}}\)\(.\{{4\}}\)\(.\{{4\}}\)/\1-\2-\3-\4-/')

  curl -s {api_url}/v1/checkouts -H "Authorization: Bearer $TOKEN" -H "Idempotency-Key: $KEY" \
    -H 'Prefer: wait=5' -H 'Content-Type: application/json' \
    -d '{{"rfid": "RF100001", "station": "coffee-bar-1", "items": [{{"code": "COFFEE", "qty": 1, "price": 4500}}]}}'
"#,
        password = local::demo::PASSWORD,
    )
}

/// To a terminal that may be gone: then nobody misses it.
fn say(mut to: impl Write, text: &str) {
    if writeln!(to, "{text}").is_err() {
        tracing::info!("nobody reads what is printed");
    }
}
