//! What the world refuses. The business says no with a `Rejection`; this is everything else.

use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use aws_smithy_runtime_api::client::result::SdkError;
use aws_smithy_types::error::metadata::ProvideErrorMetadata;
use std::error::Error;
use std::time::Duration;
use thiserror::Error as ThisError;

type Source = Box<dyn Error + Send + Sync>;

/// Trying again helps, or it does not.
#[derive(Debug, ThisError)]
pub enum Failure {
    /// Throttled, timed out, unreachable, lost a race: the same call may succeed later.
    #[error("{context}: the service did not answer for now")]
    Transient { context: &'static str, source: Source },
    /// It is not its turn again before a while is over.
    #[error("{context}: it waits for {} s", pause.as_secs())]
    Held { context: &'static str, pause: Duration },
    /// It will fail again: what was read, sent or stored is not what it should be.
    #[error("{context}: malformed")]
    Malformed { context: &'static str, source: Source },
}

impl Failure {
    pub fn transient(context: &'static str, source: impl Into<Source>) -> Self {
        Failure::Transient { context, source: source.into() }
    }

    pub fn malformed(context: &'static str, source: impl Into<Source>) -> Self {
        Failure::Malformed { context, source: source.into() }
    }

    pub fn is_transient(&self) -> bool {
        match self {
            Failure::Transient { .. } | Failure::Held { .. } => true,
            Failure::Malformed { .. } => false,
        }
    }

    /// How long to wait, if it says so.
    pub fn pause(&self) -> Option<Duration> {
        match self {
            Failure::Held { pause, .. } => Some(*pause),
            Failure::Transient { .. } | Failure::Malformed { .. } => None,
        }
    }

    /// The same failure once more, for another whom it concerns; its sources are flattened.
    pub fn again(&self) -> Self {
        match self {
            Failure::Transient { context, source } => Failure::transient(context, chain(source.as_ref())),
            Failure::Held { context, pause } => Failure::Held { context, pause: *pause },
            Failure::Malformed { context, source } => Failure::malformed(context, chain(source.as_ref())),
        }
    }

    /// The same failure where it is not known yet whose fault it is.
    pub fn as_transient(self) -> Self {
        match self {
            Failure::Transient { context, source } | Failure::Malformed { context, source } => {
                Failure::Transient { context, source }
            }
            held @ Failure::Held { .. } => held,
        }
    }

    /// Classifies an SDK error; the only place that does.
    pub fn of_sdk<E>(context: &'static str, error: SdkError<E, HttpResponse>) -> Self
    where
        E: ProvideErrorMetadata + Error + Send + Sync + 'static,
    {
        let is_transient = match &error {
            SdkError::ConstructionFailure(_) => false,
            SdkError::TimeoutError(_) | SdkError::DispatchFailure(_) | SdkError::ResponseError(_) => true,
            SdkError::ServiceError(service) => {
                !service.err().code().is_some_and(|code| MALFORMED_CODES.contains(&code))
            }
            _ => true,
        };
        if is_transient { Failure::transient(context, error) } else { Failure::malformed(context, error) }
    }
}

/// Codes that blame what was sent, in each service's words. Whatever else a service refuses
/// (throttling, a missing permission, a clock that is off) is not the message's fault.
const MALFORMED_CODES: [&str; 8] = [
    "InvalidParameter",
    "InvalidParameterException",
    "InvalidParameterValue",
    "InvalidPasswordException",
    "ItemCollectionSizeLimitExceededException",
    "SerializationException",
    "ValidationError",
    "ValidationException",
];

/// The whole chain of an error in one line, for logs: the JSON layer prints only the outermost.
pub fn chain(error: &dyn Error) -> String {
    /// A chain longer than this is a cycle or noise.
    const MAX_LINKS: usize = 16;
    let mut line = error.to_string();
    let mut link = error.source();
    for _ in 1..MAX_LINKS {
        let Some(cause) = link else { break };
        line = format!("{line}: {cause}");
        link = cause.source();
    }
    line
}
