//! A terminal at a station: signs in and speaks HTTP, nothing else.

use crate::{LOOK_AGAIN, PATIENCE};
use http::HeaderMap;
use local::endpoints::Endpoints;
use serde_json::{Value, json};
use uuid::Uuid;

#[derive(Debug, Clone)]
pub struct Terminal {
    http: reqwest::Client,
    api_url: String,
    token: String,
}

/// What the API answered.
#[derive(Debug, Clone)]
pub struct Answer {
    pub status: u16,
    pub headers: HeaderMap,
    pub body: Value,
}

impl Answer {
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).and_then(|value| value.to_str().ok())
    }

    /// The name of a problem, without what all their types begin with.
    pub fn problem(&self) -> &str {
        let kind = self.body["type"].as_str().unwrap_or_default();
        kind.strip_prefix("urn:internal-pos:problem:").unwrap_or_default()
    }

    /// `settled`, `pending`, `failed`, or why it was rejected.
    pub fn outcome(&self) -> &str {
        match self.body["status"].as_str() {
            Some("rejected") => self.body["rejection"]["type"].as_str().unwrap_or_default(),
            Some(status) => status,
            None => "",
        }
    }
}

impl Terminal {
    pub async fn sign_in(endpoints: &Endpoints, username: &str) -> Self {
        let user = endpoints.users.iter().find(|user| user.username == username).expect("a user of the demo");
        let http = reqwest::Client::new();
        let request = json!({
            "AuthFlow": "USER_PASSWORD_AUTH",
            "ClientId": endpoints.client_id,
            "AuthParameters": { "USERNAME": username, "PASSWORD": user.password },
        });
        let answer = http
            .post(&endpoints.aws_endpoint_url)
            .header("content-type", "application/x-amz-json-1.1")
            .header("x-amz-target", "AWSCognitoIdentityProviderService.InitiateAuth")
            .body(request.to_string())
            .send()
            .await
            .expect("Cognito answers");
        let answer: Value = serde_json::from_str(&answer.text().await.expect("a body")).expect("JSON");
        let token = answer["AuthenticationResult"]["IdToken"].as_str().expect("an id token").to_owned();
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

    pub async fn post(&self, path: &str, headers: &[(&str, &str)], body: &str) -> Answer {
        let request = self.http.post(format!("{}{path}", self.api_url)).body(body.to_owned());
        self.send(request, headers).await.expect("the API answers")
    }

    /// A sale: `wait` seconds for its outcome, none for a `202`.
    pub async fn sell(&self, key: Uuid, body: &Value, wait: u8) -> Answer {
        self.try_sell(key, body, wait).await.expect("the API answers")
    }

    /// A sale by a terminal that may find nobody there.
    pub async fn try_sell(&self, key: Uuid, body: &Value, wait: u8) -> reqwest::Result<Answer> {
        let (key, wait) = (key.to_string(), format!("wait={wait}"));
        let headers = [
            ("idempotency-key", key.as_str()),
            ("prefer", wait.as_str()),
            ("content-type", "application/json"),
        ];
        let request = self.http.post(format!("{}/v1/checkouts", self.api_url)).body(body.to_string());
        self.send(request, &headers).await
    }

    /// Follows a `Location` until the checkout is decided.
    pub async fn follow(&self, accepted: &Answer) -> Answer {
        let location = accepted.header("location").expect("a Location").to_owned();
        let decided = async {
            loop {
                let answer = self.get(&location, &[]).await;
                if answer.outcome() != "pending" {
                    return answer;
                }
                tokio::time::sleep(LOOK_AGAIN).await;
            }
        };
        tokio::time::timeout(PATIENCE, decided).await.expect("the checkout is decided")
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
        let answer = request.send().await?;
        let (status, headers) = (answer.status().as_u16(), answer.headers().clone());
        let body = answer.text().await?;
        let body = serde_json::from_str(&body).unwrap_or(Value::Null);
        Ok(Answer { status, headers, body })
    }
}

/// A sale of one meal at the coffee bar to the owner of a badge.
pub fn coffee(rfid: &str, qty: u8) -> Value {
    json!({ "rfid": rfid, "station": "coffee-bar-1", "items": [{ "code": "COFFEE", "qty": qty }] })
}
