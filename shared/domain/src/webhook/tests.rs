use super::delivery::{InvalidDeliveryId, LONGEST_PAUSE, PAUSES, TRIED_FOR};
use super::*;
use crate::event::About;
use crate::id::CommandId;

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_second(seconds).unwrap()
}

fn event(id: &str) -> Event {
    Event {
        id: id.to_owned(),
        kind: EventKind::CheckoutSettled,
        subject: String::new(),
        at: at(1),
        tenant: "acme".parse().unwrap(),
        about: About::default(),
        data: serde_json::Value::Null,
    }
}

fn attempt(seconds: i64, status: u16) -> Attempt {
    Attempt { at: at(seconds), answer: Answer::Status(status), duration_ms: 1 }
}

fn tried(attempts: &[(i64, u16)]) -> Delivery {
    let tried = attempts.iter().map(|(seconds, status)| attempt(*seconds, *status));
    tried.fold(Delivery::new(event("1"), None), Delivery::after)
}

#[test]
fn only_public_addresses_are_public() {
    let is_public = |text: &str| is_public(text.parse().unwrap());
    for public in ["1.1.1.1", "172.15.0.1", "172.32.0.1", "100.63.0.1", "198.20.0.1", "2606:4700::1111"] {
        assert!(is_public(public), "{public}");
    }
    let own = "0.0.0.0 10.1.2.3 100.64.0.1 127.0.0.1 169.254.169.254 172.16.0.1 172.31.255.255 192.0.0.1 192.168.1.1 \
        198.18.0.1 203.0.113.9 224.0.0.1 255.255.255.255 :: ::1 ::ffff:127.0.0.1 ::ffff:8.8.8.8 ::7f00:1 fe80::1 \
        fc00::1 fd00:ec2::254 ff02::1 64:ff9b::7f00:1 2001:db8::1 2001::1 2002:7f00:1:: 3fff::1";
    for own in own.split_whitespace() {
        assert!(!is_public(own), "{own}");
    }
}

/// Whether it reads, and whether it may be called on the Internet.
#[track_caller]
fn check_url(url: &str, reads: bool, is_public: bool) {
    let url = WebhookUrl::try_from(url.to_owned());
    assert_eq!((url.is_ok(), url.is_ok_and(|url| url.check(Reach::Public).is_ok())), (reads, is_public));
}

#[test]
fn a_receiver_is_behind_https_on_the_internet() {
    check_url("https://hooks.example.com/pos?for=acme", true, true);
    check_url("https://hooks.example.com:8443", true, true);
    check_url("https://1.1.1.1/hook", true, true);
    check_url("https://[2606:4700::1111]:8443/hook", true, true);
    check_url("http://hooks.example.com", true, false);
    check_url("http://127.0.0.1:8080/hook", true, false);
    for own in [
        "127.0.0.1",
        "127.1",
        "0x7f000001",
        "2130706433",
        "10.0.0.1",
        "[::1]",
        "[::ffff:10.0.0.1]",
        "localhost",
    ] {
        check_url(&format!("https://{own}/hook"), true, false);
    }
    check_url("https://localhost./hook", true, false);
    check_url("https://metadata.localhost/hook", true, false);
    let wrong =
        ["", "ftp://a.example", "https://", "https:///x", "https://u:p@a.example", "https://a.example/#x"];
    for wrong in wrong.into_iter().chain([
        "https://a b",
        "https://A.example",
        "https://a.example/\u{e9}",
        "https://?x",
    ]) {
        check_url(wrong, false, false);
    }
    check_url(&format!("https://a.example/{}", "x".repeat(500)), false, false);
}

#[test]
fn a_trial_reaches_its_own_machine_and_no_other() {
    let is_reached = |url: &str| WebhookUrl::try_from(url.to_owned()).unwrap().check(Reach::Loopback).is_ok();
    assert!(is_reached("http://127.0.0.1:8080/hook") && is_reached("https://hooks.example.com"));
    for other in [
        "http://10.0.0.1",
        "https://10.0.0.1",
        "http://hooks.example.com",
        "http://localhost:1",
        "http://[::ffff:127.0.0.1]",
    ] {
        assert!(!is_reached(other), "{other}");
    }
}

#[test]
fn a_delivery_is_tried_for_a_day_with_growing_pauses() {
    let (mut delivery, mut now, mut pauses) = (Delivery::new(event("1"), None), at(0), vec![]);
    loop {
        let attempt = Attempt { at: now, answer: Answer::Status(500), duration_ms: 1 };
        delivery = delivery.after(attempt);
        let Some(pause) = delivery.pause() else { break };
        pauses.push(pause);
        now += pause;
    }
    assert_eq!(delivery.state, DeliveryState::Failed);
    assert!(pauses.is_sorted() && pauses.starts_with(&PAUSES) && pauses.ends_with(&[LONGEST_PAUSE]));
    assert!((at(0) + TRIED_FOR..at(0) + TRIED_FOR + LONGEST_PAUSE).contains(&now));
    assert_eq!(delivery.attempts.len(), 53);
}

