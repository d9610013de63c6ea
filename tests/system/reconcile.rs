//! Whether what is stored agrees: nothing is found where nothing is wrong, whatever goes on meanwhile, and
//! whatever somebody changed past the workers is found, and stays as it is.

use aws::items::{self, Item};
use aws::keys::{self, Key};
use aws::telemetry::Metrics;
use aws_lambda_events::sqs::{SqsBatchResponse, SqsEvent};
use aws_sdk_dynamodb::types::AttributeValue;
use domain::booking::{Booking, BookingKind, BookingOutcome, Cause};
use domain::checkout::{Checkout, Outcome};
use domain::command::Purpose;
use domain::cutoff::{self, Cutoff, Totals};
use domain::id::{CommandId, EmployeeNumber, TenantId};
use domain::money::Money;
use domain::reconciliation::{self, Finding, Progress, Run, Stage, Tally};
use domain::request::RequestHash;
use domain::wallet::Wallet;
use jiff::SignedDuration;
use jiff::civil::Date;
use local::pump::Source;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use tests::World;
use tests::faults::{self, Fault};
use tests::terminal::{Answer, Terminal, coffee};
use uuid::Uuid;
use workers::lambda::Worker;
use workers::open_reconciliation::Ticked;
use workers::reconcile::ReconcileWorker;
use workers::roster::Walk;

/// Employees of each company in the demo, in two parts.
const EMPLOYEES: u64 = 200;
const COFFEE: i64 = 4_500;
const A_DAY: SignedDuration = SignedDuration::from_hours(24);

fn acme() -> TenantId {
    "acme".parse().unwrap()
}

fn number(text: &str) -> EmployeeNumber {
    text.parse().unwrap()
}

/// Ticks, and the report once it is closed.
async fn reconciled(world: &World, admin: &Terminal, ticks: usize) -> Value {
    let before = runs(admin).await.len();
    for _ in 0..ticks {
        world.system.workers.reconciliation.opener().tick_again(&acme()).await.unwrap();
    }
    let mut date = Value::Null;
    tests::eventually("the reconciliation is closed", async || {
        let runs = runs(admin).await;
        date = runs.first().map_or(Value::Null, |run| run["date"].clone());
        runs.len() > before && runs[0]["status"] == "closed"
    })
    .await;
    let report = admin.get(&format!("/v1/reconciliations/{}", date.as_str().unwrap()), &[]).await;
    assert_eq!(report.status, 200, "{report:?}");
    report.body
}

async fn runs(admin: &Terminal) -> Vec<Value> {
    let listed = admin.get("/v1/reconciliations?limit=50", &[]).await;
    assert_eq!(listed.status, 200, "{listed:?}");
    listed.body["items"].as_array().unwrap().clone()
}

/// What was found, by whom it concerns.
fn found(report: &Value) -> BTreeMap<String, Vec<String>> {
    let mut found: BTreeMap<String, Vec<String>> = BTreeMap::new();
    let text = |value: &Value| value.as_str().unwrap_or("nobody").to_owned();
    for finding in report["findings"].as_array().unwrap() {
        found.entry(text(&finding["employee_number"])).or_default().push(text(&finding["type"]));
    }
    found
}

async fn sell(cashier: &Terminal, badge: &str) -> String {
    let sold = cashier.buy(Uuid::now_v7(), &coffee(badge, 1)).await;
    assert_eq!(sold.outcome(), "settled", "{sold:?}");
    sold.body["id"].as_str().unwrap().to_owned()
}

async fn refund(admin: &Terminal, employee: &str, sale: &str, amount: i64) -> Answer {
    let path = format!("/v1/employees/{employee}/checkouts/{sale}/refunds");
    admin.command("POST", &path, &json!({ "amount": amount, "reason": "cold" })).await
}

/// A sale, a refund, a void, a void of what was not decided, an adjustment: of an ordinary day.
async fn an_ordinary_day(world: &World, admin: &Terminal) {
    let cashier = world.terminal("acme-cashier").await;
    let because = json!({ "reason": "because" });
    for employee in ["100001", "100002", "100003"] {
        let badge = format!("RF{employee}");
        let (kept, voided) = (sell(&cashier, &badge).await, sell(&cashier, &badge).await);
        assert_eq!(refund(admin, employee, &kept, 100).await.outcome(), "booked");
        assert_eq!(refund(admin, employee, &kept, COFFEE).await.outcome(), "exceeds-paid");
        let undecided = Uuid::now_v7().to_string();
        for sale in [&voided, &undecided] {
            let path = format!("/v1/employees/{employee}/checkouts/{sale}/void");
            assert_eq!(cashier.command("POST", &path, &because).await.outcome(), "booked");
        }
        let path = format!("/v1/employees/{employee}/adjustments");
        let adjusted = json!({ "amount": -7, "reason": "because" });
        assert_eq!(admin.command("POST", &path, &adjusted).await.outcome(), "booked");
    }
}

