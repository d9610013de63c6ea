//! `kill -9` at any moment, again and again under load: every answered `202` settles, once, a cutoff
//! replenishes everybody, once, and table, queues and users are as they were.

use aws::config::Clients;
use aws::failure::chain;
use aws::retry::Policy;
use aws::table::Write;
use aws::{items, keys};
use aws_sdk_sqs::types::QueueAttributeName;
use domain::command::Purpose;
use domain::cutoff::StandingPolicy;
use domain::id::TenantId;
use jiff::Timestamp;
use local::endpoints::Endpoints;
use local::system::{self, Options, System};
use serde_json::{Value, json};
use std::fs::File;
use std::path::Path;
use std::process::{Child, Command};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tempfile::TempDir;
use tests::terminal::{Terminal, coffee};
use tests::{audit, eventually, roster};
use tokio::sync::watch;
use uuid::Uuid;

const KILLS: u32 = 50;
/// Between two looks whether a cutoff is due.
const TICK: Duration = Duration::from_millis(200);
const TERMINALS: u32 = 8;
/// Where the child finds its directory.
const DIR_VARIABLE: &str = "POS_KILL_TEST_DIR";
/// What a killed worker held comes again after so many seconds, and not after a minute: each start sets that anew.
const VISIBILITY_TIMEOUTS: [(Purpose, &str); 2] = [(Purpose::Checkouts, "10"), (Purpose::Replenishment, "2")];
/// A pause of a terminal that found nobody there.
const NOBODY_THERE: Duration = Duration::from_millis(20);

/// The child: a system in the directory that the parent names, until it is killed.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "the child process of the test below"]
async fn serve() {
    #[expect(clippy::disallowed_methods, reason = "how a parent speaks to this child")]
    let dir = std::env::var(DIR_VARIABLE).expect("the parent names a directory");
    let options =
        Options { tick: Some(TICK), ..tests::options(Path::new(&dir), aws::clock::Clock::system()) };
    match System::start(options).await {
        Ok(system) => system.run().await,
        Err(error) => panic!("{}", chain(&error)),
    }
}

/// A child that is killed when it goes out of sight, also out of a test that failed.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        self.0.kill().unwrap();
        self.0.wait().unwrap();
    }
}

fn spawn(dir: &Path) -> Running {
    let child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "kill::serve", "--ignored", "--nocapture"])
        .env(DIR_VARIABLE, dir)
        .stdout(said(dir))
        .stderr(said(dir))
        .spawn();
    Running(child.unwrap())
}

/// Where a child's last words go.
fn said(dir: &Path) -> File {
    File::options().create(true).append(true).open(dir.join("said")).unwrap()
}

/// Starts a child and waits until it says where it is.
async fn start(dir: &Path) -> (Running, Endpoints) {
    let file = dir.join("endpoints.json");
    if file.exists() {
        std::fs::remove_file(&file).unwrap();
    }
    let mut child = spawn(dir);
    eventually("the child is up", async || {
        let ended = child.0.try_wait().unwrap();
        assert!(ended.is_none(), "{}", std::fs::read_to_string(dir.join("said")).unwrap());
        file.exists()
    })
    .await;
    let endpoints = serde_json::from_slice(&std::fs::read(&file).unwrap()).unwrap();
    let clients = clients(&endpoints);
    for (purpose, timeout_s) in VISIBILITY_TIMEOUTS {
        let queue = clients.config().names.queue(&acme(), purpose);
        let url = clients.sqs().get_queue_url().queue_name(queue).send().await.unwrap().queue_url.unwrap();
        let set = clients.sqs().set_queue_attributes().queue_url(url);
        set.attributes(QueueAttributeName::VisibilityTimeout, timeout_s).send().await.unwrap();
    }
    (child, endpoints)
}

fn clients(endpoints: &Endpoints) -> Clients {
    system::clients(&endpoints.aws_endpoint_url, &endpoints.dynamodb_endpoint_url)
}

fn acme() -> TenantId {
    "acme".parse().unwrap()
}

/// Numbers that look random and are the same in every run.
struct Moments(u64);

impl Moments {
    fn up_to(&mut self, max_ms: u64) -> Duration {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        Duration::from_millis((self.0 >> 33) % max_ms)
    }
}