#[test]
fn what_is_taken_is_delivered() {
    #[track_caller]
    fn check(status: u16, state: DeliveryState) {
        assert_eq!(tried(&[(1, status)]).state, state, "{status}");
    }
    check(200, DeliveryState::Delivered);
    check(204, DeliveryState::Delivered);
    check(302, DeliveryState::Waiting);
    check(404, DeliveryState::Waiting);
    check(410, DeliveryState::Failed);
    check(500, DeliveryState::Waiting);
}

#[test]
fn an_event_that_alone_is_refused_steps_aside() {
    let failed = tried(&[(10, 500), (20, 500), (30, 500)]);
    assert!(!failed.steps_aside(&[]));
    assert!(!failed.steps_aside(&[tried(&[(9, 200)]), tried(&[(15, 500)])]));
    assert!(failed.steps_aside(&[tried(&[(9, 500), (15, 200)])]));
    // One hiccup after others were taken is none of its own.
    assert!(!failed.steps_aside(&[tried(&[(25, 200)])]));
    assert!(!tried(&[(10, 500), (20, 500)]).steps_aside(&[tried(&[(15, 200)])]));
    // Who is alive and says no needs no other.
    assert!(tried(&[(10, 422), (20, 422), (30, 422)]).steps_aside(&[]));
    assert!(!tried(&[(10, 429), (20, 429), (30, 429)]).steps_aside(&[]));
}

#[test]
fn a_receiver_that_takes_nothing_for_a_day_is_disabled() {
    let given_up = |status| tried(&[(1, status), (2, status), (100_000, status)]);
    let latest = |taken: usize, of: usize| {
        let states = (0..of).map(|index| tried(&[(1, if index < taken { 200 } else { 503 })]));
        states.collect::<Vec<_>>()
    };
    assert!(given_up(500).disables(&latest(0, 1)));
    assert!(given_up(500).disables(&latest(5, 100)));
    assert!(!given_up(500).disables(&latest(6, 100)));
    // One event that is not wanted says nothing of a receiver, nor what was never tried.
    assert!(!given_up(422).disables(&latest(0, 9)));
    assert!(given_up(422).disables(&latest(0, 10)));
    let untried = Delivery { state: DeliveryState::Skipped, ..Delivery::new(event("1"), None) };
    let latest_and = [latest(1, 10), vec![untried; 90]].concat();
    assert!(!given_up(500).disables(&latest_and));
    assert!(!tried(&[(1, 500)]).disables(&latest(0, 100)));
    assert!(tried(&[(1, 410)]).disables(&latest(100, 100)));
}

#[test]
fn a_secret_stays_good_for_a_day_after_the_next() {
    let id = "01900000-0000-7000-8000-000000000000".parse().unwrap();
    let url = "https://a.example".to_owned().try_into().unwrap();
    let webhook = Webhook::new(id, url, [].into(), at(0));
    assert_eq!(webhook.generations(at(0)).collect::<Vec<_>>(), [1]);
    let rotated = Webhook { generation: 2, rotated_at: Some(at(10)), ..webhook };
    let signs = |seconds| rotated.generations(at(seconds)).collect::<Vec<_>>();
    assert_eq!((signs(10), signs(86_409), signs(86_410)), (vec![2, 1], vec![2, 1], vec![2]));
}

#[test]
fn a_webhook_is_told_what_it_wants() {
    let id = "01900000-0000-7000-8000-000000000000".parse().unwrap();
    let url: WebhookUrl = "https://a.example".to_owned().try_into().unwrap();
    let webhook =
        |events: &[EventKind]| Webhook::new(id, url.clone(), events.iter().copied().collect(), at(0));
    assert!(webhook(&[]).wants(&event("1")));
    assert!(webhook(&[EventKind::CheckoutSettled]).wants(&event("1")));
    assert!(!webhook(&[EventKind::CheckoutVoided]).wants(&event("1")));
    assert!(!Webhook { status: Status::Inactive, ..webhook(&[]) }.wants(&event("1")));
}

#[test]
fn a_delivery_id_reads_as_it_is_written() {
    let asked = CommandId::made_at(1, &[1; 32]).unwrap();
    for id in
        [DeliveryId::new(&event("checkout.x"), None), DeliveryId::new(&event("checkout.x"), Some(asked))]
    {
        assert_eq!(id.to_string().parse(), Ok(id));
    }
    for wrong in ["", "1-a", "000000000001000-", "000000000001000-a#b", "00000000000100x-a"] {
        assert_eq!(wrong.parse::<DeliveryId>(), Err(InvalidDeliveryId), "{wrong}");
    }
}

#[test]
fn a_wallet_keeps_its_lane() {
    let of = |number: &str| {
        let employee = Some(number.parse().unwrap());
        lane_of(&Event { about: About { employee, ..About::default() }, ..event("1") })
    };
    let lanes: BTreeSet<_> = (0..100).map(|number| of(&number.to_string())).collect();
    assert_eq!(lanes.len(), usize::from(LANES));
    assert_eq!(of("100001"), of("100001"));
}
