//! `make run`: the whole system in one process, until it is interrupted.

use aws::clock::Clock;
use aws::failure::chain;
use aws::telemetry::Metrics;
use local::cloud::durable;
use local::endpoints::Endpoints;
use local::system::{Options, System};
use std::fs::File;
use std::io::Write;
use std::path::Path;
use std::process::ExitCode;
use std::sync::Mutex;
use tracing_subscriber::EnvFilter;

const DIR: &str = ".local";
const API_PORT: u16 = 8080;
const AWS_PORT: u16 = 4566;
const DYNAMODB_PORT: u16 = 4567;

#[tokio::main]
async fn main() -> ExitCode {
    match start(Path::new(DIR)).await {
        Ok(system) => {
            say(&welcome(&system.endpoints));
            tokio::select! {
                () = system.run() => ExitCode::FAILURE,
                _ = tokio::signal::ctrl_c() => ExitCode::SUCCESS,
            }
        }
        Err(error) => {
            say(&format!("cannot start: {}", chain(error.as_ref())));
            ExitCode::FAILURE
        }
    }
}

async fn start(dir: &Path) -> Result<System, Box<dyn std::error::Error>> {
    std::fs::create_dir_all(dir)?;
    let clock = Clock::system();
    let log = File::create(dir.join("log.jsonl"))?;
    let metrics = Metrics::to(clock.clone(), lines_to(log.try_clone()?));
    tracing_subscriber::fmt()
        .json()
        .flatten_event(true)
        .with_env_filter(EnvFilter::new("info,awsim_core=warn,awsim_cognito=warn,awsim_s3=warn"))
        .with_writer(Mutex::new(log))
        .init();
    let options = Options {
        dir: dir.to_owned(),
        api_port: API_PORT,
        aws_port: AWS_PORT,
        dynamodb_port: DYNAMODB_PORT,
        metrics,
        clock,
    };
    let system = System::start(options).await?;
    let endpoints = serde_json::to_vec_pretty(&system.endpoints)?;
    durable::replace(&dir.join("endpoints.json"), &endpoints)?;
    Ok(system)
}

fn lines_to(file: File) -> impl Fn(&str) + Send + Sync {
    move |line| {
        if let Err(error) = (&file).write_all(format!("{line}\n").as_bytes()) {
            tracing::warn!(%error, "a metric line was not written");
        }
    }
}

fn welcome(endpoints: &Endpoints) -> String {
    let Endpoints { api_url, aws_endpoint_url, client_id, .. } = endpoints;
    format!(
        r#"
Internal POS is up.   API {api_url}/v1   docs {api_url}/docs   AWS {aws_endpoint_url}
Everything is kept in {DIR}/ (log.jsonl, endpoints.json); interrupt or kill it whenever you like.

Sell a coffee, in another terminal:

  TOKEN=$(curl -s {aws_endpoint_url} -H 'Content-Type: application/x-amz-json-1.1' \
    -H 'X-Amz-Target: AWSCognitoIdentityProviderService.InitiateAuth' \
    -d '{{"AuthFlow":"USER_PASSWORD_AUTH","ClientId":"{client_id}","AuthParameters":{{"USERNAME":"acme-cashier","PASSWORD":"{password}"}}}}' \
    | sed 's/.*"IdToken":"\([^"]*\)".*/\1/')

  curl -s {api_url}/v1/checkouts -H "Authorization: Bearer $TOKEN" -H 'Content-Type: application/json' \
    -H "Idempotency-Key: $(printf '%012x' $(date +%s%3N) | sed 's/^\(.\{{8\}}\)/\1-/')-7$(od -An -N1 -tx1 /dev/urandom | tr -d ' \n')0-8000-$(od -An -N6 -tx1 /dev/urandom | tr -d ' \n')" \
    -H 'Prefer: wait=5' -d '{{"rfid":"RF100001","station":"coffee-bar-1","items":[{{"code":"COFFEE","qty":1}}]}}'
"#,
        password = local::demo::PASSWORD,
    )
}

#[expect(clippy::print_stdout, reason = "this is what the terminal is for")]
fn say(text: &str) {
    println!("{text}");
}
