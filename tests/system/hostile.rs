//! Hostile callers, route by route: every route of the API has a row here, or this fails.

use aws::items;
use aws::keys;
use aws::retry::Policy;
use aws_sdk_cognitoidentityprovider::types::AuthFlowType;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use domain::id::TenantId;
use domain::role::RoleKind::{self, Admin, Cashier, Employee, Manager, Platform};
use domain::tenant::Station;
use local::{demo, seed, users};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use tests::World;
use tests::terminal::{Answer, Terminal, coffee};
use uuid::Uuid;

/// A route, how to call it, and who may.
struct Row {
    operation: &'static str,
    call: Call,
    admits: &'static [RoleKind],
}

/// A request; `{number}`, `{badge}`, `{stall}` and `{station}` stand for the ids of somebody.
enum Call {
    Get(&'static str),
    Sell(&'static str),
}

const EVERYBODY: [RoleKind; 4] = [Admin, Manager, Cashier, Employee];
/// Routes that ask for no token and tell nothing of anybody.
const PUBLIC: [&str; 1] = ["getHealth"];

fn rows() -> Vec<Row> {
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
struct Ids {
    number: &'static str,
    badge: &'static str,
    stall: &'static str,
    station: &'static str,
}

const OWN: Ids = Ids { number: "100001", badge: "RF100001", stall: "coffee-bar", station: "coffee-bar-1" };
/// Of Acme alone.
const ACMES: Ids =
    Ids { number: "777001", badge: "ACME777001", stall: "acme-grill", station: "acme-grill-1" };
const NOBODYS: Ids = Ids { number: "999999", badge: "RF999999", stall: "nobody", station: "nobody-1" };

impl Row {
    async fn call(&self, terminal: &Terminal, ids: &Ids) -> Answer {
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

#[tokio::test(flavor = "multi_thread")]
async fn every_route_has_a_row() {
    let world = World::start().await;
    let cashier = world.terminal("acme-cashier").await;
    let served = cashier.get("/v1/openapi.json", &[]).await;
    let paths = served.body["paths"].as_object().unwrap().values();
    let operations = paths.flat_map(|path| path.as_object().unwrap().values());
    let described: BTreeSet<_> =
        operations.map(|operation| operation["operationId"].as_str().unwrap().to_owned()).collect();
    let rows = rows();
    let listed = rows.iter().map(|row| row.operation).chain(PUBLIC);
    assert_eq!(described, listed.map(str::to_owned).collect());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_forged_token_opens_no_route() {
    let world = World::start().await;
    let cashier = world.terminal("acme-cashier").await;
    for (forgery, token) in forgeries(&world, &cashier).await {
        let forger = cashier.with_token(&token);
        for row in rows() {
            let answer = row.call(&forger, &OWN).await;
            let operation = row.operation;
            assert_eq!((answer.status, answer.problem()), (401, "unauthorized"), "{operation}, {forgery}");
            assert_eq!(answer.header("www-authenticate"), Some("Bearer"), "{operation}, {forgery}");
        }
    }
}

/// Tokens that are almost right. Expired ones and other signing keys are tried on the gateway alone.
async fn forgeries(world: &World, cashier: &Terminal) -> Vec<(&'static str, String)> {
    let good = cashier.token();
    let [header, claims, signature] = <[&str; 3]>::try_from(good.split('.').collect::<Vec<_>>()).unwrap();
    let rewritten = |part: &str, from: &str, to: &str| {
        let text = String::from_utf8(URL_SAFE_NO_PAD.decode(part).unwrap()).unwrap();
        assert!(text.contains(from), "{text}");
        URL_SAFE_NO_PAD.encode(text.replace(from, to))
    };
    let globex = rewritten(claims, "\"acme\"", "\"globex\"");
    let cognito = aws_sdk_cognitoidentityprovider::Client::new(world.system.clients.sdk());
    let elsewhere = users::ensure_pool(&cognito, "elsewhere").await.unwrap();
    users::ensure_user(&cognito, &elsewhere, "acme-cashier", demo::PASSWORD, "acme").await.unwrap();
    let ours = users::PoolIds {
        pool_id: world.system.endpoints.user_pool_id.clone(),
        client_id: world.system.endpoints.client_id.clone(),
    };
    let second_client = cognito
        .create_user_pool_client()
        .user_pool_id(&ours.pool_id)
        .client_name("another app")
        .explicit_auth_flows("ALLOW_USER_PASSWORD_AUTH".into())
        .send()
        .await
        .unwrap();
    let second_client = second_client.user_pool_client().unwrap().client_id().unwrap().to_owned();
    let (_, access) = tokens(&cognito, &ours.client_id).await;
    let (other_audience, _) = tokens(&cognito, &second_client).await;
    let (other_issuer, _) = tokens(&cognito, &elsewhere.client_id).await;
    vec![
        ("nothing", String::new()),
        ("no token", "token".to_owned()),
        ("another tenant", format!("{header}.{globex}.{signature}")),
        ("no algorithm", format!("{}.{claims}.", rewritten(header, "RS256", "none"))),
        ("another algorithm", format!("{}.{claims}.{signature}", rewritten(header, "RS256", "HS256"))),
        ("no signature", format!("{header}.{claims}.")),
        ("an access token", access),
        ("another audience", other_audience),
        ("another issuer", other_issuer),
    ]
}

/// The id and access token of Acme's cashier through an app client.
async fn tokens(cognito: &aws_sdk_cognitoidentityprovider::Client, client_id: &str) -> (String, String) {
    let answer = cognito
        .initiate_auth()
        .client_id(client_id)
        .auth_flow(AuthFlowType::UserPasswordAuth)
        .auth_parameters("USERNAME", "acme-cashier")
        .auth_parameters("PASSWORD", demo::PASSWORD)
        .send()
        .await
        .unwrap();
    let tokens = answer.authentication_result().unwrap();
    (tokens.id_token().unwrap().to_owned(), tokens.access_token().unwrap().to_owned())
}

/// Whatever is another tenant's is answered as if it were nobody's, to the letter.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_anothers_is_nobodys() {
    let world = World::start().await;
    let acme: TenantId = "acme".parse().unwrap();
    let table = world.system.clients.table(Policy::WORKER);
    let mut somebody = demo::employee(1).unwrap();
    somebody.number = ACMES.number.parse().unwrap();
    somebody.badges = [(ACMES.badge.parse().unwrap(), domain::employee::BadgeStatus::Active)].into();
    let mut created =
        seed::buyer(&acme, &somebody, &"test".parse().unwrap(), jiff::Timestamp::UNIX_EPOCH).unwrap();
    let station =
        Station { id: ACMES.station.parse().unwrap(), concessionaire: ACMES.stall.parse().unwrap() };
    created.push(items::station(&acme, &station).unwrap());
    let head = table.read([keys::menu(&acme, &"coffee-bar".parse().unwrap())]).await.unwrap();
    let head =
        items::stored_menu_head({ head }.take(&keys::menu(&acme, &"coffee-bar".parse().unwrap())).unwrap());
    created.push(items::menu_head(&acme, &station.concessionaire, &head.unwrap()).unwrap());
    seed::create(&table, created).await.unwrap();

    // There it is, for Acme.
    let admin = world.terminal("acme-admin").await;
    for path in ["/v1/employees/777001", "/v1/concessionaires/acme-grill/menu"] {
        assert_eq!(admin.get(path, &[]).await.status, 200, "{path}");
    }
    for user in ["globex-admin", "globex-manager", "globex-cashier", "globex-employee"] {
        let stranger = world.terminal(user).await;
        for row in rows() {
            let (acmes, nobodys) = (row.call(&stranger, &ACMES).await, row.call(&stranger, &NOBODYS).await);
            let operation = row.operation;
            assert!(matches!(acmes.status, 404 | 403), "{operation}, {user}: {acmes:?}");
            assert_eq!((acmes.status, acmes.body), (nobodys.status, nobodys.body), "{operation}, {user}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_role_does_what_it_may_and_no_more() {
    let world = World::start().await;
    let roles = [
        (Platform, "platform"),
        (Admin, "admin"),
        (Manager, "manager"),
        (Cashier, "cashier"),
        (Employee, "employee"),
    ];
    for (role, name) in roles {
        let user = world.terminal(&format!("acme-{name}")).await;
        for row in rows() {
            let answer = row.call(&user, &OWN).await;
            let is_refused = answer.status == 403;
            assert_eq!(is_refused, !row.admits.contains(&role), "{}, {name}: {answer:?}", row.operation);
        }
    }
    // An employee sees one wallet only.
    let employee = world.terminal("acme-employee").await;
    for row in rows().iter().filter(|row| matches!(row.call, Call::Get(path) if path.contains("{number}"))) {
        let colleague = Ids { number: "100002", ..OWN };
        let (theirs, nobodys) = (row.call(&employee, &colleague).await, row.call(&employee, &NOBODYS).await);
        assert_eq!((theirs.status, theirs.body), (404, nobodys.body), "{}", row.operation);
    }
    world.settle().await;
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
    let world = World::start().await;
    let cashier = world.terminal("acme-cashier").await;
    let order =
        |items: Value| json!({ "rfid": "RF100001", "station": "coffee-bar-1", "items": items }).to_string();
    for qty in [json!(0), json!(-1), json!(100), json!(1.5), json!(1e30), json!("1"), json!(null), json!([1])]
    {
        check(&cashier, &order(json!([{ "code": "COFFEE", "qty": qty }])), 400, &["/items/0/qty"]).await;
    }
    for price in [json!(-1), json!(0.5), json!(1_000_000_001), json!("4500")] {
        check(
            &cashier,
            &order(json!([{ "code": "COFFEE", "qty": 1, "price": price }])),
            400,
            &["/items/0/price"],
        )
        .await;
    }
    let many = vec![json!({ "code": "COFFEE", "qty": 1 }); 51];
    check(&cashier, &order(json!(many)), 400, &["/items"]).await;
    check(&cashier, &order(json!([])), 400, &["/items"]).await;
    let meddling = r#"{"rfid":"RF100001","station":"coffee-bar-1","tenant":"globex","items":[{"code":"A#B","qty":1,"total":0}]}"#;
    check(&cashier, meddling, 400, &["/items/0/code", "/items/0/total", "/tenant"]).await;
    check(&cashier, r#"{"items":{"code":"COFFEE"}}"#, 400, &["/rfid", "/station", "/items"]).await;
    for not_json in ["", "null", "[]", "{", "\u{feff}{}", "{\"rfid\":\"\u{0}\"}"] {
        check(&cashier, not_json, 400, &[""]).await;
    }
    let twice = r#"{"rfid":"RF100001","rfid":"RF100002","station":"coffee-bar-1","items":[{"code":"COFFEE","qty":1}]}"#;
    check(&cashier, twice, 400, &[""]).await;
    check(&cashier, &order(json!([])).replace("[]", r#"[{"code":"COFFEE","qty":1,"qty":2}]"#), 400, &[""])
        .await;
    let deep = format!("{}{}", "[".repeat(20_000), "]".repeat(20_000));
    check(&cashier, &deep, 400, &[""]).await;
    check(&cashier, &format!(r#"{{"rfid":"{}"}}"#, "x".repeat(65_536)), 413, &[]).await;
    let at_the_limit = format!("{{{}}}", " ".repeat(65_534));
    check(&cashier, &at_the_limit, 400, &["/rfid", "/station", "/items"]).await;
    assert_eq!(cashier.sell(Uuid::now_v7(), &coffee("RF100001", 1), 5).await.outcome(), "settled");
}
