//! What is true of every life of a wallet is no finding; whatever is changed of it is one.

use super::*;
use crate::booking::{self, Booking, BookingKind, BookingOutcome, Correction, PostBooking, Share, State};
use crate::checkout::{Bill, Checkout, Outcome, Returned, SoldLine};
use crate::command::MOVES_WITHIN;
use crate::id::CommandId;
use crate::ledger::{Entry, Movement};
use crate::money::Price;
use crate::request::RequestHash;
use crate::tenant::{BusinessDay, Tenant, TenantStatus};
use crate::wallet::Wallet;
use jiff::{SignedDuration, ToSpan};
use proptest::prelude::*;
use std::collections::BTreeSet;

const OPENING: i64 = 10_000;

fn now() -> Timestamp {
    "2026-03-02T04:00:00Z".parse().unwrap()
}

fn minor(amount: i64) -> Money {
    Money::from_minor(amount)
}

/// The id that is made for what happens at an instant, a millisecond apart from those of other steps.
fn id_at(at: Timestamp, index: usize) -> CommandId {
    CommandId::made_at(at.as_millisecond() + i64::try_from(index).unwrap(), &[0; 32]).unwrap()
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

/// One employee's partition, filled by the same functions as the real one.
#[derive(Debug, Clone)]
struct Account {
    has_employee: bool,
    wallet: Option<Wallet>,
    checkouts: Vec<Checkout>,
    bookings: Vec<Booking>,
    /// From one step to the next.
    pace: SignedDuration,
}

#[derive(Debug, Clone)]
enum Step {
    Sell(i64),
    /// A share of a sale, in minor units.
    Refund(usize, i64),
    /// A meal of a sale.
    GiveBack(usize),
    Void(usize),
    /// Before it is decided.
    Withdraw,
    Adjust(i64),
}

impl Account {
    fn opened() -> Self {
        let after = Wallet { balance: minor(OPENING), version: 1 };
        let opening = Booking {
            id: "opening".parse().unwrap(),
            kind: BookingKind::Opening,
            at: now(),
            by: "seed".parse().unwrap(),
            cause: None,
            replenished: None,
            outcome: BookingOutcome::Booked { amount: after.balance, after },
        };
        let (checkouts, bookings, pace) = (vec![], vec![opening], SignedDuration::ZERO);
        Self { has_employee: true, wallet: Some(after), checkouts, bookings, pace }
    }

    /// All within an instant.
    fn live(steps: &[Step]) -> Self {
        Self::live_at(SignedDuration::ZERO, steps)
    }

    fn live_at(pace: SignedDuration, steps: &[Step]) -> Self {
        let mut account = Self { pace, ..Self::opened() };
        steps.iter().enumerate().for_each(|(index, step)| account.take(index, step));
        account
    }

    fn at(&self, index: usize) -> Timestamp {
        now() + self.pace * i32::try_from(index).unwrap()
    }

    fn take(&mut self, index: usize, step: &Step) {
        let stall = || "coffee-bar".parse().unwrap();
        let of = |sale: usize| self.checkouts.get(sale % self.checkouts.len().max(1)).map(|sale| sale.id);
        let correction = match *step {
            Step::Sell(price) => return self.sell(index, price),
            Step::Adjust(amount) => Correction::Adjustment { amount: minor(amount) },
            Step::Withdraw => Correction::Void {
                checkout: id_at(self.at(index), index).into(),
                concessionaire: stall(),
                is_cashier: true,
            },
            Step::Void(sale) => {
                let Some(checkout) = of(sale) else { return };
                Correction::Void { checkout, concessionaire: stall(), is_cashier: true }
            }
            Step::Refund(sale, amount) => {
                let Some(checkout) = of(sale) else { return };
                Correction::Refund { checkout, concessionaire: None, share: Share::Amount(minor(amount)) }
            }
            Step::GiveBack(sale) => {
                let Some(checkout) = of(sale) else { return };
                let meals = [("SOUP".parse().unwrap(), 1.try_into().unwrap())].into();
                Correction::Refund { checkout, concessionaire: None, share: Share::Items(meals) }
            }
        };
        self.correct(index, correction);
    }

    fn sell(&mut self, index: usize, price: i64) {
        let now = self.at(index);
        let line = SoldLine {
            code: "SOUP".parse().unwrap(),
            name: "Soup".to_owned(),
            category: String::new(),
            price: Price::try_from(price).unwrap(),
            calories: None,
            qty: 2.try_into().unwrap(),
        };
        let bill = Bill {
            lines: vec![line],
            discount: minor(1),
            menu_version: "1.0".to_owned().try_into().unwrap(),
        };
        let after = self.wallet.unwrap().debit(bill.total_net(), Money::ZERO);
        let outcome = match after {
            Ok(after) => {
                self.wallet = Some(after);
                Outcome::Settled { bill, after }
            }
            Err(_) => Outcome::Rejected(crate::checkout::Rejection::EmployeeInactive),
        };
        self.checkouts.push(Checkout {
            tenant: "acme".parse().unwrap(),
            id: id_at(now, index).into(),
            request: RequestHash::from_bytes([1; 32]),
            employee: "7".parse().unwrap(),
            station: Some("s1".parse().unwrap()),
            concessionaire: "coffee-bar".parse().unwrap(),
            caller: "cashier".parse().unwrap(),
            business_date: tenant().business_day.date_of(now),
            accepted_at: now,
            decided_at: now,
            outcome,
            returned: Returned::default(),
        });
    }

    fn correct(&mut self, index: usize, correction: Correction) {
        let now = self.at(index);
        let command = PostBooking {
            tenant: "acme".parse().unwrap(),
            id: id_at(now, index),
            request: RequestHash::from_bytes([2; 32]),
            caller: "manager".parse().unwrap(),
            employee: "7".parse().unwrap(),
            correction,
            reason: "cold".to_owned().try_into().unwrap(),
            accepted_at: now,
            expires_at: now + SignedDuration::from_mins(5),
        };
        let sale = command.correction.checkout();
        let place = self.checkouts.iter().position(|checkout| Some(checkout.id) == sale);
        let checkout = place.and_then(|place| self.checkouts.get(place));
        let tenant = tenant();
        let state = State { tenant: &tenant, wallet: self.wallet.unwrap(), checkout, now };
        let decision = booking::decide(state, &command);
        if let Some(Entry { after, .. }) = decision.booking.entry() {
            self.wallet = Some(after);
        }
        self.bookings.push(decision.booking);
        match (place, decision.checkout) {
            (Some(place), Some(changed)) => self.checkouts[place] = changed,
            (None, Some(withdrawn)) => self.checkouts.push(withdrawn),
            (_, None) => {}
        }
    }

    fn books(&self) -> Books {
        let mut books = Books::default();
        if self.has_employee {
            books.enter_employee();
        }
        self.wallet.into_iter().for_each(|wallet| books.enter_wallet(wallet));
        // As a query that goes backwards finds them.
        self.checkouts.iter().rev().for_each(|checkout| books.enter_checkout(checkout));
        self.bookings.iter().rev().for_each(|booking| books.enter_booking(booking));
        books
    }

    /// If no older sales than these were read.
    fn found_of_the_newest(&self) -> BTreeSet<Finding> {
        let mut books = self.books();
        books.leave_out_older();
        books.check(Money::ZERO)
    }

    #[track_caller]
    fn check(&self, names: &[&str]) {
        let found = self.books().check(Money::ZERO);
        let found: Vec<_> = found.iter().map(Finding::name).collect();
        assert_eq!(found, names, "{self:?}");
    }
}

/// A sale that was partly refunded, one that was voided, one that was withdrawn, and a correction: eight
/// movements.
fn life() -> Account {
    use Step::{Adjust, GiveBack, Refund, Sell, Void, Withdraw};
    Account::live(&[Sell(500), Refund(0, 100), GiveBack(0), Sell(300), Void(1), Withdraw, Adjust(-5)])
}

#[test]
fn what_agrees_is_no_finding() {
    let account = life();
    account.check(&[]);
    assert_eq!(account.books().movements(), 8);
    assert_eq!(account.wallet.unwrap().version, 8);
    Account::opened().check(&[]);
}

/// Every change of what is stored, and exactly what it is found as.
#[test]
fn what_was_changed_is_found() {
    let with = |change: fn(&mut Account)| {
        let mut account = life();
        change(&mut account);
        account
    };
    let wallet = |account: &mut Account| account.wallet.unwrap();
    with(|account| account.has_employee = false).check(&["employee-missing"]);
    with(|account| account.wallet = None).check(&["wallet-missing"]);
    let mut richer = life();
    richer.wallet = Some(Wallet { balance: minor(999_999), ..wallet(&mut richer) });
    richer.check(&["wallet-differs"]);
    let mut poorer = life();
    poorer.wallet = Some(Wallet { balance: minor(-1), ..wallet(&mut poorer) });
    poorer.check(&["wallet-differs", "overdrawn"]);
    with(|account| drop(account.bookings.pop())).check(&["wallet-differs"]);
    with(|account| drop(account.bookings.remove(0))).check(&["movement-missing"]);
    with(|account| drop(account.checkouts.remove(0))).check(&[
        "movement-missing",
        "sale-missing",
        "sale-missing",
    ]);
    with(|account| drop(account.bookings.remove(1))).check(&["movement-missing", "returned-differs"]);
    with(|account| drop(account.bookings.remove(2))).check(&[
        "movement-missing",
        "returned-differs",
        "meals-differ",
    ]);
    with(|account| drop(account.bookings.remove(3))).check(&[
        "movement-missing",
        "returned-differs",
        "void-differs",
    ]);
    with(|account| account.checkouts[0].returned.amount = minor(99_999))
        .check(&["returned-differs", "returned-exceeds-paid"]);
    with(|account| account.checkouts[0].returned.items.clear()).check(&["meals-differ"]);
    with(|account| account.checkouts[1].returned.voided = None).check(&["void-differs"]);
    with(|account| drop(account.checkouts.remove(2))).check(&["sale-missing"]);
    with(|account| account.bookings[5].cause = None).check(&["cause-missing"]);
    with(|account| account.bookings[0].kind = BookingKind::Grant).check(&["cause-missing"]);
    with(|account| {
        let BookingOutcome::Booked { amount, after } = account.bookings[1].outcome else { unreachable!() };
        let after = Wallet { balance: minor(1), ..after };
        account.bookings[1].outcome = BookingOutcome::Booked { amount, after };
    })
    .check(&["balance-broken"]);
}

#[test]
fn a_grant_names_its_cutoff() {
    let mut account = Account::opened();
    account.bookings[0].kind = BookingKind::Grant;
    account.bookings[0].id = BookingId::of_cutoff(jiff::civil::date(2026, 2, 28));
    account.check(&[]);
    assert_eq!(*account.books().cutoffs(), [jiff::civil::date(2026, 2, 28)].into());
}

/// A movement that came after the wallet was read is none of the wallet's; one that the wallet forgot is.
#[test]
fn what_came_meanwhile_is_left_out() {
    let (before, after) =
        (Account::live(&[Step::Sell(500)]), Account::live(&[Step::Sell(500), Step::Sell(300)]));
    let read = |wallet: Option<Wallet>| Account { wallet, ..after.clone() }.books();
    let mut meanwhile = read(before.wallet);
    assert!(meanwhile.is_overtaken());
    meanwhile.reread_wallet(after.wallet.unwrap());
    assert_eq!(meanwhile.check(Money::ZERO), BTreeSet::new());
    let mut forgotten = read(before.wallet);
    forgotten.reread_wallet(before.wallet.unwrap());
    let found: Vec<_> = forgotten.check(Money::ZERO).iter().map(Finding::name).collect();
    assert_eq!(found, ["wallet-differs"]);
    assert!(!read(after.wallet).is_overtaken());
}

#[test]
fn a_tally_counts_what_it_does_not_list() {
    let mut part = Tally { employees: 3, movements: 9, ..Tally::default() };
    let number = "7".parse().unwrap();
    for version in 0..25 {
        part.note(Some(&number), Finding::MovementMissing { version }, LISTED_OF_A_PART);
    }
    part.note(None, Finding::Restless, LISTED_OF_A_PART);
    assert_eq!((part.listed.len(), part.findings()), (LISTED_OF_A_PART, 26));
    let mut run = Tally::default();
    (0..7).for_each(|_| run.add(part.clone()));
    assert_eq!((run.employees, run.movements), (21, 63));
    assert_eq!((run.listed.len(), run.findings(), run.found["restless"]), (LISTED, 182, 7));
}

#[test]
fn a_run_is_complete_once_all_parts_are_in() {
    let run = Run { parts: 3, is_handed_out: true, ..Run::open(jiff::civil::date(2026, 3, 2), now()) };
    assert_eq!((run.missing(3), run.missing(1)), (None, Some(Finding::Incomplete { parts: 2 })));
    let cut_off = Run { is_handed_out: false, ..run.clone() };
    assert_eq!(cut_off.missing(3), Some(Finding::Incomplete { parts: 0 }));
    let closed = |tally| Run { closed: Some((now(), tally)), ..run.clone() }.stage();
    assert_eq!((run.stage(), closed(Tally::default())), (Stage::Open, Stage::Closed));
    let mut tally = Tally::default();
    tally.note(None, Finding::Incomplete { parts: 2 }, LISTED);
    assert_eq!(closed(tally), Stage::Incomplete);
}

/// Findings are stored, and read by others.
#[test]
fn a_finding_is_stored_under_its_name() {
    let checkout = id_at(now(), 0).into();
    let (number, booking) =
        (EmployeeNumber::try_from("7".to_owned()).unwrap(), BookingId::from(id_at(now(), 1)));
    let (date, amount) = (jiff::civil::date(2026, 3, 15), minor(1));
    let findings = [
        Finding::EmployeeMissing,
        Finding::WalletMissing,
        Finding::MovementMissing { version: 2 },
        Finding::BalanceBroken { version: 2, stored: amount, sum: amount },
        Finding::WalletDiffers { balance: amount, version: 2, sum: amount, movements: 2 },
        Finding::Overdrawn { balance: amount, limit: amount },
        Finding::SaleMissing { booking: booking.clone(), checkout },
        Finding::ReturnedDiffers { checkout, returned: amount, booked: amount },
        Finding::ReturnedExceedsPaid { checkout, returned: amount, paid: amount },
        Finding::MealsDiffer { checkout },
        Finding::VoidDiffers { checkout },
        Finding::CauseMissing { booking },
        Finding::CutoffMissing { date },
        Finding::IndexDiffers { item: "EMPLOYEE".to_owned() },
        Finding::Unreadable { item: "WALLET".to_owned() },
        Finding::TooManyMovements { limit: 2 },
        Finding::Restless,
        Finding::CutoffDiffers { date },
        Finding::Incomplete { parts: 2 },
    ];
    for finding in findings {
        let found = Found { employee: Some(number.clone()), finding };
        let stored = serde_json::to_value(&found).unwrap();
        assert_eq!((&stored["e"], &stored["type"]), (&"7".into(), &found.finding.name().into()));
        assert_eq!(serde_json::from_value::<Found>(stored).unwrap(), found);
    }
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        3 => (1_i64..3_000).prop_map(Step::Sell),
        2 => (0_usize..8, 1_i64..2_000).prop_map(|(sale, amount)| Step::Refund(sale, amount)),
        1 => (0_usize..8).prop_map(Step::GiveBack),
        1 => (0_usize..8).prop_map(Step::Void),
        1 => Just(Step::Withdraw),
        1 => (-3_000_i64..3_000).prop_map(Step::Adjust),
    ]
}

