//! Every route of the API, how to call it, and who may: the table that hostile calls go through.
//!
//! Calls that change something change nothing that other tests stand on.

use crate::terminal::{Answer, Terminal};
use domain::role::RoleKind::{self, Admin, Cashier, Employee, Manager, Platform};
use serde_json::Value;
use uuid::Uuid;

/// A route, how to call it, and who may.
#[derive(Debug)]
pub struct Row {
    pub operation: &'static str,
    pub method: &'static str,
    /// `{number}`, `{badge}`, `{stall}`, `{station}`, `{tenant}` and `{user}` stand for somebody's ids.
    pub path: &'static str,
    pub body: Option<&'static str>,
    pub admits: &'static [RoleKind],
    pub scope: Scope,
}

/// Within a tenant, what a caller must have to do with what the path or body names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scope {
    /// Nothing: whoever is admitted may name anything of the tenant.
    Tenant,
    /// Managers and cashiers may name their own concessionaire alone.
    Stall,
    /// Employees may name themselves alone.
    Wallet,
}

const EVERYBODY: &[RoleKind] = &[Admin, Manager, Cashier, Employee];
const STAFF: &[RoleKind] = &[Admin, Manager, Cashier];
const SELLERS: &[RoleKind] = &[Manager, Cashier];
/// Routes that ask for no token and tell nothing of anybody.
pub const PUBLIC: [&str; 1] = ["getHealth"];

const BY_BADGE: &str = r#"{"rfid":"{badge}","station":"{station}","items":[{"code":"COFFEE","qty":1}]}"#;
const BY_NUMBER: &str =
    r#"{"employee_number":"{number}","station":"{station}","items":[{"code":"COFFEE","qty":1}]}"#;
const CHECKOUT: &str = "/v1/employees/{number}/checkouts/01900000-0000-7000-8000-000000000000";
const VOID: &str = "/v1/employees/{number}/checkouts/01900000-0000-7000-8000-000000000001/void";
const REFUNDS: &str = "/v1/employees/{number}/checkouts/01900000-0000-7000-8000-000000000001/refunds";
const BOOKING: &str = "/v1/employees/{number}/bookings/01900000-0000-7000-8000-000000000000";
const MEAL: &str = "/v1/concessionaires/{stall}/meals/MATRIX";
const NO_WEBHOOK: &str = "/v1/webhooks/01900000-0000-7000-8000-000000000000";
const ROTATION: &str = "/v1/webhooks/01900000-0000-7000-8000-000000000000/secret-rotation";
const WEBHOOK_TEST: &str = "/v1/webhooks/01900000-0000-7000-8000-000000000000/test";
const DELIVERIES: &str = "/v1/webhooks/01900000-0000-7000-8000-000000000000/deliveries";
const REDELIVERY: &str = "/v1/webhooks/01900000-0000-7000-8000-000000000000/deliveries/001772434800000-cutoff-2026-03-15/redelivery";
/// Which is told of nothing that happens by itself.
const WEBHOOK: &str = r#"{"url":"https://hooks.invalid/matrix","events":["internal-pos.webhook.tested.v1"]}"#;
const BECAUSE: &str = r#"{"reason":"because"}"#;
/// Too far ahead for any schedule.
const CUTOFF: &str = r#"{"date":"9999-12-31","reason":"because"}"#;
const PREVIEW: &str = r#"{"policy":{"days":["last"],"time":"23:59","method":"raise_to","negative_balance":"carry","default_limit":0,"prorates_joiners":false}}"#;
/// Whose first cutoff comes after every test.
const POLICY: &str = r#"{"days":["last"],"time":"23:59","method":"raise_to","negative_balance":"carry","default_limit":0,"prorates_joiners":false}"#;
const ACME: &str = r#"{"name":"Acme Manufacturing","currency":"PHP","time_zone":"Asia/Manila","closing_hour":0,"overdraft_limit":0}"#;

