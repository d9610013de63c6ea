//! What happened is told to whoever subscribed, whatever dies meanwhile.

use aws::clock::Clock;
use aws::queue::queue_url;
use aws::results::{CONCESSIONAIRE_ATTRIBUTE, TYPE_ATTRIBUTE};
use aws::telemetry::Metrics;
use aws_lambda_events::sqs::SqsEvent;
use aws_sdk_sqs::types::QueueAttributeName;
use domain::event::{Event, EventKind};
use domain::id::TenantId;
use serde_json::json;
use std::collections::BTreeMap;
use tests::faults::{self, Fault};
use tests::terminal::coffee;
use tests::{World, eventually};
use uuid::Uuid;
use workers::post_checkouts::PostCheckoutsWorker;

/// A queue of somebody's own on the topic of results.
struct Subscriber<'a> {
    world: &'a World,
    url: String,
    heard: Vec<Event>,
}

impl<'a> Subscriber<'a> {
    /// Hears what a filter lets through.
    async fn new(world: &'a World, name: &str, filter: serde_json::Value) -> Self {
        let names = &world.system.clients.config().names;
        let (queue, acme): (_, TenantId) = (format!("{name}.fifo"), "acme".parse().unwrap());
        let sqs = world.system.clients.sqs();
        sqs.create_queue()
            .queue_name(&queue)
            .attributes(QueueAttributeName::FifoQueue, "true")
            .attributes(QueueAttributeName::DeduplicationScope, "messageGroup")
            .attributes(QueueAttributeName::FifoThroughputLimit, "perMessageGroupId")
            .send()
            .await
            .unwrap();
        let subscribe = world.system.clients.sns().subscribe();
        subscribe
            .topic_arn(names.results_topic_arn(&acme))
            .protocol("sqs")
            .endpoint(names.queue_arn(&queue))
            .attributes("RawMessageDelivery", "true")
            .attributes("FilterPolicy", filter.to_string())
            .send()
            .await
            .unwrap();
        Self { world, url: queue_url(&names.queue_arn(&queue)).unwrap(), heard: vec![] }
    }

    /// Takes what lies in the queue.
    async fn listen(&mut self) {
        let sqs = self.world.system.clients.sqs();
        loop {
            let received = sqs.receive_message().queue_url(&self.url).max_number_of_messages(10).send();
            let messages = received.await.unwrap().messages.unwrap_or_default();
            if messages.is_empty() {
                return;
            }
            for message in messages {
                self.heard.push(serde_json::from_str(message.body().unwrap()).unwrap());
                let handle = message.receipt_handle().unwrap();
                sqs.delete_message().queue_url(&self.url).receipt_handle(handle).send().await.unwrap();
            }
        }
    }

    async fn hears(&mut self, kinds: &[EventKind]) {
        let mut expected = kinds.to_vec();
        expected.sort();
        eventually("it is told", async || {
            self.listen().await;
            let mut heard: Vec<_> = self.heard.iter().map(|event| event.kind).collect();
            heard.sort();
            heard == expected
        })
        .await;
    }
}

