//! Decides a sale again, in another way: every outcome that the business allowed in a span of time.
//! Written apart from the domain's own decision, and simpler, because it need not say why first.

use super::chaos::SKEW_MAX_MS;
use super::office::{MEALS, Office};
use super::oracle::{Asked, AskedCorrection, Invariant, Verdict};
use super::script::How;
use domain::booking::{self, Booking, BookingKind, BookingOutcome, Cause};
use domain::checkout::{Bill, Checkout, Outcome, Rejection};
use domain::cutoff::{Method, NegativeBalance, Policy};
use domain::employee::BadgeStatus;
use domain::id::{EmployeeNumber, MealCode, TenantId};
use domain::ledger::Entry;
use domain::money::Money;
use domain::role::Status;
use domain::tenant::TenantStatus;
use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::Offset;

/// A decision rests on reads of its own batch's time, and a worker may have stood still in between.
const LOOK_BACK_MS: i64 = 60_000;
/// How long after its decision a checkout may still be committed: the grace of a ticket.
const COMMIT_MAX_MS: i64 = 60_000;
const LIFETIME_MS: i64 = 300_000;
/// How long after a sale a cashier may void it.
const VOID_MS: i64 = 15 * 60_000;

/// What is wrong with a checkout stored just now, if anything is. `ledger` holds every movement of
/// the wallet, the checkout's own included.
pub fn check(office: &Office, asked: &Asked, stored: &Checkout, ledger: &[Entry], now_ms: i64) -> Verdict {
    let wrong = |what: String| Err((Invariant::Decision, what));
    let decided_ms = stored.decided_at.as_millisecond();
    let expires_ms = stored.accepted_at.as_millisecond() + LIFETIME_MS;
    if !(decided_ms - SKEW_MAX_MS..=decided_ms + COMMIT_MAX_MS + SKEW_MAX_MS).contains(&now_ms) {
        return Err((Invariant::Late, format!("decided at {decided_ms}, stored at {now_ms}")));
    }
    if stored.business_date != day_of(stored.accepted_at) {
        return wrong(format!("it is of {}", stored.business_date));
    }
    let cashier = &asked.cashier;
    let is_same = (&stored.tenant, &stored.employee, &stored.concessionaire, &stored.caller)
        == (&asked.tenant, &asked.employee, &cashier.stall, &cashier.user)
        && stored.station.as_ref() == Some(&cashier.station);
    if !is_same {
        return wrong("it names another buyer, station or cashier than was asked".to_owned());
    }
    match &stored.outcome {
        Outcome::Rejected(Rejection::Expired) if decided_ms > expires_ms => return Ok(()),
        Outcome::Settled { .. } if decided_ms > expires_ms => {
            return Err((
                Invariant::Late,
                format!("settled {} ms after it expired", decided_ms - expires_ms),
            ));
        }
        _ => {}
    }
    let (from_ms, to_ms) = span(decided_ms);
    let case = Case { office, asked, stored, ledger, from_ms, to_ms };
    if case.is_allowed() { Ok(()) } else { wrong(format!("nothing allowed {:?}", stored.outcome)) }
}

/// The business day of all companies here: Manila's, eight hours ahead all year.
fn day_of(at: Timestamp) -> Date {
    Offset::constant(8).to_datetime(at).date()
}

/// A sale that a booking puts right, and what was given back of it before.
pub struct Corrected<'a> {
    pub sale: Option<&'a Checkout>,
    pub before: Vec<(&'a Booking, &'a Cause)>,
}

