//! One simulation from its first sale to its last audit: lunch under trouble, then quiet, in which
//! everything must come to its end, then days later the dead letters.

use super::Report;
use super::chaos::{Kind, SKEW_MAX_MS};
use super::office::{Of, Timeline};
use super::oracle::Invariant;
use super::script::Script;
use super::stage::Stage;
use super::terminal::Terminal;
use aws::items::{self, Roster};
use aws::keys;
use domain::command::{Kind as CommandKind, Purpose};
use domain::id::{EmployeeNumber, TenantId};
use domain::money::Money;
use domain::tenant::{Tenant, TenantStatus};
use domain::wallet::Wallet;
use jiff::Timestamp;
use std::collections::BTreeSet;
use std::time::Duration;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, sleep_until, timeout};

/// A simulation longer than this hangs: many times the life of a ticket.
const SIMULATION_MAX: Duration = Duration::from_hours(3);
/// When faults have stopped, a wallet can be charged within this: the visibility timeout of whoever
/// died with its message, a worker's longest sleep, and the receives of what is poisoned before it.
const RECOVERY_MAX: Duration = Duration::from_secs(180);
/// How long an innocent wallet may wait while another is poisoned: its own few calls.
pub const UNDISTURBED: Duration = Duration::from_millis(900);
/// How long calls are still under way that met their fate before the faults stopped: a receive that arrives
/// late, waits, and takes a message away with it.
const LEFT_OVER: Duration = Duration::from_secs(90);
/// Past the end of every ticket: its five minutes and the grace.
const ALL_SPENT_MS: i64 = 6 * 60_000 + 1_000;
const A_DAY_MS: i64 = 24 * 60 * 60_000;
/// Queues that run dry soon. What a receiver did not take may wait for hours.
const SOON: [Purpose; 5] =
    [Purpose::Checkouts, Purpose::Admin, Purpose::Replenishment, Purpose::Reconciliation, Purpose::Results];
/// Queues whose functions take long, so that what is lost on the way comes again late.
const LONG: [Purpose; 2] = [Purpose::Imports, Purpose::Reconciliation];
/// How long a queue may take to run dry when nothing goes wrong. A cutoff that waits for parts that a queue
/// has forgotten is left to the next schedule after twenty receives.
const DRAIN_MAX: Duration = Duration::from_secs(330);
/// The same of files: what was taken and not leased in time stands still for a function's quarter of an hour.
const FILES_MAX: Duration = Duration::from_secs(16 * 60);

/// Of so many simulations, one poisons a wallet when all else is quiet: what dies takes thirty receives to do
/// so.
const POISONED_ONE_IN: u32 = 2;
/// Of so many, one ends with a wallet that somebody wrote past the workers.
const TAMPERED_ONE_IN: u32 = 4;

pub async fn play(seed: u64, script: &Script, without: &BTreeSet<Kind>, is_kept: bool) -> Report {
    let stage = Stage::set(seed, without, is_kept).await;
    let sim = stage.sim.clone();
    let mut play = Play::on(stage, seed);
    let violated = {
        let sim = sim.clone();
        async move { sim.violated.notified().await }
    };
    tokio::select! {
        biased;
        () = violated => {}
        ended = timeout(SIMULATION_MAX, play.whole(script)) => {
            if ended.is_err() {
                sim.note(Err((Invariant::Progress, "it never ended".to_owned())));
            }
        }
    }
    sim.report()
}

pub struct Play {
    pub stage: Stage,
    pub rng: fastrand::Rng,
    /// Terminals that still wait for an outcome.
    pub sales: JoinSet<()>,
}

impl Play {
    fn on(stage: Stage, seed: u64) -> Self {
        Self { stage, rng: fastrand::Rng::with_seed(seed ^ 0x7e12_0000), sales: JoinSet::new() }
    }

    /// For tests that make their own trouble.
    #[cfg(test)]
    pub async fn without_trouble(seed: u64) -> Self {
        Self::on(Stage::set(seed, &Kind::ALL.into(), false).await, seed)
    }

    async fn whole(&mut self, script: &Script) {
        self.stage.sim.chaos().let_loose();
        self.found();
        let began = Instant::now();
        for step in &script.steps {
            sleep_until(began + Duration::from_millis(step.at_ms)).await;
            self.act(&step.act).await;
        }
        sleep(Duration::from_millis(self.rng.u64(0..20_000))).await;
        self.quieten();
        self.close_up().await;
        while self.sales.join_next().await.is_some() {}
        self.drain("after lunch", &SOON).await;
        self.reopen();
        self.drain("after the last file", &[Purpose::Imports, Purpose::Reconciliation, Purpose::Results])
            .await;
        if self.rng.u32(0..POISONED_ONE_IN) == 0 {
            self.poison_one().await;
        }
        self.stage.sim.note(self.stage.sim.oracle().check_order());
        self.listen_again();
        while self.sales.join_next().await.is_some() {}
        self.stage.sim.note(self.stage.sim.check_heard());
        self.days_later().await;
        self.close_cutoffs().await;
        self.last_look().await;
        if self.rng.u32(0..TAMPERED_ONE_IN) == 0 {
            self.tamper().await;
        }
    }

