//! Everything stored reads back, and a checkout of ordinary size fits into one kilobyte.

use super::*;
use aws_sdk_dynamodb::primitives::Blob;
use domain::admin::{self, Receipt, ReceiptOutcome};
use domain::badge::Badge;
use domain::booking::{Booking, BookingKind, BookingOutcome, Cause};
use domain::checkout::{Bill, Checkout, Outcome, Rejection, Returned, SoldLine, Voided};
use domain::command::Kind;
use domain::cutoff::{Cutoff, Replenished, StandingPolicy, Totals};
use domain::employee::{BadgeStatus, Employee};
use domain::event::{Event, EventKind};
use domain::id::{EmployeeNumber, TenantId, UserName, WebhookId};
use domain::import::{Effect, Import, Mode, Options, Reason, Refused, RosterEffect, Rows, Stage, Target};
use domain::listener::Audience;
use domain::menu::{Meal, MenuVersion};
use domain::money::Money;
use domain::reconciliation::{Books, Finding, LISTED, Progress, Run, Tally};
use domain::request::RequestHash;
use domain::role::{Admins, Role, Status, User};
use domain::tenant::{BusinessDay, Concessionaire, Station, Tenant, TenantStatus};
use domain::wallet::Wallet;
use domain::webhook::{Answer, Attempt, Delivery, Disabled, Fault, Webhook, Webhooks};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use uuid::Uuid;

fn acme() -> TenantId {
    "acme".parse().unwrap()
}

fn checkout_of(outcome: Outcome) -> Checkout {
    Checkout {
        tenant: acme(),
        id: "01900000-0000-7000-8000-000000000000".parse().unwrap(),
        request: RequestHash::from_bytes([9; 32]),
        employee: "100042".parse().unwrap(),
        station: Some("canteen-1".parse().unwrap()),
        concessionaire: "canteen".parse().unwrap(),
        caller: "acme-cashier".parse().unwrap(),
        business_date: jiff::civil::date(2026, 3, 2),
        accepted_at: "2026-03-02T04:00:00.123Z".parse().unwrap(),
        decided_at: "2026-03-02T04:00:00.150Z".parse().unwrap(),
        outcome,
        returned: Returned::default(),
    }
}

/// Lines as cafeterias have them: a code of 8, a name of 20 and a category of 8 characters.
fn settled(lines: usize) -> Checkout {
    let line = SoldLine {
        code: "SOUP-001".parse().unwrap(),
        name: "Tomato soup and roll".to_owned(),
        category: "starters".to_owned(),
        price: 18_050.try_into().unwrap(),
        calories: Some(350.try_into().unwrap()),
        qty: 2.try_into().unwrap(),
    };
    let bill = Bill {
        lines: vec![line; lines],
        discount: Money::from_minor(12_345),
        menu_version: MenuVersion { meals: 12, edit: 3 },
    };
    checkout_of(Outcome::Settled {
        bill,
        after: Wallet { balance: Money::from_minor(123_456), version: 321 },
    })
}

#[test]
fn a_checkout_reads_back() {
    let rejection = Rejection::UnknownMeal { codes: vec!["tea".parse().unwrap()] };
    for original in [settled(3), checkout_of(Outcome::Rejected(rejection))] {
        let item = checkout(&original).unwrap();
        assert_eq!(stored_checkout(item).unwrap(), original);
    }
}

/// Items of version 1, readable for ever: what is stored changes only by addition.
#[test]
fn items_are_stored_as_they_always_were() {
    let rejection =
        Rejection::InsufficientCredit { balance: Money::from_minor(5), total_net: Money::from_minor(9) };
    check_golden(&settled(1), include_str!("golden/settled_checkout.json"));
    check_golden(&checkout_of(Outcome::Rejected(rejection)), include_str!("golden/rejected_checkout.json"));
}