/// Movements of such a day, the opening of each wallet aside.
const OF_A_DAY: u64 = 3 * 6;

#[tokio::test(flavor = "multi_thread")]
async fn what_agrees_is_reported_as_such_once_a_day() {
    let world = World::start().await;
    let admin = world.terminal("acme-admin").await;
    an_ordinary_day(&world, &admin).await;
    let policy = json!({
        "days": [15, "last"], "time": "06:00", "method": "reset", "negative_balance": "carry",
        "default_limit": 600_000, "prorates_joiners": false,
    });
    assert_eq!(admin.command("PUT", "/v1/credit-policy", &policy).await.outcome(), "applied");
    // Longer than any half of a month.
    world.clock.advance(SignedDuration::from_hours(17 * 24));
    world.system.workers.replenishment.opener().tick_again(&acme()).await.unwrap();
    tests::eventually("the cutoff is closed", async || {
        world.clock.advance(cutoff::QUIET / 10);
        admin.get("/v1/cutoffs", &[]).await.body["items"][0]["status"] == "closed"
    })
    .await;

    let report = reconciled(&world, &admin, 3).await;
    assert_eq!((&report["finding_count"], &report["findings"]), (&json!(0), &json!([])), "{report}");
    assert_eq!((&report["expected"], &report["employees"]), (&json!(EMPLOYEES), &json!(EMPLOYEES)));
    assert_eq!(report["movements"], 2 * EMPLOYEES + OF_A_DAY);
    world.settle().await;
    let again = world.system.workers.reconciliation.opener().tick(&acme()).await.unwrap();
    assert_eq!((again, runs(&admin).await.len()), (Ticked::Nothing, 1));

    world.clock.advance(A_DAY);
    let next = reconciled(&world, &admin, 1).await;
    assert_eq!(next["finding_count"], 0, "{next}");
    let listed = admin.get("/v1/reconciliations?limit=1", &[]).await.body;
    assert_eq!(listed["items"][0]["date"], next["date"]);
    let cursor = listed["next_cursor"].as_str().unwrap();
    let rest = admin.get(&format!("/v1/reconciliations?limit=1&cursor={cursor}"), &[]).await.body;
    assert_eq!(rest["items"][0]["date"], report["date"]);

    let globex = world.terminal("globex-admin").await;
    assert_eq!(runs(&globex).await, Vec::<Value>::new());
    let path = format!("/v1/reconciliations/{}", report["date"].as_str().unwrap());
    assert_eq!(globex.get(&path, &[]).await.status, 404);
    world.settle().await;
}

/// Whoever writes past the workers.
struct Intruder<'a>(&'a World);

impl Intruder<'_> {
    async fn read(&self, key: &Key) -> Item {
        self.0.system.app.table().read_one(key).await.unwrap().expect("an item")
    }

    async fn put(&self, item: Item) {
        let name = &self.0.system.clients.config().table_name;
        let put = self.0.system.clients.dynamodb().put_item().table_name(name);
        put.set_item(Some(item)).send().await.unwrap();
    }

    async fn delete(&self, key: &Key) {
        let item = self.read(key).await;
        let name = &self.0.system.clients.config().table_name;
        let delete = self.0.system.clients.dynamodb().delete_item().table_name(name);
        delete.key("PK", item["PK"].clone()).key("SK", item["SK"].clone()).send().await.unwrap();
    }

    async fn set(&self, key: &Key, attribute: &str, value: AttributeValue) {
        let mut item = self.read(key).await;
        item.insert(attribute.to_owned(), value);
        self.put(item).await;
    }

    async fn change_sale(&self, key: &Key, change: impl FnOnce(&mut Checkout)) {
        let mut sale = items::stored_checkout(self.read(key).await).unwrap();
        change(&mut sale);
        self.put(items::checkout(&sale).unwrap()).await;
    }
}

