//! A checkout request, parsed once: whatever is wrong with it is said in one answer.

use crate::body::{Errors, Fields};
use crate::problem::{FieldError, Problem};
use crate::request;
use axum::http::HeaderMap;
use domain::command::{Basket, OrderLine};
use domain::id::{CheckoutId, StationId};
use domain::request::Buyer;
use jiff::Timestamp;
use serde::Deserialize;
use utoipa::ToSchema;

/// What a terminal asks for.
#[derive(Debug)]
pub struct Order {
    pub id: CheckoutId,
    pub buyer: Buyer,
    pub station: StationId,
    pub basket: Basket,
}

/// The body of a checkout request. Exactly one of `rfid` and `employee_number` is given.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({
    "rfid": "RF100001",
    "station": "coffee-bar-1",
    "items": [{ "code": "COFFEE", "qty": 1, "price": 4500 }],
}))]
#[expect(dead_code, reason = "only its description is used")]
pub(crate) struct CheckoutRequest {
    #[schema(nullable = false, pattern = "^[A-Za-z0-9._-]{4,64}$")]
    rfid: Option<String>,
    #[schema(nullable = false, pattern = "^[A-Za-z0-9._-]{1,32}$")]
    employee_number: Option<String>,
    #[schema(pattern = "^[A-Za-z0-9._-]{1,32}$")]
    station: String,
    #[schema(min_items = 1, max_items = 50)]
    items: Vec<CheckoutRequestItem>,
}

#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[expect(dead_code, reason = "only its description is used")]
pub(crate) struct CheckoutRequestItem {
    #[schema(pattern = "^[A-Za-z0-9._-]{1,32}$")]
    code: String,
    #[schema(minimum = 1, maximum = 99)]
    qty: i64,
    /// What the terminal displayed, in minor units. If the menu disagrees, the checkout is rejected.
    #[schema(minimum = 0, maximum = 1_000_000_000)]
    price: Option<i64>,
}

impl Order {
    pub fn parse(headers: &HeaderMap, body: &[u8], now: Timestamp) -> Result<Self, Problem> {
        let (id, Asked { buyer, station, basket }) = request::command(headers, body, now, read)?;
        Ok(Self { id: id.into(), buyer, station, basket })
    }
}

/// A basket for somebody at a station.
#[derive(Debug)]
pub struct Asked {
    pub buyer: Buyer,
    pub station: StationId,
    pub basket: Basket,
}

impl Asked {
    /// The same body where nothing is to be done.
    pub fn parse(headers: &HeaderMap, body: &[u8]) -> Result<Self, Problem> {
        request::query(headers, body, read)
    }
}

fn read(fields: &mut Fields<'_>, errors: &Errors) -> Option<Asked> {
    let buyer = buyer(fields, errors);
    let station = fields.text("station");
    let basket = basket(fields, errors);
    Some(Asked { buyer: buyer?, station: station?, basket: basket? })
}

fn buyer(fields: &mut Fields<'_>, errors: &Errors) -> Option<Buyer> {
    match (fields.has("rfid"), fields.has("employee_number")) {
        (true, false) => fields.text("rfid").map(Buyer::Badge),
        (false, true) => fields.text("employee_number").map(Buyer::Number),
        (has_both, _) => {
            let detail = "give exactly one of rfid and employee_number";
            errors.add(FieldError::at_pointer(if has_both { "/employee_number" } else { "/rfid" }, detail));
            if has_both {
                // Taken, so that neither is called unknown as well.
                fields.text::<String>("rfid");
                fields.text::<String>("employee_number");
            }
            None
        }
    }
}

fn basket(fields: &mut Fields<'_>, errors: &Errors) -> Option<Basket> {
    // All of them first, so that an early wrong line hides no later one.
    let lines: Vec<_> = fields.objects("items")?.into_iter().map(|fields| line(fields?)).collect();
    let lines: Vec<_> = lines.into_iter().collect::<Option<_>>()?;
    Basket::try_from(lines).map_err(|error| errors.add(FieldError::at_pointer("/items", error))).ok()
}

fn line(mut fields: Fields<'_>) -> Option<OrderLine> {
    let code = fields.text("code");
    let qty = fields.integer("qty");
    let price = fields.optional_integer("price");
    fields.no_more();
    Some(OrderLine { code: code?, qty: qty?, price })
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::http::header::CONTENT_TYPE;

    const NOW_MS: i64 = 1_717_986_918_400;
    const KEY: &str = "01900000-0000-7000-8000-000000000000";

    fn parse(key: Option<&str>, body: &str) -> Result<Order, Problem> {
        let mut headers = HeaderMap::from_iter([(CONTENT_TYPE, "application/json".parse().unwrap())]);
        if let Some(key) = key {
            headers.insert(request::KEY_HEADER, key.parse().unwrap());
        }
        Order::parse(&headers, body.as_bytes(), Timestamp::from_millisecond(NOW_MS).unwrap())
    }

    /// The places that the answer names, headers in angle brackets.
    #[track_caller]
    fn check(key: Option<&str>, body: &str, wrong: &[&str]) {
        let named = match parse(key, body) {
            Ok(_) => vec![],
            Err(Problem::BadInput(errors)) => errors
                .into_iter()
                .map(|error| error.pointer.unwrap_or_else(|| format!("<{}>", error.header.unwrap())))
                .collect(),
            Err(problem) => panic!("{problem:?}"),
        };
        assert_eq!(named, wrong, "{body}");
    }

    #[test]
    fn every_wrong_field_is_named_at_once() {
        check(Some(KEY), r#"{"rfid":"1001","station":"s1","items":[{"code":"a","qty":1,"price":180}]}"#, &[]);
        check(
            Some(KEY),
            r#"{"employee_number":"7","station":"s1","items":[{"code":"a","qty":1,"price":null}]}"#,
            &[],
        );
        check(None, "[]", &["<Idempotency-Key>", ""]);
        check(Some("x"), "{", &["<Idempotency-Key>", ""]);
        check(Some(KEY), "{}", &["/rfid", "/station", "/items"]);
        check(
            Some(KEY),
            r#"{"rfid":"1001","employee_number":"7","station":5,"items":[],"extra":1}"#,
            &["/employee_number", "/station", "/items", "/extra"],
        );
        check(
            Some(KEY),
            r#"{"rfid":"1 2","station":"s1","items":[{"code":"a","qty":0},{"code":"b","qty":-1},{"code":"","qty":1.5},
                {"qty":100,"x/y":0},{"code":"c","qty":"1","price":-1},7]}"#,
            &[
                "/rfid",
                "/items/5",
                "/items/0/qty",
                "/items/1/qty",
                "/items/2/code",
                "/items/2/qty",
                "/items/3/code",
                "/items/3/qty",
                "/items/3/x~1y",
                "/items/4/qty",
                "/items/4/price",
            ],
        );
        let huge = r#"{"rfid":"1001","station":"s1","items":[{"code":"d","qty":99999999999999999999}]}"#;
        check(Some(KEY), huge, &["/items/0/qty"]);
    }

    #[test]
    fn a_body_that_is_not_called_json_is_refused() {
        let problem = Order::parse(&HeaderMap::new(), b"{}", Timestamp::UNIX_EPOCH).unwrap_err();
        assert!(matches!(problem, Problem::UnsupportedMediaType));
    }
}