#[track_caller]
fn check_golden(original: &Checkout, golden: &str) {
    let golden: Value = serde_json::from_str(golden).unwrap();
    let item = golden.as_object().unwrap().iter().map(|(name, value)| (name.clone(), from_json(value)));
    assert_eq!(stored_checkout(item.collect()).unwrap(), *original);
    let written: Value =
        checkout(original).unwrap().iter().map(|(name, value)| (name.clone(), to_json(value))).collect();
    assert_eq!(written, golden, "{written:#}");
}

/// The same of every other item, one of each kind or more. Whoever adds an attribute adds an item here, and
/// changes none.
#[track_caller]
fn as_ever(name: &str, item: Item) -> Item {
    let golden: Value = serde_json::from_str(include_str!("golden/items_v1.json")).unwrap();
    let written: Value = item.iter().map(|(name, value)| (name.clone(), to_json(value))).collect();
    assert_eq!(written, golden[name], "{name}: {written:#}");
    item
}

/// A value in the service's own JSON, bytes in hexadecimal.
fn to_json(value: &AttributeValue) -> Value {
    match value {
        AttributeValue::S(text) => json!({ "S": text }),
        AttributeValue::N(digits) => json!({ "N": digits }),
        AttributeValue::Bool(value) => json!({ "BOOL": value }),
        AttributeValue::Null(_) => json!({ "NULL": true }),
        AttributeValue::Ss(texts) => json!({ "SS": texts.iter().collect::<BTreeSet<_>>() }),
        AttributeValue::B(bytes) => {
            json!({ "B": RequestHash::from_bytes(bytes.as_ref().try_into().unwrap()) })
        }
        AttributeValue::L(values) => json!({ "L": values.iter().map(to_json).collect::<Vec<_>>() }),
        AttributeValue::M(values) => {
            json!({ "M": values.iter().map(|(name, value)| (name.clone(), to_json(value))).collect::<Value>() })
        }
        other => panic!("nothing of ours is stored as {other:?}"),
    }
}

fn from_json(value: &Value) -> AttributeValue {
    let (kind, value) = value.as_object().unwrap().iter().next().unwrap();
    let text = || value.as_str().unwrap().to_owned();
    match kind.as_str() {
        "S" => AttributeValue::S(text()),
        "N" => AttributeValue::N(text()),
        "B" => AttributeValue::B(Blob::new(RequestHash::try_from(text()).unwrap().as_bytes())),
        "L" => AttributeValue::L(value.as_array().unwrap().iter().map(from_json).collect()),
        "M" => {
            let values = value.as_object().unwrap().iter();
            AttributeValue::M(values.map(|(name, value)| (name.clone(), from_json(value))).collect())
        }
        other => panic!("nothing of ours is stored as {other}"),
    }
}

/// The number stands in ARCHITECTURE.md.
#[test]
fn twelve_ordinary_lines_fit_into_a_kilobyte() {
    let bytes = |lines| size_bytes(&checkout(&settled(lines)).unwrap());
    assert!(bytes(12) <= 1_024, "{} bytes", bytes(12));
    assert!(bytes(13) > 1_024, "{} bytes: more lines fit than the documents say", bytes(13));
}

