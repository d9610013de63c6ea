//! Results that come by themselves, to whom they may.

use aws::clock::Clock;
use aws::config::Clients;
use aws::items::{self, Listeners};
use aws::telemetry::Metrics;
use aws_lambda_events::sqs::SqsBatchResponse;
use domain::command::Purpose;
use domain::event::EventKind;
use domain::id::CheckoutId;
use domain::listener::Audience;
use domain::role::CLOCKS_DIFFER;
use jiff::SignedDuration;
use loadtest::listener::{ListenError, Listener};
use loadtest::station::{Known, Station};
use serde_json::{Value, json};
use std::sync::atomic::Ordering;
use std::time::Duration;
use tests::faults;
use tests::terminal::{Terminal, coffee, next_frame};
use tests::{PATIENCE, World};
use tokio::time::timeout;
use uuid::Uuid;
use workers::announce::AnnounceWorker;
use workers::lambda::Worker;

/// Long enough for what is on its way on this machine, where nothing is expected.
const QUIET: Duration = Duration::from_millis(300);

async fn listening(terminal: &Terminal, to: &str, after: Option<&str>) -> Listener {
    let mut listener = Listener::open(&terminal.listener_ticket().await).await.unwrap();
    listener.subscribe(to, after).await.unwrap();
    subscribed(&mut listener, to).await;
    listener
}

/// Where to come back to until the first event, unless it was said.
async fn subscribed(listener: &mut Listener, to: &str) -> Option<String> {
    let frame = next_frame(listener).await;
    assert_eq!((&frame["type"], &frame["to"]), (&json!("subscribed"), &json!(to)));
    frame["position"].as_str().map(str::to_owned)
}

/// The next event, and its position.
async fn event(listener: &mut Listener) -> (Value, String) {
    let frame = next_frame(listener).await;
    assert_eq!(frame["type"], "event", "{frame}");
    (frame["event"].clone(), frame["position"].as_str().unwrap().to_owned())
}

