//! Menus that change, tenants that are suspended, and lists as long as a company.

use aws::clock::Clock;
use aws::config::{Clients, IntakeConfig, PasswordKey, SessionKey, TicketKey, WebhookConfig, WebhookKey};
use aws::items;
use aws::keys;
use aws::retry::Policy;
use aws::telemetry::Metrics;
use axum::Router;
use axum::body::{Body, to_bytes};
use domain::badge::REST;
use domain::checkout::{Checkout, Outcome, Rejection, Returned};
use domain::command::Purpose;
use domain::employee::Employee;
use domain::id::TenantId;
use domain::request::RequestHash;
use domain::wallet::Wallet;
use domain::webhook::Reach;
use http::Request;
use intake::App;
use jiff::SignedDuration;
use lambda_http::aws_lambda_events::apigw::ApiGatewayProxyRequestContext;
use lambda_http::request::RequestContext;
use local::{demo, seed};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use tests::terminal::{Terminal, coffee, next_query};
use tests::{World, faults};
use tower::ServiceExt;
use uuid::Uuid;

const MENU: &str = "/v1/concessionaires/coffee-bar/menu";

async fn etag(manager: &Terminal) -> String {
    manager.get(MENU, &[]).await.header("etag").expect("an ETag").to_owned()
}

/// A change of a meal under `If-Match`, waited for.
async fn edit(
    manager: &Terminal,
    method: &str,
    path: &str,
    tag: Option<&str>,
    body: &Value,
) -> (u16, String) {
    let key = Uuid::now_v7().to_string();
    let mut headers = vec![("idempotency-key", key.as_str()), ("prefer", "wait=5")];
    headers.extend(tag.map(|tag| ("if-match", tag)));
    headers.extend((!body.is_null()).then_some(("content-type", "application/json")));
    let body = if body.is_null() { String::new() } else { body.to_string() };
    let path = format!("/v1/concessionaires/coffee-bar/meals/{path}");
    let answer = manager.request(method, &path, &headers, &body).await;
    let answer = if answer.status == 202 { manager.follow(&answer).await } else { answer };
    (answer.status, if answer.status == 200 { answer.outcome() } else { answer.problem() }.to_owned())
}

fn done(status: u16, outcome: &str) -> (u16, String) {
    (status, outcome.to_owned())
}

/// Intake over a table of which it reads no receipt the first time, and whatever was committed with that.
fn torn_intake(world: &World) -> (Router, Arc<AtomicBool>) {
    let (torn, is_torn) =
        faults::torn("RECEIPT", |items| items.retain(|item| !faults::is_under(item, "RECEIPT")));
    let config = IntakeConfig {
        client_id: "torn".to_owned(),
        listen_url: String::new(),
        session_key: SessionKey::new([1; 32]),
        ticket_key: TicketKey::new([2; 32]),
        password_key: PasswordKey::new([3; 32]),
        webhooks: WebhookConfig { key: WebhookKey::new([4; 32]), reach: Reach::Public },
    };
    let clients = Clients::over(world.system.clients.config().clone(), faults::rewriting(torn));
    let (clock, metrics) = (Clock::system(), Metrics::to(Clock::system(), "test", |_| ()));
    (intake::routes::router(App::new(&clients, config, clock, metrics)), is_torn)
}

/// Whoever sends an edit again while it is applied may be read to have no receipt, and to have changed the
/// menu.
#[tokio::test(flavor = "multi_thread")]
async fn an_edit_that_is_applied_while_it_is_sent_again_is_no_conflict() {
    let world = World::idle().await;
    let manager = world.terminal("acme-manager").await;
    let (key, tag) = (Uuid::now_v7().to_string(), etag(&manager).await);
    let path = "/v1/concessionaires/coffee-bar/meals/COFFEE/availability";
    let body = json!({ "sold_out": true }).to_string();
    let headers = [("idempotency-key", &*key), ("if-match", &*tag), ("content-type", "application/json")];
    let accepted = manager.request("PUT", path, &headers, &body).await;
    assert_eq!(accepted.status, 202, "{accepted:?}");
    world.work_off("acme", Purpose::Admin).await;
    assert_ne!(etag(&manager).await, tag);

    let mut context = ApiGatewayProxyRequestContext::default();
    let claims = json!({
        "aud": "torn", "token_use": "id", "auth_time": "1795550400", "exp": "2088000000",
        "custom:tenant_id": "acme", "cognito:username": "acme-manager",
    });
    context.authorizer.fields.insert("claims".to_owned(), claims);
    let again = Request::put(path).extension(RequestContext::ApiGatewayV1(context));
    let again = headers.into_iter().fold(again, |again, (name, value)| again.header(name, value));
    let (intake, is_torn) = torn_intake(&world);
    let answer = intake.oneshot(again.body(Body::from(body)).unwrap()).await.unwrap();
    assert!(is_torn.load(Ordering::SeqCst));
    let (status, answer) = (answer.status(), to_bytes(answer.into_body(), usize::MAX).await.unwrap());
    let answer: Value = serde_json::from_slice(&answer).unwrap();
    assert_eq!((status.as_u16(), &answer["status"]), (200, &json!("applied")), "{answer}");
}

