//! A replay: reads the file, gives the tenant what it needs, sends every sale to its outcome, audits.

use crate::audit::{self, Audited};
use crate::plan::{Plan, PlanError};
use crate::prepare::{self, PrepareError};
use crate::run::{Run, RunError};
use crate::sales::{SalesError, SalesFile};
use crate::send::{self, Pace, SendError, Sent};
use crate::summary::Summary;
use crate::terminal::{Terminal, TerminalError};
use aws::config::{Clients, ConfigError};
use aws::failure::Failure;
use aws::retry::Policy;
use domain::id::{InvalidId, TenantId};
use indicatif::{ProgressBar, ProgressStyle};
use jiff::Timestamp;
use jiff::civil::Date;
use local::demo;
use local::endpoints::Endpoints;
use local::users::PoolIds;
use std::collections::BTreeSet;
use std::io;
use std::path::{Path, PathBuf};
use thiserror::Error;

/// Which sales, and against which system.
#[derive(Debug)]
pub struct Replay {
    clients: Clients,
    endpoints: Endpoints,
    plan: Plan,
    day: Option<Date>,
}

#[derive(Debug, Error)]
pub enum ReplayError {
    #[error("{path} cannot be read; is the system up?")]
    Endpoints { path: PathBuf, source: io::Error },
    #[error("the services cannot be reached")]
    Config(#[from] ConfigError),
    #[error("{path} is not a file of sales")]
    Sales { path: PathBuf, source: SalesError },
    #[error("there is no sale on {0}")]
    NoSale(Date),
    #[error("the run cannot be told apart from others")]
    Run(#[from] RunError),
    #[error("the sales cannot be planned")]
    Plan(#[from] PlanError),
    #[error("the tenant cannot be given what the file needs")]
    Prepare(#[from] PrepareError),
    #[error("the cashier cannot sign in")]
    SignIn(#[from] TerminalError),
    #[error("the replay stopped; run it again to go on")]
    Send(#[from] SendError),
    #[error("the endpoints name a tenant that is none")]
    Tenant(#[from] InvalidId),
    #[error("the audit stopped")]
    Audit(#[from] Failure),
}

impl Replay {
    /// A replay that goes on with the run over this file, or begins one.
    pub fn begin(
        endpoints: &Path,
        file: &Path,
        day: Option<Date>,
        now: Timestamp,
    ) -> Result<Self, ReplayError> {
        Self::with_run(endpoints, file, day, |dir, file| Run::begin(dir, file, now))
    }

    /// The last replay of this file, to audit it.
    pub fn last(endpoints: &Path, file: &Path, day: Option<Date>) -> Result<Self, ReplayError> {
        Self::with_run(endpoints, file, day, Run::last)
    }

    fn with_run(
        path: &Path,
        file: &Path,
        day: Option<Date>,
        run: impl FnOnce(&Path, [u8; 32]) -> Result<Run, RunError>,
    ) -> Result<Self, ReplayError> {
        let unreadable = |source| ReplayError::Endpoints { path: path.to_owned(), source };
        let endpoints = std::fs::read(path).map_err(unreadable)?;
        let endpoints: Endpoints =
            serde_json::from_slice(&endpoints).map_err(|error| unreadable(error.into()))?;
        let sales =
            SalesFile::open(file).map_err(|source| ReplayError::Sales { path: file.to_owned(), source })?;
        let dir = path.parent().filter(|dir| !dir.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let plan = Plan::new(&sales, &run(dir, sales.hash)?)?;
        match day {
            Some(day) if plan.of_day(Some(day)).is_empty() => return Err(ReplayError::NoSale(day)),
            _ => {}
        }
        let clients = endpoints.clients()?;
        Ok(Self { clients, endpoints, plan, day })
    }

    pub fn plan(&self) -> &Plan {
        &self.plan
    }

    /// Sends every sale to its outcome, and audits what is stored then.
    pub async fn run(&self, pace: Pace, now: Timestamp) -> Result<Summary, ReplayError> {
        let table = self.clients.table(Policy::WORKER);
        let cognito = aws_sdk_cognitoidentityprovider::Client::new(self.clients.sdk());
        let Endpoints { user_pool_id, client_id, .. } = &self.endpoints;
        let pool = PoolIds { pool_id: user_pool_id.clone(), client_id: client_id.clone() };
        prepare::prepare(&table, &cognito, &pool, self.plan.stall(), now).await?;

        let terminal = Terminal::sign_in(&self.endpoints, self.plan.cashier.as_str(), demo::PASSWORD).await?;
        let checkouts = self.plan.of_day(self.day);
        let progress = progress(checkouts.len());
        let sent = send::send(&terminal, &checkouts, pace, &progress).await?;
        progress.finish_and_clear();
        self.summary(Some(sent)).await
    }

    /// Audits what is stored of the run.
    pub async fn audit(&self) -> Result<Summary, ReplayError> {
        self.summary(None).await
    }

    async fn summary(&self, sent: Option<Sent>) -> Result<Summary, ReplayError> {
        let table = self.clients.table(Policy::WORKER);
        let others = self.other_tenants()?;
        let mut audited: Audited = audit::audit(&table, &self.plan, self.day, &others).await?;
        if let Some(sent) = &sent {
            audited.compare_told(&sent.tally);
        }
        Ok(Summary {
            sales: self.plan.of_day(self.day).len(),
            skipped: self.plan.skipped_on(self.day),
            sent,
            audited,
        })
    }

    /// Tenants of the demo in which nothing of the run may be.
    fn other_tenants(&self) -> Result<Vec<TenantId>, InvalidId> {
        let tenants: BTreeSet<_> = self.endpoints.users.iter().map(|user| &user.tenant_id).collect();
        let others = tenants.into_iter().filter(|tenant| *tenant != self.plan.tenant.as_str());
        others.map(|tenant| tenant.parse()).collect()
    }
}

/// A bar on standard error, if that is a terminal.
fn progress(sales: usize) -> ProgressBar {
    let style = ProgressStyle::with_template("{wide_bar} {pos}/{len} sales, {per_sec}, {eta} to go");
    let bar = ProgressBar::new(sales as u64);
    match style {
        Ok(style) => bar.with_style(style),
        Err(_) => bar,
    }
}
