//! What is sold when: made beforehand from a seed, so that whoever drives and whoever audits mean the same.

use super::Rush;
use super::company::{Company, POOR_ONE_IN};
use clap::ValueEnum;
use domain::checkout::Rejection;
use domain::command::{Basket, OrderLine};
use domain::money::{Price, Quantity};
use std::time::Duration;

/// How many sales are due in each second.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Curve {
    /// The same in each.
    Flat,
    /// A bell: a tenth of the rate at both ends, all of it in the middle.
    Lunch,
}

/// Sales in a thousand that are not plain.
#[derive(Debug, Clone, Copy)]
pub struct Shares {
    /// Sent twice at once.
    pub duplicates: u16,
    /// Sent again a little later, as if the answer had been lost.
    pub retries: u16,
    /// At a price that the menu does not have.
    pub wrong_prices: u16,
    /// By somebody without credit.
    pub poor: u16,
    /// Undone once they are settled.
    pub voids: u16,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Plain,
    Duplicate,
    Retry,
    WrongPrice,
    Poor,
    Void,
}

impl Kind {
    /// Why it is rejected, if it is to be.
    pub fn rejection(self) -> Option<&'static str> {
        match self {
            Kind::WrongPrice => Some(PRICE_CHANGED),
            Kind::Poor => Some(INSUFFICIENT_CREDIT),
            Kind::Plain | Kind::Duplicate | Kind::Retry | Kind::Void => None,
        }
    }
}

const PRICE_CHANGED: &str = "price-changed";
const INSUFFICIENT_CREDIT: &str = "insufficient-credit";

/// One sale.
#[derive(Debug, Clone)]
pub struct Sale {
    /// From the beginning.
    pub due: Duration,
    /// Which company, and which of its buyers and stations.
    pub company: usize,
    pub buyer: usize,
    pub station: usize,
    pub basket: Basket,
    pub kind: Kind,
}

#[derive(Debug)]
pub struct Script {
    pub sales: Vec<Sale>,
    /// When what counts begins and ends, from the beginning.
    pub counts: std::ops::Range<Duration>,
}

impl Script {
    pub fn new(rush: &Rush, companies: &[Company]) -> Self {
        let mut random = fastrand::Rng::with_seed(rush.seed);
        let weights: u32 = companies.iter().map(|company| company.weight).sum();
        let warm_up = Duration::from_secs(rush.warm_up.into());
        let whole = warm_up + Duration::from_secs(rush.seconds.into());
        let mut sales = Vec::new();
        let mut due = Duration::ZERO;
        while due < whole {
            let mut drawn = random.u32(0..weights);
            let company = companies.iter().position(|company| {
                let is_it = drawn < company.weight;
                drawn = drawn.saturating_sub(company.weight);
                is_it
            });
            if let Some((index, company)) = company.and_then(|index| Some((index, companies.get(index)?))) {
                sales.extend(sale(due, index, company, rush.shares, &mut random));
            }
            due += gap(rush, due.saturating_sub(warm_up), &mut random);
        }
        Self { sales, counts: warm_up..whole }
    }

    pub fn len(&self) -> usize {
        self.sales.len()
    }

    pub fn is_empty(&self) -> bool {
        self.sales.is_empty()
    }
}

/// Until the next sale: buyers do not arrive by the clock, so gaps are as uneven as those of a Poisson
/// process.
#[expect(clippy::float_arithmetic, reason = "a draw from a distribution, far from any money")]
fn gap(rush: &Rush, at: Duration, random: &mut fastrand::Rng) -> Duration {
    let height = match rush.curve {
        Curve::Flat => 1.0,
        Curve::Lunch => {
            let place = at.as_secs_f64() / f64::from(rush.seconds.max(1));
            0.1 + 0.9 * (place * std::f64::consts::PI).sin().max(0.0)
        }
    };
    let mean_s = 1.0 / (f64::from(rush.rate.max(1)) * height);
    Duration::from_secs_f64(-(1.0 - random.f64()).ln() * mean_s)
}

fn sale(
    due: Duration,
    index: usize,
    company: &Company,
    shares: Shares,
    random: &mut fastrand::Rng,
) -> Option<Sale> {
    let kind = kind(shares, random);
    let poor = company.buyers.len().div_ceil(POOR_ONE_IN);
    let buyer = match kind {
        Kind::Poor => random.usize(0..poor) * POOR_ONE_IN,
        _ => loop {
            let buyer = random.usize(0..company.buyers.len());
            if !Company::is_poor(buyer) {
                break buyer;
            }
        },
    };
    // A main and a drink, or what else makes a tray: one line in two sales, two in three, rarely more.
    let lines = 1 + random.usize(0..6) / 3 + usize::from(random.u8(0..8) == 0);
    let mut codes = company.codes.clone();
    random.shuffle(&mut codes);
    let lines = codes.into_iter().take(lines).map(|code| {
        let price = company.menu.meal(&code)?.price;
        let shown = if kind == Kind::WrongPrice { Price::try_from(price.get() + 50).ok()? } else { price };
        Some(OrderLine { code, qty: Quantity::try_from(1).ok()?, price: Some(shown) })
    });
    let basket = lines.collect::<Option<Vec<_>>>()?.try_into().ok()?;
    Some(Sale { due, company: index, buyer, station: random.usize(0..company.stations.len()), basket, kind })
}

fn kind(shares: Shares, random: &mut fastrand::Rng) -> Kind {
    let mut drawn = random.u16(0..1_000);
    let kinds = [
        (shares.duplicates, Kind::Duplicate),
        (shares.retries, Kind::Retry),
        (shares.wrong_prices, Kind::WrongPrice),
        (shares.poor, Kind::Poor),
        (shares.voids, Kind::Void),
    ];
    for (share, kind) in kinds {
        if drawn < share {
            return kind;
        }
        drawn -= share;
    }
    Kind::Plain
}

/// Whether a stored rejection is the one that was to be.
pub fn is_rejected_as(kind: Kind, rejection: &Rejection) -> bool {
    kind.rejection() == Some(rejection.name())
}
