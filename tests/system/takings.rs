//! What stations took, as administrators and those who sell read it.

use aws::table::Write;
use aws::{items, keys};
use domain::checkout::Checkout;
use domain::tenant::BusinessDay;
use jiff::SignedDuration;
use jiff::civil::Date;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use tests::World;
use tests::terminal::{Terminal, coffee, next_query};
use uuid::Uuid;

/// Six hours after the next business day began: nothing of the test falls on another by chance.
fn next_morning(world: &World) -> Date {
    let now = world.clock.now();
    let day = BusinessDay::new("Asia/Manila", 0).unwrap();
    let date = day.date_of(now).tomorrow().unwrap();
    let (begins, _) = day.hours_of(date).unwrap();
    world.clock.advance(begins.duration_since(now) + SignedDuration::from_hours(6));
    date
}

async fn sold(cashier: &Terminal, body: &Value) -> String {
    let key = Uuid::now_v7();
    assert_eq!(cashier.buy(key, body).await.outcome(), "settled");
    let number = body["rfid"].as_str().unwrap().trim_start_matches("RF");
    format!("/v1/employees/{number}/checkouts/{key}")
}

/// Kind, who, of whose sale, amount.
async fn corrections(reader: &Terminal, query: &str) -> Vec<Value> {
    let (mut found, mut path) = (Vec::new(), format!("/v1/corrections?{query}"));
    loop {
        let page = reader.get(&path, &[]).await;
        assert_eq!(page.status, 200, "{page:?}");
        let shown = ["kind", "by", "concessionaire_id", "sold_by", "amount", "rejection_type"];
        let lines = page.body["items"].as_array().unwrap();
        found.extend(lines.iter().map(|line| shown.iter().map(|name| line[*name].clone()).collect()));
        let Some(cursor) = page.body["next_cursor"].as_str() else { return found };
        path = format!("/v1/corrections?{query}&cursor={cursor}");
    }
}

async fn report(reader: &Terminal, query: &str) -> Value {
    let answer = reader.get(&format!("/v1/reports/takings?{query}"), &[]).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    answer.body
}