#[test]
fn everything_else_reads_back() {
    let tenant_value = Tenant {
        id: acme(),
        name: "Acme".to_owned(),
        status: TenantStatus::Active,
        currency: "PHP".to_owned().try_into().unwrap(),
        business_day: BusinessDay::new("Asia/Manila", 4).unwrap(),
        overdraft_limit: Money::from_minor(5),
        reached: [].into(),
    };
    for reached in [vec![], vec![Kind::Administer], Kind::ALL.to_vec()] {
        let tenant_value = Tenant { reached: reached.into_iter().collect(), ..tenant_value.clone() };
        assert_eq!(stored_tenant(&acme(), tenant(&tenant_value).unwrap()).unwrap(), tenant_value);
    }
    let at_work = Tenant { reached: [Kind::PostCheckout, Kind::Administer].into(), ..tenant_value.clone() };
    as_ever("tenant", tenant(&at_work).unwrap());

    let mut of_the_first_release = tenant(&tenant_value).unwrap();
    let marks = vec!["admin".to_owned(), "checkouts".to_owned()];
    of_the_first_release.insert("q".to_owned(), AttributeValue::Ss(marks));
    let reached = stored_tenant(&acme(), of_the_first_release).unwrap().reached;
    assert_eq!(reached, [Kind::PostCheckout].into());

    let role = Role::Cashier { concessionaire_id: "canteen".parse().unwrap() };
    let cashier = User::active("acme-cashier".parse().unwrap(), role);
    assert_eq!(
        stored_user(&cashier.name, as_ever("user", user(&acme(), &cashier).unwrap())).unwrap(),
        cashier
    );

    assert_eq!(listed_user(user(&acme(), &cashier).unwrap()).unwrap(), cashier);
    let signed_out = User { signed_out_at: Some(Timestamp::UNIX_EPOCH), ..cashier };
    let item = as_ever("user_signed_out", user(&acme(), &signed_out).unwrap());
    assert_eq!(listed_user(item).unwrap(), signed_out);
    let both = Admins(["acme.ann".parse().unwrap(), "acme.bob".parse().unwrap()].into());
    assert_eq!(stored_admins(as_ever("admins", admins(&acme(), &both).unwrap())).unwrap(), both);

    let concessionaire_id = "canteen".parse().unwrap();
    let station_value = Station {
        id: "s1".parse().unwrap(),
        concessionaire: concessionaire_id,
        status: Status::Inactive,
        former: vec![],
    };
    let mut item = as_ever("station", station(&acme(), &station_value).unwrap());
    assert_eq!(listed_station(item.clone()).unwrap(), station_value);
    item.remove("st").unwrap();
    let of_the_first_release = stored_station(&station_value.id, item).unwrap();
    assert_eq!(of_the_first_release, Station { status: Status::Active, ..station_value.clone() });
    let until = Timestamp::from_millisecond(1_700_000_000_000).unwrap();
    let moved = station_value.changed("grill".parse().unwrap(), Status::Active, until);
    let item = as_ever("moved_station", station(&acme(), &moved).unwrap());
    assert_eq!(listed_station(item).unwrap(), moved);
    let canteen = Concessionaire { id: "canteen".parse().unwrap(), name: "Canteen".to_owned() };
    assert_eq!(
        listed_concessionaire(as_ever("concessionaire", concessionaire(&acme(), &canteen).unwrap())).unwrap(),
        canteen
    );

    let buyer = Employee {
        number: "100042".parse().unwrap(),
        name: "Änne  O#Hara".to_owned(),
        status: Status::Active,
        discount: 500.try_into().unwrap(),
        limit: Some(Money::from_minor(1)),
        badges: [("1001".parse().unwrap(), BadgeStatus::Blocked)].into(),
        image_url: Some("https://example.com/a.png".to_owned()),
        changed_at: None,
    };
    let item = as_ever("employee", employee(&acme(), &buyer).unwrap());
    assert_eq!(item[keys::INDEX_SK], AttributeValue::S("änne o hara#100042".to_owned()));
    assert_eq!(listed_employee(item).unwrap(), buyer);
    let changed = Employee { changed_at: Some(Timestamp::UNIX_EPOCH), ..buyer.clone() };
    let item = as_ever("employee_changed", employee(&acme(), &changed).unwrap());
    assert_eq!(listed_employee(item).unwrap(), changed);

    let wallet_value = Wallet { balance: Money::from_minor(-7), version: u64::MAX };
    assert_eq!(
        stored_wallet(as_ever("wallet", wallet(&acme(), &buyer.number, wallet_value).unwrap())).unwrap(),
        wallet_value
    );

    let opening = Booking {
        id: "opening".parse().unwrap(),
        kind: BookingKind::Opening,
        at: "2026-03-02T06:00:00Z".parse().unwrap(),
        by: "seed".parse().unwrap(),
        cause: None,
        replenished: None,
        outcome: BookingOutcome::Booked { amount: Money::from_minor(5), after: wallet_value },
    };
    assert_eq!(
        stored_booking(as_ever("opening", booking(&acme(), &buyer.number, &opening).unwrap())).unwrap(),
        opening
    );

    let granted = Booking {
        id: "cutoff-2026-03-15".parse().unwrap(),
        kind: BookingKind::Grant,
        by: "cutoff".parse().unwrap(),
        replenished: Some(Replenished { granted: Money::from_minor(9), expired: Money::from_minor(4) }),
        ..opening
    };
    let item = as_ever("grant", booking(&acme(), &buyer.number, &granted).unwrap());
    assert_eq!(stored_booking(item).unwrap(), granted);

    let rfid = "1001".parse().unwrap();
    let released_at = Some("2026-03-02T06:00:00Z".parse().unwrap());
    for (name, released_at) in [("badge", None), ("released_badge", released_at)] {
        let held = Badge { employee: buyer.number.clone(), released_at };
        let item = as_ever(name, badge(&acme(), &rfid, &held).unwrap());
        assert_eq!(stored_badge(item).unwrap(), held);
    }
    let soup = Meal {
        name: "Soup".to_owned(),
        category: "starters".to_owned(),
        price: 180.try_into().unwrap(),
        calories: None,
    };
    let until = "2026-03-02T06:00:00Z".parse().unwrap();
    let head = MenuHead {
        version: MenuVersion { meals: 3, edit: 12 },
        edits: [("a".parse().unwrap(), None), ("b".parse().unwrap(), Some(soup.clone()))].into(),
        begun: 4,
        sold_out: [("a".parse().unwrap(), None), ("b".parse().unwrap(), Some(until))].into(),
        made_of: Some([0xa5; 32]),
    };
    let canteen = "canteen".parse().unwrap();
    assert_eq!(
        stored_menu_head(as_ever("menu", menu_head(&acme(), &canteen, &head).unwrap())).unwrap(),
        head
    );

    let counted = Meal { calories: Some(350.try_into().unwrap()), ..soup.clone() };
    for (name, soup) in [("meal", soup), ("counted_meal", counted)] {
        let code = "SOUP-001".parse().unwrap();
        let item = as_ever(name, meal(&acme(), &canteen, 3, &code, &soup).unwrap());
        assert_eq!(stored_meal(item).unwrap(), (code, soup));
    }
}

