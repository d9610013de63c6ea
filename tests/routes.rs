//! Every route of the API, how to call it, and who may: the table that hostile calls go through.

use crate::terminal::{Answer, Terminal};
use domain::role::RoleKind::{self, Admin, Cashier, Employee, Manager};
use uuid::Uuid;

/// A route, how to call it, and who may.
#[derive(Debug)]
pub struct Row {
    pub operation: &'static str,
    pub call: Call,
    pub admits: &'static [RoleKind],
}

/// A request; `{number}`, `{badge}`, `{stall}` and `{station}` stand for the ids of somebody.
#[derive(Debug)]
pub enum Call {
    Get(&'static str),
    Sell(&'static str),
}

/// Who may look.
const EVERYBODY: [RoleKind; 4] = [Admin, Manager, Cashier, Employee];
/// Routes that ask for no token and tell nothing of anybody.
pub const PUBLIC: [&str; 1] = ["getHealth"];

pub fn rows() -> Vec<Row> {
    let sell = r#"{"rfid":"{badge}","station":"{station}","items":[{"code":"COFFEE","qty":1}]}"#;
    let sell_by_number =
        r#"{"employee_number":"{number}","station":"{station}","items":[{"code":"COFFEE","qty":1}]}"#;
    let checkout = "/v1/employees/{number}/checkouts/01900000-0000-7000-8000-000000000000";
    vec![
        Row { operation: "postCheckout", call: Call::Sell(sell), admits: &[Manager, Cashier] },
        Row { operation: "postCheckout", call: Call::Sell(sell_by_number), admits: &[Manager, Cashier] },
        Row { operation: "getCheckout", call: Call::Get(checkout), admits: &EVERYBODY },
        Row { operation: "getEmployee", call: Call::Get("/v1/employees/{number}"), admits: &EVERYBODY },
        Row { operation: "getMenu", call: Call::Get("/v1/concessionaires/{stall}/menu"), admits: &EVERYBODY },
    ]
}

/// Ids that fill a row.
#[derive(Debug)]
pub struct Ids {
    pub number: &'static str,
    pub badge: &'static str,
    pub stall: &'static str,
    pub station: &'static str,
}

/// In both companies.
pub const OWN: Ids =
    Ids { number: "100001", badge: "RF100001", stall: "coffee-bar", station: "coffee-bar-1" };
/// Of Acme alone.
pub const ACMES: Ids =
    Ids { number: "777001", badge: "ACME777001", stall: "acme-grill", station: "acme-grill-1" };
pub const NOBODYS: Ids = Ids { number: "999999", badge: "RF999999", stall: "nobody", station: "nobody-1" };

impl Row {
    pub async fn call(&self, terminal: &Terminal, ids: &Ids) -> Answer {
        let fill = |text: &str| {
            let text = text.replace("{number}", ids.number).replace("{badge}", ids.badge);
            text.replace("{stall}", ids.stall).replace("{station}", ids.station)
        };
        match self.call {
            Call::Get(path) => terminal.get(&fill(path), &[]).await,
            Call::Sell(body) => {
                let key = Uuid::now_v7().to_string();
                let headers = [("idempotency-key", key.as_str()), ("content-type", "application/json")];
                terminal.post("/v1/checkouts", &headers, &fill(body)).await
            }
        }
    }
}

/// Fails if a token that is a forgery opens any route.
pub async fn open_no_route(forger: &Terminal, forgery: &str) {
    for row in rows() {
        let answer = row.call(forger, &OWN).await;
        let operation = row.operation;
        assert_eq!((answer.status, answer.problem()), (401, "unauthorized"), "{operation}, {forgery}");
        assert_eq!(answer.header("www-authenticate"), Some("Bearer"), "{operation}, {forgery}");
    }
}