/// A cutoff that nobody opened, closed with totals that nothing came to.
fn made_up_cutoff(world: &World, date: Date) -> Item {
    let policy = serde_json::from_value(json!({
        "schedule": { "semi_monthly": { "first": 15, "second": "last" } },
        "at": "06:00", "method": { "method": "reset" }, "negative_balance": "carry",
        "default_limit": 0, "prorates_joiners": false,
    }));
    let now = world.clock.now();
    let opened = Cutoff::open(date, policy.unwrap(), 0, now);
    let totals = Totals { booked: EMPLOYEES, ..Totals::default() };
    let cutoff = Cutoff { closed: Some((now, totals)), ..opened };
    items::cutoff(&acme(), &items::StoredCutoff::new(cutoff)).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_changed_past_the_workers_is_found_and_left_alone() {
    let world = World::start().await;
    let (admin, cashier) = (world.terminal("acme-admin").await, world.terminal("acme-cashier").await);
    let (acme, intruder) = (acme(), Intruder(&world));
    let wallet = |employee: &str| keys::wallet(&acme, &number(employee));
    let opening = |employee: &str| keys::booking(&acme, &number(employee), &"opening".parse().unwrap());
    let sale = |employee: &str, id: &str| keys::checkout(&acme, &number(employee), id.parse().unwrap());
    let text = |text: &str| AttributeValue::S(text.to_owned());

    intruder.set(&wallet("100001"), "b", AttributeValue::N("999999".to_owned())).await;
    sell(&cashier, "RF100002").await;
    intruder.delete(&opening("100002")).await;
    let raised = sell(&cashier, "RF100003").await;
    assert_eq!(refund(&admin, "100003", &raised, 100).await.outcome(), "booked");
    let raised_key = sale("100003", &raised);
    intruder.change_sale(&raised_key, |sale| sale.returned.amount = Money::from_minor(2 * COFFEE)).await;
    intruder.delete(&wallet("100004")).await;
    let gone = sell(&cashier, "RF100005").await;
    assert_eq!(refund(&admin, "100005", &gone, 100).await.outcome(), "booked");
    intruder.delete(&sale("100005", &gone)).await;
    let astray = sale("100006", &sell(&cashier, "RF100006").await);
    intruder.set(&astray, keys::INDEX_SK, text("01900000-0000-7000-8000-000000000000")).await;
    intruder.set(&opening("100007"), "k", text("somebody's name")).await;
    let granted = Booking {
        id: cutoff::booking_id(jiff::civil::date(2026, 1, 15)),
        kind: BookingKind::Grant,
        at: world.clock.now(),
        by: "intruder".parse().unwrap(),
        cause: None,
        replenished: None,
        outcome: BookingOutcome::Booked {
            amount: Money::from_minor(1),
            after: Wallet { balance: Money::from_minor(500_001), version: 2 },
        },
    };
    intruder.put(items::booking(&acme, &number("100008"), &granted).unwrap()).await;
    let richer = Wallet { balance: Money::from_minor(500_001), version: 2 };
    intruder.put(items::wallet(&acme, &number("100008"), richer).unwrap()).await;
    intruder.put(made_up_cutoff(&world, jiff::civil::date(2026, 2, 28))).await;
    let globex = keys::wallet(&"globex".parse().unwrap(), &number("100001"));
    intruder.set(&globex, "b", AttributeValue::N("7".to_owned())).await;

    let report = reconciled(&world, &admin, 1).await;
    let expected = [
        ("100001", vec!["wallet-differs"]),
        ("100002", vec!["movement-missing"]),
        ("100003", vec!["returned-differs", "returned-exceeds-paid"]),
        ("100004", vec!["wallet-missing"]),
        ("100005", vec!["movement-missing", "sale-missing"]),
        ("100006", vec!["index-differs"]),
        ("100007", vec!["wallet-differs", "unreadable"]),
        ("100008", vec!["cutoff-missing"]),
        ("nobody", vec!["cutoff-differs"]),
    ];
    let expected =
        expected.map(|(whose, types)| (whose.to_owned(), types.into_iter().map(str::to_owned).collect()));
    assert_eq!(found(&report), expected.into(), "{report}");
    assert_eq!((&report["finding_count"], &report["not_listed"]), (&json!(12), &json!(0)));
    assert_eq!(report["by_type"]["movement-missing"], 2);
    let of = |kind: &str| {
        report["findings"].as_array().unwrap().iter().find(|found| found["type"] == kind).unwrap()
    };
    let richer = of("wallet-differs");
    assert_eq!((&richer["stored"], &richer["expected"]), (&json!(999_999), &json!(500_000)));
    let returned = of("returned-differs");
    assert_eq!((&returned["checkout_id"], &returned["expected"]), (&json!(raised), &json!(100)));
    // No name, neither of a buyer nor what somebody wrote where none should be.
    let told = report.to_string();
    assert!(!told.contains("somebody"), "{told}");
    for index in 0..10 {
        assert!(!told.contains(&local::demo::employee(index).unwrap().name), "{told}");
    }
    assert_eq!(intruder.read(&wallet("100001")).await["b"], AttributeValue::N("999999".to_owned()));
    let table = world.system.app.table();
    assert!(table.read_one(&wallet("100004")).await.unwrap().is_none(), "nothing is repaired");

    // It is found again the next day, and gone once it was put right.
    intruder.set(&wallet("100001"), "b", AttributeValue::N("500000".to_owned())).await;
    world.clock.advance(A_DAY);
    let next = reconciled(&world, &admin, 1).await;
    assert_eq!(next["finding_count"], 11, "{next}");
    assert!(!found(&next).contains_key("100001"), "{next}");
    world.settle().await;
}

/// Sales, refunds and voids go on, and runs find nothing.
#[tokio::test(flavor = "multi_thread")]
async fn lunch_is_no_finding() {
    let world = World::start().await;
    let (admin, cashier) = (world.terminal("acme-admin").await, world.terminal("acme-cashier").await);
    for _ in 0..3 {
        let is_over = AtomicBool::new(false);
        let lunch = async |employee: u32| {
            let employee = employee.to_string();
            while !is_over.load(Ordering::SeqCst) {
                let sold = sell(&cashier, &format!("RF{employee}")).await;
                assert_eq!(refund(&admin, &employee, &sold, 1).await.outcome(), "booked");
                let path = format!("/v1/employees/{employee}/checkouts/{sold}/void");
                let voided = cashier.command("POST", &path, &json!({ "reason": "because" })).await;
                assert_eq!(voided.outcome(), "booked", "{voided:?}");
            }
        };
        let run = async {
            let report = reconciled(&world, &admin, 1).await;
            is_over.store(true, Ordering::SeqCst);
            report
        };
        let (report, ..) = tokio::join!(run, lunch(100_001), lunch(100_002), lunch(100_003), lunch(100_004));
        assert_eq!(report["finding_count"], 0, "{report}");
        assert_eq!(report["employees"], EMPLOYEES);
        // What is sold next is sold under keys of real time, which two days do not make too old.
        world.clock.advance(A_DAY);
    }
    world.settle().await;
}

/// Opens today's run, and hands out its two parts.
async fn hand_out(world: &World) {
    let ticked = world.system.workers.reconciliation.opener().tick(&acme()).await.unwrap();
    assert!(matches!(ticked, Ticked::Open { .. }), "{ticked:?}");
}

/// Has a worker look at the next part.
async fn look(world: &World, worker: &Arc<ReconcileWorker>) {
    let source = Source::new(&world.system.clients, &acme(), Purpose::Reconciliation);
    assert_eq!(source.turn(worker, 0).await.unwrap(), 1);
}

/// The next part, as a worker gets it.
async fn take(world: &World) -> SqsEvent {
    world.take("acme", Purpose::Reconciliation).await
}

fn is_done(response: &SqsBatchResponse) -> bool {
    response.batch_item_failures.is_empty()
}

/// Closes the run that is there.
async fn close(world: &World) -> Run {
    match world.system.workers.reconciliation.opener().tick(&acme()).await.unwrap() {
        Ticked::Closed(run) => run,
        other => panic!("{other:?}"),
    }
}

fn findings(run: &Run) -> BTreeSet<&'static str> {
    let (_, tally) = run.closed.as_ref().expect("a run that is closed");
    tally.listed.iter().map(|found| found.finding.name()).collect()
}

