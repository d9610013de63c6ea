//! The HTTP contract where time passes, workers stand still, or somebody writes behind everybody's back.
//! What needs nothing but HTTP is in `blackbox`.

use aws::clock::Clock;
use aws::config::Clients;
use aws::telemetry::Metrics;
use aws::{items, keys};
use aws_sdk_sns::types::MessageAttributeValue;
use domain::command::{COMMAND_LIFETIME, Purpose};
use domain::id::TenantId;
use domain::role::{CLOCKS_DIFFER, Role, Status, User};
use domain::tenant::{Tenant, TenantStatus};
use jiff::SignedDuration;
use local::pump::{self, Source};
use serde_json::json;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;
use tests::faults::{self, Fault};
use tests::terminal::coffee;
use tests::{WORKERS, World, audit, eventually};
use tokio::task::JoinSet;
use uuid::Uuid;
use workers::post_checkouts::PostCheckoutsWorker;

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
    let metrics = Metrics::to(Clock::system(), "test", |_| ());
    let worker = Arc::new(PostCheckoutsWorker::new(&clients, Clock::system(), metrics));
    let source = Source::new(&clients, &"acme".parse().unwrap(), Purpose::Checkouts);
    let mut pumps = JoinSet::new();
    pump::start(&mut pumps, &source, 1, &worker);
    let results = Source::new(&world.system.clients, &"acme".parse().unwrap(), Purpose::Results);
    pump::start(&mut pumps, &results, 1, &world.system.workers.results);
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

/// The answer to a sale was lost, and its station went to somebody else: whoever sends again learns what came
/// of it.
#[tokio::test(flavor = "multi_thread")]
async fn what_was_sold_before_a_station_moved_is_answered_as_it_was() {
    let world = World::start().await;
    let (cashier, admin) = (world.terminal("acme-cashier").await, world.terminal("acme-admin").await);
    let key = Uuid::now_v7();
    let by_number = json!({
        "employee_number": "100002", "station": "coffee-bar-1", "items": [{ "code": "COFFEE", "qty": 1 }],
    });
    for sale in [coffee("RF100001", 1), by_number.clone()] {
        assert_eq!(cashier.buy(key, &sale).await.outcome(), "settled");
    }
    let kitchen = json!({ "concessionaire_id": "kitchen" });
    let moved = admin.command("PUT", "/v1/stations/coffee-bar-1", &kitchen).await;
    assert_eq!(moved.outcome(), "applied", "{moved:?}");
    for sale in [coffee("RF100001", 1), by_number] {
        let again = cashier.buy(key, &sale).await;
        assert_eq!((again.status, again.outcome()), (200, "settled"), "{again:?}");
        let new = cashier.buy(Uuid::now_v7(), &sale).await;
        assert_eq!((new.status, new.problem()), (404, "unknown-station"), "{new:?}");
    }
}

/// A sale was begun, and waits in its queue or never came, when its station went to somebody else: it
/// settles, and whoever sends it again is told so. Once it cannot wait any longer, the station is nobody's
/// whom it does not belong to.
#[tokio::test(flavor = "multi_thread")]
async fn what_was_begun_before_a_station_moved_is_sold_as_it_was() {
    let world = World::idle().await;
    let (cashier, admin) = (world.terminal("acme-cashier").await, world.terminal("acme-admin").await);
    let [waiting, lost, late] = [(); 3].map(|()| Uuid::now_v7());
    let sell = async |key: Uuid| cashier.sell(key, &coffee("RF100001", 1), 0).await;
    assert_eq!(sell(waiting).await.status, 202);
    let key = Uuid::now_v7().to_string();
    let headers = [("idempotency-key", key.as_str()), ("content-type", "application/json")];
    let kitchen = json!({ "concessionaire_id": "kitchen" }).to_string();
    let put = admin.request("PUT", "/v1/stations/coffee-bar-1", &headers, &kitchen).await;
    assert_eq!(put.status, 202, "{put:?}");
    world.work_off("acme", Purpose::Admin).await;

    let refused = async |key: Uuid| {
        let answer = sell(key).await;
        assert_eq!((answer.status, answer.problem()), (404, "unknown-station"), "{answer:?}");
    };
    refused(Uuid::now_v7()).await;
    let accepted = [sell(waiting).await, sell(lost).await];
    assert!(accepted.iter().all(|answer| answer.status == 202), "{accepted:?}");
    world.work_off("acme", Purpose::Checkouts).await;
    for accepted in &accepted {
        let settled = cashier.follow(accepted).await;
        assert_eq!(settled.outcome(), "settled", "{settled:?}");
    }
    let sales = audit::account(world.system.app.table(), "acme", "100001").await.recent;
    let stalls: Vec<_> = sales.iter().map(|sale| sale.concessionaire.as_str()).collect();
    assert_eq!(stalls, ["coffee-bar"; 2]);
    world.clock.advance(COMMAND_LIFETIME + SignedDuration::from_secs(1));
    refused(late).await;
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
    let user = User::active("acme-cashier".parse().unwrap(), role);
    let disabled = User { status: Status::Inactive, ..user.clone() };
    put(items::user(&tenant, &disabled).unwrap()).await;
    let refused = sell().await;
    assert_eq!((refused.status, refused.problem()), (403, "forbidden"));
    let soon = world.clock.now() + CLOCKS_DIFFER * 100;
    put(items::user(&tenant, &User { signed_out_at: Some(soon), ..user }).unwrap()).await;
    let refused = sell().await;
    assert_eq!((refused.status, refused.problem()), (401, "unauthorized"));
    world.settle().await;
}

/// A topic that somebody took away: nothing is accepted that would go nowhere.
#[tokio::test(flavor = "multi_thread")]
async fn a_tenant_without_a_topic_accepts_nothing() {
    let world = World::start().await;
    let cashier = world.terminal("acme-cashier").await;
    let topic_arn = world.system.clients.config().names.command_topic_arn(&"acme".parse().unwrap());
    world.system.clients.sns().delete_topic().topic_arn(topic_arn).send().await.unwrap();
    let refused = cashier.sell(Uuid::now_v7(), &coffee("RF100001", 1), 5).await;
    assert_eq!((refused.status, refused.problem()), (503, "tenant-not-ready"));
    assert_eq!(refused.header("retry-after"), Some("30"));
    let abroad = world.terminal("globex-cashier").await;
    assert_eq!(abroad.sell(Uuid::now_v7(), &coffee("RF100001", 1), 5).await.outcome(), "settled");
    world.settle().await;
}