proptest! {
    /// Whatever was decided agrees, and no movement can be taken away unnoticed.
    #[test]
    fn every_life_agrees_and_none_without_one_of_its_movements(
        steps in prop::collection::vec(step(), 0..20),
        which in any::<prop::sample::Index>(),
    ) {
        let account = Account::live(&steps);
        prop_assert_eq!(account.books().check(Money::ZERO), BTreeSet::new());
        let mut robbed = account.clone();
        let moved: Vec<_> = robbed.bookings.iter().filter(|booking| booking.entry().is_some()).collect();
        let sold: Vec<_> = robbed.checkouts.iter().filter(|checkout| checkout.entry().is_some()).collect();
        let which = which.index(moved.len() + sold.len());
        if let Some(gone) = moved.get(which).map(|booking| booking.id.clone()) {
            robbed.bookings.retain(|booking| booking.id != gone);
        } else {
            let gone = sold[which - moved.len()].id;
            robbed.checkouts.retain(|checkout| checkout.id != gone);
        }
        prop_assert_ne!(robbed.books().check(Money::ZERO), BTreeSet::new());
    }

    /// Of the newest sales alone, whatever they and all bookings tell agrees if something moved the wallet at the
    /// time of the oldest, and whatever is changed of it since is found.
    #[test]
    fn the_newest_agree_without_those_before(
        steps in prop::collection::vec(step(), 1..40),
        (left_out, which) in any::<(prop::sample::Index, prop::sample::Index)>(),
    ) {
        let mut account = Account::live_at(SignedDuration::from_hours(10), &steps);
        prop_assume!(account.checkouts.len() > 1);
        account.checkouts.drain(..1 + left_out.index(account.checkouts.len() - 1));
        let begin = Timestamp::from_millisecond(account.checkouts[0].id.created_at_ms()).unwrap();
        let since = begin + MOVES_WITHIN;
        let sold = account.checkouts.iter().filter_map(Checkout::movement);
        let moved: Vec<_> = account.bookings.iter().filter_map(Booking::movement).chain(sold).collect();
        // What is given back of an older sale has it asked for.
        let found = |account: &Account| {
            let mut found = account.found_of_the_newest();
            found.retain(|found| found.name() != "sale-missing");
            found
        };
        // Otherwise the wallet is looked at whole. What is of the oldest's time is made a little before its id.
        if moved.iter().any(|movement| movement.at + A_LITTLE >= begin && movement.at < since) {
            prop_assert_eq!(found(&account), BTreeSet::new());
        }
        let Wallet { balance, version } = account.wallet.unwrap();
        let more = balance.checked_add(minor(1)).unwrap();
        for (balance, version) in [(balance, version + 1), (more, version), (minor(0), 0)] {
            let wallet = Some(Wallet { balance, version });
            prop_assert_ne!(found(&Account { wallet, ..account.clone() }), BTreeSet::new());
        }
        let since: Vec<_> = moved.iter().filter(|movement| movement.at >= since).collect();
        if !since.is_empty() {
            let gone = *which.get(&since);
            let is_kept = |movement: Option<Movement>| movement.is_none_or(|movement| movement != *gone);
            account.bookings.retain(|booking| is_kept(booking.movement()));
            account.checkouts.retain(|sale| is_kept(sale.movement()));
            prop_assert_ne!(found(&account), BTreeSet::new());
        }
    }
}

