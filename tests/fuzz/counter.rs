//! A body is taken or refused. What is refused says where it is wrong, and nothing follows; what is taken is
//! as its description says, and one command follows, of the caller's tenant, that its worker reads.

use crate::schema;
use crate::shop::{KEY, NOW_MS, Shop};
use domain::command::{Command, Message};
use domain::id::TenantId;
use jiff::{SignedDuration, Timestamp};
use serde_json::Value;

/// Every route with a body: for whom, and with what in its path.
const ROUTES: [(&str, &str, &str, &[(&str, &str)]); 27] = [
    ("cashier", "post", "/v1/checkouts", &[]),
    ("cashier", "post", "/v1/checkouts/quote", &[]),
    ("cashier", "post", "/v1/employees/{number}/checkouts/{id}/void", SOLD),
    ("manager", "post", "/v1/employees/{number}/checkouts/{id}/refunds", SOLD),
    ("admin", "post", "/v1/employees/{number}/adjustments", NUMBER),
    ("admin", "put", "/v1/credit-policy", &[]),
    ("admin", "post", "/v1/cutoffs", &[]),
    ("admin", "post", "/v1/cutoffs/preview", &[]),
    ("admin", "post", "/v1/cutoffs/{date}/resume", &[("date", "2026-03-15")]),
    ("admin", "post", "/v1/employees", &[]),
    ("admin", "patch", "/v1/employees/{number}", NUMBER),
    ("admin", "put", "/v1/employees/{number}/badges/{rfid}", &[("number", "100001"), ("rfid", "RF100001")]),
    ("admin", "put", "/v1/concessionaires/{id}", &[("id", "coffee-bar")]),
    ("admin", "put", "/v1/stations/{id}", &[("id", "coffee-bar-1")]),
    ("manager", "put", "/v1/concessionaires/{id}/meals/{code}", MEAL),
    ("cashier", "put", "/v1/concessionaires/{id}/meals/{code}/availability", MEAL),
    ("manager", "post", "/v1/concessionaires/{id}/menu-imports", &[("id", "coffee-bar")]),
    ("admin", "post", "/v1/employee-imports", &[]),
    ("admin", "post", "/v1/users", &[]),
    ("admin", "patch", "/v1/users/{name}", &[("name", "acme.cashier")]),
    ("platform", "put", "/v1/tenants/{id}", GLOBEX),
    ("platform", "post", "/v1/tenants/{id}/suspend", GLOBEX),
    ("platform", "post", "/v1/tenants/{id}/resume", GLOBEX),
    ("platform", "post", "/v1/tenants/{id}/admins", GLOBEX),
    ("admin", "post", "/v1/webhooks", &[]),
    ("admin", "patch", "/v1/webhooks/{id}", &[("id", KEY)]),
    ("admin", "delete", "/v1/webhooks/{id}", &[("id", KEY)]),
];
const NUMBER: &[(&str, &str)] = &[("number", "100001")];
const SOLD: &[(&str, &str)] = &[("number", "100001"), ("id", KEY)];
const MEAL: &[(&str, &str)] = &[("id", "coffee-bar"), ("code", "TEA")];
const GLOBEX: &[(&str, &str)] = &[("id", "globex")];

pub struct Counter {
    shop: Shop,
    description: Value,
}

impl Default for Counter {
    fn default() -> Self {
        let description = serde_json::to_value(intake::routes::description()).expect("it is written");
        let described = schema::with_a_body(&description);
        let known = |(method, path): &(String, String)| ROUTES.iter().any(|r| (r.1, r.2) == (method, path));
        let unknown: Vec<_> = described.iter().filter(|route| !known(route)).collect();
        assert!(unknown.is_empty(), "nobody fuzzes {unknown:?}");
        Self { shop: Shop::default(), description }
    }
}

impl Counter {
    /// Sends a body to a route.
    pub fn hand_in(&self, route: u8, body: &[u8]) {
        let (role, method, template, named) = ROUTES[usize::from(route) % ROUTES.len()];
        let path = named
            .iter()
            .fold(template.to_owned(), |path, (name, value)| path.replace(&format!("{{{name}}}"), value));
        let answer = self.shop.ask("acme", role, &method.to_uppercase(), &path, body.to_vec());
        let published = &answer.asked.published;
        if answer.status.is_client_error() {
            assert!(published.is_empty(), "refused, and yet enqueued: {published:?}");
            if answer.status == 400 {
                let is_json = serde_json::from_slice::<Value>(body).is_ok();
                for error in answer.errors() {
                    let pointer = error["pointer"].as_str().expect("only the body may be wrong");
                    assert!(pointer.is_empty() || (is_json && pointer.starts_with('/')), "{pointer}");
                }
            } else {
                // Well formed, but of what is not there.
                assert_eq!(answer.status, 404, "{} {method} {path}", answer.status);
            }
            return;
        }
        if let Some(schema) = schema::of_body(&self.description, method, template) {
            let body = serde_json::from_slice(body).expect("what is taken is JSON");
            let wrong = schema::differences(&self.description, schema, &body);
            assert!(wrong.is_empty(), "{method} {template} takes {body} but {wrong:?}");
        }
        match (answer.status.as_u16(), &published[..]) {
            (202, [message]) => is_callers(role, message),
            // A file's place, and questions: nothing is to be done yet.
            (200..=202, []) => {
                assert!(["imports", "quote", "preview"].iter().any(|end| template.ends_with(end)))
            }
            _ => panic!("{} {method} {path}, and enqueued {published:?}", answer.status),
        }
    }
}

fn is_callers(role: &str, message: &Message) {
    let (tenant, caller, accepted_at, expires_at): (&TenantId, _, Timestamp, Timestamp) =
        match &message.command {
            Command::PostCheckout(sale) => (&sale.tenant, &sale.caller, sale.accepted_at, sale.expires_at),
            Command::PostBooking(booking) => {
                (&booking.tenant, &booking.caller, booking.accepted_at, booking.expires_at)
            }
            Command::Administer(asked) => (&asked.tenant, &asked.caller, asked.accepted_at, asked.expires_at),
            other => panic!("nobody asks for {other:?} with a body"),
        };
    assert_eq!((tenant.as_str(), caller.as_str()), ("acme", &*format!("acme.{role}")));
    assert_eq!(accepted_at.as_millisecond(), NOW_MS);
    assert_eq!(expires_at.duration_since(accepted_at), SignedDuration::from_mins(5));
}
