//! The administrators' side: what they change counts with the next request, and who does what twice does it
//! once.

use domain::role::CLOCKS_DIFFER;
use serde_json::{Value, json};
use tests::target::Target;
use tests::terminal::{Answer, OWN_PASSWORD, Terminal};
use uuid::Uuid;

/// Something that no other test and no earlier run has called so.
fn fresh(prefix: &str) -> String {
    format!("{prefix}-{}", &Uuid::new_v4().simple().to_string()[..10])
}

#[track_caller]
fn applied(answer: &Answer) -> &Value {
    assert_eq!((answer.status, answer.outcome()), (200, "applied"), "{answer:?}");
    &answer.body
}

#[track_caller]
fn rejected(answer: &Answer, reason: &str) {
    assert_eq!((answer.status, answer.outcome()), (200, reason), "{answer:?}");
}

/// An employee of Acme with a badge and credit.
async fn hire(admin: &Terminal, credit: i64) -> (String, String) {
    let (number, rfid) = (fresh("E"), fresh("B"));
    let employee = json!({ "employee_number": number, "name": "Noor Haddad", "credit_limit": 100_000 });
    applied(&admin.command("POST", "/v1/employees", &employee).await);
    let path = format!("/v1/employees/{number}/badges/{rfid}");
    applied(&admin.command("PUT", &path, &json!({ "status": "active" })).await);
    let path = format!("/v1/employees/{number}/adjustments");
    let booked = admin.command("POST", &path, &json!({ "amount": credit, "reason": "first credit" })).await;
    assert_eq!(booked.outcome(), "booked", "{booked:?}");
    (number, rfid)
}

