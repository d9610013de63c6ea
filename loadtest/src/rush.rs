//! `make rush`: lunch as an open loop. Sales begin when they are due, whatever became of those before; a slow
//! system is not given a slower lunch, and its latencies count from when each sale was due.
//!
//! Invariant: a figure is told only beside an audit of everything that was stored.

pub mod audit;
pub mod chart;
pub mod company;
pub mod drive;
pub mod floor;
pub mod report;
pub mod script;

use crate::prepare::PrepareError;
use crate::terminal::TerminalError;
use aws::config::{Clients, ConfigError};
use aws::failure::Failure;
use aws::retry::Policy;
use aws::table::Table;
use company::{Company, CompanyError};
use domain::command::Purpose;
use drive::Look;
use hdrhistogram::CreationError;
use indicatif::{ProgressBar, ProgressStyle};
use jiff::Timestamp;
use local::endpoints::Endpoints;
use local::users::PoolIds;
use report::Report;
use script::{Curve, Script, Shares};
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;
use thiserror::Error;

/// How long the queues may take to empty once everything was sent.
const DRAIN_MAX: Duration = Duration::from_mins(5);
/// Between two looks at the queues.
const LOOK_AGAIN: Duration = Duration::from_millis(250);

/// What is asked of a system, and for how long.
#[derive(Debug, Clone)]
pub struct Rush {
    /// Sales a second at the height of the curve, of all companies together.
    pub rate: u32,
    pub seconds: u32,
    /// Seconds before those that count, in which caches fill.
    pub warm_up: u32,
    pub curve: Curve,
    /// How much larger each company is than the next.
    pub skew: u32,
    pub employees: u32,
    pub shares: Shares,
    pub seed: u64,
}

impl Rush {
    /// One company that sells nothing by itself, for whoever sells one sale at a time.
    pub fn by_hand(employees: u32) -> Self {
        let shares = Shares { duplicates: 0, retries: 0, wrong_prices: 0, poor: 0, voids: 0 };
        Self { rate: 1, seconds: 1, warm_up: 0, curve: Curve::Flat, skew: 1, employees, shares, seed: 1 }
    }
}

#[derive(Debug, Error)]
pub enum RushError {
    #[error("a company cannot be given what it needs")]
    Company(#[from] CompanyError),
    #[error("a company's stall cannot be written")]
    Prepare(#[from] PrepareError),
    #[error("a cashier cannot sign in")]
    SignIn(#[from] TerminalError),
    #[error("latencies cannot be measured")]
    Histogram(#[from] CreationError),
    #[error("the table")]
    Table(#[from] Failure),
    #[error("the queues cannot be read")]
    Queues(#[from] Box<aws_sdk_sqs::Error>),
    #[error("the queues are not empty after {} s", DRAIN_MAX.as_secs())]
    Backlog,
    #[error("the system's counters cannot be read")]
    Counters(#[from] reqwest::Error),
}

/// A system under test.
#[derive(Debug)]
pub struct System {
    pub endpoints: Endpoints,
    pub clients: Clients,
    pub table: Table,
}

impl System {
    pub fn new(endpoints: Endpoints) -> Result<Self, ConfigError> {
        let clients = endpoints.clients()?;
        let table = clients.table(Policy::WORKER);
        Ok(Self { endpoints, clients, table })
    }

    pub fn tenants(&self) -> BTreeSet<&str> {
        self.endpoints.users.iter().map(|user| user.tenant_id.as_str()).collect()
    }

    /// Messages of the companies that wait, or are under way, for workers with this purpose.
    pub async fn backlog(&self, purpose: Purpose) -> Result<u64, RushError> {
        let (names, sqs) = (&self.clients.config().names, self.clients.sqs());
        let mut left = 0;
        for tenant in self.tenants() {
            let Ok(tenant) = tenant.parse() else { continue };
            let url = aws::queue::queue_url(&names.queue_arn(&names.queue(&tenant, purpose)));
            let asked = sqs.get_queue_attributes().set_queue_url(url).attribute_names("All".into());
            let answer = asked.send().await.map_err(|error| Box::new(error.into()))?;
            for name in ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"] {
                let depth = answer.attributes().and_then(|attributes| attributes.get(&name.into()));
                left += depth.and_then(|depth| depth.parse::<u64>().ok()).unwrap_or_default();
            }
        }
        Ok(left)
    }

    /// What the system itself counted so far; nothing where it does not count.
    pub async fn counters(&self) -> Result<Option<report::Counters>, RushError> {
        let answer = reqwest::get(format!("{}/@usage", self.endpoints.aws_endpoint_url)).await?;
        if !answer.status().is_success() {
            return Ok(None);
        }
        Ok(Some(answer.json().await?))
    }

    async fn look(&self) -> Result<Look, RushError> {
        let backlog = self.backlog(Purpose::Checkouts).await?;
        // Asked again in the end, and told then.
        Ok(Look { backlog, counters: self.counters().await.unwrap_or_default() })
    }

    async fn drain(&self) -> Result<(), RushError> {
        let deadline = tokio::time::Instant::now() + DRAIN_MAX;
        for purpose in [Purpose::Checkouts, Purpose::Results] {
            while self.backlog(purpose).await? > 0 {
                if tokio::time::Instant::now() > deadline {
                    return Err(RushError::Backlog);
                }
                tokio::time::sleep(LOOK_AGAIN).await;
            }
        }
        Ok(())
    }
}

/// Founds the companies' stalls, sells, waits until everything has its end, and audits it.
pub async fn run(system: &Arc<System>, rush: &Rush, now: Timestamp) -> Result<Report, RushError> {
    let cognito = aws_sdk_cognitoidentityprovider::Client::new(system.clients.sdk());
    let Endpoints { user_pool_id, client_id, .. } = &system.endpoints;
    let pool = PoolIds { pool_id: user_pool_id.clone(), client_id: client_id.clone() };
    let mut companies = Vec::new();
    for (index, tenant) in system.tenants().into_iter().enumerate() {
        let company = Company::new(tenant, index, rush, now)?;
        company.open(&system.table, &cognito, &pool, now).await?;
        companies.push(company);
    }
    let script = Script::new(rush, &companies);
    let progress = progress(script.len());
    let before = system.counters().await?;
    let driven = drive::drive(system, &companies, &script, &progress).await?;
    progress.set_message("waiting for the queues");
    system.drain().await?;
    let after = system.counters().await?;
    progress.set_message("auditing");
    let audited = audit::audit(&system.table, &companies, &script, &driven).await?;
    progress.finish_and_clear();
    Ok(Report::new(rush, &script, &driven, &audited, before.zip(after)))
}

/// A bar on standard error, if that is a terminal.
fn progress(sales: usize) -> ProgressBar {
    let style = ProgressStyle::with_template("{wide_bar} {pos}/{len} sales, {per_sec}, {msg}");
    let bar = ProgressBar::new(sales as u64);
    match style {
        Ok(style) => bar.with_style(style),
        Err(_) => bar,
    }
}
