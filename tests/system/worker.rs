//! The worker against the real table, when the world is not kind.

use aws::clock::Clock;
use aws::config::Clients;
use aws::items;
use aws::keys;
use aws::retry::Policy;
use aws::telemetry::Metrics;
use aws_lambda_events::sqs::{SqsBatchResponse, SqsEvent, SqsMessage};
use domain::booking::{Correction, PostBooking};
use domain::checkout::{Checkout, Outcome};
use domain::command::{Basket, Command, Kind, Message, OrderLine, PostCheckout, Probe, Purpose};
use domain::id::CheckoutId;
use domain::money::Money;
use domain::request::RequestHash;
use domain::tenant::Tenant;
use jiff::{SignedDuration, Timestamp};
use local::system::System;
use serde_json::json;
use std::collections::BTreeSet;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tests::faults::{self, Fault};
use tests::{World, audit};
use uuid::Uuid;
use workers::lambda::Worker;
use workers::post_checkouts::PostCheckoutsWorker;
use workers::probe::Probes;

fn now() -> Timestamp {
    Clock::system().now()
}

/// A coffee for an employee of Acme, accepted now.
pub(super) fn coffee(employee: &str) -> PostCheckout {
    let line = OrderLine { code: "COFFEE".parse().unwrap(), qty: 1.try_into().unwrap(), price: None };
    PostCheckout {
        tenant: "acme".parse().unwrap(),
        id: CheckoutId::try_from(Uuid::now_v7()).unwrap(),
        request: RequestHash::from_bytes([1; 32]),
        caller: "acme-cashier".parse().unwrap(),
        employee: employee.parse().unwrap(),
        badge: None,
        station: "coffee-bar-1".parse().unwrap(),
        concessionaire: "coffee-bar".parse().unwrap(),
        basket: Basket::try_from(vec![line]).unwrap(),
        accepted_at: now(),
        expires_at: now() + SignedDuration::from_mins(5),
    }
}

fn body(command: &PostCheckout) -> String {
    serde_json::to_string(&Message::new(Command::PostCheckout(command.clone()))).unwrap()
}

/// A batch from Acme's queue: group, body, and how often it was received. Ids count from 0.
fn event(messages: &[(String, String, u32)]) -> SqsEvent {
    let mut event = SqsEvent::default();
    for (index, (group, body, receives)) in messages.iter().enumerate() {
        let mut record = SqsMessage::default();
        record.message_id = Some(index.to_string());
        record.receipt_handle = Some("none".to_owned());
        record.body = Some(body.clone());
        record.event_source_arn =
            Some("arn:aws:sqs:eu-west-1:000000000000:pos-local-acme-checkouts.fifo".to_owned());
        record.attributes.insert("MessageGroupId".to_owned(), group.clone());
        record.attributes.insert("ApproximateReceiveCount".to_owned(), receives.to_string());
        event.records.push(record);
    }
    event
}

/// The same, of readable commands in their own groups.
pub(super) fn batch(commands: &[&PostCheckout], receives: u32) -> SqsEvent {
    let message = |command: &&PostCheckout| {
        (keys::wallet_group(&command.tenant, &command.employee), body(command), receives)
    };
    event(&commands.iter().map(message).collect::<Vec<_>>())
}

fn handed_back(response: &SqsBatchResponse) -> Vec<&str> {
    response.batch_item_failures.iter().map(|failure| failure.item_identifier.as_str()).collect()
}

/// A worker of the world's whose calls meet faults; `choice` sees operation, body, and how many
/// calls of that operation there were before.
fn faulty(
    world: &World,
    choice: impl Fn(&str, &str, u32) -> Fault + Send + Sync + 'static,
) -> PostCheckoutsWorker {
    let commits = AtomicU32::new(0);
    let http_client = faults::http_client(move |operation, body| {
        let count =
            if operation == "TransactWriteItems" { commits.fetch_add(1, Ordering::SeqCst) } else { 0 };
        choice(operation, body, count)
    });
    let clients = Clients::over(world.system.clients.config().clone(), http_client);
    let clock = Clock::system();
    PostCheckoutsWorker::new(&clients, clock.clone(), Metrics::to(clock, "test", |_| ()))
}

