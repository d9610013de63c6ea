//! How fast packaged functions start: from the process's begin to its first request for an event, beside a
//! function that does nothing. Both take turns, and the fastest start of each counts: what else the machine
//! does only makes a start slower.

use std::fmt;
use std::io::{self, BufRead, BufReader};
use std::net::{Ipv4Addr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};
use thiserror::Error;

/// What starts are held against.
const EMPTY: &str = "empty";
/// Starts of each function.
const STARTS: usize = 31;
/// An environment in which every function starts. Nothing is called before the first event.
const ENVIRONMENT: [(&str, &str); 14] = [
    ("AWS_ACCESS_KEY_ID", "none"),
    ("AWS_SECRET_ACCESS_KEY", "none"),
    ("AWS_REGION", "eu-west-1"),
    ("ACCOUNT_ID", "000000000000"),
    ("STAGE", "test"),
    ("TABLE_NAME", "none"),
    ("USER_POOL_CLIENT_ID", "none"),
    ("LISTEN_URL", "wss://startup.invalid"),
    ("CONNECTIONS_URL", "https://startup.invalid"),
    ("SESSION_KEY", "00000000000000000000000000000000000000000000000000000000000000ff"),
    ("TICKET_KEY", "00000000000000000000000000000000000000000000000000000000000000ff"),
    ("PASSWORD_KEY", "00000000000000000000000000000000000000000000000000000000000000ff"),
    ("WEBHOOK_KEY", "00000000000000000000000000000000000000000000000000000000000000ff"),
    ("USER_POOL_ID", "eu-west-1_startup"),
];
/// A function that has not started by then does not.
const PATIENCE: Duration = Duration::from_secs(10);

#[derive(Debug, Error)]
pub enum StartupError {
    #[error("{path} cannot be used; has `make package` run?")]
    Package { path: PathBuf, source: io::Error },
    #[error("no port for the Runtime API")]
    Port(#[from] io::Error),
    #[error("{function} asked for no event within {} s", PATIENCE.as_secs())]
    Silent { function: String },
}

/// One start.
#[derive(Debug, Clone, Copy)]
struct Start {
    elapsed: Duration,
    /// Resident at the first request, in KiB.
    resident_kib: u64,
}

impl Start {
    fn faster(self, other: Self) -> Self {
        if other.elapsed < self.elapsed { other } else { self }
    }
}

/// The fastest start of one function, and of the empty one in turn with it.
#[derive(Debug)]
pub struct Startup {
    function: String,
    ours: Start,
    empty: Start,
}

impl fmt::Display for Startup {
    #[expect(clippy::float_arithmetic, reason = "a ratio of times, far from any money")]
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { function, ours, empty } = self;
        write!(
            f,
            "  {function:<16}{:>7} us to its first event, {:.2} of an empty one's {} us;{:>7} KiB resident, {} KiB",
            ours.elapsed.as_micros(),
            ours.elapsed.as_secs_f64() / empty.elapsed.as_secs_f64(),
            empty.elapsed.as_micros(),
            ours.resident_kib,
            empty.resident_kib,
        )
    }
}

/// Starts every function in a directory of packages.
pub fn measure(packages: &Path) -> Result<Vec<Startup>, StartupError> {
    let unusable = |source| StartupError::Package { path: packages.to_owned(), source };
    let mut functions = Vec::new();
    for entry in std::fs::read_dir(packages).map_err(unusable)? {
        let name = entry.map_err(unusable)?.file_name().to_string_lossy().into_owned();
        if name != EMPTY && packages.join(&name).join("bootstrap").is_file() {
            functions.push(name);
        }
    }
    functions.sort();
    functions.into_iter().map(|function| beside_empty(packages, function)).collect()
}

fn beside_empty(packages: &Path, function: String) -> Result<Startup, StartupError> {
    let (mut ours, mut empty) = (start(packages, &function)?, start(packages, EMPTY)?);
    for _ in 1..STARTS {
        ours = ours.faster(start(packages, &function)?);
        empty = empty.faster(start(packages, EMPTY)?);
    }
    Ok(Startup { function, ours, empty })
}

fn start(packages: &Path, function: &str) -> Result<Start, StartupError> {
    let runtime_api = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    let address = runtime_api.local_addr()?.to_string();
    let (asked, first_request) = mpsc::channel();
    thread::spawn(move || {
        let request = runtime_api.accept().and_then(|(stream, _)| {
            let mut line = String::new();
            BufReader::new(&stream).read_line(&mut line)?;
            Ok((Instant::now(), stream))
        });
        // Whoever waited may have given up.
        drop(asked.send(request));
    });
    let began = Instant::now();
    let spawned = bootstrap(packages, function, &address).spawn();
    let unusable = |source| StartupError::Package { path: packages.join(function).join("bootstrap"), source };
    let mut process = Running(spawned.map_err(unusable)?);
    let answered = first_request.recv_timeout(PATIENCE);
    let (at, _held) = answered.map_err(|_| StartupError::Silent { function: function.to_owned() })??;
    let resident_kib = resident_kib(process.0.id());
    process.stop()?;
    Ok(Start { elapsed: at.duration_since(began), resident_kib })
}

/// A packaged function as Lambda would start it, with this Runtime API.
pub(crate) fn bootstrap(packages: &Path, function: &str, runtime_api: &str) -> Command {
    let mut command = Command::new(packages.join(function).join("bootstrap"));
    command
        .env_clear()
        .envs(ENVIRONMENT)
        .env("AWS_LAMBDA_RUNTIME_API", runtime_api)
        .env("AWS_LAMBDA_FUNCTION_NAME", function)
        .env("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "256")
        .env("AWS_LAMBDA_FUNCTION_VERSION", "1")
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    command
}

/// A function's process, which ends with its owner.
#[derive(Debug)]
pub(crate) struct Running(pub(crate) Child);

impl Running {
    fn stop(&mut self) -> io::Result<()> {
        self.0.kill()?;
        self.0.wait().map(|_| ())
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if let Err(error) = self.stop() {
            tracing::debug!(%error, "a function was gone already");
        }
    }
}

/// Nothing where there is no `/proc`.
pub(crate) fn resident_kib(process: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    line.and_then(|line| line.trim().trim_end_matches(" kB").parse().ok()).unwrap_or_default()
}
