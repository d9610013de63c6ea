//! A sale to one employee: how it is decided, and what stays of it.
//!
//! `decide` is total: for every state and command there is exactly one outcome, and prices come
//! from the menu alone.

use crate::command::{Basket, OrderLine, PostCheckout};
use crate::employee::Employee;
use crate::id::{
    CheckoutId, ConcessionaireId, EmployeeNumber, MealCode, Rfid, StationId, TenantId, UserName,
};
use crate::ledger::{Entry, Flow, Movement};
use crate::menu::{Meal, Menu, MenuVersion};
use crate::money::{BasisPoints, Calories, Money, Price, Quantity};
use crate::planted::{self, Planted};
use crate::request::RequestHash;
use crate::role::Status;
use crate::tenant::{Tenant, TenantStatus};
use crate::wallet::Wallet;
use jiff::Timestamp;
use jiff::civil::Date;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use strum::{IntoStaticStr, VariantNames};

/// Everything a decision looks at.
#[derive(Debug, Clone)]
pub struct State<'a> {
    pub tenant: &'a Tenant,
    pub employee: &'a Employee,
    pub wallet: Wallet,
    /// What the station's concessionaire sells; `None` if it has no menu yet.
    pub menu: Option<&'a Menu>,
    pub now: Timestamp,
}

/// Why the business refuses, in order of precedence: the first that applies is the answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, IntoStaticStr, VariantNames)]
#[serde(tag = "type", rename_all = "kebab-case")]
#[strum(serialize_all = "kebab-case")]
pub enum Rejection {
    /// It was decided too late; the buyer may have paid otherwise since.
    Expired,
    TenantSuspended,
    EmployeeInactive,
    /// The badge shown is blocked, or is no longer this employee's.
    BadgeBlocked,
    UnknownMeal {
        codes: Vec<MealCode>,
    },
    SoldOut {
        codes: Vec<MealCode>,
    },
    PriceChanged {
        prices: Vec<PriceChange>,
    },
    InsufficientCredit {
        balance: Money,
        total_net: Money,
    },
}

/// A price that the terminal displayed and the menu no longer holds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PriceChange {
    pub code: MealCode,
    pub shown: Price,
    pub price: Price,
}

impl Rejection {
    /// The stable public name.
    pub fn name(&self) -> &'static str {
        self.into()
    }
}

/// One line as it was sold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SoldLine {
    pub code: MealCode,
    pub name: String,
    pub category: String,
    pub price: Price,
    pub calories: Option<Calories>,
    pub qty: Quantity,
}

impl SoldLine {
    pub fn subtotal_price(&self) -> Money {
        self.price.times(self.qty)
    }

    /// Kilocalories, unknown if the meal's are.
    pub fn subtotal_calories(&self) -> Option<u64> {
        self.calories.map(|calories| calories.times(self.qty))
    }
}

/// A basket at today's prices.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bill {
    pub lines: Vec<SoldLine>,
    pub discount: Money,
    pub menu_version: MenuVersion,
}

impl Bill {
    /// At most 50 lines of 99 meals at 10^9: far inside an `i64`.
    pub fn total_gross(&self) -> Money {
        gross(&self.lines)
    }

    pub fn total_net(&self) -> Money {
        Money::from_minor(self.total_gross().minor() - self.discount.minor())
    }

    /// Kilocalories of the lines whose calories are known.
    pub fn total_calories(&self) -> u64 {
        self.lines.iter().filter_map(SoldLine::subtotal_calories).sum()
    }
}

fn gross(lines: &[SoldLine]) -> Money {
    Money::from_minor(lines.iter().map(|line| line.subtotal_price().minor()).sum())
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    Settled {
        bill: Bill,
        /// The wallet that this checkout left.
        after: Wallet,
    },
    Rejected(Rejection),
    /// Voided before it was decided: nothing was sold, nor will be.
    Withdrawn,
}

/// What was given back of a settled sale.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Returned {
    pub amount: Money,
    /// How many of each meal, as far as meals were named.
    pub items: BTreeMap<MealCode, u32>,
    /// Undone as a whole.
    pub voided: Option<Voided>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Voided {
    pub at: Timestamp,
    pub by: UserName,
}

/// What stays of a checkout: its receipt, and the record that it happened once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checkout {
    pub tenant: TenantId,
    pub id: CheckoutId,
    pub request: RequestHash,
    pub employee: EmployeeNumber,
    /// Nothing where it was withdrawn: nobody knows which station would have sold.
    pub station: Option<StationId>,
    pub concessionaire: ConcessionaireId,
    /// Who sent it, or withdrew it.
    pub caller: UserName,
    pub business_date: Date,
    pub accepted_at: Timestamp,
    pub decided_at: Timestamp,
    pub outcome: Outcome,
    pub returned: Returned,
}

impl Checkout {
    /// Whether it is the outcome of this request. What was withdrawn is the outcome of any.
    pub fn answers(&self, request: RequestHash) -> bool {
        self.request == request || self.outcome == Outcome::Withdrawn
    }

