//! Reading a JSON body field by field, so that one answer names every wrong one.

use crate::problem::{FieldError, Problem};
use axum::http::HeaderMap;
use axum::http::header::CONTENT_TYPE;
use serde_json::{Map, Value};
use std::cell::RefCell;
use std::fmt::Display;

/// Larger bodies are refused.
pub const MAX_BODY_BYTES: usize = 64 * 1024;
/// Errors named in one answer; a body with more is not worth more words.
const MAX_ERRORS: usize = 100;

/// Collects what is wrong.
#[derive(Debug, Default)]
pub struct Errors(RefCell<Vec<FieldError>>);

impl Errors {
    pub fn add(&self, error: FieldError) {
        let mut errors = self.0.borrow_mut();
        if errors.len() < MAX_ERRORS {
            errors.push(error);
        }
    }

    /// `value`, if nothing was wrong.
    pub fn into_result<T>(self, value: Option<T>) -> Result<T, Problem> {
        let errors = self.0.into_inner();
        match value {
            Some(value) if errors.is_empty() => Ok(value),
            _ => Err(Problem::BadInput(errors)),
        }
    }
}

/// Whether the body calls itself JSON (any parameters).
pub fn check_content_type(headers: &HeaderMap) -> Result<(), Problem> {
    let content_type = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let essence = content_type.split(';').next().unwrap_or_default().trim();
    if essence.eq_ignore_ascii_case("application/json") { Ok(()) } else { Err(Problem::UnsupportedMediaType) }
}

/// The root object of a body.
pub fn parse(body: &[u8], errors: &Errors) -> Option<Map<String, Value>> {
    match serde_json::from_slice(body) {
        Ok(Value::Object(fields)) => Some(fields),
        Ok(_) => {
            errors.add(FieldError::at_pointer("", "must be an object"));
            None
        }
        Err(error) => {
            errors.add(FieldError::at_pointer(
                "",
                format!("is not JSON: line {}, column {}", error.line(), error.column()),
            ));
            None
        }
    }
}

/// An object whose fields are taken one by one; what is left over is unknown.
#[derive(Debug)]
pub struct Fields<'a> {
    pointer: String,
    fields: Map<String, Value>,
    errors: &'a Errors,
}

impl<'a> Fields<'a> {
    pub fn new(pointer: impl Into<String>, fields: Map<String, Value>, errors: &'a Errors) -> Self {
        Self { pointer: pointer.into(), fields, errors }
    }

    pub fn has(&self, name: &str) -> bool {
        self.fields.contains_key(name)
    }

    fn error(&self, name: &str, detail: impl ToString) {
        self.errors.add(FieldError::at_pointer(format!("{}/{name}", self.pointer), detail));
    }

    fn parsed<T>(&mut self, name: &str, read: impl FnOnce(Value) -> Result<T, String>) -> Option<T> {
        let value = self.fields.remove(name)?;
        read(value).map_err(|detail| self.error(name, detail)).ok()
    }

    fn required<T>(&mut self, name: &str, read: impl FnOnce(Value) -> Result<T, String>) -> Option<T> {
        if !self.has(name) {
            self.error(name, "is required");
        }
        self.parsed(name, read)
    }

    pub fn text<T: TryFrom<String>>(&mut self, name: &str) -> Option<T>
    where
        T::Error: Display,
    {
        self.required(name, |value| match value {
            Value::String(text) => T::try_from(text).map_err(|error| error.to_string()),
            _ => Err("must be a text".to_owned()),
        })
    }

    pub fn integer<T: TryFrom<i64>>(&mut self, name: &str) -> Option<T>
    where
        T::Error: Display,
    {
        self.required(name, |value| {
            let integer = value.as_i64().ok_or("must be a whole number")?;
            T::try_from(integer).map_err(|error| error.to_string())
        })
    }

    /// A field that may be missing; `null` counts as missing.
    pub fn optional_integer<T: TryFrom<i64>>(&mut self, name: &str) -> Option<T>
    where
        T::Error: Display,
    {
        if self.fields.get(name).is_none_or(Value::is_null) {
            self.fields.remove(name);
            return None;
        }
        self.integer(name)
    }

    /// The objects of a list, `None` in place of what is none.
    pub fn objects(&mut self, name: &str) -> Option<Vec<Option<Fields<'a>>>> {
        let list = self.required(name, |value| match value {
            Value::Array(list) => Ok(list),
            _ => Err("must be a list".to_owned()),
        })?;
        let objects = list.into_iter().enumerate().map(|(index, value)| match value {
            Value::Object(fields) => {
                Some(Fields::new(format!("{}/{name}/{index}", self.pointer), fields, self.errors))
            }
            _ => {
                self.error(&format!("{name}/{index}"), "must be an object");
                None
            }
        });
        Some(objects.collect())
    }

    /// Names every field that was not asked for.
    pub fn no_more(self) {
        for name in self.fields.keys() {
            let escaped = name.replace('~', "~0").replace('/', "~1");
            self.error(&escaped, "is not a field of this object");
        }
    }
}