/// Between an id and the next step's: they are made some milliseconds after what they are of.
const A_LITTLE: SignedDuration = SignedDuration::from_secs(1);

/// A refund of today asks for its sale, however old.
#[test]
fn what_is_given_back_of_an_older_sale_is_asked_for() {
    use Step::{Refund, Sell};
    let steps = [Sell(500), Refund(0, 100), Sell(300), Sell(300), Sell(300)];
    let mut account = Account::live_at(SignedDuration::from_hours(30), &steps);
    account.checkouts.drain(..1);
    assert_eq!(account.found_of_the_newest(), [].into(), "a refund of long ago");
    let steps = [Sell(500), Sell(300), Sell(300), Sell(300), Sell(300), Refund(0, 100)];
    let mut account = Account::live_at(SignedDuration::from_hours(30), &steps);
    account.checkouts.drain(..1);
    let found = account.found_of_the_newest();
    assert_eq!(found.iter().map(Finding::name).collect::<Vec<_>>(), ["sale-missing"]);
}

/// Each wallet is looked at whole once within 91 days, about as many on each, and on the next if a run was not
/// complete.
#[test]
fn every_wallet_is_looked_at_whole_once_a_quarter() {
    let days: Vec<_> = jiff::civil::date(2026, 11, 1).series(1.days()).take(93).collect();
    let mut due = vec![0; 91];
    for number in 100_001..109_101 {
        let employee = EmployeeNumber::try_from(number.to_string()).unwrap();
        let on: Vec<_> =
            (0..91).filter(|day| is_due_whole(&employee, Some(days[*day]), days[day + 1])).collect();
        assert_eq!(on.len(), 1, "{employee}: {on:?}");
        due[on[0]] += 1;
        assert!(is_due_whole(&employee, Some(days[on[0]]), days[on[0] + 2]));
        assert!(is_due_whole(&employee, Some(days[0]), days[91]) && is_due_whole(&employee, None, days[0]));
    }
    assert!(due.iter().all(|due| (50..=200).contains(due)), "a hundred on average: {due:?}");
}