#[test]
fn what_was_put_right_reads_back() {
    let number = "100042".parse().unwrap();
    let moved = Wallet { balance: Money::from_minor(500), version: 9 };
    let refund = |outcome: BookingOutcome| Booking {
        id: "01900000-0000-7000-8000-00000000000b".parse().unwrap(),
        kind: BookingKind::Refund,
        at: "2026-03-02T06:00:00Z".parse().unwrap(),
        by: "acme.ann".parse().unwrap(),
        cause: Some(Cause {
            request: RequestHash::from_bytes([7; 32]),
            reason: "cold".to_owned().try_into().unwrap(),
            checkout: Some("01900000-0000-7000-8000-000000000000".parse().unwrap()),
            items: [("SOUP-001".parse().unwrap(), 2.try_into().unwrap())].into(),
            accepted_at: "2026-03-02T05:59:59Z".parse().unwrap(),
        }),
        replenished: None,
        outcome,
    };
    let rejection = domain::booking::Rejection::ExceedsPaid { refundable: Money::from_minor(3) };
    let outcomes =
        [BookingOutcome::Booked { amount: Money::ZERO, after: moved }, BookingOutcome::Rejected(rejection)];
    for (name, refund) in ["refund", "rejected_refund"].into_iter().zip(outcomes.map(refund)) {
        let item = as_ever(name, booking(&acme(), &number, &refund).unwrap());
        assert_eq!(stored_booking(item.clone()).unwrap(), refund);
        assert_eq!(stored_audited(item).unwrap(), Audited::Correction(number.clone(), refund));
    }

    let returned = Returned {
        amount: Money::from_minor(5),
        items: [("SOUP-001".parse().unwrap(), 2)].into(),
        voided: Some(Voided { at: "2026-03-02T06:00:00Z".parse().unwrap(), by: "acme.ann".parse().unwrap() }),
    };
    let corrected = Checkout { returned, ..settled(1) };
    assert_eq!(
        stored_checkout(as_ever("voided_checkout", checkout(&corrected).unwrap())).unwrap(),
        corrected
    );
    let withdrawn = Checkout { station: None, ..checkout_of(Outcome::Withdrawn) };
    assert_eq!(
        stored_checkout(as_ever("withdrawn_checkout", checkout(&withdrawn).unwrap())).unwrap(),
        withdrawn
    );
}

