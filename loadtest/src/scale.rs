//! Whether a checkout costs more where there is more: companies, employees, messages that wait. Intake and
//! worker run in this process, one sale after the other, against the services of a system that has no workers
//! of its own.

use crate::prepare::{self, PrepareError, Stall};
use crate::rush::chart::{self, Across, Chart, Line};
use crate::rush::company::{self, Company, CompanyError};
use crate::rush::drive::since_us;
use crate::rush::report::{Latencies, Percentiles};
use crate::rush::{Rush, System};
use aws::clock::Clock;
use aws::config::{IntakeConfig, PasswordKey, SessionKey, TicketKey, WebhookConfig, WebhookKey};
use aws::failure::Failure;
use aws::items::{self, Item};
use aws::telemetry::Metrics;
use axum::Router;
use axum::body::Body;
use axum::http::{HeaderValue, Request, StatusCode};
use domain::command::{Kind, Purpose};
use domain::id::{InvalidId, TenantId, UserName};
use domain::role::{Role, User};
use domain::tenant::Tenant;
use domain::webhook::Reach;
use futures_util::{StreamExt, TryStreamExt, stream};
use indicatif::ProgressBar;
use intake::{App, routes};
use jiff::Timestamp;
use lambda_http::aws_lambda_events::apigw::ApiGatewayProxyRequestContext;
use lambda_http::request::RequestContext;
use local::demo::{self, DemoError};
use local::provision::{Messaging, ProvisionError};
use local::pump::Source;
use local::seed::{self, SeedError};
use serde::Serialize;
use serde_json::json;
use std::fmt;
use std::sync::Arc;
use thiserror::Error;
use tokio::time::Instant;
use tower::ServiceExt;
use uuid::Uuid;
use workers::post_checkouts::PostCheckoutsWorker;

/// Sales that each figure is made from.
const SALES: usize = 1_000;
/// As many as a worker is handed at once.
const BATCH: usize = 10;
/// Buyers of one company that buy; all others are only there.
const BUYERS: u32 = 200;
/// Calls under way at the same time while something is furnished.
const WRITERS: usize = 16;
const CLIENT_ID: &str = "scale";

