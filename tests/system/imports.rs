//! Files against the real store, queue and table.

use aws::clock::Clock;
use aws::config::Clients;
use aws::files::Dropped;
use aws::items;
use aws::keys;
use aws::menus::Menus;
use aws::retry::Policy;
use aws::telemetry::Metrics;
use aws_lambda_events::sqs::{SqsEvent, SqsMessage};
use aws_sdk_s3::primitives::ByteStream;
use domain::command::{Command, ImportFile, Message, Purpose};
use domain::id::EmployeeNumber;
use domain::import::{PATIENCE, Target};
use jiff::SignedDuration;
use serde_json::{Value, json};
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex, mpsc};
use tests::faults::{self, Fault};
use tests::terminal::{Terminal, coffee};
use tests::{World, eventually};
use tokio::sync::Notify;
use tokio::time::timeout;
use uuid::Uuid;
use workers::import_files::ImportWorker;
use workers::lambda::Worker;

const IMPORTS: &str = "/v1/concessionaires/coffee-bar/menu-imports";
const MENU: &str = "/v1/concessionaires/coffee-bar/menu";

/// A menu whose prices say which one it is.
fn menu(price: i64) -> String {
    let meals = (0..2_000).map(|meal| format!("MEAL-{meal},Meal {meal},{price}.00\n"));
    format!("code,name,price\nCOFFEE,Coffee,{price}.00\n{}", meals.collect::<String>())
}

async fn put(world: &World, key: &str, file: &str) {
    put_as(world, key, file, "text/csv", &[]).await;
}

/// The same with another type and options.
async fn put_as(world: &World, key: &str, file: &str, content_type: &str, options: &[(&str, &str)]) {
    let names = &world.system.clients.config().names;
    let mut put = world.system.clients.s3().put_object().bucket(names.files()).key(key);
    for (name, value) in options {
        put = put.metadata(*name, *value);
    }
    put.content_type(content_type).body(ByteStream::from(file.as_bytes().to_vec())).send().await.unwrap();
}

/// Every sale is priced by one version, which is named in it, whatever is switched meanwhile.
#[tokio::test(flavor = "multi_thread")]
async fn nobody_sells_from_half_a_menu() {
    let world = World::start().await;
    let (manager, cashier) = (world.terminal("acme-manager").await, world.terminal("acme-cashier").await);
    let importing = async {
        for price in 11..=16 {
            let applied = manager.import(IMPORTS, &json!({}), menu(price).as_bytes()).await;
            assert_eq!(applied.outcome(), "applied", "{applied:?}");
        }
    };
    let selling = async {
        let mut sold = Vec::new();
        loop {
            let badge = format!("RF{}", 100_001 + sold.len() % 199);
            let sale = cashier.buy(Uuid::now_v7(), &coffee(&badge, 1)).await;
            assert_eq!(sale.outcome(), "settled", "{sale:?}");
            let version = sale.body["menu_version"].as_str().unwrap().to_owned();
            sold.push((version, sale.body["total_gross"].as_i64().unwrap()));
            if sold.last().is_some_and(|(version, _)| version == "7.0") {
                return sold;
            }
        }
    };
    let ((), sold) = tokio::join!(importing, selling);
    for (version, price) in &sold {
        let meals: i64 = version.split('.').next().unwrap().parse().unwrap();
        let expected = if meals == 1 { 4_500 } else { (meals + 9) * 100 };
        assert_eq!(*price, expected, "{version}");
    }
    let menu = cashier.get(MENU, &[]).await.body;
    assert_eq!(menu["meals"].as_array().map(Vec::len), Some(2_001));
    world.settle().await;
}

