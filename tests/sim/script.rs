//! What terminals and administrators do in a simulation, and when: made from the seed at once, so
//! that a failing run can be tried again with some of it left out.

use super::chaos::{Kind, Service};
use super::office::MEALS;

/// Sales of one simulation.
const SALES: std::ops::RangeInclusive<usize> = 12..=36;
/// When the last of them is rung up.
const LUNCH_MS: u64 = 100_000;
/// Quarters of an hour to the longest outage: two weeks, as long as any queue keeps a message.
const OUTAGE_MAX_MIN: i64 = 14 * 24 * 60;

#[derive(Debug, Clone)]
pub struct Script {
    pub steps: Vec<Step>,
}

#[derive(Debug, Clone)]
pub struct Step {
    pub at_ms: u64,
    pub act: Act,
}

/// Who is meant is an index, taken modulo how many there are.
#[derive(Debug, Clone)]
pub enum Act {
    Sell(Sale),
    Credit { buyer: usize },
    Correct(Correction),
    Suspend { tenant: usize },
    Deactivate { buyer: usize },
    BlockBadge { buyer: usize },
    TurnMeal { stall: usize, meal: usize },
    PrintMenu { stall: usize },
    Poison { buyer: usize, how: usize },
    Storm { service: Service, ms: i64 },
    Outage { minutes: i64 },
    Redrive,
}

/// Somebody puts right a sale that was rung up before, whatever became of it, or a wallet.
#[derive(Debug, Clone)]
pub struct Correction {
    pub sale: usize,
    pub how: How,
    /// Seconds that they would wait for an outcome.
    pub wait: u64,
    /// Sends the same at the same time from two places.
    pub is_twin: bool,
}

#[derive(Debug, Clone, Copy)]
pub enum How {
    Void { is_manager: bool },
    RefundAmount(i64),
    RefundItem { meal: usize, qty: i64 },
    Adjust(i64),
}

#[derive(Debug, Clone)]
pub struct Sale {
    pub terminal: usize,
    pub buyer: usize,
    pub by_badge: bool,
    pub lines: Vec<Line>,
    /// Seconds that the terminal would wait for an outcome.
    pub wait: u64,
    pub quirk: Quirk,
}

#[derive(Debug, Clone)]
pub struct Line {
    pub code: String,
    pub qty: i64,
    pub shown: Shown,
}

/// What a terminal displays for a meal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shown {
    Nothing,
    /// The price of the menu at that moment.
    Price,
    Wrong,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Quirk {
    None,
    /// Sends the same at the same time from two places.
    Twin,
    /// Sends another basket under the same key, so many milliseconds later.
    OtherBasket(u64),
    /// Sends it for another buyer under the same key.
    OtherBuyer,
    /// Sends it again after it was accepted, and after minutes once more.
    Impatient,
}

impl Act {
    /// The kind of trouble that an act is, if it is trouble.
    pub fn kind(&self) -> Option<Kind> {
        match self {
            Act::Sell(sale) => match sale.quirk {
                Quirk::Twin => Some(Kind::Twin),
                Quirk::OtherBasket(_) => Some(Kind::KeyReuse),
                Quirk::OtherBuyer => Some(Kind::SharedKey),
                Quirk::None | Quirk::Impatient => None,
            },
            Act::Credit { .. } => None,
            Act::Correct(_) => Some(Kind::Correction),
            Act::Suspend { .. } => Some(Kind::Suspension),
            Act::Deactivate { .. } => Some(Kind::Deactivation),
            Act::BlockBadge { .. } => Some(Kind::BadgeBlock),
            Act::TurnMeal { .. } => Some(Kind::SoldOut),
            Act::PrintMenu { .. } => Some(Kind::NewMenu),
            Act::Poison { .. } => Some(Kind::Poison),
            Act::Storm { .. } => Some(Kind::Storm),
            Act::Outage { .. } => Some(Kind::Outage),
            Act::Redrive => Some(Kind::Redrive),
        }
    }
}

