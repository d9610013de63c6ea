//! The whole system in one process: the same handlers over the same SDK calls as on AWS, against
//! AWS-compatible services. These listen on loopback ports; the system itself reaches them without.
//!
//! Invariant: whatever was answered before a `kill -9` is there after the next start.

use crate::cloud::{self, ACCOUNT_ID, Cloud, CloudError, durable};
use crate::endpoints::{self, Endpoints};
use crate::fifo::engine::Engine;
use crate::fifo::store::StoreError;
use crate::fifo::{self, Realm};
use crate::gateway::{self, Authorizer, KeysError, Pool};
use crate::inside::{self, Services};
use crate::provision::{self, Messaging, ProvisionError};
use crate::pump::{self, Source};
use crate::seed::{self, SeedError};
use crate::serve::serve;
use crate::sockets::{self, Sockets};
use crate::table::{TableError, TableServer};
use crate::usage::UsageOfTables;
use crate::users::{self, PoolIds, UsersError};
use crate::{demo, docs, drops};
use aws::bus::{Names, NotPublished};
use aws::clock::Clock;
use aws::config::{
    AdministerConfig, Clients, Config, IntakeConfig, ListenConfig, PasswordKey, SessionKey, TicketKey,
    WebhookConfig, WebhookKey,
};
use aws::failure::chain;
use aws::retry::Policy;
use aws::telemetry::Metrics;
use aws_credential_types::Credentials;
use domain::command::{Command, Kind, OpenCutoff, OpenReconciliation, Probe, Purpose};
use domain::webhook::{LANES, MAX_WEBHOOKS, Reach};
use intake::App;
use intake::routes::{self, PUBLIC_PATHS};
use std::fs::DirBuilder;
use std::io;
use std::net::Ipv4Addr;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tower::limit::GlobalConcurrencyLimitLayer;
use workers::administer::AdministerWorker;
use workers::announce::AnnounceWorker;
use workers::deliver::DeliverWorker;
use workers::import_files::ImportWorker;
use workers::listen::Listen;
use workers::post_checkouts::PostCheckoutsWorker;
use workers::reconcile::ReconcileWorker;
use workers::replenish::ReplenishWorker;

const REGION: &str = "eu-west-1";
/// The stage that everything here is named after.
pub const STAGE: &str = "local";
const TABLE_NAME: &str = "pos-local";
const POOL_NAME: &str = "pos-local";
/// Deliveries of one company under way at the same time, so that no webhook waits for another.
const DELIVERIES_AT_ONCE: usize = MAX_WEBHOOKS * LANES as usize;
/// Requests that intake works on at the same time, unless somebody says otherwise: fewer, and twice as many,
/// settle less.
pub const INTAKE_CONCURRENCY: usize = 32;

/// Where a system keeps its data and listens. Port 0 is any free one.
#[derive(Debug, Clone)]
pub struct Options {
    pub dir: PathBuf,
    pub api_port: u16,
    pub aws_port: u16,
    pub dynamodb_port: u16,
    /// Where functions reach the services: inside, or through what stands before their ports. What AWS does
    /// itself, as receiving messages for them, is never sent.
    pub through: Through,
    /// Batches of one queue that are worked on at the same time; 0 leaves them all waiting.
    pub max_concurrency: usize,
    /// Requests that intake works on at the same time, as so many functions would; others wait for their
    /// turn. Without a limit, a rush that is too much takes the processor from the workers, and what waits is
    /// never caught up with.
    pub intake_concurrency: usize,
    /// Between two looks whether a cutoff or a reconciliation is due; nobody looks without.
    pub tick: Option<Duration>,
    pub metrics: Metrics,
    pub clock: Clock,
    /// The time by which cutoffs are due.
    pub cutoff_clock: Clock,
    /// Where webhooks' receivers may be.
    pub webhook_reach: Reach,
}