/// A file that is put by other means is taken, once however often it is announced, and again if another takes
/// its place.
#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_is_dropped_is_taken() {
    let world = World::start().await;
    let manager = world.terminal("acme-manager").await;
    let key = "acme/menus/coffee-bar/nightly.csv";
    put(&world, key, "name,price\nTea,40\n").await;
    sells(&manager, "2.0", 1).await;
    put(&world, key, "name,price\nTea,40\n").await;
    put(&world, key, "name,price\nTea,40\nCake,80\n").await;
    sells(&manager, "3.0", 2).await;
    put(&world, key, "name,price\nTea,40\n").await;
    sells(&manager, "4.0", 1).await;
    let admin = world.terminal("acme-admin").await;
    let imports = admin.get("/v1/imports", &[]).await.body;
    let unchanged = |import: &&Value| import["effect"]["is_unchanged"] == true;
    assert!(imports["items"].as_array().unwrap().iter().filter(unchanged).count() <= 1, "{imports}");
    // What nobody has a rule for stays where it is.
    put(&world, "acme/elsewhere/menu.csv", "name,price\nTea,40\n").await;
    put(&world, "nobody/menus/coffee-bar/menu.csv", "name,price\nTea,40\n").await;
    world.settle().await;
    sells(&manager, "4.0", 1).await;
}

/// A place takes one file: another would be of an import that was begun with the first.
#[tokio::test(flavor = "multi_thread")]
async fn a_place_takes_one_file() {
    let world = World::start().await;
    let manager = world.terminal("acme-manager").await;
    let [file, other] = ["name,price\nTea,40\n", "name,price\nTea,45\n"].map(str::as_bytes);
    let awaited = manager.ask_to_import(Uuid::now_v7(), IMPORTS, &json!({ "bytes": file.len() })).await;
    let upload = &awaited.body["upload"];
    assert_eq!((manager.put(upload, file).await, manager.put(upload, other).await), (200, 412));
    let imported = manager.follow_import(&awaited).await;
    assert_eq!(imported.outcome(), "applied", "{imported:?}");
    assert_eq!(manager.put(upload, other).await, 412);
    assert_eq!(manager.get(MENU, &[]).await.body["meals"][0]["price"], 4_000);
    world.settle().await;
}

/// Whoever was let go imports nothing by what they were given before.
#[tokio::test(flavor = "multi_thread")]
async fn a_place_is_good_for_who_may_still_import() {
    let world = World::start().await;
    let (admin, manager) = (world.terminal("acme-admin").await, world.terminal("acme-manager").await);
    let file = b"name,price\nTea,0\n";
    let awaited = manager.ask_to_import(Uuid::now_v7(), IMPORTS, &json!({ "bytes": file.len() })).await;
    let demoted = json!({ "role": "cashier", "concessionaire_id": "coffee-bar" });
    let demoted = admin.command("PATCH", "/v1/users/acme-manager", &demoted).await;
    assert_eq!(demoted.outcome(), "applied", "{demoted:?}");
    assert_eq!(manager.put(&awaited.body["upload"], file).await, 200);
    eventually("it is refused", async || {
        let imports = admin.get("/v1/imports", &[]).await.body;
        imports["items"][0]["refusal"]["type"] == "too-late"
    })
    .await;
    world.settle().await;
}

async fn sells(manager: &Terminal, version: &str, meals: usize) {
    eventually("the menu is switched", async || {
        let menu = manager.get(MENU, &[]).await.body;
        menu["menu_version"] == version && menu["meals"].as_array().map(Vec::len) == Some(meals)
    })
    .await;
}

/// What is wrong with a file as a whole is told, and nothing is written.
#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_makes_no_sense_is_refused() {
    let world = World::start().await;
    let admin = world.terminal("acme-admin").await;
    let file = "name,price\nTea,40\n";
    let cases = [
        ("menus/coffee-bar/a.csv", file, "image/png", "merge", "wrong-content-type"),
        ("menus/coffee-bar/b.csv", file, "text/csv", "add", "bad-options"),
        ("menus/nobody/c.csv", file, "text/csv", "merge", "unknown-concessionaire"),
        ("menus/coffee-bar/d.csv", "", "text/csv", "merge", "unreadable-file"),
        ("employees/e.csv", file, "text/csv", "merge", "unreadable-file"),
        // Who is in a row that cannot be read would be let go.
        ("employees/f.csv", "number,name,limit\n7,Ann,1,000\n", "text/csv", "replace", "bad-rows"),
    ];
    for (index, (name, file, content_type, mode, reason)) in cases.into_iter().enumerate() {
        let options = [("mode", mode), ("strictness", "lenient")];
        put_as(&world, &format!("acme/{name}"), file, content_type, &options).await;
        eventually("it is refused", async || {
            let imports = admin.get("/v1/imports", &[]).await.body;
            let imports = imports["items"].as_array().unwrap();
            let refused = |import: &&Value| import["refusal"]["type"] == reason;
            imports.len() == index + 1 && imports.iter().any(|import| refused(&import))
        })
        .await;
    }
    assert_eq!(admin.get(MENU, &[]).await.body["menu_version"], "1.0");
    world.settle().await;
}

