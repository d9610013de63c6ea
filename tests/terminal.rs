//! A terminal at a station: signs in and speaks HTTP, nothing else.

use crate::{LOOK_AGAIN, PATIENCE};
use loadtest::listener::Listener;
use loadtest::terminal as till;
use local::endpoints::Endpoints;
use serde_json::{Value, json};
use uuid::Uuid;

pub use loadtest::terminal::Answer;

/// What users of tests choose for themselves.
pub const OWN_PASSWORD: &str = "a-password-of-ones-own";

#[derive(Debug, Clone)]
pub struct Terminal {
    http: reqwest::Client,
    api_url: String,
    token: String,
}

impl Terminal {
    pub async fn sign_in(endpoints: &Endpoints, username: &str) -> Self {
        let user = endpoints.users.iter().find(|user| user.username == username).expect("a user of the demo");
        let http = reqwest::Client::new();
        let answer = till::initiate_auth(&http, endpoints, username, &user.password).await;
        let token = till::id_token(&answer.expect("Cognito answers")).expect("an id token");
        Self { http, api_url: endpoints.api_url.clone(), token }
    }

    /// Somebody who got a first password and has to change it.
    pub async fn first_sign_in(endpoints: &Endpoints, username: &str, first_password: &str) -> Self {
        let http = reqwest::Client::new();
        let challenge = till::initiate_auth(&http, endpoints, username, first_password).await;
        let challenge = challenge.expect("Cognito answers").body;
        assert_eq!(challenge["ChallengeName"], "NEW_PASSWORD_REQUIRED", "{challenge}");
        let answer = json!({
            "ChallengeName": "NEW_PASSWORD_REQUIRED",
            "ClientId": endpoints.client_id,
            "Session": challenge["Session"],
            "ChallengeResponses": { "USERNAME": username, "NEW_PASSWORD": OWN_PASSWORD },
        });
        let answer = till::cognito(&http, endpoints, "RespondToAuthChallenge", &answer).await;
        let token = till::id_token(&answer.expect("Cognito answers")).expect("an id token");
        Self { http, api_url: endpoints.api_url.clone(), token }
    }

    /// The same terminal after the system came up elsewhere.
    pub fn moved_to(&self, endpoints: &Endpoints) -> Self {
        Self { api_url: endpoints.api_url.clone(), ..self.clone() }
    }

    /// The same terminal, whatever it calls itself.
    pub fn with_token(&self, token: &str) -> Self {
        Self { token: token.to_owned(), ..self.clone() }
    }

    /// The id token.
    pub fn token(&self) -> &str {
        &self.token
    }

    pub async fn get(&self, path: &str, headers: &[(&str, &str)]) -> Answer {
        self.send(self.http.get(format!("{}{path}", self.api_url)), headers).await.expect("the API answers")
    }

    pub async fn request(&self, method: &str, path: &str, headers: &[(&str, &str)], body: &str) -> Answer {
        let method = method.parse().expect("a method");
        let request = self.http.request(method, format!("{}{path}", self.api_url)).body(body.to_owned());
        self.send(request, headers).await.expect("the API answers")
    }

    /// A command under a key of its own, followed to its outcome.
    pub async fn command(&self, method: &str, path: &str, body: &Value) -> Answer {
        self.command_under(Uuid::now_v7(), method, path, body).await
    }

    pub async fn command_under(&self, key: Uuid, method: &str, path: &str, body: &Value) -> Answer {
        let key = key.to_string();
        let mut headers = vec![("idempotency-key", key.as_str()), ("prefer", "wait=5")];
        headers.extend((!body.is_null()).then_some(("content-type", "application/json")));
        let body = if body.is_null() { String::new() } else { body.to_string() };
        let answer = self.request(method, path, &headers, &body).await;
        if answer.status == 202 { self.follow(&answer).await } else { answer }
    }

    pub async fn post(&self, path: &str, headers: &[(&str, &str)], body: &str) -> Answer {
        let request = self.http.post(format!("{}{path}", self.api_url)).body(body.to_owned());
        self.send(request, headers).await.expect("the API answers")
    }

    /// A sale: `wait` seconds for its outcome, none for a `202`.
    pub async fn sell(&self, key: Uuid, body: &Value, wait: u8) -> Answer {
        self.try_sell(key, body, wait).await.expect("the API answers")
    }

    /// The id of a sale that its terminal neither waits for nor polls.
    pub async fn sell_unasked(&self, badge: &str) -> String {
        let accepted = self.sell(Uuid::now_v7(), &coffee(badge, 1), 0).await;
        assert_eq!(accepted.status, 202, "{accepted:?}");
        accepted.body["id"].as_str().expect("an id").to_owned()
    }