/// Makes a worker of the world's whose answers from the table are rewritten.
fn rewritten(world: &World, rewrite: impl Fn(&mut Value) + Send + Sync + 'static) -> Arc<ReconcileWorker> {
    let client = faults::rewriting(move |operation, body| {
        if operation != "Query" || !body.contains("T#acme#E#100001\"") {
            return body;
        }
        let mut answer = serde_json::from_str(&body).unwrap();
        rewrite(&mut answer);
        answer.to_string()
    });
    worker(world, aws::config::Clients::over(world.system.clients.config().clone(), client))
}

fn worker(world: &World, clients: aws::config::Clients) -> Arc<ReconcileWorker> {
    let clock = aws::clock::Clock::system();
    let metrics = Metrics::to(clock.clone(), "test", |_| ());
    assert_eq!(clients.config().table_name, world.system.clients.config().table_name);
    Arc::new(ReconcileWorker::new(&clients, clock, metrics))
}

/// What an answer to a query of one partition holds. A look asks for wallet, profile and sales, then for
/// bookings.
fn item_of<'a>(answer: &'a mut Value, sort_key: &str) -> Option<&'a mut Value> {
    let items = answer["Items"].as_array_mut().unwrap();
    items.iter_mut().find(|item| item["SK"]["S"].as_str().unwrap().starts_with(sort_key))
}