/// Each outcome is told once, to whose filter lets it through.
#[tokio::test(flavor = "multi_thread")]
async fn outcomes_are_told_to_whoever_subscribed() {
    let world = World::start().await;
    let kinds = [EventKind::CheckoutSettled, EventKind::CheckoutRejected];
    let sales = json!({ TYPE_ATTRIBUTE: kinds.map(EventKind::as_str) });
    let mut sales = Subscriber::new(&world, "sales", sales).await;
    let stall = json!({ CONCESSIONAIRE_ATTRIBUTE: ["coffee-bar"] });
    let mut stall = Subscriber::new(&world, "stall", stall).await;
    let [cashier, manager, admin] = [
        world.terminal("acme-cashier").await,
        world.terminal("acme-manager").await,
        world.terminal("acme-admin").await,
    ];

    let sold = cashier.buy(Uuid::now_v7(), &coffee("RF100001", 99)).await;
    let refused = cashier.buy(Uuid::now_v7(), &coffee("RF100001", 99)).await;
    assert_eq!((sold.outcome(), refused.outcome()), ("settled", "insufficient-credit"), "{refused:?}");
    let id = sold.body["id"].as_str().unwrap();
    let reason = json!({ "reason": "cold" });
    let voided = cashier.command("POST", &format!("/v1/employees/100001/checkouts/{id}/void"), &reason).await;
    assert!(voided.status < 300, "{voided:?}");
    let menu = "/v1/concessionaires/coffee-bar/menu-imports";
    manager.import(menu, &json!({}), b"name,price\nTea,40\n").await;
    let imported = admin.import("/v1/employee-imports", &json!({}), b"name\nAnn\n").await;
    assert_eq!(imported.outcome(), "refused", "{imported:?}");

    sales.hears(&kinds).await;
    stall
        .hears(&[
            EventKind::CheckoutSettled,
            EventKind::CheckoutRejected,
            EventKind::CheckoutVoided,
            EventKind::MenuSwitched,
            EventKind::ImportApplied,
        ])
        .await;
    let event = sales.heard.iter().find(|event| event.kind == EventKind::CheckoutSettled).unwrap();
    assert_eq!(event.data["id"], id);
    assert_eq!(event.data["balance_after"], sold.body["employee"]["balance_after"]);
    assert!(
        !serde_json::to_string(&sales.heard)
            .unwrap()
            .contains(sold.body["employee"]["name"].as_str().unwrap())
    );
    world.settle().await;
}

/// A worker that dies with one of its calls, before or after it was carried out; false if it makes fewer.
async fn dies_with(world: &World, batch: &SqsEvent, call: u32, is_carried_out: bool) -> bool {
    let death = if is_carried_out { Fault::Freeze } else { Fault::Hang };
    let died = faults::until_death(world.system.clients.config(), call, death, batch.clone(), |clients| {
        let clock = Clock::system();
        PostCheckoutsWorker::new(clients, clock.clone(), Metrics::to(clock, "test", |_| ()))
    })
    .await;
    let Some(response) = died else { return true };
    assert!(response.batch_item_failures.is_empty(), "{response:?}");
    false
}

/// Wherever a worker dies, the next one tells what was not told: everything is heard, twice only under one
/// id, and of each wallet in order.
#[tokio::test(flavor = "multi_thread")]
async fn a_worker_that_dies_leaves_nothing_untold() {
    const CALLS_MAX: u32 = 20;
    let world = World::idle().await;
    let mut subscriber = Subscriber::new(&world, "all", json!({})).await;
    let (mut deaths, mut sold) = (0, 0);
    for is_carried_out in [false, true] {
        for call in 0.. {
            assert!(call < CALLS_MAX);
            // Two of one wallet and one of another.
            let sales = ["100001", "100001", "100002"].map(super::worker::coffee);
            let batch = super::worker::batch(&sales.iter().collect::<Vec<_>>(), 1);
            let is_dead = dies_with(&world, &batch, call, is_carried_out).await;
            assert!(!dies_with(&world, &batch, CALLS_MAX, false).await);
            sold += sales.len();
            if !is_dead {
                break;
            }
            deaths += 1;
        }
    }
    assert!(deaths >= 6, "only {deaths} deaths");
    subscriber.listen().await;
    let mut told: BTreeMap<&str, &Event> = BTreeMap::new();
    let mut wallets: BTreeMap<_, Vec<u64>> = BTreeMap::new();
    for event in &subscriber.heard {
        if let Some(before) = told.insert(&event.id, event) {
            assert_eq!(before, event);
            continue;
        }
        wallets.entry(event.about.employee.clone()).or_default().extend(event.about.wallet_version);
    }
    assert_eq!(told.len(), sold);
    for (employee, versions) in wallets {
        let expected: Vec<_> = (2..).take(versions.len()).collect();
        assert_eq!(versions, expected, "{employee:?}");
    }
}
