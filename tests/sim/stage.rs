//! Sets up a simulation: table, topics and queues as the templates make them, intake and workers as
//! they start, each over a connection of its own that the chaos can cut.

use super::chaos::{Chaos, Kind};
use super::clock::SimClock;
use super::files::Files;
use super::history::History;
use super::link::{CLIENT_ID, Link};
use super::net::{Net, SOCKETS_URL};
use super::office::{Cashier, Office};
use super::oracle::{Invariant, Oracle, Verdict};
use super::pool::Pool;
use super::receivers::Receivers;
use super::sockets::Sockets;
use super::table::{TABLE_NAME, TableModel};
use super::workers::{Crew, Hire};
use super::{Shared, Sim};
use aws::bus::Names;
use aws::config::{
    AdministerConfig, Clients, Cloud, Config, IntakeConfig, ListenConfig, PasswordKey, SessionKey, TicketKey,
    WebhookConfig, WebhookKey,
};
use aws::telemetry::Metrics;
use aws_credential_types::Credentials;
use axum::Router;
use domain::command::Purpose;
use domain::event::Event;
use domain::id::TenantId;
use domain::webhook::Reach;
use intake::App;
use local::cloud::ACCOUNT_ID;
use local::fifo::engine::Engine;
use local::fifo::{self, Change, Realm};
use local::provision::Messaging;
use local::pump::Source;
use serde_json::json;
use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, Weak};
use tokio::sync::Notify;
use tokio::task::JoinSet;
use workers::administer::AdministerWorker;
use workers::announce::AnnounceWorker;
use workers::deliver::DeliverWorker;
use workers::import_files::ImportWorker;
use workers::lambda::Worker;
use workers::listen::Listen;
use workers::post_checkouts::PostCheckoutsWorker;
use workers::reconcile::ReconcileWorker;
use workers::replenish::ReplenishWorker;

const REGION: &str = "eu-west-1";
/// Batches of a queue that are worked on at the same time: of what moves wallets several.
fn workers(purpose: Purpose) -> usize {
    if matches!(purpose, Purpose::Checkouts | Purpose::Replenishment) { 2 } else { 1 }
}

/// One tenant in so many has a queue that gives up on messages soon: after so many receives.
const IMPATIENT_ONE_IN: u32 = 3;
const IMPATIENT_RECEIVES: std::ops::RangeInclusive<u32> = 3..=6;
/// No delivery is received as often here, as no outage takes hours. What nobody can read would be a thousand
/// times, which was a tenth of all calls.
const DELIVERY_RECEIVES: u32 = 100;

pub struct Stage {
    pub sim: Shared,
    pub engine: Engine,
    pub names: Names,
    pub cashiers: Vec<Cashier>,
    pub link: Link,
    pub listener: Listen,
    /// Dropped with the stage.
    _pumps: JoinSet<()>,
}

