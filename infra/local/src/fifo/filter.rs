//! A subscription's filter policy: for each named attribute a list of exact strings.
//! Every operator that is not understood is refused when it is set, never ignored.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::error::FifoError;
use super::message::{AttributeValue, Attributes, Scalar};

/// Attribute names in one policy (AWS quota).
const NAMES_MAX: usize = 5;
/// Product of the lists' lengths (AWS quota).
const COMBINATIONS_MAX: usize = 150;

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FilterPolicy(BTreeMap<String, BTreeSet<String>>);

impl FilterPolicy {
    /// `None` for `{}`, which filters nothing.
    pub fn parse(json: &str) -> Result<Option<Self>, FifoError> {
        let policy: BTreeMap<String, Value> =
            serde_json::from_str(json).map_err(|_| refused("not a JSON object"))?;
        if policy.is_empty() {
            return Ok(None);
        }
        let lists = policy
            .into_iter()
            .map(|(name, list)| Ok((name, exact_strings(&list)?)))
            .collect::<Result<BTreeMap<_, _>, FifoError>>()?;
        let combinations = lists.values().fold(1_usize, |product, list| product.saturating_mul(list.len()));
        if lists.len() > NAMES_MAX || combinations > COMBINATIONS_MAX {
            return Err(refused("at most 5 attributes and 150 combinations"));
        }
        Ok(Some(Self(lists)))
    }

    pub fn to_json(&self) -> String {
        serde_json::json!(self.0).to_string()
    }

    /// True if every named attribute is there with one of its values.
    pub fn admits(&self, attributes: &Attributes) -> bool {
        self.0.iter().all(|(name, wanted)| attributes.get(name).is_some_and(|value| is_any(value, wanted)))
    }
}

fn exact_strings(list: &Value) -> Result<BTreeSet<String>, FifoError> {
    let values = list.as_array().ok_or_else(|| refused("every attribute needs a list"))?;
    if values.is_empty() {
        return Err(refused("an empty list matches nothing"));
    }
    let string = |value: &Value| value.as_str().map(str::to_owned);
    let strings: Option<BTreeSet<String>> = values.iter().map(string).collect();
    strings.ok_or_else(|| refused("only exact strings are supported"))
}

fn is_any(attribute: &AttributeValue, wanted: &BTreeSet<String>) -> bool {
    match (&attribute.value, attribute.data_type.as_str()) {
        (Scalar::Text(text), "String.Array") => {
            let elements: Vec<Value> = serde_json::from_str(text).unwrap_or_default();
            elements.iter().filter_map(Value::as_str).any(|element| wanted.contains(element))
        }
        (Scalar::Text(text), data_type) if !data_type.starts_with("Number") => wanted.contains(text),
        (Scalar::Text(_) | Scalar::Binary(_), _) => false,
    }
}

fn refused(reason: &str) -> FifoError {
    FifoError::InvalidParameter(format!("FilterPolicy: {reason}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(policy: &str, kind: &str, admitted: bool) {
        let policy = FilterPolicy::parse(policy).expect("valid").expect("filters");
        let attributes = Attributes::from([("kind".to_owned(), AttributeValue::text(kind))]);
        assert_eq!(policy.admits(&attributes), admitted);
    }

    #[track_caller]
    fn check_refused(policy: &str) {
        assert!(matches!(FilterPolicy::parse(policy), Err(FifoError::InvalidParameter(_))), "{policy}");
    }

    #[test]
    fn a_message_needs_one_of_the_values_of_every_name() {
        check(r#"{"kind":["checkout"]}"#, "checkout", true);
        check(r#"{"kind":["checkout","refund"]}"#, "refund", true);
        check(r#"{"kind":["checkout"]}"#, "Checkout", false);
        check(r#"{"kind":["checkout"],"tenant":["a"]}"#, "checkout", false);
    }

    #[test]
    fn what_is_not_understood_is_refused() {
        check_refused(r#"{"kind":[]}"#);
        check_refused(r#"{"kind":"checkout"}"#);
        check_refused(r#"{"kind":[{"prefix":"check"}]}"#);
        check_refused(r#"{"kind":["a",1]}"#);
        check_refused(r#"{"kind":{"nested":["a"]}}"#);
        check_refused(r#"{"a":["1"],"b":["1"],"c":["1"],"d":["1"],"e":["1"],"f":["1"]}"#);
        check_refused("kind");
        assert_eq!(FilterPolicy::parse("{}"), Ok(None));
    }
}