    /// The movement that it is, if it settled.
    pub fn entry(&self) -> Option<Entry> {
        match &self.outcome {
            Outcome::Settled { bill, after } => {
                Some(Entry { amount: bill.total_net().checked_neg()?, after: *after })
            }
            Outcome::Rejected(_) | Outcome::Withdrawn => None,
        }
    }

    /// The same, and what it was for.
    pub fn movement(&self) -> Option<Movement> {
        self.entry().map(|entry| Movement { at: self.decided_at, entry, flow: Flow::Spent })
    }
}

/// Decides a command on a state and records what came of it.
pub fn decide(state: &State<'_>, command: &PostCheckout) -> Checkout {
    let outcome = match settle(state, command) {
        Ok((bill, after)) => Outcome::Settled { bill, after },
        Err(rejection) => Outcome::Rejected(rejection),
    };
    let dated_at = if planted::is(Planted::DatedWhenDecided) { state.now } else { command.accepted_at };
    Checkout {
        tenant: command.tenant.clone(),
        id: command.id,
        request: command.request,
        employee: command.employee.clone(),
        station: Some(command.station.clone()),
        concessionaire: command.concessionaire.clone(),
        caller: command.caller.clone(),
        business_date: state.tenant.business_day.date_of(dated_at),
        accepted_at: command.accepted_at,
        decided_at: state.now,
        outcome,
        returned: Returned::default(),
    }
}

fn settle(state: &State<'_>, command: &PostCheckout) -> Result<(Bill, Wallet), Rejection> {
    if command.is_expired(state.now) {
        return Err(Rejection::Expired);
    }
    let bill = bill(state, command.badge.as_ref(), &command.basket)?;
    let after = cover(state, &bill)?;
    Ok((bill, after))
}

/// What a basket comes to for this buyer now, whatever the wallet holds.
pub fn bill(state: &State<'_>, badge: Option<&Rfid>, basket: &Basket) -> Result<Bill, Rejection> {
    if state.tenant.status != TenantStatus::Active {
        return Err(Rejection::TenantSuspended);
    }
    if state.employee.status != Status::Active {
        return Err(Rejection::EmployeeInactive);
    }
    if badge.is_some_and(|badge| !state.employee.has_active_badge(badge)) {
        return Err(Rejection::BadgeBlocked);
    }
    price(basket.lines(), state.menu, state.employee.discount, state.now)
}

/// The wallet after a bill is paid.
pub fn cover(state: &State<'_>, bill: &Bill) -> Result<Wallet, Rejection> {
    let (balance, total_net) = (state.wallet.balance, bill.total_net());
    let debited = state.wallet.debit(total_net, state.tenant.overdraft_limit);
    debited.map_err(|_| Rejection::InsufficientCredit { balance, total_net })
}

/// Prices an order from the menu; each refusal names every line it concerns.
pub fn price(
    order: &[OrderLine],
    menu: Option<&Menu>,
    discount: BasisPoints,
    now: Timestamp,
) -> Result<Bill, Rejection> {
    let meal_of = |line: &OrderLine| menu.and_then(|menu| menu.meal(&line.code));
    let (Some(menu), true) = (menu, order.iter().all(|line| meal_of(line).is_some())) else {
        let codes = codes(order, |line| meal_of(line).is_none());
        return Err(Rejection::UnknownMeal { codes });
    };
    let sold_out = codes(order, |line| menu.is_sold_out(&line.code, now));
    if !sold_out.is_empty() {
        return Err(Rejection::SoldOut { codes: sold_out });
    }
    let ordered = || order.iter().filter_map(|line| Some((line, meal_of(line)?)));
    let prices: Vec<_> = ordered().filter_map(|(line, meal)| price_change(line, meal)).collect();
    if !prices.is_empty() {
        return Err(Rejection::PriceChanged { prices });
    }
    let lines: Vec<_> = ordered().map(|(line, meal)| sold_line(line, meal)).collect();
    let discount = discount.of(gross(&lines));
    Ok(Bill { lines, discount, menu_version: menu.version })
}

fn codes(order: &[OrderLine], concerns: impl Fn(&OrderLine) -> bool) -> Vec<MealCode> {
    order.iter().filter(|line| concerns(line)).map(|line| line.code.clone()).collect()
}

fn price_change(line: &OrderLine, meal: &Meal) -> Option<PriceChange> {
    let shown = line.price.filter(|shown| *shown != meal.price && !planted::is(Planted::PriceTrusted))?;
    Some(PriceChange { code: line.code.clone(), shown, price: meal.price })
}

fn sold_line(line: &OrderLine, meal: &Meal) -> SoldLine {
    SoldLine {
        code: line.code.clone(),
        name: meal.name.clone(),
        category: meal.category.clone(),
        price: line.price.filter(|_| planted::is(Planted::PriceTrusted)).unwrap_or(meal.price),
        calories: meal.calories,
        qty: line.qty,
    }
}

#[cfg(test)]
mod tests;
