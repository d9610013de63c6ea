//! The only reader of the environment, and the one SDK configuration that all clients share.

use crate::bus::{Bus, Names};
use crate::connections::Connections;
use crate::files::Files;
use crate::queue::Queues;
use crate::results::Results;
use crate::retry::Policy;
use crate::table::Table;
use crate::user_pool::UserPool;
use aws_credential_types::Credentials;
use aws_credential_types::provider::SharedCredentialsProvider;
use aws_sdk_s3::config::{RequestChecksumCalculation, ResponseChecksumValidation};
use aws_smithy_async::rt::sleep::TokioSleep;
use aws_smithy_http_client::tls::rustls_provider::CryptoMode;
use aws_smithy_http_client::tls::{Provider, TlsContext, TrustStore};
use aws_smithy_runtime_api::client::behavior_version::BehaviorVersion;
use aws_smithy_runtime_api::client::http::SharedHttpClient;
use aws_smithy_runtime_api::client::stalled_stream_protection::StalledStreamProtectionConfig;
use aws_smithy_types::retry::RetryConfig;
use aws_smithy_types::timeout::TimeoutConfig;
use aws_types::SdkConfig;
use aws_types::app_name::AppName;
use aws_types::region::Region;
use domain::webhook::Reach;
use std::fmt;
use std::time::Duration;
use thiserror::Error;

/// One attempt of one call; a retry may follow. Intake's three calls of three attempts each and its
/// longest wait stay within the 29 s that API Gateway gives them.
const ATTEMPT_TIMEOUT: Duration = Duration::from_secs(2);
/// The same for a file, until it begins to come: a list of bad rows takes a while to send.
const FILE_ATTEMPT_TIMEOUT: Duration = Duration::from_secs(10);
/// A first TLS handshake in a small function takes up to 900 ms.
const CONNECT_TIMEOUT: Duration = Duration::from_millis(1_500);

/// With a tenant id of 32 characters, the longest queue name stays within the 80 that SQS allows.
const MAX_STAGE_LEN: usize = 10;

/// Where the services are and who calls them.
#[derive(Debug, Clone)]
pub struct Cloud {
    pub region: String,
    pub credentials: Credentials,
    /// Set only where the services are not AWS's own.
    pub endpoint_url: Option<String>,
    pub dynamodb_endpoint_url: Option<String>,
    /// Who calls, as the services log it: the name of a function.
    pub app_name: Option<AppName>,
}

/// What every function needs.
#[derive(Debug, Clone)]
pub struct Config {
    pub cloud: Cloud,
    pub table_name: String,
    /// How topics and queues are called, and in which account.
    pub names: Names,
}

/// What intake needs besides.
#[derive(Debug, Clone)]
pub struct IntakeConfig {
    /// The Cognito app client whose tokens are admitted.
    pub client_id: String,
    /// Where whoever listens connects to.
    pub listen_url: String,
    pub session_key: SessionKey,
    pub ticket_key: TicketKey,
    pub password_key: PasswordKey,
    pub webhooks: WebhookConfig,
}

/// What whoever tells webhooks needs besides.
#[derive(Debug, Clone)]
pub struct WebhookConfig {
    pub key: WebhookKey,
    pub reach: Reach,
}

/// What whoever announces needs besides.
#[derive(Debug, Clone)]
pub struct AnnounceConfig {
    /// Where connections are posted to.
    pub connections_url: String,
}

/// What whoever hears listeners needs besides.
#[derive(Debug, Clone)]
pub struct ListenConfig {
    /// Where connections are posted to.
    pub connections_url: String,
    pub session_key: SessionKey,
}

/// What the worker that administers needs besides.
#[derive(Debug, Clone)]
pub struct AdministerConfig {
    pub user_pool_id: String,
    pub password_key: PasswordKey,
}

macro_rules! secret_key {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone)]
        pub struct $name([u8; 32]);

        impl $name {
            pub fn new(bytes: [u8; 32]) -> Self {
                Self(bytes)
            }

            pub fn as_bytes(&self) -> &[u8; 32] {
                &self.0
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(stringify!($name))
            }
        }
    };
}