impl Stage {
    pub async fn set(seed: u64, without: &BTreeSet<Kind>, is_kept: bool) -> Self {
        let (clock, table) = (SimClock::start(), TableModel::new());
        let names =
            Names { region: REGION.to_owned(), account_id: ACCOUNT_ID.to_owned(), stage: "sim".to_owned() };
        let mut rng = fastrand::Rng::with_seed(seed ^ 0x0ff1_ce00);
        table.create();
        let mut pool = Pool::default();
        let (office, cashiers) = Office::open(&table, &mut pool, &mut rng, clock.now_ms());
        let tenants: Vec<_> = office.tenants.keys().cloned().collect();
        let sim = Arc::new(Sim {
            clock,
            table,
            chaos: Mutex::new(Chaos::new(seed, without)),
            history: Mutex::new(History::new(is_kept)),
            oracle: Mutex::new(Oracle::default()),
            office: Mutex::new(office),
            files: Mutex::new(Files::default()),
            pool: Mutex::new(pool),
            sockets: Mutex::new(Sockets::default()),
            violation: Mutex::new(None),
            violated: Notify::new(),
            background: Mutex::new(JoinSet::new()),
        });
        let engine = engine(&sim);
        let queues = fifo::http::standalone(engine.clone());
        let intake = clients(&sim, &names, &queues, "intake", false);
        let messaging = Messaging { sns: intake.sns(), sqs: intake.sqs(), names: names.clone() };
        let mut pumps = JoinSet::new();
        for tenant in &tenants {
            messaging.tenant(tenant).await.expect("topic and queues");
            if rng.u32(0..IMPATIENT_ONE_IN) == 0 {
                lose_patience(&engine, &names, tenant, Purpose::Checkouts, rng.u32(IMPATIENT_RECEIVES)).await;
            }
            lose_patience(&engine, &names, tenant, Purpose::Deliveries, DELIVERY_RECEIVES).await;
        }
        staff(&mut pumps, &sim, &engine, &names, &queues, &tenants);
        let config = IntakeConfig {
            client_id: CLIENT_ID.to_owned(),
            listen_url: String::new(),
            session_key: session_key(),
            ticket_key: TicketKey::new([7; 32]),
            password_key: password_key(),
            webhooks: WebhookConfig { key: webhook_key(), reach: Reach::Public },
        };
        // Two functions, whose clocks may disagree.
        let instances = [0, 1].map(|_| {
            let clock = sim.clock.clock(sim.chaos().skew_ms());
            let metrics = Metrics::to(clock.clone(), "sim", |_| ());
            intake::routes::router(App::new(&intake, config.clone(), clock, metrics))
        });
        let link = Link { sim: sim.clone(), instances };
        let config = ListenConfig { connections_url: SOCKETS_URL.to_owned(), session_key: session_key() };
        let socket = clients(&sim, &names, &queues, "listen", false);
        let listener = Listen::new(&socket, &config, sim.clock.clock(0));
        Self { sim, engine, names, cashiers, link, listener, _pumps: pumps }
    }
}

fn session_key() -> SessionKey {
    SessionKey::new([9; 32])
}

fn password_key() -> PasswordKey {
    PasswordKey::new([8; 32])
}

fn webhook_key() -> WebhookKey {
    WebhookKey::new([6; 32])
}

/// The machine of topics and queues; the oracle hears of every message that it takes.
fn engine(sim: &Shared) -> Engine {
    let realm = Realm { region: REGION.to_owned(), account_id: ACCOUNT_ID.to_owned() };
    let clock = sim.clock.clone();
    let sim: Weak<Sim> = Arc::downgrade(sim);
    Engine::inline(realm, Arc::new(move || clock.now_ms()), move |change| {
        let (Some(sim), Change::AddMessage { message, .. }) = (sim.upgrade(), change) else { return };
        if let Ok(event) = serde_json::from_str::<Event>(&message.content.body) {
            sim.log(format_args!("told {} {}", event.id, event.kind.as_str()));
            sim.note(described(&event));
            let heard = sim.oracle().heard(event);
            sim.note(heard);
            return;
        }
        let body: Option<serde_json::Value> = serde_json::from_str(&message.content.body).ok();
        let request = body.as_ref().and_then(|body| body["request"].as_str()).unwrap_or(&message.message_id);
        let is_dead = message.source.is_some();
        let line = if is_dead { "dead letter" } else { "enqueued" };
        sim.log(format_args!("{line} {} {}", message.content.group_id, &request[..8]));
        let mut oracle = sim.oracle();
        let seen = if is_dead { &mut oracle.dead } else { &mut oracle.enqueued };
        seen.insert(request.to_owned());
    })
}

/// What is told is as the API describes it.
fn described(event: &Event) -> Verdict {
    let unlike = |error| (Invariant::Told, format!("{} is not as described: {error}", event.id));
    intake::events::check(event).map_err(unlike)
}

