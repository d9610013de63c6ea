//! Cutoffs on the real table and queues: each employee once, whatever fires twice, dies or races.

use aws::clock::Clock;
use aws::items;
use aws::keys;
use aws::telemetry::Metrics;
use aws_lambda_events::sqs::{SqsEvent, SqsMessage};
use domain::command::{Command, Message, OpenCutoff, Replenish};
use domain::cutoff::{QUIET, Totals};
use domain::id::TenantId;
use jiff::civil::Date;
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};
use std::time::Duration;
use tests::faults::{self, Fault};
use tests::terminal::{Terminal, coffee, next_query};
use tests::{World, audit};
use uuid::Uuid;
use workers::lambda::Worker;
use workers::open_cutoff::{Awaits, Ticked};
use workers::replenish::ReplenishWorker;

/// Employees of Acme in the demo, each with this.
const EMPLOYEES: u64 = 200;
const OPENING: i64 = 500_000;
const LIMIT: i64 = 600_000;
/// Longer than any half of a month.
const HALF_A_MONTH: SignedDuration = SignedDuration::from_hours(17 * 24);

fn policy(method: &str) -> Value {
    json!({
        "days": [15, "last"], "time": "06:00", "method": method, "negative_balance": "carry",
        "default_limit": LIMIT, "prorates_joiners": false,
    })
}

/// A world in which Acme replenishes by a method, under a limit that is everybody's, half a month later.
async fn world(method: &str, employees_without_limit: bool) -> (World, Terminal) {
    let world = World::start().await;
    let admin = world.terminal("acme-admin").await;
    let set = admin.command("PUT", "/v1/credit-policy", &policy(method)).await;
    assert_eq!(set.outcome(), "applied", "{set:?}");
    if employees_without_limit {
        let acme = acme();
        let table = world.system.clients.table(aws::retry::Policy::WORKER);
        for index in 0..u32::try_from(EMPLOYEES).unwrap() {
            let mut employee = local::demo::employee(index).unwrap();
            employee.limit = None;
            let item = items::employee(&acme, &employee).unwrap();
            table.commit(vec![aws::table::Write::Replace { item, from: 0 }]).await.unwrap();
        }
    }
    world.clock.advance(HALF_A_MONTH);
    (world, admin)
}

fn acme() -> TenantId {
    "acme".parse().unwrap()
}

/// The one cutoff that is there, once it is closed.
async fn closed(world: &World, admin: &Terminal) -> Value {
    let mut cutoff = Value::Null;
    tests::eventually("the cutoff is closed", async || {
        // Nobody waits for a roster to come to rest.
        world.clock.advance(QUIET / 10);
        let cutoffs = admin.get("/v1/cutoffs", &[]).await.body["items"].clone();
        assert!(cutoffs.as_array().unwrap().len() <= 1, "{cutoffs}");
        cutoff = cutoffs[0].clone();
        cutoff["status"] == "closed"
    })
    .await;
    cutoff
}

fn totals(booked: u64, granted: i64, expired: i64) -> Value {
    json!({ "booked": booked, "granted": granted, "expired": expired, "skipped": {}, "missing": 0 })
}

fn minor(employees: u64, each: i64) -> i64 {
    i64::try_from(employees).unwrap() * each
}