#[test]
fn a_reconciliation_reads_back() {
    let now = Timestamp::from_millisecond(1_700_000_000_000).unwrap();
    let number: EmployeeNumber = "100042".parse().unwrap();
    let id = "01900000-0000-7000-8000-000000000000".parse().unwrap();
    let mut tally = Tally { employees: 2, movements: 9, ..Tally::default() };
    let (returned, booked) = (Money::from_minor(-5), Money::ZERO);
    for finding in [
        Finding::Restless,
        Finding::MovementMissing { version: 3 },
        Finding::ReturnedDiffers { checkout: id, returned, booked },
        Finding::CutoffDiffers { date: jiff::civil::date(2026, 3, 15) },
    ] {
        tally.note(Some(&number), finding, LISTED);
    }
    tally.note(None, Finding::Incomplete { parts: 1 }, LISTED);
    let open = Run { parts: 3, expected: 201, ..Run::open(jiff::civil::date(2026, 3, 2), now) };
    let closed = Run { is_handed_out: true, closed: Some((now, tally.clone())), ..open.clone() };
    for (name, run, behind) in
        [("open_reconciliation", open, Some(number)), ("closed_reconciliation", closed, None)]
    {
        let stored = StoredRun { run, behind };
        let item = as_ever(name, reconciliation(&acme(), &stored).unwrap());
        assert_eq!(stored_reconciliation(item).unwrap(), stored);
    }
    let done = Progress { looked_at: 2, is_done: true, tally };
    for (name, progress) in [("begun_part", Progress::default()), ("done_part", done)] {
        let key = keys::reconciliation_part(&acme(), jiff::civil::date(2026, 3, 2), 7);
        let item = as_ever(name, reconciliation_part(key, &progress, now).unwrap());
        assert!(item.contains_key(keys::TTL));
        assert_eq!(stored_reconciliation_part(item).unwrap(), progress);
    }
}

/// Whatever stands in an employee's partition is entered; what does not read, or not in its place, is a
/// finding.
#[test]
fn an_account_is_entered_item_by_item() {
    let number: EmployeeNumber = "100042".parse().unwrap();
    let check = |item: Item, expected: &[&str]| {
        let mut books = Books::default();
        books.enter_employee();
        books.enter_wallet(Wallet::default());
        enter(&mut books, &acme(), &number, item).unwrap();
        let found = books.check(Money::ZERO);
        assert_eq!(found.iter().map(Finding::name).collect::<Vec<_>>(), expected);
    };
    let sale = checkout(&checkout_of(Outcome::Rejected(Rejection::Expired))).unwrap();
    check(sale.clone(), &[]);
    check(wallet(&acme(), &number, Wallet::default()).unwrap(), &[]);
    let astray = |attribute: &str, value: &str| {
        let mut item = sale.clone();
        item.insert(attribute.to_owned(), AttributeValue::S(value.to_owned()));
        item
    };
    check(astray(keys::INDEX_SK, "01900000-0000-7000-8000-000000000001"), &["index-differs"]);
    check(astray(keys::INDEX_PK, "T#globex#C#canteen#2026-03-02"), &["index-differs"]);
    check(astray(keys::INDEX_PK, "nowhere"), &["unreadable"]);
    check(astray("by", "nobody's name"), &["unreadable"]);
    check(astray(keys::SK, "NOTE#1"), &["unreadable"]);
}

