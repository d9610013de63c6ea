//! The API in memory: the real router and clients over a table and a topic that answer at once. It keeps what
//! was asked of them, and nobody may ask for what is another tenant's.

use aws::clock::Clock;
use aws::config::{
    Clients, Cloud, Config, IntakeConfig, PasswordKey, SessionKey, TicketKey, WebhookConfig, WebhookKey,
};
use aws::items::{self, Item, MenuHead};
use aws::telemetry::Metrics;
use aws_credential_types::Credentials;
use aws_sdk_dynamodb::types::AttributeValue;
use aws_smithy_runtime_api::client::http::{
    HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpClient,
    SharedHttpConnector,
};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_types::body::SdkBody;
use axum::Router;
use axum::body::{Body, to_bytes};
use domain::command::{Kind, Message};
use domain::employee::{BadgeStatus, Employee};
use domain::id::{ConcessionaireId, TenantId};
use domain::menu::MenuVersion;
use domain::money::{BasisPoints, Money};
use domain::role::{Role, Status, User};
use domain::tenant::{BusinessDay, Concessionaire, Station, Tenant, TenantStatus};
use domain::wallet::Wallet;
use domain::webhook::{Reach, Webhook, Webhooks};
use http::{HeaderMap, Request, StatusCode};
use jiff::Timestamp;
use lambda_http::aws_lambda_events::apigw::ApiGatewayProxyRequestContext;
use lambda_http::request::RequestContext;
use serde_json::{Map, Value, json};
use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use tokio::runtime::Runtime;
use tower::ServiceExt;

pub const NOW_MS: i64 = 1_717_986_918_400;
/// As old as now.
pub const KEY: &str = "01900000-0000-7000-8000-000000000000";
pub const CLIENT_ID: &str = "client";
/// In seconds since the epoch.
pub const SIGNED_IN_AT: &str = "1795546800";
pub const SESSION_KEY: [u8; 32] = [2; 32];
pub const TENANTS: [&str; 2] = ["acme", "globex"];
pub const ROLES: [&str; 5] = ["platform", "admin", "manager", "cashier", "employee"];

/// What was asked of table and topic.
#[derive(Debug, Default)]
pub struct Asked {
    pub keys: Vec<String>,
    /// Behind which key pages began.
    pub starts: Vec<Value>,
    pub published: Vec<Message>,
}

/// An answer, and what was asked for it.
#[derive(Debug)]
pub struct Answer {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub body: Value,
    pub asked: Asked,
}

impl Answer {
    /// What a problem says is wrong; something is.
    pub fn errors(&self) -> &[Value] {
        let errors = self.body["errors"].as_array().expect("bad input is named");
        assert!(!errors.is_empty());
        for error in errors {
            let places = ["pointer", "header", "parameter"].iter().filter(|place| error[**place].is_string());
            assert_eq!(places.count(), 1, "{error}");
            assert!(error["detail"].as_str().is_some_and(|detail| !detail.is_empty()), "{error}");
        }
        errors
    }
}

pub struct Shop {
    router: Router,
    runtime: Runtime,
    asked: Arc<Mutex<Asked>>,
}

impl Default for Shop {
    fn default() -> Self {
        let asked = Arc::<Mutex<Asked>>::default();
        let stage = Stage(Arc::new(Shelves { items: stock(), asked: asked.clone() }));
        let names = aws::bus::Names {
            region: "eu-west-1".to_owned(),
            account_id: "123456789012".to_owned(),
            stage: "dev".to_owned(),
        };
        let cloud = Cloud {
            region: names.region.clone(),
            credentials: Credentials::for_tests(),
            endpoint_url: None,
            dynamodb_endpoint_url: None,
            app_name: None,
        };
        let config = Config { cloud, table_name: "pos".to_owned(), names };
        let intake = IntakeConfig {
            client_id: CLIENT_ID.to_owned(),
            listen_url: "wss://listen.example.com".to_owned(),
            session_key: SessionKey::new(SESSION_KEY),
            ticket_key: TicketKey::new([1; 32]),
            password_key: PasswordKey::new([3; 32]),
            webhooks: WebhookConfig { key: WebhookKey::new([4; 32]), reach: Reach::Public },
        };
        let clock = Clock::from_fn(now);
        let clients = Clients::over(config, SharedHttpClient::new(stage));
        let metrics = Metrics::to(clock.clone(), "dev", |_| {});
        let app = intake::App::new(&clients, intake, clock, metrics);
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().expect("a runtime");
        Self { router: intake::routes::router(app), runtime, asked }
    }
}

impl Shop {
    /// A request of a user whose token the gateway has verified.
    pub fn ask(&self, tenant: &str, role: &str, method: &str, path: &str, body: Vec<u8>) -> Answer {
        let claims = json!({
            "aud": CLIENT_ID, "token_use": "id", "auth_time": SIGNED_IN_AT, "exp": "1795550400",
            "custom:tenant_id": tenant, "cognito:username": format!("{tenant}.{role}"),
        });
        self.ask_as(claims, method, path, body)
    }

