//! What a checkout costs, in calls and capacity units. The numbers stand in ARCHITECTURE.md.

use serde_json::json;
use tests::terminal::coffee;
use tests::{World, audit};
use uuid::Uuid;

/// Call counts as `operation count` lines, sorted.
fn calls(spent: &aws::usage::Spent) -> Vec<(&'static str, u64)> {
    spent.calls.iter().map(|(operation, count)| (*operation, *count)).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn intake_reads_twice_or_once_and_the_worker_writes_four_units_and_one() {
    let world = World::start().await;
    let cashier = world.terminal("acme-cashier").await;
    let (intake, worker) = (world.system.app.table().usage(), world.system.workers.checkouts.table().usage());
    // The first sale also reads the menu version.
    cashier.sell(Uuid::now_v7(), &coffee("RF100001", 1), 5).await;
    world.settle().await;
    intake.take();
    assert_eq!(calls(&worker.take()), [("BatchGetItem", 1), ("Query", 1), ("TransactWriteItems", 1)]);

    // Twelve lines as long as they usually are: the size that the documents name.
    let items: Vec<_> = (0..12).map(|_| json!({ "code": "CROISSANT", "qty": 1, "price": 6_000 })).collect();
    let lunch = json!({ "rfid": "RF100002", "station": "coffee-bar-1", "items": items });
    let accepted = cashier.sell(Uuid::now_v7(), &lunch, 0).await;
    assert_eq!(accepted.status, 202);
    world.settle().await;
    let spent = intake.take();
    assert_eq!(calls(&spent), [("BatchGetItem", 2)]);
    assert_eq!(spent.read_decis, 60, "a unit for each key, whether something stands there or not");
    let spent = worker.take();
    assert_eq!(spent.read_decis, 50, "tenant, menu, employee, wallet, checkout");
    assert_eq!(calls(&spent), [("BatchGetItem", 1), ("TransactWriteItems", 1)]);
    assert_eq!(spent.write_decis, 50, "4 units for two items in a transaction, 1 for the index");
    assert_eq!(cashier.follow(&accepted).await.outcome(), "settled");

    // Whose number is known is looked up together with what came of the same sale before.
    let (key, mut lunch) = (Uuid::now_v7(), coffee("", 1));
    let named = lunch.as_object_mut().unwrap();
    named.remove("rfid");
    named.insert("employee_number".to_owned(), json!("100003"));
    for (status, reads) in [(202, 1), (200, 1)] {
        intake.take();
        assert_eq!(cashier.sell(key, &lunch, 0).await.status, status);
        assert_eq!(calls(&intake.take()), [("BatchGetItem", reads)]);
        world.settle().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_employee_with_wallet_and_checkouts_is_one_query() {
    let world = World::start().await;
    let cashier = world.terminal("acme-cashier").await;
    for _ in 0..12 {
        let sold = cashier.sell(Uuid::now_v7(), &coffee("RF100001", 1), 5).await;
        assert_eq!(sold.outcome(), "settled", "{sold:?}");
    }
    let intake = world.system.app.table().usage();
    intake.take();
    let view = cashier.get("/v1/employees/100001?recent=10", &[]).await;
    assert_eq!(view.body["recent"].as_array().map(Vec::len), Some(10));
    assert_eq!(calls(&intake.take()), [("BatchGetItem", 1), ("Query", 1)], "who asks, and what for");
    audit::account(world.system.app.table(), "acme", "100001").await;
}

/// A correction is three items: the booking and the sale are indexed, the wallet is not.
#[tokio::test(flavor = "multi_thread")]
async fn a_correction_is_one_read_and_one_transaction() {
    let world = World::start().await;
    let (cashier, manager) = (world.terminal("acme-cashier").await, world.terminal("acme-manager").await);
    let sold = cashier.buy(Uuid::now_v7(), &coffee("RF100001", 2)).await;
    world.settle().await;
    let (intake, worker) = (world.system.app.table().usage(), world.system.workers.checkouts.table().usage());
    intake.take();
    worker.take();
    let path = format!("/v1/employees/100001/checkouts/{}/refunds", sold.body["id"].as_str().unwrap());
    let key = Uuid::now_v7().to_string();
    let headers = [("idempotency-key", key.as_str()), ("content-type", "application/json")];
    let accepted = manager.post(&path, &headers, r#"{"amount":1,"reason":"cold"}"#).await;
    assert_eq!(accepted.status, 202);
    world.settle().await;
    assert_eq!(calls(&intake.take()), [("BatchGetItem", 1)]);
    let spent = worker.take();
    assert_eq!(calls(&spent), [("BatchGetItem", 1), ("TransactWriteItems", 1)]);
    assert_eq!(spent.write_decis, 80, "2 units for each of three items, 1 for each of two index entries");
    audit::account(world.system.app.table(), "acme", "100001").await;
}
