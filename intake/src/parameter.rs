//! Parameters of a query, each read or noted as wrong.

use crate::problem::FieldError;
use domain::id::InvalidId;
use jiff::Timestamp;
use jiff::civil::Date;
use std::str::FromStr;

pub fn id<T: FromStr<Err = InvalidId>>(
    text: Option<&str>,
    name: &'static str,
    errors: &mut Vec<FieldError>,
) -> Option<T> {
    read(text, name, errors, |error: InvalidId| error.to_string())
}

pub fn date(text: Option<&str>, name: &'static str, errors: &mut Vec<FieldError>) -> Option<Date> {
    read(text, name, errors, |_: jiff::Error| "must be a date, like 2026-03-02".to_owned())
}

pub fn instant(text: Option<&str>, name: &'static str, errors: &mut Vec<FieldError>) -> Option<Timestamp> {
    read(text, name, errors, |_: jiff::Error| "must be an instant, like 2026-03-02T12:30:00Z".to_owned())
}

fn read<T: FromStr>(
    text: Option<&str>,
    name: &'static str,
    errors: &mut Vec<FieldError>,
    detail: impl Fn(T::Err) -> String,
) -> Option<T> {
    text?.parse().map_err(|error| errors.push(FieldError::at_parameter(name, detail(error)))).ok()
}
