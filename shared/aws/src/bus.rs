//! Publishing commands: topic, attributes, group and deduplication id in one place.

use crate::failure::Failure;
use crate::files::Dropped;
use crate::keys;
use crate::lanes::{self, Outgoing, attribute};
use crate::retry::{self, Policy};
use aws_sdk_sns::Client;
use aws_sdk_sns::operation::publish::PublishError;
use domain::command::{Command, Purpose};
use domain::id::TenantId;
use domain::planted::{self, Planted};
use std::collections::HashMap;
use thiserror::Error;

/// The message attribute that queues filter on.
pub const KIND_ATTRIBUTE: &str = "kind";

/// How a stage names its topics and queues: `pos-<stage>-<tenant>-<purpose>.fifo`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Names {
    pub region: String,
    pub account_id: String,
    pub stage: String,
}

impl Names {
    /// The tenant's own topic of commands.
    pub fn command_topic(&self, tenant: &TenantId) -> String {
        self.resource(tenant, "commands")
    }

    pub fn command_topic_arn(&self, tenant: &TenantId) -> String {
        self.topic_arn(&self.command_topic(tenant))
    }

    /// The tenant's own topic of what happened.
    pub fn results_topic(&self, tenant: &TenantId) -> String {
        self.resource(tenant, "results")
    }

    pub fn results_topic_arn(&self, tenant: &TenantId) -> String {
        self.topic_arn(&self.results_topic(tenant))
    }

    fn topic_arn(&self, topic: &str) -> String {
        format!("arn:aws:sns:{}:{}:{topic}", self.region, self.account_id)
    }

    /// The bucket of the stage's files.
    pub fn files(&self) -> String {
        format!("pos-{}-{}-{}-files", self.stage, self.account_id, self.region)
    }

    /// One of the tenant's own queues.
    pub fn queue(&self, tenant: &TenantId, purpose: Purpose) -> String {
        self.resource(tenant, purpose.as_str())
    }

    /// Where messages end that could not be worked off.
    pub fn dead_letter_queue(&self, tenant: &TenantId, purpose: Purpose) -> String {
        self.resource(tenant, &format!("{}-dlq", purpose.as_str()))
    }

    /// Where messages end that the topic could not hand to the queue.
    pub fn undelivered_queue(&self, tenant: &TenantId, purpose: Purpose) -> String {
        self.resource(tenant, &format!("{}-undelivered", purpose.as_str()))
    }

    pub fn queue_arn(&self, queue: &str) -> String {
        format!("arn:aws:sqs:{}:{}:{queue}", self.region, self.account_id)
    }

    /// Whether a command goes this way: through its own tenant's queue for its kind, in its own group.
    /// Whoever can write to one queue acts for no other tenant, and lets nothing overtake.
    pub fn is_way_of(&self, command: &Command, queue_arn: &str, in_group: &str) -> Result<bool, Failure> {
        let own_queue = self.queue_arn(&self.queue(command.tenant(), command.kind().purpose()));
        Ok(queue_arn == own_queue && in_group == group(command)?)
    }

    fn resource(&self, tenant: &TenantId, purpose: &str) -> String {
        format!("pos-{}-{tenant}-{purpose}.fifo", self.stage)
    }
}

#[derive(Debug, Error)]
pub enum NotPublished {
    /// The tenant has no topic (yet).
    #[error("the tenant has no command topic")]
    NoTopic,
    #[error(transparent)]
    Failure(#[from] Failure),
}

impl NotPublished {
    /// The failure that it is for whoever follows up on a command: its tenant has a topic, or had.
    pub fn failure(self) -> Failure {
        match self {
            NotPublished::Failure(failure) => failure,
            NotPublished::NoTopic => Failure::transient("publish a command", NotPublished::NoTopic),
        }
    }
}

/// Publishes commands to their tenant's topic.
#[derive(Debug, Clone)]
pub struct Bus {
    client: Client,
    names: Names,
    policy: Policy,
}

impl Bus {
    pub fn new(client: Client, names: Names, policy: Policy) -> Self {
        Self { client, names, policy }
    }

