//! What terminals and administrators do in a simulation, and when: made from the seed at once, so
//! that a failing run can be tried again with some of it left out.

use super::chaos::{Kind, Service};
use super::office::MEALS;
use domain::command::Kind as CommandKind;

/// Sales of one simulation.
const SALES: std::ops::RangeInclusive<usize> = 8..=32;
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
    Credit {
        buyer: usize,
    },
    Correct(Correction),
    Administer(Deed),
    /// A schedule fires: so late, and so often.
    Tick {
        tenant: usize,
        is_reconciliation: bool,
        delay_ms: u64,
        times: usize,
    },
    Drop(Drop),
    Listen {
        tenant: usize,
    },
    /// A listener loses their connection, and comes back after so long.
    HangUp {
        connection: usize,
        back_ms: u64,
    },
    /// Somebody reads on in another company's list.
    Browse {
        tenant: usize,
    },
    Suspend {
        tenant: usize,
    },
    Deactivate {
        buyer: usize,
    },
    BlockBadge {
        buyer: usize,
    },
    TurnMeal {
        stall: usize,
        meal: usize,
    },
    PrintMenu {
        stall: usize,
    },
    Poison {
        buyer: usize,
        kind: CommandKind,
        how: usize,
    },
    Storm {
        service: Service,
        ms: i64,
    },
    Outage {
        minutes: i64,
    },
    Redrive,
}

/// What somebody administers through the API: `which` says of what, as an index.
#[derive(Debug, Clone)]
pub struct Deed {
    pub tenant: usize,
    pub which: usize,
    pub what: What,
    pub wait: u64,
    pub is_twin: bool,
    /// A change of a menu is asked for where the menu still stands as it was read.
    is_conditional: bool,
}

#[derive(Debug, Clone)]
pub enum What {
    Limit(i64),
    Turn {
        is_active: bool,
    },
    Hire {
        limit: i64,
    },
    GiveBadge,
    TakeBadge,
    Price {
        meal: usize,
        price: i64,
    },
    TakeOff {
        meal: usize,
    },
    SellOut {
        meal: usize,
        is_sold_out: bool,
    },
    AddUser,
    TurnUser {
        is_active: bool,
    },
    ResetPassword,
    Furnish,
    /// A station that sells is closed or opened, by whoever has it or gives it away.
    MoveStation {
        is_home: bool,
        is_active: bool,
    },
    OpenCutoff {
        in_days: i64,
    },
    ResumeCutoff,
    SetPolicy {
        limit: i64,
        prorates_joiners: bool,
    },
    /// The platform changes how a company keeps its books, and whether it sells.
    SetTenant {
        overdraft_limit: i64,
        closing_hour: i64,
    },
    TurnTenant {
        is_active: bool,
    },
    AddWebhook,
    RemoveWebhook,
    TryWebhook,
}

impl Deed {
    pub fn is_conditional(&self) -> bool {
        self.is_conditional
            && matches!(self.what, What::Price { .. } | What::TakeOff { .. } | What::SellOut { .. })
    }
}

