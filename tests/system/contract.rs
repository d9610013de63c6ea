//! The HTTP contract, as terminals live it.

use aws::clock::Clock;
use aws::config::Clients;
use aws::telemetry::Metrics;
use aws::{items, keys};
use aws_sdk_sns::types::MessageAttributeValue;
use domain::id::TenantId;
use domain::role::{Role, Status, User};
use domain::tenant::{Tenant, TenantStatus};
use jiff::SignedDuration;
use local::pump::{self, Source};
use serde_json::json;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;
use tests::faults::{self, Fault};
use tests::terminal::{Answer, coffee};
use tests::{WORKERS, World, audit, eventually};
use tokio::task::JoinSet;
use uuid::Uuid;
use workers::post_checkouts::PostCheckouts;

#[tokio::test(flavor = "multi_thread")]
async fn a_coffee_is_sold() {
    let world = World::start().await;
    let cashier = world.terminal("acme-cashier").await;
    let key = Uuid::now_v7();

    let accepted = cashier.sell(key, &coffee("RF100001", 2), 0).await;
    assert_eq!((accepted.status, accepted.outcome()), (202, "pending"), "{accepted:?}");
    assert_eq!(accepted.header("retry-after"), Some("1"));
    let settled = cashier.follow(&accepted).await;

    assert_eq!(settled.body["status"], "settled", "{settled:?}");
    assert_eq!(settled.body["id"], key.to_string());
    let employee = json!({
        "employee_number": "100001", "name": "Bruno Abara", "image_url": null,
        "balance_before": 500_000, "balance_after": 491_000,
    });
    assert_eq!(settled.body["employee"], employee);
    let item = json!({
        "code": "COFFEE", "name": "Filter coffee", "category": "drinks", "price": 4_500, "calories": 5, "qty": 2,
        "subtotal_price": 9_000, "subtotal_calories": 10,
    });
    assert_eq!(settled.body["items"], json!([item]));
    for (field, value) in
        [("total_gross", 9_000), ("discount", 0), ("total_net", 9_000), ("total_calories", 10)]
    {
        assert_eq!(settled.body[field], value, "{field}");
    }
    assert_eq!(settled.body["settled_by"], "acme-cashier");

    // Wait, poll and replay read the same.
    let replay = cashier.sell(key, &coffee("RF100001", 2), 0).await;
    assert_eq!((replay.status, replay.header("idempotent-replayed")), (200, Some("true")));
    assert_eq!(replay.body, settled.body);
    let waited = cashier.sell(Uuid::now_v7(), &coffee("RF100001", 1), 5).await;
    assert_eq!((waited.status, waited.outcome()), (200, "settled"), "{waited:?}");
    assert_eq!(waited.header("preference-applied"), Some("wait=5"));

    let view = cashier.get("/v1/employees/100001", &[]).await;
    assert_eq!(
        (view.body["balance"].as_i64(), view.body["wallet_version"].as_i64()),
        (Some(486_500), Some(3))
    );
    assert_eq!(view.body["recent"], json!([waited.body, settled.body]), "newest first");
    world.settle().await;
    audit::account(world.system.app.table(), "acme", "100001").await;
}