fn coffees(rfid: &str, qty: u8) -> Value {
    json!({ "rfid": rfid, "station": "coffee-bar-1", "items": [{ "code": "COFFEE", "qty": qty }] })
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_withdrawn_is_refused_at_once() {
    let target = Target::find().await;
    let (admin, cashier) = (target.terminal("acme-admin").await, target.terminal("acme-cashier").await);
    let (number, rfid) = hire(&admin, 100_000).await;
    let sell = async || cashier.buy(Uuid::now_v7(), &coffees(&rfid, 1)).await;
    assert_eq!(sell().await.outcome(), "settled");

    let employee = format!("/v1/employees/{number}");
    applied(&admin.command("PATCH", &employee, &json!({ "status": "inactive" })).await);
    assert_eq!(sell().await.outcome(), "employee-inactive");
    applied(&admin.command("PATCH", &employee, &json!({ "status": "active" })).await);
    assert_eq!(sell().await.outcome(), "settled");

    let badge = format!("{employee}/badges/{rfid}");
    applied(&admin.command("PUT", &badge, &json!({ "status": "blocked" })).await);
    assert_eq!(sell().await.outcome(), "badge-blocked");
    applied(&admin.command("PUT", &badge, &json!({ "status": "active" })).await);
    assert_eq!(sell().await.outcome(), "settled");

    // Lost and found: the old one is blocked, taken back it goes to nobody else for 73 hours.
    let new = fresh("B");
    let replace = json!({ "status": "active", "replaces": rfid });
    applied(&admin.command("PUT", &format!("{employee}/badges/{new}"), &replace).await);
    assert_eq!(sell().await.outcome(), "badge-blocked");
    assert_eq!(cashier.buy(Uuid::now_v7(), &coffees(&new, 1)).await.outcome(), "settled");
    let (other, _) = hire(&admin, 1).await;
    let elsewhere = format!("/v1/employees/{other}/badges/{rfid}");
    rejected(&admin.command("PUT", &elsewhere, &json!({ "status": "active" })).await, "badge-taken");
    applied(&admin.command("DELETE", &badge, &Value::Null).await);
    assert_eq!(sell().await.outcome(), "badge-blocked");
    let resting = admin.command("PUT", &elsewhere, &json!({ "status": "active" })).await;
    rejected(&resting, "badge-resting");
    assert!(resting.body["rejection"]["until"].is_string(), "{resting:?}");

    let found = admin.get(&format!("/v1/employees?rfid={new}"), &[]).await;
    assert_eq!(found.body["items"][0]["employee_number"], number.as_str(), "{found:?}");
    let badges = json!({ &new: "active" });
    assert_eq!(admin.get(&employee, &[]).await.body["badges"], badges);
    assert_eq!(cashier.get(&employee, &[]).await.body.get("badges"), None, "badges open wallets");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_user_signs_in_does_their_work_and_is_let_go() {
    let target = Target::find().await;
    let admin = target.terminal("acme-admin").await;
    let username = format!("acme.{}", fresh("till"));
    let user = json!({ "username": username, "role": "cashier", "concessionaire_id": "coffee-bar" });
    let made = admin.command("POST", "/v1/users", &user).await;
    let first_password = applied(&made)["first_password"].as_str().expect("a first password").to_owned();
    let cashier = Terminal::first_sign_in(&target.endpoints, &username, &first_password).await;
    let (_, rfid) = hire(&admin, 100_000).await;
    assert_eq!(cashier.buy(Uuid::now_v7(), &coffees(&rfid, 1)).await.outcome(), "settled");
    assert_eq!(cashier.get("/v1/users", &[]).await.status, 403);

    // Nobody but who asked sees the password.
    let receipt = format!("/v1/receipts/{}", made.body["id"].as_str().expect("an id"));
    assert_eq!(admin.get(&receipt, &[]).await.body["first_password"], first_password.as_str());
    assert_eq!(cashier.get(&receipt, &[]).await.status, 404);
    rejected(&admin.command("POST", "/v1/users", &user).await, "already-exists");

    // A new role and a new status count with the next request, whatever the token says.
    let path = format!("/v1/users/{username}");
    let promoted = json!({ "role": "manager", "concessionaire_id": "coffee-bar" });
    applied(&admin.command("PATCH", &path, &promoted).await);
    assert_eq!(cashier.get("/v1/me", &[]).await.body["role"], "manager");
    // Who signed in just now would be let in still.
    tokio::time::sleep(CLOCKS_DIFFER.unsigned_abs() * 2).await;
    applied(&admin.command("PATCH", &path, &json!({ "status": "inactive" })).await);
    assert_eq!(cashier.get("/v1/me", &[]).await.problem(), "forbidden");
    assert_eq!(cashier.sell(Uuid::now_v7(), &coffees(&rfid, 1), 0).await.problem(), "forbidden");
    let http = reqwest::Client::new();
    let sign_in = loadtest::terminal::initiate_auth(&http, &target.endpoints, &username, OWN_PASSWORD);
    assert!(loadtest::terminal::id_token(&sign_in.await.expect("Cognito answers")).is_err());

    applied(&admin.command("PATCH", &path, &json!({ "status": "active" })).await);
    // Whoever was let go signs in again.
    assert_eq!(cashier.get("/v1/me", &[]).await.problem(), "unauthorized");
    let scope_alone = admin.command("PATCH", &path, &json!({ "concessionaire_id": "kitchen" })).await;
    assert_eq!(
        (scope_alone.status, &scope_alone.body["errors"][0]["pointer"]),
        (400, &json!("/concessionaire_id"))
    );
    let reset = admin.command("POST", &format!("{path}/password-reset"), &Value::Null).await;
    let next_password = applied(&reset)["first_password"].as_str().expect("a first password").to_owned();
    assert_ne!(first_password, next_password);
    let cashier = Terminal::first_sign_in(&target.endpoints, &username, &next_password).await;
    assert_eq!(cashier.get("/v1/me", &[]).await.status, 200);
}

/// Whoever resets their own password can still read what it is.
#[tokio::test(flavor = "multi_thread")]
async fn whoever_resets_their_own_password_is_told_it() {
    let target = Target::find().await;
    let username = format!("acme.{}", fresh("admin"));
    let user = json!({ "username": username, "role": "admin" });
    let made = target.terminal("acme-admin").await.command("POST", "/v1/users", &user).await;
    let first_password = applied(&made)["first_password"].as_str().expect("a first password").to_owned();
    let admin = Terminal::first_sign_in(&target.endpoints, &username, &first_password).await;
    tokio::time::sleep(CLOCKS_DIFFER.unsigned_abs() * 2).await;
    let path = format!("/v1/users/{username}/password-reset");
    let key = Uuid::now_v7().to_string();
    let accepted = admin.request("POST", &path, &[("idempotency-key", &key)], "").await;
    let reset = admin.follow(&accepted).await;
    let next_password = applied(&reset)["first_password"].as_str().expect("a first password").to_owned();
    Terminal::first_sign_in(&target.endpoints, &username, &next_password).await;
}

/// An administrator of the tenant in which the platform's users live has no power over them.
#[tokio::test(flavor = "multi_thread")]
async fn nobody_becomes_the_platform() {
    let target = Target::find().await;
    let admin = target.terminal("acme-admin").await;
    let reset = admin.command("POST", "/v1/users/acme-platform/password-reset", &Value::Null).await;
    rejected(&reset, "not-found");
    assert_eq!(reset.body.get("first_password"), None);
    let change = json!({ "status": "inactive" });
    rejected(&admin.command("PATCH", "/v1/users/acme-platform", &change).await, "not-found");
    let user = json!({ "username": "acme.operator", "role": "platform" });
    let wrong = admin.command("POST", "/v1/users", &user).await;
    assert_eq!((wrong.status, &wrong.body["errors"][0]["pointer"]), (400, &json!("/role")));
    target.terminal("acme-platform").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_change_that_is_sent_again_is_made_once() {
    let target = Target::find().await;
    let admin = target.terminal("acme-admin").await;
    let key = Uuid::now_v7();
    let employee = json!({ "employee_number": fresh("E"), "name": "Noor Haddad", "credit_limit": 5 });
    let first = admin.command_under(key, "POST", "/v1/employees", &employee).await;
    let again = admin.command_under(key, "POST", "/v1/employees", &employee).await;
    assert_eq!(applied(&again), applied(&first));
    assert!(again.is_replayed() && !first.is_replayed());
    let mut other = employee.clone();
    other["credit_limit"] = json!(6);
    let reused = admin.command_under(key, "POST", "/v1/employees", &other).await;
    assert_eq!((reused.status, reused.problem()), (422, "idempotency-key-reused"));
    rejected(&admin.command("POST", "/v1/employees", &other).await, "already-exists");

    // No name in what stays of it, and the audit has it.
    assert!(!first.body.to_string().contains("Haddad"), "{first:?}");
    let audit = admin.get("/v1/audit?limit=50", &[]).await;
    let lines = audit.body["items"].as_array().expect("lines");
    let line = lines.iter().find(|line| line["id"] == key.to_string()).expect("the change");
    assert_eq!((&line["change"], &line["by"]), (&json!("create-employee"), &json!("acme-admin")));
    assert_eq!((&line["before"], &line["after"]["credit_limit"]), (&Value::Null, &json!(5)));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_employee_sees_their_own_wallet() {
    let target = Target::find().await;
    let (admin, cashier) = (target.terminal("acme-admin").await, target.terminal("acme-cashier").await);
    let (number, rfid) = hire(&admin, 20_000).await;
    let username = format!("acme.{}", fresh("e"));
    let user = json!({ "username": username, "role": "employee", "employee_number": number });
    let made = admin.command("POST", "/v1/users", &user).await;
    let password = applied(&made)["first_password"].as_str().expect("a first password").to_owned();
    let employee = Terminal::first_sign_in(&target.endpoints, &username, &password).await;

    let basket = coffees(&rfid, 5).to_string();
    let json_type = [("content-type", "application/json")];
    let quote = cashier.post("/v1/checkouts/quote", &json_type, &basket).await.body;
    assert_eq!((&quote["is_covered"], &quote["bill"]["total_net"]), (&json!(false), &json!(22_500)));
    assert_eq!(quote["rejection"]["type"], "insufficient-credit", "{quote}");
    let sold = cashier.buy(Uuid::now_v7(), &coffees(&rfid, 2)).await;
    assert_eq!(sold.outcome(), "settled");

    let me = employee.get("/v1/me", &[]).await;
    assert_eq!((&me.body["employee"]["balance"], &me.body["calories_today"]), (&json!(11_000), &json!(10)));
    let known = me.header("etag").expect("an ETag");
    assert_eq!(employee.get("/v1/me", &[("if-none-match", known)]).await.status, 304);
    check_statement(&employee, &number).await;
}

/// Of a wallet that was given 20,000 and paid 9,000.
async fn check_statement(employee: &Terminal, number: &str) {
    let path = format!("/v1/employees/{number}/movements");
    let statement = employee.get(&path, &[]).await.body;
    let movements = statement["movements"].as_array().expect("movements");
    let told: Vec<_> = movements.iter().map(|movement| (&movement["kind"], &movement["balance"])).collect();
    assert_eq!(told, [(&json!("adjustment"), &json!(20_000)), (&json!("checkout"), &json!(11_000))]);
    let table = employee.get(&path, &[("accept", "text/csv")]).await.body;
    let rows = table.as_str().expect("a table").lines();
    let rows: Vec<_> = rows.map(|row| row.split(',').collect::<Vec<_>>()).collect();
    assert_eq!(rows[0][..5], ["id", "kind", "amount", "balance", "wallet_version"]);
    assert_eq!((rows[1][1], &rows[2][1..5]), ("adjustment", &["checkout", "-9000", "11000", "2"][..]));
    // What it held before and after, also where nothing moved it.
    for (window, balances) in [
        (String::new(), [0, 11_000]),
        ("?to=2020-01-01T00:00:00Z".to_owned(), [0, 0]),
        ("?from=2100-01-01T00:00:00Z&to=2100-01-02T00:00:00Z".to_owned(), [11_000, 11_000]),
        (format!("?from={}", movements[1]["at"].as_str().expect("an instant")), [20_000, 11_000]),
    ] {
        let statement = employee.get(&format!("{path}{window}"), &[]).await.body;
        let [opening, closing] = ["opening_balance", "closing_balance"].map(|name| statement[name].as_i64());
        assert_eq!([opening, closing], balances.map(Some), "{window}: {statement}");
    }
    let wrong = employee.get(&format!("{path}?from=now&to=then"), &[]).await;
    assert_eq!((wrong.status, wrong.body["errors"].as_array().map(Vec::len)), (400, Some(2)), "{wrong:?}");
}

/// A terminal that lost its answer still learns it from a station that was closed meanwhile.
#[tokio::test(flavor = "multi_thread")]
async fn a_closed_station_sells_nothing_and_forgets_nothing() {
    let target = Target::find().await;
    let (admin, cashier) = (target.terminal("acme-admin").await, target.terminal("acme-cashier").await);
    let station = fresh("S");
    let set = async |status: &str| {
        let body = json!({ "concessionaire_id": "coffee-bar", "status": status });
        applied(&admin.command("PUT", &format!("/v1/stations/{station}"), &body).await);
    };
    set("active").await;
    let order = json!({ "rfid": "RF100031", "station": station, "items": [{ "code": "TEA", "qty": 1 }] });
    let key = Uuid::now_v7();
    let sold = cashier.buy(key, &order).await;
    assert_eq!(sold.outcome(), "settled", "{sold:?}");
    set("inactive").await;
    let again = cashier.sell(key, &order, 0).await;
    assert_eq!((again.is_replayed(), again.body), (true, sold.body));
    let refused = cashier.sell(Uuid::now_v7(), &order, 0).await;
    assert_eq!((refused.status, refused.problem()), (403, "station-closed"));
}

#[tokio::test(flavor = "multi_thread")]
async fn every_list_has_pages() {
    let target = Target::find().await;
    let (admin, cashier) = (target.terminal("acme-admin").await, target.terminal("acme-cashier").await);
    for rfid in ["RF100032", "RF100033"] {
        assert_eq!(cashier.buy(Uuid::now_v7(), &coffees(rfid, 1)).await.outcome(), "settled");
    }
    applied(&admin.command("PATCH", "/v1/employees/100034", &json!({})).await);
    applied(&admin.command("PATCH", "/v1/employees/100034", &json!({})).await);
    let lists = [
        "employees",
        "checkouts?concessionaire_id=coffee-bar",
        "audit",
        "users",
        "stations",
        "concessionaires",
    ];
    for list in lists {
        let path = format!("/v1/{list}{}limit=1", if list.contains('?') { "&" } else { "?" });
        let page = admin.get(&path, &[]).await;
        assert_eq!(
            (page.status, page.body["items"].as_array().map(Vec::len)),
            (200, Some(1)),
            "{list}: {page:?}"
        );
        let cursor = page.body["next_cursor"].as_str().expect("a second page");
        let next = admin.get(&format!("{path}&cursor={cursor}"), &[]).await;
        assert_eq!(
            (next.status, next.body["items"].as_array().map(Vec::len)),
            (200, Some(1)),
            "{list}: {next:?}"
        );
        assert_ne!(page.body["items"], next.body["items"], "{list}");
    }
    let endless = admin.get(&format!("/v1/employees?name={}", "x".repeat(101)), &[]).await;
    assert_eq!((endless.status, &endless.body["errors"][0]["parameter"]), (400, &json!("name")));
}