    /// Returns once the topic has the command for certain. Sending the same command again within
    /// five minutes is swallowed by the topic; later it meets its own outcome in the table.
    pub async fn publish(&self, command: Command) -> Result<(), NotPublished> {
        let topic_arn = self.names.command_topic_arn(command.tenant());
        let Outgoing { body, group, deduplication_id, attributes } = outgoing(&command)?;
        let attributes = attributes.into_iter().map(|(name, value)| Ok((name.to_owned(), attribute(value)?)));
        let attributes: HashMap<_, _> = attributes.collect::<Result<_, Failure>>()?;
        retry::transient(self.policy, async || {
            let sent = self
                .client
                .publish()
                .topic_arn(&topic_arn)
                .message(&body)
                .message_group_id(&group)
                .message_deduplication_id(&deduplication_id)
                .set_message_attributes(Some(attributes.clone()))
                .send()
                .await;
            match sent {
                Ok(_) => Ok(true),
                Err(error) if error.as_service_error().is_some_and(PublishError::is_not_found_exception) => {
                    Ok(false)
                }
                Err(error) => Err(Failure::of_sdk("publish a command", error)),
            }
        })
        .await?
        .then_some(())
        .ok_or(NotPublished::NoTopic)
    }

    /// The same for many commands of one tenant, those of a group in order; what the topic has is not sent
    /// again.
    pub async fn publish_all(
        &self,
        tenant: &TenantId,
        commands: impl IntoIterator<Item = Command>,
    ) -> Result<(), NotPublished> {
        let grouped = commands.into_iter().map(|command| Ok((group(&command)?, command)));
        let mut lanes = lanes::by_group(grouped.collect::<Result<Vec<_>, Failure>>()?);
        let topic_arn = self.names.command_topic_arn(tenant);
        let mut pauses = self.policy.pauses();
        loop {
            let mut left: Vec<_> = lanes.iter_mut().collect();
            match lanes::publish(&self.client, &topic_arn, &mut left, outgoing).await {
                Ok(true) => return Ok(()),
                Ok(false) => return Err(NotPublished::NoTopic),
                Err(failure) if !failure.is_transient() || !pauses.pause().await => {
                    return Err(failure.into());
                }
                Err(_) => {}
            }
        }
    }
}

/// The message group in which a command is worked off.
fn group(command: &Command) -> Result<String, Failure> {
    Ok(match command {
        Command::PostCheckout(checkout) => keys::wallet_group(&checkout.tenant, &checkout.employee),
        Command::PostBooking(booking) => keys::wallet_group(&booking.tenant, &booking.employee),
        Command::Administer(asked) => keys::admin_group(&asked.tenant, &asked.change.subject()),
        Command::OpenCutoff(tick) => keys::cutoff_group(&tick.tenant),
        Command::Replenish(part) => keys::cutoff_part_group(&part.tenant, part.date, part.round, part.part),
        Command::ImportFile(dropped) => {
            let Dropped { tenant, target, .. } = Dropped::parse(&dropped.key)
                .filter(|parsed| parsed.tenant == dropped.tenant)
                .ok_or_else(|| Failure::malformed("place a command", "its file is not its tenant's"))?;
            keys::import_group(&tenant, &target)
        }
        Command::Deliver(told) => keys::delivery_group(told),
        Command::OpenReconciliation(tick) => keys::reconciliation_group(&tick.tenant),
        Command::Reconcile(part) => keys::reconciliation_part_group(&part.tenant, part.date, part.part),
        Command::Probe(probe) => keys::probe_group(&probe.tenant),
    })
}

/// What tells a command that is sent again from another of its group.
fn deduplication_id(command: &Command, group: &str) -> String {
    match command {
        Command::PostCheckout(checkout) if planted::is(Planted::DeduplicatedByKey) => checkout.id.to_string(),
        Command::PostCheckout(checkout) => checkout.request.to_string(),
        Command::PostBooking(booking) => booking.request.to_string(),
        Command::Administer(asked) => asked.request.to_string(),
        Command::OpenCutoff(tick) => tick.id.clone(),
        Command::OpenReconciliation(tick) => tick.id.clone(),
        Command::Replenish(_) | Command::Reconcile(_) => group.to_owned(),
        Command::ImportFile(dropped) => dropped.sequencer.clone(),
        Command::Deliver(told) => {
            let way = if told.is_aside { "aside" } else { "lane" };
            format!("{}.{}.{way}", told.webhook, told.id().digest())
        }
        Command::Probe(probe) => probe.id.to_string(),
    }
}

fn outgoing(command: &Command) -> Result<Outgoing, Failure> {
    let group = group(command)?;
    let deduplication_id = deduplication_id(command, &group);
    let kind = command.kind().as_str().to_owned();
    let body = command.written().map_err(|error| Failure::malformed("write a command", error))?;
    Ok(Outgoing { body, group, deduplication_id, attributes: vec![(KIND_ATTRIBUTE, kind)] })
}
