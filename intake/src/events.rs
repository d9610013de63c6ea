//! The API's description of what webhooks are told, by type. Listeners, and queues that a company subscribes,
//! get the same.
//!
//! Invariant: every event reads as it is described, with no member more.

use crate::description;
use crate::view::event::{
    AppliedChange, AppliedImport, Booked, ClosedCutoff, DisabledWebhook, Envelope, RefusedImport,
    RejectedBooking, RejectedChange, RejectedSale, Settled, SwitchedMenu, TestedWebhook, Voided,
};
use domain::event::{CLOUD_EVENT, Event, EventKind};
use serde::de::DeserializeOwned;
use serde_json::Value;
use utoipa::ToSchema;
use utoipa::openapi::path::{Operation, OperationBuilder};
use utoipa::openapi::request_body::RequestBodyBuilder;
use utoipa::openapi::schema::{AllOfBuilder, ObjectBuilder};
use utoipa::openapi::{
    Components, Content, HttpMethod, OpenApi, PathItem, Paths, Ref, RefOr, Required, ResponseBuilder, Schema,
    Type,
};

/// How the data of an event are described, and whether some are as described.
struct Data {
    /// Gives where they are described from then on.
    register: fn(&mut Components) -> Ref,
    read: fn(Value) -> Result<(), serde_json::Error>,
}

impl Data {
    fn of<D: ToSchema + DeserializeOwned>() -> Self {
        Self { register: register::<D>, read: |data| serde_json::from_value::<D>(data).map(drop) }
    }

    fn of_kind(kind: EventKind) -> Self {
        match kind {
            EventKind::CheckoutSettled => Self::of::<Settled>(),
            EventKind::CheckoutRejected => Self::of::<RejectedSale>(),
            EventKind::CheckoutVoided => Self::of::<Voided>(),
            EventKind::CheckoutRefunded | EventKind::WalletAdjusted | EventKind::WalletGranted => {
                Self::of::<Booked>()
            }
            EventKind::BookingRejected => Self::of::<RejectedBooking>(),
            EventKind::MenuSwitched => Self::of::<SwitchedMenu>(),
            EventKind::ImportApplied => Self::of::<AppliedImport>(),
            EventKind::ImportRefused => Self::of::<RefusedImport>(),
            EventKind::CutoffClosed => Self::of::<ClosedCutoff>(),
            EventKind::ChangeApplied => Self::of::<AppliedChange>(),
            EventKind::ChangeRejected => Self::of::<RejectedChange>(),
            EventKind::WebhookTested => Self::of::<TestedWebhook>(),
            EventKind::WebhookDisabled => Self::of::<DisabledWebhook>(),
        }
    }
}

fn register<D: ToSchema>(components: &mut Components) -> Ref {
    let mut others = Vec::new();
    D::schemas(&mut others);
    components.schemas.extend(others);
    components.schemas.insert(D::name().into_owned(), D::schema());
    Ref::from_schema_name(D::name())
}

/// Adds what is told to a description.
pub fn describe(openapi: &mut OpenApi) {
    let components = openapi.components.get_or_insert_default();
    let envelope = register::<Envelope>(components);
    let mut told = Paths::new();
    for kind in EventKind::ALL {
        let kind_name = ObjectBuilder::new().schema_type(Type::String).enum_values(Some([kind.as_str()]));
        let own = ObjectBuilder::new()
            .property("type", kind_name)
            .property("data", (Data::of_kind(kind).register)(components));
        let event = AllOfBuilder::new().item(envelope.clone()).item(own);
        let item = PathItem::new(HttpMethod::Post, operation(kind, event));
        told.paths.insert(kind.as_str().to_owned(), item);
    }
    openapi.webhooks = Some(told);
}

fn operation(kind: EventKind, event: impl Into<RefOr<Schema>>) -> Operation {
    let mut operation = OperationBuilder::new()
        .operation_id(Some(kind.as_str()))
        .description(Some("Signed as [Standard Webhooks](https://www.standardwebhooks.com) has it."));
    for (name, description) in [
        ("webhook-id", "The event's `id`: the same whenever it is sent again"),
        ("webhook-timestamp", "When it was sent, in seconds since 1970"),
        ("webhook-signature", "One of each secret that is good, parted by spaces"),
    ] {
        operation = operation.parameter(description::header(name, Required::True, description));
    }
    let body = RequestBodyBuilder::new()
        .content(CLOUD_EVENT, Content::new(Some(event)))
        .required(Some(Required::True));
    for (status, description) in [
        ("2XX", "It was taken"),
        ("410", "The receiver is gone for good, and the webhook is disabled"),
        ("default", "It was not taken, and is sent again for a day"),
    ] {
        operation = operation.response(status, ResponseBuilder::new().description(description));
    }
    operation.request_body(Some(body.build())).build()
}

/// Whether an event is as it is described.
pub fn check(event: &Event) -> Result<(), serde_json::Error> {
    let written = serde_json::to_value(event)?;
    serde_json::from_value::<Envelope>(written)?;
    (Data::of_kind(event.kind).read)(event.data.clone())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As the domain's tests hold it.
    const GOLDEN: &str = include_str!("../../shared/domain/src/golden/events_v1.json");

    #[test]
    fn events_are_as_described() {
        for mut event in serde_json::from_str::<Vec<Event>>(GOLDEN).unwrap() {
            check(&event).unwrap_or_else(|error| panic!("{}: {error}", event.kind.as_str()));
            event.data["more"] = true.into();
            assert!(check(&event).is_err(), "{}", event.kind.as_str());
        }
    }

    #[test]
    fn every_reference_of_an_event_leads_somewhere() {
        let mut openapi = OpenApi::default();
        describe(&mut openapi);
        let written = serde_json::to_value(&openapi).unwrap();
        let text = written.to_string();
        let references = text.match_indices("\"#/").map(|(at, _)| text[at + 2..].split('"').next().unwrap());
        let references: Vec<_> = references.collect();
        assert!(references.len() > 30, "{references:?}");
        for reference in references {
            assert!(written.pointer(reference).is_some(), "{reference}");
        }
    }
}