/// Nothing of a file under another tenant's prefix comes through a tenant's queue.
#[tokio::test(flavor = "multi_thread")]
async fn a_foreign_file_is_not_taken() {
    let world = World::start().await;
    let target = Target::Menu("coffee-bar".parse().unwrap());
    let foreign = Dropped { tenant: "globex".parse().unwrap(), target, name: "menu.csv".to_owned() };
    let acme = "acme".parse().unwrap();
    let (clients, sqs) = (&world.system.clients, world.system.clients.sqs());
    let names = &clients.config().names;
    let queue = |name: &str| aws::queue::queue_url(&names.queue_arn(name)).unwrap();
    for tenant in [&acme, &foreign.tenant] {
        let announced = ImportFile {
            tenant: (*tenant).clone(),
            key: foreign.key(),
            etag: "x".to_owned(),
            sequencer: Uuid::new_v4().to_string(),
        };
        let body = serde_json::to_string(&Message::new(Command::ImportFile(announced))).unwrap();
        let sent = sqs.send_message().queue_url(queue(&names.queue(&acme, Purpose::Imports)));
        let sent = sent.message_body(body).message_group_id("T#acme#IMPORT#menus");
        sent.message_deduplication_id(Uuid::new_v4().to_string()).send().await.unwrap();
    }
    let dead_letters = names.dead_letter_queue(&acme, Purpose::Imports);
    eventually("both are dead letters", async || {
        world.queues().await.iter().any(|(url, messages)| url.ends_with(&dead_letters) && *messages == 2)
    })
    .await;
}

/// Whoever is not in a roster that replaces is let go, and nobody else.
#[tokio::test(flavor = "multi_thread")]
async fn a_roster_replaces_another() {
    let world = World::start().await;
    let admin = world.terminal("acme-admin").await;
    let rows = |from: u32| -> String {
        let rows = (from..200).map(|index| format!("{},Employee {index}\n", 100_000 + index));
        format!("number,name\n{}", rows.collect::<String>())
    };
    let replace = json!({ "mode": "replace", "max_missing_percent": 6 });
    let replaced = admin.import("/v1/employee-imports", &replace, rows(11).as_bytes()).await;
    assert_eq!(replaced.outcome(), "applied", "{replaced:?}");
    let effect = json!({ "created": 0, "changed": 189, "unchanged": 0, "deactivated": 11 });
    assert_eq!(replaced.body["effect"], effect);
    let again = admin.import("/v1/employee-imports", &replace, rows(11).as_bytes()).await;
    let effect = json!({ "created": 0, "changed": 0, "unchanged": 189, "deactivated": 0 });
    assert_eq!(again.body["effect"], effect, "{again:?}");
    let (gone, kept) = ("/v1/employees/100010", "/v1/employees/100011");
    assert_eq!(admin.get(gone, &[]).await.body["status"], "inactive");
    assert_eq!(admin.get(kept, &[]).await.body["status"], "active");
    let sale = world.terminal("acme-cashier").await.buy(Uuid::now_v7(), &coffee("RF100010", 1)).await;
    assert_eq!(sale.body["rejection"]["type"], "employee-inactive", "{sale:?}");
    world.settle().await;
}

/// More calls than any of these imports makes.
const CALLS_MAX: u32 = 60;

/// Announces what lies under a key to a worker that dies with one of its calls, before or after it was
/// carried out; false if it makes fewer.
async fn dies_with(world: &World, announced: &SqsEvent, call: u32, is_carried_out: bool) -> bool {
    let death = if is_carried_out { Fault::Freeze } else { Fault::Hang };
    let died =
        faults::until_death(world.system.clients.config(), call, death, announced.clone(), |clients| {
            let clock = Clock::system();
            ImportWorker::new(clients, clock.clone(), Metrics::to(clock, "test", |_| ()))
        })
        .await;
    let Some(response) = died else { return true };
    assert!(response.batch_item_failures.is_empty(), "{response:?}");
    false
}