secret_key!(
    /// The secret that makes tickets and cursors tamper-evident.
    TicketKey
);
secret_key!(
    /// The secret that makes tickets of listeners tamper-evident.
    SessionKey
);
secret_key!(
    /// The secret that webhooks' secrets are made from.
    WebhookKey
);
secret_key!(
    /// The secret that first passwords are made from.
    PasswordKey
);

#[derive(PartialEq, Eq, Error)]
#[error("environment variables missing or malformed: {}", names.join(", "))]
pub struct ConfigError {
    names: Vec<&'static str>,
}

/// What `main` prints of it is its `Debug`: words for whoever reads the log.
impl fmt::Debug for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Reads variables and remembers every one that is missing, so that one failed start names all.
pub struct Environment<'a> {
    variable: &'a dyn Fn(&str) -> Option<String>,
    missing: Vec<&'static str>,
}

impl fmt::Debug for Environment<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Environment").field("missing", &self.missing).finish_non_exhaustive()
    }
}

impl Environment<'_> {
    fn optional(&self, name: &str) -> Option<String> {
        (self.variable)(name).filter(|value| !value.is_empty())
    }

    fn required(&mut self, name: &'static str) -> String {
        self.parsed(name, Some)
    }

    fn parsed<T: Default>(&mut self, name: &'static str, parse: impl Fn(String) -> Option<T>) -> T {
        self.optional(name).and_then(parse).unwrap_or_else(|| {
            self.missing.push(name);
            T::default()
        })
    }

    fn key(&mut self, name: &'static str) -> [u8; 32] {
        self.parsed(name, |hex| parse_hex(&hex))
    }
}

/// What a function, or whoever operates it, is told by variables.
pub trait FromVariables: Sized {
    fn read(environment: &mut Environment<'_>) -> Self;
}

/// From the process's own environment.
pub fn from_environment<T: FromVariables>() -> Result<T, ConfigError> {
    from_variables(&process_variable)
}

/// From anything that knows variables by name.
pub fn from_variables<T: FromVariables>(variable: &dyn Fn(&str) -> Option<String>) -> Result<T, ConfigError> {
    let mut environment = Environment { variable, missing: vec![] };
    let read = T::read(&mut environment);
    if environment.missing.is_empty() { Ok(read) } else { Err(ConfigError { names: environment.missing }) }
}

#[expect(clippy::disallowed_methods, reason = "the one place that reads the environment")]
fn process_variable(name: &str) -> Option<String> {
    std::env::var(name).ok()
}

impl<A: FromVariables, B: FromVariables> FromVariables for (A, B) {
    fn read(environment: &mut Environment<'_>) -> Self {
        (A::read(environment), B::read(environment))
    }
}

impl FromVariables for Cloud {
    fn read(environment: &mut Environment<'_>) -> Self {
        let credentials = Credentials::new(
            environment.required("AWS_ACCESS_KEY_ID"),
            environment.required("AWS_SECRET_ACCESS_KEY"),
            environment.optional("AWS_SESSION_TOKEN"),
            None,
            "environment",
        );
        let app_name = environment.optional("AWS_LAMBDA_FUNCTION_NAME");
        Self {
            region: environment.required("AWS_REGION"),
            credentials,
            endpoint_url: environment.optional("AWS_ENDPOINT_URL"),
            dynamodb_endpoint_url: environment.optional("AWS_ENDPOINT_URL_DYNAMODB"),
            app_name: app_name.and_then(|name| AppName::new(name).ok()),
        }
    }
}

impl FromVariables for Config {
    fn read(environment: &mut Environment<'_>) -> Self {
        let cloud = Cloud::read(environment);
        let names = Names {
            region: cloud.region.clone(),
            account_id: environment.required("ACCOUNT_ID"),
            stage: environment.parsed("STAGE", |stage| is_stage(&stage).then_some(stage)),
        };
        Self { cloud, names, table_name: environment.required("TABLE_NAME") }
    }
}

impl FromVariables for IntakeConfig {
    fn read(environment: &mut Environment<'_>) -> Self {
        Self {
            client_id: environment.required("USER_POOL_CLIENT_ID"),
            listen_url: environment.required("LISTEN_URL"),
            session_key: SessionKey(environment.key("SESSION_KEY")),
            ticket_key: TicketKey(environment.key("TICKET_KEY")),
            password_key: PasswordKey(environment.key("PASSWORD_KEY")),
            webhooks: WebhookConfig::read(environment),
        }
    }
}

impl FromVariables for WebhookConfig {
    fn read(environment: &mut Environment<'_>) -> Self {
        let key = WebhookKey(environment.key("WEBHOOK_KEY"));
        let is_loopback = environment.optional("WEBHOOK_REACH").is_some_and(|reach| reach == "loopback");
        Self { key, reach: if is_loopback { Reach::Loopback } else { Reach::Public } }
    }
}

impl FromVariables for AnnounceConfig {
    fn read(environment: &mut Environment<'_>) -> Self {
        Self { connections_url: environment.required("CONNECTIONS_URL") }
    }
}

impl FromVariables for ListenConfig {
    fn read(environment: &mut Environment<'_>) -> Self {
        Self {
            connections_url: environment.required("CONNECTIONS_URL"),
            session_key: SessionKey(environment.key("SESSION_KEY")),
        }
    }
}

impl FromVariables for AdministerConfig {
    fn read(environment: &mut Environment<'_>) -> Self {
        Self {
            user_pool_id: environment.required("USER_POOL_ID"),
            password_key: PasswordKey(environment.key("PASSWORD_KEY")),
        }
    }
}

/// Without a dash, so that no two pairs of stage and tenant name the same queue.
fn is_stage(stage: &str) -> bool {
    (1..=MAX_STAGE_LEN).contains(&stage.len())
        && stage.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit())
}

