//! Works off what is administered, one command at a time: reads what it concerns, decides, and commits
//! the change together with its receipt. A receipt that is there is the outcome.
//!
//! Invariant: users of the pool follow the table. Whatever is refused, or given up half way, leaves them as
//! the table has them.

mod decision;
mod employees;
mod menus;
mod stalls;
mod tenants;
mod users;

use crate::fifo::{self, Group, HandBack, Message};
use crate::lambda::Worker;
use crate::probe::Probes;
use aws::bus::Names;
use aws::clock::Clock;
use aws::config::{AdministerConfig, Clients, PasswordKey};
use aws::failure::Failure;
use aws::menus::Menus;
use aws::queue::Queues;
use aws::retry::Policy;
use aws::table::{Table, Write};
use aws::telemetry::Metrics;
use aws::user_pool::UserPool;
use aws::{items, keys};
use aws_lambda_events::sqs::{SqsBatchResponse, SqsEvent};
use decision::Decision;
use domain::admin::{Administer, Change, Receipt, ReceiptOutcome, Refusal};
use domain::command::{Command, Purpose};
use domain::id::TenantId;
use futures_util::future::join_all;
use jiff::Timestamp;
use std::time::Duration;
use tokio::time::Instant;
use tracing::Instrument;

/// Time for one batch; the function's own timeout of 10 s leaves room to hand back the rest.
const BATCH_BUDGET: Duration = Duration::from_secs(6);

#[derive(Debug, Clone)]
pub struct AdministerWorker {
    table: Table,
    pool: UserPool,
    password_key: PasswordKey,
    queues: Queues,
    probes: Probes,
    menus: Menus,
    names: Names,
    clock: Clock,
    metrics: Metrics,
}

impl AdministerWorker {
    pub fn new(clients: &Clients, config: AdministerConfig, clock: Clock, metrics: Metrics) -> Self {
        Self {
            // A round is the attempt, and the next one the retry.
            table: clients.table(Policy::ONCE),
            pool: clients.user_pool(config.user_pool_id, Policy::ONCE),
            password_key: config.password_key,
            queues: clients.queues(),
            probes: Probes::new(clients, Purpose::Admin),
            menus: Menus::default(),
            names: clients.config().names.clone(),
            clock,
            metrics,
        }
    }

