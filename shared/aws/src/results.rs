//! Telling what happened: a tenant's topic of results, from which whoever has a queue there is told.

use crate::bus::Names;
use crate::failure::Failure;
use crate::keys;
use crate::lanes::{self, Outgoing};
use crate::retry::Policy;
use aws_sdk_sns::Client;
use domain::event::Event;
use domain::id::{ConcessionaireId, StationId, TenantId};
use std::collections::VecDeque;

/// Attributes that subscriptions filter on.
pub const TENANT_ATTRIBUTE: &str = "tenant";
pub const TYPE_ATTRIBUTE: &str = "type";
pub const CONCESSIONAIRE_ATTRIBUTE: &str = "concessionaire";
pub const STATION_ATTRIBUTE: &str = "station";

/// Tells tenants' topics of results.
#[derive(Debug, Clone)]
pub struct Results {
    client: Client,
    names: Names,
    policy: Policy,
}

/// Events of one group, in order; what is told leaves it.
pub type Lane = VecDeque<Event>;

impl Results {
    pub fn new(client: Client, names: Names, policy: Policy) -> Self {
        Self { client, names, policy }
    }

    /// Tells some events of a tenant, in order. Telling the same again within five minutes is swallowed by
    /// the topic; later it is heard twice, under the same id.
    pub async fn tell(
        &self,
        tenant: &TenantId,
        events: impl IntoIterator<Item = Event>,
    ) -> Result<(), Failure> {
        let events = events.into_iter().map(|event| (keys::event_group(&event), event));
        let mut lanes = lanes::by_group(events);
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
        let topic_arn = self.names.results_topic_arn(tenant);
        if !lanes::publish(&self.client, &topic_arn, lanes, outgoing).await? {
            // A tenant whose stack is older than this release: nobody can have subscribed yet.
            tracing::warn!(tenant.id = tenant.as_str(), "there is no topic of results to tell");
            lanes.iter_mut().for_each(|lane| lane.clear());
        }
        Ok(())
    }
}

fn outgoing(event: &Event) -> Result<Outgoing, Failure> {
    let about = &event.about;
    let attributes = [
        (TENANT_ATTRIBUTE, Some(event.tenant.as_str())),
        (TYPE_ATTRIBUTE, Some(event.kind.as_str())),
        (CONCESSIONAIRE_ATTRIBUTE, about.concessionaire.as_ref().map(ConcessionaireId::as_str)),
        (STATION_ATTRIBUTE, about.station.as_ref().map(StationId::as_str)),
    ];
    Ok(Outgoing {
        body: serde_json::to_string(event).map_err(|error| Failure::malformed("write an event", error))?,
        group: keys::event_group(event),
        deduplication_id: event.id.clone(),
        attributes: attributes
            .into_iter()
            .filter_map(|(name, value)| Some((name, value?.to_owned())))
            .collect(),
    })
}
