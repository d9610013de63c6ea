//! Sets up a simulation: table, topics and queues as the templates make them, intake and workers as
//! they start, each over a connection of its own that the chaos can cut.

use super::chaos::{Chaos, Kind};
use super::clock::SimClock;
use super::history::History;
use super::link::{CLIENT_ID, Link};
use super::net::Net;
use super::office::{Cashier, Office};
use super::oracle::Oracle;
use super::table::{TABLE_NAME, TableModel};
use super::workers::Crew;
use super::{Shared, Sim};
use aws::bus::Names;
use aws::config::{
    Clients, Cloud, Config, IntakeConfig, PasswordKey, SessionKey, TicketKey, WebhookConfig, WebhookKey,
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
use local::pump::{self, Source};
use serde_json::json;
use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, Weak};
use tokio::sync::Notify;
use tokio::task::JoinSet;

const REGION: &str = "eu-west-1";
/// Batches of one queue that are worked on at the same time.
const WORKERS: usize = 2;
/// One tenant in so many has a queue that gives up on messages soon: after so many receives.
const IMPATIENT_ONE_IN: u32 = 3;
const IMPATIENT_RECEIVES: std::ops::RangeInclusive<u32> = 3..=6;

pub struct Stage {
    pub sim: Shared,
    pub engine: Engine,
    pub names: Names,
    pub cashiers: Vec<Cashier>,
    pub link: Link,
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
        let (office, cashiers) = Office::open(&table, &mut rng, clock.now_ms());
        let tenants: Vec<_> = office.tenants.keys().cloned().collect();
        let sim = Arc::new(Sim {
            clock,
            table,
            chaos: Mutex::new(Chaos::new(seed, without)),
            history: Mutex::new(History::new(is_kept)),
            oracle: Mutex::new(Oracle::default()),
            office: Mutex::new(office),
            violation: Mutex::new(None),
            violated: Notify::new(),
            background: Mutex::new(JoinSet::new()),
        });
        let engine = engine(&sim);
        let queues = fifo::http::standalone(engine.clone());
        let intake = clients(&sim, &names, &queues, "intake");
        let messaging = Messaging { sns: intake.sns(), sqs: intake.sqs(), names: names.clone() };
        let mut pumps = JoinSet::new();
        for tenant in &tenants {
            messaging.tenant(tenant).await.expect("topic and queues");
            if rng.u32(0..IMPATIENT_ONE_IN) == 0 {
                lose_patience(&engine, &names, tenant, rng.u32(IMPATIENT_RECEIVES)).await;
            }
            staff(&mut pumps, &sim, &engine, &names, &queues, tenant);
        }
        let config = IntakeConfig {
            client_id: CLIENT_ID.to_owned(),
            listen_url: String::new(),
            session_key: SessionKey::new([9; 32]),
            ticket_key: TicketKey::new([7; 32]),
            password_key: PasswordKey::new([8; 32]),
            webhooks: WebhookConfig { key: WebhookKey::new([6; 32]), reach: Reach::Public },
        };
        let metrics = Metrics::to(sim.clock.clock(), "sim", |_| ());
        let app = App::new(&intake, config, sim.clock.clock(), metrics);
        let link = Link { sim: sim.clone(), intake: intake::routes::router(app) };
        Self { sim, engine, names, cashiers, link, _pumps: pumps }
    }
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

fn clients(sim: &Shared, names: &Names, queues: &Router, who: &'static str) -> Clients {
    let url = "http://services".to_owned();
    let cloud = Cloud {
        region: REGION.to_owned(),
        credentials: Credentials::new("sim", "sim", None, None, "sim"),
        endpoint_url: Some(url.clone()),
        dynamodb_endpoint_url: Some(url),
        app_name: None,
    };
    let config = Config { cloud, names: names.clone(), table_name: TABLE_NAME.to_owned() };
    Clients::over(config, Net::client(sim, queues, who))
}

/// Makes a queue give up after a few receives, so that what could be worked off becomes a dead letter.
async fn lose_patience(engine: &Engine, names: &Names, tenant: &TenantId, receives: u32) {
    let queue = names.queue(tenant, Purpose::Checkouts);
    let dead_letters = names.queue_arn(&names.dead_letter_queue(tenant, Purpose::Checkouts));
    let policy = json!({ "deadLetterTargetArn": dead_letters, "maxReceiveCount": receives });
    let attributes = [("RedrivePolicy".to_owned(), policy.to_string())].into();
    let set = engine.call(move |fifo, now_ms| fifo.set_queue_attributes(&queue, &attributes, now_ms)).await;
    set.expect("a queue");
}

/// Pump and workers of one tenant.
fn staff(
    pumps: &mut JoinSet<()>,
    sim: &Shared,
    engine: &Engine,
    names: &Names,
    queues: &Router,
    tenant: &TenantId,
) {
    let queue = names.queue(tenant, Purpose::Checkouts);
    let poller = clients(sim, names, queues, "poller");
    let source = Source::new(&poller, tenant, Purpose::Checkouts);
    let clients = clients(sim, names, queues, "worker");
    let warm = Arc::new(Mutex::new(Crew::worker(sim, &clients)));
    let crew = Crew { sim: sim.clone(), engine: engine.clone(), clients, queue, warm };
    pump::start(pumps, &source, WORKERS, &Arc::new(crew));
}