fn parse_hex(hex: &str) -> Option<[u8; 32]> {
    let hash = domain::request::RequestHash::try_from(hex.to_owned()).ok()?;
    Some(*hash.as_bytes())
}

/// Makes every client of a process from one SDK configuration with one HTTP client. The SDK's own
/// retries are off because `retry` does them.
#[derive(Debug, Clone)]
pub struct Clients {
    sdk: SdkConfig,
    config: Config,
}

impl Clients {
    /// Clients over a pooled HTTP client with TLS.
    pub fn new(config: Config) -> Self {
        let client = aws_smithy_http_client::Builder::new().tls_provider(Provider::Rustls(CryptoMode::Ring));
        Self::over(config, client.tls_context(trusting_amazon()).build_https())
    }

    /// Clients over an HTTP client of the caller's.
    pub fn over(config: Config, http_client: SharedHttpClient) -> Self {
        let timeouts = TimeoutConfig::builder()
            .connect_timeout(CONNECT_TIMEOUT)
            .operation_attempt_timeout(ATTEMPT_TIMEOUT)
            .build();
        let mut sdk = SdkConfig::builder()
            .behavior_version(BehaviorVersion::latest())
            .region(Region::new(config.cloud.region.clone()))
            .credentials_provider(SharedCredentialsProvider::new(config.cloud.credentials.clone()))
            .http_client(http_client)
            .retry_config(RetryConfig::disabled())
            .sleep_impl(TokioSleep::new())
            .stalled_stream_protection(StalledStreamProtectionConfig::disabled())
            .timeout_config(timeouts);
        sdk.set_endpoint_url(config.cloud.endpoint_url.clone());
        sdk.set_app_name(config.cloud.app_name.clone());
        Self { sdk: sdk.build(), config }
    }

    pub fn config(&self) -> &Config {
        &self.config
    }

    /// What further SDK clients are made from.
    pub fn sdk(&self) -> &SdkConfig {
        &self.sdk
    }

    /// The table may live behind an endpoint of its own.
    pub fn dynamodb(&self) -> aws_sdk_dynamodb::Client {
        let mut builder = aws_sdk_dynamodb::config::Builder::from(&self.sdk);
        if let Some(url) = &self.config.cloud.dynamodb_endpoint_url {
            builder = builder.endpoint_url(url);
        }
        aws_sdk_dynamodb::Client::from_conf(builder.build())
    }

