//! What stands in one employee's partition, entered item by item in any order, and whether it agrees: all of
//! it, or the newest sales with all bookings.

use super::Finding;
use crate::booking::{Booking, BookingKind, BookingOutcome, Cause};
use crate::checkout::{Checkout, Outcome};
use crate::command::MOVES_WITHIN;
use crate::id::{BookingId, CheckoutId, MealCode};
use crate::ledger::{self, Discrepancy, Movement};
use crate::money::Money;
use crate::planted::{self, Planted};
use crate::wallet::Wallet;
use jiff::Timestamp;
use jiff::civil::Date;
use std::collections::{BTreeMap, BTreeSet};

/// What is kept of it: no more than checks need, for wallets with many movements.
#[derive(Debug, Default)]
pub struct Books {
    has_employee: bool,
    wallet: Option<Wallet>,
    movements: Vec<Movement>,
    begin: Option<Begin>,
    sales: BTreeMap<CheckoutId, Sale>,
    given_back: Vec<GivenBack>,
    cutoffs: BTreeSet<Date>,
    found: BTreeSet<Finding>,
}

/// Where the books begin, if there are sales that were not entered.
#[derive(Debug, Clone, Copy)]
struct Begin {
    /// The oldest that was.
    sale: CheckoutId,
    /// Whatever an older one moved, it did before.
    since: Timestamp,
}

/// What a sale says of itself.
#[derive(Debug)]
struct Sale {
    paid: Money,
    returned: Money,
    meals: BTreeMap<MealCode, u32>,
    is_voided: bool,
    is_withdrawn: bool,
}

/// A void or refund that was booked.
#[derive(Debug)]
struct GivenBack {
    booking: BookingId,
    at: Timestamp,
    checkout: CheckoutId,
    amount: Money,
    meals: BTreeMap<MealCode, u32>,
    is_void: bool,
}

/// What all bookings of one sale come to.
#[derive(Debug, Default, PartialEq, Eq)]
struct Sum {
    amount: i64,
    meals: BTreeMap<MealCode, u32>,
    voids: usize,
}

impl Books {
    /// Somebody's profile is there.
    pub fn enter_employee(&mut self) {
        self.has_employee = true;
    }

    pub fn enter_wallet(&mut self, wallet: Wallet) {
        self.wallet = Some(wallet);
    }

    pub fn enter_checkout(&mut self, checkout: &Checkout) {
        self.movements.extend(checkout.movement());
        let paid = match &checkout.outcome {
            Outcome::Settled { bill, .. } => bill.total_net(),
            Outcome::Rejected(_) | Outcome::Withdrawn => Money::ZERO,
        };
        let sale = Sale {
            paid,
            returned: checkout.returned.amount,
            meals: checkout.returned.items.clone(),
            is_voided: checkout.returned.voided.is_some(),
            is_withdrawn: checkout.outcome == Outcome::Withdrawn,
        };
        self.sales.insert(checkout.id, sale);
    }

    pub fn enter_booking(&mut self, booking: &Booking) {
        let BookingOutcome::Booked { amount, .. } = booking.outcome else { return };
        self.movements.extend(booking.movement());
        let no_cause = Finding::CauseMissing { booking: booking.id.clone() };
        match (booking.kind, &booking.cause) {
            (BookingKind::Opening, _) | (BookingKind::Adjustment, Some(_)) => {}
            (BookingKind::Grant, _) => match booking.id.cutoff() {
                Some(date) => _ = self.cutoffs.insert(date),
                None => _ = self.found.insert(no_cause),
            },
            (
                kind @ (BookingKind::Void | BookingKind::Refund),
                Some(Cause { checkout: Some(id), items, .. }),
            ) => {
                self.given_back.push(GivenBack {
                    booking: booking.id.clone(),
                    at: booking.at,
                    checkout: *id,
                    amount,
                    meals: items.iter().map(|(code, qty)| (code.clone(), u32::from(qty.get()))).collect(),
                    is_void: kind == BookingKind::Void,
                });
            }
            (BookingKind::Void | BookingKind::Refund | BookingKind::Adjustment, _) => {
                self.found.insert(no_cause);
            }
        }
    }

    /// What the item by itself shows.
    pub fn enter_finding(&mut self, finding: Finding) {
        self.found.insert(finding);
    }

    /// How many movements were entered.
    pub fn movements(&self) -> usize {
        self.movements.len()
    }

    /// Whether sales were entered of before an instant.
    pub fn reach_before(&self, from: Timestamp) -> bool {
        self.oldest_sale().is_some_and(|sale| sale.created_at_ms() < from.as_millisecond())
    }

