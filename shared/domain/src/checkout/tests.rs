//! The spec of a decision: a table for precedence, properties for the sums.

use super::*;
use crate::command::{Basket, COMMAND_LIFETIME};
use crate::employee::BadgeStatus;
use crate::menu::{Meals, SoldOut};
use crate::tenant::BusinessDay;
use proptest::prelude::*;
use std::collections::BTreeMap;
use std::sync::Arc;

/// One situation at the till; each field is what differs from a sale that settles.
#[derive(Debug, Clone)]
struct Case {
    balance: i64,
    overdraft: i64,
    discount: i64,
    late: bool,
    suspended: bool,
    inactive: bool,
    badge: Option<&'static str>,
    no_menu: bool,
    sold_out: Vec<(&'static str, Option<Timestamp>)>,
    /// Code, quantity and the price displayed.
    order: Vec<(&'static str, i64, Option<i64>)>,
}

fn sale() -> Case {
    Case {
        balance: 1_000,
        overdraft: 0,
        discount: 0,
        late: false,
        suspended: false,
        inactive: false,
        badge: Some("1001"),
        no_menu: false,
        sold_out: vec![],
        order: vec![("coffee", 2, Some(180)), ("bagel", 1, None)],
    }
}

fn now() -> Timestamp {
    "2026-03-02T04:00:00Z".parse().unwrap()
}

fn meals() -> Arc<Meals> {
    let meal = |code: &str, price: i64, calories: Option<i64>| {
        let meal = Meal {
            name: code.to_owned(),
            category: "all day".to_owned(),
            price: price.try_into().unwrap(),
            calories: calories.map(|kcal| kcal.try_into().unwrap()),
        };
        (code.parse().unwrap(), meal)
    };
    Arc::new(BTreeMap::from([
        meal("coffee", 180, Some(5)),
        meal("bagel", 240, None),
        meal("water", 0, Some(0)),
    ]))
}

fn decide_case(case: &Case) -> Checkout {
    let tenant = Tenant {
        id: "acme".parse().unwrap(),
        name: "Acme".to_owned(),
        status: if case.suspended { TenantStatus::Suspended } else { TenantStatus::Active },
        currency: "EUR".to_owned().try_into().unwrap(),
        business_day: BusinessDay::new("Asia/Manila", 0).unwrap(),
        overdraft_limit: Money::from_minor(case.overdraft),
        reached: [].into(),
    };
    let employee = Employee {
        number: "7".parse().unwrap(),
        name: "Ann".to_owned(),
        status: if case.inactive { Status::Inactive } else { Status::Active },
        discount: case.discount.try_into().unwrap(),
        limit: Some(Money::from_minor(1_000)),
        badges: BTreeMap::from([
            ("1001".parse().unwrap(), BadgeStatus::Active),
            ("1002".parse().unwrap(), BadgeStatus::Blocked),
        ]),
        image_url: None,
        changed_at: None,
    };
    let sold_out: SoldOut =
        case.sold_out.iter().map(|(code, until)| (code.parse().unwrap(), *until)).collect();
    let menu = Menu { version: MenuVersion { meals: 3, edit: 1 }, base: meals(), edits: [].into(), sold_out };
    let lines: Vec<_> = case
        .order
        .iter()
        .map(|(code, qty, price)| OrderLine {
            code: code.parse().unwrap(),
            qty: (*qty).try_into().unwrap(),
            price: price.map(|minor| minor.try_into().unwrap()),
        })
        .collect();
    let accepted_at = if case.late { now() - COMMAND_LIFETIME * 2 } else { now() };
    let command = PostCheckout {
        tenant: tenant.id.clone(),
        id: "01900000-0000-7000-8000-000000000000".parse().unwrap(),
        request: RequestHash::from_bytes([1; 32]),
        caller: "cashier".parse().unwrap(),
        employee: employee.number.clone(),
        badge: case.badge.map(|rfid| rfid.parse().unwrap()),
        station: "s1".parse().unwrap(),
        concessionaire: "canteen".parse().unwrap(),
        basket: Basket::try_from(lines).unwrap(),
        accepted_at,
        expires_at: accepted_at + COMMAND_LIFETIME,
    };
    let wallet = Wallet { balance: Money::from_minor(case.balance), version: 4 };
    let menu = (!case.no_menu).then_some(&menu);
    decide(&State { tenant: &tenant, employee: &employee, wallet, menu, now: now() }, &command)
}

/// `expected` is the balance left, or the name of the rejection.
#[track_caller]
fn check(case: Case, expected: Result<i64, &str>) {
    match (decide_case(&case).outcome, expected) {
        (Outcome::Settled { bill, after }, Ok(balance)) => {
            assert_eq!(after, Wallet { balance: Money::from_minor(balance), version: 5 });
            assert_eq!(case.balance - bill.total_net().minor(), balance);
        }
        (Outcome::Rejected(rejection), Err(name)) => assert_eq!(rejection.name(), name),
        (outcome, expected) => panic!("expected {expected:?}, got {outcome:?}"),
    }
}

#[test]
fn a_sale_debits_its_price_from_the_menu() {
    check(sale(), Ok(400));
    check(Case { badge: None, ..sale() }, Ok(400));
    check(Case { discount: 1_000, ..sale() }, Ok(460));
    check(Case { discount: 10_000, ..sale() }, Ok(1_000));
    check(Case { balance: 600, ..sale() }, Ok(0));
    check(Case { balance: 599, overdraft: 1, ..sale() }, Ok(-1));
    check(Case { balance: -9, order: vec![("water", 1, None)], ..sale() }, Ok(-9));
    check(Case { sold_out: vec![("bagel", Some(now()))], ..sale() }, Ok(400));
}

#[test]
fn each_refusal_has_its_name() {
    check(Case { late: true, ..sale() }, Err("expired"));
    check(Case { suspended: true, ..sale() }, Err("tenant-suspended"));
    check(Case { inactive: true, ..sale() }, Err("employee-inactive"));
    check(Case { badge: Some("1002"), ..sale() }, Err("badge-blocked"));
    check(Case { badge: Some("9999"), ..sale() }, Err("badge-blocked"));
    check(Case { no_menu: true, ..sale() }, Err("unknown-meal"));
    check(Case { order: vec![("tea", 1, None)], ..sale() }, Err("unknown-meal"));
    check(Case { sold_out: vec![("bagel", None)], ..sale() }, Err("sold-out"));
    check(Case { order: vec![("coffee", 1, Some(179))], ..sale() }, Err("price-changed"));
    check(Case { balance: 599, ..sale() }, Err("insufficient-credit"));
}

/// Everything is wrong at once; what is mended in order uncovers the next.
#[test]
fn the_first_refusal_in_order_is_the_answer() {
    let mut case = Case {
        balance: 0,
        late: true,
        suspended: true,
        inactive: true,
        badge: Some("1002"),
        sold_out: vec![("bagel", None)],
        order: vec![("tea", 1, None), ("bagel", 1, None), ("coffee", 1, Some(1))],
        ..sale()
    };
    check(case.clone(), Err("expired"));
    case.late = false;
    check(case.clone(), Err("tenant-suspended"));
    case.suspended = false;
    check(case.clone(), Err("employee-inactive"));
    case.inactive = false;
    check(case.clone(), Err("badge-blocked"));
    case.badge = None;
    check(case.clone(), Err("unknown-meal"));
    case.order.remove(0);
    check(case.clone(), Err("sold-out"));
    case.sold_out.clear();
    check(case.clone(), Err("price-changed"));
    case.order.remove(1);
    check(case, Err("insufficient-credit"));
}

#[test]
fn a_refusal_names_every_line_it_concerns() {
    let case = Case { order: vec![("tea", 1, None), ("coffee", 1, None), ("cake", 1, None)], ..sale() };
    let codes = vec!["tea".parse().unwrap(), "cake".parse().unwrap()];
    assert_eq!(decide_case(&case).outcome, Outcome::Rejected(Rejection::UnknownMeal { codes }));
}

#[test]
fn a_sale_keeps_its_business_date_and_calories() {
    let checkout = decide_case(&sale());
    assert_eq!(checkout.business_date.to_string(), "2026-03-02");
    let Outcome::Settled { bill, .. } = checkout.outcome else { panic!("not settled") };
    assert_eq!(bill.total_calories(), 10);
    assert_eq!(bill.lines[1].subtotal_calories(), None);
}

fn any_case() -> impl Strategy<Value = Case> {
    let code = prop_oneof![Just("coffee"), Just("bagel"), Just("water"), Just("tea")];
    let line = (code, 1..=99i64, proptest::option::of(prop_oneof![Just(180i64), Just(240), 0..500i64]));
    (
        -500..50_000i64,
        0..2_000i64,
        0..=10_000i64,
        proptest::collection::vec(line, 1..=crate::command::MAX_LINES),
        proptest::option::of(prop_oneof![Just("1001"), Just("1002")]),
        any::<[bool; 3]>(),
    )
        .prop_map(|(balance, overdraft, discount, order, badge, [late, suspended, inactive])| Case {
            balance,
            overdraft,
            discount,
            order,
            badge,
            late: late && suspended,
            suspended: suspended && inactive,
            inactive: inactive && late,
            no_menu: false,
            sold_out: vec![],
        })
}

proptest! {
    #[test]
    fn a_decision_adds_up(case in any_case()) {
        let again = decide_case(&case);
        let checkout = decide_case(&case);
        prop_assert_eq!(&again, &checkout, "a decision is a function");
        if let Outcome::Settled { bill, after } = checkout.outcome {
            let lines: i64 = bill.lines.iter().map(|l| l.price.get() * i64::from(l.qty.get())).sum();
            let (gross, discount, net) = (bill.total_gross(), bill.discount, bill.total_net());
            prop_assert_eq!(gross.minor(), lines);
            prop_assert_eq!(net.minor() + discount.minor(), gross.minor());
            prop_assert!(discount >= Money::ZERO && discount <= gross);
            // Half up, without a float: |discount * 10_000 - gross * bp| <= 5_000.
            prop_assert!((discount.minor() * 10_000 - gross.minor() * case.discount).abs() <= 5_000);
            prop_assert_eq!(after.balance.minor(), case.balance - net.minor());
            prop_assert!(after.balance.minor() >= -case.overdraft || net == Money::ZERO);
            for (line, (code, qty, shown)) in bill.lines.iter().zip(&case.order) {
                prop_assert_eq!(line.code.as_str(), *code);
                prop_assert_eq!(i64::from(line.qty.get()), *qty);
                prop_assert!(shown.is_none_or(|shown| shown == line.price.get()));
            }
        }
    }
}
