//! A tenant's own systems are told what happened, whatever they do.

use aws::signing::SECRET_SHOWN;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use domain::command::Purpose;
use domain::event::{About, Event, EventKind};
use domain::webhook::MAX_WEBHOOKS;
use hmac::{Hmac, KeyInit, Mac};
use jiff::SignedDuration;
use serde_json::{Value, json};
use sha2::Sha256;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use tests::faults::{self, Fault};
use tests::receiver::{Heard, Receiver};
use tests::terminal::{Answer, Terminal};
use tests::{World, eventually};
use uuid::Uuid;
use workers::deliver::DeliverWorker;

const SETTLED: &str = "internal-pos.checkout.settled.v1";

/// Makes a webhook; its id, and its secret.
async fn webhook(admin: &Terminal, receiver: &Receiver, events: &[&str]) -> (String, String) {
    let made = admin.command("POST", "/v1/webhooks", &json!({ "url": receiver.url, "events": events })).await;
    assert_eq!(made.outcome(), "applied", "{made:?}");
    let text = |field: &str| made.body[field].as_str().unwrap().to_owned();
    (text("id"), text("webhook_secret"))
}

async fn act(admin: &Terminal, webhook: &str, what: &str) -> Answer {
    admin.command("POST", &format!("/v1/webhooks/{webhook}/{what}"), &Value::Null).await
}

async fn deliveries(admin: &Terminal, webhook: &str) -> Vec<Value> {
    let listed = admin.get(&format!("/v1/webhooks/{webhook}/deliveries?limit=50"), &[]).await;
    assert_eq!(listed.status, 200, "{listed:?}");
    listed.body["items"].as_array().unwrap().clone()
}

/// As a receiver verifies it.
fn is_signed(heard: &Heard, secret: &str) -> bool {
    let key = STANDARD.decode(secret.strip_prefix("whsec_").unwrap()).unwrap();
    let signed = format!("{}.{}.{}", heard.id, heard.timestamp, heard.body);
    heard.signatures.split(' ').any(|signature| {
        let signature = STANDARD.decode(signature.strip_prefix("v1,").unwrap()).unwrap();
        let mut mac = Hmac::<Sha256>::new_from_slice(&key).unwrap();
        mac.update(signed.as_bytes());
        mac.verify_slice(&signature).is_ok()
    })
}

