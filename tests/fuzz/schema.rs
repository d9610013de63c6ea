//! What the API's description says of bodies, as far as it says anything: JSON Schema, of which utoipa writes
//! a part.

use regex_lite::Regex;
use serde_json::{Map, Value};

/// Method and path of whatever takes a body.
pub fn with_a_body(description: &Value) -> Vec<(String, String)> {
    let paths = description["paths"].as_object().expect("paths");
    let of_path = |(path, item): (&String, &Value)| {
        let methods = item.as_object().expect("methods").iter();
        let with_a_body = methods.filter(|(_, operation)| operation["requestBody"].is_object());
        with_a_body.map(|(method, _)| (method.clone(), path.clone())).collect::<Vec<_>>()
    };
    paths.iter().flat_map(of_path).collect()
}

pub fn of_body<'a>(description: &'a Value, method: &str, path: &str) -> Option<&'a Value> {
    description["paths"][path][method]["requestBody"]["content"].get("application/json")?.get("schema")
}

/// Where a value is not as its schema says.
pub fn differences(description: &Value, schema: &Value, value: &Value) -> Vec<String> {
    let mut wrong = Vec::new();
    check(description, schema, value, "", &mut wrong);
    wrong
}

fn check(description: &Value, schema: &Value, value: &Value, at: &str, wrong: &mut Vec<String>) {
    if let Some(reference) = schema["$ref"].as_str() {
        let target =
            description.pointer(reference.trim_start_matches('#')).expect("a reference leads somewhere");
        return check(description, target, value, at, wrong);
    }
    for choices in ["oneOf", "anyOf"] {
        let Some(choices) = schema[choices].as_array() else { continue };
        if !choices.iter().any(|choice| differences(description, choice, value).is_empty()) {
            wrong.push(format!("{at} is none of its choices"));
        }
    }
    for part in schema["allOf"].as_array().into_iter().flatten() {
        check(description, part, value, at, wrong);
    }
    if !is_of_type(&schema["type"], value) {
        wrong.push(format!("{at} is no {}", schema["type"]));
    }
    if schema["enum"].as_array().is_some_and(|words| !words.contains(value)) {
        wrong.push(format!("{at} is none of {}", schema["enum"]));
    }
    match value {
        Value::Object(fields) => object(description, schema, fields, at, wrong),
        Value::Array(list) => {
            within(schema, "minItems", "maxItems", list.len() as i64, at, wrong);
            let items = schema
                .get("items")
                .into_iter()
                .flat_map(|schema| list.iter().map(move |item| (schema, item)));
            for (index, (schema, item)) in items.enumerate() {
                check(description, schema, item, &format!("{at}/{index}"), wrong);
            }
        }
        Value::String(text) => {
            within(schema, "minLength", "maxLength", text.chars().count() as i64, at, wrong);
            let pattern = schema["pattern"].as_str().map(|pattern| Regex::new(pattern).expect("a pattern"));
            if pattern.is_some_and(|pattern| !pattern.is_match(text)) {
                wrong.push(format!("{at} does not match {}", schema["pattern"]));
            }
        }
        Value::Number(number) => match number.as_i64() {
            Some(number) => within(schema, "minimum", "maximum", number, at, wrong),
            None => wrong.push(format!("{at} is no whole number")),
        },
        Value::Null | Value::Bool(_) => {}
    }
}

fn object(
    description: &Value,
    schema: &Value,
    fields: &Map<String, Value>,
    at: &str,
    wrong: &mut Vec<String>,
) {
    let required = schema["required"].as_array();
    let is_required =
        |name: &str| required.is_some_and(|names| names.iter().any(|required| required == name));
    for name in required.into_iter().flatten().filter_map(Value::as_str) {
        if !fields.contains_key(name) {
            wrong.push(format!("{at}/{name} is missing"));
        }
    }
    let Some(properties) = schema["properties"].as_object() else { return };
    for (name, value) in fields {
        match properties.get(name) {
            // Where a field may be missing, `null` is as good.
            Some(_) if value.is_null() && !is_required(name) => {}
            Some(schema) => check(description, schema, value, &format!("{at}/{name}"), wrong),
            None if schema["additionalProperties"] == false => wrong.push(format!("{at}/{name} is unknown")),
            None => {}
        }
    }
}

fn within(schema: &Value, min: &str, max: &str, is: i64, at: &str, wrong: &mut Vec<String>) {
    let below = schema[min].as_i64().is_some_and(|min| is < min);
    let above = schema[max].as_i64().is_some_and(|max| is > max);
    if below || above {
        wrong.push(format!("{at} is {is}, not from {} to {}", schema[min], schema[max]));
    }
}

fn is_of_type(types: &Value, value: &Value) -> bool {
    let is = |name: &str| match name {
        "object" => value.is_object(),
        "array" => value.is_array(),
        "string" => value.is_string(),
        "integer" | "number" => value.is_number(),
        "boolean" => value.is_boolean(),
        "null" => value.is_null(),
        _ => true,
    };
    match types {
        Value::String(name) => is(name),
        Value::Array(names) => names.iter().filter_map(Value::as_str).any(is),
        _ => true,
    }
}