    /// A ticket for one connection.
    pub async fn listener_ticket(&self) -> Value {
        let answer = self.post("/v1/listener-tickets", &[], "").await;
        assert_eq!(answer.status, 201, "{answer:?}");
        answer.body
    }

    /// A sale, followed to its outcome.
    pub async fn buy(&self, key: Uuid, body: &Value) -> Answer {
        let answer = self.sell(key, body, 5).await;
        if answer.status == 202 { self.follow(&answer).await } else { answer }
    }

    /// A sale by a terminal that may find nobody there.
    pub async fn try_sell(&self, key: Uuid, body: &Value, wait: u8) -> reqwest::Result<Answer> {
        let (key, wait) = (key.to_string(), format!("wait={wait}"));
        let headers = [
            ("idempotency-key", key.as_str()),
            ("prefer", wait.as_str()),
            ("content-type", "application/json"),
        ];
        let request = self.http.post(format!("{}{}", self.api_url, till::CHECKOUTS)).body(body.to_string());
        self.send(request, &headers).await
    }

    /// Follows a `Location` until the checkout is decided.
    pub async fn follow(&self, accepted: &Answer) -> Answer {
        let location = accepted.location(&self.api_url).expect("a Location");
        let decided = async {
            loop {
                let answer = self.send(self.http.get(location.clone()), &[]).await.expect("the API answers");
                if answer.outcome() != "pending" {
                    return answer;
                }
                tokio::time::sleep(LOOK_AGAIN).await;
            }
        };
        tokio::time::timeout(PATIENCE, decided).await.expect("the checkout is decided")
    }

    /// Asks for a place for a file, puts it there, and follows the import to its outcome.
    pub async fn import(&self, path: &str, options: &Value, file: &[u8]) -> Answer {
        let mut asked = options.clone();
        asked["bytes"] = json!(file.len());
        let awaited = self.ask_to_import(Uuid::now_v7(), path, &asked).await;
        assert_eq!(awaited.status, 202, "{awaited:?}");
        assert_eq!(self.put(&awaited.body["upload"], file).await, 200);
        self.follow_import(&awaited).await
    }

    pub async fn ask_to_import(&self, key: Uuid, path: &str, asked: &Value) -> Answer {
        let key = key.to_string();
        let headers = [("idempotency-key", key.as_str()), ("content-type", "application/json")];
        self.post(path, &headers, &asked.to_string()).await
    }

    /// Puts a file where an upload says, as whoever has it may.
    pub async fn put(&self, upload: &Value, file: &[u8]) -> u16 {
        let mut request = self.http.put(upload["url"].as_str().expect("a URL")).body(file.to_vec());
        for (name, value) in upload["headers"].as_object().expect("headers") {
            request = request.header(name, value.as_str().expect("a header"));
        }
        request.send().await.expect("the store answers").status().as_u16()
    }

    /// What a URL of the store gives whoever has it.
    pub async fn fetch(&self, url: &Value) -> String {
        let request = self.http.get(url.as_str().expect("a URL"));
        request.send().await.expect("the store answers").text().await.expect("text")
    }

    pub async fn follow_import(&self, awaited: &Answer) -> Answer {
        let location = awaited.location(&self.api_url).expect("a Location");
        let decided = async {
            loop {
                let answer = self.send(self.http.get(location.clone()), &[]).await.expect("the API answers");
                if !["queued", "validating", "applying"].contains(&answer.outcome()) {
                    return answer;
                }
                tokio::time::sleep(LOOK_AGAIN).await;
            }
        };
        tokio::time::timeout(PATIENCE, decided).await.expect("the import is decided")
    }

    async fn send(
        &self,
        request: reqwest::RequestBuilder,
        headers: &[(&str, &str)],
    ) -> reqwest::Result<Answer> {
        let mut request = request.header("authorization", format!("Bearer {}", self.token));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        till::answer(request).await
    }
}

/// The next frame that a listener is told.
pub async fn next_frame(listener: &mut Listener) -> Value {
    tokio::time::timeout(PATIENCE, listener.next()).await.expect("in time").expect("a frame")
}

/// The query of the page behind this one, as its `Link` has it.
pub fn next_query(page: &Answer) -> Option<String> {
    let link = page.header("link")?;
    let query = link.strip_prefix('<').and_then(|link| link.strip_suffix(">; rel=\"next\""));
    Some(query.expect("the next page").to_owned())
}

/// A sale of one meal at the coffee bar to the owner of a badge.
pub fn coffee(rfid: &str, qty: u8) -> Value {
    json!({ "rfid": rfid, "station": "coffee-bar-1", "items": [{ "code": "COFFEE", "qty": qty }] })
}
