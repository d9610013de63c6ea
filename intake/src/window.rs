//! A bounded time: `?from=&to=`, both included.

use crate::problem::{FieldError, Problem};
use jiff::{SignedDuration, Timestamp};
use serde::Deserialize;
use utoipa::IntoParams;

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct WindowParameters {
    /// An instant as RFC 3339 has it.
    #[param(value_type = Option<String>, format = DateTime)]
    from: Option<String>,
    /// An instant as RFC 3339 has it; now unless given.
    #[param(value_type = Option<String>, format = DateTime)]
    to: Option<String>,
}

#[derive(Debug)]
pub struct Window {
    pub from: Timestamp,
    pub to: Timestamp,
    /// As it was asked for: the same for every page of a list.
    pub asked: String,
}

impl WindowParameters {
    pub fn read(
        self,
        now: Timestamp,
        default: SignedDuration,
        max: SignedDuration,
    ) -> Result<Window, Problem> {
        let mut errors = Vec::new();
        let mut instant = |name: &'static str, text: Option<&String>| {
            let parsed = text.map(|text| text.parse::<Timestamp>()).transpose();
            parsed.unwrap_or_else(|_| {
                let detail = "must be an instant, like 2026-03-02T12:30:00Z";
                errors.push(FieldError::at_parameter(name, detail));
                None
            })
        };
        let (from, to) = (instant("from", self.from.as_ref()), instant("to", self.to.as_ref()));
        if !errors.is_empty() {
            return Err(Problem::BadInput(errors));
        }
        let to = to.unwrap_or(now);
        let from = from.unwrap_or_else(|| to.checked_sub(default).unwrap_or(to));
        let length = to.duration_since(from);
        if length.is_negative() || length > max {
            let days = max.as_hours() / 24;
            let detail = format!("must be before `to`, and no more than {days} days");
            return Err(Problem::field(FieldError::at_parameter("from", detail)));
        }
        let asked = format!("{} {}", self.from.unwrap_or_default(), self.to.unwrap_or_default());
        Ok(Window { from, to, asked })
    }
}
