//! What a change comes to, and what it stands on.

use aws::table::Write;
use domain::admin::{ReceiptOutcome, Rejection};
use serde_json::Value;

/// What is told of a change, and what has to be written for it.
#[derive(Debug)]
pub struct Decision {
    pub outcome: ReceiptOutcome,
    pub writes: Vec<Write>,
}

impl Decision {
    pub fn rejected(rejection: Rejection) -> Self {
        Self { outcome: ReceiptOutcome::Rejected(rejection), writes: vec![] }
    }

    /// What changes nothing writes nothing.
    pub fn applied(before: Value, after: Value, writes: Vec<Write>) -> Self {
        Self { outcome: ReceiptOutcome::Applied { before, after }, writes }
    }

    pub fn is_applied(&self) -> bool {
        matches!(self.outcome, ReceiptOutcome::Applied { .. })
    }
}
