//! A terminal at a station: signs in, and sells each sale under a key that it keeps until it knows
//! the outcome. Whatever got no clear answer is sent again, unchanged.

use aws::failure::chain;
use aws::retry::Policy;
use domain::id::CheckoutId;
use http::{HeaderMap, StatusCode};
use local::endpoints::Endpoints;
use reqwest::{Client, RequestBuilder, Url};
use serde_json::{Value, json};
use std::time::Duration;
use thiserror::Error;
use tokio::sync::Mutex;

/// One attempt of one request; the longest wait that the API offers is 5 s.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(10);
/// One request in all: at least a minute and a half, in which a system that was killed is back.
const PERSISTENT: Policy = Policy {
    max_attempts: 100,
    first_pause: Duration::from_millis(50),
    longest_pause: Duration::from_secs(2),
};
/// Looks for one outcome: at least seven minutes. A checkout that nothing can come of any more reads
/// `failed` after six.
const LOOKS: Policy = Policy {
    max_attempts: 1_000,
    first_pause: Duration::from_millis(20),
    longest_pause: Duration::from_secs(1),
};

/// Where sales are sent to, below the API's URL.
pub const CHECKOUTS: &str = "/v1/checkouts";

#[derive(Debug)]
pub struct Terminal {
    http: Client,
    endpoints: Endpoints,
    username: String,
    password: String,
    token: Mutex<String>,
}

/// What the API answered.
#[derive(Debug, Clone)]
pub struct Answer {
    pub status: u16,
    pub headers: HeaderMap,
    pub body: Value,
}

#[derive(Debug, Error)]
pub enum TerminalError {
    #[error("no HTTP client could be made")]
    Http(#[source] reqwest::Error),
    #[error("after {} attempts: {last}", PERSISTENT.max_attempts)]
    GaveUp { last: String },
    #[error("refused with {status}: {body}")]
    Refused { status: u16, body: Value },
    #[error("accepted without a Location")]
    NoLocation,
    #[error("still undecided after {} looks", LOOKS.max_attempts)]
    Undecided,
}

impl Answer {
    /// Where the outcome of a sale will be, for a client that knows the API under this URL.
    pub fn location(&self, api_url: &str) -> Option<Url> {
        let sold_at = Url::parse(&format!("{api_url}{CHECKOUTS}")).ok()?;
        sold_at.join(self.header("location")?).ok()
    }

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

    /// The outcome of an earlier request.
    pub fn is_replayed(&self) -> bool {
        self.header("idempotent-replayed") == Some("true")
    }

    fn is_success(&self) -> bool {
        matches!(self.status, 200..=202)
    }

    /// The world's fault and not the request's: the same may succeed later.
    fn is_passing(&self) -> bool {
        matches!(self.status, 429 | 500 | 502 | 503 | 504)
    }
}

impl Terminal {
    pub async fn sign_in(
        endpoints: &Endpoints,
        username: &str,
        password: &str,
    ) -> Result<Self, TerminalError> {
        let terminal = Self {
            http: Client::builder().timeout(REQUEST_TIMEOUT).build().map_err(TerminalError::Http)?,
            endpoints: endpoints.clone(),
            username: username.to_owned(),
            password: password.to_owned(),
            token: Mutex::default(),
        };
        terminal.renew("").await?;
        Ok(terminal)
    }

    /// Sends a sale until it is accepted or its outcome is there.
    pub async fn sell(&self, key: CheckoutId, body: &Value) -> Result<Answer, TerminalError> {
        let (url, key, body) =
            (format!("{}{CHECKOUTS}", self.endpoints.api_url), key.to_string(), body.to_string());
        self.persist(|| {
            let request = self.http.post(&url).header("idempotency-key", &key);
            request.header("content-type", "application/json").body(body.clone())
        })
        .await
    }

    /// The same, and waits for the outcome as long as the API lets it.
    pub async fn sell_and_wait(&self, key: CheckoutId, body: &Value) -> Result<Answer, TerminalError> {
        let (url, key, body) =
            (format!("{}{CHECKOUTS}", self.endpoints.api_url), key.to_string(), body.to_string());
        self.persist(|| {
            let request = self.http.post(&url).header("idempotency-key", &key).header("prefer", "wait=5");
            request.header("content-type", "application/json").body(body.clone())
        })
        .await
    }