/// Only menus are changed under a condition: elsewhere, whoever asks for one would be overwritten all the
/// same.
#[tokio::test(flavor = "multi_thread")]
async fn a_condition_that_nobody_reads_is_refused() {
    let world = World::idle().await;
    let admin = world.terminal("acme-admin").await;
    let key = Uuid::now_v7().to_string();
    let headers = [("idempotency-key", &*key), ("if-match", "\"1\""), ("content-type", "application/json")];
    let body = json!({ "name": "Bar" }).to_string();
    let refused = admin.request("PUT", "/v1/concessionaires/coffee-bar", &headers, &body).await;
    assert_eq!(
        (refused.status, &refused.body["errors"][0]["header"]),
        (400, &json!("If-Match")),
        "{refused:?}"
    );
}

/// A cursor is of one version: nobody reads half of one menu and half of the next.
#[tokio::test(flavor = "multi_thread")]
async fn a_menu_is_read_in_pages() {
    let world = World::start().await;
    let manager = world.terminal("acme-manager").await;
    let whole = manager.get(MENU, &[]).await.body["meals"].clone();
    let (mut meals, mut cursor) = (Vec::new(), String::new());
    loop {
        let page = manager.get(&format!("{MENU}?limit=5{cursor}"), &[]).await;
        meals.extend(page.body["meals"].as_array().unwrap().clone());
        let Some(next) = page.body["next_cursor"].as_str() else { break };
        assert_eq!(page.body["meals"].as_array().unwrap().len(), 5);
        cursor = format!("&cursor={next}");
    }
    assert_eq!((json!(meals), cursor.is_empty()), (whole.clone(), false));

    // As CSV, each page under the names of its columns.
    let (mut rows, mut query) = (Vec::new(), "?limit=5".to_owned());
    loop {
        let page = manager.get(&format!("{MENU}.csv{query}"), &[]).await;
        let text = page.body.as_str().unwrap().to_owned();
        rows.extend(text.lines().skip(1).map(str::to_owned));
        let Some(next) = next_query(&page) else { break };
        query = next;
    }
    let whole_file = manager.get(&format!("{MENU}.csv"), &[]).await;
    assert_eq!(whole_file.header("link"), None);
    assert!(whole_file.body.as_str().unwrap().lines().skip(1).eq(&rows), "{rows:?}");
    assert_eq!(rows.len(), whole.as_array().unwrap().len());

    let chai = json!({ "name": "Chai", "price": 5_500 });
    assert_eq!(edit(&manager, "PUT", "CHAI", None, &chai).await, done(200, "applied"));
    let late = manager.get(&format!("{MENU}?limit=5{cursor}"), &[]).await;
    assert_eq!((late.status, &late.body["errors"][0]["parameter"]), (400, &json!("cursor")));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_menu_is_edited_meal_by_meal() {
    let world = World::start().await;
    let (manager, cashier) = (world.terminal("acme-manager").await, world.terminal("acme-cashier").await);
    let sell = async |code: &str| {
        let order =
            json!({ "rfid": "RF100001", "station": "coffee-bar-1", "items": [{ "code": code, "qty": 1 }] });
        cashier.buy(Uuid::now_v7(), &order).await.outcome().to_owned()
    };
    assert_eq!(sell("CHAI").await, "unknown-meal");
    let before = etag(&manager).await;
    let chai = json!({ "name": "Chai", "category": "drinks", "price": 5_500, "calories": 180 });
    assert_eq!(edit(&manager, "PUT", "CHAI", Some(&before), &chai).await, done(200, "applied"));
    assert_eq!(sell("CHAI").await, "settled");
    assert_ne!(etag(&manager).await, before);

    // Read before somebody else's change: too late. Whoever loses in the queue has a receipt of it.
    let lost = edit(&manager, "PUT", "CHAI", Some(&before), &chai).await;
    assert_eq!(lost, done(412, "precondition-failed"));
    let now = etag(&manager).await;
    let (one, other) = tokio::join!(
        edit(&manager, "PUT", "TEA", Some(&now), &chai),
        edit(&manager, "PUT", "COCOA", Some(&now), &chai),
    );
    let mut races = [one.1, other.1];
    races.sort();
    assert_eq!(races, ["applied", "precondition-failed"]);

    // Sold out until it is there again.
    let until = world.clock.now() + SignedDuration::from_hours(2);
    let sold_out = json!({ "sold_out": true, "sold_out_until": until.to_string() });
    assert_eq!(edit(&cashier, "PUT", "CHAI/availability", None, &sold_out).await, done(200, "applied"));
    assert_eq!(sell("CHAI").await, "sold-out");
    world.clock.advance(SignedDuration::from_hours(3));
    assert_eq!(sell("CHAI").await, "settled");
    assert_eq!(edit(&manager, "DELETE", "CHAI", None, &Value::Null).await, done(200, "applied"));
    assert_eq!(sell("CHAI").await, "unknown-meal");
    assert_eq!(edit(&manager, "DELETE", "CHAI", None, &Value::Null).await, done(200, "not-found"));
    assert_eq!(edit(&manager, "DELETE", "COFFEE", None, &Value::Null).await, done(200, "applied"));
    assert_eq!(sell("COFFEE").await, "unknown-meal");
}

/// Edits that lie over a version are folded into one of their own before they weigh on every checkout.
#[tokio::test(flavor = "multi_thread")]
async fn many_edits_become_a_version() {
    let world = World::start().await;
    let manager = world.terminal("acme-manager").await;
    for index in 0..60 {
        let meal = json!({ "name": format!("Special {index}"), "price": index });
        assert_eq!(edit(&manager, "PUT", &format!("S-{index}"), None, &meal).await, done(200, "applied"));
    }
    let menu = manager.get(MENU, &[]).await;
    assert_eq!(menu.body["meals"].as_array().map(Vec::len), Some(70));
    assert_eq!(menu.body["menu_version"], "2.9", "51 edits were folded, and nine came after");
    let key = keys::menu(&"acme".parse().unwrap(), &"coffee-bar".parse().unwrap());
    let head = world.system.app.table().read_one(&key).await.unwrap().unwrap();
    assert_eq!(items::stored_menu_head(head).unwrap().edits.len(), 9);
    let order =
        json!({ "rfid": "RF100001", "station": "coffee-bar-1", "items": [{ "code": "S-7", "qty": 1 }] });
    let sold = world.terminal("acme-cashier").await.buy(Uuid::now_v7(), &order).await;
    assert_eq!((sold.outcome(), &sold.body["total_net"]), ("settled", &json!(7)), "{sold:?}");
}

/// A quote says who would pay, and nothing of a sale that a closed station would refuse.
#[tokio::test(flavor = "multi_thread")]
async fn a_quote_is_of_what_would_be_sold() {
    let world = World::start().await;
    let (admin, cashier) = (world.terminal("acme-admin").await, world.terminal("acme-cashier").await);
    let headers = [("content-type", "application/json")];
    let quote =
        async || cashier.post("/v1/checkouts/quote", &headers, &coffee("RF100001", 1).to_string()).await;
    let quoted = quote().await;
    let (number, name) = (&quoted.body["employee"]["employee_number"], &quoted.body["employee"]["name"]);
    assert!(number == "100001" && name.is_string(), "{quoted:?}");
    let closed = json!({ "concessionaire_id": "coffee-bar", "status": "inactive" });
    let put = admin.command("PUT", "/v1/stations/coffee-bar-1", &closed).await;
    assert_eq!(put.outcome(), "applied", "{put:?}");
    let refused = quote().await;
    assert_eq!((refused.status, refused.problem()), (403, "station-closed"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_suspended_tenant_sells_nothing_and_says_why() {
    let world = World::start().await;
    let (platform, cashier) = (world.terminal("globex-platform").await, world.terminal("acme-cashier").await);
    let sold = cashier.buy(Uuid::now_v7(), &coffee("RF100001", 1)).await;
    let because = json!({ "reason": "unpaid" });
    let suspended = platform.command("POST", "/v1/tenants/acme/suspend", &because).await;
    assert_eq!(suspended.outcome(), "applied", "{suspended:?}");
    let refused = cashier.sell(Uuid::now_v7(), &coffee("RF100001", 1), 0).await;
    assert_eq!((refused.status, refused.problem()), (403, "tenant-suspended"));
    // What was sold can be put right, and the others sell on.
    let path = format!("/v1/employees/100001/checkouts/{}/void", sold.body["id"].as_str().unwrap());
    assert_eq!(cashier.command("POST", &path, &because).await.outcome(), "booked");
    let globex = world.terminal("globex-cashier").await;
    assert_eq!(globex.buy(Uuid::now_v7(), &coffee("RF100001", 1)).await.outcome(), "settled");
    let resumed = platform.command("POST", "/v1/tenants/acme/resume", &because).await;
    assert_eq!(resumed.outcome(), "applied", "{resumed:?}");
    assert_eq!(cashier.buy(Uuid::now_v7(), &coffee("RF100001", 1)).await.outcome(), "settled");
    let founded = json!({
        "name": "Nowhere", "currency": "EUR", "time_zone": "UTC", "closing_hour": 0, "overdraft_limit": 0,
    });
    assert_eq!(platform.command("PUT", "/v1/tenants/nowhere", &founded).await.outcome(), "applied");
    let mistyped = json!({
        "name": "Nippon", "currency": "JPN", "time_zone": "UTC", "closing_hour": 0, "overdraft_limit": 0,
    });
    let mistyped = platform.command("PUT", "/v1/tenants/nippon", &mistyped).await;
    assert_eq!(mistyped.outcome(), "unknown-currency", "{mistyped:?}");
    let probed = platform.post("/v1/tenants/nowhere/probe", &[], "").await;
    assert_eq!((probed.status, probed.problem()), (409, "no-place"));
    // The platform's audit has it, and no tenant's.
    let mine = platform.get("/v1/audit", &[]).await.body.to_string();
    assert!(mine.contains("set-tenant-status") && mine.contains("unpaid"), "{mine}");
    let theirs = world.terminal("acme-admin").await.get("/v1/audit", &[]).await.body.to_string();
    assert!(theirs.contains("void") && !theirs.contains("set-tenant-status"), "{theirs}");
}

/// A badge that was taken back goes to somebody else once no key from before it is good any more.
#[tokio::test(flavor = "multi_thread")]
async fn a_rested_badge_goes_to_somebody_else() {
    let world = World::start().await;
    let (admin, cashier) = (world.terminal("acme-admin").await, world.terminal("acme-cashier").await);
    let badge = |number: &str| format!("/v1/employees/{number}/badges/RF100001");
    let give = async || admin.command("PUT", &badge("100002"), &json!({ "status": "active" })).await;
    assert_eq!(admin.command("DELETE", &badge("100001"), &Value::Null).await.outcome(), "applied");
    assert_eq!(give().await.outcome(), "badge-resting");
    world.clock.advance(REST + SignedDuration::from_secs(1));
    let given = give().await;
    assert_eq!(given.status, 400, "a key from before is not good any more: {given:?}");
    let key = uuid_at(&world);
    let given = admin.command_under(key, "PUT", &badge("100002"), &json!({ "status": "active" })).await;
    assert_eq!(given.outcome(), "applied", "{given:?}");
    let sold = cashier.buy(uuid_at(&world), &coffee("RF100001", 1)).await;
    assert_eq!(sold.body["employee"]["employee_number"], "100002", "{sold:?}");
}

/// A key of the world's present.
fn uuid_at(world: &World) -> Uuid {
    let now_ms = u64::try_from(world.clock.now().as_millisecond()).unwrap();
    uuid::Builder::from_unix_timestamp_millis(
        now_ms,
        &fastrand::u128(..).to_be_bytes()[..10].try_into().unwrap(),
    )
    .into_uuid()
}

/// How many of each there are.
const MANY: u32 = 10_000;

#[tokio::test(flavor = "multi_thread")]
async fn long_lists_are_complete_and_a_page_costs_what_a_page_costs() {
    let world = World::start().await;
    let acme: TenantId = "acme".parse().unwrap();
    let table = world.system.clients.table(Policy::WORKER);
    let now = world.clock.now();
    let mut created = Vec::new();
    for index in 0..MANY {
        let employee =
            Employee { number: format!("M{index}").parse().unwrap(), ..demo::employee(index).unwrap() };
        let employee = Employee { badges: [].into(), ..employee };
        created.push(items::employee(&acme, &employee).unwrap());
        created.push(items::wallet(&acme, &employee.number, Wallet::default()).unwrap());
        let id = uuid::Builder::from_unix_timestamp_millis(1_800_000_000_000 + u64::from(index), &[7; 10]);
        let checkout = Checkout {
            tenant: acme.clone(),
            id: id.into_uuid().try_into().unwrap(),
            request: RequestHash::from_bytes([1; 32]),
            employee: employee.number,
            station: Some("kitchen-1".parse().unwrap()),
            concessionaire: "kitchen".parse().unwrap(),
            caller: "acme-kitchen-cashier".parse().unwrap(),
            business_date: "2027-01-15".parse().unwrap(),
            accepted_at: now,
            decided_at: now,
            outcome: Outcome::Rejected(Rejection::Expired),
            returned: Returned::default(),
        };
        created.push(items::checkout(&checkout).unwrap());
    }
    seed::create(&table, created).await.unwrap();
    let admin = world.terminal("acme-admin").await;
    let day = "/v1/checkouts?concessionaire_id=kitchen&date=2027-01-15";
    let count = usize::try_from(MANY).unwrap();
    check_list(&world, &admin, "/v1/employees?", "employee_number", count + 200).await;
    check_list(&world, &admin, day, "id", count).await;
    check_list(&world, &admin, &format!("{day}&station=kitchen-1"), "id", count).await;
    check_list(&world, &admin, &format!("{day}&station=kitchen-2"), "id", 0).await;
    let named = admin.get("/v1/employees?name=CHIARA%20a&limit=50", &[]).await;
    let names: BTreeSet<_> =
        named.body["items"].as_array().unwrap().iter().map(|one| one["name"].to_string()).collect();
    assert_eq!(names, ["\"Chiara Abara\"".to_owned()].into());

    // A cursor is good for the list that gave it, and for nobody else's.
    let page = admin.get("/v1/employees?limit=1", &[]).await;
    let cursor = page.body["next_cursor"].as_str().expect("a cursor").to_owned();
    let foreign = world.terminal("globex-admin").await;
    let altered = format!("{}A{}", &cursor[..10], &cursor[11..]);
    let refused = [
        foreign.get(&format!("/v1/employees?cursor={cursor}"), &[]).await,
        admin.get(&format!("/v1/users?cursor={cursor}"), &[]).await,
        admin.get(&format!("{day}&cursor={cursor}"), &[]).await,
        admin.get(&format!("/v1/employees?name=a&cursor={cursor}"), &[]).await,
        admin.get(&format!("/v1/employees?cursor={altered}"), &[]).await,
        admin.get("/v1/employees?cursor=", &[]).await,
    ];
    for answer in refused {
        assert_eq!((answer.status, answer.problem()), (400, "bad-input"), "{answer:?}");
        assert_eq!(answer.body["errors"][0]["parameter"], "cursor");
    }
}

/// Reads a list page by page: every entry once, and no page dearer than the dearest of the first ten.
async fn check_list(world: &World, admin: &Terminal, path: &str, id: &str, count: usize) {
    let usage = world.system.app.table().usage();
    let (mut seen, mut costs, mut cursor) = (BTreeSet::new(), Vec::new(), String::new());
    loop {
        usage.take();
        let page = admin.get(&format!("{path}&limit=50{cursor}"), &[]).await;
        assert_eq!(page.status, 200, "{page:?}");
        let spent = usage.take();
        costs.push((spent.read_decis, spent.calls.values().sum::<u64>()));
        let entries = page.body["items"].as_array().expect("items");
        assert!(entries.len() <= 50);
        for entry in entries {
            assert!(seen.insert(entry[id].to_string()), "{path}: twice: {entry}");
        }
        match page.body["next_cursor"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => break,
        }
    }
    assert_eq!(seen.len(), count, "{path}");
    let dearest = costs.iter().take(10).max().expect("a page");
    assert!(costs.iter().all(|cost| cost <= dearest), "{path}: {costs:?}");
}