/// Puts a file and says how it is announced.
async fn announced(world: &World, key: &str, file: &str) -> SqsEvent {
    put(world, key, file).await;
    announcement(world, key).await
}

async fn announcement(world: &World, key: &str) -> SqsEvent {
    let names = &world.system.clients.config().names;
    let head = world.system.clients.s3().head_object().bucket(names.files()).key(key).send().await.unwrap();
    let Dropped { tenant, target, .. } = Dropped::parse(key).unwrap();
    let (group, queue) = (keys::import_group(&tenant, &target), names.queue(&tenant, Purpose::Imports));
    let command = ImportFile {
        tenant,
        key: key.to_owned(),
        etag: head.e_tag().unwrap().trim_matches('"').to_owned(),
        sequencer: Uuid::new_v4().to_string(),
    };
    let mut record = SqsMessage::default();
    record.message_id = Some("0".to_owned());
    record.receipt_handle = Some("none".to_owned());
    record.body = Some(serde_json::to_string(&Message::new(Command::ImportFile(command))).unwrap());
    record.event_source_arn = Some(names.queue_arn(&queue));
    record.attributes.insert("MessageGroupId".to_owned(), group);
    record.attributes.insert("ApproximateReceiveCount".to_owned(), "1".to_owned());
    let mut event = SqsEvent::default();
    event.records.push(record);
    event
}

/// Wherever a worker dies, stations sell from the old menu or the new one, and the next one ends what it
/// began.
#[tokio::test(flavor = "multi_thread")]
async fn a_worker_that_dies_leaves_a_whole_menu() {
    let world = World::idle().await;
    let manager = world.terminal("acme-manager").await;
    let prices = async || {
        let menu = manager.get(MENU, &[]).await.body;
        let meals = menu["meals"].as_array().unwrap().iter();
        meals.map(|meal| meal["price"].as_i64().unwrap()).collect::<Vec<_>>()
    };
    let file = |price: i64| -> String {
        let meals = (0..60).map(|meal| format!("M{meal},Meal {meal},{price}\n"));
        format!("code,name,price\n{}", meals.collect::<String>())
    };
    let mut price = 1;
    let first = announced(&world, "acme/menus/coffee-bar/menu.csv", &file(price)).await;
    assert!(!dies_with(&world, &first, CALLS_MAX, false).await);
    let mut deaths = 0;
    for is_carried_out in [false, true] {
        for call in 0.. {
            assert!(call < CALLS_MAX);
            price += 1;
            let event = announced(&world, "acme/menus/coffee-bar/menu.csv", &file(price)).await;
            let is_dead = dies_with(&world, &event, call, is_carried_out).await;
            let sold = prices().await;
            let (old, new) = ([(price - 1) * 100; 60], [price * 100; 60]);
            assert!(sold == old || sold == new, "call {call}: {sold:?}");
            assert!(!dies_with(&world, &event, CALLS_MAX, false).await);
            assert_eq!(prices().await, new, "call {call}");
            if !is_dead {
                break;
            }
            deaths += 1;
        }
    }
    assert!(deaths > 20, "only {deaths} deaths");
}

/// Whoever uses an import's key for something else, before it is applied, ends it: it would never have had a
/// receipt.
#[tokio::test(flavor = "multi_thread")]
async fn an_import_whose_key_is_reused_is_refused() {
    let world = World::idle().await;
    let manager = world.terminal("acme-manager").await;
    let before = manager.get(MENU, &[]).await.body["menu_version"].clone();
    let (id, mut half) = (Uuid::now_v7(), false);
    let event = announced(&world, &format!("acme/menus/coffee-bar/{id}"), &menu(50)).await;
    for call in 0..CALLS_MAX {
        assert!(dies_with(&world, &event, call, false).await, "it was applied");
        let import = manager.get(&format!("/v1/imports/{id}"), &[]).await;
        half = import.body["status"] == "applying";
        if half {
            break;
        }
    }
    assert!(half, "it never wrote anything");
    let path = "/v1/concessionaires/coffee-bar/meals/COFFEE/availability";
    let key = id.to_string();
    let headers = [("idempotency-key", key.as_str()), ("content-type", "application/json")];
    let accepted = manager.request("PUT", path, &headers, &json!({ "sold_out": true }).to_string()).await;
    assert_eq!(accepted.status, 202, "{accepted:?}");
    world.work_off("acme", Purpose::Admin).await;
    assert_eq!(manager.follow(&accepted).await.outcome(), "applied");
    assert!(!dies_with(&world, &event, CALLS_MAX, false).await);
    let import = manager.get(&format!("/v1/imports/{id}"), &[]).await;
    assert_eq!(import.body["refusal"]["type"], "idempotency-key-reused", "{import:?}");
    let after = manager.get(MENU, &[]).await.body;
    let meals = |version: &Value| version.as_str().unwrap().split('.').next().unwrap().to_owned();
    assert_eq!(meals(&after["menu_version"]), meals(&before), "{after}");
}

