//! Reading a JSON body field by field, so that one answer names every wrong one.

use crate::problem::{FieldError, Problem};
use axum::http::HeaderMap;
use axum::http::header::{CONTENT_ENCODING, CONTENT_TYPE};
use jiff::Timestamp;
use serde::de::{Deserialize, DeserializeOwned, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Value};
use std::cell::RefCell;
use std::collections::BTreeSet;
use std::fmt::{self, Display};

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

/// Whether the body calls itself JSON in UTF-8, as it is.
pub fn check_content_type(headers: &HeaderMap) -> Result<(), Problem> {
    let mut types = headers.get_all(CONTENT_TYPE).iter();
    let (Some(content_type), None) = (types.next(), types.next()) else {
        return Err(Problem::UnsupportedMediaType);
    };
    let content_type = content_type.to_str().unwrap_or_default().to_ascii_lowercase();
    let mut parts = content_type.split(';').map(str::trim);
    let is_json = parts.next() == Some("application/json");
    let is_utf8 = parts.all(|parameter| matches!(parameter, "" | "charset=utf-8" | "charset=\"utf-8\""));
    if is_json && is_utf8 && !headers.contains_key(CONTENT_ENCODING) {
        Ok(())
    } else {
        Err(Problem::UnsupportedMediaType)
    }
}

/// The root object of a body.
pub fn parse(body: &[u8], errors: &Errors) -> Option<Map<String, Value>> {
    match serde_json::from_slice(body) {
        Ok(Unambiguous(Value::Object(fields))) => Some(fields),
        Ok(Unambiguous(_)) => {
            errors.add(FieldError::at_pointer("", "must be an object"));
            None
        }
        Err(error) => {
            let what = if error.is_data() { "gives a field twice" } else { "is not JSON" };
            let detail = format!("{what}: line {}, column {}", error.line(), error.column());
            errors.add(FieldError::at_pointer("", detail));
            None
        }
    }
}

/// A JSON value in which no object has two fields of one name: whoever reads it reads the same.
struct Unambiguous(Value);

impl<'de> Deserialize<'de> for Unambiguous {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(UnambiguousVisitor).map(Self)
    }
}

struct UnambiguousVisitor;

impl<'de> Visitor<'de> for UnambiguousVisitor {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_f64<E>(self, value: f64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Value, A::Error> {
        let mut values = Vec::new();
        while let Some(Unambiguous(value)) = list.next_element()? {
            values.push(value);
        }
        Ok(Value::Array(values))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut object: A) -> Result<Value, A::Error> {
        let mut fields = Map::new();
        while let Some((name, Unambiguous(value))) = object.next_entry::<String, _>()? {
            if fields.insert(name, value).is_some() {
                return Err(A::Error::custom("a field is given twice"));
            }
        }
        Ok(Value::Object(fields))
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

    /// Takes a field that was complained of already.
    pub fn skip(&mut self, name: &str) {
        self.fields.remove(name);
    }

    pub fn error(&self, name: &str, detail: impl ToString) {
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
        if self.is_null_or_missing(name) { None } else { self.integer(name) }
    }

    /// A text that may be missing; `null` counts as missing.
    pub fn optional_text<T: TryFrom<String>>(&mut self, name: &str) -> Option<T>
    where
        T::Error: Display,
    {
        if self.is_null_or_missing(name) { None } else { self.text(name) }
    }

    /// A text that may be missing, `Some(None)` if it is `null`.
    pub fn nullable_text<T: TryFrom<String>>(&mut self, name: &str) -> Option<Option<T>>
    where
        T::Error: Display,
    {
        if !self.has(name) {
            None
        } else if self.is_null_or_missing(name) {
            Some(None)
        } else {
            self.text(name).map(Some)
        }
    }

    /// A word of a fixed few, as its type reads them.
    pub fn word<T: DeserializeOwned>(&mut self, name: &str, words: &str) -> Option<T> {
        self.required(name, |value| serde_json::from_value(value).map_err(|_| format!("must be {words}")))
    }

    /// The same, if it is there.
    pub fn optional_word<T: DeserializeOwned>(&mut self, name: &str, words: &str) -> Option<T> {
        if self.is_null_or_missing(name) { None } else { self.word(name, words) }
    }

    /// Some words of a fixed few, `Some(None)` where there is no list of them.
    pub fn optional_words<T: DeserializeOwned + Ord>(
        &mut self,
        name: &str,
        words: &str,
    ) -> Option<Option<BTreeSet<T>>> {
        if self.is_null_or_missing(name) {
            return Some(None);
        }
        let list = self.required(name, |value| match value {
            Value::Array(list) => Ok(list),
            _ => Err("must be a list".to_owned()),
        })?;
        let read = list.into_iter().enumerate().map(|(index, value)| {
            let word = serde_json::from_value(value).ok();
            if word.is_none() {
                self.error(&format!("{name}/{index}"), format!("must be {words}"));
            }
            word
        });
        read.collect::<Vec<_>>().into_iter().collect::<Option<BTreeSet<T>>>().map(Some)
    }

    /// An object, if it is there.
    pub fn optional_object(&mut self, name: &str) -> Option<Option<Fields<'a>>> {
        if self.is_null_or_missing(name) {
            return Some(None);
        }
        let fields = self.required(name, |value| match value {
            Value::Object(fields) => Ok(fields),
            _ => Err("must be an object".to_owned()),
        })?;
        Some(Some(Fields::new(format!("{}/{name}", self.pointer), fields, self.errors)))
    }

    /// An instant as RFC 3339 has it, if it is there.
    pub fn optional_instant(&mut self, name: &str) -> Option<Timestamp> {
        if self.is_null_or_missing(name) {
            return None;
        }
        self.required(name, |value| {
            let instant = value.as_str().and_then(|text| text.parse().ok());
            instant.ok_or_else(|| "must be an instant, like 2026-03-02T12:30:00Z".to_owned())
        })
    }

    fn is_null_or_missing(&mut self, name: &str) -> bool {
        let is_missing = self.fields.get(name).is_none_or(Value::is_null);
        if is_missing {
            self.fields.remove(name);
        }
        is_missing
    }

    /// A whole number that may be missing, `Some(None)` if it is `null`.
    pub fn nullable_integer<T: TryFrom<i64>>(&mut self, name: &str) -> Option<Option<T>>
    where
        T::Error: Display,
    {
        if !self.has(name) {
            None
        } else if self.is_null_or_missing(name) {
            Some(None)
        } else {
            self.integer(name).map(Some)
        }
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
        let names: BTreeSet<_> = self.fields.keys().collect();
        for name in names {
            let escaped = name.replace('~', "~0").replace('/', "~1");
            self.error(&escaped, "is not a field of this object");
        }
    }
}
