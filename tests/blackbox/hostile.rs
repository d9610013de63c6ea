//! Hostile callers, route by route: every route of the API has a row, or this fails.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use domain::role::RoleKind::{Admin, Cashier, Employee, Manager, Platform};
use loadtest::terminal::initiate_auth;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use tests::routes::{Ids, NOBODYS, OWN, PUBLIC, Scope, gist, open_no_route, rows};
use tests::target::Target;
use tests::terminal::{Terminal, coffee};
use uuid::Uuid;

#[tokio::test(flavor = "multi_thread")]
async fn every_route_has_a_row() {
    let target = Target::find().await;
    let served = target.terminal("acme-cashier").await.get("/v1/openapi.json", &[]).await;
    let paths = served.body["paths"].as_object().expect("paths").values();
    let operations = paths.flat_map(|path| path.as_object().expect("operations").values());
    let described: BTreeSet<_> = operations
        .map(|operation| operation["operationId"].as_str().expect("an operation id").to_owned())
        .collect();
    let listed: Vec<_> = rows().iter().map(|row| row.operation).chain(PUBLIC).collect();
    assert_eq!(described, listed.into_iter().map(str::to_owned).collect());
}

#[tokio::test(flavor = "multi_thread")]
async fn an_altered_token_opens_no_route() {
    let target = Target::find().await;
    let cashier = target.terminal("acme-cashier").await;
    let [header, claims, signature] =
        <[&str; 3]>::try_from(cashier.token().split('.').collect::<Vec<_>>()).expect("a token");
    let rewritten = |part: &str, from: &str, to: &str| {
        let text = String::from_utf8(URL_SAFE_NO_PAD.decode(part).expect("base64")).expect("text");
        assert!(text.contains(from), "{text}");
        URL_SAFE_NO_PAD.encode(text.replace(from, to))
    };
    let globex = rewritten(claims, "\"acme\"", "\"globex\"");
    let user = target.endpoints.users.iter().find(|user| user.username == "acme-cashier").expect("a cashier");
    let http = reqwest::Client::new();
    let tokens = initiate_auth(&http, &target.endpoints, &user.username, &user.password).await;
    let tokens = tokens.expect("Cognito answers").body;
    let access = tokens["AuthenticationResult"]["AccessToken"].as_str().expect("an access token").to_owned();
    let forgeries = [
        ("nothing", String::new()),
        ("no token", "token".to_owned()),
        ("another tenant", format!("{header}.{globex}.{signature}")),
        ("no algorithm", format!("{}.{claims}.", rewritten(header, "RS256", "none"))),
        ("another algorithm", format!("{}.{claims}.{signature}", rewritten(header, "RS256", "HS256"))),
        ("no signature", format!("{header}.{claims}.")),
        ("an access token", access),
    ];
    for (forgery, token) in forgeries {
        open_no_route(&cashier.with_token(&token), forgery).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_role_does_what_it_may_and_no_more() {
    let target = Target::find().await;
    let roles = [
        (Platform, "platform"),
        (Admin, "admin"),
        (Manager, "manager"),
        (Cashier, "cashier"),
        (Employee, "employee"),
    ];
    for (role, name) in roles {
        let user = target.terminal(&format!("acme-{name}")).await;
        for row in rows() {
            let answer = row.call(&user, "acme", &OWN).await;
            let is_refused = answer.status == 403;
            assert_eq!(is_refused, !row.admits.contains(&role), "{}, {name}: {answer:?}", row.operation);
        }
    }
}

/// Within a company, too: a seller has one concessionaire, an employee one wallet, and whatever is another's
/// is answered as if it were nobody's.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_a_colleagues_is_nobodys() {
    let target = Target::find().await;
    let neighbour = Ids { stall: "kitchen", station: "kitchen-1", ..OWN };
    let no_stall = Ids { stall: NOBODYS.stall, station: NOBODYS.station, ..OWN };
    let colleague = Ids { number: "100002", badge: "RF100002", ..OWN };
    let no_wallet = Ids { number: NOBODYS.number, badge: NOBODYS.badge, ..OWN };
    let cases = [
        (Manager, "manager", Scope::Stall, &neighbour, &no_stall),
        (Cashier, "cashier", Scope::Stall, &neighbour, &no_stall),
        (Employee, "employee", Scope::Wallet, &colleague, &no_wallet),
    ];
    for (role, name, scope, anothers, nobodys) in cases {
        let user = target.terminal(&format!("acme-{name}")).await;
        for row in rows().iter().filter(|row| row.scope == scope && row.admits.contains(&role)) {
            let (theirs, none) =
                (row.call(&user, "acme", anothers).await, row.call(&user, "acme", nobodys).await);
            assert_eq!(theirs.status, 404, "{}, {name}: {theirs:?}", row.operation);
            assert_eq!((theirs.status, theirs.body), (none.status, none.body), "{}, {name}", row.operation);
            assert_ne!(gist(&row.call(&user, "acme", &OWN).await).0, 403, "{}, {name}", row.operation);
        }
    }
}

/// A body, and the status and places that the answer names.
async fn check(cashier: &Terminal, body: &str, status: u16, places: &[&str]) {
    let key = Uuid::now_v7().to_string();
    let headers = [("idempotency-key", key.as_str()), ("content-type", "application/json")];
    let answer = cashier.post("/v1/checkouts", &headers, body).await;
    let named: Vec<_> = answer.body["errors"]
        .as_array()
        .into_iter()
        .flatten()
        .map(|error| error["pointer"].clone())
        .collect();
    let shown = body.get(..body.len().min(120)).unwrap_or(body);
    assert_eq!(
        (answer.status, named),
        (status, places.iter().map(|place| json!(place)).collect()),
        "{shown}"
    );
    assert_eq!(answer.header("content-type"), Some("application/problem+json"), "{shown}");
}

#[tokio::test(flavor = "multi_thread")]
async fn every_wrong_field_of_a_body_is_named() {
    let target = Target::find().await;
    let cashier = target.terminal("acme-cashier").await;
    let order =
        |items: Value| json!({ "rfid": "RF100012", "station": "coffee-bar-1", "items": items }).to_string();
    for qty in [json!(0), json!(-1), json!(100), json!(1.5), json!(1e30), json!("1"), json!(null), json!([1])]
    {
        check(&cashier, &order(json!([{ "code": "COFFEE", "qty": qty }])), 400, &["/items/0/qty"]).await;
    }
    for price in [json!(-1), json!(0.5), json!(1_000_000_001), json!("4500")] {
        let line = json!([{ "code": "COFFEE", "qty": 1, "price": price }]);
        check(&cashier, &order(line), 400, &["/items/0/price"]).await;
    }
    let many = vec![json!({ "code": "COFFEE", "qty": 1 }); 51];
    check(&cashier, &order(json!(many)), 400, &["/items"]).await;
    check(&cashier, &order(json!([])), 400, &["/items"]).await;
    let meddling = r#"{"rfid":"RF100012","station":"coffee-bar-1","tenant":"globex","items":[{"code":"A#B","qty":1,"total":0}]}"#;
    check(&cashier, meddling, 400, &["/items/0/code", "/items/0/total", "/tenant"]).await;
    check(&cashier, r#"{"items":{"code":"COFFEE"}}"#, 400, &["/rfid", "/station", "/items"]).await;
    for not_json in ["", "null", "[]", "{", "\u{feff}{}", "{\"rfid\":\"\u{0}\"}"] {
        check(&cashier, not_json, 400, &[""]).await;
    }
    let twice = r#"{"rfid":"RF100012","rfid":"RF100002","station":"coffee-bar-1","items":[{"code":"COFFEE","qty":1}]}"#;
    check(&cashier, twice, 400, &[""]).await;
    check(&cashier, &order(json!([])).replace("[]", r#"[{"code":"COFFEE","qty":1,"qty":2}]"#), 400, &[""])
        .await;
    let deep = format!("{}{}", "[".repeat(20_000), "]".repeat(20_000));
    check(&cashier, &deep, 400, &[""]).await;
    check(&cashier, &format!(r#"{{"rfid":"{}"}}"#, "x".repeat(65_536)), 413, &[]).await;
    let at_the_limit = format!("{{{}}}", " ".repeat(65_534));
    check(&cashier, &at_the_limit, 400, &["/rfid", "/station", "/items"]).await;
    assert_eq!(cashier.buy(Uuid::now_v7(), &coffee("RF100012", 1)).await.outcome(), "settled");
}