    /// A ticket for one connection.
    pub async fn listener_ticket(&self) -> Result<Answer, TerminalError> {
        let url = format!("{}/v1/listener-tickets", self.endpoints.api_url);
        self.persist(|| self.http.post(&url)).await
    }

    /// Follows the `Location` of an accepted sale until it is decided.
    pub async fn follow(&self, accepted: &Answer) -> Result<Answer, TerminalError> {
        let url = accepted.location(&self.endpoints.api_url).ok_or(TerminalError::NoLocation)?;
        let mut looks = LOOKS.pauses();
        while looks.pause().await {
            let answer = self.persist(|| self.http.get(url.clone())).await?;
            if answer.outcome() != "pending" {
                return Ok(answer);
            }
        }
        Err(TerminalError::Undecided)
    }

    /// Sends a request until it succeeds or is refused for what it is.
    async fn persist(&self, request: impl Fn() -> RequestBuilder) -> Result<Answer, TerminalError> {
        let mut pauses = PERSISTENT.pauses();
        loop {
            let token = self.token.lock().await.clone();
            let last = match answer(request().bearer_auth(&token)).await {
                Ok(answer) if answer.is_success() => return Ok(answer),
                Ok(answer) if answer.status == StatusCode::UNAUTHORIZED => {
                    self.renew(&token).await?;
                    "the token is not admitted".to_owned()
                }
                Ok(answer) if answer.is_passing() => format!("{} {}", answer.status, answer.problem()),
                Ok(Answer { status, body, .. }) => return Err(TerminalError::Refused { status, body }),
                Err(error) => chain(&error),
            };
            if !pauses.pause().await {
                return Err(TerminalError::GaveUp { last });
            }
        }
    }

    /// Signs in again, unless somebody has since `stale` was the token.
    async fn renew(&self, stale: &str) -> Result<(), TerminalError> {
        let mut token = self.token.lock().await;
        if *token != stale {
            return Ok(());
        }
        let mut pauses = PERSISTENT.pauses();
        loop {
            let last = match initiate_auth(&self.http, &self.endpoints, &self.username, &self.password).await
            {
                Ok(answer) if answer.is_passing() => answer.status.to_string(),
                Ok(answer) => {
                    *token = id_token(&answer)?;
                    return Ok(());
                }
                Err(error) => chain(&error),
            };
            if !pauses.pause().await {
                return Err(TerminalError::GaveUp { last });
            }
        }
    }
}

/// Asks Cognito once for tokens.
pub async fn initiate_auth(
    http: &Client,
    endpoints: &Endpoints,
    username: &str,
    password: &str,
) -> reqwest::Result<Answer> {
    let request = json!({
        "AuthFlow": "USER_PASSWORD_AUTH",
        "ClientId": endpoints.client_id,
        "AuthParameters": { "USERNAME": username, "PASSWORD": password },
    });
    cognito(http, endpoints, "InitiateAuth", &request).await
}

/// Asks Cognito once for something that whoever signs in may ask for.
pub async fn cognito(
    http: &Client,
    endpoints: &Endpoints,
    operation: &str,
    request: &Value,
) -> reqwest::Result<Answer> {
    let request = http
        .post(&endpoints.aws_endpoint_url)
        .header("content-type", "application/x-amz-json-1.1")
        .header("x-amz-target", format!("AWSCognitoIdentityProviderService.{operation}"))
        .body(request.to_string());
    answer(request).await
}

/// The id token of an answer of [`initiate_auth`].
pub fn id_token(answer: &Answer) -> Result<String, TerminalError> {
    let token = answer.body["AuthenticationResult"]["IdToken"].as_str();
    let refused = || TerminalError::Refused { status: answer.status, body: answer.body["message"].clone() };
    token.map(str::to_owned).ok_or_else(refused)
}

/// Sends a request once.
pub async fn answer(request: RequestBuilder) -> reqwest::Result<Answer> {
    let answer = request.send().await?;
    let (status, headers) = (answer.status().as_u16(), answer.headers().clone());
    let text = answer.text().await?;
    // What is no JSON is a text, as a table is, or nothing.
    let body = serde_json::from_str(&text).unwrap_or(if text.is_empty() { Value::Null } else { text.into() });
    Ok(Answer { status, headers, body })
}
