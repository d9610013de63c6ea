//! A topic's and a subscription's attributes, read once from SNS's strings and rendered back.
//! Only raw delivery to SQS is offered: anything else is refused when asked for.

use serde::{Deserialize, Serialize};

use super::error::FifoError;
use super::filter::FilterPolicy;
use super::queue_settings::Strings;
use super::window::Scope;

/// What only means something in the cloud: kept and shown, not acted on.
const KEPT: [&str; 6] =
    ["Policy", "DisplayName", "DeliveryPolicy", "KmsMasterKeyId", "SignatureVersion", "TracingConfig"];

#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct TopicSettings {
    pub content_based_deduplication: bool,
    pub deduplication_scope: Scope,
    pub kept: Strings,
}

impl TopicSettings {
    /// These settings with the given attributes put over them.
    pub(super) fn with(&self, given: &Strings) -> Result<Self, FifoError> {
        let mut settings = self.clone();
        for (name, value) in given {
            settings
                .set(name, value)
                .ok_or_else(|| FifoError::InvalidParameter(format!("Attributes: {name}")))?;
        }
        Ok(settings)
    }

    fn set(&mut self, name: &str, value: &str) -> Option<()> {
        match (name, value) {
            ("FifoTopic", "true") => {}
            ("ContentBasedDeduplication", value) => self.content_based_deduplication = value.parse().ok()?,
            ("FifoThroughputScope", "Topic") => self.deduplication_scope = Scope::All,
            ("FifoThroughputScope", "MessageGroup") => self.deduplication_scope = Scope::Group,
            (kept, value) if KEPT.contains(&kept) => {
                self.kept.insert(kept.to_owned(), value.to_owned());
            }
            _ => return None,
        }
        Some(())
    }

    pub(super) fn render(&self) -> Strings {
        let scope = match self.deduplication_scope {
            Scope::All => "Topic",
            Scope::Group => "MessageGroup",
        };
        let mut strings = self.kept.clone();
        strings.insert("FifoTopic".into(), "true".into());
        strings.insert("ContentBasedDeduplication".into(), self.content_based_deduplication.to_string());
        strings.insert("FifoThroughputScope".into(), scope.into());
        strings
    }
}

/// The filter policy out of a subscription's attributes; raw delivery must be asked for.
pub(super) fn subscription_filter(given: &Strings) -> Result<Option<FilterPolicy>, FifoError> {
    if given.get("RawMessageDelivery").map(String::as_str) != Some("true") {
        return Err(FifoError::InvalidParameter("Attributes: RawMessageDelivery must be true here".into()));
    }
    given.iter().try_fold(None, |filter, (name, value)| match subscription_attribute(name, value)? {
        Some(new) => Ok(new),
        None => Ok(filter),
    })
}

/// `Some` if the attribute is the filter policy: what it is from now on.
pub(super) fn subscription_attribute(
    name: &str,
    value: &str,
) -> Result<Option<Option<FilterPolicy>>, FifoError> {
    match (name, value) {
        ("FilterPolicy", policy) => FilterPolicy::parse(policy).map(Some),
        ("RawMessageDelivery", "true") | ("FilterPolicyScope", "MessageAttributes") => Ok(None),
        _ => Err(FifoError::InvalidParameter(format!("AttributeName: {name} with this value"))),
    }
}
