//! A ticket proves what it was given out for, and claims let in whom the table knows, as what the table says.

use crate::forge::{escaped, forge};
use crate::shop::{CLIENT_ID, KEY, NOW_MS, ROLES, SESSION_KEY, SIGNED_IN_AT, Shop, TENANTS};
use aws::config::SessionKey;
use aws::session::SessionTicket;
use serde_json::{Map, Value, json};

/// What has an outcome one day: who asks for it, where it will be, and with what.
const COMMANDS: [(&str, &str, &str, &str, &str); 4] = [
    ("acme", "admin", "PUT", "/v1/concessionaires/coffee-bar", r#"{"name":"Coffee bar"}"#),
    ("globex", "admin", "PUT", "/v1/concessionaires/coffee-bar", r#"{"name":"Coffee bar"}"#),
    ("acme", "cashier", "POST", "/v1/checkouts", SALE),
    ("globex", "cashier", "POST", "/v1/checkouts", SALE),
];
const SALE: &str =
    r#"{"employee_number":"100001","station":"coffee-bar-1","items":[{"code":"TEA","qty":1}]}"#;

pub struct Desk {
    shop: Shop,
    /// Path and ticket of each command.
    given: Vec<(String, String)>,
    listener: (String, SessionTicket),
}

impl Default for Desk {
    fn default() -> Self {
        let shop = Shop::default();
        let given = COMMANDS.map(|(tenant, role, method, path, body)| {
            let answer = shop.ask(tenant, role, method, path, body.into());
            assert_eq!(answer.status, 202, "{}", answer.body);
            let location = answer.headers["location"].to_str().expect("a text");
            let (path, ticket) = location.split_once("?ticket=").expect("a ticket");
            (path.to_owned(), ticket.to_owned())
        });
        let ticket =
            shop.ask("acme", "cashier", "POST", "/v1/listener-tickets", vec![]).body["ticket"].clone();
        let ticket = ticket.as_str().expect("a ticket").to_owned();
        let says = SessionTicket::open(&SessionKey::new(SESSION_KEY), &ticket).expect("it opens");
        Self { shop, given: given.into(), listener: (ticket, says) }
    }
}

impl Desk {
    /// Asks for the outcome of a command with a ticket of another, or the same, as it came or not.
    pub fn ask_what_came(&self, from: u8, to: u8, how: u8, with: &[u8]) {
        let (from, to) = (usize::from(from) % COMMANDS.len(), usize::from(to) % COMMANDS.len());
        let ticket = forge(&self.given[from].1, how, with);
        let (tenant, role, ..) = COMMANDS[to];
        let (path, genuine) = &self.given[to];
        let path = format!("{path}?ticket={}", escaped(&ticket));
        let answer = self.shop.ask(tenant, role, "GET", &path, vec![]);
        if ticket == *genuine {
            assert_eq!(
                (answer.status.as_u16(), &answer.body),
                (200, &json!({ "id": KEY, "status": "pending" }))
            );
        } else {
            assert_eq!(answer.status, 400, "{ticket}");
            assert_eq!(answer.errors()[0]["parameter"], "ticket");
        }
    }

    /// Opens a session with a ticket, as it came or not.
    pub fn listen(&self, how: u8, with: &[u8]) {
        let (genuine, says) = &self.listener;
        let ticket = forge(genuine, how, with);
        let opened = SessionTicket::open(&SessionKey::new(SESSION_KEY), &ticket);
        assert_eq!(opened.as_ref(), Some(says).filter(|_| ticket == *genuine), "{ticket}");
    }

    /// Comes with these claims, or those of a user with these instead.
    pub fn come_in(&self, claims: &[u8]) {
        let Ok(changed) = serde_json::from_slice::<Value>(claims) else { return };
        let claims = match changed {
            Value::Object(changed) => {
                let mut claims = Map::from_iter([
                    ("aud".to_owned(), json!(CLIENT_ID)),
                    ("token_use".to_owned(), json!("id")),
                    ("auth_time".to_owned(), json!(SIGNED_IN_AT)),
                    ("custom:tenant_id".to_owned(), json!(TENANTS[0])),
                    ("cognito:username".to_owned(), json!("acme.cashier")),
                ]);
                claims.extend(changed);
                Value::Object(claims)
            }
            other => other,
        };
        let answer = self.shop.ask_as(claims.clone(), "GET", "/v1/me", vec![]);
        let is = |claim: &str, value: &str| claims[claim] == value;
        let who = TENANTS.iter().flat_map(|tenant| ROLES.map(|role| (tenant, role)));
        let mut who = who.filter(|(tenant, role)| {
            is("custom:tenant_id", tenant) && is("cognito:username", &format!("{tenant}.{role}"))
        });
        match who.next().filter(|_| is("aud", CLIENT_ID) && is("token_use", "id")) {
            // Its instant is none, or in words.
            Some(_) if answer.status == 401 && !has_second(&claims["auth_time"]) => {}
            Some((tenant, role)) => {
                assert_eq!(answer.status, 200, "{claims}");
                let named = [&answer.body["tenant_id"], &answer.body["role"]];
                assert_eq!(named, [&json!(tenant), &json!(role)], "{}", answer.body);
                self.ask_for_a_ticket(&claims);
            }
            None => assert!([401, 403].contains(&answer.status.as_u16()), "{} for {claims}", answer.status),
        }
    }

    /// A listener's ticket expires with the token, or there is none.
    fn ask_for_a_ticket(&self, claims: &Value) {
        let answer = self.shop.ask_as(claims.clone(), "POST", "/v1/listener-tickets", vec![]);
        if answer.status == 401 {
            return;
        }
        assert_eq!(answer.status, 201);
        let sealed = answer.body["ticket"].as_str().expect("a ticket");
        let ticket = SessionTicket::open(&SessionKey::new(SESSION_KEY), sealed).expect("it opens");
        assert_eq!(claims["cognito:username"], ticket.user.as_str());
        assert_eq!(claims["custom:tenant_id"], ticket.tenant.as_str());
        assert!(claims["exp"].is_string() && ticket.expires_at().is_some());
        let now = jiff::Timestamp::from_millisecond(NOW_MS).expect("a time");
        let is_open = ticket.expires_at_ms > NOW_MS;
        assert_eq!(ticket.opens_a_connection(now), is_open);
    }
}

/// Whether a claim is an instant, in seconds since the epoch.
fn has_second(claim: &Value) -> bool {
    let second = claim.as_str().and_then(|second| second.parse().ok());
    second.is_some_and(|second| jiff::Timestamp::from_second(second).is_ok())
}