#[test]
fn a_receipt_reads_back() {
    let outcomes = [
        ReceiptOutcome::Applied { before: Value::Null, after: json!({ "name": "Kitchen" }) },
        ReceiptOutcome::Rejected(admin::Rejection::BadgeResting {
            until: "2026-03-05T06:00:00Z".parse().unwrap(),
        }),
        ReceiptOutcome::Rejected(admin::Rejection::LastAdmin),
    ];
    let names = ["applied", "rejected", "last_admin"];
    for ((outcome, is_platforms), name) in outcomes.into_iter().zip([false, true, false]).zip(names) {
        let value = Receipt {
            tenant: acme(),
            id: "01900000-0000-7000-8000-00000000000c".parse().unwrap(),
            request: RequestHash::from_bytes([8; 32]),
            caller: "acme.ann".parse().unwrap(),
            change: "set-concessionaire".to_owned(),
            subject: "concessionaires/kitchen".to_owned(),
            reason: is_platforms.then(|| "unpaid".to_owned().try_into().unwrap()),
            is_platforms,
            accepted_at: "2026-03-02T05:59:59Z".parse().unwrap(),
            decided_at: "2026-03-02T06:00:00Z".parse().unwrap(),
            outcome,
        };
        let item = as_ever(&format!("{name}_receipt"), receipt(&value).unwrap());
        assert_eq!(stored_receipt(item.clone()).unwrap(), value);
        assert_eq!(stored_audited(item).unwrap(), Audited::Receipt(value));
    }
}

#[test]
fn webhooks_and_deliveries_read_back() {
    let at = |ms: i64| Timestamp::from_millisecond(1_700_000_000_000 + ms).unwrap();
    let id: WebhookId = "01900000-0000-7000-8000-000000000000".parse().unwrap();
    let url = "https://hooks.example.com/pos".to_owned().try_into().unwrap();
    let fresh = Webhook::new(id, url, [EventKind::CutoffClosed].into(), at(0));
    let event = Event::of_test(&acme(), id, "01900000-0000-7000-8000-000000000001".parse().unwrap(), at(1));
    let waiting = Delivery::new(event, None);
    let gone = Webhook {
        status: Status::Inactive,
        generation: 2,
        rotated_at: Some(at(2)),
        disabled: Some(Disabled { at: at(3), by: waiting.id.clone() }),
        ..fresh.clone()
    };
    for (name, webhook) in [("fresh_webhook", fresh), ("gone_webhook", gone)] {
        let all = Webhooks([(id, webhook)].into());
        assert_eq!(stored_webhooks(as_ever(name, webhooks(&acme(), &all).unwrap())).unwrap(), all);
    }
    let attempts = [Answer::None(Fault::TimedOut), Answer::Status(200)].map(|answer| Attempt {
        at: at(9),
        answer,
        duration_ms: 7,
    });
    let tried = attempts.into_iter().fold(waiting.clone(), Delivery::after);
    for (name, value) in [("waiting_delivery", waiting), ("tried_delivery", tried)] {
        let item = as_ever(name, delivery(&acme(), id, &value).unwrap());
        assert!(item.contains_key(keys::TTL));
        assert_eq!(stored_delivery(item).unwrap(), value);
    }
}

