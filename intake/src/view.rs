//! What clients read of a checkout, an employee and a menu.

use aws::items::Account;
use domain::checkout::{Bill, Checkout, Outcome, PriceChange, Rejection, SoldLine};
use domain::employee::Employee;
use domain::id::{CheckoutId, ConcessionaireId, MealCode};
use domain::menu::Menu;
use domain::money::Money;
use domain::role::Status;
use domain::tenant::{Currency, Tenant};
use domain::wallet::Wallet;
use serde::Serialize;
use utoipa::ToSchema;

/// A checkout: what came of it, or that nothing has yet, or never will.
#[derive(Debug, Serialize, ToSchema)]
#[serde(tag = "status", rename_all = "snake_case")]
pub enum CheckoutView {
    Settled(Box<SettledView>),
    Rejected(Box<RejectedView>),
    /// Accepted; the outcome is on its way.
    Pending(UndecidedView),
    /// Accepted, and nothing came of it in time: nobody was charged, nor will be for that request.
    /// Sending it again under the same key is a new attempt.
    Failed(UndecidedView),
}

/// Amounts are minor units of `currency`.
#[derive(Debug, Serialize, ToSchema)]
pub struct SettledView {
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
}

#[derive(Debug, Serialize, ToSchema)]
pub struct RejectedView {
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
}

#[derive(Debug, Serialize, ToSchema)]
pub struct SoldItemView {
    code: String,
    name: String,
    category: String,
    price: i64,
    calories: Option<u32>,
    qty: u8,
    subtotal_price: i64,
    subtotal_calories: Option<u64>,
}

/// Why the business said no. Which members there are depends on `type`.
#[derive(Debug, Serialize, ToSchema)]
pub struct RejectionView {
    /// Stable; what clients tell rejections apart by.
    #[serde(rename = "type")]
    #[schema(example = "insufficient-credit")]
    kind: &'static str,
    title: &'static str,
    detail: String,
    /// The meals concerned.
    #[serde(skip_serializing_if = "Option::is_none")]
    codes: Option<Vec<String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    prices: Option<Vec<PriceChangeView>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    balance: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    total_net: Option<i64>,
}

#[derive(Debug, Serialize, ToSchema)]
pub struct PriceChangeView {
    code: String,
    /// What the terminal displayed.
    shown: i64,
    /// What it costs today.
    price: i64,
}

impl CheckoutView {
    pub fn of(checkout: Checkout, employee: &Employee, currency: &Currency) -> Self {
        let currency = String::from(currency.clone());
        let id = checkout.id.to_string();
        let station = checkout.station.into();
        let concessionaire_id = checkout.concessionaire.into();
        let business_date = checkout.business_date.to_string();
        let accepted_at = checkout.accepted_at.to_string();
        let decided_at = checkout.decided_at.to_string();
        match checkout.outcome {
            Outcome::Settled { bill, after } => CheckoutView::Settled(Box::new(SettledView {
                id,
                employee: BuyerView::of(employee, Some((&bill, after))),
                station,
                concessionaire_id,
                total_gross: bill.total_gross().minor(),
                discount: bill.discount.minor(),
                total_net: bill.total_net().minor(),
                total_calories: bill.total_calories(),
                currency,
                business_date,
                accepted_at,
                settled_at: decided_at,
                settled_by: checkout.caller.into(),
                menu_version: bill.menu_version.to_string(),
                items: bill.lines.into_iter().map(SoldItemView::from).collect(),
            })),
            Outcome::Rejected(rejection) => CheckoutView::Rejected(Box::new(RejectedView {
                id,
                rejection: rejection.into(),
                employee: BuyerView::of(employee, None),
                station,
                concessionaire_id,
                currency,
                business_date,
                accepted_at,
                rejected_at: decided_at,
            })),
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
        }
    }
}

impl From<SoldLine> for SoldItemView {
    fn from(line: SoldLine) -> Self {
        Self {
            subtotal_price: line.subtotal_price().minor(),
            subtotal_calories: line.subtotal_calories(),
            code: line.code.into(),
            name: line.name,
            category: line.category,
            price: line.price.get(),
            calories: line.calories.map(|calories| calories.get()),
            qty: line.qty.get(),
        }
    }
}