    fn oldest_sale(&self) -> Option<CheckoutId> {
        self.sales.keys().next().copied()
    }

    /// No older sales than those are entered: what they moved, and what was given back of them long ago, is not
    /// asked.
    pub fn leave_out_older(&mut self) {
        self.begin = self.oldest_sale().map(|sale| {
            let made_at = Timestamp::from_millisecond(sale.created_at_ms()).unwrap_or_default();
            Begin { sale, since: made_at + MOVES_WITHIN }
        });
    }

    /// Cutoffs that something was booked for.
    pub fn cutoffs(&self) -> &BTreeSet<Date> {
        &self.cutoffs
    }

    /// Whether there are movements that the wallet does not know. Whoever reads it first finds those that
    /// came meanwhile, and has to read it again.
    pub fn is_overtaken(&self) -> bool {
        self.wallet.is_some_and(|wallet| self.newest() > wallet.version)
    }

    fn newest(&self) -> u64 {
        self.movements.iter().map(|movement| movement.entry.after.version).max().unwrap_or_default()
    }

    /// The wallet as it reads after everything else: what it knows by now came meanwhile, and is left out.
    pub fn reread_wallet(&mut self, wallet: Wallet) {
        let known = self.wallet.map_or(0, |wallet| wallet.version);
        if wallet.version >= self.newest() {
            self.movements.retain(|movement| movement.entry.after.version <= known);
        } else {
            self.wallet = Some(wallet);
        }
    }

    /// Everything that does not agree. What changed while it was read may be among it.
    pub fn check(&self, overdraft_limit: Money) -> BTreeSet<Finding> {
        let mut found = self.found.clone();
        if !self.has_employee {
            found.insert(Finding::EmployeeMissing);
        }
        match self.wallet {
            None => _ = found.insert(Finding::WalletMissing),
            Some(wallet) => {
                if !planted::is(Planted::SumsUnchecked) {
                    found.extend(self.check_ledger(wallet).err().map(finding));
                }
                let balance = wallet.balance;
                if balance.minor() < overdraft_limit.minor().saturating_neg() {
                    found.insert(Finding::Overdrawn { balance, limit: overdraft_limit });
                }
            }
        }
        self.check_sales(&mut found);
        found
    }

    fn check_ledger(&self, wallet: Wallet) -> Result<(), Discrepancy> {
        match self.begin {
            None => ledger::check(wallet, self.movements.iter().map(|movement| movement.entry).collect()),
            Some(Begin { since, .. }) => ledger::check_since(wallet, self.movements.clone(), since),
        }
    }

    fn check_sales(&self, found: &mut BTreeSet<Finding>) {
        let mut sums: BTreeMap<CheckoutId, Sum> = BTreeMap::new();
        for GivenBack { booking, at, checkout, amount, meals, is_void } in &self.given_back {
            let is_asked = self.begin.is_none_or(|begin| *checkout >= begin.sale || *at >= begin.since);
            if is_asked && !self.sales.contains_key(checkout) {
                found.insert(Finding::SaleMissing { booking: booking.clone(), checkout: *checkout });
            }
            let sum = sums.entry(*checkout).or_default();
            sum.amount = sum.amount.saturating_add(amount.minor());
            sum.voids += usize::from(*is_void);
            for (code, qty) in meals {
                *sum.meals.entry(code.clone()).or_default() += qty;
            }
        }
        for (id, sale) in &self.sales {
            sale.check(*id, &sums.remove(id).unwrap_or_default(), found);
        }
    }
}

impl Sale {
    fn check(&self, checkout: CheckoutId, sum: &Sum, found: &mut BTreeSet<Finding>) {
        let Self { paid, returned, .. } = *self;
        let booked = Money::from_minor(sum.amount);
        if returned != booked {
            found.insert(Finding::ReturnedDiffers { checkout, returned, booked });
        }
        if returned > paid {
            found.insert(Finding::ReturnedExceedsPaid { checkout, returned, paid });
        }
        if self.meals != sum.meals {
            found.insert(Finding::MealsDiffer { checkout });
        }
        let is_void = self.is_voided || self.is_withdrawn;
        if sum.voids != usize::from(is_void) || (self.is_voided && returned != paid) {
            found.insert(Finding::VoidDiffers { checkout });
        }
    }
}

fn finding(discrepancy: Discrepancy) -> Finding {
    match discrepancy {
        Discrepancy::Version { expected } => Finding::MovementMissing { version: expected },
        Discrepancy::Balance { version, stored, sum } => Finding::BalanceBroken { version, stored, sum },
        Discrepancy::Wallet { wallet: Wallet { balance, version }, movements, sum } => {
            Finding::WalletDiffers { balance, version, sum, movements }
        }
    }
}