/// The wallet was read just before a sale, and the sale just after; a sale was seen before its wallet.
#[tokio::test(flavor = "multi_thread")]
async fn what_was_read_in_between_is_no_finding() {
    let world = World::idle().await;
    let cashier = world.terminal("acme-cashier").await;
    cashier.sell_unasked("RF100001").await;
    world.work_off("acme", Purpose::Checkouts).await;
    hand_out(&world).await;
    let looks = Arc::new(AtomicU32::new(0));
    let counted = looks.clone();
    let stale = rewritten(&world, move |answer| {
        let Some(wallet) = item_of(answer, "WALLET") else { return };
        match counted.fetch_add(1, Ordering::SeqCst) {
            0 => (wallet["b"]["N"], wallet["v"]["N"]) = (json!("500000"), json!("1")),
            other => panic!("the first look should do, and this is {other} more"),
        }
    });
    look(&world, &stale).await;
    assert_eq!(looks.load(Ordering::SeqCst), 1);
    look(&world, &world.system.workers.reconciliation).await;
    assert_eq!(findings(&close(&world).await), [].into());

    world.clock.advance(A_DAY);
    hand_out(&world).await;
    let looks = Arc::new(AtomicU32::new(0));
    let counted = looks.clone();
    let halved = rewritten(&world, move |answer| {
        let Some(sale) = item_of(answer, "CHECKOUT#") else { return };
        if counted.fetch_add(1, Ordering::SeqCst) == 0 {
            sale["ok"]["M"]["v"]["N"] = json!("7");
        }
    });
    look(&world, &halved).await;
    assert_eq!(looks.load(Ordering::SeqCst), 2, "what is wrong is looked at again");
    look(&world, &world.system.workers.reconciliation).await;
    assert_eq!(findings(&close(&world).await), [].into());
}

/// What differs each time is told, and so is what is too much to look at.
#[tokio::test(flavor = "multi_thread")]
async fn who_was_not_looked_at_is_told() {
    let world = World::idle().await;
    for (kind, is_endless) in [("restless", false), ("too-many-movements", true)] {
        hand_out(&world).await;
        let count = AtomicU32::new(0);
        let other = rewritten(&world, move |answer| {
            if let Some(wallet) = item_of(answer, "WALLET") {
                let balance = count.fetch_add(1, Ordering::SeqCst);
                wallet["b"]["N"] = json!(balance.to_string());
            } else if is_endless {
                let movement = item_of(answer, "BOOKING#").unwrap().clone();
                answer["Items"] = vec![movement; 20_001].into();
            }
        });
        look(&world, &other).await;
        look(&world, &world.system.workers.reconciliation).await;
        let run = close(&world).await;
        assert_eq!((findings(&run), run.stage()), ([kind].into(), Stage::Closed));
        world.clock.advance(A_DAY);
    }
}

/// Sales that moved nothing keep nobody from being looked at, unless there are very many of them.
#[tokio::test(flavor = "multi_thread")]
async fn rejected_sales_hide_no_wallet() {
    const ID: &str = "01900000-0000-7000-8000-000000000000";
    let world = World::idle().await;
    world.terminal("acme-cashier").await.sell_unasked("RF100001").await;
    world.work_off("acme", Purpose::Checkouts).await;
    for (rejected, found) in [(20_001, None), (50_001, Some("too-many-movements"))] {
        hand_out(&world).await;
        let crowded = rewritten(&world, move |answer| {
            let Some(sale) = item_of(answer, "CHECKOUT#") else { return };
            let mut sale = sale.clone();
            sale.as_object_mut().unwrap().remove("ok").unwrap();
            sale["no"] = json!({ "M": { "type": { "S": "expired" } } });
            (sale["SK"]["S"], sale["GSI1SK"]["S"]) = (json!(format!("CHECKOUT#{ID}")), json!(ID));
            answer["Items"].as_array_mut().unwrap().extend(vec![sale; rejected]);
        });
        look(&world, &crowded).await;
        look(&world, &world.system.workers.reconciliation).await;
        assert_eq!(findings(&close(&world).await), found.into_iter().collect());
        world.clock.advance(A_DAY);
    }
}

