//! Everything a topic or queue can refuse, under the services' own names.
//! The wire codes of SQS and SNS are made from these in `sqs.rs` and `sns.rs` only.

/// Why an operation did nothing.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FifoError {
    #[error("the specified queue does not exist")]
    QueueDoesNotExist,
    #[error("a queue of this name exists with other attributes: {0}")]
    QueueNameExists(String),
    #[error("the receipt handle is not one of this queue")]
    ReceiptHandleIsInvalid,
    #[error("{0}")]
    InvalidParameterValue(String),
    #[error("the request must contain the parameter {0}")]
    MissingParameter(&'static str),
    #[error("unknown attribute {0}")]
    InvalidAttributeName(String),
    #[error("invalid value for the attribute {0}")]
    InvalidAttributeValue(String),
    #[error("the message contains characters outside the allowed set")]
    InvalidMessageContents,
    #[error("the batch has no entries")]
    EmptyBatchRequest,
    #[error("the batch has more entries than permitted: {0}")]
    TooManyEntriesInBatchRequest(usize),
    #[error("two entries of the batch have the same id")]
    BatchEntryIdsNotDistinct,
    #[error("an entry id must be 1 to 80 of A-Z, a-z, 0-9, - and _")]
    InvalidBatchEntryId,
    #[error("the messages of the batch are longer than {0} bytes together")]
    BatchRequestTooLong(usize),
    #[error("no queue names this one as its dead-letter queue")]
    ResourceNotFound,
    #[error("not supported here: {0}")]
    UnsupportedOperation(String),
    #[error("the {0} does not exist")]
    NotFound(&'static str),
    #[error("Invalid parameter: {0}")]
    InvalidParameter(String),
    #[error("the change could not be stored")]
    Internal,
}

impl FifoError {
    /// True for everything that the caller could have known; false asks for a retry.
    pub fn is_senders_fault(&self) -> bool {
        !matches!(self, Self::Internal)
    }
}

pub(super) fn invalid_value(parameter: &str, reason: &str) -> FifoError {
    FifoError::InvalidParameterValue(format!("value for parameter {parameter} is invalid: {reason}"))
}
