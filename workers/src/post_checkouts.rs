//! Works off checkouts: reads the state of a whole batch at once, decides each wallet's commands in
//! order, and commits them together. A stored checkout outranks everything: it is the outcome.
//!
//! A message is done only when its outcome is durable. Whoever loses a race, or does not hear
//! whether a commit went through, reads again and decides anew.

mod plan;
mod state;

use crate::fifo::{self, Group, Verdict};
use aws::bus::Names;
use aws::clock::Clock;
use aws::config::Clients;
use aws::failure::{Failure, chain};
use aws::keys;
use aws::menus::Menus;
use aws::queue::Queues;
use aws::retry::Policy;
use aws::table::{NotCommitted, Reason, Table, Write};
use aws::telemetry::Metrics;
use aws_lambda_events::sqs::{SqsBatchResponse, SqsEvent};
use domain::checkout::{Checkout, Outcome};
use domain::command::{Command, Message, PostCheckout};
use domain::planted::{self, Planted};
use plan::Plan;
use state::State;
use std::time::Duration;

/// Time for one batch; the function's own timeout of 10 s leaves room to hand back the rest.
const BATCH_BUDGET: Duration = Duration::from_secs(6);

#[derive(Debug, Clone)]
pub struct PostCheckouts {
    table: Table,
    queues: Queues,
    menus: Menus,
    names: Names,
    clock: Clock,
    metrics: Metrics,
}

/// The commands of one wallet, and how far they are.
#[derive(Debug)]
struct Work {
    commands: Vec<PostCheckout>,
    /// Why the message behind the last of them cannot be read, if there is one such.
    unreadable: Option<Failure>,
    /// Commands from the front whose outcome is durable.
    done: usize,
    /// Commits without other wallets, because it spoiled a shared transaction or may.
    is_alone: bool,
    /// Decides and commits one command at a time.
    is_one_by_one: bool,
    /// What it failed of for good.
    failure: Option<Failure>,
}

impl Work {
    fn is_open(&self) -> bool {
        self.failure.is_none() && self.done < self.commands.len()
    }

    /// What to decide next.
    fn next(&self) -> &[PostCheckout] {
        let left = self.commands.get(self.done..).unwrap_or_default();
        if self.is_one_by_one { left.get(..1).unwrap_or(left) } else { left }
    }

    fn verdict(self) -> Verdict {
        let is_open = self.is_open();
        let unfinished =
            || Failure::transient("work off a wallet", "its turn did not come or its commits were lost");
        let failure = self.failure.or_else(|| if is_open { Some(unfinished()) } else { self.unreadable });
        Verdict { done: self.done, failure }
    }
}

impl PostCheckouts {
    pub fn new(clients: &Clients, clock: Clock, metrics: Metrics) -> Self {
        Self {
            table: clients.table(Policy::WORKER),
            queues: clients.queues(),
            menus: Menus::default(),
            names: clients.config().names.clone(),
            clock,
            metrics,
        }
    }

    /// The table as this worker uses it, for whoever counts its calls.
    pub fn table(&self) -> &Table {
        &self.table
    }

    /// Works off one batch and names what is handed back.
    pub async fn handle(&self, event: SqsEvent) -> SqsBatchResponse {
        let messages = event.records.len();
        let (queue_arn, groups) = fifo::groups(event);
        let mut works: Vec<_> = groups.iter().map(|group| self.read(&queue_arn, group)).collect();
        if tokio::time::timeout(BATCH_BUDGET, Box::pin(self.work_off(&mut works))).await.is_err() {
            tracing::warn!(budget_ms = BATCH_BUDGET.as_millis(), "the batch ran out of time");
        }
        let tenant = works.iter().find_map(|work| Some(work.commands.first()?.tenant.clone()));
        let verdicts: Vec<_> = works.into_iter().map(Work::verdict).collect();
        let response = fifo::hand_back(&self.queues, &queue_arn, &groups, &verdicts).await;
        if let Some(tenant) = tenant {
            self.metrics.batch(&tenant, messages, response.batch_item_failures.len());
        }
        response
    }

    async fn work_off(&self, works: &mut [Work]) {
        let mut pauses = Policy::WORKER.pauses();
        while works.iter().any(Work::is_open) {
            let has_progress = self.round(works).await;
            if !has_progress && !pauses.pause().await {
                return;
            }
        }
    }