    /// Companies that nothing reaches yet are probed.
    fn found(&mut self) {
        let founded: Vec<_> = {
            let office = self.stage.sim.office();
            let is_founded = |(id, tenant): (&TenantId, &Timeline<Tenant>)| {
                (!tenant.current().is_ready()).then(|| id.clone())
            };
            office.tenants.iter().filter_map(is_founded).collect()
        };
        for tenant in founded {
            self.probe(&tenant);
        }
    }

    /// Faults stop.
    fn quieten(&mut self) {
        let sim = self.stage.sim.clone();
        sim.log(format_args!("quiet"));
        sim.chaos().quieten();
        self.reopen();
        self.listen_again();
    }

    /// Whoever lost their connection comes back.
    fn listen_again(&mut self) {
        let lost = self.stage.sim.sockets().lost();
        for tenant in lost {
            self.listen(&tenant, Duration::ZERO);
        }
    }

    /// Whoever was suspended may buy again, and at every station.
    fn reopen(&self) {
        let sim = &self.stage.sim;
        let now_ms = sim.clock.now_ms();
        let tenants: Vec<_> = sim.office().tenants.keys().cloned().collect();
        for tenant in tenants {
            sim.office().set_status(&sim.table, &tenant, TenantStatus::Active, now_ms);
        }
        sim.office().open_stations(&sim.table, &self.stage.cashiers, now_ms);
    }

    /// One more sale for every wallet, which must be decided soon.
    async fn close_up(&mut self) {
        let buyers: Vec<_> = self.stage.sim.office().employees.keys().cloned().collect();
        let (undecided, is_late) = self.charge(&buyers, RECOVERY_MAX).await;
        if let Some((tenant, employee)) = undecided {
            let what = format!("{tenant}'s {employee} cannot buy again after the faults stopped");
            self.stage.sim.note(Err((Invariant::Progress, what)));
        } else if is_late {
            let what = "a closing sale was decided, and its terminal does not know".to_owned();
            self.stage.sim.note(Err((Invariant::Ended, what)));
        }
    }

    /// Somebody's wallet is sent a sale that can never be decided, and everybody else buys, in either
    /// company.
    async fn poison_one(&mut self) {
        sleep(LEFT_OVER).await;
        let (mine, how) = (self.rng.usize(..), self.rng.usize(..));
        let poisoned = self.buyer(mine);
        let others: Vec<_> = {
            let office = self.stage.sim.office();
            office.employees.keys().filter(|buyer| **buyer != poisoned).cloned().collect()
        };
        self.poison(mine, CommandKind::PostCheckout, how).await;
        let (undecided, _) = self.charge(&others, UNDISTURBED).await;
        if let Some((tenant, employee)) = undecided {
            let what = format!("{tenant}'s {employee} waits for what was sent to {poisoned:?}");
            self.stage.sim.note(Err((Invariant::Undisturbed, what)));
        }
        self.drain("after the poison", &SOON).await;
    }

    /// One more sale for each of these wallets: one that was not decided in time, and whether a terminal does
    /// not know the outcome yet.
    async fn charge(
        &mut self,
        buyers: &[Of<EmployeeNumber>],
        within: Duration,
    ) -> (Option<Of<EmployeeNumber>>, bool) {
        let rung_up: Vec<_> = buyers.iter().map(|of| (of, self.closing_sale(of))).collect();
        let mut selling = JoinSet::new();
        for (_, terminal) in &rung_up {
            selling.spawn(terminal.clone().sell());
        }
        let all = async { while selling.join_next().await.is_some() {} };
        let is_late = timeout(within, all).await.is_err();
        let oracle = self.stage.sim.oracle();
        // Somebody closed a station even now.
        let is_done =
            |terminal: &Terminal| oracle.is_decided(&terminal.asked) || oracle.is_turned_away(&terminal.hash);
        let undecided = rung_up.iter().find(|(_, terminal)| !is_done(terminal));
        (undecided.map(|(of, _)| (*of).clone()), is_late)
    }

    async fn come_to_rest(&mut self) {
        while self.sales.join_next().await.is_some() {}
        self.drain("after the last cutoff", &Purpose::ALL).await;
    }

    /// Waits until the queues of these purposes are empty.
    pub async fn drain(&self, when: &str, purposes: &[Purpose]) {
        const LOOK_AGAIN: Duration = Duration::from_secs(1);
        let dry = async {
            while !self.waiting(purposes).await.is_empty() {
                sleep(LOOK_AGAIN).await;
            }
        };
        let patience =
            if purposes.iter().any(|purpose| LONG.contains(purpose)) { FILES_MAX } else { DRAIN_MAX };
        if timeout(patience, dry).await.is_err() {
            let what = format!("messages stay in queues {when}: {:?}", self.waiting(purposes).await);
            self.stage.sim.note(Err((Invariant::Progress, what)));
        }
    }