/// A worker whose answers from the table are rewritten.
fn faulty_replies(
    world: &World,
    rewrite: impl Fn(&str, String) -> String + Send + Sync + 'static,
) -> PostCheckoutsWorker {
    let clients = Clients::over(world.system.clients.config().clone(), faults::rewriting(rewrite));
    let clock = Clock::system();
    PostCheckoutsWorker::new(&clients, clock.clone(), Metrics::to(clock, "test", |_| ()))
}

/// Records which employees' partitions each commit writes to.
#[derive(Clone, Default)]
struct Commits(Arc<Mutex<Vec<Vec<String>>>>);

impl Commits {
    fn record(&self, operation: &str, body: &str) {
        if operation == "TransactWriteItems" {
            let employees: BTreeSet<_> =
                body.split("T#acme#E#").skip(1).filter_map(|rest| Some(rest.get(..6)?.to_owned())).collect();
            self.0.lock().unwrap().push(employees.into_iter().collect());
        }
    }

    fn recorded(&self) -> Vec<Vec<String>> {
        self.0.lock().unwrap().clone()
    }
}

fn commits(worker: &PostCheckoutsWorker) -> u64 {
    worker.table().usage().reading().calls.get("TransactWriteItems").copied().unwrap_or_default()
}

async fn wallet(world: &World, employee: &str) -> (i64, u64) {
    let account = audit::account(world.system.app.table(), "acme", employee).await;
    (account.wallet.balance.minor(), account.wallet.version)
}

async fn stored(world: &World, command: &PostCheckout) -> Option<Checkout> {
    let account = audit::account(world.system.app.table(), "acme", command.employee.as_str()).await;
    account.recent.into_iter().find(|checkout| checkout.id == command.id)
}

const ONE_COFFEE: (i64, u64) = (495_500, 2);
const UNTOUCHED: (i64, u64) = (500_000, 1);