/// A discount of 10 % on 4,500, rounded once.
#[tokio::test(flavor = "multi_thread")]
async fn a_discount_is_taken_and_a_refusal_is_an_outcome() {
    let world = World::start().await;
    let cashier = world.terminal("acme-cashier").await;
    let sell = async |body| cashier.sell(Uuid::now_v7(), &body, 5).await;
    let order =
        |line: serde_json::Value| json!({ "rfid": "RF100010", "station": "coffee-bar-1", "items": [line] });

    let settled = sell(order(json!({ "code": "COFFEE", "qty": 1, "price": 4_500 }))).await;
    assert_eq!(
        (settled.body["discount"].as_i64(), settled.body["total_net"].as_i64()),
        (Some(450), Some(4_050))
    );

    let changed = sell(order(json!({ "code": "COFFEE", "qty": 1, "price": 4_000 }))).await;
    assert_eq!((changed.status, changed.outcome()), (200, "price-changed"));
    let prices = json!([{ "code": "COFFEE", "shown": 4_000, "price": 4_500 }]);
    assert_eq!(changed.body["rejection"]["prices"], prices);
    assert_eq!(changed.body["employee"]["balance_after"], json!(null));

    let unknown = sell(order(json!({ "code": "CAVIAR", "qty": 1 }))).await;
    assert_eq!(
        (unknown.outcome(), &unknown.body["rejection"]["codes"]),
        ("unknown-meal", &json!(["CAVIAR"]))
    );

    let dear = sell(order(json!({ "code": "BAGEL", "qty": 99 }))).await;
    assert_eq!(dear.outcome(), "insufficient-credit");
    assert_eq!(dear.body["rejection"]["total_net"], 99 * 8_500 * 9 / 10);

    let view = cashier.get("/v1/employees/100010?recent=2", &[]).await;
    let outcomes: Vec<_> =
        view.body["recent"].as_array().unwrap().iter().map(|c| c["status"].clone()).collect();
    assert_eq!(outcomes, ["rejected", "rejected"]);
    world.settle().await;
    audit::account(world.system.app.table(), "acme", "100010").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn fifty_at_once_spend_what_is_there_and_no_more() {
    let world = World::start().await;
    let cashier = world.terminal("acme-cashier").await;
    // 500,000 less 90 coffees and two espressos leaves ten bagels at 8,500.
    let spend = json!({ "rfid": "RF100003", "station": "coffee-bar-1", "items": [
        { "code": "COFFEE", "qty": 90 }, { "code": "ESPRESSO", "qty": 2 },
    ] });
    let spent = cashier.sell(Uuid::now_v7(), &spend, 5).await;
    assert_eq!(spent.body["employee"]["balance_after"], 85_000, "{spent:?}");

    let bagel =
        json!({ "rfid": "RF100003", "station": "coffee-bar-2", "items": [{ "code": "BAGEL", "qty": 1 }] });
    let sales: Vec<_> = (0..50)
        .map(|_| {
            let (cashier, bagel) = (cashier.clone(), bagel.clone());
            tokio::spawn(async move {
                let accepted = cashier.sell(Uuid::now_v7(), &bagel, 0).await;
                cashier.follow(&accepted).await
            })
        })
        .collect();
    let mut outcomes = Vec::new();
    for sale in sales {
        outcomes.push(sale.await.unwrap().outcome().to_owned());
    }
    let count = |outcome: &str| outcomes.iter().filter(|other| *other == outcome).count();
    assert_eq!((count("settled"), count("insufficient-credit")), (10, 40), "{outcomes:?}");
    world.settle().await;
    let account = audit::account(world.system.app.table(), "acme", "100003").await;
    assert_eq!((account.wallet.balance.minor(), account.wallet.version), (0, 12));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reused_key_is_refused_to_who_changed_the_body() {
    let mut world = World::idle().await;
    let cashier = world.terminal("acme-cashier").await;
    let key = Uuid::now_v7();
    let waiting = async |world: &World| world.queues().await.iter().map(|(_, depth)| depth).sum::<u32>();

    // Before the first is processed: a resend is swallowed, a changed body never is.
    let first = cashier.sell(key, &coffee("RF100005", 1), 0).await;
    let resent = cashier.sell(key, &coffee("RF100005", 1), 0).await;
    assert_eq!(waiting(&world).await, 1);
    let changed = cashier.sell(key, &coffee("RF100005", 2), 0).await;
    assert_eq!(waiting(&world).await, 2);
    assert_eq!([first.status, resent.status, changed.status], [202; 3]);

    world.system.work(WORKERS).unwrap();
    let first = cashier.follow(&first).await;
    assert_eq!((first.outcome(), &first.body["total_net"]), ("settled", &json!(4_500)), "{first:?}");
    assert_eq!(cashier.follow(&resent).await.body, first.body);
    world.settle().await;
    let changed = cashier.follow(&changed).await;
    assert_eq!((changed.status, changed.problem()), (422, "idempotency-key-reused"), "{changed:?}");

    // After it: at once.
    let third = cashier.sell(key, &coffee("RF100005", 3), 5).await;
    assert_eq!((third.status, third.problem()), (422, "idempotency-key-reused"));
    let same = cashier.sell(key, &coffee("RF100005", 1), 5).await;
    assert_eq!((same.status, same.header("idempotent-replayed")), (200, Some("true")));
    assert_eq!(same.body, first.body);

    // Another employee under the same id is another checkout.
    let other = cashier.sell(key, &coffee("RF100006", 1), 5).await;
    assert_eq!((other.status, other.outcome(), other.header("idempotent-replayed")), (200, "settled", None));
    world.settle().await;
    for employee in ["100005", "100006"] {
        let account = audit::account(world.system.app.table(), "acme", employee).await;
        assert_eq!((account.wallet.balance.minor(), account.wallet.version), (495_500, 2));
    }
}

/// Something that nobody can read comes in between: it ends as a dead letter, and the wallet's next
/// checkout goes through.
#[tokio::test(flavor = "multi_thread")]
async fn a_poisoned_message_ends_as_a_dead_letter_and_delays_nobody() {
    let world = World::start().await;
    let cashier = world.terminal("acme-cashier").await;
    let tenant: TenantId = "acme".parse().unwrap();
    let names = &world.system.clients.config().names;
    let kind =
        MessageAttributeValue::builder().data_type("String").string_value("post_checkout").build().unwrap();
    world
        .system
        .clients
        .sns()
        .publish()
        .topic_arn(names.command_topic_arn(&tenant))
        .message("poison")
        .message_group_id(keys::wallet_group(&tenant, &"100001".parse().unwrap()))
        .message_deduplication_id("poison")
        .message_attributes("kind", kind)
        .send()
        .await
        .unwrap();
    let sold = cashier.sell(Uuid::now_v7(), &coffee("RF100001", 1), 5).await;
    assert_eq!(sold.outcome(), "settled", "{sold:?}");
    eventually("the poison is a dead letter", async || {
        world
            .queues()
            .await
            .iter()
            .all(|(queue, depth)| *depth == u32::from(queue.contains("acme-checkouts-dlq")))
    })
    .await;
}

/// What is handed back comes again within seconds, not after the visibility timeout.
#[tokio::test(flavor = "multi_thread")]
async fn what_was_refused_for_a_moment_settles_a_moment_later() {
    let world = World::idle().await;
    let refused = AtomicU32::new(0);
    let http_client = faults::http_client(move |operation, _| match operation {
        // As often as the worker tries in one batch.
        "BatchGetItem" if refused.fetch_add(1, Ordering::SeqCst) < 6 => Fault::cancelled(&[]),
        _ => Fault::None,
    });
    let clients = Clients::over(world.system.clients.config().clone(), http_client);
    let metrics = Metrics::to(Clock::system(), |_| ());
    let worker = Arc::new(PostCheckouts::new(&clients, Clock::system(), metrics));
    let names = &clients.config().names;
    let source = Source::new(&clients, names.queue_arn(&names.checkout_queue(&"acme".parse().unwrap())));
    let mut pumps = JoinSet::new();
    pump::start(&mut pumps, &source, 1, move |event| {
        let worker = worker.clone();
        async move { worker.handle(event).await }
    });
    let cashier = world.terminal("acme-cashier").await;
    let accepted = cashier.sell(Uuid::now_v7(), &coffee("RF100001", 1), 0).await;
    let settled = tokio::time::timeout(Duration::from_secs(20), cashier.follow(&accepted)).await;
    assert_eq!(settled.expect("long before the visibility timeout").outcome(), "settled");
    world.settle().await;
}

/// Six minutes: past the deduplication window, and past what a command may wait.
const LATER: SignedDuration = SignedDuration::from_mins(6);

#[tokio::test(flavor = "multi_thread")]
async fn a_key_means_the_same_after_the_deduplication_window() {
    let world = World::start().await;
    let cashier = world.terminal("acme-cashier").await;
    let key = Uuid::now_v7();
    let first = cashier.sell(key, &coffee("RF100005", 1), 5).await;
    world.clock.advance(LATER);
    let changed = cashier.sell(key, &coffee("RF100005", 2), 5).await;
    assert_eq!((changed.status, changed.problem()), (422, "idempotency-key-reused"));
    let same = cashier.sell(key, &coffee("RF100005", 1), 5).await;
    assert_eq!((same.header("idempotent-replayed"), &same.body), (Some("true"), &first.body));
    world.settle().await;
    assert_eq!(audit::account(world.system.app.table(), "acme", "100005").await.wallet.version, 2);
}

/// Nobody works for six minutes: what was accepted before is too late then, and charges nobody.
#[tokio::test(flavor = "multi_thread")]
async fn what_waited_too_long_ends_and_everybody_can_see_how() {
    let mut world = World::idle().await;
    let cashier = world.terminal("acme-cashier").await;
    let key = Uuid::now_v7();
    let first = cashier.sell(key, &coffee("RF100005", 1), 0).await;
    let changed = cashier.sell(key, &coffee("RF100005", 2), 0).await;
    assert_eq!(cashier.get(first.header("location").unwrap(), &[]).await.outcome(), "pending");
    world.clock.advance(LATER);
    assert_eq!(cashier.get(first.header("location").unwrap(), &[]).await.outcome(), "failed");
    let again = cashier.sell(key, &coffee("RF100005", 1), 0).await;
    let changed_again = cashier.sell(key, &coffee("RF100005", 3), 0).await;
    for accepted in [&first, &changed, &again, &changed_again] {
        assert_eq!((accepted.status, accepted.outcome()), (202, "pending"));
    }

    world.system.work(WORKERS).unwrap();
    world.settle().await;
    for accepted in [&first, &again] {
        assert_eq!(cashier.follow(accepted).await.outcome(), "expired");
    }
    for accepted in [&changed, &changed_again] {
        let refused = cashier.follow(accepted).await;
        assert_eq!((refused.status, refused.problem()), (422, "idempotency-key-reused"));
    }
    assert_eq!(audit::account(world.system.app.table(), "acme", "100005").await.wallet.version, 1);
}

/// Role and status are read with every request: the token only names tenant and user.
#[tokio::test(flavor = "multi_thread")]
async fn a_disabled_user_and_a_suspended_tenant_count_at_once() {
    let world = World::start().await;
    let cashier = world.terminal("acme-cashier").await;
    let tenant: TenantId = "acme".parse().unwrap();
    let sell = async || cashier.sell(Uuid::now_v7(), &coffee("RF100001", 1), 0).await;
    let put = async |item: items::Item| {
        let dynamodb = world.system.clients.dynamodb();
        let table = &world.system.clients.config().table_name;
        dynamodb.put_item().table_name(table).set_item(Some(item)).send().await.unwrap();
    };

    let key = keys::tenant(&tenant);
    let item = world.system.app.table().read_one(&key).await.unwrap().unwrap();
    let open = items::stored_tenant(&tenant, item).unwrap();
    let suspended = Tenant { status: TenantStatus::Suspended, ..open.clone() };
    put(items::tenant(&suspended).unwrap()).await;
    let refused = sell().await;
    assert_eq!((refused.status, refused.problem()), (403, "tenant-suspended"));
    put(items::tenant(&open).unwrap()).await;
    assert_eq!(sell().await.status, 202);

    let role = Role::Cashier { concessionaire_id: "coffee-bar".parse().unwrap() };
    let disabled = User { name: "acme-cashier".parse().unwrap(), status: Status::Inactive, role };
    put(items::user(&tenant, &disabled).unwrap()).await;
    let refused = sell().await;
    assert_eq!((refused.status, refused.problem()), (403, "forbidden"));
    world.settle().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_may_not_is_told_so_and_nothing_leaks() {
    let world = World::start().await;
    let cashier = world.terminal("acme-cashier").await;
    let refused = |answer: &Answer| (answer.status, answer.problem().to_owned());
    let no = |status: u16, problem: &str| (status, problem.to_owned());
    let order = |field: &str, value: &str, station: &str| json!({ field: value, "station": station, "items": [{ "code": "COFFEE", "qty": 1 }] });
    let sell = async |who: &tests::terminal::Terminal, order: serde_json::Value| {
        refused(&who.sell(Uuid::now_v7(), &order, 0).await)
    };

    assert_eq!(sell(&cashier, order("rfid", "RF999999", "coffee-bar-1")).await, no(404, "unknown-badge"));
    let unknown = order("employee_number", "999999", "coffee-bar-1");
    assert_eq!(sell(&cashier, unknown).await, no(404, "unknown-employee"));
    assert_eq!(sell(&cashier, order("rfid", "RF100001", "nowhere-1")).await, no(404, "unknown-station"));
    let foreign_stall = order("rfid", "RF100001", "kitchen-1");
    assert_eq!(sell(&cashier, foreign_stall).await, no(404, "unknown-station"));
    for role in ["acme-admin", "acme-employee", "acme-platform"] {
        let user = world.terminal(role).await;
        assert_eq!(sell(&user, coffee("RF100001", 1)).await, no(403, "forbidden"), "{role}");
    }

    let employee = world.terminal("acme-employee").await;
    let own = employee.get("/v1/employees/100001", &[]).await;
    assert_eq!(own.status, 200);
    let colleague = employee.get("/v1/employees/100002", &[]).await;
    let nobody = employee.get("/v1/employees/999999", &[]).await;
    assert_eq!((refused(&colleague), colleague.body), (no(404, "not-found"), nobody.body));

    // What the one company sold, the other does not find.
    let sold = cashier.sell(Uuid::now_v7(), &coffee("RF100001", 1), 5).await;
    let path = format!("/v1/employees/100001/checkouts/{}", sold.body["id"].as_str().unwrap());
    assert_eq!(cashier.get(&path, &[]).await.body, sold.body);
    let abroad = world.terminal("globex-cashier").await;
    assert_eq!(refused(&abroad.get(&path, &[]).await), no(404, "not-found"));

    for token in ["", "e30.e30.e30"] {
        let answer = cashier.with_token(token).get("/v1/employees/100001", &[]).await;
        assert_eq!(
            (refused(&answer), answer.header("www-authenticate")),
            (no(401, "unauthorized"), Some("Bearer"))
        );
    }
    world.settle().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn bodies_paths_and_tickets_are_checked() {
    let world = World::start().await;
    let cashier = world.terminal("acme-cashier").await;
    let key = Uuid::now_v7().to_string();
    let headers = [("idempotency-key", key.as_str()), ("content-type", "application/json")];
    let refused = |answer: Answer| (answer.status, answer.problem().to_owned());
    let no = |status: u16, problem: &str| (status, problem.to_owned());

    let large = format!(r#"{{"rfid":"{}"}}"#, "1".repeat(64 * 1024));
    assert_eq!(refused(cashier.post("/v1/checkouts", &headers, &large).await), no(413, "body-too-large"));
    let plain = [headers[0], ("content-type", "text/plain")];
    assert_eq!(refused(cashier.post("/v1/checkouts", &plain, "{}").await), no(415, "unsupported-media-type"));
    assert_eq!(refused(cashier.post("/v1/health", &[], "").await), no(405, "method-not-allowed"));
    assert_eq!(refused(cashier.get("/v1/nothing", &[]).await), no(404, "not-found"));
    let old = Uuid::new_v7(uuid::Timestamp::from_unix(uuid::NoContext, 1_500_000_000, 0));
    let answer = cashier.sell(old, &coffee("RF100001", 1), 0).await;
    assert_eq!(answer.body["errors"][0]["header"], "Idempotency-Key");
    assert_eq!(refused(answer), no(400, "bad-input"));
    for recent in ["11", "-1", "many"] {
        let answer = cashier.get(&format!("/v1/employees/100001?recent={recent}"), &[]).await;
        assert_eq!(answer.body["errors"][0]["parameter"], "recent");
        assert_eq!(refused(answer), no(400, "bad-input"));
    }

    // A ticket opens its own checkout only.
    let accepted = cashier.sell(Uuid::now_v7(), &coffee("RF100001", 1), 0).await;
    let location = accepted.header("location").unwrap().to_owned();
    let (path, ticket) = location.split_once("?ticket=").unwrap();
    assert_eq!(cashier.follow(&accepted).await.outcome(), "settled");
    let other = path.replace("100001", "100002");
    assert_eq!(refused(cashier.get(&format!("{other}?ticket={ticket}"), &[]).await), no(400, "bad-input"));
    assert_eq!(refused(cashier.get(&other, &[]).await), no(404, "not-found"));
    world.settle().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_known_is_not_sent_again() {
    let world = World::start().await;
    let cashier = world.terminal("acme-cashier").await;
    let menu = cashier.get("/v1/concessionaires/coffee-bar/menu", &[]).await;
    assert_eq!((menu.status, menu.header("etag")), (200, Some("\"acme.coffee-bar.1.0\"")));
    assert_eq!(menu.body["meals"].as_array().map(Vec::len), Some(10));
    let again = cashier
        .get("/v1/concessionaires/coffee-bar/menu", &[("if-none-match", "\"acme.coffee-bar.1.0\"")])
        .await;
    assert_eq!((again.status, again.body), (304, json!(null)));
    let nobodys = cashier.get("/v1/concessionaires/nobody/menu", &[]).await;
    assert_eq!((nobodys.status, nobodys.problem()), (404, "not-found"));

    let view = cashier.get("/v1/employees/100001", &[]).await;
    let etag = view.header("etag").unwrap().to_owned();
    assert_eq!(cashier.get("/v1/employees/100001", &[("if-none-match", &etag)]).await.status, 304);
    cashier.sell(Uuid::now_v7(), &coffee("RF100001", 1), 5).await;
    assert_eq!(cashier.get("/v1/employees/100001", &[("if-none-match", &etag)]).await.status, 200);
    world.settle().await;
}

/// The description lists every route, under one operation id each.
#[tokio::test(flavor = "multi_thread")]
async fn the_api_describes_itself() {
    let world = World::start().await;
    let cashier = world.terminal("acme-cashier").await;
    let served = cashier.with_token("").get("/v1/openapi.json", &[]).await;
    assert_eq!((served.status, &served.body["openapi"]), (200, &json!("3.1.0")));
    let mut operations: Vec<_> = served.body["paths"]
        .as_object()
        .unwrap()
        .values()
        .flat_map(|path| path.as_object().unwrap().values())
        .map(|operation| operation["operationId"].as_str().unwrap().to_owned())
        .collect();
    operations.sort();
    assert_eq!(operations, ["getCheckout", "getEmployee", "getHealth", "getMenu", "postCheckout"]);
    assert_eq!(cashier.with_token("").get("/docs/", &[]).await.status, 200);
}