    /// A request with any claims.
    pub fn ask_as(&self, claims: Value, method: &str, path: &str, body: Vec<u8>) -> Answer {
        let tenant = claims["custom:tenant_id"].as_str().map(|tenant| format!("T#{tenant}"));
        let mut context = ApiGatewayProxyRequestContext::default();
        context.authorizer.fields.insert("claims".to_owned(), claims);
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header("content-type", "application/json")
            .header("idempotency-key", KEY)
            .extension(RequestContext::ApiGatewayV1(context));
        let request = request.body(Body::from(body)).expect("a request");
        let (parts, body) = self.runtime.block_on(async {
            let answer = self.router.clone().oneshot(request).await.unwrap_or_else(|never| match never {});
            let (parts, body) = answer.into_parts();
            (parts, to_bytes(body, usize::MAX).await.expect("a body"))
        });
        let asked = std::mem::take(&mut *self.asked.lock().expect("nobody panicked"));
        for key in &asked.keys {
            let rest = tenant.as_ref().and_then(|tenant| key.strip_prefix(tenant.as_str()));
            assert!(rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('#')), "{key} is another's");
        }
        assert!(!parts.status.is_server_error(), "{} {method} {path}", parts.status);
        let body = serde_json::from_slice(&body).unwrap_or(Value::Null);
        Answer { status: parts.status, headers: parts.headers, body, asked }
    }
}

fn now() -> Timestamp {
    Timestamp::from_millisecond(NOW_MS).expect("a time")
}

/// Each tenant with the same: two of everything that is listed.
fn stock() -> Vec<Map<String, Value>> {
    TENANTS.iter().flat_map(|tenant| shelf(tenant)).map(|item| wire(&item)).collect()
}

fn shelf(tenant: &str) -> Vec<Item> {
    let id: TenantId = tenant.parse().expect("an id");
    let stored = Tenant {
        id: id.clone(),
        name: tenant.to_owned(),
        status: TenantStatus::Active,
        currency: "PHP".to_owned().try_into().expect("a currency"),
        business_day: BusinessDay::new("Asia/Manila", 0).expect("a zone"),
        overdraft_limit: Money::ZERO,
        reached: Kind::ALL.into(),
    };
    let mut items = vec![items::tenant(&stored)];
    for role in ROLES {
        let name = format!("{tenant}.{role}").parse().expect("a name");
        items.push(items::user(&id, &User::active(name, scope(role))));
    }
    for stall in ["coffee-bar", "kitchen"] {
        let owner: ConcessionaireId = stall.parse().expect("an id");
        let vendor = Concessionaire { id: owner.clone(), name: stall.to_owned() };
        items.push(items::concessionaire(&id, &vendor));
        let head = MenuHead { version: MenuVersion { meals: 1, edit: 0 }, begun: 1, ..MenuHead::default() };
        items.push(items::menu_head(&id, &owner, &head));
        let station = format!("{stall}-1").parse().expect("an id");
        items.push(items::station(&id, &Station::new(station, owner)));
    }
    for number in ["100001", "100002"] {
        let employee = Employee {
            number: number.parse().expect("a number"),
            name: format!("Amara {number}"),
            status: Status::Active,
            discount: BasisPoints::NONE,
            limit: None,
            badges: [(format!("RF{number}").parse().expect("a badge"), BadgeStatus::Active)].into(),
            image_url: None,
            changed_at: None,
        };
        items.push(items::employee(&id, &employee));
        items.push(items::wallet(&id, &employee.number, Wallet::default()));
        for rfid in employee.badges.keys() {
            let badge = domain::badge::Badge { employee: employee.number.clone(), released_at: None };
            items.push(items::badge(&id, rfid, &badge));
        }
    }
    let webhook = KEY.parse().expect("an id");
    let url = "https://hooks.example.com/pos".to_owned().try_into().expect("a URL");
    let hooks = [(webhook, Webhook::new(webhook, url, [].into(), now()))];
    items.push(items::webhooks(&id, &Webhooks(hooks.into())));
    items.into_iter().map(|item| item.expect("an item")).collect()
}

fn scope(role: &str) -> Role {
    let concessionaire_id = "coffee-bar".parse().expect("an id");
    match role {
        "platform" => Role::Platform,
        "admin" => Role::Admin,
        "manager" => Role::Manager { concessionaire_id },
        "cashier" => Role::Cashier { concessionaire_id },
        _ => Role::Employee { employee_number: "100001".parse().expect("a number") },
    }
}

fn wire(item: &Item) -> Map<String, Value> {
    item.iter().map(|(name, value)| (name.clone(), wired(value))).collect()
}