/// What is wrong with a correction stored just now, if anything is.
pub fn check_correction(
    asked: &AskedCorrection,
    booking: &Booking,
    cause: &Cause,
    corrected: &Corrected<'_>,
    overdraft: i64,
) -> Verdict {
    let (accepted_ms, at_ms) = (cause.accepted_at.as_millisecond(), booking.at.as_millisecond());
    let is_expired = at_ms > accepted_ms + LIFETIME_MS;
    let is_allowed = match &booking.outcome {
        BookingOutcome::Booked { .. } if is_expired => {
            return Err((Invariant::Late, format!("{booking:?} was accepted at {accepted_ms}")));
        }
        BookingOutcome::Rejected(booking::Rejection::Expired) => is_expired,
        BookingOutcome::Booked { amount, .. } => corrected.is_owed(asked.how, amount.minor(), accepted_ms),
        BookingOutcome::Rejected(rejection) => {
            corrected.is_refused(asked.how, rejection, (accepted_ms, at_ms), overdraft)
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

    /// What so many meals more are worth: what all that is left was worth before, less what it is worth after, both shares
    /// of what was paid, half up.
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
    fn is_in_time(&self, is_manager: bool, accepted_ms: i64) -> bool {
        self.sale.is_none_or(|sale| {
            let is_soon = accepted_ms <= sale.decided_at.as_millisecond() + VOID_MS;
            let accepted = Timestamp::from_millisecond(accepted_ms).expect("an instant");
            day_of(accepted) == sale.business_date && (is_manager || is_soon)
        })
    }

    fn is_owed(&self, how: How, amount: i64, accepted_ms: i64) -> bool {
        match (how, self.bill()) {
            (How::Adjust(asked), _) => amount == asked,
            (How::Void { is_manager }, Some(bill)) => {
                !self.is_voided() && self.is_in_time(is_manager, accepted_ms) && amount == self.left(bill)
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
        rejection: &booking::Rejection,
        (accepted_ms, at_ms): (i64, i64),
        overdraft: i64,
    ) -> bool {
        match (rejection, how) {
            // Or it was not there yet.
            (booking::Rejection::UnknownCheckout, _) => {
                self.sale.is_none_or(|sale| sale.decided_at.as_millisecond() + LOOK_BACK_MS > at_ms)
            }
            (booking::Rejection::NotSettled, _) => {
                self.sale.is_some_and(|sale| matches!(sale.outcome, Outcome::Rejected(_)))
            }
            (booking::Rejection::AlreadyVoided, _) => self.is_voided(),
            (booking::Rejection::TooLate, How::Void { is_manager }) => {
                !self.is_in_time(is_manager, accepted_ms)
            }
            (booking::Rejection::ExceedsPaid { refundable }, How::RefundAmount(asked)) => {
                asked > refundable.minor()
                    && self.bill().is_some_and(|bill| refundable.minor() >= self.left(bill))
            }
            // Amounts were given back of it before.
            (booking::Rejection::ExceedsPaid { refundable }, How::RefundItem { meal, qty }) => {
                self.bill().is_some_and(|bill| {
                    refundable.minor() >= self.left(bill)
                        && self.worth(bill, &meal_of(meal), qty) > self.left(bill)
                })
            }
            (booking::Rejection::ExceedsSold { codes }, How::RefundItem { meal, qty }) => {
                let code = meal_of(meal);
                let is_short = |bill: &Bill| {
                    let (sold, back) = self.meals(bill, &code);
                    back + qty > sold
                };
                codes.iter().eq([&code]) && self.bill().is_some_and(is_short)
            }
            (booking::Rejection::InsufficientCredit { balance }, How::Adjust(asked)) => {
                asked < 0 && balance.minor() + asked < -overdraft
            }
            _ => false,
        }
    }
}

fn meal_of(index: usize) -> MealCode {
    MEALS[index % MEALS.len()].parse().expect("a meal")
}

/// When what was decided at an instant of some function's clock was read.
fn span(decided_ms: i64) -> (i64, i64) {
    (decided_ms - LOOK_BACK_MS - SKEW_MAX_MS, decided_ms + SKEW_MAX_MS)
}

/// What is wrong with what a cutoff made of a wallet that held `before`, if anything is.
pub fn check_grant(
    office: &Office,
    (tenant, number): (&TenantId, &EmployeeNumber),
    policy: &Policy,
    booking: &Booking,
    before: i64,
) -> Verdict {
    let (from_ms, to_ms) = span(booking.at.as_millisecond());
    let who = &office.employees[&(tenant.clone(), number.clone())];
    // Whoever joins has their share with their first item, however long that took to be written.
    let mut employees = who.within(from_ms, to_ms.max(who.since_ms()));
    let is_allowed = match &booking.outcome {
        BookingOutcome::Booked { after, .. } => employees.any(|employee| {
            let limit = employee.limit.unwrap_or(policy.default_limit).minor();
            employee.status == Status::Active && after.balance.minor() == replenished(policy, before, limit)
        }),
        BookingOutcome::Rejected(booking::Rejection::EmployeeInactive) => {
            employees.any(|employee| employee.status == Status::Inactive)
        }
        BookingOutcome::Rejected(_) => false,
    };
    if is_allowed {
        Ok(())
    } else {
        Err((
            Invariant::Granted,
            format!("{tenant}'s {number} had {before}, and nothing allowed {booking:?}"),
        ))
    }
}

/// What a wallet holds after a cutoff.
fn replenished(policy: &Policy, before: i64, limit: i64) -> i64 {
    let kept = before.max(0);
    let debt = match policy.negative_balance {
        NegativeBalance::Forgive => 0,
        NegativeBalance::Carry => before.min(0),
    };
    debt + match policy.method {
        Method::Reset => limit,
        Method::RaiseTo => kept.max(limit),
        Method::TopUp { amount, cap } => kept.max((kept + amount.minor()).min(cap.minor())),
    }
}

struct Case<'a> {
    office: &'a Office,
    asked: &'a Asked,
    stored: &'a Checkout,
    ledger: &'a [Entry],
    from_ms: i64,
    to_ms: i64,
}

impl Case<'_> {
    fn is_allowed(&self) -> bool {
        match &self.stored.outcome {
            Outcome::Rejected(Rejection::Expired) => false,
            Outcome::Rejected(Rejection::TenantSuspended) => self.tenant_was(TenantStatus::Suspended),
            _ if !self.tenant_was(TenantStatus::Active) => false,
            Outcome::Rejected(Rejection::EmployeeInactive) => self.employee_was(Status::Inactive),
            _ if !self.employee_was(Status::Active) => false,
            Outcome::Rejected(Rejection::BadgeBlocked) => self.badge_was(BadgeStatus::Blocked),
            _ if self.asked.badge.is_some() && !self.badge_was(BadgeStatus::Active) => false,
            _ => self.menus().any(|menu| self.is_priced_by(&menu)),
        }
    }

    fn tenant_was(&self, status: TenantStatus) -> bool {
        let tenants = &self.office.tenants[&self.asked.tenant];
        tenants.within(self.from_ms, self.to_ms).any(|tenant| tenant.status == status)
    }

    fn employee_was(&self, status: Status) -> bool {
        let of = (self.asked.tenant.clone(), self.asked.employee.clone());
        self.office.employees[&of].within(self.from_ms, self.to_ms).any(|employee| employee.status == status)
    }

    fn badge_was(&self, status: BadgeStatus) -> bool {
        let Some(badge) = &self.asked.badge else { return false };
        let of = (self.asked.tenant.clone(), self.asked.employee.clone());
        let mut employees = self.office.employees[&of].within(self.from_ms, self.to_ms);
        employees.any(|employee| employee.badges.get(badge) == Some(&status))
    }

    /// Every menu of the span, as lines of the basket: what each costs, or why it cannot be had.
    fn menus(&self) -> impl Iterator<Item = Tray> {
        let of = (self.asked.tenant.clone(), self.asked.cashier.stall.clone());
        self.office.menus[&of].within(self.from_ms, self.to_ms).map(move |head| {
            let meals = &self.office.meals[&(of.0.clone(), of.1.clone(), head.version.meals)];
            let mut tray = Tray { version: head.version.to_string(), ..Tray::default() };
            for line in self.asked.basket.lines() {
                let edited = head.edits.get(&line.code).map(Option::as_ref);
                let Some(meal) = edited.unwrap_or_else(|| meals.get(&line.code)) else {
                    tray.unknown.push(line.code.to_string());
                    continue;
                };
                let price = meal.price.get();
                if head.sold_out.contains_key(&line.code) {
                    tray.sold_out.push(line.code.to_string());
                }
                if line.price.is_some_and(|shown| shown.get() != price) {
                    tray.changed.push((line.code.to_string(), price));
                }
                tray.lines.push((line.code.to_string(), price, i64::from(line.qty.get())));
            }
            tray
        })
    }

    fn is_priced_by(&self, tray: &Tray) -> bool {
        let gross: i64 = tray.lines.iter().map(|(_, price, qty)| price * qty).sum();
        match &self.stored.outcome {
            Outcome::Rejected(Rejection::UnknownMeal { codes }) => {
                !tray.unknown.is_empty()
                    && codes.iter().map(ToString::to_string).eq(tray.unknown.iter().cloned())
            }
            _ if !tray.unknown.is_empty() => false,
            Outcome::Rejected(Rejection::SoldOut { codes }) => {
                !tray.sold_out.is_empty()
                    && codes.iter().map(ToString::to_string).eq(tray.sold_out.iter().cloned())
            }
            _ if !tray.sold_out.is_empty() => false,
            Outcome::Rejected(Rejection::PriceChanged { prices }) => {
                let told = prices.iter().map(|change| (change.code.to_string(), change.price.get()));
                !tray.changed.is_empty() && told.eq(tray.changed.iter().cloned())
            }
            _ if !tray.changed.is_empty() => false,
            outcome => self.discounts().any(|basis_points| {
                // Half up, once, on the whole.
                let discount = (gross * basis_points + 5_000) / 10_000;
                self.is_paid(outcome, tray, discount, gross - discount)
            }),
        }
    }

    fn discounts(&self) -> impl Iterator<Item = i64> {
        let of = (self.asked.tenant.clone(), self.asked.employee.clone());
        let employees = self.office.employees[&of].within(self.from_ms, self.to_ms);
        employees.map(|employee| i64::from(employee.discount.get()))
    }

    fn is_paid(&self, outcome: &Outcome, tray: &Tray, discount: i64, net: i64) -> bool {
        let overdraft = self.office.tenants[&self.asked.tenant].current().overdraft_limit.minor();
        match outcome {
            Outcome::Settled { bill, after } => {
                let lines = bill
                    .lines
                    .iter()
                    .map(|line| (line.code.to_string(), line.price.get(), i64::from(line.qty.get())));
                let before = self.ledger.iter().find(|entry| entry.after.version + 1 == after.version);
                let before =
                    before.map(|entry| entry.after.balance.minor()).or((after.version == 1).then_some(0));
                let paid = before.map(|before| before - after.balance.minor());
                lines.eq(tray.lines.iter().cloned())
                    && bill.menu_version.to_string() == tray.version
                    && bill.discount.minor() == discount
                    && paid == Some(net)
                    && (net == 0 || after.balance.minor() >= -overdraft)
            }
            Outcome::Rejected(Rejection::InsufficientCredit { balance, total_net }) => {
                // Wallets begin empty.
                let was_balance = *balance == Money::ZERO
                    || self.ledger.iter().any(|entry| entry.after.balance == *balance);
                total_net.minor() == net && net > 0 && balance.minor() - net < -overdraft && was_balance
            }
            Outcome::Rejected(_) | Outcome::Withdrawn => false,
        }
    }
}

/// A basket under one menu.
#[derive(Debug, Default)]
struct Tray {
    version: String,
    unknown: Vec<String>,
    sold_out: Vec<String>,
    changed: Vec<(String, i64)>,
    lines: Vec<(String, i64, i64)>,
}
