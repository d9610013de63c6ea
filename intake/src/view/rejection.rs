//! Why the business said no, in words for whoever stands at the till. Amounts are members: how a currency is
//! written is for the till to say.

use super::RejectionType;
use domain::admin;
use domain::badge;
use domain::booking;
use domain::checkout::{PriceChange, Rejection};
use domain::id::MealCode;
use domain::webhook::MAX_WEBHOOKS;
use serde::{Deserialize, Serialize};
use std::borrow::Cow;
use utoipa::ToSchema;

/// Why the business said no. Which members there are depends on `type`.
#[derive(Debug, Serialize, ToSchema)]
pub struct RejectionView {
    /// Stable; what clients tell rejections apart by.
    #[serde(rename = "type")]
    #[schema(value_type = RejectionType, example = "insufficient-credit")]
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
    /// What is left of a sale to give back.
    #[serde(skip_serializing_if = "Option::is_none")]
    refundable: Option<i64>,
    /// From when on it would be possible.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(format = DateTime)]
    until: Option<String>,
    /// The one that is in the way.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(format = Date)]
    cutoff: Option<String>,
}

#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct PriceChangeView {
    code: String,
    /// What the terminal displayed.
    shown: i64,
    /// What it costs today.
    price: i64,
}

impl RejectionView {
    fn new(kind: &'static str, (title, detail): (&'static str, String)) -> Self {
        Self {
            kind,
            title,
            detail,
            codes: None,
            prices: None,
            balance: None,
            total_net: None,
            refundable: None,
            until: None,
            cutoff: None,
        }
    }
}

fn texts(codes: Vec<MealCode>) -> Option<Vec<String>> {
    Some(codes.into_iter().map(String::from).collect())
}

