//! Movements other than checkouts: what gives back a sale, corrects a wallet, or opened one.
//!
//! `decide` is total: for every state and command there is exactly one booking, which moved the wallet
//! or was rejected, and never gives back more than was paid.

use crate::checkout::{Bill, Checkout, Outcome, Returned, Voided};
use crate::cutoff::Replenished;
use crate::id::{
    BookingId, CheckoutId, CommandId, ConcessionaireId, EmployeeNumber, MealCode, TenantId, UserName,
};
use crate::ledger::{Entry, Flow, Movement};
use crate::money::{Money, Quantity};
use crate::planted::{self, Planted};
use crate::request::RequestHash;
use crate::tenant::Tenant;
use crate::text::Reason;
use crate::wallet::Wallet;
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use strum::{IntoStaticStr, VariantNames};

/// How long after a sale its cashier may void it; later, it is the manager's.
pub const CASHIER_VOID_WINDOW: SignedDuration = SignedDuration::from_mins(15);

/// Move a wallet otherwise than by a sale.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PostBooking {
    pub tenant: TenantId,
    pub id: CommandId,
    pub request: RequestHash,
    pub caller: UserName,
    pub employee: EmployeeNumber,
    pub correction: Correction,
    pub reason: Reason,
    pub accepted_at: Timestamp,
    pub expires_at: Timestamp,
}

/// What is put right.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "correction", rename_all = "snake_case")]
pub enum Correction {
    /// Undo a sale of today, also one that is not decided yet.
    Void { checkout: CheckoutId, concessionaire: ConcessionaireId, is_cashier: bool },
    /// Give back some of a sale. Without a concessionaire, whoever's sale it is.
    Refund {
        checkout: CheckoutId,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        concessionaire: Option<ConcessionaireId>,
        share: Share,
    },
    /// Add to a wallet, or take from it.
    Adjustment { amount: Money },
}

impl Correction {
    pub fn kind(&self) -> BookingKind {
        match self {
            Correction::Void { .. } => BookingKind::Void,
            Correction::Refund { .. } => BookingKind::Refund,
            Correction::Adjustment { .. } => BookingKind::Adjustment,
        }
    }

    /// The sale that it concerns.
    pub fn checkout(&self) -> Option<CheckoutId> {
        match self {
            Correction::Void { checkout, .. } | Correction::Refund { checkout, .. } => Some(*checkout),
            Correction::Adjustment { .. } => None,
        }
    }
}

/// How much of a sale is given back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Share {
    /// Greater than zero.
    Amount(Money),
    Items(BTreeMap<MealCode, Quantity>),
}

/// Why credit moved.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum BookingKind {
    /// Credit a wallet starts with.
    Opening,
    Void,
    Refund,
    Adjustment,
    /// Credit granted at a cutoff, and what lapsed there.
    Grant,
}

/// Why the business refuses, in order of precedence.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, IntoStaticStr, VariantNames)]
#[serde(tag = "type", rename_all = "kebab-case")]
#[strum(serialize_all = "kebab-case")]
pub enum Rejection {
    Expired,
    /// Who is not active gets no credit at a cutoff.
    EmployeeInactive,
    /// There is no such sale of this concessionaire.
    UnknownCheckout,
    /// It was rejected, so nothing was paid.
    NotSettled,
    AlreadyVoided,
    /// Another business day, or too long ago for a cashier.
    TooLate,
    /// Fewer of these meals were sold, or are left to give back.
    ExceedsSold {
        codes: Vec<MealCode>,
    },
    ExceedsPaid {
        refundable: Money,
    },
    InsufficientCredit {
        balance: Money,
    },
    /// The balance would leave the range of amounts.
    OutOfRange,
}

impl Rejection {
    /// The stable public name.
    pub fn name(&self) -> &'static str {
        self.into()
    }
}

/// What stays of it: the receipt of its command, and the record that it happened once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Booking {
    pub id: BookingId,
    pub kind: BookingKind,
    pub at: Timestamp,
    pub by: UserName,
    /// What a person asked for; nothing if no person did.
    pub cause: Option<Cause>,
    /// What a cutoff granted and let lapse.
    pub replenished: Option<Replenished>,
    pub outcome: BookingOutcome,
}

/// Which request a booking answers, and why it was made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cause {
    pub request: RequestHash,
    pub reason: Reason,
    pub checkout: Option<CheckoutId>,
    /// The meals given back, if they were named.
    pub items: BTreeMap<MealCode, Quantity>,
    pub accepted_at: Timestamp,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BookingOutcome {
    Booked {
        /// What it added; negative if it took. Zero where a sale was voided before it was decided.
        amount: Money,
        /// The wallet that it left.
        after: Wallet,
    },
    Rejected(Rejection),
}

impl Booking {
    /// The movement that it is, if it moved the wallet.
    pub fn entry(&self) -> Option<Entry> {
        match self.outcome {
            BookingOutcome::Booked { amount, after } => Some(Entry { amount, after }),
            BookingOutcome::Rejected(_) => None,
        }
    }

