//! awsQuery's way of writing structures into a flat form: `Attributes.entry.1.key`.
//! Numbered parts are read from 1 up to the first that is missing.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;

use crate::fifo::{AttributeValue, Attributes, Draft, Entry, FifoError, Scalar, Strings};

/// Parts of one list or map; more than any quota admits, so that the machine can refuse them.
const PARTS_MAX: usize = 32;

pub(super) struct Form(BTreeMap<String, String>);

impl Form {
    pub(super) fn parse(body: &[u8]) -> Result<Self, FifoError> {
        let fields = serde_urlencoded::from_bytes(body);
        fields.map(Self).map_err(|error| FifoError::InvalidParameter(error.to_string()))
    }

    pub(super) fn action(&self) -> &str {
        self.0.get("Action").map_or("", String::as_str)
    }

    pub(super) fn optional(&self, name: &str) -> Option<String> {
        self.0.get(name).cloned()
    }

    pub(super) fn required(&self, name: &str) -> Result<String, FifoError> {
        self.optional(name).ok_or_else(|| FifoError::InvalidParameter(format!("{name} is missing")))
    }

    /// The map `Attributes` of topics and subscriptions.
    pub(super) fn attributes(&self) -> Result<Strings, FifoError> {
        let entries = self.parts("Attributes.entry", "key")?;
        let value = |part: &str| self.required(&format!("{part}.value"));
        entries.into_iter().map(|(part, key)| Ok((key, value(&part)?))).collect()
    }

    /// The message whose fields begin with `prefix`.
    pub(super) fn draft(&self, prefix: &str) -> Result<Draft, FifoError> {
        if self.0.contains_key(&format!("{prefix}MessageStructure")) {
            return Err(FifoError::InvalidParameter("MessageStructure: only plain messages here".into()));
        }
        Ok(Draft {
            body: self.optional(&format!("{prefix}Message")).unwrap_or_default(),
            group_id: self.optional(&format!("{prefix}MessageGroupId")),
            deduplication_id: self.optional(&format!("{prefix}MessageDeduplicationId")),
            attributes: self.message_attributes(prefix)?,
        })
    }

    pub(super) fn drafts(&self) -> Result<Vec<Entry<Draft>>, FifoError> {
        let members = self.parts("PublishBatchRequestEntries.member", "Id")?;
        let entry = |(part, id): (String, String)| Ok(Entry { id, item: self.draft(&format!("{part}."))? });
        members.into_iter().map(entry).collect()
    }

    fn message_attributes(&self, prefix: &str) -> Result<Attributes, FifoError> {
        let entries = self.parts(&format!("{prefix}MessageAttributes.entry"), "Name")?;
        let attribute = |(part, name): (String, String)| Ok((name, self.message_attribute(&part)?));
        entries.into_iter().map(attribute).collect()
    }

    fn message_attribute(&self, part: &str) -> Result<AttributeValue, FifoError> {
        let data_type = self.required(&format!("{part}.Value.DataType"))?;
        let text = self.optional(&format!("{part}.Value.StringValue")).map(Scalar::Text);
        let binary = self.optional(&format!("{part}.Value.BinaryValue"));
        let binary = binary.and_then(|encoded| BASE64_STANDARD.decode(encoded).ok()).map(Scalar::Binary);
        let value = text.or(binary);
        let value = value.ok_or_else(|| FifoError::InvalidParameter(format!("{part} has no value")))?;
        Ok(AttributeValue { data_type, value })
    }

    /// Each numbered part's prefix with the value of its field `key`.
    fn parts(&self, prefix: &str, key: &str) -> Result<Vec<(String, String)>, FifoError> {
        let part = |number| {
            let part = format!("{prefix}.{number}");
            self.optional(&format!("{part}.{key}")).map(|value| (part, value))
        };
        let parts: Vec<_> = (1..=PARTS_MAX + 1).map_while(part).collect();
        if parts.len() > PARTS_MAX {
            return Err(FifoError::InvalidParameter(format!("{prefix}: too many parts")));
        }
        Ok(parts)
    }
}