/// Wherever a worker dies, each employee is there whole or not at all, and the next one ends what it began.
#[tokio::test(flavor = "multi_thread")]
async fn a_worker_that_dies_leaves_whole_employees() {
    let world = World::idle().await;
    let table = world.system.app.table();
    let acme = "acme".parse().unwrap();
    let mut deaths = 0;
    for is_carried_out in [false, true] {
        for call in 0.. {
            assert!(call < CALLS_MAX);
            let run = format!("{}{call}", if is_carried_out { "A" } else { "B" });
            let numbers = (0..30).map(|index| format!("{run}-{index}"));
            let numbers: Vec<_> = numbers.map(|number| number.parse().unwrap()).collect();
            let rows = numbers.iter().map(|number: &EmployeeNumber| format!("{number},Ann,R-{number}\n"));
            let file = format!("number,name,badge\n{}", rows.collect::<String>());
            let event = announced(&world, "acme/employees/roster.csv", &file).await;
            let is_dead = dies_with(&world, &event, call, is_carried_out).await;
            let whole = async || {
                let mut whole = 0;
                for number in &numbers {
                    let badge = format!("R-{number}").parse().unwrap();
                    let keys = [
                        keys::employee(&acme, number),
                        keys::wallet(&acme, number),
                        keys::badge(&acme, &badge),
                    ];
                    let found = table.read(keys.clone()).await.unwrap();
                    let there = keys.iter().filter(|key| found.get(key).is_some()).count();
                    assert!(matches!(there, 0 | 3), "{number}: {there}");
                    whole += usize::from(there == 3);
                }
                whole
            };
            whole().await;
            assert!(!dies_with(&world, &event, CALLS_MAX, false).await);
            assert_eq!(whole().await, numbers.len(), "call {call}");
            if !is_dead {
                break;
            }
            deaths += 1;
        }
    }
    assert!(deaths > 20, "only {deaths} deaths");
}

/// What comes back of the dead letters hours later undoes nothing that was done since.
#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_waited_too_long_is_refused() {
    let world = World::idle().await;
    let manager = world.terminal("acme-manager").await;
    let before = manager.get(MENU, &[]).await.body;
    let id = Uuid::now_v7();
    let event = announced(&world, &format!("acme/menus/coffee-bar/{id}"), &menu(50)).await;
    let clock = Clock::from_fn(|| Clock::system().now() + PATIENCE + SignedDuration::from_mins(1));
    let metrics = Metrics::to(clock.clone(), "test", |_| ());
    let response = ImportWorker::new(&world.system.clients, clock, metrics).handle(event).await;
    assert!(response.batch_item_failures.is_empty(), "{response:?}");
    let import = manager.get(&format!("/v1/imports/{id}"), &[]).await;
    assert_eq!(import.body["refusal"]["type"], "too-late", "{import:?}");
    assert_eq!(manager.get(MENU, &[]).await.body, before);
}