    pub fn sns(&self) -> aws_sdk_sns::Client {
        aws_sdk_sns::Client::new(&self.sdk)
    }

    pub fn sqs(&self) -> aws_sdk_sqs::Client {
        aws_sdk_sqs::Client::new(&self.sdk)
    }

    pub fn table(&self, policy: Policy) -> Table {
        Table::new(self.dynamodb(), self.config.table_name.clone(), policy)
    }

    pub fn bus(&self, policy: Policy) -> Bus {
        Bus::new(self.sns(), self.config.names.clone(), policy)
    }

    pub fn results(&self, policy: Policy) -> Results {
        Results::new(self.sns(), self.config.names.clone(), policy)
    }

    pub fn user_pool(&self, pool_id: String, policy: Policy) -> UserPool {
        UserPool::new(aws_sdk_cognitoidentityprovider::Client::new(&self.sdk), pool_id, policy)
    }

    /// The stage's files. One behind an endpoint of its own has no names below it.
    pub fn files(&self, policy: Policy) -> Files {
        Files::new(self.s3(), self.config.names.files(), policy)
    }

    pub fn s3(&self) -> aws_sdk_s3::Client {
        let timeouts = TimeoutConfig::builder()
            .connect_timeout(CONNECT_TIMEOUT)
            .operation_attempt_timeout(FILE_ATTEMPT_TIMEOUT)
            .build();
        let builder = aws_sdk_s3::config::Builder::from(&self.sdk)
            .timeout_config(timeouts)
            .force_path_style(self.config.cloud.endpoint_url.is_some())
            // What is presigned is put by anybody, without a checksum that only an SDK computes.
            .request_checksum_calculation(RequestChecksumCalculation::WhenRequired)
            .response_checksum_validation(ResponseChecksumValidation::WhenRequired);
        aws_sdk_s3::Client::from_conf(builder.build())
    }

    /// Connections of who listens, behind a URL of their own.
    pub fn connections(&self, url: &str, policy: Policy) -> Connections {
        let builder = aws_sdk_apigatewaymanagement::config::Builder::from(&self.sdk).endpoint_url(url);
        Connections::new(aws_sdk_apigatewaymanagement::Client::from_conf(builder.build()), policy)
    }

    pub fn queues(&self) -> Queues {
        Queues::new(self.sqs())
    }
}

/// Trusts the roots that AWS signs under and no other. Reading whatever certificates the system has would be
/// most of a function's start: 2 of 3.2 ms.
fn trusting_amazon() -> TlsContext {
    let roots = TrustStore::empty().with_pem_certificate(AMAZON_ROOTS);
    TlsContext::builder()
        .with_trust_store(roots)
        .build()
        .expect("nothing in a context of roots alone can fail")
}

/// Amazon Trust Services, as published at <https://www.amazontrust.com/repository/>; the first expires in
/// 2037.
const AMAZON_ROOTS: &[u8] = include_bytes!("amazon_roots.pem");

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failed_start_names_every_variable() {
        let malformed = |name: &str| match name {
            "TICKET_KEY" => Some("short".to_owned()),
            "STAGE" => Some("pre-prod".to_owned()),
            _ => None,
        };
        let error = from_variables::<(Config, IntakeConfig)>(&malformed).unwrap_err();
        let expected = [
            "AWS_ACCESS_KEY_ID",
            "AWS_SECRET_ACCESS_KEY",
            "AWS_REGION",
            "ACCOUNT_ID",
            "STAGE",
            "TABLE_NAME",
            "USER_POOL_CLIENT_ID",
            "LISTEN_URL",
            "SESSION_KEY",
            "TICKET_KEY",
            "PASSWORD_KEY",
            "WEBHOOK_KEY",
        ];
        assert_eq!(error.names, expected);
    }

    #[test]
    fn secrets_stay_out_of_debug_output() {
        assert_eq!(format!("{:?}", TicketKey([7; 32])), "TicketKey");
        assert_eq!(format!("{:?}", PasswordKey([7; 32])), "PasswordKey");
        assert_eq!(format!("{:?}", WebhookKey([7; 32])), "WebhookKey");
    }
}
