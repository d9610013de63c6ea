//! `kill -9` at any moment, again and again under load: every answered `202` settles, once, and
//! table, queues and users are as they were.

use aws::failure::chain;
use aws::retry::Policy;
use local::endpoints::Endpoints;
use local::system::{self, System};
use std::fs::File;
use std::path::Path;
use std::process::{Child, Command};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tempfile::TempDir;
use tests::terminal::{Terminal, coffee};
use tests::{audit, eventually};
use tokio::sync::watch;
use uuid::Uuid;

const KILLS: u32 = 50;
const TERMINALS: u32 = 8;
/// Where the child finds its directory.
const DIR_VARIABLE: &str = "POS_KILL_TEST_DIR";
/// A pause of a terminal that found nobody there.
const NOBODY_THERE: Duration = Duration::from_millis(20);

/// The child: a system in the directory that the parent names, until it is killed.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "the child process of the test below"]
async fn serve() {
    #[expect(clippy::disallowed_methods, reason = "how a parent speaks to this child")]
    let dir = std::env::var(DIR_VARIABLE).expect("the parent names a directory");
    let options = tests::options(Path::new(&dir), aws::clock::Clock::system());
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
    (child, serde_json::from_slice(&std::fs::read(&file).unwrap()).unwrap())
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

    let table =
        system::clients(&endpoints.aws_endpoint_url, &endpoints.dynamodb_endpoint_url).table(Policy::WORKER);
    let mut stored = 0;
    for employee in 100_000..100_200 {
        stored += audit::account(&table, "acme", &employee.to_string()).await.recent.len();
    }
    drop(child);
    assert_eq!(stored, sold.len(), "every sale once, and none that nobody made");
    println!("{} sales over {KILLS} kills", sold.len());
    assert!(sold.len() > KILLS as usize, "hardly any load: {} sales", sold.len());
}