/// Announcements may overtake one another: what an older file says undoes no newer one.
#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_was_overtaken_is_refused() {
    let world = World::idle().await;
    let manager = world.terminal("acme-manager").await;
    let keys = [Uuid::now_v7(), Uuid::now_v7()].map(|id| format!("acme/menus/coffee-bar/{id}"));
    let put_at = async |key: &str| {
        let bucket = world.system.clients.config().names.files();
        let head = world.system.clients.s3().head_object().bucket(bucket).key(key).send().await.unwrap();
        head.last_modified.unwrap()
    };
    let older = announced(&world, &keys[0], &menu(50)).await;
    let mut newer = older.clone();
    eventually("a file is put a second later", async || {
        newer = announced(&world, &keys[1], &menu(60)).await;
        put_at(&keys[1]).await > put_at(&keys[0]).await
    })
    .await;
    let import = async |event: SqsEvent, key: &str| {
        let clock = Clock::system();
        let metrics = Metrics::to(clock.clone(), "test", |_| ());
        let response = ImportWorker::new(&world.system.clients, clock, metrics).handle(event).await;
        assert!(response.batch_item_failures.is_empty(), "{response:?}");
        manager.get(&format!("/v1/imports/{}", key.rsplit('/').next().unwrap()), &[]).await.body
    };
    assert_eq!(import(newer, &keys[1]).await["status"], "applied");
    let menu = manager.get(MENU, &[]).await.body;
    let overtaken = import(older, &keys[0]).await;
    assert_eq!(overtaken["refusal"]["type"], "too-late", "{overtaken}");
    assert_eq!(manager.get(MENU, &[]).await.body, menu);
}

/// Takes in a roster; what is done `meanwhile` is done when all rows were looked at and none is written.
async fn overtaken(world: &World, event: SqsEvent, meanwhile: impl AsyncFnOnce()) {
    let (is_applying, looked_at) = (AtomicBool::new(false), Arc::new(Notify::new()));
    let (go_on, may_go_on) = mpsc::channel::<()>();
    let (told, may_go_on) = (looked_at.clone(), Mutex::new(may_go_on));
    let http_client = faults::http_client(move |operation, body| {
        if operation == "TransactWriteItems" {
            is_applying.fetch_or(body.contains("\"applying\""), Ordering::SeqCst);
        } else if operation == "BatchGetItem" && is_applying.load(Ordering::SeqCst) {
            told.notify_one();
            // Nobody sends: it is over once the other end is dropped.
            may_go_on.lock().unwrap().recv().unwrap_err();
        }
        Fault::None
    });
    let clients = Clients::over(world.system.clients.config().clone(), http_client);
    let clock = Clock::system();
    let worker = ImportWorker::new(&clients, clock.clone(), Metrics::to(clock, "test", |_| ()));
    let import = tokio::spawn(async move { worker.handle(event).await });
    timeout(tests::PATIENCE, looked_at.notified()).await.expect("all rows are looked at");
    meanwhile().await;
    drop(go_on);
    let response = import.await.unwrap();
    assert!(response.batch_item_failures.is_empty(), "{response:?}");
}

/// An administrator's change, applied.
async fn admin_changes(world: &World, method: &str, path: &str, body: &Value) {
    let admin = world.terminal("acme-admin").await;
    let key = Uuid::now_v7().to_string();
    let headers = [("idempotency-key", key.as_str()), ("content-type", "application/json")];
    let accepted = admin.request(method, path, &headers, &body.to_string()).await;
    assert_eq!(accepted.status, 202, "{accepted:?}");
    world.work_off("acme", Purpose::Admin).await;
    assert_eq!(admin.follow(&accepted).await.outcome(), "applied");
}

/// Whoever is hired while a roster is taken in that replaces, and may miss nobody, is not in it, and stays.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn whoever_is_hired_during_an_import_stays() {
    let world = World::idle().await;
    let admin = world.terminal("acme-admin").await;
    let rows: String = (0..200).map(|index| format!("{},Employee {index}\n", 100_000 + index)).collect();
    let key = format!("acme/employees/{}", Uuid::now_v7());
    let options = [("mode", "replace"), ("max-missing-percent", "0")];
    put_as(&world, &key, &format!("number,name\n{rows}"), "text/csv", &options).await;
    overtaken(&world, announcement(&world, &key).await, async || {
        let employee = json!({ "employee_number": "NEW", "name": "New Here" });
        admin_changes(&world, "POST", "/v1/employees", &employee).await;
    })
    .await;
    let import = admin.get(&format!("/v1/imports/{}", key.rsplit('/').next().unwrap()), &[]).await.body;
    assert_eq!(
        (&import["status"], &import["effect"]["deactivated"]),
        (&json!("applied"), &json!(0)),
        "{import}"
    );
    assert_eq!(admin.get("/v1/employees/NEW", &[]).await.body["status"], "active");
}

