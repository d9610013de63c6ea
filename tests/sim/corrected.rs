//! Decides a correction again, in another way: what a void, a refund or an adjustment comes to, and why one
//! may be refused.

use super::judge::{LIFETIME_MS, LOOK_BACK_MS, day_of};
use super::office::MEALS;
use super::oracle::{AskedCorrection, Invariant, Verdict};
use super::script::How;
use domain::booking::{Booking, BookingKind, BookingOutcome, Cause, Rejection};
use domain::checkout::{Bill, Checkout, Outcome};
use domain::id::MealCode;
use domain::tenant::Tenant;
use jiff::Timestamp;

/// How long after a sale a cashier may void it.
const VOID_MS: i64 = 15 * 60_000;

/// A sale that a booking puts right, and what was given back of it before.
pub struct Corrected<'a> {
    pub sale: Option<&'a Checkout>,
    pub before: Vec<(&'a Booking, &'a Cause)>,
}

/// What is wrong with a correction stored just now, if anything is, whichever of these the tenant was when it
/// was decided.
pub fn check<'a>(
    asked: &AskedCorrection,
    booking: &Booking,
    cause: &Cause,
    corrected: &Corrected<'_>,
    mut tenants: impl Iterator<Item = &'a Tenant>,
) -> Verdict {
    let (accepted_at, at) = (cause.accepted_at, booking.at);
    let is_expired = at.as_millisecond() > accepted_at.as_millisecond() + LIFETIME_MS;
    let is_allowed = match &booking.outcome {
        BookingOutcome::Booked { .. } if is_expired => {
            return Err((Invariant::Late, format!("{booking:?} was accepted at {accepted_at}")));
        }
        BookingOutcome::Rejected(Rejection::Expired) => is_expired,
        BookingOutcome::Booked { amount, after } => tenants.any(|tenant| {
            let is_covered = amount.minor() >= 0 || after.balance.minor() >= -tenant.overdraft_limit.minor();
            is_covered && corrected.is_owed(asked.how, amount.minor(), tenant, accepted_at)
        }),
        BookingOutcome::Rejected(rejection) => {
            tenants.any(|tenant| corrected.is_refused(asked.how, rejection, tenant, (accepted_at, at)))
        }
    };
    if booking.by == asked.by && is_allowed {
        Ok(())
    } else {
        let what = format!("{asked:?} of {:?} was not to be {booking:?}", corrected.sale);
        Err((Invariant::Decision, what))
    }
}