/// A wallet that several pages tell of: each movement counts once, and one that is missing among them is
/// found.
#[tokio::test(flavor = "multi_thread")]
async fn a_wallet_is_read_to_its_end() {
    /// Three pages.
    const MOVEMENTS: u64 = 1_200;
    let world = World::idle().await;
    let (acme, number, intruder) = (acme(), number("100001"), Intruder(&world));
    let mut wallet = Wallet { balance: Money::from_minor(500_000), version: 1 };
    let mut bookings = Vec::new();
    for _ in 0..MOVEMENTS {
        let amount = Money::from_minor(1);
        wallet = wallet.credit(amount).unwrap();
        let cause = Cause {
            request: RequestHash::from_bytes([1; 32]),
            reason: "because".to_owned().try_into().unwrap(),
            checkout: None,
            items: BTreeMap::new(),
            accepted_at: world.clock.now(),
        };
        bookings.push(Booking {
            id: CommandId::try_from(Uuid::now_v7()).unwrap().into(),
            kind: BookingKind::Adjustment,
            at: world.clock.now(),
            by: "acme-admin".parse().unwrap(),
            cause: Some(cause),
            replenished: None,
            outcome: BookingOutcome::Booked { amount, after: wallet },
        });
    }
    let written: Vec<_> =
        bookings.iter().map(|booking| items::booking(&acme, &number, booking).unwrap()).collect();
    world.system.clients.table(aws::retry::Policy::WORKER).put_unnamed(&written).await.unwrap();
    intruder.put(items::wallet(&acme, &number, wallet).unwrap()).await;
    let worker = &world.system.workers.reconciliation;
    let reconcile = async || {
        hand_out(&world).await;
        look(&world, worker).await;
        look(&world, worker).await;
        close(&world).await.closed.unwrap().1
    };
    let tally = reconcile().await;
    assert_eq!((tally.movements, tally.findings()), (EMPLOYEES + MOVEMENTS, 0), "{tally:?}");

    world.clock.advance(A_DAY);
    intruder.delete(&keys::booking(&acme, &number, &bookings[600].id)).await;
    let tally = reconcile().await;
    assert_eq!(tally.findings(), 1);
    assert_eq!(tally.listed[0].finding, Finding::MovementMissing { version: 602 });
}

/// A look costs the same in ten years; what was changed of long ago is found when the wallet is looked at whole,
/// and from then on every day.
#[tokio::test(flavor = "multi_thread")]
async fn a_look_costs_no_more_with_the_years() {
    let (world, acme) = (World::idle().await, acme());
    let intruder = Intruder(&world);
    let number: EmployeeNumber = "100001".parse().unwrap();
    let in_days = |days| today(&world).checked_add(jiff::Span::new().days(days)).unwrap();
    let is_due = |days: &i64| reconciliation::is_due_whole(&number, Some(in_days(days - 1)), in_days(*days));
    let due = (4..).find(is_due).unwrap();
    world.terminal("acme-cashier").await.sell_unasked(&format!("RF{number}")).await;
    world.work_off("acme", Purpose::Checkouts).await;
    let table = world.system.clients.table(aws::retry::Policy::WORKER);
    let sold = table.query_all(&keys::checkouts(&acme, &number)).await.unwrap();
    let sale = sold.into_iter().find_map(|item| items::stored_checkout(item).ok()).unwrap();
    intruder.delete(&keys::checkout(&acme, &number, sale.id)).await;
    let booked = table.query_all(&keys::bookings(&acme, &number)).await.unwrap();
    let mut opening = booked.into_iter().find_map(|item| items::stored_booking(item).ok()).unwrap();
    world.clock.advance(A_DAY * i32::try_from(due - 4).unwrap());
    let opened = Wallet { balance: Money::from_minor(50_000_000), version: 1 };
    opening.at = world.clock.now() - A_DAY * 1_000;
    opening.outcome = BookingOutcome::Booked { amount: opened.balance, after: opened };
    intruder.put(items::booking(&acme, &number, &opening).unwrap()).await;
    let Outcome::Settled { bill, .. } = &sale.outcome else { panic!("{sale:?}") };
    // One a day, up to today.
    let sales = |days: i64| {
        let mut after = opened;
        let mut sell = |days_ago: i64| {
            let at = world.clock.now() - A_DAY * i32::try_from(days_ago).unwrap();
            after = after.debit(bill.total_net(), Money::ZERO).unwrap();
            let id = CommandId::made_at(at.as_millisecond(), &[0; 32]).unwrap().into();
            let outcome = Outcome::Settled { bill: bill.clone(), after };
            Checkout { id, accepted_at: at, decided_at: at, outcome, ..sale.clone() }
        };
        (0..days).rev().map(&mut sell).collect::<Vec<_>>()
    };
    let worker = &world.system.workers.reconciliation;
    let look_at = async |sales: &[Checkout]| {
        let written: Vec<_> = sales.iter().map(|sale| items::checkout(sale).unwrap()).collect();
        table.put_unnamed(&written).await.unwrap();
        let after = sales.iter().rev().find_map(Checkout::entry).map_or(opened, |entry| entry.after);
        intruder.put(items::wallet(&acme, &number, after).unwrap()).await;
        hand_out(&world).await;
        worker.table().usage().take();
        look(&world, worker).await;
        look(&world, worker).await;
        let units = worker.table().usage().take().read_decis / 10;
        let tally = close(&world).await.closed.unwrap().1;
        world.clock.advance(A_DAY);
        (units, tally)
    };
    let (_, tally) = look_at(&[]).await;
    assert_eq!((tally.movements, tally.findings()), (EMPLOYEES, 0), "{tally:?}");
    let young = sales(60);
    let (units_young, tally) = look_at(&young).await;
    assert_eq!((tally.movements, tally.findings()), (EMPLOYEES + 30, 0), "{tally:?}");
    for sale in &young {
        intruder.delete(&keys::checkout(&acme, &number, sale.id)).await;
    }
    let mut old = sales(600);
    let (units_old, tally) = look_at(&old).await;
    assert_eq!((tally.movements, tally.findings()), (EMPLOYEES + 30, 0), "{tally:?}");
    assert_eq!(units_young, units_old);

    let found = |tally: &Tally| tally.listed.iter().map(|found| found.finding.clone()).collect::<Vec<_>>();
    intruder.delete(&keys::checkout(&acme, &number, old[590].id)).await;
    let (units_whole, tally) = look_at(&old[599..]).await;
    assert_eq!(found(&tally), [Finding::MovementMissing { version: 592 }]);
    assert!(units_whole > units_old, "{units_whole} and {units_old}: what seems wrong is looked at whole");

    table.put_unnamed(&[items::checkout(&old.remove(590)).unwrap()]).await.unwrap();
    intruder.delete(&keys::checkout(&acme, &number, old[7].id)).await;
    for day in ["on its day", "and on the next"] {
        let (_, tally) = look_at(&old[598..]).await;
        assert_eq!(found(&tally), [Finding::MovementMissing { version: 9 }], "{day}");
    }
}