/// Each wallet is explained by its movements, and has one of this cutoff.
async fn check_wallets(world: &World, balance: i64) {
    for index in 0..u32::try_from(EMPLOYEES).unwrap() {
        let number = local::demo::employee(index).unwrap().number;
        let account = audit::account(world.system.app.table(), "acme", number.as_str()).await;
        assert_eq!((account.wallet.balance.minor(), account.wallet.version), (balance, 2), "{number}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cutoff_replenishes_everybody_once() {
    let (world, admin) = world("reset", true).await;
    for _ in 0..3 {
        world.system.workers.replenishment.opener().tick_again(&acme()).await.unwrap();
    }
    let cutoff = closed(&world, &admin).await;
    assert_eq!(cutoff["expected"], EMPLOYEES);
    assert_eq!(cutoff["totals"], totals(EMPLOYEES, minor(EMPLOYEES, LIMIT), minor(EMPLOYEES, OPENING)));
    world.settle().await;
    check_wallets(&world, LIMIT).await;

    let date = cutoff["date"].as_str().unwrap();
    let read = admin.get(&format!("/v1/cutoffs/{date}"), &[]).await;
    assert_eq!((read.status, &read.body["totals"]), (200, &cutoff["totals"]));
    let to = world.clock.now() + SignedDuration::from_secs(1);
    let statement = admin.get(&format!("/v1/employees/100001/movements?to={to}"), &[]).await;
    let last = statement.body["movements"].as_array().unwrap().last().unwrap().clone();
    assert_eq!(
        (&last["kind"], &last["granted"], &last["expired"]),
        (&json!("grant"), &json!(LIMIT), &json!(OPENING))
    );
    // Nothing is due before the next.
    assert_eq!(world.system.workers.replenishment.opener().tick(&acme()).await.unwrap(), Ticked::Nothing);
    let policy = admin.get("/v1/credit-policy", &[]).await.body;
    assert_eq!(policy["next_cutoffs"].as_array().map(Vec::len), Some(5), "{policy}");
}

/// Lunch goes on: what is sold meanwhile is sold before or after, and nobody is replenished twice or
/// forgotten.
#[tokio::test(flavor = "multi_thread")]
async fn lunch_goes_on_meanwhile() {
    let (world, admin) = world("raise_to", true).await;
    let cashier = world.terminal("acme-cashier").await;
    let now_ms = u64::try_from(world.clock.now().as_millisecond()).unwrap();
    let sell = async |index: u32| {
        for round in 0..4_u8 {
            let random = [round; 10];
            let key =
                uuid::Builder::from_unix_timestamp_millis(now_ms + u64::from(index), &random).into_uuid();
            let sold = cashier.buy(key, &coffee(&format!("RF{}", 100_000 + index), 1)).await;
            assert_eq!(sold.outcome(), "settled", "{sold:?}");
        }
    };
    let lunch = async {
        let sales: Vec<_> = (1..10).map(sell).collect();
        futures_util::future::join_all(sales).await;
    };
    let (_, tick) = tokio::join!(lunch, async {
        tokio::time::sleep(Duration::from_millis(20)).await;
        world.system.workers.replenishment.opener().tick_again(&acme()).await
    });
    tick.unwrap();
    let cutoff = closed(&world, &admin).await;
    assert_eq!(cutoff["totals"]["booked"], EMPLOYEES);
    world.settle().await;
    let mut granted = 0;
    for index in 0..10 {
        let number = (100_000 + index).to_string();
        let account = audit::account(world.system.app.table(), "acme", &number).await;
        let sold = if index == 0 { 0 } else { 4 };
        assert_eq!(account.wallet.version, 2 + sold, "{number}");
        granted += account.wallet.balance.minor();
    }
    assert!(granted <= 10 * LIMIT);
}

/// Whoever joins while a cutoff is open is booked under the same id as everybody.
#[tokio::test(flavor = "multi_thread")]
async fn a_joiner_gets_what_everybody_gets_once() {
    let (world, admin) = world("reset", true).await;
    let opener = world.system.workers.replenishment.opener();
    let key = |n: u8| {
        let now_ms = u64::try_from(world.clock.now().as_millisecond()).unwrap();
        uuid::Builder::from_unix_timestamp_millis(now_ms, &[n; 10]).into_uuid()
    };
    let hire = async |number: &str, n: u8| {
        let employee = json!({ "employee_number": number, "name": "New Here" });
        let hired = admin.command_under(key(n), "POST", "/v1/employees", &employee).await;
        assert_eq!(hired.outcome(), "applied", "{hired:?}");
        admin.get(&format!("/v1/employees/{number}"), &[]).await.body["balance"].as_i64().unwrap()
    };
    assert_eq!(hire("BEFORE", 1).await, 0, "the roster will have them");
    let acme = acme();
    let (_, during) = tokio::join!(opener.tick_again(&acme), hire("DURING", 2));
    let cutoff = closed(&world, &admin).await;
    assert!(during == 0 || during == LIMIT, "{during}");
    assert_eq!(hire("AFTER", 3).await, 0, "nothing before the next, as the policy says");
    let (_, sums) = sheet(&admin, &format!("/v1/cutoffs/{}/employees", text(&cutoff["date"])), None).await;
    assert_eq!(sums, cutoff["totals"], "whoever came later is not missing");
    world.settle().await;
    for number in ["BEFORE", "DURING"] {
        let account = audit::account(world.system.app.table(), "acme", number).await;
        assert_eq!((account.wallet.balance.minor(), account.wallet.version), (LIMIT, 1), "{number} {cutoff}");
    }
}

/// Rows of a table, every page, and what they come to.
async fn sheet(admin: &Terminal, path: &str, body: Option<&Value>) -> (Vec<Value>, Value) {
    let (mut rows, mut cursor) = (Vec::new(), String::new());
    loop {
        let page = format!("{path}?limit=60{cursor}");
        let answer = match body {
            Some(body) => admin.post(&page, &[("content-type", "application/json")], &body.to_string()).await,
            None => admin.get(&page, &[]).await,
        };
        assert_eq!(answer.status, 200, "{answer:?}");
        rows.extend(answer.body["items"].as_array().unwrap().iter().cloned());
        match answer.body["next_cursor"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => return (rows, answer.body["totals"].clone()),
        }
    }
}

#[track_caller]
fn assert_rows(expected: &[Value], rows: &[Value]) {
    assert_eq!(rows.len(), expected.len());
    for (row, expected) in rows.iter().zip(expected) {
        assert_eq!(row, expected);
    }
}

/// What is previewed is what a run does when nothing is sold in between; and a report proves it.
#[tokio::test(flavor = "multi_thread")]
async fn a_preview_equals_the_run_and_a_report_proves_it() {
    let world = World::start().await;
    let admin = world.terminal("acme-admin").await;
    let began = world.clock.now();
    let mut latest: Date = began.to_zoned(jiff::tz::TimeZone::UTC).date();
    let (mut granted, mut expired) = (minor(EMPLOYEES, OPENING), 0);
    let inactive = json!({ "status": "inactive" });
    assert_eq!(admin.command("PATCH", "/v1/employees/100007", &inactive).await.outcome(), "applied");
    let taken = json!({ "amount": -450_000, "reason": "paid out" });
    let adjusted = admin.command("POST", "/v1/employees/100008/adjustments", &taken).await;
    assert_eq!(adjusted.outcome(), "booked", "{adjusted:?}");
    for method in [
        json!({ "method": "top_up", "amount": 30_000, "cap": 520_000 }),
        json!({ "method": "raise_to" }),
        json!({ "method": "reset" }),
    ] {
        let mut policy = policy("reset");
        policy.as_object_mut().unwrap().extend(method.as_object().unwrap().clone());
        let under = json!({ "policy": policy });
        let (hypothetical, _) = sheet(&admin, "/v1/cutoffs/preview", Some(&under)).await;
        assert_eq!(admin.command("PUT", "/v1/credit-policy", &policy).await.outcome(), "applied");
        let (previewed, totals) = sheet(&admin, "/v1/cutoffs/preview", Some(&json!({}))).await;
        assert_rows(&hypothetical, &previewed);

        latest = latest.tomorrow().unwrap();
        let by_hand = json!({ "date": latest, "reason": "before the holidays" });
        let opened = admin.command("POST", "/v1/cutoffs", &by_hand).await;
        assert_eq!(opened.outcome(), "applied", "{opened:?}");
        let closed = closed_on(&world, &admin, latest).await;
        let (run, ran) = sheet(&admin, &format!("/v1/cutoffs/{latest}/employees"), None).await;
        assert_rows(&previewed, &run);
        assert_eq!(ran, totals, "{method}");
        assert_eq!(closed["totals"], ran);
        assert_eq!(run.len(), usize::try_from(EMPLOYEES).unwrap());
        assert_eq!(ran["skipped"], json!({ "employee-inactive": 1 }));
        granted += ran["granted"].as_i64().unwrap();
        expired += ran["expired"].as_i64().unwrap();
        let again = admin.command("POST", "/v1/cutoffs", &by_hand).await;
        assert_eq!(again.outcome(), "cutoff-passed", "{again:?}");
    }
    world.settle().await;

    let from = began - SignedDuration::from_hours(1);
    let to = world.clock.now() + SignedDuration::from_secs(1);
    let (lines, totals) = sheet_between(&admin, from, to).await;
    let closing = granted - 450_000 - expired;
    let expected = json!({
        "employees": EMPLOYEES, "opening": 0, "granted": granted, "adjusted": -450_000, "refunded": 0, "spent": 0,
        "expired": expired, "closing": closing, "differences": 0, "currency": "PHP",
    });
    assert_eq!(totals, expected);
    let one = lines.iter().find(|line| line["employee_number"] == "100008").unwrap();
    assert_eq!((&one["opening"], &one["adjusted"]), (&json!(0), &json!(-450_000)), "{one}");

    // The same as a table, from page to page.
    let (mut path, mut rows) = (format!("/v1/reports/credit?limit=60&from={from}&to={to}"), Vec::new());
    loop {
        let page = admin.get(&path, &[("accept", "text/csv")]).await;
        assert_eq!(page.status, 200, "{page:?}");
        let text = page.body.as_str().unwrap().to_owned();
        rows.extend(text.lines().skip(1).map(str::to_owned));
        let Some(query) = next_query(&page) else { break };
        path = format!("/v1/reports/credit{query}");
    }
    assert_eq!(rows.len(), lines.len());
    assert!(rows.iter().any(|row| row.starts_with("100008,0,") && row.contains(",-450000,")), "{rows:?}");

    // Behind everybody's back: it is told, and nothing is repaired.
    let number = "100009".parse().unwrap();
    let table = world.system.clients.table(aws::retry::Policy::WORKER);
    let wallet = audit::account(&table, "acme", "100009").await.wallet;
    let richer = domain::money::Money::from_minor(wallet.balance.minor() + 1);
    let after = domain::wallet::Wallet { balance: richer, version: wallet.version + 1 };
    let write = aws::table::Write::MoveWallet {
        key: keys::wallet(&acme(), &number),
        from_version: wallet.version,
        to: after,
    };
    table.commit(vec![write]).await.unwrap();
    for _ in 0..2 {
        let (lines, totals) = sheet_between(&admin, from, to).await;
        assert_eq!((&totals["differences"], &totals["closing"]), (&json!(1), &json!(closing)), "{totals}");
        let one = lines.iter().find(|line| line["employee_number"] == "100009").unwrap();
        assert!(one["difference"].is_string(), "{one}");
    }
}

async fn sheet_between(admin: &Terminal, from: Timestamp, to: Timestamp) -> (Vec<Value>, Value) {
    let answer = admin.get(&format!("/v1/reports/credit?limit=500&from={from}&to={to}"), &[]).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    (answer.body["items"].as_array().unwrap().clone(), answer.body["totals"].clone())
}

async fn closed_on(world: &World, admin: &Terminal, date: Date) -> Value {
    let mut cutoff = Value::Null;
    tests::eventually("the cutoff is closed", async || {
        world.clock.advance(QUIET / 10);
        cutoff = admin.get(&format!("/v1/cutoffs/{date}"), &[]).await.body;
        cutoff["status"] == "closed"
    })
    .await;
    cutoff
}

/// A company moves: the cutoff that is due follows its clocks, and the one that was opened stays.
#[tokio::test(flavor = "multi_thread")]
async fn a_zone_may_change_between_cutoffs() {
    let (world, admin) = world("reset", true).await;
    let opener = world.system.workers.replenishment.opener();
    opener.tick_again(&acme()).await.unwrap();
    let first = closed(&world, &admin).await;
    world.settle().await;
    let next = admin.get("/v1/credit-policy", &[]).await.body["next_cutoffs"][0].clone();
    let platform = world.terminal("acme-platform").await;
    let moved = json!({
        "name": "Acme Manufacturing", "currency": "PHP", "time_zone": "Pacific/Apia", "closing_hour": 0,
        "overdraft_limit": 0,
    });
    let key = key_at(&world, 1);
    let set = platform.command_under(key, "PUT", "/v1/tenants/acme", &moved).await;
    assert_eq!(set.outcome(), "applied", "{set:?}");
    // Manila is eight hours ahead of UTC, Apia thirteen: the same date, five hours earlier.
    let sooner = admin.get("/v1/credit-policy", &[]).await.body["next_cutoffs"][0].clone();
    let at = |cutoff: &Value| cutoff["at"].as_str().unwrap().parse::<Timestamp>().unwrap();
    assert_eq!(sooner["date"], next["date"]);
    assert_eq!(at(&next).duration_since(at(&sooner)), SignedDuration::from_hours(5));
    let wait = at(&sooner).duration_since(world.clock.now());
    world.clock.advance(wait - SignedDuration::from_secs(60));
    assert_eq!(opener.tick(&acme()).await.unwrap(), Ticked::Nothing);
    world.clock.advance(SignedDuration::from_secs(61));
    opener.tick_again(&acme()).await.unwrap();
    let second = closed_on(&world, &admin, sooner["date"].as_str().unwrap().parse().unwrap()).await;
    assert_ne!(first["date"], second["date"]);
    assert_eq!(second["totals"], totals(EMPLOYEES, minor(EMPLOYEES, LIMIT), minor(EMPLOYEES, LIMIT)));
    world.settle().await;
}

/// Nobody can make a cutoff forgotten that is due, nor open one whose parts would not arrive.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_due_is_not_forgotten() {
    let (world, admin) = world("reset", true).await;
    let coming = admin.get("/v1/credit-policy", &[]).await.body["next_cutoffs"].clone();
    let next = coming[1]["date"].clone();
    let mut other = policy("reset");
    other["time"] = json!("07:00");
    let set = admin.command_under(key_at(&world, 1), "PUT", "/v1/credit-policy", &other).await;
    assert_eq!(set.outcome(), "cutoff-due", "{set:?}");
    let due: Date = set.body["rejection"]["cutoff"].as_str().unwrap().parse().unwrap();
    assert_eq!(coming[0]["date"], json!(due), "it comes until it is opened");
    let by_hand = |date: &Value| json!({ "date": date, "reason": "early" });
    let early = admin.command_under(key_at(&world, 2), "POST", "/v1/cutoffs", &by_hand(&next)).await;
    assert_eq!(
        (early.outcome(), &early.body["rejection"]["cutoff"]),
        ("cutoff-due", &json!(due)),
        "{early:?}"
    );
    // Another limit may be set: it counts for what is due, too.
    let mut richer = policy("reset");
    richer["default_limit"] = json!(LIMIT + 1);
    let set = admin.command_under(key_at(&world, 3), "PUT", "/v1/credit-policy", &richer).await;
    assert_eq!(set.outcome(), "applied", "{set:?}");

    let reached = |is_reached: bool| {
        let world = &world;
        async move {
            let key = keys::tenant(&acme());
            let item = world.system.app.table().read_one(&key).await.unwrap().unwrap();
            let from = items::revision(&item).unwrap();
            let mut company = items::stored_tenant(&acme(), item).unwrap();
            if is_reached {
                company.reached.insert(domain::command::Kind::Replenish);
            } else {
                company.reached.remove(&domain::command::Kind::Replenish);
            }
            let write = aws::table::Write::Replace { item: items::tenant(&company).unwrap(), from };
            world.system.clients.table(aws::retry::Policy::WORKER).commit(vec![write]).await.unwrap();
        }
    };
    reached(false).await;
    let refused = admin.command_under(key_at(&world, 4), "POST", "/v1/cutoffs", &by_hand(&json!(due))).await;
    assert_eq!((refused.status, refused.problem()), (503, "tenant-not-ready"), "{refused:?}");
    let opener = world.system.workers.replenishment.opener();
    assert_eq!(opener.tick(&acme()).await.unwrap(), Ticked::Nothing);
    reached(true).await;
    let opened = admin.command_under(key_at(&world, 5), "POST", "/v1/cutoffs", &by_hand(&json!(due))).await;
    assert_eq!(opened.outcome(), "applied", "{opened:?}");
    let busy = admin.command_under(key_at(&world, 6), "POST", "/v1/cutoffs", &by_hand(&next)).await;
    let resumed = admin
        .command_under(
            key_at(&world, 7),
            "POST",
            &format!("/v1/cutoffs/{due}/resume"),
            &json!({ "reason": "slow" }),
        )
        .await;
    let outcomes = (busy.outcome(), resumed.outcome());
    assert_eq!(outcomes, ("cutoff-open", "applied"), "{busy:?} {resumed:?}");
    let cutoff = closed_on(&world, &admin, due).await;
    assert_eq!(cutoff["totals"]["granted"], minor(EMPLOYEES, LIMIT + 1));
    world.settle().await;
    check_wallets(&world, LIMIT + 1).await;

    // What was opened before its time does not come again.
    let opened = admin.command_under(key_at(&world, 8), "POST", "/v1/cutoffs", &by_hand(&next)).await;
    assert_eq!(opened.outcome(), "applied", "{opened:?}");
    let upcoming = admin.get("/v1/credit-policy", &[]).await.body["next_cutoffs"].clone();
    assert!(text(&upcoming[0]["date"]) > text(&next), "{upcoming}");
    closed_on(&world, &admin, text(&next).parse().unwrap()).await;
    world.settle().await;
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap()
}

fn key_at(world: &World, n: u8) -> Uuid {
    let now_ms = u64::try_from(world.clock.now().as_millisecond()).unwrap();
    uuid::Builder::from_unix_timestamp_millis(now_ms, &[n; 10]).into_uuid()
}

/// A roster that moved while it was handed out: somebody is in it twice and somebody not at all. The next
/// round finds out, and no round counts in which somebody moved.
#[tokio::test(flavor = "multi_thread")]
async fn who_is_missed_by_one_round_is_found_by_the_next() {
    let world = World::idle().await;
    due_since_the_beginning(&world).await;
    let worker = &world.system.workers.replenishment;
    worker.handle(event(&tick())).await;
    let date = open_date(&world).await;
    let hand_in = async |round: u32, parts: Vec<Replenish>| {
        for part in parts {
            let response = worker.handle(event(&Command::Replenish(part))).await;
            assert!(response.batch_item_failures.is_empty(), "{round}: {response:?}");
        }
    };
    let mut parts = world_parts(&world, date, 0).await;
    let (missed, twice) = (parts[0].employees[0].clone(), parts[1].employees[0].clone());
    parts[0].employees[0] = twice;
    hand_in(0, parts).await;
    let is_booked = async |number| {
        let key = keys::booking(&acme(), number, &domain::cutoff::booking_id(date));
        world.system.app.table().read_one(&key).await.unwrap().is_some()
    };
    assert!(!is_booked(&missed).await);
    let awaits = async || match worker.opener().tick(&acme()).await.unwrap() {
        Ticked::Open { awaits, .. } => awaits,
        ticked => panic!("{ticked:?}"),
    };
    // Not at rest yet; then everybody is counted again.
    assert_eq!(awaits().await, Awaits::Rest);
    world.clock.advance(QUIET);
    assert_eq!(awaits().await, Awaits::Tick);
    worker.handle(event(&tick())).await;
    hand_in(1, world_parts(&world, date, 1).await).await;
    assert!(is_booked(&missed).await);

    // Somebody moves in the roster meanwhile.
    let item = world.system.app.table().read_one(&keys::roster(&acme())).await.unwrap().unwrap();
    let from = items::revision(&item).unwrap();
    let roster = items::stored_roster(item).unwrap();
    let write = aws::table::Write::Replace { item: items::roster(&acme(), &roster).unwrap(), from };
    world.system.clients.table(aws::retry::Policy::WORKER).commit(vec![write]).await.unwrap();
    world.clock.advance(QUIET);
    assert_eq!(awaits().await, Awaits::Rest, "it is seen for the first time");
    world.clock.advance(QUIET);
    assert_eq!(awaits().await, Awaits::Tick);
    worker.handle(event(&tick())).await;
    hand_in(2, world_parts(&world, date, 2).await).await;
    let each = minor(EMPLOYEES, OPENING);
    let totals = Totals { booked: EMPLOYEES, granted: each, expired: each, skipped: [].into() };
    assert_eq!(worker.opener().tick(&acme()).await.unwrap(), Ticked::Closed { date, totals });
    check_wallets(&world, OPENING).await;

    // Whoever closed it told nobody: a tick that comes again does, and none after it.
    let told = async || {
        let results = world.queues().await.into_iter().filter(|(queue, _)| queue.contains("-acme-results"));
        results.map(|(_, messages)| messages).sum::<u32>()
    };
    let before = told().await;
    let mut again = event(&tick());
    again.records[0].attributes.insert("ApproximateReceiveCount".to_owned(), "2".to_owned());
    for _ in 0..2 {
        assert!(worker.handle(again.clone()).await.batch_item_failures.is_empty());
        assert_eq!(told().await, before + 1);
    }
}

/// Whoever is hired between two cutoffs gets the share of the days that are left, and from the next on what
/// everybody gets.
#[tokio::test(flavor = "multi_thread")]
async fn a_joiner_gets_the_share_of_the_days_that_are_left() {
    let world = World::start().await;
    let admin = world.terminal("acme-admin").await;
    let mut prorating = policy("reset");
    prorating["prorates_joiners"] = json!(true);
    let set = admin.command("PUT", "/v1/credit-policy", &prorating).await;
    assert_eq!(set.outcome(), "applied", "{set:?}");
    world.clock.advance(HALF_A_MONTH);
    let opener = world.system.workers.replenishment.opener();
    opener.tick_again(&acme()).await.unwrap();
    let cutoff = closed(&world, &admin).await;
    let date = |value: &Value| value.as_str().unwrap().parse::<Date>().unwrap();
    let next = date(&admin.get("/v1/credit-policy", &[]).await.body["next_cutoffs"][0]["date"]);
    let manila = jiff::tz::TimeZone::fixed(jiff::tz::offset(8));
    let today = world.clock.now().to_zoned(manila).date();
    let days = |from: Date| i64::from((next - from).get_days());
    let share = LIMIT * days(today) / days(date(&cutoff["date"]));
    let employee = json!({ "employee_number": "NEW", "name": "New Here" });
    let hired = admin.command_under(key_at(&world, 1), "POST", "/v1/employees", &employee).await;
    assert_eq!(hired.outcome(), "applied", "{hired:?}");
    assert_eq!(admin.get("/v1/employees/NEW", &[]).await.body["balance"], share);
    let (lines, sums) =
        sheet(&admin, &format!("/v1/cutoffs/{}/employees", text(&cutoff["date"])), None).await;
    assert!(lines.iter().any(|line| line["why"] == "joined"), "{lines:?}");
    assert_eq!(sums, cutoff["totals"], "a share from after it was closed is not in it");

    world.clock.advance(HALF_A_MONTH);
    opener.tick_again(&acme()).await.unwrap();
    let second = closed_on(&world, &admin, next).await;
    let (booked, granted) = (EMPLOYEES + 1, minor(EMPLOYEES, OPENING) + LIMIT);
    assert_eq!(second["totals"], totals(booked, granted, minor(EMPLOYEES, OPENING) + share));
    world.settle().await;
}

/// A policy that was set by mistake is taken back by sending what the audit says of the one before.
#[tokio::test(flavor = "multi_thread")]
async fn the_audit_tells_a_policy_as_it_is_sent() {
    let world = World::start().await;
    let admin = world.terminal("acme-admin").await;
    let set = async |policy: &Value| {
        let set = admin.command("PUT", "/v1/credit-policy", policy).await;
        assert_eq!(set.outcome(), "applied", "{set:?}");
        set.body["after"].clone()
    };
    let mut top_up = policy("top_up");
    (top_up["amount"], top_up["cap"]) = (json!(1_000), json!(LIMIT));
    for asked in [top_up, policy("reset")] {
        let first = set(&asked).await;
        set(&policy("raise_to")).await;
        let audit = admin.get("/v1/audit?limit=1", &[]).await.body;
        let before = &audit["items"][0]["before"];
        assert_eq!((before, before), (&first, &asked), "{audit}");
        assert_eq!(set(before).await, first);
    }
}

fn event(command: &Command) -> SqsEvent {
    let mut record = SqsMessage::default();
    record.message_id = Some("0".to_owned());
    record.receipt_handle = Some("none".to_owned());
    record.body = Some(serde_json::to_string(&Message::new(command.clone())).unwrap());
    record.event_source_arn =
        Some("arn:aws:sqs:eu-west-1:000000000000:pos-local-acme-replenishment.fifo".to_owned());
    let group = match command {
        Command::OpenCutoff(OpenCutoff { tenant, .. }) => keys::cutoff_group(tenant),
        Command::Replenish(Replenish { tenant, date, round, part, .. }) => {
            keys::cutoff_part_group(tenant, *date, *round, *part)
        }
        _ => unreachable!("a command of replenishment"),
    };
    record.attributes.insert("MessageGroupId".to_owned(), group);
    record.attributes.insert("ApproximateReceiveCount".to_owned(), "1".to_owned());
    let mut event = SqsEvent::default();
    event.records.push(record);
    event
}

fn tick() -> Command {
    Command::OpenCutoff(OpenCutoff::new(&acme(), Uuid::new_v4()))
}

/// A worker that dies with one of its calls, before or after it is carried out.
async fn dies_with(world: &World, command: &Command, call: u32, fault: Fault) -> bool {
    let died = faults::until_death(world.system.clients.config(), call, fault, event(command), |clients| {
        let now = world.clock.now();
        let clock = Clock::from_fn(move || now);
        ReplenishWorker::new(clients, clock.clone(), Metrics::to(clock, "test", |_| ()))
    });
    died.await.is_none()
}

/// Wherever opening, handing out and replenishing are cut off, whatever comes again or three times: the
/// totals are the same, and each wallet has one movement of the cutoff.
#[tokio::test(flavor = "multi_thread")]
async fn a_cutoff_that_dies_anywhere_ends_the_same() {
    for (call, fault) in (0..10).flat_map(|call| [(call, Fault::Hang), (call, Fault::Freeze)]) {
        let world = World::idle().await;
        due_since_the_beginning(&world).await;
        let has_died = dies_with(&world, &tick(), call, fault.clone()).await;
        // Two ticks at the same time, and then as many as it takes.
        let worker = &world.system.workers.replenishment;
        tokio::join!(worker.handle(event(&tick())), worker.handle(event(&tick())));
        worker.handle(event(&tick())).await;
        let date = open_date(&world).await;
        for round in 0..2 {
            for part in world_parts(&world, date, round).await {
                let part = Command::Replenish(part);
                dies_with(&world, &part, call, fault.clone()).await;
                for _ in 0..3 {
                    let response = worker.handle(event(&part)).await;
                    assert!(response.batch_item_failures.is_empty(), "{response:?}");
                }
            }
            if round == 0 {
                world.clock.advance(QUIET);
                dies_with(&world, &tick(), call, fault.clone()).await;
                worker.handle(event(&tick())).await;
                worker.handle(event(&tick())).await;
            }
        }
        let ticked = worker.opener().tick(&acme()).await.unwrap();
        let expected = Totals {
            booked: EMPLOYEES,
            granted: minor(EMPLOYEES, OPENING),
            expired: minor(EMPLOYEES, OPENING),
            skipped: [].into(),
        };
        assert_eq!(ticked, Ticked::Closed { date, totals: expected }, "call {call}, {fault:?}, {has_died}");
        // Whoever closed it told nobody: the next tick does, whichever it is.
        assert!(worker.opener().untold(&acme()).await.unwrap().is_some());
        worker.handle(event(&tick())).await;
        assert!(worker.opener().untold(&acme()).await.unwrap().is_none());
        check_wallets(&world, OPENING).await;
    }
}

async fn open_date(world: &World) -> Date {
    let item = world.system.app.table().read_one(&keys::roster(&acme())).await.unwrap().expect("a roster");
    let roster = items::stored_roster(item).unwrap();
    assert!(roster.is_open);
    roster.latest
}

/// The parts of the roster as they were handed out: a page each.
async fn world_parts(world: &World, date: Date, round: u32) -> Vec<Replenish> {
    let table = world.system.app.table();
    let (span, mut parts) = (keys::employees(&acme(), ""), Vec::new());
    let mut pages = table.pages(&span, workers::roster::PART, aws::table::Order::OldestFirst);
    while let Some(page) = pages.next().await.unwrap() {
        let employees: Vec<_> =
            page.into_iter().map(|item| items::listed_employee(item).unwrap().number).collect();
        if !employees.is_empty() {
            let part = u32::try_from(parts.len()).unwrap();
            parts.push(Replenish { tenant: acme(), date, round, part, employees });
        }
    }
    parts
}

/// A policy of which the latest cutoff is due: everybody's balance becomes what they have.
async fn due_since_the_beginning(world: &World) {
    let standing = domain::cutoff::StandingPolicy {
        policy: serde_json::from_value(json!({
            "schedule": { "semi_monthly": { "first": 15, "second": "last" } },
            "at": "06:00",
            "method": { "method": "reset" },
            "negative_balance": "carry",
            "default_limit": 0,
            "prorates_joiners": false,
        }))
        .unwrap(),
        since: Timestamp::UNIX_EPOCH,
    };
    let item = items::policy(&acme(), &standing).unwrap();
    let table = world.system.clients.table(aws::retry::Policy::WORKER);
    table.commit(vec![aws::table::Write::Create(item)]).await.unwrap();
}