async fn hears_nothing(listener: &mut Listener) {
    if let Ok(frame) = timeout(QUIET, listener.next()).await {
        panic!("{frame:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_station_that_never_polls_has_its_outcome() {
    let world = World::start().await;
    let cashier = world.terminal("acme-cashier").await;
    let mut own = listening(&cashier, "commands", None).await;
    let mut station = listening(&cashier, "stations/coffee-bar-1", None).await;
    let mut screen =
        listening(&world.terminal("acme-manager").await, "concessionaires/coffee-bar", None).await;
    let mut phone = listening(&world.terminal("acme-employee").await, "wallets/100001", None).await;
    let id = cashier.sell_unasked("RF100001").await;
    for listener in [&mut own, &mut station, &mut screen, &mut phone] {
        let (event, _) = event(listener).await;
        assert_eq!(event["type"], EventKind::CheckoutSettled.as_str());
        assert_eq!((&event["data"]["id"], &event["walletversion"]), (&json!(id), &json!(2)));
    }
    cashier.sell_unasked("RF100002").await;
    event(&mut own).await;
    hears_nothing(&mut phone).await;
    own.say(&json!({ "type": "ping", "session": own.session() })).await.unwrap();
    let pong = next_frame(&mut own).await;
    assert_eq!((&pong["type"], pong["position"].is_string()), (&json!("pong"), true));
    own.say(&json!({ "type": "unsubscribe", "session": own.session(), "to": "commands" })).await.unwrap();
    assert_eq!(next_frame(&mut own).await["type"], "unsubscribed");
    cashier.sell_unasked("RF100002").await;
    hears_nothing(&mut own).await;
    world.settle().await;
}

/// Roles, stalls, employees, tenants: each hears what is theirs.
#[tokio::test(flavor = "multi_thread")]
async fn nobody_is_told_what_is_anothers() {
    let world = World::start().await;
    let cashier = world.terminal("acme-cashier").await;
    let refused = [
        ("acme-cashier", "wallets/100001"),
        ("acme-cashier", "tenant"),
        ("acme-cashier", "concessionaires/grill"),
        ("acme-cashier", "stations/grill-1"),
        ("acme-cashier", "stations/nowhere"),
        ("acme-cashier", "everything"),
        ("acme-manager", "wallets/100001"),
        ("acme-manager", "tenant"),
        ("acme-employee", "wallets/100002"),
        ("acme-employee", "stations/coffee-bar-1"),
        ("acme-employee", "concessionaires/coffee-bar"),
    ];
    for (user, to) in refused {
        let mut listener = Listener::open(&world.terminal(user).await.listener_ticket().await).await.unwrap();
        listener.subscribe(to, None).await.unwrap();
        let frame = next_frame(&mut listener).await;
        assert_eq!(frame, json!({ "type": "refused", "to": to, "reason": "not-found" }), "{user}");
    }
    // The other company has a stall and an employee of the same names.
    let mut foreign = Vec::new();
    let stranger = world.terminal("globex-admin").await;
    for to in ["concessionaires/coffee-bar", "wallets/100001", "tenant", "commands"] {
        foreign.push(listening(&stranger, to, None).await);
    }
    let mut own = listening(&world.terminal("acme-admin").await, "wallets/100001", None).await;
    cashier.sell_unasked("RF100001").await;
    event(&mut own).await;
    for listener in &mut foreign {
        hears_nothing(listener).await;
    }
}

/// A ticket opens one connection, soon, and speaks on no other.
#[tokio::test(flavor = "multi_thread")]
async fn a_ticket_opens_one_connection() {
    let world = World::start().await;
    let cashier = world.terminal("acme-cashier").await;
    let refused = async |ticket: &Value| {
        let error = Listener::open(ticket).await.unwrap_err();
        assert_eq!(error.refused_with(), Some(403), "{error:?}");
    };
    let used = cashier.listener_ticket().await;
    let mut first = Listener::open(&used).await.unwrap();
    refused(&used).await;
    let mut altered = cashier.listener_ticket().await;
    altered["ticket"] = json!(format!("{}A", altered["ticket"].as_str().unwrap()));
    refused(&altered).await;
    refused(&json!({ "url": used["url"], "ticket": "" })).await;
    let late = cashier.listener_ticket().await;
    world.clock.advance(SignedDuration::from_secs(31));
    refused(&late).await;

    // Whoever has the first one's ticket says nothing in its name.
    let mut second = Listener::open(&cashier.listener_ticket().await).await.unwrap();
    let said = json!({ "type": "subscribe", "session": used["ticket"], "to": "commands" });
    second.say(&said).await.unwrap();
    let frame = next_frame(&mut second).await;
    assert_eq!(frame, json!({ "type": "refused", "to": "commands", "reason": "no-session" }));
    assert!(matches!(timeout(PATIENCE, second.next()).await.unwrap(), Err(ListenError::Closed)));
    first.say(&said).await.unwrap();
    assert_eq!(next_frame(&mut first).await["type"], "subscribed");
    for nonsense in [json!({ "type": "shout" }), json!([]), json!("x".repeat(5_000))] {
        let mut listener = Listener::open(&cashier.listener_ticket().await).await.unwrap();
        listener.say(&nonsense).await.unwrap();
        assert_eq!(next_frame(&mut listener).await["type"], "error");
        assert!(matches!(timeout(PATIENCE, listener.next()).await.unwrap(), Err(ListenError::Closed)));
    }
}

/// Who lost their connection hears what they missed, in order, behind where they were.
#[tokio::test(flavor = "multi_thread")]
async fn who_comes_back_hears_what_they_missed() {
    let world = World::start().await;
    let cashier = world.terminal("acme-cashier").await;
    let mut station = listening(&cashier, "stations/coffee-bar-1", None).await;
    cashier.sell_unasked("RF100001").await;
    let (_, position) = event(&mut station).await;
    drop(station);
    let mut missed = Vec::new();
    for _ in 0..5 {
        missed.push(cashier.sell_unasked("RF100001").await);
    }
    world.settle().await;
    let mut station = listening(&cashier, "stations/coffee-bar-1", Some(&position)).await;
    let (mut heard, mut versions) = (Vec::new(), Vec::new());
    while heard.len() < missed.len() {
        let (event, _) = event(&mut station).await;
        // What was heard before may come again.
        if event["walletversion"] != 2 {
            heard.push(event["data"]["id"].as_str().unwrap().to_owned());
            versions.push(event["walletversion"].as_u64().unwrap());
        }
    }
    assert_eq!((heard, versions), (missed, vec![3, 4, 5, 6, 7]));
    let resumed = json!({ "type": "resumed", "to": "stations/coffee-bar-1" });
    assert_eq!(next_frame(&mut station).await, resumed);
    // Who has heard nothing yet has a place, too.
    let mut own = Listener::open(&cashier.listener_ticket().await).await.unwrap();
    own.subscribe("commands", None).await.unwrap();
    let place = subscribed(&mut own, "commands").await.unwrap();
    drop(own);
    let id = cashier.sell_unasked("RF100002").await;
    world.settle().await;
    let mut own = listening(&cashier, "commands", Some(&place)).await;
    while event(&mut own).await.0["data"]["id"] != id {}
    assert_eq!(next_frame(&mut own).await["type"], "resumed");
    let mut wrong = Listener::open(&cashier.listener_ticket().await).await.unwrap();
    wrong.subscribe("commands", Some("yesterday")).await.unwrap();
    assert_eq!(next_frame(&mut wrong).await["reason"], "bad-position");
    world.clock.advance(SignedDuration::from_mins(11));
    let mut late = listening(&cashier, "stations/coffee-bar-1", Some(&position)).await;
    let gap = next_frame(&mut late).await;
    assert_eq!((&gap["type"], &gap["to"]), (&json!("gap"), &json!("stations/coffee-bar-1")));
    // What was missed is not missed again.
    let place = gap["position"].as_str().unwrap();
    drop(late);
    let mut late = listening(&cashier, "stations/coffee-bar-1", Some(place)).await;
    assert_eq!(next_frame(&mut late).await, resumed);
}

/// Who sits down after an announcer has read who listens, and has read what was kept before, is told.
#[tokio::test(flavor = "multi_thread")]
async fn who_sits_down_between_the_steps_of_an_announcement_hears_it() {
    let world = World::idle().await;
    let (cashier, to) = (world.terminal("acme-cashier").await, "stations/coffee-bar-1");
    let mut first = listening(&cashier, to, None).await;
    let mut late = listening(&world.terminal("acme-manager").await, to, None).await;
    let id = cashier.sell_unasked("RF100001").await;
    world.work_off("acme", Purpose::Checkouts).await;
    let told = world.take("acme", Purpose::Results).await;
    let (torn, is_torn) = faults::torn("AUDIENCE", |items| {
        let audiences = items.iter_mut().filter(|item| faults::is_under(item, "AUDIENCE"));
        for sessions in audiences.filter_map(|item| item["m"]["M"].as_object_mut()) {
            sessions.retain(|_, session| session["M"]["u"]["S"] != "acme-manager");
        }
    });
    let config = world.system.clients.config().clone();
    let url = config.cloud.endpoint_url.clone().unwrap();
    let clients = Clients::over(config, faults::rewriting(torn));
    let clock = Clock::system();
    let announcer = AnnounceWorker::new(&clients, &url, clock.clone(), Metrics::to(clock, "test", |_| ()));
    assert_eq!(announcer.handle(told).await, SqsBatchResponse::default());
    assert!(is_torn.load(Ordering::SeqCst));
    for listener in [&mut first, &mut late] {
        assert_eq!(event(listener).await.0["data"]["id"], id);
    }
}

/// A user's terminals take no more than twenty seats: the oldest is told to come back, by the end of its
/// connection.
#[tokio::test(flavor = "multi_thread")]
async fn whoever_loses_their_seat_is_not_left_listening_to_nothing() {
    let world = World::start().await;
    let cashier = world.terminal("acme-cashier").await;
    let mut first = listening(&cashier, "commands", None).await;
    let mut others = Vec::new();
    for _ in 0..19 {
        others.push(listening(&cashier, "commands", None).await);
    }
    // But not at once: where there are more than seats, they would push each other out in turn.
    let mut late = Listener::open(&cashier.listener_ticket().await).await.unwrap();
    late.subscribe("commands", None).await.unwrap();
    assert_eq!(next_frame(&mut late).await["reason"], "too-many-listeners");
    world.clock.advance(SignedDuration::from_mins(2));
    others.push(listening(&cashier, "commands", None).await);
    assert!(matches!(timeout(PATIENCE, first.next()).await.unwrap(), Err(ListenError::Closed)));
    cashier.sell_unasked("RF100001").await;
    for other in &mut others {
        event(other).await;
    }
}

/// Whoever was let go, or whose token has expired, hears no more.
#[tokio::test(flavor = "multi_thread")]
async fn who_may_not_hear_any_more_does_not() {
    let world = World::start().await;
    let (admin, cashier) = (world.terminal("acme-admin").await, world.terminal("acme-cashier").await);
    let manager = world.terminal("acme-manager").await;
    let mut screen = listening(&manager, "concessionaires/coffee-bar", None).await;
    let mut wallet = listening(&admin, "wallets/100001", None).await;
    let let_go = admin.command("PATCH", "/v1/users/acme-manager", &json!({ "status": "inactive" })).await;
    assert_eq!(let_go.outcome(), "applied", "{let_go:?}");
    cashier.sell_unasked("RF100001").await;
    event(&mut wallet).await;
    assert!(matches!(timeout(PATIENCE, screen.next()).await.unwrap(), Err(ListenError::Closed)));
    // An hour later the token of the other has expired.
    world.clock.advance(SignedDuration::from_mins(61));
    let sale = cashier.buy(Uuid::now_v7(), &coffee("RF100001", 1)).await;
    assert_eq!(sale.outcome(), "settled", "{sale:?}");
    world.settle().await;
    // The next thing that happens ends the connection, and is kept for when they come back.
    assert!(matches!(timeout(PATIENCE, wallet.next()).await.unwrap(), Err(ListenError::Closed)));
}

/// Whoever is given another password hears no more on what they opened before.
#[tokio::test(flavor = "multi_thread")]
async fn who_was_signed_out_hears_no_more() {
    let world = World::start().await;
    let (admin, cashier) = (world.terminal("acme-admin").await, world.terminal("acme-cashier").await);
    let manager = world.terminal("acme-manager").await;
    let mut screen = listening(&manager, "concessionaires/coffee-bar", None).await;
    world.clock.advance(CLOCKS_DIFFER * 2);
    let reset = admin.command("POST", "/v1/users/acme-manager/password-reset", &Value::Null).await;
    assert_eq!(reset.outcome(), "applied", "{reset:?}");
    cashier.sell_unasked("RF100001").await;
    assert!(matches!(timeout(PATIENCE, screen.next()).await.unwrap(), Err(ListenError::Closed)));
    assert_eq!(manager.post("/v1/listener-tickets", &[], "").await.problem(), "unauthorized");
    world.settle().await;
}

/// The reference station: told over its socket, at once where the id was sent before, and asking where the
/// socket is silent.
#[tokio::test(flavor = "multi_thread")]
async fn a_station_knows_what_came_of_its_sales() {
    let world = World::start().await;
    let endpoints = &world.system.endpoints;
    let cashier = endpoints.users.iter().find(|user| user.username == "acme-cashier").unwrap();
    let sign_in =
        async || loadtest::terminal::Terminal::sign_in(endpoints, &cashier.username, &cashier.password).await;
    let mut station = Station::new(sign_in().await.unwrap());
    let key = || CheckoutId::try_from(Uuid::now_v7()).unwrap();
    let first = key();
    let Known::Told(told) = station.sell(first, &coffee("RF100001", 1)).await.unwrap() else {
        panic!("it was not told");
    };
    assert_eq!((&told["id"], &told["status"]), (&json!(first.to_string()), &json!("settled")));
    let again = station.sell(first, &coffee("RF100001", 1)).await.unwrap();
    assert!(matches!(again, Known::AtOnce(body) if body["status"] == "settled"));

    // Nobody announces to who is not admitted any more, and whoever asks is answered.
    let (tenant, name) = ("acme".parse().unwrap(), "acme-cashier".parse().unwrap());
    let audience = Audience::Commands(name);
    let table = world.system.app.table();
    let silenced = items::listeners(&tenant, &audience, &Listeners::none_until(world.clock.now())).unwrap();
    table.put_unnamed(&[silenced]).await.unwrap();
    let asked = station.sell(key(), &coffee("RF100001", 1)).await.unwrap();
    assert!(matches!(asked, Known::Asked(body) if body["status"] == "settled"));
}
