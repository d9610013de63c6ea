//! Notes which kinds of command reach a tenant's queues; none is accepted before its kind does.
//!
//! Every worker lets probes through. One that does not know any other command is `Probes` alone.

use crate::fifo::{self, Group, HandBack, Message};
use crate::lambda::Worker;
use aws::bus::Names;
use aws::config::Clients;
use aws::failure::Failure;
use aws::keys;
use aws::queue::Queues;
use aws::retry::Policy;
use aws::table::{NotCommitted, Reason, Table, Write};
use aws::telemetry::Metrics;
use aws_lambda_events::sqs::{SqsBatchResponse, SqsEvent};
use domain::command::Command;

#[derive(Debug, Clone)]
pub struct Probes {
    table: Table,
    queues: Queues,
    metrics: Metrics,
    names: Names,
}

impl Probes {
    pub fn new(clients: &Clients, metrics: Metrics) -> Self {
        Self {
            table: clients.table(Policy::ONCE),
            queues: clients.queues(),
            metrics,
            names: clients.config().names.clone(),
        }
    }

    /// Works off groups of probes, and names what is left of them.
    pub async fn work_off<'a>(&self, queue_arn: &str, groups: &'a [Group]) -> Vec<HandBack<'a>> {
        let mut left = Vec::new();
        // One call that hangs is enough: whatever passes, passes for all of them.
        let mut is_down = false;
        for group in groups {
            for message in &group.messages {
                let failure =
                    if is_down { None } else { self.reach(queue_arn, &group.id, message).await.err() };
                is_down |= failure.as_ref().is_some_and(Failure::is_transient);
                if is_down || failure.is_some() {
                    left.push(HandBack { group: &group.id, message, failure });
                }
            }
        }
        left
    }

    async fn reach(&self, queue_arn: &str, group: &str, message: &Message) -> Result<(), Failure> {
        let Command::Probe(probe) = message.read(queue_arn, group, &self.names)? else {
            return Err(fifo::another_workers());
        };
        let reached = Write::Reach { key: keys::tenant(&probe.tenant), kind: probe.of };
        match self.table.commit(vec![reached]).await {
            Ok(()) => {
                let kind = probe.of.as_str();
                tracing::info!(tenant.id = probe.tenant.as_str(), kind, "a probe of {kind} came through");
                Ok(())
            }
            Err(NotCommitted::Cancelled(reasons)) if reasons.contains(&Reason::ConditionFailed) => {
                Err(Failure::malformed("note a probe", "there is no such tenant"))
            }
            Err(error) => Err(error.alone("note a probe")),
        }
    }
}

impl Worker for Probes {
    async fn handle(&self, event: SqsEvent) -> SqsBatchResponse {
        let (queue_arn, groups) = fifo::groups(event);
        let left = self.work_off(&queue_arn, &groups).await;
        fifo::hand_back(&self.queues, &self.metrics, &queue_arn, &left).await
    }
}