/// What somebody changed after a roster was put stands, and its row says so; nobody who was hired since goes.
#[tokio::test(flavor = "multi_thread")]
async fn a_roster_undoes_nothing_that_was_changed_since_it_was_put() {
    let world = World::idle().await;
    let admin = world.terminal("acme-admin").await;
    let key = format!("acme/employees/{}", Uuid::now_v7());
    let listed = (0..200).filter(|index| *index != 2);
    let rows: String = listed.map(|index| format!("{},Employee {index},70.00\n", 100_000 + index)).collect();
    let options = [("mode", "replace"), ("strictness", "lenient"), ("max-missing-percent", "100")];
    put_as(&world, &key, &format!("number,name,limit\n{rows}"), "text/csv", &options).await;
    world.clock.advance(SignedDuration::from_secs(3));
    admin_changes(&world, "PATCH", "/v1/employees/100001", &json!({ "credit_limit": 1 })).await;
    let employee = json!({ "employee_number": "NEW", "name": "New Here" });
    admin_changes(&world, "POST", "/v1/employees", &employee).await;
    let mut import = Value::Null;
    eventually("it is taken in", async || {
        world.work_off("acme", Purpose::Imports).await;
        import = admin.get(&format!("/v1/imports/{}", key.rsplit('/').next().unwrap()), &[]).await.body;
        import["status"] == "applied"
    })
    .await;
    assert_eq!(
        (&import["rows"]["bad"], &import["effect"]["deactivated"]),
        (&json!(1), &json!(1)),
        "{import}"
    );
    assert!(admin.fetch(&import["bad_rows_url"]).await.contains("was changed since"), "{import}");
    let of = async |number: &str| admin.get(&format!("/v1/employees/{number}"), &[]).await.body;
    assert_eq!(of("100000").await["credit_limit"], 7_000);
    assert_eq!(of("100001").await["credit_limit"], 1);
    assert_eq!(of("100002").await["status"], "inactive");
    assert_eq!(of("NEW").await["status"], "active");
}

/// Whoever could not read a large menu to its end goes on from there: no page is read twice, however often it
/// fails.
#[tokio::test(flavor = "multi_thread")]
async fn a_large_menu_is_read_on_from_where_it_failed() {
    let world = World::start().await;
    let manager = world.terminal("acme-manager").await;
    let (name, category) = ("x".repeat(90), "y".repeat(50));
    let meals: String = (0..9_000).map(|meal| format!("M{meal},{name},{category},10.00\n")).collect();
    let applied =
        manager.import(IMPORTS, &json!({}), format!("code,name,category,price\n{meals}").as_bytes()).await;
    assert_eq!(applied.outcome(), "applied", "{applied:?}");

    let queries = Arc::new(AtomicU32::new(0));
    let counted = queries.clone();
    let http_client = faults::http_client(move |operation, _| {
        let is_throttled = operation == "Query" && counted.fetch_add(1, Ordering::SeqCst) % 2 == 1;
        let throttled =
            r#"{"__type":"com.amazonaws.dynamodb.v20120810#ThrottlingException","message":"slowly"}"#;
        if is_throttled { Fault::Answer(400, throttled.to_owned()) } else { Fault::None }
    });
    let clients = Clients::over(world.system.clients.config().clone(), http_client);
    let table = clients.table(Policy::ONCE);
    let (acme, bar) = ("acme".parse().unwrap(), "coffee-bar".parse().unwrap());
    let head = table.read_one(&keys::menu(&acme, &bar)).await.unwrap().unwrap();
    let head = items::stored_menu_head(head).unwrap();
    let (menus, mut failures) = (Menus::default(), 0);
    let menu = loop {
        match menus.under(&table, &acme, &bar, head.clone()).await {
            Ok(menu) => break menu,
            Err(failure) => assert!(failure.is_transient(), "{failure:?}"),
        }
        failures += 1;
        assert!(failures < 10, "it begins anew each time");
    };
    assert_eq!(menu.base.len(), 9_000);
    let pages = queries.load(Ordering::SeqCst) - failures;
    assert!(failures >= 1 && pages == failures + 1, "{failures} failures, {pages} pages");
    menus.under(&table, &acme, &bar, head).await.unwrap();
    assert_eq!(queries.load(Ordering::SeqCst), pages + failures, "it is kept");
}