/// Date, station, user, sales, net, corrections, given back, taken.
fn rows(report: &Value) -> Vec<Value> {
    let shown = ["business_date", "station", "user", "sales", "net", "corrections", "refunded", "taken"];
    let lines = report["items"].as_array().unwrap();
    lines.iter().map(|line| shown.iter().map(|name| line[*name].clone()).collect()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_date_came_to_what_was_sold_less_what_was_given_back_on_it() {
    let world = World::start().await;
    let (cashier, manager) = (world.terminal("acme-cashier").await, world.terminal("acme-manager").await);
    let (neighbour, admin) =
        (world.terminal("acme-kitchen-cashier").await, world.terminal("acme-admin").await);
    let first = next_morning(&world);
    let because = json!({ "reason": "because" });
    let dear = sold(&cashier, &coffee("RF100021", 3)).await;
    let undone = sold(&cashier, &coffee("RF100022", 1)).await;
    let void = cashier.command("POST", &format!("{undone}/void"), &because).await;
    assert_eq!(void.outcome(), "booked", "{void:?}");
    let refused =
        json!({ "rfid": "RF100023", "station": "coffee-bar-1", "items": [{ "code": "NOTHING", "qty": 1 }] });
    assert_eq!(cashier.buy(Uuid::now_v7(), &refused).await.outcome(), "unknown-meal");
    let rice = json!({ "rfid": "RF100024", "station": "kitchen-1", "items": [{ "code": "RICE", "qty": 2 }] });
    sold(&neighbour, &rice).await;

    world.clock.advance(SignedDuration::from_hours(24));
    let second = first.tomorrow().unwrap();
    sold(&cashier, &coffee("RF100021", 2)).await;
    let one = json!({ "items": [{ "code": "COFFEE", "qty": 1 }], "reason": "cold" });
    let refund = manager.command("POST", &format!("{dear}/refunds"), &one).await;
    assert_eq!(refund.outcome(), "booked", "{refund:?}");
    world.settle().await;

    let both = format!("from={first}&to={second}");
    let own = [
        json!([first, "coffee-bar-1", "acme-cashier", 2, 18_000, 1, 4_500, 13_500]),
        json!([second, "coffee-bar-1", "acme-cashier", 1, 9_000, 0, 0, 9_000]),
        json!([second, "coffee-bar-1", "acme-manager", 0, 0, 1, 4_500, -4_500]),
    ];
    assert_eq!(rows(&report(&cashier, &both).await), own);
    assert_eq!(rows(&report(&admin, &format!("{both}&concessionaire_id=coffee-bar")).await), own);
    assert_eq!(rows(&report(&manager, "").await), own[1..], "today's, of whoever asks");
    let foreign = cashier.get(&format!("/v1/reports/takings?{both}&concessionaire_id=kitchen"), &[]).await;
    assert_eq!(foreign.status, 404, "{foreign:?}");
    for list in ["reports/takings?", "corrections?", &format!("checkouts?date={second}&")] {
        let of = async |id: &str| admin.get(&format!("/v1/{list}concessionaire_id={id}"), &[]).await.status;
        assert_eq!(
            (of("kitchen").await, of("kitchn").await),
            (200, 404),
            "{list}: nobody is paid for a typo"
        );
        let misspelt = admin.get(&format!("/v1/{list}concessionaire=kitchen&x"), &[]).await;
        let wrong = misspelt.body["errors"].as_array().unwrap().iter().map(|error| &error["parameter"]);
        assert_eq!(
            (misspelt.status, wrong.collect::<Vec<_>>()),
            (400, vec![&json!("concessionaire"), &json!("x")]),
            "{list}"
        );
    }

    // Who gave back what, newest first, in pages of one.
    let refund = json!(["refund", "acme-manager", "coffee-bar", "acme-cashier", 4_500, null]);
    let void = json!(["void", "acme-cashier", "coffee-bar", "acme-cashier", 4_500, null]);
    assert_eq!(corrections(&manager, "limit=1").await, [refund.clone(), void.clone()]);
    assert_eq!(corrections(&neighbour, "").await, [] as [Value; 0]);
    let adjusted = json!({ "amount": -100, "reason": "because" });
    let adjusted = admin.command("POST", "/v1/employees/100021/adjustments", &adjusted).await;
    assert_eq!(adjusted.outcome(), "booked", "{adjusted:?}");
    let again = cashier.command("POST", &format!("{undone}/void"), &because).await;
    assert_eq!(again.outcome(), "already-voided", "{again:?}");
    let adjusted = json!(["adjustment", "acme-admin", null, null, -100, null]);
    let again = json!(["void", "acme-cashier", "coffee-bar", "acme-cashier", null, "already-voided"]);
    assert_eq!(corrections(&admin, "limit=2").await, [again.clone(), adjusted, refund.clone(), void.clone()]);
    assert_eq!(corrections(&admin, "concessionaire_id=coffee-bar").await, [again, refund, void]);
    let table = manager.get("/v1/corrections?limit=1", &[("accept", "text/csv")]).await;
    assert!(table.header("link").is_some_and(|link| link.contains("limit=1&cursor=")), "{table:?}");
    assert!(table.body.as_str().unwrap().starts_with("id,kind,at,by,reason,"), "{table:?}");

    // All of it is what left the wallets.
    let all = report(&admin, &both).await;
    assert_eq!(
        (rows(&all).len(), &all["totals"]["sales"], &all["totals"]["corrections"]),
        (4, &json!(4), &json!(2))
    );
    let month = admin.get("/v1/reports/credit?limit=500", &[]).await.body["totals"].clone();
    let to_come = "/v1/reports/credit?limit=500&from=2100-01-01T00:00:00Z&to=2100-01-02T00:00:00Z";
    let to_come = admin.get(to_come, &[]).await.body["totals"].clone();
    assert_eq!([&to_come["opening"], &to_come["closing"]], [&month["closing"]; 2], "{to_come}");
    let amount = |name: &str| month[name].as_i64().unwrap();
    assert_eq!(all["totals"]["taken"], amount("spent") - amount("refunded"), "{all} {month}");

    // A concessionaire's day a page, as JSON and as a table.
    let (mut lines, mut query, mut pages) = (Vec::new(), format!("{both}&limit=1"), 0);
    let last = loop {
        let page = report(&admin, &query).await;
        lines.extend(rows(&page));
        pages += 1;
        let Some(cursor) = page["next_cursor"].as_str() else { break page };
        query = format!("{both}&limit=1&cursor={cursor}");
        let foreign = cashier.get(&format!("/v1/reports/takings?{query}"), &[]).await;
        assert_eq!((foreign.status, &foreign.body["errors"][0]["parameter"]), (400, &json!("cursor")));
    };
    assert_eq!((pages, lines, &last["totals"]), (4, rows(&all), &all["totals"]));
    let (mut table, mut query) = (Vec::new(), format!("?{both}&limit=1"));
    loop {
        let page = admin.get(&format!("/v1/reports/takings{query}"), &[("accept", "text/csv")]).await;
        let text = page.body.as_str().unwrap().to_owned();
        assert!(text.starts_with("business_date,concessionaire_id,station,user,sales,gross,"), "{text}");
        table.extend(text.lines().skip(1).map(str::to_owned));
        let Some(next) = next_query(&page) else { break };
        query = next;
    }
    let line = format!("{second},coffee-bar,coffee-bar-1,acme-manager,0,0,0,0,1,4500,-4500");
    assert_eq!((table.len(), table.contains(&line)), (4, true), "{table:?}");
}

/// Somebody was sent away thousands of times: whoever proves their wallet reads all of it, and the next page
/// goes on behind.
#[tokio::test(flavor = "multi_thread")]
async fn a_page_of_the_credit_report_ends_early_once_much_was_read() {
    let world = World::start().await;
    let (cashier, admin) = (world.terminal("acme-cashier").await, world.terminal("acme-admin").await);
    let key = Uuid::now_v7();
    let mut unknown = coffee("RF100023", 1);
    unknown["items"][0]["code"] = json!("NOTHING");
    assert_eq!(cashier.buy(key, &unknown).await.outcome(), "unknown-meal");
    world.settle().await;
    let table = world.system.clients.table(aws::retry::Policy::WORKER);
    let (acme, number) = ("acme".parse().unwrap(), "100023".parse().unwrap());
    let item = table.read_one(&keys::checkout(&acme, &number, key.try_into().unwrap())).await.unwrap();
    let rejected = items::stored_checkout(item.unwrap()).unwrap();
    let again = |_| Checkout { id: Uuid::now_v7().try_into().unwrap(), ..rejected.clone() };
    let again: Vec<_> = (0..5_000).map(again).collect();
    for together in again.chunks(100) {
        let writes = together.iter().map(|checkout| Write::Create(items::checkout(checkout).unwrap()));
        table.commit(writes.collect()).await.unwrap();
    }

    let (mut pages, mut query) = (Vec::new(), String::new());
    let totals = loop {
        let page = admin.get(&format!("/v1/reports/credit?limit=500{query}"), &[]).await.body;
        let numbers = page["items"].as_array().unwrap().iter().map(|line| line["employee_number"].clone());
        pages.push(numbers.collect::<Vec<_>>());
        let Some(cursor) = page["next_cursor"].as_str() else { break page["totals"].clone() };
        query = format!("&cursor={cursor}");
    };
    assert_eq!((pages.len(), pages[0].last()), (2, Some(&json!("100023"))), "{pages:?}");
    let all = pages.concat();
    let different: BTreeSet<_> = all.iter().map(Value::to_string).collect();
    assert_eq!((all.len(), &totals["differences"]), (different.len(), &json!(0)), "{pages:?}");
    assert_eq!(totals["employees"], all.len(), "{totals}");
}

#[tokio::test(flavor = "multi_thread")]
async fn takings_are_asked_for_by_dates() {
    let world = World::idle().await;
    let admin = world.terminal("acme-admin").await;
    let wrong = |query: &'static str| {
        let admin = &admin;
        async move {
            let answer = admin.get(&format!("/v1/reports/takings?{query}"), &[]).await;
            assert_eq!(answer.status, 400, "{answer:?}");
            let errors = answer.body["errors"].as_array().unwrap().iter();
            errors.map(|error| error["parameter"].clone()).collect::<Vec<_>>()
        }
    };
    assert_eq!(wrong("from=today&to=1&concessionaire_id=").await, ["concessionaire_id", "to", "from"]);
    assert_eq!(wrong("from=2026-03-02&to=2026-03-01").await, ["from"]);
    assert_eq!(wrong("from=2026-01-01&to=2026-04-03").await, ["from"]);
    assert_eq!(wrong("limit=501").await, ["limit"]);
    assert_eq!(wrong("cursor=x").await, ["cursor"]);
    let quarter = report(&admin, "from=2026-01-01&to=2026-04-02&limit=500").await;
    assert_eq!((&quarter["items"], quarter.get("next_cursor")), (&json!([]), None));
    for edge in ["from=-009999-01-01&to=-009999-01-02", "from=9999-12-30&to=9999-12-31"] {
        assert_eq!(report(&admin, edge).await["items"], json!([]));
    }
}