/// A part that stopped goes on where it did; one that comes again changes nothing.
#[tokio::test(flavor = "multi_thread")]
async fn a_part_goes_on_where_it_stopped() {
    let world = World::idle().await;
    hand_out(&world).await;
    let (first, second) = (take(&world).await, take(&world).await);
    let date = today(&world);
    let mut tally = Tally { employees: 98, movements: 98, ..Tally::default() };
    tally.note(Some(&number("100001")), Finding::Restless, 1);
    let progress = Progress { looked_at: 98, is_done: false, tally };
    let key = keys::reconciliation_part(&acme(), date, 0);
    let item = items::reconciliation_part(key, &progress, world.clock.now()).unwrap();
    Intruder(&world).put(item).await;
    let worker = &world.system.workers.reconciliation;
    for _ in 0..2 {
        assert!(is_done(&worker.handle(first.clone()).await));
        assert!(is_done(&worker.handle(second.clone()).await));
    }
    let run = close(&world).await;
    let (_, tally) = run.closed.clone().unwrap();
    assert_eq!((tally.employees, tally.movements, tally.findings()), (EMPLOYEES, EMPLOYEES, 1));
    assert!(is_done(&worker.handle(first).await), "a run that is closed wants no part");
    let stored = Intruder(&world).read(&keys::reconciliation(&acme(), date)).await;
    assert_eq!(items::stored_reconciliation(stored).unwrap().run, run);
}

fn today(world: &World) -> Date {
    let tenant =
        local::demo::tenants().unwrap().into_iter().find(|demo| demo.tenant.id == acme()).unwrap().tenant;
    tenant.business_day.date_of(world.clock.now())
}

/// A part that was handed out again, after somebody had joined, counts as it was looked at.
#[tokio::test(flavor = "multi_thread")]
async fn as_many_are_expected_as_were_in_the_part_that_is_done() {
    let world = World::idle().await;
    hand_out(&world).await;
    for _ in 0..2 {
        look(&world, &world.system.workers.reconciliation).await;
    }
    let key = keys::reconciliation(&acme(), today(&world));
    Intruder(&world).set(&key, "n", AttributeValue::N((EMPLOYEES + 1).to_string())).await;
    let run = close(&world).await;
    let (_, tally) = run.closed.as_ref().unwrap();
    assert_eq!((run.expected, tally.employees), (EMPLOYEES, EMPLOYEES));
}

