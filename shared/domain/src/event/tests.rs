use super::*;
use crate::booking::Cause;
use crate::checkout::{Bill, Rejection, Returned};
use crate::cutoff::Replenished;
use crate::import::{Effect, Mode, Options, Reason, Refused, Rows, Target};
use crate::money::Money;
use crate::request::RequestHash;
use crate::wallet::Wallet;
use std::collections::BTreeSet;

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

fn checkout(outcome: Outcome) -> Checkout {
    Checkout {
        tenant: "acme".parse().unwrap(),
        id: "01900000-0000-7000-8000-000000000000".parse().unwrap(),
        request: RequestHash::from_bytes([0xa5; 32]),
        employee: "100042".parse().unwrap(),
        station: Some("coffee-bar-1".parse().unwrap()),
        concessionaire: "coffee-bar".parse().unwrap(),
        caller: "acme-cashier".parse().unwrap(),
        business_date: "2026-03-02".parse().unwrap(),
        accepted_at: at("2026-03-02T04:00:00.123Z"),
        decided_at: at("2026-03-02T04:00:00.223Z"),
        outcome,
        returned: Returned::default(),
    }
}

fn settled() -> Checkout {
    let line = SoldLine {
        code: "COFFEE".parse().unwrap(),
        name: "Coffee".to_owned(),
        category: "drinks".to_owned(),
        price: 4_500.try_into().unwrap(),
        calories: None,
        qty: 2.try_into().unwrap(),
    };
    let menu_version = MenuVersion { meals: 3, edit: 1 };
    let bill = Bill { lines: vec![line], discount: Money::from_minor(900), menu_version };
    checkout(Outcome::Settled { bill, after: Wallet { balance: Money::from_minor(41_900), version: 7 } })
}

fn booking(kind: BookingKind, outcome: BookingOutcome) -> Booking {
    Booking {
        id: crate::id::CommandId::made_at(1_772_424_060_123, &[1; 32]).unwrap().into(),
        kind,
        at: at("2026-03-02T04:01:00.123Z"),
        by: "acme-manager".parse().unwrap(),
        cause: Some(Cause {
            request: RequestHash::from_bytes([0xa5; 32]),
            reason: "cold".to_owned().try_into().unwrap(),
            checkout: Some(settled().id),
            items: [].into(),
            accepted_at: at("2026-03-02T04:01:00.023Z"),
        }),
        replenished: None,
        outcome,
    }
}

fn booked(minor: i64) -> BookingOutcome {
    let after = Wallet { balance: Money::from_minor(50_000), version: 8 };
    BookingOutcome::Booked { amount: Money::from_minor(minor), after }
}

