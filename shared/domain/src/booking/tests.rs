//! The spec of a correction: a table for precedence, properties for the sums.

use super::*;
use crate::checkout::{self, SoldLine};
use crate::money::Price;
use crate::tenant::{BusinessDay, TenantStatus};
use proptest::prelude::*;

fn now() -> Timestamp {
    "2026-03-02T04:00:00Z".parse().unwrap()
}

fn tenant() -> Tenant {
    Tenant {
        id: "acme".parse().unwrap(),
        name: "Acme".to_owned(),
        status: TenantStatus::Active,
        currency: "EUR".to_owned().try_into().unwrap(),
        business_day: BusinessDay::new("Asia/Manila", 0).unwrap(),
        overdraft_limit: Money::ZERO,
        reached: [].into(),
    }
}

fn minor(amount: i64) -> Money {
    Money::from_minor(amount)
}

/// Of a minute ago.
fn id() -> CheckoutId {
    let hex = format!("{:012x}", now().as_millisecond() - 60_000);
    format!("{}-{}-7000-8000-000000000000", &hex[..8], &hex[8..]).parse().unwrap()
}

/// A settled sale at the coffee bar, `age` before now: lines as code, price and quantity.
fn sale(lines: &[(&str, i64, i64)], discount: i64, age: SignedDuration) -> Checkout {
    let line = |&(code, price, qty): &(&str, i64, i64)| SoldLine {
        code: code.parse().unwrap(),
        name: code.to_owned(),
        category: String::new(),
        price: Price::try_from(price).unwrap(),
        calories: None,
        qty: qty.try_into().unwrap(),
    };
    let lines = lines.iter().map(line).collect();
    let bill = Bill { lines, discount: minor(discount), menu_version: "1.0".to_owned().try_into().unwrap() };
    Checkout {
        tenant: "acme".parse().unwrap(),
        id: id(),
        request: RequestHash::from_bytes([1; 32]),
        employee: "7".parse().unwrap(),
        station: Some("s1".parse().unwrap()),
        concessionaire: "coffee-bar".parse().unwrap(),
        caller: "cashier".parse().unwrap(),
        business_date: tenant().business_day.date_of(now() - age),
        accepted_at: now() - age,
        decided_at: now() - age,
        outcome: Outcome::Settled { bill, after: Wallet { balance: minor(500), version: 3 } },
        returned: Returned::default(),
    }
}

/// One coffee at 180 and two bagels at 240, with a tenth off: 594 paid.
fn lunch() -> Checkout {
    sale(&[("coffee", 180, 1), ("bagel", 240, 2)], 66, SignedDuration::from_mins(5))
}

fn decide_on(checkout: Option<&Checkout>, balance: i64, correction: Correction) -> Decision {
    let command = PostBooking {
        tenant: "acme".parse().unwrap(),
        id: "01900000-0000-7000-8000-00000000000b".parse().unwrap(),
        request: RequestHash::from_bytes([2; 32]),
        caller: "manager".parse().unwrap(),
        employee: "7".parse().unwrap(),
        correction,
        reason: "because".to_owned().try_into().unwrap(),
        accepted_at: now(),
        expires_at: now() + SignedDuration::from_mins(5),
    };
    let wallet = Wallet { balance: minor(balance), version: 9 };
    decide(State { tenant: &tenant(), wallet, checkout, now: now() }, &command)
}

#[track_caller]
fn check(checkout: Option<&Checkout>, correction: Correction, expected: Result<i64, Rejection>) {
    let decision = decide_on(checkout, 100, correction);
    match (&decision.booking.outcome, expected) {
        (BookingOutcome::Booked { amount, after }, Ok(expected)) => {
            assert_eq!(*amount, minor(expected));
            assert_eq!(*after, Wallet { balance: minor(100 + expected), version: 10 });
        }
        (BookingOutcome::Rejected(rejection), Err(expected)) => {
            assert_eq!(*rejection, expected);
            assert_eq!((decision.checkout, decision.booking.entry()), (None, None));
        }
        (outcome, expected) => panic!("{outcome:?} instead of {expected:?}"),
    }
}

