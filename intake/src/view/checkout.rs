//! What clients read of a checkout.

use super::RejectionView;
use domain::checkout::{self, Bill, Checkout, Outcome, Rejection, Returned, SoldLine};
use domain::command::Basket;
use domain::employee::Employee;
use domain::id::{CheckoutId, Rfid, UserName};
use domain::money::Money;
use domain::tenant::Currency;
use domain::wallet::Wallet;
use jiff::Timestamp;
use serde::Serialize;
use utoipa::ToSchema;

/// A checkout: what came of it, or that nothing has yet, or never will.
#[derive(Debug, Serialize, ToSchema)]
#[serde(tag = "status", rename_all = "snake_case")]
pub enum CheckoutView {
    Settled(Box<SettledCheckoutView>),
    /// Sold and undone again, or undone before it was decided.
    Voided(Box<VoidedCheckoutView>),
    Rejected(Box<RejectedCheckoutView>),
    /// Accepted; the outcome is on its way.
    Pending(UndecidedView),
    /// Accepted, and nothing came of it in time: nobody was charged, nor will be for that request.
    /// Sending it again under the same key is a new attempt.
    Failed(UndecidedView),
}

/// Amounts are minor units of `currency`.
#[derive(Debug, Serialize, ToSchema)]
pub struct SettledCheckoutView {
    id: String,
    employee: BuyerView,
    station: String,
    concessionaire_id: String,
    items: Vec<SoldItemView>,
    total_gross: i64,
    discount: i64,
    total_net: i64,
    /// Kilocalories of the items whose calories are known.
    total_calories: u64,
    currency: String,
    #[schema(format = Date)]
    business_date: String,
    #[schema(format = DateTime)]
    accepted_at: String,
    #[schema(format = DateTime)]
    settled_at: String,
    settled_by: String,
    menu_version: String,
    /// What was given back of `total_net` so far.
    refunded: i64,
}

#[derive(Debug, Serialize, ToSchema)]
pub struct VoidedCheckoutView {
    id: String,
    employee: BuyerView,
    concessionaire_id: String,
    currency: String,
    #[schema(format = Date)]
    business_date: String,
    #[schema(format = DateTime)]
    voided_at: String,
    voided_by: String,
    /// What had been sold; absent if it was undone before it was decided.
    #[serde(skip_serializing_if = "Option::is_none")]
    sale: Option<SettledCheckoutView>,
}

#[derive(Debug, Serialize, ToSchema)]
pub struct RejectedCheckoutView {
    id: String,
    rejection: RejectionView,
    employee: BuyerView,
    station: String,
    concessionaire_id: String,
    currency: String,
    #[schema(format = Date)]
    business_date: String,
    #[schema(format = DateTime)]
    accepted_at: String,
    #[schema(format = DateTime)]
    rejected_at: String,
}

#[derive(Debug, Serialize, ToSchema)]
pub struct UndecidedView {
    pub id: String,
}

#[derive(Debug, Serialize, ToSchema)]
pub struct BuyerView {
    employee_number: String,
    name: String,
    image_url: Option<String>,
    /// Only of a settled checkout.
    #[serde(skip_serializing_if = "Option::is_none")]
    balance_before: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    balance_after: Option<i64>,
    /// Of `balance_after`: a balance of a higher version is a later one.
    #[serde(skip_serializing_if = "Option::is_none")]
    wallet_version: Option<u64>,
}

#[derive(Debug, Serialize, ToSchema)]
pub struct SoldItemView {
    code: String,
    name: String,
    category: String,
    price: i64,
    calories: Option<u32>,
    qty: u8,
    /// How many of this code were given back by name, on whichever of its lines.
    refunded_qty: u32,
    subtotal_price: i64,
    subtotal_calories: Option<u64>,
}

impl CheckoutView {
    pub fn of(checkout: Checkout, employee: &Employee, currency: &Currency) -> Self {
        match (&checkout.outcome, &checkout.returned.voided) {
            (Outcome::Settled { bill, after }, None) => CheckoutView::Settled(Box::new(
                SettledCheckoutView::of(&checkout, bill, *after, employee, currency),
            )),
            (Outcome::Settled { bill, after }, Some(voided)) => {
                let sale = SettledCheckoutView::of(&checkout, bill, *after, employee, currency);
                let (at, by) = (voided.at, &voided.by);
                CheckoutView::Voided(Box::new(VoidedCheckoutView::of(
                    &checkout,
                    at,
                    by,
                    Some(sale),
                    employee,
                    currency,
                )))
            }
            (Outcome::Withdrawn, _) => {
                let (at, by) = (checkout.decided_at, &checkout.caller);
                CheckoutView::Voided(Box::new(VoidedCheckoutView::of(
                    &checkout, at, by, None, employee, currency,
                )))
            }
            (Outcome::Rejected(rejection), _) => CheckoutView::Rejected(Box::new(RejectedCheckoutView::of(
                &checkout, rejection, employee, currency,
            ))),
        }
    }

    pub fn pending(id: CheckoutId) -> Self {
        CheckoutView::Pending(UndecidedView { id: id.to_string() })
    }

    pub fn failed(id: CheckoutId) -> Self {
        CheckoutView::Failed(UndecidedView { id: id.to_string() })
    }
}