/// Who cannot be hired any more when their row is written is told of, as whoever could not be from the
/// beginning.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_row_that_loses_a_race_is_listed() {
    let world = World::idle().await;
    let admin = world.terminal("acme-admin").await;
    let id = Uuid::now_v7();
    let file = "number,name,badge\nEARLY,Ann,RF-EARLY\nLATE,Bob,RF-LATE\n";
    let event = announced(&world, &format!("acme/employees/{id}"), file).await;
    overtaken(&world, event, async || {
        admin_changes(&world, "PUT", "/v1/employees/100001/badges/RF-LATE", &json!({ "status": "active" }))
            .await;
    })
    .await;
    let import = admin.get(&format!("/v1/imports/{id}"), &[]).await.body;
    assert_eq!((&import["status"], &import["effect"]["created"]), (&json!("applied"), &json!(1)), "{import}");
    assert_eq!(import["rows"], json!({ "good": 1, "bad": 1, "listed": 1 }), "{import}");
    assert!(import["bad_rows_url"].is_string(), "{import}");
}

/// Whoever has a file, too, and reads of its import before it began and of its receipt after it ended, does
/// not take that receipt for another command's, and leaves nothing untold.
#[tokio::test(flavor = "multi_thread")]
async fn an_import_that_ends_while_it_is_read_is_told() {
    let world = World::idle().await;
    let id = Uuid::now_v7();
    let file = "code,name,price\nCOFFEE,Coffee,50.00\n";
    let event = announced(&world, &format!("acme/menus/coffee-bar/{id}"), file).await;
    let manager = world.terminal("acme-manager").await;
    for call in 0..CALLS_MAX {
        assert!(dies_with(&world, &event, call, false).await, "it was told");
        if manager.get(&format!("/v1/imports/{id}"), &[]).await.body["status"] == "applied" {
            break;
        }
    }
    let mut told = world.take("acme", Purpose::Results).await;
    assert!(told.records.is_empty(), "{told:?}");

    let (torn, is_torn) =
        faults::torn("RECEIPT", |items| items.retain(|item| !faults::is_under(item, "IMPORT#")));
    let clients = Clients::over(world.system.clients.config().clone(), faults::rewriting(torn));
    let clock = Clock::system();
    let worker = ImportWorker::new(&clients, clock.clone(), Metrics::to(clock, "test", |_| ()));
    assert!(worker.handle(event).await.batch_item_failures.is_empty());
    assert!(is_torn.load(Ordering::SeqCst));
    told = world.take("acme", Purpose::Results).await;
    let told: String = told.records.into_iter().filter_map(|record| record.body).collect();
    assert!(told.contains(&format!("imports/{id}")), "{told}");
}

/// An import whose file goes after its worker died is ended, and says what it wrote.
#[tokio::test(flavor = "multi_thread")]
async fn an_import_that_loses_its_file_is_ended() {
    let world = World::idle().await;
    let admin = world.terminal("acme-admin").await;
    let names = &world.system.clients.config().names;
    let (mut untouched, mut half) = (0, 0);
    for call in 0..CALLS_MAX {
        let id = Uuid::now_v7();
        let key = format!("acme/employees/{id}");
        let rows: String = (0..30).map(|index| format!("L{call}-{index},Ann\n")).collect();
        let event = announced(&world, &key, &format!("number,name\n{rows}")).await;
        let is_dead = dies_with(&world, &event, call, true).await;
        world.system.clients.s3().delete_object().bucket(names.files()).key(&key).send().await.unwrap();
        assert!(!dies_with(&world, &event, CALLS_MAX, false).await);
        let import = admin.get(&format!("/v1/imports/{id}"), &[]).await;
        if !is_dead {
            assert_eq!(import.body["status"], "applied", "{import:?}");
            break;
        }
        if import.status == 404 || import.body["status"] == "applied" {
            continue;
        }
        assert_eq!(import.body["refusal"]["type"], "file-replaced", "{import:?}");
        match import.body["refusal"]["detail"].as_str().unwrap().contains("may have been written") {
            true => half += 1,
            false => untouched += 1,
        }
    }
    assert!(untouched > 0 && half > 0, "{untouched} ended before they wrote, {half} half way");
}
