//! The HTTP contract, as terminals live it.

use serde_json::{Value, json};
use tests::target::Target;
use tests::terminal::{Answer, Terminal, coffee};
use uuid::Uuid;

/// What an employee has, and how many movements made it.
async fn wallet(terminal: &Terminal, employee: &str) -> (i64, i64) {
    let view = terminal.get(&format!("/v1/employees/{employee}"), &[]).await;
    let number = |field: &str| view.body[field].as_i64().unwrap_or_else(|| panic!("{view:?}"));
    (number("balance"), number("wallet_version"))
}

fn order(rfid: &str, items: &Value) -> Value {
    json!({ "rfid": rfid, "station": "coffee-bar-1", "items": items })
}

#[tokio::test(flavor = "multi_thread")]
async fn a_coffee_is_sold() {
    let target = Target::find().await;
    let cashier = target.terminal("acme-cashier").await;
    let (balance, version) = wallet(&cashier, "100002").await;
    let key = Uuid::now_v7();

    let accepted = cashier.sell(key, &coffee("RF100002", 2), 0).await;
    assert_eq!((accepted.status, accepted.outcome()), (202, "pending"), "{accepted:?}");
    assert_eq!(accepted.header("retry-after"), Some("1"));
    let settled = cashier.follow(&accepted).await;

    assert_eq!(settled.body["status"], "settled", "{settled:?}");
    assert_eq!(settled.body["id"], key.to_string());
    let employee = json!({
        "employee_number": "100002", "name": "Chiara Abara", "image_url": null,
        "balance_before": balance, "balance_after": balance - 9_000, "wallet_version": version + 1,
    });
    assert_eq!(settled.body["employee"], employee);
    let item = json!({
        "code": "COFFEE", "name": "Filter coffee", "category": "drinks", "price": 4_500, "calories": 5, "qty": 2,
        "refunded_qty": 0, "subtotal_price": 9_000, "subtotal_calories": 10,
    });
    assert_eq!(settled.body["items"], json!([item]));
    for (field, value) in
        [("total_gross", 9_000), ("discount", 0), ("total_net", 9_000), ("total_calories", 10)]
    {
        assert_eq!(settled.body[field], value, "{field}");
    }
    assert_eq!(settled.body["settled_by"], "acme-cashier");

    // Wait, poll and replay read the same.
    let replay = cashier.sell(key, &coffee("RF100002", 2), 0).await;
    assert_eq!((replay.status, replay.header("idempotent-replayed")), (200, Some("true")));
    assert_eq!(replay.body, settled.body);
    let waited = cashier.buy(Uuid::now_v7(), &coffee("RF100002", 1)).await;
    assert_eq!((waited.status, waited.outcome()), (200, "settled"), "{waited:?}");

    assert_eq!(wallet(&cashier, "100002").await, (balance - 13_500, version + 2));
    let view = cashier.get("/v1/employees/100002?recent=2", &[]).await;
    assert_eq!(view.body["recent"], json!([waited.body, settled.body]), "newest first");
}

/// A discount of 10 % on 4,500, rounded once.
#[tokio::test(flavor = "multi_thread")]
async fn a_discount_is_taken_and_a_refusal_is_an_outcome() {
    let target = Target::find().await;
    let cashier = target.terminal("acme-cashier").await;
    let buy = async |line: Value| cashier.buy(Uuid::now_v7(), &order("RF100010", &json!([line]))).await;

    let settled = buy(json!({ "code": "COFFEE", "qty": 1, "price": 4_500 })).await;
    assert_eq!(
        (settled.body["discount"].as_i64(), settled.body["total_net"].as_i64()),
        (Some(450), Some(4_050)),
        "{settled:?}"
    );

    let changed = buy(json!({ "code": "COFFEE", "qty": 1, "price": 4_000 })).await;
    assert_eq!((changed.status, changed.outcome()), (200, "price-changed"));
    let prices = json!([{ "code": "COFFEE", "shown": 4_000, "price": 4_500 }]);
    assert_eq!(changed.body["rejection"]["prices"], prices);
    assert_eq!(changed.body["employee"]["balance_after"], json!(null));

    let unknown = buy(json!({ "code": "CAVIAR", "qty": 1 })).await;
    let codes = &unknown.body["rejection"]["codes"];
    assert_eq!((unknown.outcome(), codes), ("unknown-meal", &json!(["CAVIAR"])));

    let dear = buy(json!({ "code": "BAGEL", "qty": 99 })).await;
    assert_eq!(dear.outcome(), "insufficient-credit");
    assert_eq!(dear.body["rejection"]["total_net"], 99 * 8_500 * 9 / 10);

    let view = cashier.get("/v1/employees/100010?recent=2", &[]).await;
    let recent = view.body["recent"].as_array().expect("checkouts");
    let outcomes: Vec<_> = recent.iter().map(|checkout| checkout["status"].clone()).collect();
    assert_eq!(outcomes, ["rejected", "rejected"]);
}