impl From<Rejection> for RejectionView {
    fn from(rejection: Rejection) -> Self {
        let kind = rejection.name();
        let (title, detail) = words(&rejection);
        let mut view =
            Self { kind, title, detail, codes: None, prices: None, balance: None, total_net: None };
        match rejection {
            Rejection::UnknownMeal { codes } | Rejection::SoldOut { codes } => {
                view.codes = Some(codes.into_iter().map(String::from).collect());
            }
            Rejection::PriceChanged { prices } => {
                view.prices = Some(prices.into_iter().map(PriceChangeView::from).collect());
            }
            Rejection::InsufficientCredit { balance, total_net } => {
                view.balance = Some(balance.minor());
                view.total_net = Some(total_net.minor());
            }
            Rejection::Expired
            | Rejection::TenantSuspended
            | Rejection::EmployeeInactive
            | Rejection::BadgeBlocked => {}
        }
        view
    }
}

/// Title and detail for whoever stands at the till.
fn words(rejection: &Rejection) -> (&'static str, String) {
    let listed = |codes: &[MealCode]| codes.iter().map(MealCode::as_str).collect::<Vec<_>>().join(", ");
    match rejection {
        Rejection::Expired => {
            ("Too late", "It was not decided within five minutes; nobody was charged.".to_owned())
        }
        Rejection::TenantSuspended => ("Not selling", "The company is suspended.".to_owned()),
        Rejection::EmployeeInactive => {
            ("Inactive employee", "This employee may not buy at present.".to_owned())
        }
        Rejection::BadgeBlocked => ("Blocked badge", "This badge is blocked or was replaced.".to_owned()),
        Rejection::UnknownMeal { codes } => {
            ("Not on the menu", format!("Not on the menu: {}.", listed(codes)))
        }
        Rejection::SoldOut { codes } => ("Sold out", format!("Sold out: {}.", listed(codes))),
        Rejection::PriceChanged { prices } => {
            let codes: Vec<_> = prices.iter().map(|change| change.code.clone()).collect();
            ("Price changed", format!("The price displayed is not today's: {}.", listed(&codes)))
        }
        Rejection::InsufficientCredit { balance, total_net } => {
            ("Not enough credit", format!("The sale comes to {total_net} and the wallet holds {balance}."))
        }
    }
}

impl From<PriceChange> for PriceChangeView {
    fn from(change: PriceChange) -> Self {
        Self { code: change.code.into(), shown: change.shown.get(), price: change.price.get() }
    }
}

/// An employee with wallet and newest checkouts. Amounts are minor units of `currency`.
#[derive(Debug, Serialize, ToSchema)]
pub struct EmployeeView {
    employee_number: String,
    name: String,
    image_url: Option<String>,
    #[schema(value_type = String, example = "active")]
    status: Status,
    discount_basis_points: u16,
    credit_limit: i64,
    balance: i64,
    /// How many movements the wallet has had.
    wallet_version: u64,
    currency: String,
    /// Newest first, rejected ones included.
    recent: Vec<CheckoutView>,
}

impl EmployeeView {
    pub fn of(account: Account, tenant: &Tenant) -> Self {
        let Account { employee, wallet, recent } = account;
        let recent = recent
            .into_iter()
            .map(|checkout| CheckoutView::of(checkout, &employee, &tenant.currency))
            .collect();
        Self {
            employee_number: employee.number.into(),
            name: employee.name,
            image_url: employee.image_url,
            status: employee.status,
            discount_basis_points: employee.discount.get(),
            credit_limit: employee.limit.minor(),
            balance: wallet.balance.minor(),
            wallet_version: wallet.version,
            currency: tenant.currency.clone().into(),
            recent,
        }
    }
}

/// A menu. Prices are minor units of `currency`.
#[derive(Debug, Serialize, ToSchema)]
pub struct MenuView {
    concessionaire_id: String,
    menu_version: String,
    currency: String,
    meals: Vec<MealView>,
}

#[derive(Debug, Serialize, ToSchema)]
pub struct MealView {
    code: String,
    name: String,
    category: String,
    price: i64,
    calories: Option<u32>,
    /// Whether it was marked as sold out; it counts again from `sold_out_until` on, if that is given.
    sold_out: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(format = DateTime)]
    sold_out_until: Option<String>,
}

impl MenuView {
    pub fn of(menu: &Menu, concessionaire: &ConcessionaireId, currency: &Currency) -> Self {
        let meals = menu.meals.iter().map(|(code, meal)| {
            let sold_out = menu.sold_out.get(code);
            MealView {
                code: code.to_string(),
                name: meal.name.clone(),
                category: meal.category.clone(),
                price: meal.price.get(),
                calories: meal.calories.map(|calories| calories.get()),
                sold_out: sold_out.is_some(),
                sold_out_until: sold_out.copied().flatten().map(|until| until.to_string()),
            }
        });
        Self {
            concessionaire_id: concessionaire.to_string(),
            menu_version: menu.version.to_string(),
            currency: currency.clone().into(),
            meals: meals.collect(),
        }
    }
}
