//! Works off what is administered, one command at a time: reads what it concerns, decides, and commits
//! the change together with its receipt. A receipt that is there is the outcome.
//!
//! Invariant: users of the pool follow the table. Whatever is refused, or given up half way, leaves them as
//! the table has them. And whoever opens cutoffs is told of one that stands in the table.

mod cutoffs;
pub(crate) mod decision;
pub(crate) mod employees;
pub(crate) mod menus;
mod policy;
mod stalls;
mod tenants;
mod users;
mod webhooks;

use crate::fifo;
use crate::lambda::Worker;
use crate::one_by_one::{Delivery, OneByOne, WorkOff};
use crate::open_cutoff::CutoffOpener;
use aws::bus::{Bus, Names, NotPublished};
use aws::clock::Clock;
use aws::config::{AdministerConfig, Clients, PasswordKey};
use aws::failure::Failure;
use aws::menus::Menus;
use aws::results::Results;
use aws::retry::Policy;
use aws::table::{Table, Write};
use aws::telemetry::Metrics;
use aws::user_pool::UserPool;
use aws::{items, keys};
use aws_lambda_events::sqs::{SqsBatchResponse, SqsEvent};
use decision::Decision;
use domain::admin::{Administer, Change, Receipt, ReceiptOutcome, Rejection};
use domain::command::Command;
use domain::event::Event;
use domain::planted::{self, Planted};
use jiff::Timestamp;
use webhooks::Asked;

/// Subjects of one batch at the same time: all that it may have.
const SIDE_BY_SIDE: usize = 10;