fn wired(value: &AttributeValue) -> Value {
    match value {
        AttributeValue::S(text) => json!({ "S": text }),
        AttributeValue::N(number) => json!({ "N": number }),
        AttributeValue::Bool(is) => json!({ "BOOL": is }),
        AttributeValue::Ss(texts) => json!({ "SS": texts }),
        AttributeValue::L(list) => json!({ "L": list.iter().map(wired).collect::<Vec<_>>() }),
        AttributeValue::M(fields) => json!({ "M": wire(fields) }),
        AttributeValue::Null(is) => json!({ "NULL": is }),
        other => panic!("no item here has {other:?}"),
    }
}

struct Shelves {
    items: Vec<Map<String, Value>>,
    asked: Arc<Mutex<Asked>>,
}

#[derive(Clone)]
struct Stage(Arc<Shelves>);

impl std::fmt::Debug for Stage {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Stage")
    }
}

impl HttpClient for Stage {
    fn http_connector(&self, _: &HttpConnectorSettings, _: &RuntimeComponents) -> SharedHttpConnector {
        SharedHttpConnector::new(self.clone())
    }
}

impl HttpConnector for Stage {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let body = request.body().bytes().expect("a body in memory");
        let answer = match request.headers().get("x-amz-target") {
            Some(target) => {
                let asked = serde_json::from_slice(body).expect("JSON");
                let operation = target.rsplit('.').next().expect("an operation");
                self.0.table(operation, &asked).to_string()
            }
            None => self.0.topic(body),
        };
        let answered = http::Response::builder().status(200).body(SdkBody::from(answer)).expect("an answer");
        HttpConnectorFuture::ready(Ok(HttpResponse::try_from(answered).expect("an answer")))
    }
}

impl Shelves {
    fn table(&self, operation: &str, asked: &Value) -> Value {
        match operation {
            "BatchGetItem" => {
                let keys = asked["RequestItems"]["pos"]["Keys"].as_array().expect("keys");
                let found: Vec<_> = keys.iter().filter_map(|key| self.get(key)).collect();
                json!({ "Responses": { "pos": found }, "UnprocessedKeys": {} })
            }
            "GetItem" => self.get(&asked["Key"]).map_or(json!({}), |item| json!({ "Item": item })),
            "Query" => self.query(asked),
            other => panic!("intake asked for {other}"),
        }
    }

    fn get(&self, key: &Value) -> Option<&Map<String, Value>> {
        self.note(text(&key["PK"]));
        self.items.iter().find(|item| item["PK"] == key["PK"] && item["SK"] == key["SK"])
    }

    fn query(&self, asked: &Value) -> Value {
        let values = &asked["ExpressionAttributeValues"];
        let (pk, sk) = if asked["IndexName"].is_string() { ("GSI1PK", "GSI1SK") } else { ("PK", "SK") };
        self.note(text(&values[":pk"]));
        let mut items: Vec<_> =
            self.items.iter().filter(|item| item.get(pk) == Some(&values[":pk"])).collect();
        // Whatever else the condition says, a page more than enough is as good here.
        items.sort_by_key(|item| text(&item[sk]));
        if asked["ScanIndexForward"] == json!(false) {
            items.reverse();
        }
        if values[":from"].is_object() {
            items.retain(|item| (text(&values[":from"])..=text(&values[":to"])).contains(&text(&item[sk])));
        }
        if let Some(start) = asked["ExclusiveStartKey"].as_object() {
            self.note(text(&start["PK"]));
            self.note(text(&start[pk]));
            self.asked.lock().expect("nobody panicked").starts.push(json!(start));
            let behind = items.iter().position(|item| item[sk] == start[sk]);
            items.drain(..=behind.expect("a page begins behind an item"));
        }
        let limit = asked["Limit"].as_u64().map_or(usize::MAX, |limit| limit as usize);
        let last = (items.len() > limit).then(|| {
            let key = ["PK", "SK", pk, sk].map(|name| (name.to_owned(), items[limit - 1][name].clone()));
            key.into_iter().collect::<Map<_, _>>()
        });
        items.truncate(limit);
        json!({ "Items": items, "LastEvaluatedKey": last })
    }

    fn note(&self, key: &str) {
        self.asked.lock().expect("nobody panicked").keys.push(key.to_owned());
    }

    fn topic(&self, body: &[u8]) -> String {
        let form: HashMap<String, String> = serde_urlencoded::from_bytes(body).expect("a form");
        assert_eq!(form["Action"], "Publish");
        let message: Message = serde_json::from_str(&form["Message"]).expect("what intake publishes is read");
        self.asked.lock().expect("nobody panicked").published.push(message);
        "<PublishResponse><PublishResult><MessageId>1</MessageId></PublishResult></PublishResponse>"
            .to_owned()
    }
}

fn text(value: &Value) -> &str {
    value["S"].as_str().expect("a text")
}
