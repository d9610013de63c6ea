//! Names and addresses: account and region in, ARNs out, and back to the bare name.
//! Inside the machine only names travel.

use super::error::FifoError;

/// Characters of a queue's name, `.fifo` included (AWS quota).
const QUEUE_NAME_MAX: usize = 80;
/// Characters of a topic's name, `.fifo` included (AWS quota).
const TOPIC_NAME_MAX: usize = 256;

/// The account and region that everything lives in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Realm {
    pub region: String,
    pub account_id: String,
}

impl Realm {
    pub fn queue_arn(&self, name: &str) -> String {
        format!("arn:aws:sqs:{}:{}:{name}", self.region, self.account_id)
    }

    pub fn topic_arn(&self, name: &str) -> String {
        format!("arn:aws:sns:{}:{}:{name}", self.region, self.account_id)
    }

    /// The queue's name, if the ARN is one of this account and region.
    pub fn queue_name<'a>(&self, arn: &'a str) -> Option<&'a str> {
        self.local_name("sqs", arn)
    }

    /// The topic's name, or for a subscription's ARN `topic:id`.
    pub fn topic_name<'a>(&self, arn: &'a str) -> Option<&'a str> {
        self.local_name("sns", arn)
    }

    fn local_name<'a>(&self, service: &str, arn: &'a str) -> Option<&'a str> {
        let rest = arn.strip_prefix("arn:aws:")?.strip_prefix(service)?.strip_prefix(':')?;
        rest.strip_prefix(self.region.as_str())?
            .strip_prefix(':')?
            .strip_prefix(self.account_id.as_str())?
            .strip_prefix(':')
    }
}

pub(super) fn check_queue_name(name: &str) -> Result<(), FifoError> {
    if is_fifo_name(name, QUEUE_NAME_MAX) {
        return Ok(());
    }
    let reason = "a FIFO queue's name is at most 80 letters, digits, - and _ and ends in .fifo";
    Err(super::error::invalid_value("QueueName", reason))
}

pub(super) fn check_topic_name(name: &str) -> Result<(), FifoError> {
    if is_fifo_name(name, TOPIC_NAME_MAX) {
        return Ok(());
    }
    let reason = "a FIFO topic's name is at most 256 letters, digits, - and _ and ends in .fifo";
    Err(FifoError::InvalidParameter(format!("Name: {reason}")))
}

fn is_fifo_name(name: &str, max: usize) -> bool {
    let allowed = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
    name.len() <= max
        && name.strip_suffix(".fifo").is_some_and(|stem| !stem.is_empty() && stem.chars().all(allowed))
}