/// Bagels at 8,500, of which the wallet pays ten at most.
#[tokio::test(flavor = "multi_thread")]
async fn fifty_at_once_spend_what_is_there_and_no_more() {
    const PRICE: i64 = 8_500;
    let target = Target::find().await;
    let cashier = target.terminal("acme-cashier").await;
    let bagels = |qty: i64| order("RF100003", &json!([{ "code": "BAGEL", "qty": qty }]));
    let (balance, _) = wallet(&cashier, "100003").await;
    let too_many = balance / PRICE - 10;
    if too_many > 0 {
        assert_eq!(cashier.buy(Uuid::now_v7(), &bagels(too_many)).await.outcome(), "settled");
    }
    let (balance, version) = wallet(&cashier, "100003").await;
    let affordable = balance / PRICE;

    let sales: Vec<_> = (0..50)
        .map(|_| {
            let (cashier, bagel) = (cashier.clone(), bagels(1));
            tokio::spawn(async move {
                let accepted = cashier.sell(Uuid::now_v7(), &bagel, 0).await;
                cashier.follow(&accepted).await
            })
        })
        .collect();
    let mut outcomes = Vec::new();
    for sale in sales {
        outcomes.push(sale.await.expect("a sale").outcome().to_owned());
    }
    let count = |outcome: &str| outcomes.iter().filter(|other| *other == outcome).count() as i64;
    assert_eq!(
        (count("settled"), count("insufficient-credit")),
        (affordable, 50 - affordable),
        "{outcomes:?}"
    );
    assert_eq!(wallet(&cashier, "100003").await, (balance - affordable * PRICE, version + affordable));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reused_key_is_refused_to_who_changed_the_body() {
    let target = Target::find().await;
    let cashier = target.terminal("acme-cashier").await;
    let (_, version) = wallet(&cashier, "100005").await;
    let key = Uuid::now_v7();
    let [first, resent, changed] = [
        cashier.sell(key, &coffee("RF100005", 1), 0).await,
        cashier.sell(key, &coffee("RF100005", 1), 0).await,
        cashier.sell(key, &coffee("RF100005", 2), 0).await,
    ];
    assert_eq!(first.status, 202, "{first:?}");
    let first = cashier.follow(&first).await;
    assert_eq!((first.outcome(), &first.body["total_net"]), ("settled", &json!(4_500)), "{first:?}");
    // Each may have come before the first was settled, or after.
    let resent = if resent.status == 202 { cashier.follow(&resent).await } else { resent };
    assert_eq!(resent.body, first.body);
    let changed = if changed.status == 202 { cashier.follow(&changed).await } else { changed };
    assert_eq!((changed.status, changed.problem()), (422, "idempotency-key-reused"), "{changed:?}");
    // Another employee under the same id is another checkout.
    let other = cashier.buy(key, &coffee("RF100006", 1)).await;
    assert_eq!((other.outcome(), other.header("idempotent-replayed")), ("settled", None), "{other:?}");
    assert_eq!(wallet(&cashier, "100005").await.1, version + 1);
}

/// One wallet, one terminal, one after the other: none overtakes.
#[tokio::test(flavor = "multi_thread")]
async fn a_wallets_sales_settle_in_their_order() {
    let target = Target::find().await;
    let cashier = target.terminal("acme-cashier").await;
    let mut accepted = Vec::new();
    for _ in 0..6 {
        accepted.push(cashier.sell(Uuid::now_v7(), &coffee("RF100007", 1), 0).await);
    }
    let mut balances = Vec::new();
    for sale in &accepted {
        let settled = if sale.status == 202 { cashier.follow(sale).await } else { sale.clone() };
        balances.push(settled.body["employee"]["balance_after"].as_i64().expect("settled"));
    }
    assert!(balances.windows(2).all(|pair| pair[0] - pair[1] == 4_500), "{balances:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn who_may_not_is_told_so_and_nothing_leaks() {
    let target = Target::find().await;
    let cashier = target.terminal("acme-cashier").await;
    let refused = |answer: &Answer| (answer.status, answer.problem().to_owned());
    let no = |status: u16, problem: &str| (status, problem.to_owned());
    let order = |field: &str, value: &str, station: &str| json!({ field: value, "station": station, "items": [{ "code": "COFFEE", "qty": 1 }] });
    let sell = async |who: &Terminal, order: Value| refused(&who.sell(Uuid::now_v7(), &order, 0).await);

    assert_eq!(sell(&cashier, order("rfid", "RF999999", "coffee-bar-1")).await, no(404, "unknown-badge"));
    let unknown = order("employee_number", "999999", "coffee-bar-1");
    assert_eq!(sell(&cashier, unknown).await, no(404, "unknown-employee"));
    assert_eq!(sell(&cashier, order("rfid", "RF100008", "nowhere-1")).await, no(404, "unknown-station"));
    let foreign_stall = order("rfid", "RF100008", "kitchen-1");
    assert_eq!(sell(&cashier, foreign_stall).await, no(404, "unknown-station"));

    let employee = target.terminal("acme-employee").await;
    let own = employee.get("/v1/employees/100001", &[]).await;
    assert_eq!(own.status, 200);
    let colleague = employee.get("/v1/employees/100002", &[]).await;
    let nobody = employee.get("/v1/employees/999999", &[]).await;
    assert_eq!((refused(&colleague), colleague.body), (no(404, "not-found"), nobody.body));

    // What the one company sold, the other does not find; its own wallet of that number is untouched.
    let abroad = target.terminal("globex-cashier").await;
    let before = wallet(&abroad, "100008").await;
    let sold = cashier.buy(Uuid::now_v7(), &coffee("RF100008", 1)).await;
    let path = format!("/v1/employees/100008/checkouts/{}", sold.body["id"].as_str().expect("an id"));
    assert_eq!(cashier.get(&path, &[]).await.body, sold.body);
    assert_eq!(refused(&abroad.get(&path, &[]).await), no(404, "not-found"));
    assert_eq!(wallet(&abroad, "100008").await, before);
    // And each sells to its own.
    let sold_abroad = abroad.buy(Uuid::now_v7(), &coffee("RF100008", 1)).await;
    assert_eq!((sold_abroad.outcome(), &sold_abroad.body["currency"]), ("settled", &json!("EUR")));
}

#[tokio::test(flavor = "multi_thread")]
async fn paths_tickets_and_headers_are_checked() {
    let target = Target::find().await;
    let cashier = target.terminal("acme-cashier").await;
    let key = Uuid::now_v7().to_string();
    let headers = [("idempotency-key", key.as_str()), ("content-type", "application/json")];
    let refused = |answer: Answer| (answer.status, answer.problem().to_owned());
    let no = |status: u16, problem: &str| (status, problem.to_owned());

    let large = format!(r#"{{"rfid":"{}"}}"#, "1".repeat(64 * 1024));
    assert_eq!(refused(cashier.post("/v1/checkouts", &headers, &large).await), no(413, "body-too-large"));
    let plain = [headers[0], ("content-type", "text/plain")];
    assert_eq!(refused(cashier.post("/v1/checkouts", &plain, "{}").await), no(415, "unsupported-media-type"));
    // A gateway that knows the API's routes lets no other method through.
    let method = refused(cashier.post("/v1/health", &[], "").await);
    assert!([no(405, "method-not-allowed"), no(404, "not-found")].contains(&method), "{method:?}");
    assert_eq!(refused(cashier.get("/v1/nothing", &[]).await), no(404, "not-found"));
    let old = Uuid::new_v7(uuid::Timestamp::from_unix(uuid::NoContext, 1_500_000_000, 0));
    let answer = cashier.sell(old, &coffee("RF100009", 1), 0).await;
    let error = &answer.body["errors"][0];
    assert_eq!((&error["header"], &error["type"]), (&json!("Idempotency-Key"), &json!("too-old")));
    assert_eq!(refused(answer), no(400, "bad-input"));
    for recent in ["11", "-1", "many"] {
        let answer = cashier.get(&format!("/v1/employees/100009?recent={recent}"), &[]).await;
        assert_eq!(answer.body["errors"][0]["parameter"], "recent");
        assert_eq!(refused(answer), no(400, "bad-input"));
    }

    // A ticket opens its own checkout only.
    let accepted = cashier.sell(Uuid::now_v7(), &coffee("RF100009", 1), 0).await;
    let location = accepted.header("location").expect("a Location").to_owned();
    assert_eq!(cashier.follow(&accepted).await.outcome(), "settled");
    let (path, ticket) = location.split_once("?ticket=").expect("a ticket");
    let path = &path[path.find("/v1/").expect("a route")..];
    let other = path.replace("100009", "100002");
    assert_eq!(refused(cashier.get(&format!("{other}?ticket={ticket}"), &[]).await), no(400, "bad-input"));
    assert_eq!(refused(cashier.get(&other, &[]).await), no(404, "not-found"));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_known_is_not_sent_again() {
    let target = Target::find().await;
    let cashier = target.terminal("acme-cashier").await;
    // The other stall's: nobody in these tests edits it.
    let menu = cashier.get("/v1/concessionaires/kitchen/menu", &[]).await;
    assert_eq!((menu.status, menu.header("etag")), (200, Some("\"acme.kitchen.1.0\"")));
    assert_eq!(menu.body["meals"].as_array().map(Vec::len), Some(12));
    let again =
        cashier.get("/v1/concessionaires/kitchen/menu", &[("if-none-match", "\"acme.kitchen.1.0\"")]).await;
    assert_eq!((again.status, again.body), (304, json!(null)));
    let nobodys = cashier.get("/v1/concessionaires/nobody/menu", &[]).await;
    assert_eq!((nobodys.status, nobodys.problem()), (404, "not-found"));

    let view = cashier.get("/v1/employees/100011", &[]).await;
    let etag = view.header("etag").expect("an ETag").to_owned();
    assert_eq!(cashier.get("/v1/employees/100011", &[("if-none-match", &etag)]).await.status, 304);
    assert_eq!(cashier.buy(Uuid::now_v7(), &coffee("RF100011", 1)).await.outcome(), "settled");
    assert_eq!(cashier.get("/v1/employees/100011", &[("if-none-match", &etag)]).await.status, 200);

    // Lists and receipts, too; only versions may be kept by caches.
    assert_eq!(menu.header("cache-control"), Some("private, no-cache"));
    let stations = cashier.get("/v1/stations", &[]).await;
    assert_eq!(stations.header("cache-control"), Some("no-store"));
    let etag = stations.header("etag").expect("an ETag");
    assert_eq!(cashier.get("/v1/stations", &[("if-none-match", etag)]).await.status, 304);
    let manager = target.terminal("acme-manager").await;
    let (key, sold_out) = (Uuid::now_v7(), json!({ "sold_out": false }));
    let path = "/v1/concessionaires/coffee-bar/meals/TEA/availability";
    assert_eq!(manager.command_under(key, "PUT", path, &sold_out).await.outcome(), "applied");
    let receipt = manager.get(&format!("/v1/receipts/{key}"), &[]).await;
    assert_eq!((receipt.status, receipt.header("cache-control")), (200, Some("no-store")));
    assert!(receipt.header("etag").is_some(), "{receipt:?}");
}

/// The description lists every route, under one operation id each.
#[tokio::test(flavor = "multi_thread")]
async fn the_api_describes_itself() {
    let target = Target::find().await;
    let anybody = target.terminal("acme-cashier").await.with_token("");
    assert_eq!(anybody.get("/v1/health", &[]).await.body, json!({ "status": "ok" }));
    let served = anybody.get("/v1/openapi.json", &[]).await;
    assert_eq!((served.status, &served.body["openapi"]), (200, &json!("3.1.0")));
}
