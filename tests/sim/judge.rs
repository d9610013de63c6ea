//! Decides a sale again, in another way: every outcome that the business allowed in a span of time.
//! Written apart from the domain's own decision, and simpler, because it need not say why first.

use super::chaos::SKEW_MAX_MS;
use super::office::{Office, offset};
use super::oracle::{Asked, Invariant, Verdict};
use domain::booking::{self, Booking, BookingOutcome};
use domain::checkout::{Checkout, Outcome, Rejection};
use domain::cutoff::{Method, NegativeBalance, Policy, StandingPolicy};
use domain::employee::BadgeStatus;
use domain::id::{EmployeeNumber, TenantId};
use domain::ledger::Entry;
use domain::money::Money;
use domain::role::Status;
use domain::tenant::{Tenant, TenantStatus};
use jiff::civil::Date;
use jiff::tz::Offset;
use jiff::{SignedDuration, Timestamp};

/// A decision rests on reads of its own batch's time, and a worker may have stood still in between.
pub const LOOK_BACK_MS: i64 = 60_000;
/// How long after its decision a checkout may still be committed: the grace of a ticket.
const COMMIT_MAX_MS: i64 = 60_000;
pub const LIFETIME_MS: i64 = 300_000;

/// What is wrong with a checkout stored just now, if anything is. `ledger` holds every movement of
/// the wallet, the checkout's own included.
pub fn check(office: &Office, asked: &Asked, stored: &Checkout, ledger: &[Entry], now_ms: i64) -> Verdict {
    let wrong = |what: String| Err((Invariant::Decision, what));
    let decided_ms = stored.decided_at.as_millisecond();
    let expires_ms = stored.accepted_at.as_millisecond() + LIFETIME_MS;
    if !(decided_ms - SKEW_MAX_MS..=decided_ms + COMMIT_MAX_MS + SKEW_MAX_MS).contains(&now_ms) {
        return Err((Invariant::Late, format!("decided at {decided_ms}, stored at {now_ms}")));
    }
    let (from_ms, to_ms) = span(decided_ms);
    let case = Case { office, asked, stored, ledger, from_ms, to_ms };
    if !case.tenants().any(|tenant| stored.business_date == day_of(tenant, stored.accepted_at)) {
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
    if case.is_allowed() { Ok(()) } else { wrong(format!("nothing allowed {:?}", stored.outcome)) }
}

/// A company's business day at an instant.
pub fn day_of(tenant: &Tenant, at: Timestamp) -> Date {
    let closing = SignedDuration::from_hours(tenant.business_day.closing_hour().into());
    offset(tenant).to_datetime(at - closing).date()
}

/// When what was decided at an instant of some function's clock was read.
pub fn span(decided_ms: i64) -> (i64, i64) {
    (decided_ms - LOOK_BACK_MS - SKEW_MAX_MS, decided_ms + SKEW_MAX_MS)
}

/// What is wrong with what a cutoff made, just now, of a wallet that held `before`, if anything is.
pub fn check_grant(
    office: &Office,
    (tenant, number): (&TenantId, &EmployeeNumber),
    (policy, date): (&Policy, Date),
    booking: &Booking,
    before: i64,
    now_ms: i64,
) -> Verdict {
    let (from_ms, to_ms) = span(booking.at.as_millisecond());
    let who = &office.employees[&(tenant.clone(), number.clone())];
    // Whoever joins has their share with their first item, however long that took to be written.
    let is_joining = who.since_ms() == now_ms;
    let mut employees = who.within(from_ms, to_ms.max(who.since_ms()));
    let is_allowed = match &booking.outcome {
        BookingOutcome::Booked { after, .. } => employees.any(|employee| {
            let limit = employee.limit.unwrap_or(policy.default_limit).minor();
            let lapsed = if policy.method == Method::Reset { before.max(0) } else { 0 };
            let holds = after.balance.minor();
            let is_right = if is_joining && policy.prorates_joiners {
                let zone = offset(office.tenants[tenant].current());
                let mut standing = office.policies[tenant].within(from_ms, to_ms);
                standing.any(|standing| {
                    let next = next_cutoff(standing, zone, date, booking.at);
                    share(policy, limit, zone.to_datetime(booking.at).date(), (date, next)) == holds
                })
            } else {
                replenished(policy, before, limit) == holds
            };
            employee.status == Status::Active
                && is_right
                && booking.replenished.is_some_and(|replenished| replenished.expired.minor() == lapsed)
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

/// What comes after a cutoff: the last that is due by now, unless its days were only set later, or else the
/// first that is not.
fn next_cutoff(standing: &StandingPolicy, zone: Offset, latest: Date, now: Timestamp) -> Date {
    let StandingPolicy { policy, since } = standing;
    let mut due = None;
    let mut date = latest;
    loop {
        date = policy.schedule.after(date).expect("another cutoff");
        let at = zone.to_timestamp(policy.at.on(date)).expect("an instant");
        if at > now {
            return due.filter(|(_, at)| at > since).map_or(date, |(due, _)| due);
        }
        due = Some((date, at));
    }
}

/// What whoever joins has of a cutoff: by the days that are left until the next one.
fn share(policy: &Policy, limit: i64, joined: Date, (date, next): (Date, Date)) -> i64 {
    let whole = match policy.method {
        Method::Reset | Method::RaiseTo => limit,
        Method::TopUp { amount, cap } => amount.minor().min(cap.minor()),
    };
    let days = |from: Date| i64::from((next - from).get_days()).max(0);
    whole * days(joined.max(date)) / days(date)
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

    fn tenants(&self) -> impl Iterator<Item = &Tenant> {
        self.office.tenants[&self.asked.tenant].within(self.from_ms, self.to_ms)
    }

    fn tenant_was(&self, status: TenantStatus) -> bool {
        self.tenants().any(|tenant| tenant.status == status)
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
                let mut tenants = self.tenants();
                tenants.any(|tenant| self.is_paid(outcome, tray, discount, gross - discount, tenant))
            }),
        }
    }

    fn discounts(&self) -> impl Iterator<Item = i64> {
        let of = (self.asked.tenant.clone(), self.asked.employee.clone());
        let employees = self.office.employees[&of].within(self.from_ms, self.to_ms);
        employees.map(|employee| i64::from(employee.discount.get()))
    }

    fn is_paid(&self, outcome: &Outcome, tray: &Tray, discount: i64, net: i64, tenant: &Tenant) -> bool {
        let overdraft = tenant.overdraft_limit.minor();
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
