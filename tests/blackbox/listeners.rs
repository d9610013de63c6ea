//! Results over a socket, as a station lives it.

use loadtest::listener::Listener;
use serde_json::{Value, json};
use std::time::Duration;
use tests::PATIENCE;
use tests::target::Target;
use tests::terminal::{Terminal, next_frame};
use tokio::time::timeout;

async fn listening(terminal: &Terminal, to: &str, after: Option<&str>) -> Listener {
    let mut listener = Listener::open(&terminal.listener_ticket().await).await.expect("a socket");
    listener.subscribe(to, after).await.expect("a frame is sent");
    // What happens to others may come before.
    while next_frame(&mut listener).await["type"] != "subscribed" {}
    listener
}

/// What is told of one sale among those of others, and its position.
async fn told(listener: &mut Listener, id: &str) -> (Value, String) {
    loop {
        let frame = next_frame(listener).await;
        assert_eq!(frame["type"], "event", "{frame}");
        if frame["event"]["data"]["id"] == id {
            let position = frame["position"].as_str().expect("a text").to_owned();
            return (frame["event"].clone(), position);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_station_is_told_what_came_of_its_sales() {
    let target = Target::find().await;
    let cashier = target.terminal("acme-cashier").await;
    let used = cashier.listener_ticket().await;
    let mut own = Listener::open(&used).await.unwrap();
    assert_eq!(Listener::open(&used).await.unwrap_err().refused_with(), Some(403));
    own.subscribe("commands", None).await.unwrap();
    while next_frame(&mut own).await["type"] != "subscribed" {}
    own.say(&json!({ "type": "ping", "session": own.session() })).await.unwrap();
    while next_frame(&mut own).await["type"] != "pong" {}

    let first = cashier.sell_unasked("RF100151").await;
    let (event, position) = told(&mut own, &first).await;
    assert_eq!(event["type"], "internal-pos.checkout.settled.v1");
    assert_eq!((&event["tenantid"], &event["employeenumber"]), (&json!("acme"), &json!("100151")));

    // The connection breaks off; what happens meanwhile is told when it is back.
    drop(own);
    let missed = cashier.sell_unasked("RF100151").await;
    let poll = format!("/v1/employees/100151/checkouts/{missed}");
    timeout(PATIENCE, async {
        while cashier.get(&poll, &[]).await.body["status"] != "settled" {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    })
    .await
    .expect("it is settled");
    let mut own = listening(&cashier, "commands", Some(&position)).await;
    let (event, _) = told(&mut own, &missed).await;
    assert_eq!(event["data"]["status"], "settled");
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_listens_to_what_is_anothers() {
    let target = Target::find().await;
    for (user, to) in [
        ("acme-cashier", "wallets/100001"),
        ("acme-employee", "stations/coffee-bar-1"),
        ("globex-cashier", "concessionaires/grill"),
    ] {
        let mut listener =
            Listener::open(&target.terminal(user).await.listener_ticket().await).await.unwrap();
        listener.subscribe(to, None).await.unwrap();
        let frame = next_frame(&mut listener).await;
        assert_eq!(frame, json!({ "type": "refused", "to": to, "reason": "not-found" }), "{user}");
    }
    let cashier = target.terminal("acme-cashier").await;
    let (stolen, own) = (cashier.listener_ticket().await, cashier.listener_ticket().await);
    let mut listener = Listener::open(&own).await.unwrap();
    let said = json!({ "type": "subscribe", "session": stolen["ticket"], "to": "commands" });
    listener.say(&said).await.unwrap();
    assert_eq!(next_frame(&mut listener).await["reason"], "no-session");
    assert!(timeout(PATIENCE, listener.next()).await.expect("an end").is_err());
}