impl Script {
    pub fn of(seed: u64) -> Self {
        let rng = &mut fastrand::Rng::with_seed(seed ^ 0x5c21_b700);
        let mut steps = Vec::new();
        for _ in 0..rng.usize(SALES) {
            // In bursts, so that wallets and batches are shared.
            let at_ms =
                if rng.bool() { rng.u64(0..LUNCH_MS) } else { rng.u64(0..8) * 10_000 + rng.u64(0..150) };
            steps.push(Step { at_ms, act: Act::Sell(sale(rng)) });
        }
        for _ in 0..rng.usize(0..12) {
            steps.push(Step { at_ms: rng.u64(0..LUNCH_MS), act: trouble(rng) });
        }
        for _ in 0..rng.usize(0..16) {
            let at_ms =
                if rng.bool() { rng.u64(0..LUNCH_MS) } else { rng.u64(0..8) * 10_000 + rng.u64(0..150) };
            steps.push(Step { at_ms, act: Act::Correct(correction(rng)) });
        }
        steps.sort_by_key(|step| step.at_ms);
        Self { steps }
    }

    /// Without the acts that are trouble of these kinds.
    pub fn without(&self, kinds: &std::collections::BTreeSet<Kind>) -> Self {
        let is_kept = |step: &&Step| step.act.kind().is_none_or(|kind| !kinds.contains(&kind));
        Self { steps: self.steps.iter().filter(is_kept).cloned().collect() }
    }
}

fn sale(rng: &mut fastrand::Rng) -> Sale {
    let quirk = match rng.u32(0..20) {
        0 => Quirk::Twin,
        1 | 2 => Quirk::OtherBasket(if rng.bool() { rng.u64(0..50) } else { rng.u64(50..20_000) }),
        3 => Quirk::OtherBuyer,
        4 => Quirk::Impatient,
        _ => Quirk::None,
    };
    Sale {
        terminal: rng.usize(0..8),
        buyer: rng.usize(0..8),
        by_badge: rng.bool(),
        lines: (0..rng.usize(1..=3)).map(|_| line(rng)).collect(),
        wait: [0, 0, 1, 5][rng.usize(0..4)],
        quirk,
    }
}

fn correction(rng: &mut fastrand::Rng) -> Correction {
    let how = match rng.u32(0..8) {
        0..3 => How::Void { is_manager: rng.bool() },
        3 | 4 => How::RefundAmount(rng.i64(1..700)),
        5 | 6 => How::RefundItem { meal: rng.usize(0..MEALS.len()), qty: rng.i64(1..=3) },
        _ => How::Adjust(rng.i64(-400..400)),
    };
    Correction {
        // Few of them, so that several meet at one sale.
        sale: rng.usize(0..6),
        how,
        wait: [0, 0, 1, 5][rng.usize(0..4)],
        is_twin: rng.u32(0..6) == 0,
    }
}

fn line(rng: &mut fastrand::Rng) -> Line {
    let code = if rng.u32(0..40) == 0 { "GHOST" } else { MEALS[rng.usize(0..MEALS.len())] };
    let shown = match rng.u32(0..20) {
        0 => Shown::Wrong,
        1..10 => Shown::Price,
        _ => Shown::Nothing,
    };
    Line { code: code.to_owned(), qty: rng.i64(1..=4), shown }
}

fn trouble(rng: &mut fastrand::Rng) -> Act {
    let (one, other) = (rng.usize(0..8), rng.usize(0..8));
    match rng.u32(0..20) {
        0..4 => Act::Credit { buyer: one },
        4 => Act::Suspend { tenant: one },
        5 => Act::Deactivate { buyer: one },
        6 => Act::BlockBadge { buyer: one },
        7..9 => Act::TurnMeal { stall: one, meal: other },
        9..11 => Act::PrintMenu { stall: one },
        11..14 => Act::Poison { buyer: one, how: other },
        14..17 => {
            let service = [Service::Table, Service::Table, Service::Topic, Service::Queue][rng.usize(0..4)];
            Act::Storm { service, ms: rng.i64(1_000..60_000) }
        }
        17..19 => Act::Redrive,
        _ => {
            let minutes = match rng.u32(0..3) {
                0 => rng.i64(1..15),
                1 => rng.i64(15..24 * 60),
                _ => rng.i64(24 * 60..OUTAGE_MAX_MIN),
            };
            Act::Outage { minutes }
        }
    }
}