/// Sells one coffee after the other, each under its key until it has an answer, as a terminal should.
async fn sell(
    mut terminals: watch::Receiver<Option<Terminal>>,
    stop: Arc<AtomicBool>,
    first: u32,
) -> Vec<(u32, Uuid)> {
    let mut sold = Vec::new();
    for round in 0.. {
        if stop.load(Ordering::SeqCst) {
            break;
        }
        let employee = 100_000 + (first + round * TERMINALS) % 200;
        let key = Uuid::now_v7();
        loop {
            let terminal = terminals.wait_for(Option::is_some).await.unwrap().clone().unwrap();
            match terminal.try_sell(key, &coffee(&format!("RF{employee}"), 1), 0).await {
                Ok(answer) if matches!(answer.status, 200 | 202) => break sold.push((employee, key)),
                Ok(answer) => assert_eq!(answer.status, 503, "{answer:?}"),
                Err(_) => tokio::time::sleep(NOBODY_THERE).await,
            }
        }
    }
    sold
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_answered_is_lost() {
    let dir = TempDir::new().unwrap();
    let mut moments = Moments(42);
    // Killed while it makes its tables, queues, users and demo.
    for _ in 0..5 {
        let child = spawn(dir.path());
        tokio::time::sleep(moments.up_to(1_500)).await;
        drop(child);
    }

    let (mut child, mut endpoints) = start(dir.path()).await;
    let cashier = Terminal::sign_in(&endpoints, "acme-cashier").await;
    let (tell, terminals) = watch::channel(Some(cashier.clone()));
    let stop = Arc::new(AtomicBool::new(false));
    let load: Vec<_> =
        (0..TERMINALS).map(|first| tokio::spawn(sell(terminals.clone(), stop.clone(), first))).collect();
    for _ in 0..KILLS {
        tokio::time::sleep(moments.up_to(400)).await;
        drop(child);
        tell.send_replace(None);
        (child, endpoints) = start(dir.path()).await;
        // The token of before is still good: users and signing key are what they were.
        tell.send_replace(Some(cashier.moved_to(&endpoints)));
    }
    stop.store(true, Ordering::SeqCst);
    let mut sold = Vec::new();
    for terminal in load {
        sold.extend(terminal.await.unwrap());
    }

    let cashier = Terminal::sign_in(&endpoints, "acme-cashier").await;
    for (employee, key) in &sold {
        let path = format!("/v1/employees/{employee}/checkouts/{key}");
        eventually("an accepted sale settles", async || {
            let answer = cashier.get(&path, &[]).await;
            assert!(matches!(answer.outcome(), "settled" | ""), "{answer:?}");
            answer.outcome() == "settled"
        })
        .await;
    }

    let table = clients(&endpoints).table(Policy::WORKER);
    let mut stored = 0;
    for employee in 100_000..100_200 {
        stored += audit::account(&table, "acme", &employee.to_string()).await.recent.len();
    }
    drop(child);
    assert_eq!(stored, sold.len(), "every sale once, and none that nobody made");
    println!("{} sales over {KILLS} kills", sold.len());
    assert!(sold.len() > KILLS as usize, "hardly any load: {} sales", sold.len());
}

const CUTOFF_KILLS: u32 = 20;
const ROSTER: u32 = 1_500;
const LIMIT: i64 = 600_000;
/// Employees of Acme in the demo, who have what their own limit says.
const DEMO: u64 = 200;

/// Killed while it ticks, opens, hands out and replenishes; every start ticks again.
#[tokio::test(flavor = "multi_thread")]
async fn a_cutoff_that_is_killed_again_and_again_replenishes_everybody_once() {
    let (dir, mut moments) = (TempDir::new().unwrap(), Moments(7));
    let (mut child, mut endpoints) = start(dir.path()).await;
    let (acme, now) = (acme(), aws::clock::Clock::system().now());
    let table = clients(&endpoints).table(Policy::WORKER);
    roster::hire(&table, &acme, ROSTER, now).await;
    let policy = serde_json::from_value(json!({
        "schedule": { "monthly": { "day": 1 } }, "at": "00:00", "method": { "method": "raise_to" },
        "negative_balance": "carry", "default_limit": LIMIT, "prorates_joiners": false,
    }));
    let standing = StandingPolicy { policy: policy.unwrap(), since: Timestamp::UNIX_EPOCH };
    let due = vec![Write::Create(items::policy(&acme, &standing).unwrap())];
    table.commit(due).await.unwrap();

    let roster_at = async |endpoints: &Endpoints| {
        let table = clients(endpoints).table(Policy::WORKER);
        let item = table.read_one(&keys::roster(&acme)).await.unwrap();
        item.map(|item| items::stored_roster(item).unwrap())
    };
    let mut under_way = 0;
    for _ in 0..CUTOFF_KILLS {
        tokio::time::sleep(moments.up_to(800)).await;
        drop(child);
        (child, endpoints) = start(dir.path()).await;
        under_way += u32::from(roster_at(&endpoints).await.is_some_and(|roster| roster.is_open));
    }
    assert!(under_way > CUTOFF_KILLS / 4, "only {under_way} kills hit an open cutoff");
    let admin = Terminal::sign_in(&endpoints, "acme-admin").await;
    let mut cutoff = Value::Null;
    eventually("the cutoff is closed", async || {
        let listed = admin.get("/v1/cutoffs", &[]).await.body["items"].clone();
        assert!(listed.as_array().unwrap().len() <= 1, "{listed}");
        cutoff = listed[0].clone();
        cutoff["status"] == "closed"
    })
    .await;
    let date = cutoff["date"].as_str().unwrap().parse().unwrap();
    let table = clients(&endpoints).table(Policy::WORKER);
    let granted = roster::audit(&table, &acme, ROSTER, date, LIMIT).await;
    let everybody = u64::from(ROSTER) + DEMO;
    let totals =
        json!({ "booked": everybody, "granted": granted, "expired": 0, "skipped": {}, "missing": 0 });
    assert_eq!((&cutoff["expected"], &cutoff["totals"]), (&json!(everybody), &totals));
    println!("{under_way} of {CUTOFF_KILLS} kills hit an open cutoff");
}