/// A file of a menu or, without meals, of a roster.
#[derive(Debug, Clone)]
pub struct Drop {
    pub stall: usize,
    /// Prices of a menu's meals, in order; some more follow, so that a file takes more than one call.
    pub prices: Vec<i64>,
    pub fillers: usize,
    /// Limits of a roster's employees.
    pub limits: Vec<i64>,
    pub has_bad_row: bool,
    pub is_lenient: bool,
    pub is_merged: bool,
    /// Whether a whole roster may miss anybody.
    pub may_miss: bool,
    /// How long after it was put it is announced.
    pub lag_ms: u64,
    /// How often it is announced.
    pub times: usize,
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
    /// Asks for something else under the same key, so many milliseconds later.
    pub other: Option<(How, u64)>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
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
    fn is_roster(&self) -> bool {
        matches!(self, Act::Drop(drop) if drop.prices.is_empty())
    }

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
            Act::Administer(_) => Some(Kind::Administration),
            Act::Tick { .. } => Some(Kind::Tick),
            Act::Drop(_) => Some(Kind::Import),
            Act::Listen { .. } => None,
            Act::HangUp { .. } => Some(Kind::HangUp),
            Act::Browse { .. } => Some(Kind::ForeignCursor),
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
        // Each of these has its days, so that most simulations stay small.
        let mut some = |one_in: u32, most: usize, act: fn(&mut fastrand::Rng) -> Act| {
            if rng.u32(0..one_in) > 0 {
                return;
            }
            for _ in 0..rng.usize(1..=most) {
                let at_ms = rng.u64(0..LUNCH_MS);
                steps.push(Step { at_ms, act: act(rng) });
            }
        };
        some(2, 14, |rng| Act::Administer(deed(rng)));
        some(2, 6, |rng| Act::Tick {
            tenant: rng.usize(0..2),
            is_reconciliation: rng.u32(0..3) == 0,
            delay_ms: if rng.bool() { 0 } else { rng.u64(0..400_000) },
            times: rng.usize(1..=2),
        });
        some(3, 3, |rng| Act::Drop(drop_of(rng)));
        some(6, 1, |rng| Act::Browse { tenant: rng.usize(0..2) });
        steps.extend(editors(rng, &steps));
        if rng.u32(0..4) == 0 {
            steps.extend(joiners(rng));
        }
        if rng.u32(0..4) == 0 {
            steps.extend(listeners(rng));
        }
        steps.sort_by_key(|step| step.at_ms);
        // All outages together are half an hour shorter than a queue remembers.
        let mut left_min = OUTAGE_MAX_MIN - 30;
        for step in &mut steps {
            if let Act::Outage { minutes } = &mut step.act {
                *minutes = left_min.min(*minutes);
                left_min -= *minutes;
            }
        }
        Self { steps }
    }

    /// Without the acts that are trouble of these kinds.
    pub fn without(&self, kinds: &std::collections::BTreeSet<Kind>) -> Self {
        let is_kept = |step: &&Step| step.act.kind().is_none_or(|kind| !kinds.contains(&kind));
        Self { steps: self.steps.iter().filter(is_kept).cloned().collect() }
    }
}

/// Whom a roster has, somebody changes, too.
fn editors(rng: &mut fastrand::Rng, steps: &[Step]) -> Vec<Step> {
    let rosters = steps.iter().filter(|step| step.act.is_roster());
    let edit = |roster: &Step| {
        let what = What::Limit(rng.i64(0..9_000));
        let deed =
            Deed { tenant: 0, which: rng.usize(0..3), what, wait: 0, is_twin: false, is_conditional: false };
        Step { at_ms: roster.at_ms + rng.u64(0..4_000), act: Act::Administer(deed) }
    };
    rosters.map(edit).collect()
}

/// A cutoff opens, and people join while its roster is handed out.
fn joiners(rng: &mut fastrand::Rng) -> Vec<Step> {
    let (at_ms, tenant) = (rng.u64(0..LUNCH_MS), rng.usize(0..2));
    let tick = Act::Tick { tenant, is_reconciliation: false, delay_ms: 0, times: 1 };
    let mut steps = vec![Step { at_ms, act: tick }];
    for _ in 0..3 {
        let what = What::Hire { limit: rng.i64(1..9_000) };
        let deed =
            Deed { tenant, which: rng.usize(0..6), what, wait: 0, is_twin: false, is_conditional: false };
        steps.push(Step { at_ms: at_ms + rng.u64(0..4_000), act: Act::Administer(deed) });
    }
    steps
}