fn void(stall: &str, is_cashier: bool) -> Correction {
    Correction::Void { checkout: id(), concessionaire: stall.parse().unwrap(), is_cashier }
}

fn refund(share: Share) -> Correction {
    Correction::Refund { checkout: id(), concessionaire: Some("coffee-bar".parse().unwrap()), share }
}

fn items(items: &[(&str, i64)]) -> Share {
    Share::Items(
        items.iter().map(|(code, qty)| (code.parse().unwrap(), (*qty).try_into().unwrap())).collect(),
    )
}

fn amount(amount: i64) -> Share {
    Share::Amount(minor(amount))
}

#[test]
fn a_void_gives_back_what_remains_today() {
    check(Some(&lunch()), void("coffee-bar", true), Ok(594));
    check(Some(&lunch()), void("kitchen", true), Err(Rejection::UnknownCheckout));
    let returned = Returned { amount: minor(94), ..Returned::default() };
    check(Some(&Checkout { returned, ..lunch() }), void("coffee-bar", false), Ok(500));
    let old = sale(&[("coffee", 180, 1)], 0, SignedDuration::from_mins(16));
    check(Some(&old), void("coffee-bar", true), Err(Rejection::TooLate));
    check(Some(&old), void("coffee-bar", false), Ok(180));
    // Noon in Manila, so thirteen hours ago is yesterday.
    let yesterday = sale(&[("coffee", 180, 1)], 0, SignedDuration::from_hours(13));
    check(Some(&yesterday), void("coffee-bar", false), Err(Rejection::TooLate));
    let rejected = Outcome::Rejected(checkout::Rejection::Expired);
    let rejected = Checkout { outcome: rejected, ..lunch() };
    check(Some(&rejected), void("coffee-bar", true), Err(Rejection::NotSettled));
}

#[test]
fn a_void_before_the_sale_withdraws_it() {
    check(None, void("coffee-bar", true), Ok(0));
    let withdrawn = decide_on(None, 100, void("coffee-bar", true)).checkout.unwrap();
    assert_eq!((&withdrawn.outcome, withdrawn.entry()), (&Outcome::Withdrawn, None));
    assert!(withdrawn.answers(RequestHash::from_bytes([9; 32])));
    check(Some(&withdrawn), void("coffee-bar", true), Err(Rejection::AlreadyVoided));
    check(Some(&withdrawn), refund(amount(1)), Err(Rejection::AlreadyVoided));
    // Nobody could be charged under an id that old.
    let checkout = "01900000-0000-7000-8000-000000000000".parse().unwrap();
    let old = Correction::Void { checkout, concessionaire: "coffee-bar".parse().unwrap(), is_cashier: true };
    check(None, old, Err(Rejection::UnknownCheckout));
}

#[test]
fn what_was_voided_is_given_back_once() {
    let voided = decide_on(Some(&lunch()), 100, void("coffee-bar", true)).checkout.unwrap();
    check(Some(&voided), void("coffee-bar", true), Err(Rejection::AlreadyVoided));
    check(Some(&voided), refund(amount(1)), Err(Rejection::AlreadyVoided));
}

#[test]
fn a_refund_stays_within_what_was_paid() {
    check(Some(&lunch()), refund(amount(594)), Ok(594));
    check(Some(&lunch()), refund(amount(595)), Err(Rejection::ExceedsPaid { refundable: minor(594) }));
    check(None, refund(amount(1)), Err(Rejection::UnknownCheckout));
    check(Some(&lunch()), refund(items(&[("coffee", 1)])), Ok(162));
    check(Some(&lunch()), refund(items(&[("bagel", 2), ("coffee", 1)])), Ok(594));
    let codes = vec!["bagel".parse().unwrap(), "tea".parse().unwrap()];
    check(
        Some(&lunch()),
        refund(items(&[("bagel", 3), ("coffee", 1), ("tea", 1)])),
        Err(Rejection::ExceedsSold { codes }),
    );
    // Most of it is given back already, so the bagels are worth more than what is left.
    let returned = Returned { amount: minor(500), ..Returned::default() };
    let mostly = Checkout { returned, ..lunch() };
    let refused = Rejection::ExceedsPaid { refundable: minor(94) };
    check(Some(&mostly), refund(items(&[("bagel", 2)])), Err(refused));
}

