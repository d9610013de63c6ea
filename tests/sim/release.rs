//! Messages of other releases than this one, of which two run side by side while one is deployed.

use domain::command::Kind;
use serde_json::{Map, Value};

/// A message of version 1, as it was written.
pub fn golden(kind: Kind) -> &'static str {
    match kind {
        Kind::PostCheckout => include_str!("../../shared/domain/src/golden/post_checkout_v1.json"),
        Kind::PostBooking => include_str!("../../shared/domain/src/golden/post_booking_v1.json"),
        Kind::Administer => include_str!("../../shared/domain/src/golden/administer_v1.json"),
        Kind::OpenCutoff => include_str!("../../shared/domain/src/golden/open_cutoff_v1.json"),
        Kind::Replenish => include_str!("../../shared/domain/src/golden/replenish_v1.json"),
        Kind::OpenReconciliation => {
            include_str!("../../shared/domain/src/golden/open_reconciliation_v1.json")
        }
        Kind::Reconcile => include_str!("../../shared/domain/src/golden/reconcile_v1.json"),
        Kind::ImportFile => include_str!("../../shared/domain/src/golden/import_file_v1.json"),
        Kind::Deliver => include_str!("../../shared/domain/src/golden/deliver_v1.json"),
    }
}

/// What version 1 would have written: without the fields that it did not know.
pub fn as_the_first_wrote(body: &str) -> Option<String> {
    let mut message: Map<String, Value> = serde_json::from_str(body).ok()?;
    let kind: Kind = serde_json::from_value(message.get("kind")?.clone()).ok()?;
    let golden: Map<String, Value> = serde_json::from_str(golden(kind)).unwrap();
    message.retain(|field, _| golden.contains_key(field));
    Some(Value::Object(message).to_string())
}

/// What the next release might write: with a field that this one does not know.
pub fn as_the_next_writes(body: &str) -> Option<String> {
    let mut message: Map<String, Value> = serde_json::from_str(body).ok()?;
    message.insert("zz".to_owned(), "of the next release".into());
    Some(Value::Object(message).to_string())
}
