//! Everything that can go wrong, how often it does under a seed, and how often it did.
//! One generator decides all of it, in the order in which it is asked.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// A kind of trouble. Each must have happened by the end of a full run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// A call does not reach its service.
    Refused,
    /// A service says "later" in its own words.
    Throttled,
    /// A service says that something broke, and did nothing.
    ServerError,
    /// A transaction is cancelled for conflicts or throttling of some of its items.
    Conflict,
    /// A call is carried out, and its answer does not arrive.
    ReplyLost,
    /// A call is carried out long after its caller gave up.
    LateArrival,
    /// An answer takes seconds, perhaps longer than its caller waits.
    SlowReply,
    /// A read leaves keys unprocessed.
    Unprocessed,
    /// Somebody else moves the wallet between read and commit.
    Race,
    /// A service refuses nearly everything for a while.
    Storm,
    /// A batch is given to two workers.
    Twice,
    /// Messages become visible again while their worker still runs.
    Lapse,
    /// A worker or handler stands still and goes on later, perhaps long after its time was up.
    Freeze,
    WorkerCrash,
    IntakeCrash,
    /// A request or an answer is lost between terminal and API.
    LinkLost,
    /// Everything stops, and goes on hours or days later.
    Outage,
    /// The dead letters are moved back.
    Redrive,
    /// A sale is put right, or a wallet.
    Correction,
    /// A message that cannot be read.
    Poison,
    Suspension,
    Deactivation,
    BadgeBlock,
    SoldOut,
    NewMenu,
    /// A terminal uses a key for another body.
    KeyReuse,
    /// A terminal sends the same request twice at once.
    Twin,
    /// Two buyers under one key.
    SharedKey,
    /// Functions disagree about the time.
    Skew,
    /// A schedule fires late, twice, or both.
    Tick,
    /// Somebody administers through the API.
    Administration,
    /// A file is dropped.
    Import,
    /// The index is behind the table.
    IndexLag,
    /// A function of the next release writes what this one has never seen.
    NextRelease,
    /// A message comes as version 1 wrote it.
    FirstRelease,
    /// A webhook's receiver does not take what it is told.
    ReceiverDown,
    /// A listener's connection is lost.
    HangUp,
    /// Somebody tries another company's cursor.
    ForeignCursor,
}

impl Kind {
    pub const ALL: [Kind; 38] = [
        Kind::Refused,
        Kind::Throttled,
        Kind::ServerError,
        Kind::Conflict,
        Kind::ReplyLost,
        Kind::LateArrival,
        Kind::SlowReply,
        Kind::Unprocessed,
        Kind::Race,
        Kind::Storm,
        Kind::Twice,
        Kind::Lapse,
        Kind::Freeze,
        Kind::WorkerCrash,
        Kind::IntakeCrash,
        Kind::LinkLost,
        Kind::Outage,
        Kind::Redrive,
        Kind::Correction,
        Kind::Poison,
        Kind::Suspension,
        Kind::Deactivation,
        Kind::BadgeBlock,
        Kind::SoldOut,
        Kind::NewMenu,
        Kind::KeyReuse,
        Kind::Twin,
        Kind::SharedKey,
        Kind::Skew,
        Kind::Tick,
        Kind::Administration,
        Kind::Import,
        Kind::IndexLag,
        Kind::NextRelease,
        Kind::FirstRelease,
        Kind::ReceiverDown,
        Kind::HangUp,
        Kind::ForeignCursor,
    ];

    /// How often it may happen, in thousandths of its occasions: seldom, and in a bad hour.
    fn permille(self) -> (u32, u32) {
        match self {
            Kind::Race | Kind::Unprocessed | Kind::Conflict => (40, 250),
            Kind::Twice | Kind::Lapse | Kind::Freeze | Kind::WorkerCrash => (40, 200),
            Kind::IntakeCrash | Kind::LinkLost => (20, 120),
            Kind::ReceiverDown | Kind::IndexLag => (100, 600),
            Kind::Skew | Kind::NextRelease | Kind::FirstRelease => (200, 700),
            _ => (8, 80),
        }
    }
}

/// One kind of fault in most simulations is left out, so that its absence cannot hide another.
const ABSENT_PERCENT: u32 = 30;
const BAD_HOUR_PERCENT: u32 = 30;
/// Share of the calls that a storm refuses.
const STORM_PERCENT: u32 = 93;

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Service {
    Table,
    Topic,
    Queue,
    Files,
    Pool,
    Sockets,
}

/// How far a function's clock may be from the time, in milliseconds.
pub const SKEW_MAX_MS: i64 = 1_500;
/// How far the index may be behind the table: a second, as a rule.
pub const INDEX_LAG_MAX_MS: i64 = 1_000;

/// What happens to a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    Pass,
    Refused,
    Throttled,
    ServerError,
    Conflict,
    ReplyLost,
    LateArrival(Duration),
    SlowReply(Duration),
    Unprocessed,
    Race,
}

/// What happens to a worker or handler while it runs. The number is the poll at which it does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Run {
    ToItsEnd,
    Crash(u32),
    Freeze(u32, Duration),
}

#[derive(Debug)]
pub struct Chaos {
    pub rng: fastrand::Rng,
    permille: BTreeMap<Kind, u32>,
    counts: BTreeMap<Kind, u64>,
    storms: BTreeMap<Service, i64>,
    is_quiet: bool,
}