impl Corrected<'_> {
    fn bill(&self) -> Option<&Bill> {
        match &self.sale?.outcome {
            Outcome::Settled { bill, .. } => Some(bill),
            Outcome::Rejected(_) | Outcome::Withdrawn => None,
        }
    }

    fn is_voided(&self) -> bool {
        self.before.iter().any(|(booking, _)| booking.kind == BookingKind::Void)
    }

    /// What was paid and not given back yet.
    fn left(&self, bill: &Bill) -> i64 {
        let back: i64 = self
            .before
            .iter()
            .filter_map(|(booking, _)| booking.entry())
            .map(|entry| entry.amount.minor())
            .sum();
        bill.total_net().minor() - back
    }

    /// How many of a meal were sold, and how many were given back by name.
    fn meals(&self, bill: &Bill, code: &MealCode) -> (i64, i64) {
        let sold =
            bill.lines.iter().filter(|line| line.code == *code).map(|line| i64::from(line.qty.get())).sum();
        let back = self.before.iter().filter_map(|(_, cause)| cause.items.get(code));
        (sold, back.map(|qty| i64::from(qty.get())).sum())
    }

    /// What so many meals more are worth: what all that is left was worth before, less what it is worth
    /// after, both shares of what was paid, half up.
    fn worth(&self, bill: &Bill, code: &MealCode, qty: i64) -> i64 {
        let (gross, net) = (bill.total_gross().minor(), bill.total_net().minor());
        let price = |code: &MealCode| {
            bill.lines.iter().find(|line| line.code == *code).map_or(0, |line| line.price.get())
        };
        let given: i64 = self
            .before
            .iter()
            .flat_map(|(_, cause)| &cause.items)
            .map(|(code, qty)| price(code) * i64::from(qty.get()))
            .sum();
        let share = |left: i64| if gross == 0 { 0 } else { (2 * net * left + gross) / (2 * gross) };
        share(gross - given) - share(gross - given - price(code) * qty)
    }

    /// On the day of the sale and, for a cashier, within a quarter of an hour.
    fn is_in_time(&self, is_manager: bool, tenant: &Tenant, accepted_at: Timestamp) -> bool {
        self.sale.is_none_or(|sale| {
            let is_soon = accepted_at.as_millisecond() <= sale.decided_at.as_millisecond() + VOID_MS;
            day_of(tenant, accepted_at) == sale.business_date && (is_manager || is_soon)
        })
    }

    fn is_owed(&self, how: How, amount: i64, tenant: &Tenant, accepted_at: Timestamp) -> bool {
        match (how, self.bill()) {
            (How::Adjust(asked), _) => amount == asked,
            (How::Void { is_manager }, Some(bill)) => {
                !self.is_voided()
                    && self.is_in_time(is_manager, tenant, accepted_at)
                    && amount == self.left(bill)
            }
            // Nothing will come of it.
            (How::Void { .. }, None) => {
                amount == 0 && self.sale.is_some_and(|sale| sale.outcome == Outcome::Withdrawn)
            }
            (How::RefundAmount(asked), Some(bill)) => {
                !self.is_voided() && amount == asked && amount <= self.left(bill)
            }
            (How::RefundItem { meal, qty }, Some(bill)) => {
                let code = meal_of(meal);
                let (sold, back) = self.meals(bill, &code);
                !self.is_voided()
                    && back + qty <= sold
                    && amount == self.worth(bill, &code, qty)
                    && amount <= self.left(bill)
            }
            (How::RefundAmount(_) | How::RefundItem { .. }, None) => false,
        }
    }

    /// What was given back is what ever was: it only grows.
    fn is_refused(
        &self,
        how: How,
        rejection: &Rejection,
        tenant: &Tenant,
        (accepted_at, at): (Timestamp, Timestamp),
    ) -> bool {
        match (rejection, how) {
            // Or it was not there yet.
            (Rejection::UnknownCheckout, _) => self
                .sale
                .is_none_or(|sale| sale.decided_at.as_millisecond() + LOOK_BACK_MS > at.as_millisecond()),
            (Rejection::NotSettled, _) => {
                self.sale.is_some_and(|sale| matches!(sale.outcome, Outcome::Rejected(_)))
            }
            (Rejection::AlreadyVoided, _) => self.is_voided(),
            (Rejection::TooLate, How::Void { is_manager }) => {
                !self.is_in_time(is_manager, tenant, accepted_at)
            }
            (Rejection::ExceedsPaid { refundable }, How::RefundAmount(asked)) => {
                asked > refundable.minor()
                    && self.bill().is_some_and(|bill| refundable.minor() >= self.left(bill))
            }
            // Amounts were given back of it before.
            (Rejection::ExceedsPaid { refundable }, How::RefundItem { meal, qty }) => {
                self.bill().is_some_and(|bill| {
                    refundable.minor() >= self.left(bill)
                        && self.worth(bill, &meal_of(meal), qty) > self.left(bill)
                })
            }
            (Rejection::ExceedsSold { codes }, How::RefundItem { meal, qty }) => {
                let code = meal_of(meal);
                let is_short = |bill: &Bill| {
                    let (sold, back) = self.meals(bill, &code);
                    back + qty > sold
                };
                codes.iter().eq([&code]) && self.bill().is_some_and(is_short)
            }
            (Rejection::InsufficientCredit { balance }, How::Adjust(asked)) => {
                asked < 0 && balance.minor() + asked < -tenant.overdraft_limit.minor()
            }
            _ => false,
        }
    }
}

fn meal_of(index: usize) -> MealCode {
    MEALS[index % MEALS.len()].parse().expect("a meal")
}
