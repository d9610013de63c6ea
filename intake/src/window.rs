//! A bounded time: `?from=&to=`.

use crate::parameter;
use crate::problem::{FieldError, Problem};
use jiff::{SignedDuration, Timestamp};
use serde::Deserialize;
use utoipa::IntoParams;

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct WindowParameters {
    /// An instant as RFC 3339 has it; what happened just then is included.
    #[param(value_type = Option<String>, format = DateTime)]
    from: Option<String>,
    /// An instant as RFC 3339 has it; what happened just then is not included. Now unless given.
    #[param(value_type = Option<String>, format = DateTime)]
    to: Option<String>,
}

#[derive(Debug)]
pub struct Window {
    pub from: Timestamp,
    pub to: Timestamp,
}

/// How long a window may be.
#[derive(Debug, Clone, Copy)]
pub struct Length {
    /// Unless the client says otherwise.
    pub default: SignedDuration,
    pub max: SignedDuration,
}

impl Length {
    /// A month, and a quarter of a year at most.
    pub const QUARTER: Length =
        Length { default: SignedDuration::from_hours(24 * 31), max: SignedDuration::from_hours(24 * 92) };
}

impl WindowParameters {
    /// As it is asked for: the same for every page of a list.
    pub fn asked(&self) -> String {
        let [from, to] = [&self.from, &self.to].map(|text| text.as_deref().unwrap_or_default());
        format!("{from} {to}")
    }

    /// Without a `length`, what is not given is unbounded, so that the window is the same on every page.
    pub fn read(&self, now: Timestamp, length: Option<Length>) -> Result<Window, Problem> {
        let mut errors = Vec::new();
        let from = parameter::instant(self.from.as_deref(), "from", &mut errors);
        let to = parameter::instant(self.to.as_deref(), "to", &mut errors);
        if !errors.is_empty() {
            return Err(Problem::BadInput(errors));
        }
        let to = to.unwrap_or(if length.is_some() { now } else { Timestamp::MAX });
        let begin = || match length {
            Some(length) => to.checked_sub(length.default).unwrap_or(to),
            None => Timestamp::UNIX_EPOCH,
        };
        let from = from.unwrap_or_else(begin);
        if from > to {
            return Err(Problem::field(FieldError::at_parameter("from", "must be before `to`")));
        }
        if let Some(Length { max, .. }) = length.filter(|length| to.duration_since(from) > length.max) {
            let detail = format!("must be no more than {} days before `to`", max.as_hours() / 24);
            return Err(Problem::field(FieldError::at_parameter("from", detail)));
        }
        Ok(Window { from, to })
    }
}
