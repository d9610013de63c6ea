//! `make import-rush`: imports large menus and rosters while lunch goes on, and prints what they took. The
//! worker runs in a process of its own, as it does in Lambda, so that its memory is nobody else's.

#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a measurement fails loudly and says what it found"
)]

use aws::clock::Clock;
use aws::telemetry::Metrics;
use clap::{Parser, Subcommand};
use domain::command::Purpose;
use local::pump::{self, Source};
use local::system;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::Arc;
use std::time::Duration;
use tests::World;
use tests::rush::{lunch, per_second, percentile, ratio};
use tests::terminal::{Terminal, coffee};
use tokio::task::JoinSet;
use tokio::time::Instant;
use workers::import_files::ImportWorker;

const MENUS: &str = "/v1/concessionaires/coffee-bar/menu-imports";
const EMPLOYEES: &str = "/v1/employee-imports";
/// Sales before there is any import.
const BASELINE: Duration = Duration::from_secs(15);
/// Batches of sales that are worked on at the same time.
const CHECKOUT_WORKERS: usize = 4;

#[derive(Debug, Parser)]
struct Arguments {
    #[arg(long, default_value_t = 100_000)]
    rows: u32,
    #[command(subcommand)]
    role: Option<Role>,
}

#[derive(Debug, Subcommand)]
enum Role {
    /// The process of the worker.
    Worker { aws_endpoint_url: String, dynamodb_endpoint_url: String },
}

/// What the worker's process used since it was asked last.
#[derive(Debug, Serialize, Deserialize)]
struct Used {
    calls: u64,
    write_decis: u64,
    read_decis: u64,
    /// The most that was resident, in KiB.
    peak_kib: u64,
}

fn main() {
    let Arguments { rows, role } = Arguments::parse();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    match role {
        Some(Role::Worker { aws_endpoint_url, dynamodb_endpoint_url }) => {
            let _inside = runtime.enter();
            work(&aws_endpoint_url, &dynamodb_endpoint_url);
        }
        None => runtime.block_on(rush(rows)),
    }
}

/// Takes files for as long as somebody asks what that took.
fn work(aws_endpoint_url: &str, dynamodb_endpoint_url: &str) {
    let clients = system::clients(aws_endpoint_url, dynamodb_endpoint_url);
    let clock = Clock::system();
    let worker = Arc::new(ImportWorker::new(&clients, clock.clone(), Metrics::to(clock, "test", |_| ())));
    let mut pumps = JoinSet::new();
    let source = Source::new(&clients, &"acme".parse().unwrap(), Purpose::Imports);
    pump::start(&mut pumps, &source, 1, &worker);
    for _ in std::io::stdin().lines() {
        let spent = worker.table().usage().take();
        let used = Used {
            calls: spent.calls.values().sum(),
            write_decis: spent.write_decis,
            read_decis: spent.read_decis,
            peak_kib: peak_kib(),
        };
        println!("{}", serde_json::to_string(&used).unwrap());
        // From here on, the peak is another one.
        std::fs::write("/proc/self/clear_refs", "5").unwrap();
    }
}

fn peak_kib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    line.trim().trim_end_matches(" kB").parse().unwrap()
}

/// The worker's process, which ends with this one.
struct Worker {
    child: Child,
    asked: ChildStdin,
    answers: BufReader<ChildStdout>,
}

impl Worker {
    fn start(world: &World) -> Self {
        let endpoints = &world.system.endpoints;
        let program = std::env::current_exe().unwrap();
        let mut child = Command::new(program)
            .args(["worker", &endpoints.aws_endpoint_url, &endpoints.dynamodb_endpoint_url])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let (asked, answers) = (child.stdin.take().unwrap(), child.stdout.take().unwrap());
        Self { child, asked, answers: BufReader::new(answers) }
    }

    fn used(&mut self) -> Used {
        self.asked.write_all(b"\n").unwrap();
        let mut line = String::new();
        self.answers.read_line(&mut line).unwrap();
        serde_json::from_str(&line).unwrap()
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        if let Err(error) = self.child.kill().and_then(|()| self.child.wait()) {
            println!("the worker's process was not ended: {error}");
        }
    }
}

