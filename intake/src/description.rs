//! What many operations have in common, said once in the API's description.

use crate::app::App;
use crate::etag::MATCH_HEADER;
use crate::request::{KEY_HEADER, PREFER_HEADER};
use domain::role::RoleKind;
use utoipa::openapi::extensions::Extensions;
use utoipa::openapi::header::HeaderBuilder;
use utoipa::openapi::path::{Operation, Parameter, ParameterBuilder, ParameterIn};
use utoipa::openapi::{Object, RefOr, Required, Response, ResponseBuilder, Type};
use utoipa_axum::router::UtoipaMethodRouter;

/// A route with the roles that it admits, the headers of commands, and how reads are asked for again.
pub fn complete(roles: &[RoleKind], mut route: UtoipaMethodRouter<App>) -> UtoipaMethodRouter<App> {
    let names = roles.iter().map(|role| role.as_str()).collect::<Vec<_>>();
    for item in route.1.paths.values_mut() {
        item.get.iter_mut().for_each(describe_read);
        let operations = [&mut item.get, &mut item.put, &mut item.post, &mut item.patch, &mut item.delete];
        for operation in operations.into_iter().flatten() {
            describe_command(operation);
            describe_table(operation);
            operation.extensions = Some(Extensions::builder().add("x-roles", names.clone()).build());
        }
    }
    route
}

/// What an operation may be asked with.
#[derive(Debug)]
pub struct Parameters {
    /// Of its query.
    pub names: Vec<String>,
    /// Whether it reads an `If-Match`.
    pub has_condition: bool,
}

impl Parameters {
    pub fn of(operation: &Operation) -> Self {
        let parameters = || operation.parameters.iter().flatten().filter_map(inline);
        let asked = parameters().filter(|parameter| matches!(parameter.parameter_in, ParameterIn::Query));
        Self {
            names: asked.map(|parameter| parameter.name.clone()).collect(),
            has_condition: parameters().any(|parameter| parameter.name == MATCH_HEADER),
        }
    }
}

fn describe_read(operation: &mut Operation) {
    let known = header("If-None-Match", Required::False, "The `ETag` of what the client has.");
    operation.parameters.get_or_insert_default().push(known.into());
    let unchanged = ResponseBuilder::new().description("As the `If-None-Match` of the request has it");
    operation.responses.responses.insert("304".to_owned(), unchanged.build().into());
    for status in ["200", "304"] {
        add(operation, status, "ETag", Type::String, "What this answer is known by");
    }
}

/// A header of a request.
pub fn header(name: &str, required: Required, description: &str) -> Parameter {
    ParameterBuilder::new()
        .name(name)
        .parameter_in(ParameterIn::Header)
        .required(required)
        .description(Some(description))
        .schema(Some(Object::with_type(Type::String)))
        .build()
}

fn describe_table(operation: &mut Operation) {
    let is_table = answer(operation, "200").is_some_and(|answer| answer.content.contains_key("text/csv"));
    if is_table && takes(operation, "cursor") {
        add(
            operation,
            "200",
            "Link",
            Type::String,
            "Of CSV: the next page, as `rel=\"next\"`; absent from the last",
        );
    }
}

fn describe_command(operation: &mut Operation) {
    let [is_command, may_wait, is_outcome] =
        [KEY_HEADER, PREFER_HEADER, "ticket"].map(|name| takes(operation, name));
    if is_command {
        add(
            operation,
            "200",
            "Idempotent-Replayed",
            Type::Boolean,
            "Present on the outcome of an earlier request",
        );
        add(operation, "202", "Location", Type::String, "Where the outcome will be");
        add(operation, "202", "Retry-After", Type::Integer, "When to look again, in seconds");
    }
    if is_outcome {
        for status in ["200", "304"] {
            add(
                operation,
                status,
                "Retry-After",
                Type::Integer,
                "While it is pending: when to look again, in seconds",
            );
        }
    }
    if may_wait {
        add(
            operation,
            "200",
            "Preference-Applied",
            Type::String,
            "The `wait` that it took; absent from a replay",
        );
    }
}

fn takes(operation: &Operation, name: &str) -> bool {
    let parameters = operation.parameters.iter().flatten();
    parameters.filter_map(inline).any(|parameter| parameter.name == name)
}

/// Adds a header to the answers of a status, if there are any.
fn add(operation: &mut Operation, status: &str, name: &str, kind: Type, description: &str) {
    if let Some(answer) = answer(operation, status) {
        let header =
            HeaderBuilder::new().schema(Some(Object::with_type(kind))).description(Some(description));
        answer.headers.insert(name.to_owned(), header.build().into());
    }
}

fn answer<'a>(operation: &'a mut Operation, status: &str) -> Option<&'a mut Response> {
    match operation.responses.responses.get_mut(status)? {
        RefOr::T(answer) => Some(answer),
        RefOr::Ref(_) => None,
    }
}

fn inline<T>(it: &RefOr<T>) -> Option<&T> {
    match it {
        RefOr::T(it) => Some(it),
        RefOr::Ref(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use crate::routes;
    use serde_json::Value;

    /// Names of the headers of an answer.
    fn headers(operation: &Value, status: &str) -> Vec<String> {
        let headers = operation["responses"][status]["headers"].as_object();
        headers.into_iter().flatten().map(|(name, _)| name.clone()).collect()
    }

    #[test]
    fn reads_and_commands_name_their_headers() {
        let description = serde_json::to_value(routes::description()).unwrap();
        let (mut reads, mut commands, mut tables) = (0, 0, 0);
        for (path, item) in description["paths"].as_object().unwrap() {
            for (method, operation) in item.as_object().unwrap() {
                let parameters = operation["parameters"].as_array().into_iter().flatten();
                let asks: Vec<_> = parameters.filter_map(|one| one["name"].as_str()).collect();
                let outcome = headers(operation, "200");
                let what = format!("{method} {path}");
                if method == "get" {
                    reads += 1;
                    assert!(asks.contains(&"If-None-Match"), "{what}");
                    assert!(outcome.contains(&"ETag".to_owned()), "{what}");
                    let waits = asks.contains(&"ticket").then_some("Retry-After");
                    let known: Vec<_> = ["ETag"].into_iter().chain(waits).collect();
                    assert_eq!(headers(operation, "304"), known, "{what}");
                }
                if asks.contains(&"Idempotency-Key") {
                    commands += 1;
                    assert!(outcome.contains(&"Idempotent-Replayed".to_owned()), "{what}");
                    assert_eq!(headers(operation, "202"), ["Location", "Retry-After"], "{what}");
                }
                let waits = asks.contains(&"Prefer");
                assert_eq!(outcome.contains(&"Preference-Applied".to_owned()), waits, "{what}");
                tables += usize::from(outcome.contains(&"Link".to_owned()));
            }
        }
        assert!(reads > 25 && commands > 25, "{reads} {commands}");
        assert_eq!(tables, 7);
        let statement = &description["paths"]["/v1/employees/{number}/movements"]["get"];
        assert_eq!(headers(statement, "200"), ["ETag"]);
    }
}