    /// Whether the sale that it is about was there when it was decided.
    pub fn has_found_its_sale(&self) -> bool {
        !matches!(self.outcome, BookingOutcome::Rejected(Rejection::Expired | Rejection::UnknownCheckout))
    }

    /// The same movement, and what it was for.
    pub fn movement(&self) -> Option<Movement> {
        let flow = match self.kind {
            BookingKind::Opening | BookingKind::Grant => Flow::Granted {
                expired: self.replenished.map_or(Money::ZERO, |replenished| replenished.expired),
            },
            BookingKind::Void | BookingKind::Refund => Flow::Refunded,
            BookingKind::Adjustment => Flow::Adjusted,
        };
        self.entry().map(|entry| Movement { at: self.at, entry, flow })
    }
}

/// Everything a decision looks at.
#[derive(Debug, Clone, Copy)]
pub struct State<'a> {
    pub tenant: &'a Tenant,
    pub wallet: Wallet,
    /// The sale that it concerns, if it is there.
    pub checkout: Option<&'a Checkout>,
    pub now: Timestamp,
}

/// A booking, and the sale as it stands afterwards, if it concerns one and changed it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Decision {
    pub booking: Booking,
    pub checkout: Option<Checkout>,
}

/// Decides a command on a state and records what came of it.
pub fn decide(state: State<'_>, command: &PostBooking) -> Decision {
    let (outcome, checkout) = match book(state, command) {
        Ok((amount, after, checkout)) => (BookingOutcome::Booked { amount, after }, checkout),
        Err(rejection) => (BookingOutcome::Rejected(rejection), None),
    };
    let items = match &command.correction {
        Correction::Refund { share: Share::Items(items), .. } => items.clone(),
        Correction::Refund { .. } | Correction::Void { .. } | Correction::Adjustment { .. } => [].into(),
    };
    let cause = Cause {
        request: command.request,
        reason: command.reason.clone(),
        checkout: command.correction.checkout(),
        items,
        accepted_at: command.accepted_at,
    };
    let booking = Booking {
        id: command.id.into(),
        kind: command.correction.kind(),
        at: state.now,
        by: command.caller.clone(),
        cause: Some(cause),
        replenished: None,
        outcome,
    };
    Decision { booking, checkout }
}

type Booked = (Money, Wallet, Option<Checkout>);

fn book(state: State<'_>, command: &PostBooking) -> Result<Booked, Rejection> {
    if state.now > command.expires_at && !planted::is(Planted::BookingExpiryIgnored) {
        return Err(Rejection::Expired);
    }
    match &command.correction {
        Correction::Void { concessionaire, is_cashier, .. } => match state.checkout {
            Some(checkout) => void(state, checkout, concessionaire, *is_cashier, command),
            None => withdraw(state, command, concessionaire),
        },
        Correction::Refund { concessionaire, share, .. } => {
            refund(state, state.checkout, concessionaire.as_ref(), share)
        }
        Correction::Adjustment { amount } => adjust(state, *amount),
    }
}

/// The bill of a settled sale of this concessionaire that was not voided.
fn bill_of<'a>(
    checkout: &'a Checkout,
    concessionaire: Option<&ConcessionaireId>,
) -> Result<&'a Bill, Rejection> {
    if concessionaire.is_some_and(|own| *own != checkout.concessionaire) {
        return Err(Rejection::UnknownCheckout);
    }
    match &checkout.outcome {
        Outcome::Settled { .. } if checkout.returned.voided.is_some() => Err(Rejection::AlreadyVoided),
        Outcome::Settled { bill, .. } => Ok(bill),
        Outcome::Withdrawn => Err(Rejection::AlreadyVoided),
        Outcome::Rejected(_) => Err(Rejection::NotSettled),
    }
}

fn void(
    state: State<'_>,
    checkout: &Checkout,
    concessionaire: &ConcessionaireId,
    is_cashier: bool,
    command: &PostBooking,
) -> Result<Booked, Rejection> {
    let bill = bill_of(checkout, Some(concessionaire))?;
    let asked_at = command.accepted_at;
    let is_today = state.tenant.business_day.date_of(asked_at) == checkout.business_date;
    let is_in_window =
        asked_at <= checkout.decided_at + CASHIER_VOID_WINDOW || planted::is(Planted::VoidWindowIgnored);
    if !is_today || (is_cashier && !is_in_window) {
        return Err(Rejection::TooLate);
    }
    let returned = if planted::is(Planted::VoidInFull) { &Returned::default() } else { &checkout.returned };
    let amount = refundable(bill, returned);
    let voided = Voided { at: state.now, by: command.caller.clone() };
    give_back(state, checkout, amount, |returned| returned.voided = Some(voided))
}