async fn rush(rows: u32) {
    let world = World::idle().await;
    let mut pumps = JoinSet::new();
    let acme = "acme".parse().unwrap();
    let source = |purpose| Source::new(&world.system.clients, &acme, purpose);
    let workers = &world.system.workers;
    pump::start(&mut pumps, &source(Purpose::Checkouts), CHECKOUT_WORKERS, &workers.checkouts);
    let mut worker = Worker::start(&world);
    tests::eventually("the queues were probed", async || {
        let depths = world.queues().await;
        depths.iter().all(|(url, messages)| !url.contains("acme-imports") || *messages == 0)
    })
    .await;
    let [manager, admin, cashier] = [
        world.terminal("acme-manager").await,
        world.terminal("acme-admin").await,
        world.terminal("acme-kitchen-cashier").await,
    ];
    let before = lunch(&world, &cashier, rice, async { tokio::time::sleep(BASELINE).await }).await;
    worker.used();
    println!(
        "{:<12} {:>8} {:>8} {:>8} {:>10} {:>8} {:>8} {:>8} {:>8} {:>8}",
        "file", "rows", "s", "rows/s", "peak MiB", "calls", "w units", "r units", "sale p50", "p99"
    );
    for rows in [rows / 10, rows] {
        let file = menu(rows);
        measure("menu", rows, &file, &world, &mut worker, &cashier, (&manager, MENUS)).await;
        let (began, seller) = (Instant::now(), world.terminal("acme-cashier").await);
        let sold = seller.buy(uuid::Uuid::now_v7(), &coffee("RF100001", 1)).await;
        assert_eq!(sold.outcome(), "settled", "{sold:?}");
        println!("{:>98} (the first from that menu)", began.elapsed().as_millis());
    }
    for rows in [rows / 10, rows] {
        let file = roster(rows);
        measure("roster", rows, &file, &world, &mut worker, &cashier, (&admin, EMPLOYEES)).await;
    }
    measure("the same", rows, &roster(rows), &world, &mut worker, &cashier, (&admin, EMPLOYEES)).await;
    println!("calls and units are those of a row; sales in ms, without any import");
    println!("{:>98} {:>8}", percentile(&before, 50), percentile(&before, 99));
}

async fn measure(
    what: &str,
    rows: u32,
    file: &str,
    world: &World,
    worker: &mut Worker,
    cashier: &Terminal,
    (who, path): (&Terminal, &str),
) {
    let began = Instant::now();
    let times = lunch(world, cashier, rice, async {
        let applied = who.import(path, &json!({}), file.as_bytes()).await;
        assert_eq!(applied.outcome(), "applied", "{applied:?}");
    })
    .await;
    let (took, used, count) = (began.elapsed(), worker.used(), u64::from(rows));
    println!(
        "{what:<12} {rows:>8} {:>8.1} {:>8.0} {:>10.1} {:>8.3} {:>8.2} {:>8.2} {:>8} {:>8}",
        took.as_secs_f64(),
        per_second(count, took),
        ratio(used.peak_kib, 1024),
        ratio(used.calls, count),
        ratio(used.write_decis, 10 * count),
        ratio(used.read_decis, 10 * count),
        percentile(&times, 50),
        percentile(&times, 99),
    );
}

/// At another stall than the one whose menu is imported.
fn rice(badge: &str) -> Value {
    json!({ "rfid": badge, "station": "kitchen-1", "items": [{ "code": "RICE", "qty": 1 }] })
}

fn menu(rows: u32) -> String {
    let meal = |row| format!("M{row:06},\"Meal {row}, of the day\",mains,{}.50,{}\n", row % 500, row % 900);
    format!(
        "code,name,category,price,calories\nCOFFEE,Coffee,drinks,45.00,5\n{}",
        (1..rows).map(meal).collect::<String>()
    )
}

fn roster(rows: u32) -> String {
    let employee = |row| format!("N{row:06},Employee {row},RN{row:06},1500.00\n");
    format!("employee_number,name,badge,credit_limit\n{}", (0..rows).map(employee).collect::<String>())
}