pub fn rows() -> Vec<Row> {
    use Scope::{Stall, Tenant, Wallet};
    let row =
        |operation, method, path, body, admits, scope| Row { operation, method, path, body, admits, scope };
    let get = |operation, path, admits, scope| row(operation, "GET", path, None, admits, scope);
    vec![
        row("postCheckout", "POST", "/v1/checkouts", Some(BY_BADGE), SELLERS, Stall),
        row("postCheckout", "POST", "/v1/checkouts", Some(BY_NUMBER), SELLERS, Stall),
        row("quoteCheckout", "POST", "/v1/checkouts/quote", Some(BY_BADGE), SELLERS, Stall),
        row("quoteCheckout", "POST", "/v1/checkouts/quote", Some(BY_NUMBER), SELLERS, Stall),
        get("listCheckouts", "/v1/checkouts?concessionaire_id={stall}", STAFF, Stall),
        get("listCheckouts", "/v1/checkouts?station={station}", STAFF, Stall),
        get("getCheckout", CHECKOUT, EVERYBODY, Wallet),
        get("getMe", "/v1/me", &[Platform, Admin, Manager, Cashier, Employee], Tenant),
        row(
            "createListenerTicket",
            "POST",
            "/v1/listener-tickets",
            None,
            &[Platform, Admin, Manager, Cashier, Employee],
            Tenant,
        ),
        row("voidCheckout", "POST", VOID, Some(BECAUSE), SELLERS, Wallet),
        row(
            "refundCheckout",
            "POST",
            REFUNDS,
            Some(r#"{"amount":1,"reason":"because"}"#),
            &[Admin, Manager],
            Wallet,
        ),
        row(
            "adjustWallet",
            "POST",
            "/v1/employees/{number}/adjustments",
            Some(r#"{"amount":1,"reason":"because"}"#),
            &[Admin],
            Wallet,
        ),
        get("getBooking", BOOKING, EVERYBODY, Wallet),
        get("listMovements", "/v1/employees/{number}/movements", &[Admin, Employee], Wallet),
        get("listCorrections", "/v1/corrections", STAFF, Tenant),
        get("getCreditPolicy", "/v1/credit-policy", &[Admin, Employee], Tenant),
        row("putCreditPolicy", "PUT", "/v1/credit-policy", Some(POLICY), &[Admin], Tenant),
        get("listCutoffs", "/v1/cutoffs", &[Admin], Tenant),
        row("postCutoff", "POST", "/v1/cutoffs", Some(CUTOFF), &[Admin], Tenant),
        row("previewCutoff", "POST", "/v1/cutoffs/preview", Some(PREVIEW), &[Admin], Tenant),
        get("getCutoff", "/v1/cutoffs/2026-03-15", &[Admin], Tenant),
        get("listCutoffEmployees", "/v1/cutoffs/2026-03-15/employees", &[Admin], Tenant),
        row("resumeCutoff", "POST", "/v1/cutoffs/2026-03-15/resume", Some(BECAUSE), &[Admin], Tenant),
        get("reportCredit", "/v1/reports/credit", &[Admin], Tenant),
        get("reportTakings", "/v1/reports/takings", STAFF, Tenant),
        get("listReconciliations", "/v1/reconciliations", &[Admin], Tenant),
        get("getReconciliation", "/v1/reconciliations/2026-03-15", &[Admin], Tenant),
        get("getEmployee", "/v1/employees/{number}", EVERYBODY, Wallet),
        get("listEmployees", "/v1/employees?rfid={badge}", &[Admin], Tenant),
        get("exportEmployees", "/v1/employees.csv", &[Admin], Tenant),
        row(
            "postEmployee",
            "POST",
            "/v1/employees",
            Some(r#"{"employee_number":"MATRIX-{number}","name":"Matrix","credit_limit":0}"#),
            &[Admin],
            Tenant,
        ),
        row("patchEmployee", "PATCH", "/v1/employees/{number}", Some("{}"), &[Admin], Tenant),
        row(
            "putBadge",
            "PUT",
            "/v1/employees/{number}/badges/MATRIX-{number}",
            Some(r#"{"status":"active"}"#),
            &[Admin],
            Tenant,
        ),
        row("deleteBadge", "DELETE", "/v1/employees/{number}/badges/MATRIX-{number}", None, &[Admin], Tenant),
        row(
            "postMenuImport",
            "POST",
            "/v1/concessionaires/{stall}/menu-imports",
            Some(r#"{"bytes":1}"#),
            &[Manager],
            Stall,
        ),
        row("postEmployeeImport", "POST", "/v1/employee-imports", Some(r#"{"bytes":1}"#), &[Admin], Tenant),
        get("exportMenu", "/v1/concessionaires/{stall}/menu.csv", EVERYBODY, Tenant),
        get("getImport", "/v1/imports/01900000-0000-7000-8000-000000000000", &[Admin, Manager], Tenant),
        get("listImports", "/v1/imports", &[Admin, Manager], Tenant),
        get("listConcessionaires", "/v1/concessionaires", EVERYBODY, Tenant),
        row(
            "putConcessionaire",
            "PUT",
            "/v1/concessionaires/matrix-{stall}",
            Some(r#"{"name":"Matrix"}"#),
            &[Admin],
            Tenant,
        ),
        get("listStations", "/v1/stations", STAFF, Tenant),
        row(
            "putStation",
            "PUT",
            "/v1/stations/matrix-{station}",
            Some(r#"{"concessionaire_id":"{stall}"}"#),
            &[Admin],
            Tenant,
        ),
        get("getMenu", "/v1/concessionaires/{stall}/menu", EVERYBODY, Tenant),
        row("putMeal", "PUT", MEAL, Some(r#"{"name":"Matrix","price":1}"#), &[Manager], Stall),
        row(
            "putAvailability",
            "PUT",
            "/v1/concessionaires/{stall}/meals/MATRIX/availability",
            Some(r#"{"sold_out":true}"#),
            SELLERS,
            Stall,
        ),
        row("deleteMeal", "DELETE", MEAL, None, &[Manager], Stall),
        get("listUsers", "/v1/users", &[Admin], Tenant),
        get("getUser", "/v1/users/{user}", &[Admin], Tenant),
        row(
            "postUser",
            "POST",
            "/v1/users",
            Some(r#"{"username":"{own}.matrix","role":"employee","employee_number":"{number}"}"#),
            &[Admin],
            Tenant,
        ),
        row("patchUser", "PATCH", "/v1/users/{user}", Some("{}"), &[Admin], Tenant),
        row("resetPassword", "POST", "/v1/users/{own}.nobody/password-reset", None, &[Admin], Tenant),
        get("getTenant", "/v1/tenants/{tenant}", &[Platform, Admin], Tenant),
        row("putTenant", "PUT", "/v1/tenants/acme", Some(ACME), &[Platform], Tenant),
        row("suspendTenant", "POST", "/v1/tenants/nobody/suspend", Some(BECAUSE), &[Platform], Tenant),
        row("resumeTenant", "POST", "/v1/tenants/nobody/resume", Some(BECAUSE), &[Platform], Tenant),
        row(
            "postTenantAdmin",
            "POST",
            "/v1/tenants/nobody/admins",
            Some(r#"{"username":"nobody.matrix"}"#),
            &[Platform],
            Tenant,
        ),
        row("probeTenant", "POST", "/v1/tenants/{tenant}/probe", None, &[Platform], Tenant),
        get("listWebhooks", "/v1/webhooks", &[Admin], Tenant),
        row("postWebhook", "POST", "/v1/webhooks", Some(WEBHOOK), &[Admin], Tenant),
        get("getWebhook", NO_WEBHOOK, &[Admin], Tenant),
        row("patchWebhook", "PATCH", NO_WEBHOOK, Some("{}"), &[Admin], Tenant),
        row("deleteWebhook", "DELETE", NO_WEBHOOK, None, &[Admin], Tenant),
        row("rotateWebhookSecret", "POST", ROTATION, None, &[Admin], Tenant),
        row("testWebhook", "POST", WEBHOOK_TEST, None, &[Admin], Tenant),
        get("listDeliveries", DELIVERIES, &[Admin], Tenant),
        row("redeliver", "POST", REDELIVERY, None, &[Admin], Tenant),
        get(
            "getReceipt",
            "/v1/receipts/01900000-0000-7000-8000-000000000000",
            &[Platform, Admin, Manager, Cashier],
            Tenant,
        ),
        get("listAudit", "/v1/audit", &[Platform, Admin], Tenant),
    ]
}

/// Ids that fill a row.
#[derive(Debug)]
pub struct Ids {
    pub number: &'static str,
    pub badge: &'static str,
    pub stall: &'static str,
    pub station: &'static str,
    pub tenant: &'static str,
    pub user: &'static str,
}

/// In both companies, but for the tenant and its user.
pub const OWN: Ids = Ids {
    number: "100001",
    badge: "RF100001",
    stall: "coffee-bar",
    station: "coffee-bar-1",
    tenant: "acme",
    user: "acme-kitchen-cashier",
};
/// Of Acme alone.
pub const ACMES: Ids = Ids {
    number: "777001",
    badge: "ACME777001",
    stall: "acme-grill",
    station: "acme-grill-1",
    tenant: "acme",
    user: "acme-cashier",
};
pub const NOBODYS: Ids = Ids {
    number: "999999",
    badge: "RF999999",
    stall: "nobody",
    station: "nobody-1",
    tenant: "nobody",
    user: "nobody-cashier",
};

impl Row {
    /// Calls the route as somebody of `own`, and waits for what comes of it.
    pub async fn call(&self, terminal: &Terminal, own: &str, ids: &Ids) -> Answer {
        let fill = |text: &str| {
            let text = text.replace("{number}", ids.number).replace("{badge}", ids.badge);
            let text = text.replace("{stall}", ids.stall).replace("{station}", ids.station);
            text.replace("{tenant}", ids.tenant).replace("{user}", ids.user).replace("{own}", own)
        };
        let key = Uuid::now_v7().to_string();
        let mut headers = vec![("idempotency-key", key.as_str()), ("prefer", "wait=5")];
        headers.extend(self.body.map(|_| ("content-type", "application/json")));
        let body = self.body.map(fill).unwrap_or_default();
        let answer = terminal.request(self.method, &fill(self.path), &headers, &body).await;
        if answer.status == 202 && answer.header("location").is_some() {
            terminal.follow(&answer).await
        } else {
            answer
        }
    }
}

/// What an answer says, without the ids and instants that differ from one call to the next.
pub fn gist(answer: &Answer) -> (u16, Value) {
    let kind = |body: &Value| [&body["type"], &body["rejection"]["type"], &body["status"]].map(Clone::clone);
    let kind = Value::from(kind(&answer.body).to_vec());
    (answer.status, kind)
}

/// Fails if a token that is a forgery opens any route.
pub async fn open_no_route(forger: &Terminal, forgery: &str) {
    for row in rows() {
        let answer = row.call(forger, "acme", &OWN).await;
        let operation = row.operation;
        assert_eq!((answer.status, answer.problem()), (401, "unauthorized"), "{operation}, {forgery}");
        assert_eq!(answer.header("www-authenticate"), Some("Bearer"), "{operation}, {forgery}");
    }
}