fn clients(sim: &Shared, names: &Names, queues: &Router, who: &'static str, is_next: bool) -> Clients {
    let url = "http://services".to_owned();
    let cloud = Cloud {
        region: REGION.to_owned(),
        credentials: Credentials::new("sim", "sim", None, None, "sim"),
        endpoint_url: Some(url.clone()),
        dynamodb_endpoint_url: Some(url),
        app_name: None,
    };
    let config = Config { cloud, names: names.clone(), table_name: TABLE_NAME.to_owned() };
    Clients::over(config, Net::client(sim, queues, who, is_next))
}

/// Makes a queue give up after a few receives, so that what could be worked off becomes a dead letter.
async fn lose_patience(engine: &Engine, names: &Names, tenant: &TenantId, purpose: Purpose, receives: u32) {
    let queue = names.queue(tenant, purpose);
    let dead_letters = names.queue_arn(&names.dead_letter_queue(tenant, purpose));
    let policy = json!({ "deadLetterTargetArn": dead_letters, "maxReceiveCount": receives });
    let attributes = [("RedrivePolicy".to_owned(), policy.to_string())].into();
    let set = engine.call(move |fifo, now_ms| fifo.set_queue_attributes(&queue, &attributes, now_ms)).await;
    set.expect("a queue");
}

/// Pumps of each tenant, and the workers behind them.
fn staff(
    pumps: &mut JoinSet<()>,
    sim: &Shared,
    engine: &Engine,
    names: &Names,
    queues: &Router,
    tenants: &[TenantId],
) {
    let office = Staff { sim, engine, names, queues, tenants };
    office.put(pumps, Purpose::Checkouts, Arc::new(PostCheckoutsWorker::new));
    office.put(
        pumps,
        Purpose::Admin,
        Arc::new(|clients, clock, metrics| {
            let config = AdministerConfig { user_pool_id: "pool".to_owned(), password_key: password_key() };
            AdministerWorker::new(clients, config, clock, metrics)
        }),
    );
    office.put(pumps, Purpose::Replenishment, Arc::new(ReplenishWorker::new));
    office.put(pumps, Purpose::Reconciliation, Arc::new(ReconcileWorker::new));
    office.put(pumps, Purpose::Imports, Arc::new(ImportWorker::new));
    office.put(
        pumps,
        Purpose::Results,
        Arc::new(|clients, clock, metrics| AnnounceWorker::new(clients, SOCKETS_URL, clock, metrics)),
    );
    let receivers = Receivers(sim.clone());
    office.put(
        pumps,
        Purpose::Deliveries,
        Arc::new(move |clients, clock, metrics| {
            DeliverWorker::calling(receivers.clone(), clients, webhook_key(), clock, metrics)
        }),
    );
}

/// Feeds a crew as [`local::pump`] does, but for receives that would find nothing: they were a third of all
/// calls.
async fn pump<W: Worker + Send + Sync + 'static>(
    engine: Engine,
    queue: String,
    source: Source,
    crew: Arc<W>,
) {
    loop {
        engine.until_visible(&queue).await.expect("a queue");
        source.turn_or_pause(&crew).await;
    }
}

struct Staff<'a> {
    sim: &'a Shared,
    engine: &'a Engine,
    names: &'a Names,
    queues: &'a Router,
    tenants: &'a [TenantId],
}

impl Staff<'_> {
    /// A crew behind each queue of a purpose.
    fn put<W>(&self, pumps: &mut JoinSet<()>, purpose: Purpose, hire: Hire<W>)
    where
        W: Worker + Clone + Send + Sync + 'static,
    {
        let Self { sim, engine, names, queues, tenants } = *self;
        let poller = clients(sim, names, queues, "poller", false);
        let own = [false, true].map(|is_next| clients(sim, names, queues, purpose.as_str(), is_next));
        let crews = Crew::of_all(sim, engine, tenants, purpose, own, hire);
        for (tenant, crew) in tenants.iter().zip(crews) {
            let (source, crew) = (Source::new(&poller, tenant, purpose), Arc::new(crew));
            for _ in 0..workers(purpose) {
                pumps.spawn(pump(engine.clone(), names.queue(tenant, purpose), source.clone(), crew.clone()));
            }
        }
    }
}
