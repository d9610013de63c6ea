//! Parameters of a query, each read or noted as wrong.

use crate::problem::FieldError;
use domain::id::InvalidId;
use jiff::civil::Date;
use std::str::FromStr;

pub fn id<T: FromStr<Err = InvalidId>>(
    text: Option<String>,
    name: &'static str,
    errors: &mut Vec<FieldError>,
) -> Option<T> {
    text?.parse().map_err(|error| errors.push(FieldError::at_parameter(name, error))).ok()
}

pub fn date(text: Option<String>, name: &'static str, errors: &mut Vec<FieldError>) -> Option<Date> {
    let detail = "must be a date, like 2026-03-02";
    text?.parse().map_err(|_| errors.push(FieldError::at_parameter(name, detail))).ok()
}