#[test]
fn an_adjustment_stops_at_the_floor() {
    let adjust = |amount: i64| Correction::Adjustment { amount: minor(amount) };
    check(None, adjust(50), Ok(50));
    check(None, adjust(-100), Ok(-100));
    check(None, adjust(-101), Err(Rejection::InsufficientCredit { balance: minor(100) }));
    check(None, adjust(i64::MAX), Err(Rejection::OutOfRange));
    check(None, adjust(i64::MIN), Err(Rejection::OutOfRange));
}

fn shares() -> impl Strategy<Value = Vec<Share>> {
    let share = prop_oneof![
        (1..400i64).prop_map(amount),
        (prop::sample::select(vec!["a", "b", "c"]), 1..4i64).prop_map(|item| items(&[item])),
    ];
    prop::collection::vec(share, 1..20)
}

proptest! {
    /// However it is cut into refunds, never more comes back than was paid, and a void closes it.
    #[test]
    fn refunds_never_exceed_what_was_paid(
        prices in prop::array::uniform3(0..300i64),
        quantities in prop::array::uniform3(1..5i64),
        basis_points in 0..=10_000i64,
        shares in shares(),
    ) {
        let lines: Vec<_> = ["a", "b", "c"].into_iter().zip(prices).zip(quantities)
            .map(|((code, price), qty)| (code, price, qty)).collect();
        let gross: i64 = lines.iter().map(|(_, price, qty)| price * qty).sum();
        let discount = crate::money::BasisPoints::try_from(basis_points).unwrap().of(minor(gross)).minor();
        let mut checkout = sale(&lines, discount, SignedDuration::from_mins(1));
        let (paid, mut back) = (gross - discount, 0);
        for share in shares {
            let decision = decide_on(Some(&checkout), 0, refund(share));
            if let Some(entry) = decision.booking.entry() {
                back += entry.amount.minor();
                checkout = decision.checkout.unwrap();
                prop_assert!(entry.amount >= Money::ZERO);
            }
            prop_assert!(back <= paid);
            prop_assert_eq!(checkout.returned.amount.minor(), back);
        }
        let voided = decide_on(Some(&checkout), 0, void("coffee-bar", true));
        prop_assert_eq!(voided.booking.entry().unwrap().amount.minor(), paid - back);
    }

    /// All meals of a sale, given back one by one, are worth what was paid.
    #[test]
    fn meals_given_back_one_by_one_are_worth_the_sale(
        prices in prop::array::uniform3(0..300i64),
        quantities in prop::array::uniform3(1..5i64),
        basis_points in 0..=10_000i64,
    ) {
        let lines: Vec<_> = ["a", "b", "c"].into_iter().zip(prices).zip(quantities)
            .map(|((code, price), qty)| (code, price, qty)).collect();
        let gross: i64 = lines.iter().map(|(_, price, qty)| price * qty).sum();
        let discount = crate::money::BasisPoints::try_from(basis_points).unwrap().of(minor(gross)).minor();
        let mut checkout = sale(&lines, discount, SignedDuration::from_mins(1));
        for (code, _, qty) in lines {
            for _ in 0..qty {
                checkout = decide_on(Some(&checkout), 0, refund(items(&[(code, 1)]))).checkout.unwrap();
            }
        }
        prop_assert_eq!(checkout.returned.amount.minor(), gross - discount);
    }
}
