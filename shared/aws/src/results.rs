//! Telling what happened: a tenant's topic of results, from which whoever has a queue there is told.
//!
//! Events of one group are told in order: the next one goes out only when the topic has the one before.

use crate::bus::Names;
use crate::failure::Failure;
use crate::keys;
use crate::retry::Policy;
use aws_sdk_sns::Client;
use aws_sdk_sns::operation::publish_batch::PublishBatchError;
use aws_sdk_sns::types::builders::PublishBatchRequestEntryBuilder;
use aws_sdk_sns::types::{MessageAttributeValue, PublishBatchRequestEntry};
use domain::event::Event;
use domain::id::{ConcessionaireId, StationId, TenantId};
use std::collections::VecDeque;

/// Attributes that subscriptions filter on.
pub const TENANT_ATTRIBUTE: &str = "tenant";
pub const TYPE_ATTRIBUTE: &str = "type";
pub const CONCESSIONAIRE_ATTRIBUTE: &str = "concessionaire";
pub const STATION_ATTRIBUTE: &str = "station";

/// Events in one call, an SNS limit.
const MAX_BATCH: usize = 10;
/// Bytes in one call: SNS takes 256 KiB, attributes included.
const MAX_BATCH_BYTES: usize = 240 * 1024;

/// Tells tenants' topics of results.
#[derive(Debug, Clone)]
pub struct Results {
    client: Client,
    names: Names,
    policy: Policy,
}

/// Events of one group, in order; what is told leaves it.
pub type Lane = VecDeque<Event>;

/// An event on its way; its id in a call is its place there.
struct Sending {
    lane: usize,
    bytes: usize,
    entry: PublishBatchRequestEntryBuilder,
}

impl Sending {
    fn of(lane: usize, event: &Event) -> Result<Self, Failure> {
        let body =
            serde_json::to_string(event).map_err(|error| Failure::malformed("write an event", error))?;
        let (bytes, about) = (body.len(), &event.about);
        let attributes = [
            (TENANT_ATTRIBUTE, Some(event.tenant.as_str())),
            (TYPE_ATTRIBUTE, Some(event.kind.as_str())),
            (CONCESSIONAIRE_ATTRIBUTE, about.concessionaire.as_ref().map(ConcessionaireId::as_str)),
            (STATION_ATTRIBUTE, about.station.as_ref().map(StationId::as_str)),
        ];
        let mut entry = PublishBatchRequestEntry::builder()
            .message(body)
            .message_group_id(keys::event_group(event))
            .message_deduplication_id(&event.id);
        for (name, value) in attributes.into_iter().filter_map(|(name, value)| Some((name, value?))) {
            let attribute = MessageAttributeValue::builder().data_type("String").string_value(value).build();
            let attribute =
                attribute.map_err(|error| Failure::malformed("build a message attribute", error))?;
            entry = entry.message_attributes(name, attribute);
        }
        Ok(Self { lane, bytes, entry })
    }
}

impl Results {
    pub fn new(client: Client, names: Names, policy: Policy) -> Self {
        Self { client, names, policy }
    }

    /// Tells some events of a tenant, in order. Telling the same again within five minutes is swallowed by the
    /// topic; later it is heard twice, under the same id.
    pub async fn tell(
        &self,
        tenant: &TenantId,
        events: impl IntoIterator<Item = Event>,
    ) -> Result<(), Failure> {
        let mut lanes: Vec<(String, Lane)> = Vec::new();
        for event in events {
            let group = keys::event_group(&event);
            match lanes.iter_mut().find(|(other, _)| *other == group) {
                Some((_, lane)) => lane.push_back(event),
                None => lanes.push((group, [event].into())),
            }
        }
        let mut lanes: Vec<_> = lanes.into_iter().map(|(_, lane)| lane).collect();
        let mut pauses = self.policy.pauses();
        while let Err(failure) = self.tell_lanes(tenant, &mut lanes.iter_mut().collect::<Vec<_>>()).await {
            if !failure.is_transient() || !pauses.pause().await {
                return Err(failure);
            }
        }
        Ok(())
    }

    /// Tells as much of each lane as it can, and says what stopped it if anything is left.
    pub async fn tell_lanes(&self, tenant: &TenantId, lanes: &mut [&mut Lane]) -> Result<(), Failure> {
        let mut stopped = vec![false; lanes.len()];
        let mut failure = None;
        loop {
            let mut round = Vec::new();
            for (index, lane) in lanes.iter().enumerate() {
                let is_stopped = stopped.get(index).copied().unwrap_or(true);
                if let (false, Some(event)) = (is_stopped, lane.front()) {
                    round.push(Sending::of(index, event)?);
                }
            }
            if round.is_empty() {
                return failure.map_or(Ok(()), Err);
            }
            for batch in batches(round) {
                let tried: Vec<_> = batch.iter().map(|sending| sending.lane).collect();
                let taken = self.publish(tenant, batch).await.unwrap_or_else(|error| {
                    failure = Some(error);
                    vec![]
                });
                for (place, index) in tried.into_iter().enumerate() {
                    if taken.contains(&place.to_string()) {
                        if let Some(lane) = lanes.get_mut(index) {
                            lane.pop_front();
                        }
                    } else {
                        if let Some(stopped) = stopped.get_mut(index) {
                            *stopped = true;
                        }
                        failure.get_or_insert_with(|| Failure::transient("tell", "an event was not taken"));
                    }
                }
            }
        }
    }

    /// One call: the ids in it of what the topic took.
    async fn publish(&self, tenant: &TenantId, batch: Vec<Sending>) -> Result<Vec<String>, Failure> {
        let (topic_arn, count) = (self.names.results_topic_arn(tenant), batch.len());
        let entries = batch.into_iter().enumerate();
        let entries = entries.map(|(place, sending)| sending.entry.id(place.to_string()).build());
        let entries = entries
            .collect::<Result<Vec<_>, _>>()
            .map_err(|error| Failure::malformed("build a batch of events", error))?;
        let sent = self
            .client
            .publish_batch()
            .topic_arn(&topic_arn)
            .set_publish_batch_request_entries(Some(entries))
            .send()
            .await;
        match sent {
            Ok(sent) => {
                for failed in sent.failed() {
                    tracing::warn!(code = failed.code(), "an event was not taken");
                }
                Ok(sent.successful().iter().filter_map(|taken| taken.id.clone()).collect())
            }
            Err(error) if error.as_service_error().is_some_and(PublishBatchError::is_not_found_exception) => {
                // A tenant whose stack is older than this release: nobody can have subscribed yet.
                tracing::warn!(tenant.id = tenant.as_str(), "there is no topic of results to tell");
                Ok((0..count).map(|place| place.to_string()).collect())
            }
            Err(error) => Err(Failure::of_sdk("tell", error)),
        }
    }
}

/// Batches of as many events, and as many bytes, as one call takes.
fn batches(round: Vec<Sending>) -> Vec<Vec<Sending>> {
    let mut batches: Vec<Vec<Sending>> = Vec::new();
    for sending in round {
        let has_room = |batch: &Vec<Sending>| {
            let bytes: usize = batch.iter().map(|other| other.bytes).sum();
            batch.len() < MAX_BATCH && bytes + sending.bytes <= MAX_BATCH_BYTES
        };
        match batches.last_mut() {
            Some(batch) if has_room(batch) => batch.push(sending),
            _ => batches.push(vec![sending]),
        }
    }
    batches
}