    /// Groups side by side, each in order; what is left after the budget is handed back.
    async fn work_off<'a>(&self, queue_arn: &str, groups: &'a [Group]) -> Vec<HandBack<'a>> {
        let deadline = Instant::now() + BATCH_BUDGET;
        let left = groups.iter().map(|group| self.work_off_group(queue_arn, group, deadline));
        join_all(left).await.into_iter().flatten().collect()
    }

    async fn work_off_group<'a>(
        &self,
        queue_arn: &str,
        group: &'a Group,
        deadline: Instant,
    ) -> Vec<HandBack<'a>> {
        let mut left = Vec::new();
        let mut is_blocked = false;
        for message in &group.messages {
            let failure = if is_blocked {
                None
            } else {
                let worked = Box::pin(self.apply(queue_arn, group, message));
                match tokio::time::timeout_at(deadline, worked).await {
                    Ok(Ok(())) => continue,
                    Ok(Err(failure)) => Some(failure),
                    Err(_) => Some(Failure::transient("administer", "the batch ran out of time")),
                }
            };
            // What can never be worked off has no place in any order.
            is_blocked |= failure.as_ref().is_some_and(Failure::is_transient);
            left.push(HandBack { group: &group.id, message, failure });
        }
        left
    }

    async fn apply(&self, queue_arn: &str, group: &Group, message: &Message) -> Result<(), Failure> {
        let command = read(message, queue_arn, &group.id, &self.names)?;
        let mut pauses = Policy::WORKER.pauses();
        loop {
            let failure = match self.attempt(&command).await {
                Ok(()) => return Ok(()),
                Err(failure) => failure,
            };
            if !failure.is_transient() || !pauses.pause().await {
                return Err(failure);
            }
        }
    }

    /// Reads, decides and commits once. Whoever loses a race reads again and decides anew.
    async fn attempt(&self, command: &Administer) -> Result<(), Failure> {
        let receipt_key = keys::receipt(&command.tenant, command.id);
        if let Some(item) = self.table.read_one(&receipt_key).await? {
            return self.end(command, &items::stored_receipt(item)?).await;
        }
        let now = self.clock.now();
        let decision = if now > command.expires_at {
            Decision::rejected(Refusal::Expired)
        } else {
            self.decide(command, now).await?
        };
        let decision = self.follow(command, decision).await?;
        let receipt = Receipt::of(command, decision.outcome, now);
        let mut writes = decision.writes;
        writes.push(Write::Create(items::receipt(&receipt)?));
        self.table.commit(writes).await.map_err(|error| error.alone("administer"))?;
        log(&receipt);
        self.metrics.administered(&receipt.tenant, &receipt.change);
        self.end(command, &receipt).await
    }

    /// The receipt is there: the pool has a user as the table has them by now, also where another request took
    /// this one's key, or another command removed a user meanwhile.
    async fn end(&self, command: &Administer, receipt: &Receipt) -> Result<(), Failure> {
        let is_own = receipt.request == command.request;
        let is_settled = is_own && matches!(receipt.outcome, ReceiptOutcome::Rejected(_));
        match users::of(&command.change, &command.tenant) {
            Some((tenant, name)) if !is_settled => users::restore(self, command, tenant, name).await,
            _ => Ok(()),
        }
    }

    async fn decide(&self, command: &Administer, now: Timestamp) -> Result<Decision, Failure> {
        let (table, tenant) = (&self.table, &command.tenant);
        match &command.change {
            Change::SetTenant(asked) => tenants::set(table, asked).await,
            Change::SetTenantStatus { tenant_id, status, .. } => {
                tenants::set_status(table, tenant_id, *status).await
            }
            Change::AppointAdmin { tenant_id, name } => users::appoint(table, tenant_id, name).await,
            Change::CreateUser { name, role } => users::create(table, tenant, name, role).await,
            Change::ChangeUser { name, role, status } => {
                users::change(table, tenant, name, role.as_ref(), *status).await
            }
            Change::ResetPassword { name } => users::reset_password(table, tenant, name).await,
            Change::CreateEmployee(asked) => employees::create(table, tenant, asked).await,
            Change::ChangeEmployee { number, patch } => employees::change(table, tenant, number, patch).await,
            Change::AssignBadge { number, rfid, replaces } => {
                employees::assign_badge(table, tenant, number, rfid, replaces.as_ref(), now).await
            }
            Change::BlockBadge { number, rfid } => employees::block_badge(table, tenant, number, rfid).await,
            Change::ReleaseBadge { number, rfid } => {
                employees::release_badge(table, tenant, number, rfid, now).await
            }
            Change::SetConcessionaire { id, name } => {
                stalls::set_concessionaire(table, tenant, id, name).await
            }
            Change::SetStation { id, concessionaire_id, status } => {
                stalls::set_station(table, tenant, id, concessionaire_id, *status).await
            }
            Change::SetMeal { concessionaire_id, code, meal, if_match } => {
                let edit = menus::Edit::Set(meal.clone());
                menus::edit(table, &self.menus, tenant, concessionaire_id, code, edit, *if_match).await
            }
            Change::RemoveMeal { concessionaire_id, code, if_match } => {
                let edit = menus::Edit::Remove;
                menus::edit(table, &self.menus, tenant, concessionaire_id, code, edit, *if_match).await
            }
            Change::SetAvailability { concessionaire_id, code, availability, if_match } => {
                let edit = menus::Edit::Availability(*availability);
                menus::edit(table, &self.menus, tenant, concessionaire_id, code, edit, *if_match).await
            }
        }
    }

    /// Brings the pool to where the decision, or what stands in the table, has a user.
    async fn follow(&self, command: &Administer, decision: Decision) -> Result<Decision, Failure> {
        let Some((tenant, name)) = users::of(&command.change, &command.tenant) else { return Ok(decision) };
        users::follow(self, command, tenant, name, decision).await
    }
}

impl Worker for AdministerWorker {
    async fn handle(&self, event: SqsEvent) -> SqsBatchResponse {
        let messages = event.records.len();
        let (queue_arn, groups) = fifo::groups(event);
        let (probes, groups): (Vec<_>, Vec<_>) =
            groups.into_iter().partition(|group| keys::is_probe_group(&group.id));
        let tenant = groups.iter().find_map(|group| keys::tenant_of_group(&group.id));
        let tenant_id = tenant.as_ref().map(TenantId::as_str);
        let span = tracing::info_span!("batch", tenant.id = tenant_id, queue.arn = queue_arn);
        let worked = async {
            let mut left = self.probes.work_off(&queue_arn, &probes).await;
            left.extend(self.work_off(&queue_arn, &groups).await);
            fifo::hand_back(&self.queues, &queue_arn, &left).await
        };
        let response = worked.instrument(span).await;
        if let Some(tenant) = tenant {
            self.metrics.batch(&tenant, messages, response.batch_item_failures.len());
        }
        response
    }
}

/// A command that came through its own tenant's queue in its own subject's group.
fn read(message: &Message, queue_arn: &str, group: &str, names: &Names) -> Result<Administer, Failure> {
    let Command::Administer(command) = message.read()? else {
        return Err(Failure::malformed("read a message", "it is another worker's, or in another's group"));
    };
    let own_queue = names.queue_arn(&names.queue(&command.tenant, Purpose::Admin));
    let own_group = keys::admin_group(&command.tenant, &command.change.subject());
    if queue_arn != own_queue || group != own_group {
        return Err(Failure::malformed(
            "read a message",
            "it names another tenant or subject than its queue",
        ));
    }
    Ok(*command)
}

/// Without its subject: the name of a user may be a person's.
fn log(receipt: &Receipt) {
    let (id, change) = (receipt.id.to_string(), receipt.change.as_str());
    match &receipt.outcome {
        ReceiptOutcome::Applied { .. } => tracing::info!(receipt.id = id, change, "applied {change}"),
        ReceiptOutcome::Rejected(refusal) => {
            let reason = refusal.name();
            tracing::info!(receipt.id = id, change, reason, "rejected {change}: {reason}");
        }
    }
}