async fn taken(receiver: &Receiver, count: usize) {
    eventually("it is told", async || receiver.taken().len() >= count).await;
    assert_eq!(receiver.taken().len(), count);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_receiver_is_told_what_it_wants_and_can_tell_by_whom() {
    let world = World::start().await;
    let receiver = Receiver::start(|_| Some(204)).await;
    let [admin, cashier] = [world.terminal("acme-admin").await, world.terminal("acme-cashier").await];
    let (id, secret) = webhook(&admin, &receiver, &[SETTLED]).await;
    let sale = cashier.sell_unasked("RF100001").await;
    taken(&receiver, 1).await;
    let [heard] = receiver.heard().try_into().unwrap();
    let event = heard.event();
    assert_eq!((&event["type"], &event["data"]["id"]), (&json!(SETTLED), &json!(sale)));
    assert_eq!(event["id"], heard.id);
    assert!(is_signed(&heard, &secret));
    eventually("it is noted", async || deliveries(&admin, &id).await.len() == 1).await;
    let [delivery] = deliveries(&admin, &id).await.try_into().unwrap();
    assert_eq!((&delivery["status"], &delivery["event_id"]), (&json!("delivered"), &event["id"]));
    assert_eq!(delivery["attempts"][0]["http_status"], 204);

    // A new secret signs beside the one before, for a day.
    let rotated = act(&admin, &id, "secret-rotation").await;
    let newer = rotated.body["webhook_secret"].as_str().unwrap().to_owned();
    assert_ne!(newer, secret);
    assert_eq!(act(&admin, &id, "test").await.outcome(), "applied");
    taken(&receiver, 2).await;
    let tested = receiver.heard().pop().unwrap();
    assert_eq!(tested.event()["type"], EventKind::WebhookTested.as_str());
    assert!(is_signed(&tested, &secret) && is_signed(&tested, &newer));
    world.clock.advance(SignedDuration::from_hours(25));
    let again = format!("deliveries/{}/redelivery", delivery["id"].as_str().unwrap());
    let admin = world.terminal("acme-admin").await;
    assert_eq!(act(&admin, &id, &again).await.outcome(), "applied");
    taken(&receiver, 3).await;
    let again = receiver.heard().pop().unwrap();
    assert_eq!((&again.id, &again.body), (&heard.id, &heard.body));
    assert!(!is_signed(&again, &secret) && is_signed(&again, &newer));
    world.settle().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_secret_is_shown_to_whoever_asked_and_not_for_long() {
    let world = World::start().await;
    let receiver = Receiver::start(|_| Some(200)).await;
    let admin = world.terminal("acme-admin").await;
    let (id, secret) = webhook(&admin, &receiver, &[]).await;
    let receipt = format!("/v1/receipts/{id}");
    assert_eq!(admin.get(&receipt, &[]).await.body["webhook_secret"], secret);
    let shown = admin.get("/v1/webhooks", &[]).await.body.to_string();
    assert!(shown.contains(&id) && !shown.contains("whsec_"), "{shown}");
    world.clock.advance(SECRET_SHOWN + SignedDuration::from_secs(1));
    let later = admin.get(&receipt, &[]).await;
    assert_eq!((later.status, &later.body["webhook_secret"]), (200, &Value::Null));
    world.settle().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_webhook_is_changed_disabled_and_forgotten() {
    let world = World::start().await;
    let receiver = Receiver::start(|_| Some(200)).await;
    let [admin, cashier] = [world.terminal("acme-admin").await, world.terminal("acme-cashier").await];
    let (id, _) = webhook(&admin, &receiver, &[SETTLED]).await;
    let path = format!("/v1/webhooks/{id}");
    let disabled = admin.command("PATCH", &path, &json!({ "status": "inactive" })).await;
    assert_eq!(disabled.body["after"]["status"], "inactive", "{disabled:?}");
    assert_eq!(act(&admin, &id, "test").await.outcome(), "webhook-inactive");
    cashier.sell_unasked("RF100001").await;
    world.settle().await;
    let enabled = admin.command("PATCH", &path, &json!({ "status": "active", "events": [] })).await;
    assert_eq!(enabled.body["after"]["events"], json!([]), "{enabled:?}");
    let sale = cashier.sell_unasked("RF100001").await;
    eventually("it is told", async || {
        receiver.taken().iter().any(|event| event["data"]["id"] == sale.as_str())
    })
    .await;
    assert_eq!(receiver.taken().iter().filter(|event| event["type"] == SETTLED).count(), 1);

    let wrong = json!({ "url": "http://10.0.0.1/hook", "events": ["settled", SETTLED] });
    let refused = admin.command("POST", "/v1/webhooks", &wrong).await;
    let pointers: Vec<_> =
        refused.body["errors"].as_array().unwrap().iter().map(|error| &error["pointer"]).collect();
    assert_eq!((refused.status, pointers), (400, vec![&json!("/url"), &json!("/events/0")]));
    for _ in 1..MAX_WEBHOOKS {
        webhook(&admin, &receiver, &[EventKind::CutoffClosed.as_str()]).await;
    }
    let one_more = admin.command("POST", "/v1/webhooks", &json!({ "url": receiver.url })).await;
    assert_eq!(one_more.outcome(), "too-many-webhooks");

    let globex = world.terminal("globex-admin").await;
    assert_eq!(globex.get(&path, &[]).await.status, 404);
    assert_eq!(globex.get(&format!("{path}/deliveries"), &[]).await.status, 404);
    assert_eq!(act(&globex, &id, "test").await.outcome(), "not-found");
    assert_eq!(admin.command("DELETE", &path, &Value::Null).await.outcome(), "applied");
    assert_eq!(admin.get(&path, &[]).await.status, 404);
    assert_eq!(
        admin.get("/v1/webhooks", &[]).await.body["items"].as_array().unwrap().len(),
        MAX_WEBHOOKS - 1
    );
    world.settle().await;
}

/// Something that happened to a wallet.
fn happened(world: &World, employee: &str, version: u64) -> Event {
    Event {
        id: format!("checkout.{}.{employee}.{version}", Uuid::now_v7()),
        kind: EventKind::CheckoutSettled,
        subject: "made up".to_owned(),
        at: world.clock.now(),
        tenant: "acme".parse().unwrap(),
        about: About {
            employee: Some(employee.parse().unwrap()),
            wallet_version: Some(version),
            ..About::default()
        },
        data: json!({}),
    }
}

async fn tell(world: &World, events: Vec<Event>) {
    let results = world.system.clients.results(aws::retry::Policy::WORKER);
    results.tell(&"acme".parse().unwrap(), events).await.unwrap();
    world.work_off("acme", Purpose::Results).await;
}

/// A webhook of a world in which nothing works by itself.
async fn made(world: &World, receiver: &Receiver) -> (Terminal, String) {
    let (admin, key) = (world.terminal("acme-admin").await, Uuid::now_v7());
    let body = json!({ "url": receiver.url });
    let headers = [("idempotency-key", key.to_string()), ("content-type", "application/json".to_owned())];
    let headers: Vec<_> = headers.iter().map(|(name, value)| (*name, value.as_str())).collect();
    let accepted = admin.post("/v1/webhooks", &headers, &body.to_string()).await;
    assert_eq!(accepted.status, 202, "{accepted:?}");
    world.work_off("acme", Purpose::Admin).await;
    // That it was made happened as well, before it was.
    world.work_off("acme", Purpose::Results).await;
    world.work_off("acme", Purpose::Deliveries).await;
    (admin, key.to_string())
}

/// Lets time pass, and takes whatever turns come up.
async fn wait(world: &World, minutes: i64) {
    for _ in 0..minutes {
        world.clock.advance(SignedDuration::from_mins(1));
        world.work_off("acme", Purpose::Deliveries).await;
    }
}

fn versions(taken: &[Value], employee: &str) -> Vec<u64> {
    let of = taken.iter().filter(|event| event["employeenumber"] == employee);
    of.map(|event| event["walletversion"].as_u64().unwrap()).collect()
}

/// An hour of 500s: everything is told in the end, twice only under one id, and of each wallet in order.
#[tokio::test(flavor = "multi_thread")]
async fn a_receiver_that_fails_for_an_hour_misses_nothing() {
    let world = World::idle().await;
    let is_down = Arc::new(AtomicBool::new(true));
    let down = is_down.clone();
    let receiver = Receiver::start(move |_| Some(if down.load(Ordering::SeqCst) { 500 } else { 200 })).await;
    made(&world, &receiver).await;
    let employees = ["100001", "100002", "100003"];
    for version in 2..8 {
        let events = employees.iter().map(|employee| happened(&world, employee, version));
        tell(&world, events.collect()).await;
        wait(&world, 10).await;
    }
    let calls = receiver.heard().len();
    assert!((3 * 4..3 * 6 * 4).contains(&calls), "{calls} calls");
    assert!(receiver.taken().is_empty());
    is_down.store(false, Ordering::SeqCst);
    wait(&world, 60).await;
    let taken = receiver.taken();
    for employee in employees {
        assert_eq!(versions(&taken, employee), (2..8).collect::<Vec<_>>(), "{employee}");
    }
    let mut bodies = BTreeMap::new();
    for heard in receiver.heard() {
        assert_eq!(*bodies.entry(heard.id).or_insert(heard.body.clone()), heard.body);
    }
    world.settle().await;
}

/// One event that its receiver never takes delays no other for long, and is given up without the webhook.
#[tokio::test(flavor = "multi_thread")]
async fn an_event_that_is_never_taken_steps_aside() {
    let world = World::idle().await;
    let receiver = Receiver::start(|event| Some(if event["walletversion"] == 3 { 422 } else { 200 })).await;
    let (admin, webhook) = made(&world, &receiver).await;
    tell(&world, (2..6).map(|version| happened(&world, "100001", version)).collect()).await;
    world.work_off("acme", Purpose::Deliveries).await;
    assert_eq!(versions(&receiver.taken(), "100001"), [2]);
    // Another lane is not held up, and shows that the receiver is there.
    tell(&world, (2..9).map(|version| happened(&world, &format!("20000{version}"), version - 1)).collect())
        .await;
    wait(&world, 3).await;
    assert_eq!(versions(&receiver.taken(), "100001"), [2, 4, 5]);
    wait(&world, 26 * 60).await;
    let admin = admin.with_token(world.terminal("acme-admin").await.token());
    let listed = deliveries(&admin, &webhook).await;
    let failed: Vec<_> = listed.iter().filter(|delivery| delivery["status"] == "failed").collect();
    assert_eq!(failed.len(), 1 + usize::from(versions(&receiver.taken(), "200004").is_empty()), "{failed:?}");
    assert!(failed[0]["attempts"].as_array().unwrap().len() > 40, "{failed:?}");
    let shown = admin.get(&format!("/v1/webhooks/{webhook}"), &[]).await;
    assert_eq!(shown.body["status"], "active");
    world.settle().await;
}

/// A receiver that is gone is told no more, and whoever administers hears of it.
#[tokio::test(flavor = "multi_thread")]
async fn a_receiver_that_is_gone_is_disabled() {
    let world = World::idle().await;
    let gone = Receiver::start(|_| Some(503)).await;
    let other = Receiver::start(|_| Some(200)).await;
    let (_, webhook) = made(&world, &gone).await;
    made(&world, &other).await;
    tell(&world, (2..5).map(|version| happened(&world, "100001", version)).collect()).await;
    wait(&world, 26 * 60).await;
    let admin = world.terminal("acme-admin").await;
    let shown = admin.get(&format!("/v1/webhooks/{webhook}"), &[]).await;
    assert_eq!(shown.body["status"], "inactive", "{shown:?}");
    assert!(shown.body["failed_at"].is_string());
    world.work_off("acme", Purpose::Results).await;
    world.work_off("acme", Purpose::Deliveries).await;
    let notices: Vec<_> = other.taken().into_iter().filter(|event| event["data"]["id"] == *webhook).collect();
    assert_eq!(notices.last().unwrap()["type"], EventKind::WebhookDisabled.as_str());
    // What was behind it can be looked up, and told again once the webhook is enabled.
    let states: Vec<_> =
        deliveries(&admin, &webhook).await.iter().map(|delivery| delivery["status"].clone()).collect();
    assert!(states.contains(&json!("skipped")) && !states.contains(&json!("waiting")), "{states:?}");
    world.settle().await;
}

/// Wherever the worker dies, the next one tells what was not told.
#[tokio::test(flavor = "multi_thread")]
async fn a_worker_that_dies_leaves_nothing_untold() {
    const CALLS_MAX: u32 = 10;
    let world = World::idle().await;
    let receiver = Receiver::start(|_| Some(200)).await;
    made(&world, &receiver).await;
    let (mut version, mut deaths) = (2, 0);
    for death in [Fault::Hang, Fault::Freeze] {
        for call in 0.. {
            assert!(call < CALLS_MAX);
            tell(&world, vec![happened(&world, "100001", version)]).await;
            version += 1;
            let batch = world.take("acme", Purpose::Deliveries).await;
            assert_eq!(batch.records.len(), 1);
            let config = world.system.clients.config();
            let died = faults::until_death(config, call, death.clone(), batch, |clients| {
                let (clock, metrics) = (
                    aws::clock::Clock::system(),
                    aws::telemetry::Metrics::to(aws::clock::Clock::system(), "test", |_| ()),
                );
                DeliverWorker::new(clients, world.system.workers.webhooks.clone(), clock, metrics)
            });
            let is_dead = died.await.is_none();
            // The message comes again.
            world.clock.advance(SignedDuration::from_mins(2));
            world.work_off("acme", Purpose::Deliveries).await;
            if !is_dead {
                break;
            }
            deaths += 1;
        }
    }
    assert!(deaths >= 4, "only {deaths} deaths");
    let mut told = versions(&receiver.taken(), "100001");
    told.dedup();
    assert_eq!(told, (2..version).collect::<Vec<_>>());
    world.settle().await;
}

/// A receiver that never answers keeps nobody else waiting.
#[tokio::test(flavor = "multi_thread")]
async fn a_slow_receiver_delays_no_other() {
    const SALES: usize = 8;
    let world = World::start().await;
    let [slow, fast] = [Receiver::start(|_| None).await, Receiver::start(|_| Some(200)).await];
    let [admin, cashier] = [world.terminal("acme-admin").await, world.terminal("acme-cashier").await];
    let (id, _) = webhook(&admin, &slow, &[SETTLED]).await;
    webhook(&admin, &fast, &[SETTLED]).await;
    for sale in 0..SALES {
        cashier.sell_unasked(&format!("RF10000{}", 1 + sale % 4)).await;
    }
    taken(&fast, SALES).await;
    // One after the other, its first calls alone would take 40 s, and each is tried again after five.
    let slow = deliveries(&admin, &id).await;
    let attempts = slow.iter().map(|delivery| delivery["attempts"].as_array().unwrap().len());
    assert!(attempts.sum::<usize>() < SALES, "{slow:?}");
    let deleted = admin.command("DELETE", &format!("/v1/webhooks/{id}"), &Value::Null).await;
    assert_eq!(deleted.outcome(), "applied");
    world.settle().await;
}