/// Somebody listens, and loses their connection now and then, perhaps until nothing is kept for them any
/// more.
fn listeners(rng: &mut fastrand::Rng) -> Vec<Step> {
    let mut steps = Vec::new();
    let mut at_ms = 0;
    for tenant in 0..rng.usize(1..=2) {
        at_ms = rng.u64(0..LUNCH_MS / 2);
        steps.push(Step { at_ms, act: Act::Listen { tenant } });
    }
    for _ in 0..rng.usize(0..=3) {
        at_ms += rng.u64(0..LUNCH_MS / 3);
        let act = Act::HangUp { connection: rng.usize(0..2), back_ms: rng.u64(0..60_000) };
        steps.push(Step { at_ms, act });
        if rng.u32(0..6) == 0 {
            steps.push(Step { at_ms: at_ms + 1, act: Act::Outage { minutes: rng.i64(11..60) } });
        }
    }
    steps
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

fn how(rng: &mut fastrand::Rng) -> How {
    match rng.u32(0..8) {
        0..3 => How::Void { is_manager: rng.bool() },
        3 | 4 => How::RefundAmount(rng.i64(1..700)),
        5 | 6 => How::RefundItem { meal: rng.usize(0..MEALS.len()), qty: rng.i64(1..=3) },
        _ => How::Adjust(rng.i64(-400..400)),
    }
}

fn correction(rng: &mut fastrand::Rng) -> Correction {
    Correction {
        // Few of them, so that several meet at one sale.
        sale: rng.usize(0..6),
        how: how(rng),
        wait: [0, 0, 1, 5][rng.usize(0..4)],
        is_twin: rng.u32(0..6) == 0,
        other: (rng.u32(0..8) == 0).then(|| (how(rng), rng.u64(0..4_000))),
    }
}

fn deed(rng: &mut fastrand::Rng) -> Deed {
    let (meal, yes) = (rng.usize(0..MEALS.len()), rng.bool());
    let what = match rng.u32(0..30) {
        0 | 1 => What::Limit(rng.i64(0..9_000)),
        2 | 3 => What::Turn { is_active: yes },
        4 | 5 => What::Hire { limit: rng.i64(0..9_000) },
        6 => What::GiveBadge,
        7 => What::TakeBadge,
        8 | 9 => What::Price { meal, price: rng.i64(0..700) },
        10 => What::TakeOff { meal },
        11 | 12 => What::SellOut { meal, is_sold_out: yes },
        13 | 14 => What::AddUser,
        15 | 16 => What::TurnUser { is_active: yes },
        17 => What::ResetPassword,
        18 => What::Furnish,
        19 => What::OpenCutoff { in_days: rng.i64(0..14) },
        20 => What::ResumeCutoff,
        21 => What::SetPolicy { limit: rng.i64(0..5_000), prorates_joiners: yes },
        22 => What::AddWebhook,
        23 | 24 => What::MoveStation { is_home: rng.bool(), is_active: yes },
        25 | 26 => What::SetTenant { overdraft_limit: rng.i64(0..2) * 300, closing_hour: rng.i64(0..24) },
        27 | 28 => What::TurnTenant { is_active: rng.u32(0..3) > 0 },
        _ => [What::RemoveWebhook, What::TryWebhook][rng.usize(0..2)].clone(),
    };
    Deed {
        tenant: rng.usize(0..2),
        which: rng.usize(0..6),
        what,
        wait: [0, 0, 1, 5][rng.usize(0..4)],
        is_twin: rng.u32(0..6) == 0,
        is_conditional: rng.bool(),
    }
}

fn drop_of(rng: &mut fastrand::Rng) -> Drop {
    let is_menu = rng.u32(0..4) > 0;
    Drop {
        stall: rng.usize(0..4),
        prices: if is_menu { MEALS.iter().map(|_| rng.i64(0..700)).collect() } else { vec![] },
        fillers: if rng.bool() { 0 } else { rng.usize(0..60) },
        limits: (0..rng.usize(2..5)).map(|_| rng.i64(0..9_000)).collect(),
        has_bad_row: rng.u32(0..3) == 0,
        is_lenient: rng.bool(),
        is_merged: rng.bool(),
        may_miss: rng.u32(0..3) > 0,
        lag_ms: if rng.bool() { 0 } else { rng.u64(0..20_000) },
        times: rng.usize(1..=2),
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
        11..14 => {
            // Most of it where sales are.
            let any = CommandKind::ALL[rng.usize(0..CommandKind::ALL.len())];
            let kind = if rng.u32(0..3) == 0 { any } else { CommandKind::PostCheckout };
            Act::Poison { buyer: one, kind, how: other }
        }
        14..17 => {
            let service = [Service::Table, Service::Table, Service::Topic, Service::Queue, Service::Files]
                .into_iter()
                .chain([Service::Pool, Service::Sockets])
                .nth(rng.usize(0..7))
                .unwrap_or(Service::Table);
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