#[tokio::test(flavor = "multi_thread")]
async fn the_same_message_in_many_hands_has_one_effect() {
    let world = World::start().await;
    let sale = coffee("100001");
    let worker = world.system.workers.checkouts.clone();
    let hands: Vec<_> = (0..8)
        .map(|_| {
            let (worker, event) = (worker.clone(), batch(&[&sale], 1));
            tokio::spawn(async move { worker.handle(event).await })
        })
        .collect();
    for hand in hands {
        assert_eq!(handed_back(&hand.await.unwrap()), [""; 0]);
    }
    // Days later, and twice in one batch.
    assert_eq!(handed_back(&worker.handle(batch(&[&sale, &sale], 2)).await), [""; 0]);
    assert_eq!(wallet(&world, "100001").await, ONE_COFFEE);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_reply_is_no_second_sale() {
    let world = World::start().await;
    let worker = faulty(&world, |operation, _, count| match (operation, count) {
        ("TransactWriteItems", 0) => Fault::LoseReply,
        _ => Fault::None,
    });
    let (first, second) = (coffee("100001"), coffee("100002"));
    assert_eq!(handed_back(&worker.handle(batch(&[&first, &second], 1)).await), [""; 0]);
    assert_eq!(commits(&worker), 1, "what was stored is found, not written again");
    assert_eq!(wallet(&world, "100001").await, ONE_COFFEE);
    assert_eq!(wallet(&world, "100002").await, ONE_COFFEE);
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_lost_a_race_goes_alone_and_the_rest_together() {
    let world = World::start().await;
    let seen = Commits::default();
    let record = seen.clone();
    let worker = faulty(&world, move |operation, body, count| {
        record.record(operation, body);
        match (operation, count) {
            ("TransactWriteItems", 0) => {
                Fault::cancelled(&["None", "None", "None", "TransactionConflict", "None", "None"])
            }
            _ => Fault::None,
        }
    });
    let sales = ["100001", "100002", "100003"].map(coffee);
    let event = batch(&sales.iter().collect::<Vec<_>>(), 1);
    assert_eq!(handed_back(&worker.handle(event).await), [""; 0]);
    let [all, rest, loser] = [vec!["100001", "100002", "100003"], vec!["100001", "100003"], vec!["100002"]];
    assert_eq!(seen.recorded(), [all, rest, loser], "the two to whom nothing happened stay together");
    for employee in ["100001", "100002", "100003"] {
        assert_eq!(wallet(&world, employee).await, ONE_COFFEE);
    }
}

/// Somebody else moves the wallet between read and commit.
#[tokio::test(flavor = "multi_thread")]
async fn a_wallet_that_moved_is_decided_anew() {
    let world = World::start().await;
    let (early, late) = (coffee("100001"), coffee("100001"));
    let event = batch(&[&early], 1);
    let other = world.system.workers.checkouts.clone();
    let handle = tokio::runtime::Handle::current();
    let worker = faulty(&world, move |operation, _, count| {
        if (operation, count) == ("TransactWriteItems", 0) {
            let (other, event) = (other.clone(), event.clone());
            let moved = handle.spawn(async move { other.handle(event).await });
            tokio::task::block_in_place(|| handle.block_on(moved)).unwrap();
        }
        Fault::None
    });
    assert_eq!(handed_back(&worker.handle(batch(&[&late], 1)).await), [""; 0]);
    assert_eq!((commits(&worker), wallet(&world, "100001").await), (2, (491_000, 3)));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_throttled_wallet_holds_up_no_other_and_keeps_its_order() {
    let world = World::start().await;
    let worker = faulty(&world, |operation, body, _| match operation {
        "TransactWriteItems" if body.contains("E#100002") => {
            Fault::cancelled(&vec!["ThrottlingError"; body.matches("TableName").count()])
        }
        _ => Fault::None,
    });
    let sales = ["100001", "100002", "100002", "100003"].map(coffee);
    let response = worker.handle(batch(&sales.iter().collect::<Vec<_>>(), 1)).await;
    assert_eq!(handed_back(&response), ["1", "2"]);
    assert_eq!(wallet(&world, "100001").await, ONE_COFFEE);
    assert_eq!(wallet(&world, "100002").await, UNTOUCHED);
    assert_eq!(wallet(&world, "100003").await, ONE_COFFEE);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_read_that_fails_or_falls_short_is_read_again() {
    let world = World::start().await;
    let reads = Arc::new(AtomicU32::new(0));
    let counted = reads.clone();
    let worker = faulty(&world, move |operation, body, _| {
        if operation != "BatchGetItem" {
            return Fault::None;
        }
        match counted.fetch_add(1, Ordering::SeqCst) {
            0 => Fault::Answer(400, r#"{"__type":"ThrottlingException"}"#.to_owned()),
            1 => Fault::LoseReply,
            2 => {
                let asked: serde_json::Value = serde_json::from_str(body).unwrap();
                let short = json!({ "Responses": {}, "UnprocessedKeys": asked["RequestItems"] });
                Fault::Answer(200, short.to_string())
            }
            _ => Fault::None,
        }
    });
    assert_eq!(handed_back(&worker.handle(batch(&[&coffee("100001")], 1)).await), [""; 0]);
    assert_eq!((reads.load(Ordering::SeqCst), wallet(&world, "100001").await), (4, ONE_COFFEE));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_read_stops_nobody() {
    let world = World::start().await;
    let (before, after, other) = (coffee("100001"), coffee("100001"), coffee("100002"));
    let mut foreign = coffee("100003");
    foreign.tenant = "globex".parse().unwrap();
    let group = |employee: &str| format!("T#acme#E#{employee}");
    let messages = [
        (group("100001"), body(&before), 1),
        (group("100001"), "{\"v\":2}".to_owned(), 1),
        (group("100001"), body(&after), 1),
        (group("100002"), body(&other), 1),
        (group("100003"), body(&foreign), 1),
        (group("100004"), body(&coffee("100005")), 1),
    ];
    let response = world.system.workers.checkouts.handle(event(&messages)).await;
    assert_eq!(handed_back(&response), ["1", "4", "5"]);
    assert_eq!(wallet(&world, "100001").await, (491_000, 3));
    assert_eq!(wallet(&world, "100002").await, ONE_COFFEE);
    assert_eq!(wallet(&world, "100005").await, UNTOUCHED);
    let abroad = audit::account(world.system.app.table(), "globex", "100003").await;
    assert_eq!(abroad.wallet.version, 1);
}

/// What the table refuses for its content is that command's fault; a missing permission is nobody's.
#[tokio::test(flavor = "multi_thread")]
async fn only_what_is_invalid_itself_is_given_up() {
    let world = World::start().await;
    let refusing = |code: &'static str| {
        faulty(&world, move |operation, body, _| match operation {
            "TransactWriteItems" if body.contains("E#100001") => {
                Fault::Answer(400, format!(r#"{{"__type":"com.amazon.coral.validate#{code}"}}"#))
            }
            _ => Fault::None,
        })
    };
    let sales = ["100001", "100002"].map(coffee);
    let batch = || batch(&sales.iter().collect::<Vec<_>>(), 1);
    let [invalid, forbidden] = ["ValidationException", "AccessDeniedException"].map(refusing);
    assert_eq!(handed_back(&forbidden.handle(batch()).await), ["0"]);
    assert_eq!(commits(&forbidden), 7, "twice together, then the other once and this one four times");
    assert_eq!(handed_back(&invalid.handle(batch()).await), ["0"]);
    assert_eq!(commits(&invalid), 1, "100002 is done already, so it is known whose fault it is");
    assert_eq!(wallet(&world, "100002").await, ONE_COFFEE);
}

/// Nothing comes back for one wallet: the others still settle, within the function's timeout.
#[tokio::test(flavor = "multi_thread")]
async fn a_call_that_hangs_holds_up_no_other_wallet() {
    let world = World::start().await;
    let worker = faulty(&world, |operation, body, _| match operation {
        "TransactWriteItems" if body.contains("E#100002") => Fault::Hang,
        _ => Fault::None,
    });
    let sales = ["100001", "100002", "100003"].map(coffee);
    let event = batch(&sales.iter().collect::<Vec<_>>(), 1);
    let response = tokio::time::timeout(Duration::from_secs(10), worker.handle(event)).await;
    assert_eq!(handed_back(&response.expect("within the function's timeout")), ["1"]);
    assert_eq!(wallet(&world, "100001").await, ONE_COFFEE);
    assert_eq!(wallet(&world, "100002").await, UNTOUCHED);
    assert_eq!(wallet(&world, "100003").await, ONE_COFFEE);
}

/// A menu that has no end is the business of nobody but who buys from it now: other stalls sell, if need be
/// at the second try, and what came too late for it has its end.
#[tokio::test(flavor = "multi_thread")]
async fn a_menu_without_end_holds_up_no_other_stall() {
    let world = World::start().await;
    let behind = json!({ "PK": { "S": "T#acme#M#coffee-bar#V#1" }, "SK": { "S": "MEAL#COFFEE" } });
    let page = json!({ "Items": [], "Count": 0, "LastEvaluatedKey": behind }).to_string();
    let worker = faulty(&world, move |operation, body, commits| match operation {
        "Query" if body.contains("#M#coffee-bar#V#") => Fault::Answer(200, page.clone()),
        "TransactWriteItems" if commits == 0 => Fault::Answer(500, "{}".to_owned()),
        _ => Fault::None,
    });
    let (mut water, mut late) = (coffee("100002"), coffee("100003"));
    water.concessionaire = "kitchen".parse().unwrap();
    let line = OrderLine { code: "WATER".parse().unwrap(), qty: 1.try_into().unwrap(), price: None };
    water.basket = Basket::try_from(vec![line]).unwrap();
    late.expires_at = now() - SignedDuration::from_secs(1);
    let event = batch(&[&coffee("100001"), &water, &late], 1);
    let response = tokio::time::timeout(Duration::from_secs(10), worker.handle(event)).await;
    assert_eq!(handed_back(&response.expect("within the function's timeout")), ["0"]);
    assert!(matches!(stored(&world, &water).await.unwrap().outcome, Outcome::Settled { .. }));
    let expired = Outcome::Rejected(domain::checkout::Rejection::Expired);
    assert_eq!(stored(&world, &late).await.unwrap().outcome, expired);
}

/// One key that stays unprocessed is one wallet's bad luck.
#[tokio::test(flavor = "multi_thread")]
async fn a_key_that_is_never_read_stops_its_own_wallet_only() {
    let world = World::start().await;
    let worker = faulty(&world, |_, _, _| Fault::None);
    let name = world.system.clients.config().table_name.clone();
    let shy = json!({ "PK": { "S": "T#acme#E#100002" }, "SK": { "S": "WALLET" } });
    let shy = faults::unprocessed(name, shy);
    let shy_worker = faulty_replies(&world, shy);
    let sales = ["100001", "100002"].map(coffee);
    let response = shy_worker.handle(batch(&sales.iter().collect::<Vec<_>>(), 1)).await;
    assert_eq!(handed_back(&response), ["1"]);
    assert_eq!(wallet(&world, "100001").await, ONE_COFFEE);
    assert_eq!(handed_back(&worker.handle(batch(&sales.iter().collect::<Vec<_>>(), 2)).await), [""; 0]);
    assert_eq!(wallet(&world, "100002").await, ONE_COFFEE);
}

/// A correction of a wallet, accepted now.
fn correction(employee: &str, correction: Correction) -> PostBooking {
    PostBooking {
        tenant: "acme".parse().unwrap(),
        id: Uuid::now_v7().try_into().unwrap(),
        request: RequestHash::from_bytes([2; 32]),
        caller: "acme-admin".parse().unwrap(),
        employee: employee.parse().unwrap(),
        correction,
        reason: "because".to_owned().try_into().unwrap(),
        accepted_at: now(),
        expires_at: now() + SignedDuration::from_mins(5),
    }
}

/// A batch of corrections of one wallet, and then of sales.
fn corrected(corrections: &[&PostBooking], sales: &[&PostCheckout]) -> SqsEvent {
    let booked = corrections.iter().map(|booking| {
        let body = serde_json::to_string(&Message::new(Command::PostBooking((*booking).clone()))).unwrap();
        (keys::wallet_group(&booking.tenant, &booking.employee), body, 1)
    });
    let sold = sales.iter().map(|sale| (keys::wallet_group(&sale.tenant, &sale.employee), body(sale), 1));
    event(&booked.chain(sold).collect::<Vec<_>>())
}

/// The wallet was read before a correction was committed, and the correction after.
#[tokio::test(flavor = "multi_thread")]
async fn a_sale_behind_a_correction_sees_what_it_did() {
    let world = World::idle().await;
    let worker = faulty(&world, |_, _, _| Fault::None);
    let adjust = |minor| correction("100001", Correction::Adjustment { amount: Money::from_minor(minor) });
    let (taken, given) = (adjust(-500_000), adjust(4_500));
    assert_eq!(handed_back(&worker.handle(corrected(&[&taken, &given], &[])).await), [""; 0]);
    assert_eq!(wallet(&world, "100001").await, (4_500, 3));
    let sale = coffee("100001");
    let (torn, is_torn) = faults::torn("WALLET", |items| {
        let wallet = items.iter_mut().find(|item| faults::is_under(item, "WALLET")).unwrap();
        (wallet["b"]["N"], wallet["v"]["N"]) = (json!("0"), json!("2"));
    });
    let torn = faulty_replies(&world, torn);
    assert_eq!(handed_back(&torn.handle(corrected(&[&given], &[&sale])).await), [""; 0]);
    assert!(is_torn.load(Ordering::SeqCst));
    let sale = stored(&world, &sale).await.unwrap();
    assert!(matches!(sale.outcome, Outcome::Settled { .. }), "{sale:?}");
    assert_eq!(wallet(&world, "100001").await, (0, 4));
}

/// A key that was another correction's first has that one's outcome, whatever it is used for then.
#[tokio::test(flavor = "multi_thread")]
async fn a_key_of_an_adjustment_is_no_void_of_a_sale_that_never_was() {
    let world = World::idle().await;
    let worker = faulty(&world, |_, _, _| Fault::None);
    let sale = coffee("100001");
    let adjusted = correction("100001", Correction::Adjustment { amount: Money::from_minor(-4_500) });
    let void = Correction::Void {
        checkout: sale.id,
        concessionaire: sale.concessionaire.clone(),
        is_cashier: false,
    };
    let void = PostBooking { id: adjusted.id, ..correction("100001", void) };
    assert_eq!(handed_back(&worker.handle(corrected(&[&adjusted], &[])).await), [""; 0]);
    assert_eq!(handed_back(&worker.handle(corrected(&[&void], &[&sale])).await), [""; 0]);
    assert_eq!(wallet(&world, "100001").await, (491_000, 3));
}

/// The sale that a void withdrew was read before the void was committed, and the void after.
#[tokio::test(flavor = "multi_thread")]
async fn a_void_is_told_with_the_sale_that_it_withdrew() {
    let world = World::idle().await;
    let sale = coffee("100001");
    let void = Correction::Void {
        checkout: sale.id,
        concessionaire: sale.concessionaire.clone(),
        is_cashier: false,
    };
    let void = correction("100001", void);
    let mute = faulty(&world, |_, body, _| match body.contains("Action=Publish") {
        true => Fault::Answer(400, String::new()),
        false => Fault::None,
    });
    assert_eq!(handed_back(&mute.handle(corrected(&[&void], &[])).await), ["0"]);
    assert!(matches!(stored(&world, &sale).await.unwrap().outcome, Outcome::Withdrawn));
    let (torn, is_torn) =
        faults::torn("CHECKOUT#", |items| items.retain(|item| !faults::is_under(item, "CHECKOUT#")));
    let torn = faulty_replies(&world, torn);
    assert_eq!(handed_back(&torn.handle(corrected(&[&void], &[])).await), [""; 0]);
    assert!(is_torn.load(Ordering::SeqCst));
    let told = world.take("acme", Purpose::Results).await;
    let told: String = told.records.into_iter().filter_map(|record| record.body).collect();
    assert!(told.contains("\"concessionaireid\":\"coffee-bar\""), "{told}");
}

/// Whoever uses a correction's key for another has the first one's outcome told as it was: with the sale that
/// it was about.
#[tokio::test(flavor = "multi_thread")]
async fn a_correction_is_told_with_its_own_sale_whatever_its_key_is_used_for_then() {
    let world = World::idle().await;
    let worker = faulty(&world, |_, _, _| Fault::None);
    let mute = faulty(&world, |_, body, _| match body.contains("Action=Publish") {
        true => Fault::Answer(400, String::new()),
        false => Fault::None,
    });
    let sale = coffee("100001");
    assert_eq!(handed_back(&mute.handle(batch(&[&sale], 1)).await), ["0"]);
    let void = Correction::Void {
        checkout: sale.id,
        concessionaire: sale.concessionaire.clone(),
        is_cashier: false,
    };
    let void = correction("100001", void);
    assert_eq!(handed_back(&mute.handle(corrected(&[&void], &[])).await), ["0"]);
    let adjustment = Correction::Adjustment { amount: Money::from_minor(1) };
    let adjusted = PostBooking { id: void.id, ..correction("100001", adjustment) };
    assert_eq!(handed_back(&worker.handle(corrected(&[&adjusted], &[])).await), [""; 0]);
    let told = world.take("acme", Purpose::Results).await;
    let told: String = told.records.into_iter().filter_map(|record| record.body).collect();
    assert!(
        told.contains("checkout.voided.v1") && told.contains("\"concessionaireid\":\"coffee-bar\""),
        "{told}"
    );
    assert_eq!(wallet(&world, "100001").await, (500_000, 3));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_comes_too_late_is_rejected_and_charges_nobody() {
    let world = World::start().await;
    let mut late = coffee("100001");
    late.accepted_at = now() - SignedDuration::from_hours(24 * 14);
    late.expires_at = late.accepted_at + SignedDuration::from_mins(5);
    assert_eq!(handed_back(&world.system.workers.checkouts.handle(batch(&[&late], 1)).await), [""; 0]);
    let checkout = stored(&world, &late).await.unwrap();
    assert_eq!(checkout.outcome, Outcome::Rejected(domain::checkout::Rejection::Expired));
    assert_eq!(wallet(&world, "100001").await, UNTOUCHED);
}

#[tokio::test(flavor = "multi_thread")]
async fn ten_wallets_cost_three_calls_and_one_wallet_one_update() {
    let world = World::start().await;
    let worker = faulty(&world, |_, _, _| Fault::None);
    let sales: Vec<_> = (0..10).map(|index| coffee(&format!("{}", 100_010 + index))).collect();
    assert_eq!(handed_back(&worker.handle(batch(&sales.iter().collect::<Vec<_>>(), 1)).await), [""; 0]);
    let spent = worker.table().usage().take();
    assert_eq!(spent.calls.values().sum::<u64>(), 3, "{spent:?}");
    assert_eq!(spent.write_decis, 10 * 50);

    let folded: Vec<_> = (0..10).map(|_| coffee("100030")).collect();
    assert_eq!(handed_back(&worker.handle(batch(&folded.iter().collect::<Vec<_>>(), 2)).await), [""; 0]);
    let spent = worker.table().usage().take();
    assert_eq!((commits(&worker), spent.calls["TransactWriteItems"]), (0, 1));
    assert_eq!(spent.write_decis, 10 * 30 + 20, "ten checkouts with index, one wallet");
    // Employee 100030 has a discount of 10 %.
    assert_eq!(wallet(&world, "100030").await, (500_000 - 10 * 4_050, 11));
}

#[tokio::test(flavor = "multi_thread")]
async fn from_the_third_receive_on_messages_go_one_by_one() {
    let world = World::start().await;
    let worker = faulty(&world, |_, _, _| Fault::None);
    let sales = ["100001", "100001", "100002"].map(coffee);
    assert_eq!(handed_back(&worker.handle(batch(&sales.iter().collect::<Vec<_>>(), 3)).await), [""; 0]);
    assert_eq!(commits(&worker), 3);
    assert_eq!(wallet(&world, "100001").await, (491_000, 3));
    assert_eq!(wallet(&world, "100002").await, ONE_COFFEE);
}

/// A probe for a tenant, from the queue of a tenant.
fn probe(of: &str, kind: Kind, through: &str) -> SqsEvent {
    let command = Command::Probe(Probe { tenant: of.parse().unwrap(), of: kind, id: Uuid::now_v7() });
    let body = serde_json::to_string(&Message::new(command)).unwrap();
    let mut event = event(&[(keys::probe_group(&of.parse().unwrap()), body, 1)]);
    event.records[0].event_source_arn =
        Some(format!("arn:aws:sqs:eu-west-1:000000000000:pos-local-{through}"));
    event
}

/// A tenant is ready when a probe of each kind came through, and through nobody else's queues.
#[tokio::test(flavor = "multi_thread")]
async fn probes_say_which_queues_are_reached() {
    let world = World::idle().await;
    let (table, acme) = (world.system.app.table(), "acme".parse().unwrap());
    let stored = async || {
        let item = table.read_one(&keys::tenant(&acme)).await.unwrap().unwrap();
        items::stored_tenant(&acme, item).unwrap()
    };
    let unreached = items::tenant(&Tenant { reached: [].into(), ..stored().await }).unwrap();
    let put = world.system.clients.dynamodb().put_item().set_item(Some(unreached));
    put.table_name(&world.system.clients.config().table_name).send().await.unwrap();
    let cashier = world.terminal("acme-cashier").await;
    let sell = async || cashier.sell(Uuid::now_v7(), &tests::terminal::coffee("RF100001", 1), 0).await;
    assert_eq!((sell().await.status, sell().await.problem()), (503, "tenant-not-ready"));

    let checkouts = &world.system.workers.checkouts;
    let lines = Arc::new(Mutex::new(Vec::new()));
    let sink = lines.clone();
    let line = move |line: &str| sink.lock().unwrap().push(line.to_owned());
    let metrics = Metrics::to(Clock::system(), "dev", line);
    let probes = Probes::new(&world.system.clients, metrics);
    let astray = [
        probe("acme", Kind::Administer, "globex-admin.fifo"),
        probe("acme", Kind::Administer, "acme-checkouts.fifo"),
        probe("acme", Kind::PostCheckout, "acme-admin.fifo"),
        probe("nobody", Kind::Administer, "nobody-admin.fifo"),
        batch(&[&coffee("100001")], 1),
    ];
    for astray in astray {
        assert_eq!(handed_back(&probes.handle(astray).await), ["0"]);
    }
    assert!(lines.lock().unwrap().iter().all(|line| line.contains("\"Unworkable\":1")));
    assert_eq!(lines.lock().unwrap().len(), 5, "each rings");
    for _ in 0..2 {
        let came = probes.handle(probe("acme", Kind::Administer, "acme-admin.fifo")).await;
        assert_eq!(handed_back(&came), [""; 0]);
        assert_eq!(stored().await.reached, [Kind::Administer].into());
    }
    assert_eq!(sell().await.problem(), "tenant-not-ready");
    for kind in [Kind::PostCheckout, Kind::PostBooking] {
        assert!(!stored().await.is_ready());
        let came = checkouts.handle(probe("acme", kind, "acme-checkouts.fifo")).await;
        assert_eq!(handed_back(&came), [""; 0]);
    }
    assert!(!stored().await.is_ready());
    assert_eq!(sell().await.status, 202);
    for kind in [Kind::OpenCutoff, Kind::Replenish] {
        assert!(!stored().await.is_ready());
        let came = probes.handle(probe("acme", kind, "acme-replenishment.fifo")).await;
        assert_eq!(handed_back(&came), [""; 0]);
    }
    assert!(!stored().await.is_ready());
    let imports = &world.system.workers.imports;
    let came = imports.handle(probe("acme", Kind::ImportFile, "acme-imports.fifo")).await;
    assert_eq!(handed_back(&came), [""; 0]);
    assert!(!stored().await.is_ready());
    let deliveries = &world.system.workers.deliveries;
    let came = deliveries.handle(probe("acme", Kind::Deliver, "acme-deliveries.fifo")).await;
    assert_eq!(handed_back(&came), [""; 0]);
    let reconciliation = &world.system.workers.reconciliation;
    for kind in [Kind::OpenReconciliation, Kind::Reconcile] {
        assert!(!stored().await.is_ready());
        let came = reconciliation.handle(probe("acme", kind, "acme-reconciliation.fifo")).await;
        assert_eq!(handed_back(&came), [""; 0]);
    }
    assert!(stored().await.is_ready());
}

/// Data of a release that knew no probes: the next start finds out.
#[tokio::test(flavor = "multi_thread")]
async fn a_tenant_of_an_older_release_is_probed_at_the_start() {
    let dir = tempfile::TempDir::new().unwrap();
    let start = async || System::start(tests::options(dir.path(), Clock::system())).await.unwrap();
    let (key, acme) = (keys::tenant(&"acme".parse().unwrap()), "acme".parse().unwrap());
    let system = start().await;
    let mut item = system.app.table().read_one(&key).await.unwrap().unwrap();
    item.remove("q").unwrap();
    let put = system.clients.dynamodb().put_item().set_item(Some(item));
    put.table_name(&system.clients.config().table_name).send().await.unwrap();
    drop(system);
    let system = start().await;
    tests::eventually("the tenant is reached", async || {
        let item = system.app.table().read_one(&key).await.unwrap().unwrap();
        items::stored_tenant(&acme, item).unwrap().is_ready()
    })
    .await;
}

/// Whoever still has clients, as a socket that is open does, keeps no file of a system that was dropped.
#[tokio::test(flavor = "multi_thread")]
async fn a_dropped_system_lets_go_of_its_files() {
    let dir = tempfile::TempDir::new().unwrap();
    let start = async || System::start(tests::options(dir.path(), Clock::system())).await.unwrap();
    let system = start().await;
    let clients = system.clients.clone();
    drop(system);
    let _again = start().await;
    let key = keys::tenant(&"acme".parse().unwrap());
    clients.table(Policy::ONCE).read_one(&key).await.unwrap_err();
}