#[derive(Debug, Clone)]
pub struct AdministerWorker {
    table: Table,
    results: Results,
    bus: Bus,
    pool: UserPool,
    opener: CutoffOpener,
    password_key: PasswordKey,
    batches: OneByOne,
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
            results: clients.results(Policy::WORKER),
            bus: clients.bus(Policy::WORKER),
            pool: clients.user_pool(config.user_pool_id, Policy::ONCE),
            opener: CutoffOpener::new(clients, clock.clone()),
            password_key: config.password_key,
            batches: OneByOne::new(clients, metrics.clone(), SIDE_BY_SIDE),
            menus: Menus::default(),
            names: clients.config().names.clone(),
            clock,
            metrics,
        }
    }

    /// Reads, decides and commits once. Whoever loses a race reads again and decides anew.
    async fn attempt(&self, command: &Administer) -> Result<(), Failure> {
        let receipt_key = keys::receipt(&command.tenant, command.id);
        if let Some(item) = self.table.read_one(&receipt_key).await? {
            return self.end(command, &items::stored_receipt(item)?).await;
        }
        let now = self.clock.now();
        let decision = if now > command.expires_at && !planted::is(Planted::AdminExpiryIgnored) {
            Decision::rejected(Rejection::Expired)
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

    /// The receipt is there: it is told, a cutoff goes on, and the pool has a user as the table has them by
    /// now, also where another request took this one's key, or another command removed a user meanwhile.
    async fn end(&self, command: &Administer, receipt: &Receipt) -> Result<(), Failure> {
        let told = self.results.tell(&receipt.tenant, [Event::of_receipt(receipt)]).await;
        if !planted::is(Planted::ReceiptUntold) {
            told?;
        }
        let is_own = receipt.request == command.request;
        let is_settled = is_own && matches!(receipt.outcome, ReceiptOutcome::Rejected(_));
        if let (Change::OpenCutoff { .. } | Change::ResumeCutoff { .. }, false) =
            (&command.change, is_settled)
        {
            return self.opener.tick_again(&command.tenant).await;
        }
        if let (Change::TestWebhook { .. } | Change::Redeliver { .. }, false) = (&command.change, is_settled)
        {
            let told = webhooks::told(&self.table, command, receipt).await?;
            let told = told.map(|told| self.bus.publish(Command::Deliver(Box::new(told))));
            return match told {
                Some(published) if is_own => published.await.map_err(NotPublished::failure),
                _ => Ok(()),
            };
        }
        match users::of(&command.change, &command.tenant) {
            Some((tenant, name)) if !is_settled => users::restore(self, command, tenant, name).await,
            _ => Ok(()),
        }
    }

    async fn decide(&self, command: &Administer, now: Timestamp) -> Result<Decision, Failure> {
        let (table, tenant) = (&self.table, &command.tenant);
        // Whoever can write to the queue of one tenant acts for no other.
        if command.change.is_platforms() && !users::is_operator(table, tenant, &command.caller).await? {
            return Ok(Decision::rejected(Rejection::NotFound));
        }
        match &command.change {
            Change::SetTenant(asked) => tenants::set(table, asked).await,
            Change::SetTenantStatus { tenant_id, status, .. } => {
                tenants::set_status(table, tenant_id, *status).await
            }
            Change::AppointAdmin { tenant_id, name } => users::appoint(table, tenant_id, name).await,
            Change::CreateUser { name, role } => users::create(table, tenant, name, role).await,
            Change::ChangeUser { name, role, status } => {
                users::change(table, tenant, name, role.as_ref(), *status, now).await
            }
            Change::ResetPassword { name } => {
                users::reset_password(table, tenant, name, &command.caller, now).await
            }
            Change::CreateEmployee(asked) => {
                employees::create(table, tenant, asked, &command.caller, now).await
            }
            Change::ChangeEmployee { number, patch } => {
                employees::change(table, tenant, number, patch, now).await
            }
            Change::AssignBadge { number, rfid, replaces } => {
                employees::assign_badge(table, tenant, number, rfid, replaces.as_ref(), now).await
            }
            Change::BlockBadge { number, rfid } => {
                employees::block_badge(table, tenant, number, rfid, now).await
            }
            Change::ReleaseBadge { number, rfid } => {
                employees::release_badge(table, tenant, number, rfid, now).await
            }
            Change::SetCreditPolicy { policy } => policy::set(table, tenant, policy, now).await,
            Change::OpenCutoff { date, .. } => cutoffs::open(table, tenant, *date, now).await,
            Change::ResumeCutoff { date, .. } => cutoffs::resume(table, tenant, *date, now).await,
            Change::SetConcessionaire { id, name } => {
                stalls::set_concessionaire(table, tenant, id, name).await
            }
            Change::SetStation { id, concessionaire_id, status } => {
                stalls::set_station(table, tenant, id, concessionaire_id, *status, now).await
            }
            Change::CreateWebhook { id, url, events } => {
                webhooks::set(table, tenant, *id, Asked::Create(url, events), now).await
            }
            Change::ChangeWebhook { id, url, events, status } => {
                let asked = Asked::Change(url.as_ref(), events.as_ref(), *status);
                webhooks::set(table, tenant, *id, asked, now).await
            }
            Change::DeleteWebhook { id } => webhooks::set(table, tenant, *id, Asked::Delete, now).await,
            Change::RotateWebhookSecret { id } => webhooks::set(table, tenant, *id, Asked::Rotate, now).await,
            change @ (Change::TestWebhook { .. } | Change::Redeliver { .. }) => {
                webhooks::tell(table, tenant, change).await
            }
            Change::SetMeal { concessionaire_id, code, meal, if_match } => {
                let edit = menus::Edit::Set(meal.clone());
                menus::edit(table, &self.menus, tenant, (concessionaire_id, code), edit, *if_match, now).await
            }
            Change::RemoveMeal { concessionaire_id, code, if_match } => {
                let edit = menus::Edit::Remove;
                menus::edit(table, &self.menus, tenant, (concessionaire_id, code), edit, *if_match, now).await
            }
            Change::SetAvailability { concessionaire_id, code, availability, if_match } => {
                let edit = menus::Edit::Availability(*availability);
                menus::edit(table, &self.menus, tenant, (concessionaire_id, code), edit, *if_match, now).await
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
        self.batches.handle(event, self).await
    }
}

impl WorkOff for AdministerWorker {
    async fn work_off(&self, delivery: Delivery<'_>) -> Result<(), Failure> {
        let Command::Administer(command) = delivery.read(&self.names)? else {
            return Err(fifo::another_workers());
        };
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
}

/// Without its subject: the name of a user may be a person's.
fn log(receipt: &Receipt) {
    let (id, change) = (receipt.id.to_string(), receipt.change.as_str());
    match &receipt.outcome {
        ReceiptOutcome::Applied { .. } => tracing::info!(receipt.id = id, change, "applied {change}"),
        ReceiptOutcome::Rejected(rejection) => {
            let reason = rejection.name();
            tracing::info!(receipt.id = id, change, reason, "rejected {change}: {reason}");
        }
    }
}