/// Nothing came of the sale yet, and nothing will. What is too old to be accepted any more is no sale at all.
fn withdraw(
    state: State<'_>,
    command: &PostBooking,
    concessionaire: &ConcessionaireId,
) -> Result<Booked, Rejection> {
    let id = command.correction.checkout().filter(|id| id.check_age(state.now).is_ok());
    let id = id.ok_or(Rejection::UnknownCheckout)?;
    let checkout = Checkout {
        tenant: command.tenant.clone(),
        id,
        request: command.request,
        employee: command.employee.clone(),
        station: None,
        concessionaire: concessionaire.clone(),
        caller: command.caller.clone(),
        business_date: state.tenant.business_day.date_of(command.accepted_at),
        accepted_at: command.accepted_at,
        decided_at: state.now,
        outcome: Outcome::Withdrawn,
        returned: Returned::default(),
    };
    let after = state.wallet.credit(Money::ZERO).ok_or(Rejection::OutOfRange)?;
    Ok((Money::ZERO, after, Some(checkout)))
}

fn refund(
    state: State<'_>,
    checkout: Option<&Checkout>,
    concessionaire: Option<&ConcessionaireId>,
    share: &Share,
) -> Result<Booked, Rejection> {
    let checkout = checkout.ok_or(Rejection::UnknownCheckout)?;
    let bill = bill_of(checkout, concessionaire)?;
    let (amount, items) = match share {
        Share::Amount(amount) => (*amount, BTreeMap::new()),
        Share::Items(items) => (worth(bill, &checkout.returned, items)?, items.clone()),
    };
    let refundable = refundable(bill, &checkout.returned);
    if amount > refundable && !planted::is(Planted::RefundUncapped) {
        return Err(Rejection::ExceedsPaid { refundable });
    }
    give_back(state, checkout, amount, |returned| {
        for (code, qty) in items {
            *returned.items.entry(code).or_default() += u32::from(qty.get());
        }
    })
}

fn adjust(state: State<'_>, amount: Money) -> Result<Booked, Rejection> {
    let after = if amount < Money::ZERO {
        let taken = amount.checked_neg().ok_or(Rejection::OutOfRange)?;
        let balance = state.wallet.balance;
        let is_unbound = planted::is(Planted::AdjustedBelowFloor);
        let limit = state.tenant.overdraft_limit;
        let limit = if is_unbound { limit.max(taken) } else { limit };
        let debited = state.wallet.debit(taken, limit);
        debited.map_err(|_| Rejection::InsufficientCredit { balance })?
    } else {
        state.wallet.credit(amount).ok_or(Rejection::OutOfRange)?
    };
    Ok((amount, after, None))
}

fn give_back(
    state: State<'_>,
    checkout: &Checkout,
    amount: Money,
    note: impl FnOnce(&mut Returned),
) -> Result<Booked, Rejection> {
    let after = state.wallet.credit(amount).ok_or(Rejection::OutOfRange)?;
    let mut checkout = checkout.clone();
    checkout.returned.amount = checkout.returned.amount.checked_add(amount).ok_or(Rejection::OutOfRange)?;
    note(&mut checkout.returned);
    Ok((amount, after, Some(checkout)))
}

/// What was paid and not given back yet.
pub fn refundable(bill: &Bill, returned: &Returned) -> Money {
    Money::from_minor(bill.total_net().minor() - returned.amount.minor())
}

/// What these meals were paid with: their share of the total after discount, so rounded that all meals
/// of a sale, given back one by one, are worth what was paid.
fn worth(bill: &Bill, returned: &Returned, items: &BTreeMap<MealCode, Quantity>) -> Result<Money, Rejection> {
    let sold = |code: &MealCode| {
        bill.lines.iter().filter(|line| line.code == *code).map(|line| u32::from(line.qty.get())).sum::<u32>()
    };
    let back = |code: &MealCode| returned.items.get(code).copied().unwrap_or_default();
    let exceeds = |(code, qty): &(&MealCode, &Quantity)| sold(code) < back(code) + u32::from(qty.get());
    let codes: Vec<_> = items.iter().filter(exceeds).map(|(code, _)| code.clone()).collect();
    if !codes.is_empty() {
        return Err(Rejection::ExceedsSold { codes });
    }
    let gross_of = |quantity: &dyn Fn(&MealCode) -> u32| -> i64 {
        let mut seen = BTreeMap::new();
        for line in &bill.lines {
            seen.insert(&line.code, line.price);
        }
        seen.into_iter().map(|(code, price)| price.get() * i64::from(quantity(code))).sum()
    };
    let before = gross_of(&|code| sold(code) - back(code));
    let asked = |code: &MealCode| items.get(code).map_or(0, |qty| u32::from(qty.get()));
    let after = gross_of(&|code| sold(code) - back(code) - asked(code));
    if planted::is(Planted::DiscountGivenBack) {
        return Ok(Money::from_minor(before - after));
    }
    Ok(Money::from_minor(net_of(bill, before) - net_of(bill, after)))
}

/// The share of what was paid that belongs to this much of the gross total, rounded half up.
fn net_of(bill: &Bill, gross: i64) -> i64 {
    let total_gross = i128::from(bill.total_gross().minor());
    if total_gross == 0 {
        return 0;
    }
    let scaled = i128::from(bill.total_net().minor()) * i128::from(gross) * 2 + total_gross;
    // A share of at most the whole fits where the whole did.
    i64::try_from(scaled.div_euclid(total_gross * 2)).unwrap_or(bill.total_net().minor())
}

#[cfg(test)]
mod tests;
