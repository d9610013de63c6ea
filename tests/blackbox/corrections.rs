//! What was sold wrongly is put right once, by whoever may, and never beyond what was paid.

use serde_json::{Value, json};
use tests::target::Target;
use tests::terminal::{Answer, Terminal, coffee};
use uuid::Uuid;

fn because(mut body: Value) -> Value {
    body["reason"] = json!("because");
    body
}

/// Three coffees for an employee, at 4,500 each.
async fn sale(cashier: &Terminal, number: &str) -> (Uuid, String) {
    let key = Uuid::now_v7();
    let sold = cashier.buy(key, &coffee(&format!("RF{number}"), 3)).await;
    assert_eq!(sold.outcome(), "settled", "{sold:?}");
    (key, format!("/v1/employees/{number}/checkouts/{key}"))
}

#[track_caller]
fn booked(answer: &Answer, amount: i64) {
    assert_eq!((answer.status, answer.outcome()), (200, "booked"), "{answer:?}");
    assert_eq!(answer.body["amount"], amount, "{answer:?}");
}

#[track_caller]
fn rejected(answer: &Answer, reason: &str) {
    assert_eq!((answer.status, answer.outcome()), (200, reason), "{answer:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refund_is_given_once_and_never_too_much() {
    let target = Target::find().await;
    let (cashier, manager) = (target.terminal("acme-cashier").await, target.terminal("acme-manager").await);
    let (_, sale) = sale(&cashier, "100021").await;
    let (refunds, key) = (format!("{sale}/refunds"), Uuid::now_v7());
    let one_coffee = because(json!({ "items": [{ "code": "COFFEE", "qty": 1 }] }));
    let first = manager.command_under(key, "POST", &refunds, &one_coffee).await;
    booked(&first, 4_500);
    let again = manager.command_under(key, "POST", &refunds, &one_coffee).await;
    assert_eq!((&again.body, again.is_replayed()), (&first.body, true));
    let amount = |minor: i64| because(json!({ "amount": minor }));
    let reused = manager.command_under(key, "POST", &refunds, &amount(1)).await;
    assert_eq!((reused.status, reused.problem()), (422, "idempotency-key-reused"));
    let path = format!("/v1/employees/100021/bookings/{key}");
    assert_eq!(manager.get(&path, &[]).await.body, first.body);

    let view = cashier.get(&sale, &[]).await.body;
    assert_eq!((&view["status"], &view["refunded"]), (&json!("settled"), &json!(4_500)));
    assert_eq!(view["items"][0]["refunded_qty"], 1, "{view}");
    let too_much = manager.command("POST", &refunds, &amount(9_001)).await;
    rejected(&too_much, "exceeds-paid");
    assert_eq!(too_much.body["rejection"]["refundable"], 9_000, "{too_much:?}");
    let too_many = because(json!({ "items": [{ "code": "COFFEE", "qty": 3 }, { "code": "TEA", "qty": 1 }] }));
    let too_many = manager.command("POST", &refunds, &too_many).await;
    rejected(&too_many, "exceeds-sold");
    assert_eq!(too_many.body["rejection"]["codes"], json!(["COFFEE", "TEA"]), "{too_many:?}");
    booked(&manager.command("POST", &refunds, &amount(9_000)).await, 9_000);
    rejected(&manager.command("POST", &refunds, &amount(1)).await, "exceeds-paid");
    let neighbour = target.terminal("acme-kitchen-cashier").await;
    let soup = json!({ "rfid": "RF100021", "station": "kitchen-1", "items": [{ "code": "RICE", "qty": 1 }] });
    let theirs = neighbour.buy(Uuid::now_v7(), &soup).await;
    let theirs =
        format!("/v1/employees/100021/checkouts/{}/refunds", theirs.body["id"].as_str().expect("an id"));
    rejected(&manager.command("POST", &theirs, &amount(1)).await, "unknown-checkout");
    booked(&target.terminal("acme-admin").await.command("POST", &theirs, &amount(1)).await, 1);
    let nothing = format!("/v1/employees/100021/checkouts/{}/refunds", Uuid::now_v7());
    rejected(&manager.command("POST", &nothing, &amount(1)).await, "unknown-checkout");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_void_undoes_a_sale_once() {
    let target = Target::find().await;
    let cashier = target.terminal("acme-cashier").await;
    let (key, sale) = sale(&cashier, "100022").await;
    let void = format!("{sale}/void");
    let neighbour = target.terminal("acme-kitchen-cashier").await;
    rejected(&neighbour.command("POST", &void, &because(json!({}))).await, "unknown-checkout");
    assert_eq!(neighbour.get(&sale, &[]).await.status, 404, "a neighbour's sale");
    let undone = cashier.command("POST", &void, &because(json!({}))).await;
    booked(&undone, 13_500);
    let booking = format!("/v1/employees/100022/bookings/{}", undone.body["id"].as_str().expect("an id"));
    let manager = target.terminal("acme-manager").await;
    assert_eq!(manager.get(&booking, &[]).await.body, undone.body, "a sale of their own stall");
    assert_eq!(neighbour.get(&booking, &[]).await.status, 404);
    rejected(&cashier.command("POST", &void, &because(json!({}))).await, "already-voided");
    let replay = cashier.sell(key, &coffee("RF100022", 3), 0).await;
    assert_eq!((replay.status, replay.outcome()), (200, "voided"), "{replay:?}");
    assert_eq!(
        (&replay.body["sale"]["total_net"], &replay.body["voided_by"]),
        (&json!(13_500), &json!("acme-cashier"))
    );
    let view = cashier.get("/v1/employees/100022?recent=1", &[]).await.body;
    assert_eq!(
        (&view["recent"][0]["status"], &view["recent"][0]["id"]),
        (&json!("voided"), &json!(key.to_string()))
    );
}

/// Nobody knows whether the sale arrived: it is undone all the same, and stays so when it comes after all.
#[tokio::test(flavor = "multi_thread")]
async fn a_sale_that_comes_after_its_void_finds_it_so() {
    let target = Target::find().await;
    let cashier = target.terminal("acme-cashier").await;
    let (key, before) =
        (Uuid::now_v7(), cashier.get("/v1/employees/100023", &[]).await.body["balance"].clone());
    let path = format!("/v1/employees/100023/checkouts/{key}");
    booked(&cashier.command("POST", &format!("{path}/void"), &because(json!({}))).await, 0);
    let late = cashier.buy(key, &coffee("RF100023", 1)).await;
    assert_eq!((late.status, late.outcome()), (200, "voided"), "{late:?}");
    assert_eq!(late.body.get("sale"), None);
    assert_eq!(cashier.get("/v1/employees/100023", &[]).await.body["balance"], before);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_adjustment_says_why_and_stops_at_the_floor() {
    let target = Target::find().await;
    let admin = target.terminal("acme-admin").await;
    let path = "/v1/employees/100024/adjustments";
    let balance = admin.get("/v1/employees/100024", &[]).await.body["balance"].as_i64().expect("a balance");
    let adjust = async |amount: i64| admin.command("POST", path, &because(json!({ "amount": amount }))).await;
    booked(&adjust(250).await, 250);
    booked(&adjust(-250).await, -250);
    let refused = adjust(-balance - 1).await;
    rejected(&refused, "insufficient-credit");
    assert_eq!(refused.body["rejection"]["balance"], balance);
    let wrong = admin.command("POST", path, &json!({ "amount": 0, "why": "" })).await;
    let places: Vec<_> =
        wrong.body["errors"].as_array().expect("errors").iter().map(|e| &e["pointer"]).collect();
    assert_eq!((wrong.status, places), (400, vec![&json!("/amount"), &json!("/reason"), &json!("/why")]));
}