#[test]
fn an_import_reads_back() {
    let begun = Import {
        tenant: acme(),
        id: "01900000-0000-7000-8000-000000000000".parse().unwrap(),
        target: Target::Menu("coffee-bar".parse().unwrap()),
        options: Options { default_price: Some(4_500.try_into().unwrap()), ..Options::new(Mode::Merge) },
        by: Some("ann".parse().unwrap()),
        etag: "d41d8cd9".to_owned(),
        bytes: 2_048,
        begun_at: Timestamp::from_millisecond(1_700_000_000_000).unwrap(),
        updated_at: Timestamp::from_millisecond(1_700_000_001_000).unwrap(),
        rows: Rows { good: 7, bad: 3, listed: 2 },
        stage: Stage::Validating,
    };
    let effect = RosterEffect { created: 1, changed: 2, unchanged: 3, deactivated: 4 };
    let version = MenuVersion { meals: 3, edit: 0 };
    for (name, stage) in [
        ("validating_import", Stage::Validating),
        ("applying_import", Stage::Applying { done: 5 }),
        ("applied_roster", Stage::Applied(Effect::Roster(effect))),
        ("applied_menu", Stage::Applied(Effect::Menu { version, meals: 7, kept: 1, is_unchanged: false })),
        ("refused_import", Stage::Refused(Refused::new(Reason::BadRows, "3 of 10 rows are wrong"))),
    ] {
        let import = Import { stage, ..begun.clone() };
        let item = as_ever(name, super::import(&import).unwrap());
        assert_eq!(stored_import(&acme(), item).unwrap(), import);
    }
    let roster = Import { target: Target::Roster, by: None, ..begun };
    assert_eq!(stored_import(&acme(), super::import(&roster).unwrap()).unwrap(), roster);
}

#[test]
fn cutoffs_and_listeners_are_stored_as_ever() {
    let now = Timestamp::from_millisecond(1_700_000_000_000).unwrap();
    let policy_value: StandingPolicy = serde_json::from_value(json!({
        "policy": {
            "schedule": { "semi_monthly": { "first": 15, "second": "last" } },
            "at": "06:00",
            "method": { "method": "top_up", "amount": 500, "cap": 900 },
            "negative_balance": "carry",
            "default_limit": 700,
            "prorates_joiners": true,
        },
        "since": "2026-03-02T06:00:00Z",
    }))
    .unwrap();
    assert_eq!(
        stored_policy(as_ever("policy", policy(&acme(), &policy_value).unwrap())).unwrap(),
        policy_value
    );

    let date = jiff::civil::date(2026, 3, 15);
    let roster_value = Roster { latest: date, is_open: true };
    assert_eq!(
        stored_roster(as_ever("roster", roster(&acme(), &roster_value).unwrap())).unwrap(),
        roster_value
    );

    let totals =
        Totals { booked: 2, granted: 900, expired: 5, skipped: [("employee-inactive".to_owned(), 1)].into() };
    let open = Cutoff::open(date, policy_value.policy, 3, now);
    let closed = Cutoff { closed: Some((now, totals.clone())), ..open.clone() };
    let behind = Some("100042".parse().unwrap());
    for (name, cutoff_value, behind, is_untold) in [
        ("open_cutoff", open, behind, false),
        ("closed_cutoff", closed.clone(), None, false),
        ("untold_cutoff", closed, None, true),
    ] {
        let stored = StoredCutoff { cutoff: cutoff_value, behind, is_untold };
        let item = as_ever(name, cutoff(&acme(), &stored).unwrap());
        let read = stored_cutoff(date, item).unwrap();
        assert_eq!(read, stored);
    }
    let item = as_ever("chunk", cutoff_part(keys::cutoff_part(&acme(), date, 0, 7), &totals).unwrap());
    assert_eq!(stored_cutoff_part(item).unwrap(), totals);

    let user: UserName = "acme.ann".parse().unwrap();
    let id = Uuid::from_u128(7);
    let session_value = Session { connection: "Lk5Zq".to_owned(), user, expires_at: now };
    let item = as_ever("session", session(&acme(), id, &session_value).unwrap());
    assert_eq!(stored_session(item).unwrap(), session_value);
    let listening = Listening { session: session_value, is_gone: true };
    let audience = Listeners { since: now, sessions: [(id, listening)].into() };
    let item = as_ever("listeners", listeners(&acme(), &Audience::Tenant, &audience).unwrap());
    assert_eq!(stored_listeners(item).unwrap(), audience);
    let event = Event::of_cutoff(&acme(), date, &totals, now);
    let (position, read) = stored_told(as_ever("told", told(&event, now).unwrap())).unwrap();
    assert_eq!((position, read), (keys::position(now, &event.id), event));
}