    /// Reads, decides and commits what is open, once; true if anything came of it.
    async fn round(&self, works: &mut [Work]) -> bool {
        let mut state = match State::read(&self.table, &self.menus, works).await {
            Ok(state) => state,
            Err(failure) => {
                tracing::warn!(error = %chain(&failure), "could not read the state of a batch");
                return false;
            }
        };
        let now = self.clock.now();
        let mut plans = Vec::new();
        for (index, work) in works.iter_mut().enumerate().filter(|(_, work)| work.is_open()) {
            match Plan::make(index, work, &mut state, now) {
                Ok(plan) => plans.push(plan),
                Err(failure) => work.failure = Some(failure),
            }
        }
        let mut has_progress = false;
        for transaction in plan::transactions(plans, works) {
            has_progress |= self.commit(transaction, works).await;
        }
        has_progress
    }

    /// Commits plans in one transaction; true if they are durable. If not, the ones to blame go
    /// alone in the next round.
    async fn commit(&self, plans: Vec<Plan>, works: &mut [Work]) -> bool {
        let writes: Vec<_> = plans.iter().flat_map(|plan| plan.writes.iter().cloned()).collect();
        let stale = if planted::is(Planted::StaleDecision) { writes.clone() } else { vec![] };
        let mut committed = if writes.is_empty() { Ok(()) } else { self.table.commit(writes).await };
        if planted::is(Planted::StaleDecision) && matches!(committed, Err(NotCommitted::Cancelled(_))) {
            committed =
                self.table.commit(stale.into_iter().map(Write::against_the_next_version).collect()).await;
        }
        if planted::is(Planted::ConflictIsSuccess) && matches!(committed, Err(NotCommitted::Cancelled(_))) {
            committed = Ok(());
        }
        match committed {
            Ok(()) => {
                for plan in &plans {
                    works[plan.work].done += plan.commands;
                    self.measure(&plan.decided);
                }
                return true;
            }
            Err(NotCommitted::Cancelled(reasons)) => blame(&plans, &reasons, works),
            Err(NotCommitted::Failure(failure)) => {
                tracing::warn!(error = %chain(&failure), "a commit failed, or its answer was lost");
                for plan in &plans {
                    works[plan.work].is_alone = true;
                }
                if let ([plan], false) = (plans.as_slice(), failure.is_transient()) {
                    works[plan.work].failure = Some(failure);
                }
            }
        }
        false
    }

    fn measure(&self, decided: &[Checkout]) {
        let Some(tenant) = decided.first().map(|checkout| &checkout.tenant) else { return };
        let mut accept_to_settled_ms = Vec::new();
        for checkout in decided {
            match &checkout.outcome {
                Outcome::Settled { .. } => {
                    let elapsed =
                        checkout.decided_at.as_millisecond() - checkout.accepted_at.as_millisecond();
                    accept_to_settled_ms.push(elapsed);
                }
                Outcome::Rejected(rejection) => self.metrics.rejected(tenant, rejection.name()),
            }
        }
        self.metrics.settled(tenant, &accept_to_settled_ms);
    }

    /// The commands of a group, up to the first message that cannot be read.
    fn read(&self, queue_arn: &str, group: &Group) -> Work {
        let mut commands = Vec::new();
        let mut unreadable = None;
        for message in &group.messages {
            match self.read_message(queue_arn, &group.id, &message.body) {
                Ok(command) => commands.push(command),
                Err(failure) => {
                    unreadable = Some(failure);
                    break;
                }
            }
        }
        let is_one_by_one = group.is_one_by_one();
        Work { commands, unreadable, done: 0, is_alone: is_one_by_one, is_one_by_one, failure: None }
    }

    /// A command that came through its own tenant's queue in its own wallet's group.
    fn read_message(&self, queue_arn: &str, group: &str, body: &str) -> Result<PostCheckout, Failure> {
        let message: Message =
            serde_json::from_str(body).map_err(|error| Failure::malformed("read a message", error))?;
        let Command::PostCheckout(command) = message.command;
        let own_queue = self.names.queue_arn(&self.names.checkout_queue(&command.tenant));
        let own_group = keys::wallet_group(&command.tenant, &command.employee);
        if queue_arn != own_queue || group != own_group {
            return Err(Failure::malformed(
                "read a message",
                "it names another tenant or wallet than its queue",
            ));
        }
        Ok(command)
    }
}

/// Sends alone whoever cancelled a transaction. What is invalid even alone has failed for good;
/// lost races and throttling pass.
fn blame(plans: &[Plan], reasons: &[Reason], works: &mut [Work]) {
    let mut reasons = reasons.iter();
    for plan in plans {
        let own: Vec<_> = reasons.by_ref().take(plan.writes.len()).collect();
        let work = &mut works[plan.work];
        tracing::debug!(reasons = ?own, "a transaction was cancelled");
        if own.contains(&&Reason::Invalid) && plans.len() == 1 {
            work.failure = Some(Failure::malformed("commit a wallet", "the table refuses what was written"));
        }
        work.is_alone |= own.iter().any(|reason| **reason != Reason::None);
    }
}