#[derive(Debug, Error)]
pub enum ScaleError {
    #[error("the demo is not valid")]
    Demo(#[from] DemoError),
    #[error("an id that was made is not valid")]
    Id(#[from] InvalidId),
    #[error("a company cannot be made")]
    Company(#[from] CompanyError),
    #[error("a company cannot be written")]
    Prepare(#[from] PrepareError),
    #[error("an employee cannot be written")]
    Seed(#[from] SeedError),
    #[error("topics and queues cannot be made")]
    Provision(#[from] ProvisionError),
    #[error("the table")]
    Table(#[from] Failure),
    #[error("the queues cannot be worked off")]
    Queues(#[from] Box<aws_sdk_sqs::Error>),
    #[error("a batch had {0} messages instead of {BATCH}: does somebody else work here?")]
    Short(usize),
    #[error("a sale was answered with {0}")]
    Refused(StatusCode),
}

/// How large to try: from one company, and a thousand employees or messages, times ten as far as these.
#[derive(Debug, Clone, Copy)]
pub struct Sizes {
    pub tenants: u64,
    pub employees: u64,
    pub backlog: u64,
}

/// What a checkout took where there were so many.
#[derive(Debug, Clone, Copy, Serialize)]
pub struct Point {
    pub of: u64,
    pub intake_p50_us: u64,
    pub intake_p99_us: u64,
    /// A batch's, for each checkout in it.
    pub worker_p50_us: u64,
    pub worker_p99_us: u64,
    /// Of intake and worker, in hundredths.
    pub calls_centi: u64,
    pub read_units_centi: u64,
    pub write_units_centi: u64,
}

#[derive(Debug, Serialize)]
pub struct Scale {
    pub tenants: Vec<Point>,
    pub employees: Vec<Point>,
    pub backlog: Vec<Point>,
}

/// Intake and worker, in this process.
struct Shop<'a> {
    system: &'a System,
    app: App,
    router: Router,
    worker: Arc<PostCheckoutsWorker>,
    demo: Tenant,
    rush: Rush,
    now: Timestamp,
}

/// Grows each in turn.
pub async fn measure(
    system: &System,
    sizes: Sizes,
    now: Timestamp,
    progress: &ProgressBar,
) -> Result<Scale, ScaleError> {
    let shop = Shop::new(system, now)?;
    Ok(Scale {
        tenants: shop.tenants(sizes.tenants, progress).await?,
        employees: shop.employees(sizes.employees, progress).await?,
        backlog: shop.backlog(sizes.backlog, progress).await?,
    })
}

/// Times ten, as far as `most`.
fn steps(first: u64, most: u64) -> Vec<u64> {
    std::iter::successors(Some(first), |step| step.checked_mul(10)).take_while(|step| *step <= most).collect()
}

impl<'a> Shop<'a> {
    fn new(system: &'a System, now: Timestamp) -> Result<Self, ScaleError> {
        let clock = Clock::system();
        let metrics = Metrics::to(clock.clone(), &system.clients.config().names.stage, |_| {});
        let config = IntakeConfig {
            client_id: CLIENT_ID.to_owned(),
            listen_url: String::new(),
            session_key: SessionKey::new([1; 32]),
            ticket_key: TicketKey::new([2; 32]),
            password_key: PasswordKey::new([3; 32]),
            webhooks: WebhookConfig { key: WebhookKey::new([4; 32]), reach: Reach::Public },
        };
        let app = App::new(&system.clients, config, clock.clone(), metrics.clone());
        let mut demos = demo::tenants()?;
        Ok(Self {
            system,
            router: routes::router(app.clone()),
            app,
            worker: Arc::new(PostCheckoutsWorker::new(&system.clients, clock, metrics)),
            demo: demos.remove(0).tenant,
            rush: Rush::by_hand(BUYERS),
            now,
        })
    }

    async fn tenants(&self, most: u64, progress: &ProgressBar) -> Result<Vec<Point>, ScaleError> {
        let (mut companies, mut points) = (vec![], vec![]);
        for count in steps(1, most) {
            progress.set_message(format!("{count} companies"));
            let new: Vec<_> =
                (companies.len() as u64..count).map(|number| format!("scale-{number}")).collect();
            let founded = stream::iter(new.iter().map(|id| self.found(id))).buffered(WRITERS);
            companies.extend(founded.try_collect::<Vec<_>>().await?);
            points.push(self.sell(count, &companies).await?);
        }
        Ok(points)
    }

    async fn employees(&self, most: u64, progress: &ProgressBar) -> Result<Vec<Point>, ScaleError> {
        let company = self.found("scale-employees").await?;
        let (mut hired, mut points) = (0, vec![]);
        let by: UserName = CLIENT_ID.parse()?;
        for count in steps(1_000, most) {
            progress.set_message(format!("{count} employees"));
            let hire = |number: u64| {
                let employee = company::buyer("scale", usize::try_from(number).unwrap_or(usize::MAX))?;
                Ok::<Vec<Item>, ScaleError>(seed::buyer(&company.tenant, &employee, &by, self.now)?)
            };
            // Some 25 items a call: six employees.
            let six = (hired..count).step_by(6).map(|first| {
                let items = (first..count.min(first + 6)).map(hire).collect::<Result<Vec<_>, _>>();
                async move { Ok::<_, ScaleError>(self.system.table.put_unnamed(&items?.concat()).await?) }
            });
            stream::iter(six).buffer_unordered(WRITERS).try_collect::<()>().await?;
            hired = count;
            points.push(self.sell(count, std::slice::from_ref(&company)).await?);
        }
        Ok(points)
    }

    /// Messages of others wait behind which a sale would stand in line; here they are taken ten at a time,
    /// and it is what that takes which counts.
    async fn backlog(&self, most: u64, progress: &ProgressBar) -> Result<Vec<Point>, ScaleError> {
        let company = self.found("scale-backlog").await?;
        let mut points = vec![self.sell(0, std::slice::from_ref(&company)).await?];
        let mut waiting = 0;
        for count in steps(1_000, most) {
            progress.set_message(format!("{count} messages wait"));
            let sales =
                (waiting..count).map(|number| self.enter(&company, usize::try_from(number).unwrap_or(0)));
            stream::iter(sales).buffer_unordered(WRITERS).try_for_each(|_| async { Ok(()) }).await?;
            // As many come as are worked off.
            points.push(self.sell(count, std::slice::from_ref(&company)).await?);
            waiting = count;
        }
        Ok(points)
    }

    /// A company with a stall, a cashier and a few buyers, and queues of its own.
    async fn found(&self, id: &str) -> Result<Company, ScaleError> {
        let mut tenant = Tenant { id: id.parse()?, ..self.demo.clone() };
        tenant.reached.extend(Kind::ALL);
        let names = self.system.clients.config().names.clone();
        let messaging = Messaging { sns: self.system.clients.sns(), sqs: self.system.clients.sqs(), names };
        messaging.tenant(&tenant.id).await?;
        let company = Company::new(id, 0, &self.rush, self.now)?;
        let mut all = prepare::stall(Stall {
            tenant: &company.tenant,
            concessionaire: &company.concessionaire,
            stations: &company.stations,
            cashier: &company.cashier,
            meals: &company.menu.base,
            buyers: &company.buyers,
        })?;
        let role = Role::Cashier { concessionaire_id: company.concessionaire.clone() };
        let cashier = User::active(company.cashier.clone(), role);
        all.extend([items::tenant(&tenant)?, items::user(&tenant.id, &cashier)?]);
        for buyer in &company.buyers {
            all.extend(seed::buyer(&tenant.id, buyer, &company.cashier, self.now)?);
        }
        self.system.table.put_unnamed(&all).await?;
        Ok(company)
    }

    /// One sale through intake; what it took, in microseconds.
    async fn enter(&self, company: &Company, number: usize) -> Result<u64, ScaleError> {
        let buyer = 1 + number % (company.buyers.len() - 1);
        let buyer = if Company::is_poor(buyer) { buyer + 1 } else { buyer };
        let body = company.request(buyer, 0, &company.two_meals(number % 7));
        let mut request = Request::new(Body::from(body));
        *request.method_mut() = axum::http::Method::POST;
        *request.uri_mut() = axum::http::Uri::from_static(crate::terminal::CHECKOUTS);
        let key = HeaderValue::try_from(Uuid::now_v7().to_string());
        if let Ok(key) = key {
            request.headers_mut().insert("idempotency-key", key);
        }
        request.headers_mut().insert("content-type", HeaderValue::from_static("application/json"));
        request.extensions_mut().insert(context(&company.tenant, &company.cashier));
        let began = Instant::now();
        let answered = self.router.clone().oneshot(request).await.unwrap_or_else(|never| match never {});
        let took_us = since_us(began);
        if answered.status() == StatusCode::ACCEPTED {
            Ok(took_us)
        } else {
            Err(ScaleError::Refused(answered.status()))
        }
    }

    /// Sells ten at a time to each company in turn, or to a hundred of them, and works off as much.
    async fn sell(&self, of: u64, companies: &[Company]) -> Result<Point, ScaleError> {
        let batches = SALES / BATCH;
        let chosen: Vec<_> =
            companies.iter().step_by((companies.len() / batches).max(1)).take(batches).collect();
        for company in &chosen {
            self.sell_batch(company, 0).await?;
        }
        self.app.table().usage().take();
        self.worker.table().usage().take();
        let (mut intake, mut worker) = (Vec::new(), Vec::new());
        for (batch, company) in chosen.iter().cycle().take(batches).enumerate() {
            let (entered, worked) = self.sell_batch(company, batch * BATCH).await?;
            intake.extend(entered);
            worker.push(worked);
        }
        let (read, worked) = (self.app.table().usage().take(), self.worker.table().usage().take());
        let calls: u64 = [&read, &worked].iter().flat_map(|spent| spent.calls.values()).sum();
        let per_sale = |all: u64, times: u64| all * times / SALES as u64;
        let (intake, worker) = (Latencies::of(intake), Latencies::of(worker));
        let Percentiles { p50_us: intake_p50_us, p99_us: intake_p99_us, .. } = intake;
        let Percentiles { p50_us: worker_p50_us, p99_us: worker_p99_us, .. } = worker;
        Ok(Point {
            of,
            intake_p50_us,
            intake_p99_us,
            worker_p50_us,
            worker_p99_us,
            calls_centi: per_sale(calls, 100),
            read_units_centi: per_sale(read.read_decis + worked.read_decis, 10),
            write_units_centi: per_sale(read.write_decis + worked.write_decis, 10),
        })
    }

    /// What each sale took in intake, and one in the worker, receiving and deleting included.
    async fn sell_batch(&self, company: &Company, first: usize) -> Result<(Vec<u64>, u64), ScaleError> {
        let mut entered = Vec::new();
        for number in first..first + BATCH {
            entered.push(self.enter(company, number).await?);
        }
        let source = Source::new(&self.system.clients, &company.tenant, Purpose::Checkouts);
        let began = Instant::now();
        let count = source.turn(&self.worker, 0).await.map_err(Box::new)?;
        if count != BATCH {
            return Err(ScaleError::Short(count));
        }
        Ok((entered, since_us(began) / BATCH as u64))
    }
}

/// What the gateway hands on.
fn context(tenant: &TenantId, cashier: &UserName) -> RequestContext {
    let claims = json!({
        "aud": CLIENT_ID,
        "token_use": "id",
        "auth_time": "1795550400",
        "custom:tenant_id": tenant.as_str(),
        "cognito:username": cashier.as_str(),
    });
    let mut context = ApiGatewayProxyRequestContext::default();
    context.authorizer.fields.insert("claims".to_owned(), claims);
    RequestContext::ApiGatewayV1(context)
}

impl Scale {
    fn parts(&self) -> [(&'static str, &'static str, &[Point]); 3] {
        [
            ("companies", "By companies", &self.tenants),
            ("employees", "By employees of the company", &self.employees),
            ("messages", "By messages that wait", &self.backlog),
        ]
    }

    /// A page that stands on its own.
    pub fn html(&self) -> String {
        let charts = self.parts().map(|(_, title, points)| {
            let line = |name: &'static str, of: fn(&Point) -> u64| Line {
                name,
                values: points.iter().map(of).collect(),
            };
            let lines = vec![
                line("intake p50", |point| point.intake_p50_us),
                line("intake p99", |point| point.intake_p99_us),
                line("worker p50", |point| point.worker_p50_us),
                line("worker p99", |point| point.worker_p99_us),
            ];
            let across = Across::Named(points.iter().map(|point| point.of.to_string()).collect());
            Chart { title, unit: "us", across, lines }
        });
        chart::page("What a checkout takes, by how much there is", &self.to_string(), &charts)
    }
}

impl fmt::Display for Scale {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "of a checkout      intake p50/p99 us   worker p50/p99 us   calls   read units   write units"
        )?;
        for (name, _, points) in self.parts() {
            for point in points {
                let centi = |value: u64| format!("{}.{:02}", value / 100, value % 100);
                writeln!(
                    f,
                    "{:>8} {name:<10}{:>9}/{:<9}{:>10}/{:<9}{:>6}{:>13}{:>14}",
                    point.of,
                    point.intake_p50_us,
                    point.intake_p99_us,
                    point.worker_p50_us,
                    point.worker_p99_us,
                    centi(point.calls_centi),
                    centi(point.read_units_centi),
                    centi(point.write_units_centi),
                )?;
            }
        }
        Ok(())
    }
}