impl Chaos {
    /// Quiet until it is let loose.
    pub fn new(seed: u64, without: &BTreeSet<Kind>) -> Self {
        let mut rng = fastrand::Rng::with_seed(seed ^ 0xc4a0_5000);
        let mut permille = BTreeMap::new();
        for kind in Kind::ALL {
            let (seldom, often) = kind.permille();
            let chance = match rng.u32(0..100) {
                percent if percent < ABSENT_PERCENT => 0,
                percent if percent < ABSENT_PERCENT + BAD_HOUR_PERCENT => often,
                _ => seldom,
            };
            permille.insert(kind, if without.contains(&kind) { 0 } else { chance });
        }
        Self { rng, permille, counts: BTreeMap::new(), storms: BTreeMap::new(), is_quiet: true }
    }

    pub fn let_loose(&mut self) {
        self.is_quiet = false;
    }

    /// From now on nothing goes wrong any more.
    pub fn quieten(&mut self) {
        self.is_quiet = true;
    }

    pub fn happened(&mut self, kind: Kind) {
        *self.counts.entry(kind).or_default() += 1;
    }

    pub fn counts(&self) -> &BTreeMap<Kind, u64> {
        &self.counts
    }

    pub fn storm(&mut self, service: Service, until_ms: i64) {
        self.happened(Kind::Storm);
        self.storms.insert(service, until_ms);
    }

    fn happens(&mut self, kind: Kind) -> bool {
        let drawn = self.rng.u32(0..1_000);
        let happens = !self.is_quiet && drawn < self.permille[&kind];
        if happens {
            self.happened(kind);
        }
        happens
    }

    /// The same for what is no fault, and so may be at any time.
    fn is_so(&mut self, kind: Kind) -> bool {
        let is_so = self.rng.u32(0..1_000) < self.permille[&kind];
        if is_so {
            self.happened(kind);
        }
        is_so
    }

    /// Milliseconds on the way of a call, one way.
    pub fn latency(&mut self) -> Duration {
        let ms = match self.rng.u32(0..100) {
            0..80 => self.rng.u64(1..=4),
            80..98 => self.rng.u64(5..=20),
            _ => self.rng.u64(21..=150),
        };
        Duration::from_millis(ms)
    }

    pub fn fate(&mut self, service: Service, operation: &str, now_ms: i64) -> Fate {
        let is_stormy = !self.is_quiet && self.storms.get(&service).is_some_and(|until| now_ms < *until);
        if is_stormy && self.rng.u32(0..100) < STORM_PERCENT {
            return Fate::Throttled;
        }
        if self.happens(Kind::Refused) {
            return Fate::Refused;
        }
        if self.happens(Kind::Throttled) {
            return Fate::Throttled;
        }
        if self.happens(Kind::ServerError) {
            return Fate::ServerError;
        }
        if self.happens(Kind::ReplyLost) {
            return Fate::ReplyLost;
        }
        if self.happens(Kind::LateArrival) {
            return Fate::LateArrival(Duration::from_millis(self.rng.u64(100..15_000)));
        }
        if self.happens(Kind::SlowReply) {
            return Fate::SlowReply(Duration::from_millis(self.rng.u64(200..6_000)));
        }
        match operation {
            "TransactWriteItems" if self.happens(Kind::Conflict) => Fate::Conflict,
            "TransactWriteItems" if self.happens(Kind::Race) => Fate::Race,
            "BatchGetItem" if self.happens(Kind::Unprocessed) => Fate::Unprocessed,
            _ => Fate::Pass,
        }
    }

    pub fn worker_run(&mut self) -> Run {
        /// Polls of a batch that meets no trouble: some twenty.
        const POLLS: u32 = 24;
        if self.happens(Kind::WorkerCrash) {
            return Run::Crash(self.rng.u32(1..POLLS));
        }
        self.freeze(POLLS)
    }

    pub fn intake_run(&mut self) -> Run {
        const POLLS: u32 = 16;
        if self.happens(Kind::IntakeCrash) {
            return Run::Crash(self.rng.u32(1..POLLS));
        }
        self.freeze(POLLS)
    }

    /// Somewhere on the way, for less than the grace of a ticket.
    fn freeze(&mut self, polls: u32) -> Run {
        if !self.happens(Kind::Freeze) {
            return Run::ToItsEnd;
        }
        let ms = if self.rng.bool() { self.rng.u64(10..2_000) } else { self.rng.u64(2_000..40_000) };
        Run::Freeze(self.rng.u32(1..polls), Duration::from_millis(ms))
    }

    pub fn is_given_twice(&mut self) -> bool {
        self.happens(Kind::Twice)
    }

    pub fn lapses(&mut self) -> bool {
        self.happens(Kind::Lapse)
    }

    pub fn loses_link(&mut self) -> bool {
        self.happens(Kind::LinkLost)
    }

    /// By how much the clock of a function that starts now is off.
    pub fn skew_ms(&mut self) -> i64 {
        if self.is_so(Kind::Skew) { self.rng.i64(-SKEW_MAX_MS..=SKEW_MAX_MS) } else { 0 }
    }

    /// How far behind the table the index is that is read now.
    pub fn index_lag_ms(&mut self) -> i64 {
        if self.is_so(Kind::IndexLag) { self.rng.i64(0..INDEX_LAG_MAX_MS) } else { 0 }
    }

    pub fn is_of_the_next_release(&mut self) -> bool {
        self.is_so(Kind::NextRelease)
    }

    pub fn is_of_the_first_release(&mut self) -> bool {
        self.is_so(Kind::FirstRelease)
    }

    pub fn receiver_is_down(&mut self) -> bool {
        self.happens(Kind::ReceiverDown)
    }
}
