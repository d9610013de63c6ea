//! A receiver of a company's own, as its admin lives it.

use serde_json::{Value, json};
use std::sync::atomic::{AtomicBool, Ordering};
use tests::eventually;
use tests::receiver::Receiver;
use tests::target::Target;
use tests::terminal::{Answer, Terminal};
use uuid::Uuid;

const SETTLED: &str = "internal-pos.checkout.settled.v1";

/// Makes a webhook, in the place of others that tests left there if need be.
async fn webhook(admin: &Terminal, url: &str) -> Answer {
    for left in admin.get("/v1/webhooks", &[]).await.body["items"].as_array().expect("webhooks") {
        if left["url"].as_str().is_some_and(|url| url.starts_with("https://hooks.invalid")) {
            let path = format!("/v1/webhooks/{}", left["id"].as_str().expect("an id"));
            admin.command("DELETE", &path, &Value::Null).await;
        }
    }
    admin.command("POST", "/v1/webhooks", &json!({ "url": url, "events": [SETTLED] })).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_receiver_is_told_until_it_is_gone() {
    let target = Target::find().await;
    let [admin, cashier] = [target.terminal("acme-admin").await, target.terminal("acme-cashier").await];
    // Takes what others sell meanwhile, and of ours the first at the second attempt; the second sale is the
    // end.
    let is_tried = AtomicBool::new(false);
    let receiver = Receiver::start(move |event| {
        let is_ours = event["employeenumber"] == "100153";
        let is_last = event["data"]["items"][0]["qty"] == 2;
        Some(match (is_ours, is_last) {
            (true, true) => 410,
            (true, false) if !is_tried.swap(true, Ordering::SeqCst) => 503,
            _ => 204,
        })
    })
    .await;
    let made = webhook(&admin, &receiver.url).await;
    if made.status == 400 {
        assert_eq!(made.body["errors"][0]["pointer"], "/url", "{made:?}");
        println!("nothing on this machine is called from there");
        return;
    }
    assert_eq!(made.outcome(), "applied", "{made:?}");
    let path = format!("/v1/webhooks/{}", made.body["id"].as_str().unwrap());

    let sale = cashier.sell_unasked("RF100153").await;
    eventually("it is told", async || {
        receiver.taken().iter().any(|event| event["data"]["id"] == sale.as_str())
    })
    .await;
    let heard =
        receiver.heard().into_iter().find(|heard| heard.event()["data"]["id"] == sale.as_str()).unwrap();
    let deliveries = format!("{path}/deliveries?limit=50");
    eventually("it is noted", async || {
        let listed = admin.get(&deliveries, &[]).await;
        let mut noted = listed.body["items"].as_array().unwrap().iter();
        noted.any(|one| {
            let statuses = [&one["attempts"][0]["http_status"], &one["attempts"][1]["http_status"]];
            one["event_id"] == heard.id && statuses == [&json!(503), &json!(204)]
        })
    })
    .await;

    cashier.sell(Uuid::now_v7(), &tests::terminal::coffee("RF100153", 2), 5).await;
    eventually("it is disabled", async || admin.get(&path, &[]).await.body["status"] == "inactive").await;
    assert!(admin.get(&path, &[]).await.body["failed_at"].is_string());
    assert_eq!(admin.command("DELETE", &path, &Value::Null).await.outcome(), "applied");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_receiver_inside_is_not_called() {
    let target = Target::find().await;
    let admin = target.terminal("acme-admin").await;
    for inside in
        ["https://10.0.0.1/", "https://169.254.169.254/latest/meta-data", "http://hooks.example.com/"]
    {
        let refused = admin.command("POST", "/v1/webhooks", &json!({ "url": inside })).await;
        assert_eq!(
            (refused.status, &refused.body["errors"][0]["pointer"]),
            (400, &json!("/url")),
            "{inside}"
        );
    }
}