impl From<Rejection> for RejectionView {
    fn from(rejection: Rejection) -> Self {
        let mut view = Self::new(rejection.name(), words(&rejection));
        match rejection {
            Rejection::UnknownMeal { codes } | Rejection::SoldOut { codes } => view.codes = texts(codes),
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

impl From<booking::Rejection> for RejectionView {
    fn from(rejection: booking::Rejection) -> Self {
        use booking::Rejection;
        let words = match &rejection {
            Rejection::Expired => {
                ("Too late", "It was not decided within five minutes; nothing was booked.".to_owned())
            }
            Rejection::EmployeeInactive => {
                ("Inactive employee", "Whoever is not active gets no credit.".to_owned())
            }
            Rejection::UnknownCheckout => ("No such sale", "There is no such sale here.".to_owned()),
            Rejection::NotSettled => ("Nothing was paid", "The sale was rejected.".to_owned()),
            Rejection::AlreadyVoided => ("Already voided", "The sale was undone before.".to_owned()),
            Rejection::TooLate => {
                let minutes = booking::CASHIER_VOID_WINDOW.as_mins();
                let detail = format!(
                    "A cashier has {minutes} minutes, a manager the business day; after that, refund it."
                );
                ("Too late to void", detail)
            }
            Rejection::ExceedsSold { codes } => {
                ("More than was sold", format!("Fewer are left to give back: {}.", listed(codes)))
            }
            Rejection::ExceedsPaid { .. } => {
                ("More than was paid", "Less than that is left to give back.".to_owned())
            }
            Rejection::InsufficientCredit { .. } => {
                ("Not enough credit", "The wallet holds less.".to_owned())
            }
            Rejection::OutOfRange => ("Too much", "The wallet cannot hold that much.".to_owned()),
        };
        let mut view = Self::new(rejection.name(), words);
        match rejection {
            Rejection::ExceedsSold { codes } => view.codes = texts(codes),
            Rejection::ExceedsPaid { refundable } => view.refundable = Some(refundable.minor()),
            Rejection::InsufficientCredit { balance } => view.balance = Some(balance.minor()),
            Rejection::Expired
            | Rejection::EmployeeInactive
            | Rejection::UnknownCheckout
            | Rejection::NotSettled
            | Rejection::AlreadyVoided
            | Rejection::TooLate
            | Rejection::OutOfRange => {}
        }
        view
    }
}

impl From<admin::Rejection> for RejectionView {
    fn from(rejection: admin::Rejection) -> Self {
        use admin::Rejection;
        let (title, detail): (_, Cow<'static, str>) = match &rejection {
            Rejection::Expired => {
                ("Too late", "It was not applied within five minutes, nor will it be.".into())
            }
            Rejection::NotFound => ("Not there", "What is to be changed is not there.".into()),
            Rejection::AlreadyExists => ("Already there", "There is one of that id already.".into()),
            Rejection::PreconditionFailed => {
                ("Changed meanwhile", "Somebody changed it since it was read.".into())
            }
            Rejection::UnknownCurrency => ("Unknown currency", "ISO 4217 lists no such currency.".into()),
            Rejection::CurrencyFixed => (
                "Currency is fixed",
                "Prices, limits and wallets are amounts of the one that the tenant was opened with.".into(),
            ),
            Rejection::LastAdmin => ("Last administrator", "Nobody would be left to administer.".into()),
            Rejection::UserNameTaken => ("Name is taken", "The pool of users has that name already.".into()),
            Rejection::UnknownConcessionaire => {
                ("No such concessionaire", "There is none of that id.".into())
            }
            Rejection::UnknownEmployee => ("No such employee", "There is none of that number.".into()),
            Rejection::BadgeTaken => {
                ("Badge is taken", "It is another employee's; take it back first.".into())
            }
            Rejection::BadgeResting { .. } => {
                let hours = badge::REST.as_hours();
                let detail = format!("It was another employee's within the last {hours} hours.");
                ("Badge is resting", detail.into())
            }
            Rejection::UnknownBadge => ("No such badge", "This employee has no such badge.".into()),
            Rejection::TooManyBadges => {
                let detail = format!("An employee has at most {}.", badge::MAX_BADGES);
                ("Too many badges", detail.into())
            }
            Rejection::TooManyEdits => {
                ("Too many edits", "A menu of so many meals takes no more single edits.".into())
            }
            Rejection::NoCreditPolicy => {
                ("No credit policy", "Nobody has said how credit is replenished.".into())
            }
            Rejection::CutoffOpen { date } => {
                ("A cutoff is open", format!("The one of {date} is not closed yet.").into())
            }
            Rejection::CutoffDue { date } => {
                ("A cutoff is due", format!("Open the one of {date} first, or wait for the schedule.").into())
            }
            Rejection::CutoffPassed { latest } => {
                ("Cutoff has passed", format!("The one of {latest} was opened already.").into())
            }
            Rejection::CutoffTooFar { next } => {
                ("Cutoff is too far ahead", format!("The one of {next} comes before.").into())
            }
            Rejection::TooManyWebhooks => {
                ("Too many webhooks", format!("There are {MAX_WEBHOOKS} already; forget one.").into())
            }
            Rejection::RotatedLately => {
                ("Rotated lately", "For a day, the secret before is good as well; rotate after that.".into())
            }
            Rejection::WebhookInactive => {
                ("Webhook is inactive", "It is told nothing; enable it first.".into())
            }
            Rejection::CutoffClosed => ("Cutoff is closed", "Everybody in it is accounted for.".into()),
        };
        let mut view = Self::new(rejection.name(), (title, detail.into_owned()));
        match rejection {
            Rejection::BadgeResting { until } => view.until = Some(until.to_string()),
            Rejection::CutoffOpen { date: cutoff }
            | Rejection::CutoffDue { date: cutoff }
            | Rejection::CutoffPassed { latest: cutoff }
            | Rejection::CutoffTooFar { next: cutoff } => view.cutoff = Some(cutoff.to_string()),
            Rejection::Expired
            | Rejection::NotFound
            | Rejection::AlreadyExists
            | Rejection::PreconditionFailed
            | Rejection::CurrencyFixed
            | Rejection::UnknownCurrency
            | Rejection::LastAdmin
            | Rejection::UserNameTaken
            | Rejection::UnknownConcessionaire
            | Rejection::UnknownEmployee
            | Rejection::BadgeTaken
            | Rejection::UnknownBadge
            | Rejection::TooManyBadges
            | Rejection::TooManyEdits
            | Rejection::NoCreditPolicy
            | Rejection::CutoffClosed
            | Rejection::TooManyWebhooks
            | Rejection::WebhookInactive
            | Rejection::RotatedLately => {}
        }
        view
    }
}

fn listed(codes: &[MealCode]) -> String {
    codes.iter().map(MealCode::as_str).collect::<Vec<_>>().join(", ")
}

/// Title and detail for whoever stands at the till.
fn words(rejection: &Rejection) -> (&'static str, String) {
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
        Rejection::InsufficientCredit { .. } => {
            ("Not enough credit", "The sale comes to more than the wallet may spend.".to_owned())
        }
    }
}

impl From<PriceChange> for PriceChangeView {
    fn from(change: PriceChange) -> Self {
        Self { code: change.code.into(), shown: change.shown.get(), price: change.price.get() }
    }
}