fn events() -> Vec<Event> {
    let (tenant, employee) = ("acme".parse().unwrap(), "100042".parse().unwrap());
    let of = |booking: &Booking, sale| Event::of_booking(&tenant, &employee, booking, sale);
    let rejection =
        Rejection::InsufficientCredit { balance: Money::from_minor(5), total_net: Money::from_minor(8_100) };
    let grant = Booking {
        id: crate::cutoff::booking_id("2026-03-15".parse().unwrap()),
        by: crate::cutoff::BY.parse().unwrap(),
        cause: None,
        replenished: Some(Replenished {
            granted: Money::from_minor(50_000),
            expired: Money::from_minor(41_900),
        }),
        ..booking(BookingKind::Grant, booked(8_100))
    };
    let id = "01900000-0000-7000-8000-000000000002".parse().unwrap();
    let receipt = |outcome| Receipt {
        tenant: tenant.clone(),
        id,
        request: RequestHash::from_bytes([0xa5; 32]),
        caller: "acme-manager".parse().unwrap(),
        change: "set-meal".to_owned(),
        subject: "concessionaires/coffee-bar/meals/TEA".to_owned(),
        reason: None,
        is_platforms: false,
        accepted_at: at("2026-03-02T05:00:00Z"),
        decided_at: at("2026-03-02T05:00:01Z"),
        outcome,
    };
    let import = |target, stage| Import {
        tenant: tenant.clone(),
        id,
        target,
        options: Options::new(Mode::Replace),
        by: None,
        etag: "e".to_owned(),
        bytes: 1,
        begun_at: at("2026-03-02T06:00:00Z"),
        updated_at: at("2026-03-02T06:00:09Z"),
        rows: Rows { good: 20, bad: 2, listed: 2 },
        stage,
    };
    let version = MenuVersion { meals: 4, edit: 0 };
    let effect = Effect::Menu { version, meals: 20, kept: 0, is_unchanged: false };
    let menu = import(Target::Menu("coffee-bar".parse().unwrap()), Stage::Applied(effect));
    let refused = Stage::Refused(Refused::new(Reason::BadRows, "2 of 22 rows are wrong"));
    let totals = Totals { booked: 2, granted: 100_000, expired: 41_900, skipped: [].into() };
    let url = "https://hooks.example.com/pos".to_owned().try_into().unwrap();
    let webhook = Webhook::new(id.into(), url, [].into(), at("2026-03-02T07:00:00Z"));
    let by = "001772434800000-cutoff-2026-03-15".parse().unwrap();
    let disabled = Disabled { at: at("2026-03-03T07:00:00Z"), by };
    vec![
        Event::of_checkout(&settled()),
        Event::of_checkout(&checkout(Outcome::Rejected(rejection))),
        Event::of_checkout(&Checkout { station: None, ..checkout(Outcome::Withdrawn) }),
        of(&booking(BookingKind::Void, booked(8_100)), Some(&settled())),
        of(&booking(BookingKind::Refund, booked(4_050)), Some(&settled())),
        of(&booking(BookingKind::Adjustment, booked(-100)), None),
        of(&grant, None),
        of(
            &booking(BookingKind::Void, BookingOutcome::Rejected(crate::booking::Rejection::AlreadyVoided)),
            Some(&settled()),
        ),
        Event::of_menu(&tenant, &"coffee-bar".parse().unwrap(), version, id, menu.updated_at),
        Event::of_import(&menu).unwrap(),
        Event::of_import(&import(Target::Roster, refused)).unwrap(),
        Event::of_cutoff(&tenant, "2026-03-15".parse().unwrap(), &totals, at("2026-03-15T00:05:00Z")),
        Event::of_receipt(&receipt(ReceiptOutcome::Applied { before: Value::Null, after: json!({}) })),
        Event::of_receipt(&receipt(ReceiptOutcome::Rejected(crate::admin::Rejection::PreconditionFailed))),
        Event::of_test(&tenant, id.into(), id, at("2026-03-02T07:00:00Z")),
        Event::of_disabled(&tenant, &webhook, &disabled),
    ]
}

/// Whoever listens reads what a release wrote for ever.
#[test]
fn events_read_as_they_always_did() {
    let golden = include_str!("../golden/events_v1.json");
    let events = events();
    let written = serde_json::to_value(&events).unwrap();
    assert_eq!(written, serde_json::from_str::<Value>(golden).unwrap(), "{written:#}");
    assert_eq!(serde_json::from_str::<Vec<Event>>(golden).unwrap(), events);
    let later = golden.replacen("\"1.0\"", "\"2.0\"", 1);
    assert!(serde_json::from_str::<Vec<Event>>(&later).is_err());
}

#[test]
fn every_kind_has_an_example_and_the_name_that_it_travels_under() {
    let kinds: BTreeSet<_> = events().iter().map(|event| event.kind).collect();
    assert_eq!(kinds, EventKind::ALL.into());
    for kind in EventKind::ALL {
        assert_eq!(serde_json::to_value(kind).unwrap(), kind.as_str());
    }
}

/// What is given back of a sale later does not change what is told of it.
#[test]
fn a_sale_is_told_as_it_was_decided() {
    let voided = Returned { amount: Money::from_minor(8_100), ..Returned::default() };
    assert_eq!(
        Event::of_checkout(&Checkout { returned: voided, ..settled() }),
        Event::of_checkout(&settled())
    );
}

#[test]
fn an_event_with_a_number_that_is_not_whole_is_none() {
    let written = serde_json::to_string(&Event::of_checkout(&settled())).unwrap();
    let price = "\"price\":4500";
    assert!(serde_json::from_str::<Event>(&written).is_ok() && written.contains(price));
    // What the fuzzer found is written as one that differs in its last digit.
    for float in ["4500.0", "0.5", "66666666666666666666666666666666666666666666666666900"] {
        let changed = written.replace(price, &format!("\"price\":{float}"));
        assert!(serde_json::from_str::<Event>(&changed).is_err(), "{float}");
    }
}