    /// Queues that hold messages, in flight or not, and how many.
    async fn waiting(&self, purposes: &[Purpose]) -> Vec<(String, u32)> {
        let tenants: Vec<_> = self.stage.sim.office().tenants.keys().cloned().collect();
        let mut waiting = Vec::new();
        for (tenant, purpose) in
            tenants.iter().flat_map(|tenant| purposes.iter().map(move |of| (tenant, *of)))
        {
            let name = self.stage.names.queue(tenant, purpose);
            let queue = name.clone();
            let attributes =
                self.stage.engine.call(move |fifo, now_ms| fifo.queue_attributes(&queue, now_ms)).await;
            let attributes = attributes.expect("a queue");
            let count = |name: &str| attributes[name].parse::<u32>().expect("a number");
            let depth = count("ApproximateNumberOfMessages") + count("ApproximateNumberOfMessagesNotVisible");
            if depth > 0 {
                waiting.push((name, depth));
            }
        }
        waiting
    }

    /// A schedule fires once more: whatever is due is opened, and whatever is open closes. Where a part was
    /// forgotten, somebody has the roster handed out again.
    async fn close_cutoffs(&mut self) {
        let tenants: Vec<_> = self.stage.sim.office().tenants.keys().cloned().collect();
        // The one that is open, and the one that is due behind it.
        let mut ticked = Timestamp::MIN;
        for _ in 0..2 {
            ticked = self.stage.sim.clock.clock(-SKEW_MAX_MS).now();
            for index in 0..tenants.len() {
                self.tick(index, false, 0, 1);
                self.tick(index, true, 0, 1);
            }
            self.come_to_rest().await;
            for tenant in &tenants {
                let latest = self.stage.sim.roster(tenant).filter(|roster| roster.is_open);
                if let Some(Roster { latest, .. }) = latest {
                    self.resume_cutoff(tenant, latest);
                    self.come_to_rest().await;
                }
            }
        }
        let sim = &self.stage.sim;
        sim.note(sim.oracle().check_told());
        for tenant in tenants {
            sim.note(sim.check_closed(&tenant, ticked));
            sim.note(sim.check_reconciled(&tenant));
            sim.note(sim.oracle().check_conserved(&tenant, sim.balances(&tenant)));
            sim.note(sim.check_delivered(&tenant));
        }
        sim.note(sim.check_pool());
    }

    /// Whatever became a dead letter comes back a day later, and charges nobody.
    pub async fn days_later(&self) {
        // No function runs for a day: a handler that still stands still would wake up and accept.
        self.stage.sim.stop_everything();
        self.stage.sim.clock.jump(A_DAY_MS);
        self.stage.sim.oracle().is_closed = true;
        self.redrive().await;
        self.drain("after the dead letters came back", &Purpose::ALL).await;
    }

    /// Somebody writes a wallet past the workers, and whoever looks at all of them the next day says so.
    async fn tamper(&mut self) {
        let index = self.rng.usize(..);
        let tenant = self.tenant(index);
        let which = self.rng.usize(..);
        let number = self.buyer_of(&tenant, which);
        let sim = self.stage.sim.clone();
        let key = keys::wallet(&tenant, &number);
        let wallet = items::stored_wallet(sim.table.get(&key).expect("a wallet")).unwrap();
        let more = Wallet { balance: Money::from_minor(wallet.balance.minor() + 1), ..wallet };
        sim.table.replace(&key, items::wallet(&tenant, &number, more).unwrap());
        sim.clock.jump(A_DAY_MS);
        self.tick(index, true, 0, 1);
        self.come_to_rest().await;
        sim.note(sim.check_found(&tenant));
    }

    /// Every ticket ever given out still reads as it did, and none is open.
    async fn last_look(&self) {
        self.stage.sim.clock.jump(ALL_SPENT_MS);
        let tickets = self.stage.sim.oracle().tickets();
        for (hash, asked, ticket) in tickets {
            let terminal =
                Terminal { link: self.stage.link.clone(), asked, hash, wait: 0, is_impatient: false };
            if !terminal.look(&ticket).await {
                let what = format!("{} has no end", terminal.hash);
                self.stage.sim.note(Err((Invariant::Ended, what)));
            }
        }
        let buyers: Vec<_> = self.stage.sim.office().employees.keys().cloned().collect();
        for buyer in buyers {
            self.stage.sim.note(self.stage.sim.audit(&pk(&buyer)));
        }
    }
}

/// The partition and message group of a wallet.
pub fn pk((tenant, employee): &(TenantId, EmployeeNumber)) -> String {
    format!("T#{tenant}#E#{employee}")
}