/// A way to the services.
#[derive(Debug, Clone)]
pub enum Through {
    /// None but the process: nothing is sent.
    Inside,
    /// Proxies in front of the two ports.
    Proxies { aws_endpoint_url: String, dynamodb_endpoint_url: String },
}

#[derive(Debug, thiserror::Error)]
pub enum StartError {
    #[error("port {port} is taken; is another one running?")]
    Port { port: u16, source: io::Error },
    #[error("{path} cannot be used")]
    Directory { path: PathBuf, source: io::Error },
    #[error("the table did not start")]
    Table(#[from] TableError),
    #[error("users and files did not start")]
    Cloud(#[from] CloudError),
    #[error("topics and queues did not start")]
    Fifo(#[from] StoreError),
    #[error("the demo is not valid")]
    Demo(#[from] demo::DemoError),
    #[error("the user pool could not be made")]
    Users(#[from] UsersError),
    #[error("the pool's keys could not be read")]
    Keys(#[from] KeysError),
    #[error("table, topics or queues could not be made")]
    Provision(#[from] ProvisionError),
    #[error("the demo could not be written")]
    Seed(#[from] SeedError),
    #[error("the queues could not be probed")]
    Probe(#[from] NotPublished),
}

/// A running system; dropping it stops it.
#[derive(Debug)]
pub struct System {
    pub endpoints: Endpoints,
    pub clients: Clients,
    pub app: App,
    pub workers: Workers,
    tasks: JoinSet<()>,
    _services: Arc<Services>,
    _cloud: Cloud,
    _table: TableServer,
}

impl System {
    /// Starts everything and seeds the demo if the directory is new; returns once it takes requests.
    pub async fn start(options: Options) -> Result<Self, StartError> {
        let dir = &options.dir;
        let made = DirBuilder::new().recursive(true).mode(0o700).create(dir);
        made.map_err(|source| StartError::Directory { path: dir.clone(), source })?;
        let mut tasks = JoinSet::new();

        let (api, api_url) = listen(options.api_port).await?;
        let (aws, aws_endpoint_url) = listen(options.aws_port).await?;
        let cloud = Cloud::open(&dir.join("cloud"), REGION)?;
        let table = table_server(dir, options.dynamodb_port).await?;
        let engine = engine(&dir.join("fifo.sqlite"), &options.clock)?;
        let sockets = Sockets::default();
        let usage = UsageOfTables::default();
        let others = usage.router(sockets.management(cloud.router()));
        let others = fifo::http::router(engine, others);
        serve(&mut tasks, aws, others.clone());
        let services = Arc::new(Services { table: table.router(), table_threads: table.threads(), others });

        let config = config(&aws_endpoint_url, &table.endpoint_url());
        let clients = Clients::over(config, inside::client(&services));
        let functions = match &options.through {
            Through::Inside => clients.clone(),
            Through::Proxies { aws_endpoint_url, dynamodb_endpoint_url } => {
                self::clients(aws_endpoint_url, dynamodb_endpoint_url)
            }
        };
        provision::bucket(&clients.s3(), REGION, &clients.config().names.files()).await?;
        let pool = furnish(&clients, &options.clock).await?;
        let password_key = PasswordKey::new(secret_key(&dir.join("password.key"))?);
        let session_key = SessionKey::new(secret_key(&dir.join("session.key"))?);
        let connections_url = functions.config().cloud.endpoint_url.clone().unwrap_or_default();
        let listen = ListenConfig { connections_url, session_key: session_key.clone() };
        let webhooks = WebhookConfig {
            key: WebhookKey::new(secret_key(&dir.join("webhook.key"))?),
            reach: options.webhook_reach,
        };
        let config = IntakeConfig {
            client_id: pool.client_id.clone(),
            listen_url: format!("{}{}", api_url.replacen("http", "ws", 1), sockets::PATH),
            session_key,
            ticket_key: TicketKey::new(secret_key(&dir.join("ticket.key"))?),
            password_key: password_key.clone(),
            webhooks: webhooks.clone(),
        };
        let app = App::new(&functions, config, options.clock.clone(), options.metrics.clone());
        let intake_limit = GlobalConcurrencyLimitLayer::new(options.intake_concurrency);
        let router = routes::router(app.clone()).layer(intake_limit).merge(docs::router());
        let authorizer = Authorizer::new(Pool::new(&pool), cloud.router()).await?;
        let docs_below = format!("{}/", docs::PATH);
        let public: Vec<_> = PUBLIC_PATHS.into_iter().chain([docs::PATH, docs_below.as_str()]).collect();
        let listener = Arc::new(Listen::new(&functions, &listen, options.clock.clone()));
        let api_router = gateway::guard(router, authorizer, &public).merge(sockets.router(listener));
        serve(&mut tasks, api, api_router);

        let administer = AdministerConfig { user_pool_id: pool.pool_id.clone(), password_key };
        let workers = Workers::new(&functions, administer, &listen, webhooks, &options);
        usage.count(&app, &workers);
        workers.pump(&mut tasks, &clients, options.max_concurrency)?;
        probe(&clients).await?;
        drops::start(&mut tasks, &clients, cloud.events());
        if let Some(pause) = options.tick {
            tick(&mut tasks, &clients, pause)?;
        }
        let endpoints = Endpoints {
            api_url,
            aws_endpoint_url,
            dynamodb_endpoint_url: table.endpoint_url(),
            region: REGION.to_owned(),
            account_id: ACCOUNT_ID.to_owned(),
            stage: STAGE.to_owned(),
            table_name: TABLE_NAME.to_owned(),
            user_pool_id: pool.pool_id,
            client_id: pool.client_id,
            users: endpoints::demo_users()?,
        };
        save(&dir.join("endpoints.json"), &endpoints)?;
        Ok(Self {
            endpoints,
            clients,
            app,
            workers,
            tasks,
            _services: services,
            _cloud: cloud,
            _table: table,
        })
    }

    /// Sets more workers to the queues.
    pub fn work(&mut self, max_concurrency: usize) -> Result<(), StartError> {
        self.workers.pump(&mut self.tasks, &self.clients, max_concurrency)
    }

    /// Runs until a part of it ends, which none should.
    pub async fn run(mut self) {
        if let Some(ended) = self.tasks.join_next().await {
            tracing::error!(?ended, "a part of the system ended");
        }
    }
}

async fn listen(port: u16) -> Result<(TcpListener, String), StartError> {
    let bound = async {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await?;
        let url = format!("http://{}", listener.local_addr()?);
        Ok((listener, url))
    };
    bound.await.map_err(|source| StartError::Port { port, source })
}

/// The engine makes a table in several steps, so the file is made aside and put in place whole: a table
/// that a `kill` left half made is never served.
async fn table_server(dir: &Path, port: u16) -> Result<TableServer, StartError> {
    let path = dir.join("table.sqlite");
    let in_dir = |source| StartError::Directory { path: path.clone(), source };
    if !path.try_exists().map_err(in_dir)? {
        let drafts = dir.join("table.draft");
        if drafts.try_exists().map_err(in_dir)? {
            std::fs::remove_dir_all(&drafts).map_err(in_dir)?;
        }
        std::fs::create_dir(&drafts).map_err(in_dir)?;
        let draft = TableServer::start(&drafts.join("table.sqlite"), 0)?;
        provision::table(&clients(&draft.endpoint_url(), &draft.endpoint_url()).dynamodb(), TABLE_NAME)
            .await?;
        // Stopped, it leaves one file with everything in it.
        drop(draft);
        if drafts.join("table.sqlite-wal").try_exists().map_err(in_dir)? {
            return Err(in_dir(io::Error::other("its draft was not closed")));
        }
        let made = std::fs::read(drafts.join("table.sqlite"));
        made.and_then(|table| durable::replace(&path, &table)).map_err(in_dir)?;
        std::fs::remove_dir_all(&drafts).map_err(in_dir)?;
    }
    Ok(TableServer::start(&path, port)?)
}

fn engine(path: &Path, clock: &Clock) -> Result<Engine, StoreError> {
    let clock = clock.clone();
    let realm = Realm { region: REGION.to_owned(), account_id: ACCOUNT_ID.to_owned() };
    Engine::open(path, realm, Arc::new(move || clock.now().as_millisecond()))
}

/// Clients of the services of a local system in another process.
pub fn clients(aws_endpoint_url: &str, dynamodb_endpoint_url: &str) -> Clients {
    Clients::new(config(aws_endpoint_url, dynamodb_endpoint_url))
}

/// With made-up credentials.
fn config(aws_endpoint_url: &str, dynamodb_endpoint_url: &str) -> Config {
    let cloud = aws::config::Cloud {
        region: REGION.to_owned(),
        credentials: Credentials::new("local", cloud::SECRET_KEY, None, None, "local"),
        endpoint_url: Some(aws_endpoint_url.to_owned()),
        dynamodb_endpoint_url: Some(dynamodb_endpoint_url.to_owned()),
        app_name: None,
    };
    let names = Names {
        region: REGION.to_owned(),
        account_id: cloud::ACCOUNT_ID.to_owned(),
        stage: STAGE.to_owned(),
    };
    Config { cloud, names, table_name: TABLE_NAME.to_owned() }
}

/// Topics, queues, user pool and the demo, as far as they are not there.
async fn furnish(clients: &Clients, clock: &Clock) -> Result<PoolIds, StartError> {
    let cognito = aws_sdk_cognitoidentityprovider::Client::new(clients.sdk());
    let pool = users::ensure_pool(&cognito, POOL_NAME).await?;
    let messaging =
        Messaging { sns: clients.sns(), sqs: clients.sqs(), names: clients.config().names.clone() };
    let table = clients.table(Policy::WORKER);
    for tenant in demo::places()? {
        messaging.tenant(&tenant).await?;
    }
    for demo in demo::tenants()? {
        seed::tenant(&table, &cognito, &pool, &demo, clock.now()).await?;
    }
    Ok(pool)
}

/// One of each kind of worker.
#[derive(Debug, Clone)]
pub struct Workers {
    pub checkouts: Arc<PostCheckoutsWorker>,
    pub admin: Arc<AdministerWorker>,
    /// What it administers with.
    pub administer: AdministerConfig,
    pub replenishment: Arc<ReplenishWorker>,
    pub imports: Arc<ImportWorker>,
    pub results: Arc<AnnounceWorker>,
    pub deliveries: Arc<DeliverWorker>,
    pub reconciliation: Arc<ReconcileWorker>,
    /// What it signs with, and where it may call.
    pub webhooks: WebhookConfig,
}

impl Workers {
    fn new(
        clients: &Clients,
        administer: AdministerConfig,
        listen: &ListenConfig,
        webhooks: WebhookConfig,
        options: &Options,
    ) -> Self {
        let (clock, metrics) = (&options.clock, &options.metrics);
        Self {
            checkouts: Arc::new(PostCheckoutsWorker::new(clients, clock.clone(), metrics.clone())),
            admin: Arc::new(AdministerWorker::new(
                clients,
                administer.clone(),
                clock.clone(),
                metrics.clone(),
            )),
            administer,
            replenishment: Arc::new(ReplenishWorker::new(
                clients,
                options.cutoff_clock.clone(),
                metrics.clone(),
            )),
            imports: Arc::new(ImportWorker::new(clients, clock.clone(), metrics.clone())),
            results: Arc::new(AnnounceWorker::new(
                clients,
                &listen.connections_url,
                clock.clone(),
                metrics.clone(),
            )),
            deliveries: Arc::new(DeliverWorker::new(
                clients,
                webhooks.clone(),
                clock.clone(),
                metrics.clone(),
            )),
            webhooks,
            reconciliation: Arc::new(ReconcileWorker::new(clients, clock.clone(), metrics.clone())),
        }
    }

    /// Feeds the queues of every company to them.
    fn pump(
        &self,
        tasks: &mut JoinSet<()>,
        clients: &Clients,
        max_concurrency: usize,
    ) -> Result<(), StartError> {
        for tenant in demo::places()? {
            for purpose in Purpose::ALL {
                let source = Source::new(clients, &tenant, purpose);
                let few = max_concurrency.min(1);
                match purpose {
                    Purpose::Checkouts => pump::start(tasks, &source, max_concurrency, &self.checkouts),
                    Purpose::Admin => pump::start(tasks, &source, few, &self.admin),
                    Purpose::Replenishment => pump::start(tasks, &source, few, &self.replenishment),
                    Purpose::Imports => pump::start(tasks, &source, few, &self.imports),
                    Purpose::Results => pump::start(tasks, &source, few, &self.results),
                    Purpose::Deliveries => {
                        pump::start(tasks, &source, few * DELIVERIES_AT_ONCE, &self.deliveries);
                    }
                    Purpose::Reconciliation => pump::start(tasks, &source, few, &self.reconciliation),
                }
            }
        }
        Ok(())
    }
}

/// Sends a probe through the queues of whoever is not known to be reached: a company of an older release.
async fn probe(clients: &Clients) -> Result<(), StartError> {
    let (table, bus) = (clients.table(Policy::WORKER), clients.bus(Policy::WORKER));
    for demo in demo::tenants()? {
        let id = &demo.tenant.id;
        let tenant = seed::stored_tenant(&table, id).await.map_err(SeedError::from)?;
        let Some(tenant) = tenant else { continue };
        for of in Kind::ALL.into_iter().filter(|kind| !tenant.is_reached(*kind)) {
            let probe = Probe { tenant: id.clone(), of, id: uuid::Uuid::new_v4() };
            bus.publish(Command::Probe(probe)).await?;
        }
    }
    Ok(())
}

/// Ticks for every company, as its schedules do on AWS: whether anything is due is for the workers to find
/// out.
fn tick(tasks: &mut JoinSet<()>, clients: &Clients, pause: Duration) -> Result<(), StartError> {
    let (places, bus) = (demo::places()?, clients.bus(Policy::WORKER));
    tasks.spawn(async move {
        let mut ticks = tokio::time::interval(pause);
        loop {
            ticks.tick().await;
            for tenant in &places {
                let id = uuid::Uuid::new_v4();
                for tick in [
                    Command::OpenCutoff(OpenCutoff::new(tenant, id)),
                    Command::OpenReconciliation(OpenReconciliation::new(tenant, id)),
                ] {
                    if let Err(error) = bus.publish(tick).await {
                        tracing::warn!(
                            tenant.id = tenant.as_str(),
                            error = chain(&error),
                            "a tick was not published"
                        );
                    }
                }
            }
        }
    });
    Ok(())
}

fn save(path: &Path, endpoints: &Endpoints) -> Result<(), StartError> {
    let json = serde_json::to_vec_pretty(endpoints).map_err(io::Error::other);
    json.and_then(|json| durable::replace(path, &json))
        .map_err(|source| StartError::Directory { path: path.to_owned(), source })
}

/// A secret: made at the first start, then kept.
fn secret_key(path: &Path) -> Result<[u8; 32], StartError> {
    let read_or_make = || -> io::Result<[u8; 32]> {
        if let Some(stored) = durable::read(path)? {
            return stored.try_into().map_err(|_| io::Error::other("it is not a key of 32 bytes"));
        }
        let mut key = [0; 32];
        getrandom::fill(&mut key).map_err(|error| io::Error::other(error.to_string()))?;
        durable::replace(path, &key)?;
        Ok(key)
    };
    read_or_make().map_err(|source| StartError::Directory { path: path.to_owned(), source })
}