/// A part that never came back is told the next day.
#[tokio::test(flavor = "multi_thread")]
async fn a_day_that_ends_without_a_part_is_incomplete() {
    let world = World::idle().await;
    hand_out(&world).await;
    look(&world, &world.system.workers.reconciliation).await;
    let date = today(&world);
    world.clock.advance(A_DAY);
    let next = world.system.workers.reconciliation.opener().tick(&acme()).await.unwrap();
    assert_eq!(next, Ticked::Open { date: date.tomorrow().unwrap() });
    let admin = world.terminal("acme-admin").await;
    let report = admin.get(&format!("/v1/reconciliations/{date}"), &[]).await.body;
    assert_eq!((&report["status"], &report["employees"]), (&json!("incomplete"), &json!(EMPLOYEES / 2)));
    assert_eq!(found(&report), [("nobody".to_owned(), vec!["incomplete".to_owned()])].into());
    let open = admin.get(&format!("/v1/reconciliations/{}", date.tomorrow().unwrap()), &[]).await.body;
    assert_eq!((&open["status"], &open["expected"]), (&json!("open"), &json!(EMPLOYEES)));
}

/// Whoever is renamed while the roster is handed out takes nobody with them.
#[tokio::test(flavor = "multi_thread")]
async fn a_walk_goes_on_where_it_was() {
    let world = World::start().await;
    let (table, acme, admin) = (world.system.app.table(), acme(), world.terminal("acme-admin").await);
    let mut walk = Walk::behind(table, &acme, None);
    let first = walk.next().await.unwrap();
    let last = first.employees.last().unwrap();
    let renamed = admin.command("PATCH", &format!("/v1/employees/{last}"), &json!({ "name": "Zz" })).await;
    assert_eq!(renamed.outcome(), "applied", "{renamed:?}");
    let (mut seen, mut is_last) = (BTreeSet::from_iter(first.employees.clone()), first.is_last);
    while !is_last {
        let part = walk.next().await.unwrap();
        seen.extend(part.employees);
        is_last = part.is_last;
    }
    assert_eq!(u64::try_from(seen.len()), Ok(EMPLOYEES));
}

/// It reads no other company's things, and writes nothing but its own.
#[tokio::test(flavor = "multi_thread")]
async fn it_keeps_to_its_company_and_to_itself() {
    let world = World::idle().await;
    let calls = Arc::new(Mutex::new(Vec::new()));
    let seen = calls.clone();
    let client = faults::http_client(move |operation, body| {
        seen.lock().unwrap().push((operation.to_owned(), body.to_owned()));
        Fault::None
    });
    let clients = aws::config::Clients::over(world.system.clients.config().clone(), client);
    let worker = worker(&world, clients);
    assert!(matches!(worker.opener().tick(&acme()).await.unwrap(), Ticked::Open { .. }));
    for _ in 0..2 {
        look(&world, &worker).await;
    }
    let reading = worker.table().usage().reading();
    let calls_of = |operation: &str| reading.calls.get(operation).copied().unwrap_or_default();
    assert_eq!(calls_of("Query"), 2 + 2 * EMPLOYEES, "two parts, and one look at each wallet that agrees");
    assert_eq!((calls_of("BatchGetItem"), calls_of("TransactWriteItems")), (2, 2), "two parts");
    assert!(matches!(worker.opener().tick(&acme()).await.unwrap(), Ticked::Closed(_)));
    let calls = calls.lock().unwrap();
    assert!(calls.len() > 200, "{}", calls.len());
    for (operation, body) in calls.iter() {
        assert!(!body.contains("globex"), "{operation}: {body}");
        if matches!(operation.as_str(), "TransactWriteItems" | "PutItem" | "UpdateItem" | "BatchWriteItem") {
            let is_own = |item: &Value| {
                let put = &item["Put"]["Item"];
                let (pk, sk) = (put["PK"]["S"].as_str().unwrap(), put["SK"]["S"].as_str().unwrap());
                (pk == "T#acme" && sk.starts_with("RECONCILIATION#")) || (pk.starts_with("T#acme#P#"))
            };
            let written: Value = serde_json::from_str(body).unwrap();
            assert!(written["TransactItems"].as_array().unwrap().iter().all(is_own), "{body}");
        }
    }
}

/// What names another company or part than the queue that it came through is refused.
#[tokio::test(flavor = "multi_thread")]
async fn what_came_astray_is_refused() {
    let world = World::idle().await;
    hand_out(&world).await;
    let (first, second) = (take(&world).await, take(&world).await);
    let worker = &world.system.workers.reconciliation;
    let mut other_queue = first.clone();
    for record in &mut other_queue.records {
        record.event_source_arn = record.event_source_arn.as_ref().map(|arn| arn.replace("acme", "globex"));
    }
    let mut other_part = first.clone();
    other_part.records[0].body = second.records[0].body.clone();
    for astray in [other_queue, other_part] {
        assert!(!is_done(&worker.handle(astray).await));
    }
    let part = keys::reconciliation_part(&acme(), today(&world), 0);
    assert!(world.system.app.table().read_one(&part).await.unwrap().is_none());
}