impl BuyerView {
    fn of(employee: &Employee, settled: Option<(&Bill, Wallet)>) -> Self {
        let before = |(bill, after): (&Bill, Wallet)| after.balance.checked_add(bill.total_net());
        Self {
            employee_number: employee.number.to_string(),
            name: employee.name.clone(),
            image_url: employee.image_url.clone(),
            balance_before: settled.and_then(before).map(Money::minor),
            balance_after: settled.map(|(_, after)| after.balance.minor()),
            wallet_version: settled.map(|(_, after)| after.version),
        }
    }
}

impl SettledCheckoutView {
    fn of(checkout: &Checkout, bill: &Bill, after: Wallet, employee: &Employee, currency: &Currency) -> Self {
        Self {
            id: checkout.id.to_string(),
            employee: BuyerView::of(employee, Some((bill, after))),
            station: checkout.station.clone().map(String::from).unwrap_or_default(),
            concessionaire_id: checkout.concessionaire.to_string(),
            total_gross: bill.total_gross().minor(),
            discount: bill.discount.minor(),
            total_net: bill.total_net().minor(),
            total_calories: bill.total_calories(),
            currency: currency.clone().into(),
            business_date: checkout.business_date.to_string(),
            accepted_at: checkout.accepted_at.to_string(),
            settled_at: checkout.decided_at.to_string(),
            settled_by: checkout.caller.to_string(),
            menu_version: bill.menu_version.to_string(),
            refunded: checkout.returned.amount.minor(),
            items: bill.lines.iter().map(|line| SoldItemView::of(line, &checkout.returned)).collect(),
        }
    }
}

impl RejectedCheckoutView {
    fn of(checkout: &Checkout, rejection: &Rejection, employee: &Employee, currency: &Currency) -> Self {
        Self {
            id: checkout.id.to_string(),
            rejection: rejection.clone().into(),
            employee: BuyerView::of(employee, None),
            station: checkout.station.clone().map(String::from).unwrap_or_default(),
            concessionaire_id: checkout.concessionaire.to_string(),
            currency: currency.clone().into(),
            business_date: checkout.business_date.to_string(),
            accepted_at: checkout.accepted_at.to_string(),
            rejected_at: checkout.decided_at.to_string(),
        }
    }
}

impl VoidedCheckoutView {
    fn of(
        checkout: &Checkout,
        at: Timestamp,
        by: &UserName,
        sale: Option<SettledCheckoutView>,
        employee: &Employee,
        currency: &Currency,
    ) -> Self {
        Self {
            id: checkout.id.to_string(),
            employee: BuyerView::of(employee, None),
            concessionaire_id: checkout.concessionaire.to_string(),
            currency: currency.clone().into(),
            business_date: checkout.business_date.to_string(),
            voided_at: at.to_string(),
            voided_by: by.to_string(),
            sale,
        }
    }
}

impl SoldItemView {
    fn of(line: &SoldLine, returned: &Returned) -> Self {
        Self {
            code: line.code.to_string(),
            name: line.name.clone(),
            category: line.category.clone(),
            price: line.price.get(),
            calories: line.calories.map(|calories| calories.get()),
            qty: line.qty.get(),
            refunded_qty: returned.items.get(&line.code).copied().unwrap_or_default(),
            subtotal_price: line.subtotal_price().minor(),
            subtotal_calories: line.subtotal_calories(),
        }
    }
}

/// What a basket would cost. Amounts are minor units of `currency`.
#[derive(Debug, Serialize, ToSchema)]
pub struct QuoteView {
    /// Whether it would settle now.
    is_covered: bool,
    employee: BuyerView,
    balance: i64,
    currency: String,
    /// Absent where it cannot be priced.
    #[serde(skip_serializing_if = "Option::is_none")]
    bill: Option<BillView>,
    /// Why it would not settle.
    #[serde(skip_serializing_if = "Option::is_none")]
    rejection: Option<RejectionView>,
}

#[derive(Debug, Serialize, ToSchema)]
pub struct BillView {
    items: Vec<SoldItemView>,
    total_gross: i64,
    discount: i64,
    total_net: i64,
    /// Kilocalories of the items whose calories are known.
    total_calories: u64,
    menu_version: String,
}

impl QuoteView {
    pub fn of(state: &checkout::State<'_>, badge: Option<&Rfid>, basket: &Basket) -> Self {
        let priced = checkout::bill(state, badge, basket);
        let covered = priced.as_ref().map_err(Clone::clone).and_then(|bill| checkout::cover(state, bill));
        Self {
            is_covered: covered.is_ok(),
            employee: BuyerView::of(state.employee, None),
            balance: state.wallet.balance.minor(),
            currency: state.tenant.currency.clone().into(),
            bill: priced.ok().map(|bill| BillView::of(&bill)),
            rejection: covered.err().map(RejectionView::from),
        }
    }
}

impl BillView {
    fn of(bill: &Bill) -> Self {
        let returned = Returned::default();
        Self {
            items: bill.lines.iter().map(|line| SoldItemView::of(line, &returned)).collect(),
            total_gross: bill.total_gross().minor(),
            discount: bill.discount.minor(),
            total_net: bill.total_net().minor(),
            total_calories: bill.total_calories(),
            menu_version: bill.menu_version.to_string(),
        }
    }
}
