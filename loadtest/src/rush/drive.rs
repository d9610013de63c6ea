//! Sends what is due when it is due, and keeps what came of it.

use super::company::Company;
use super::report::{Counters, Latencies, Percentiles};
use super::script::{Kind, Sale, Script};
use super::{RushError, System};
use crate::terminal::{self, CHECKOUTS};
use aws::failure::chain;
use domain::id::CheckoutId;
use indicatif::ProgressBar;
use jiff::Timestamp;
use local::demo;
use reqwest::{Client, RequestBuilder, Response};
use serde_json::Value;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio::time::{Instant, MissedTickBehavior, interval, sleep, sleep_until};
use uuid::Uuid;

/// Requests under way at the same time: as many sockets, within the files that a process may have open. What
/// is due beyond them waits, and its latency with it.
const UNDER_WAY_MAX: usize = 800;
/// One sale in so many is followed by its terminal, to see when it knows.
const FOLLOWED_ONE_IN: usize = 50;
/// After which an answer counts as lost.
const LOST_AFTER: Duration = Duration::from_millis(300);
/// Pauses between two looks of a terminal that follows its sale: each half as long again as the one before.
const FIRST_LOOK: Duration = Duration::from_millis(10);
const LAST_LOOK: Duration = Duration::from_secs(1);
/// A request that takes so long has failed.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(30);
/// How long a terminal looks for one outcome.
const FOLLOWED_MAX: Duration = Duration::from_mins(4);
const VOID: &str = r#"{"reason":"rung up twice"}"#;
/// Times that a request is sent which no answer came to, or an answer that passes.
const ATTEMPTS: usize = 20;

/// What was sent, and what came of it.
#[derive(Debug)]
pub struct Driven {
    /// The instant of the script's beginning.
    pub started_at: Timestamp,
    /// By their place in the script; nothing where a sale was not driven to its end.
    pub sent: Vec<Option<Sent>>,
    /// What was seen of the system, by the second in which somebody looked.
    pub looks: BTreeMap<u64, Look>,
    /// How late the latest sale began for reasons of our own.
    pub late_us: u64,
}

/// A look at a system that sells.
#[derive(Debug, Clone)]
pub struct Look {
    /// Messages that wait.
    pub backlog: u64,
    /// What it counted of itself so far, where it does.
    pub counters: Option<Counters>,
}

#[derive(Debug, Clone)]
pub struct Sent {
    pub id: CheckoutId,
    /// From when it was due until it was accepted, or its outcome was there.
    pub answered_us: u64,
    /// Of those that are followed, what the terminal was told, and from when it was due until then. Nothing
    /// if it was told nothing in time.
    pub told: Option<(String, u64)>,
    pub is_followed: bool,
    /// How often it had to be sent beyond what the script asks for.
    pub resent: usize,
    /// The status of each answer; 0 for none.
    pub statuses: Vec<u16>,
}

impl Sent {
    /// Whether every answer was that it is accepted, or its outcome.
    pub fn is_accepted(&self) -> bool {
        self.statuses.iter().all(|status| matches!(status, 200 | 202))
    }
}

/// A till: what every request of one cashier begins with.
#[derive(Debug, Clone)]
struct Till {
    http: Client,
    /// Places for requests under way.
    places: Arc<Semaphore>,
    api_url: String,
    token: String,
}

/// One sale on its way.
struct Errand {
    till: Till,
    kind: Kind,
    body: Arc<str>,
    employee: String,
    due: Instant,
    is_followed: bool,
}

/// Drives the whole script. Returns when the last answer is there.
pub async fn drive(
    system: &Arc<System>,
    companies: &[Company],
    script: &Script,
    progress: &ProgressBar,
) -> Result<Driven, RushError> {
    let http = Client::builder().timeout(REQUEST_TIMEOUT).tcp_nodelay(true).build()?;
    let places = Arc::new(Semaphore::new(UNDER_WAY_MAX));
    let mut tills = Vec::new();
    for company in companies {
        let name = company.cashier.as_str();
        let answer = terminal::initiate_auth(&http, &system.endpoints, name, demo::PASSWORD).await?;
        let (http, places, token) = (http.clone(), places.clone(), terminal::id_token(&answer)?);
        tills.push(Till { http, places, api_url: system.endpoints.api_url.clone(), token });
    }
    let body = |sale: &Sale| {
        let company = companies.get(sale.company);
        company
            .map(|company| company.request(sale.buyer, sale.station, &sale.basket))
            .unwrap_or_default()
            .into()
    };
    let bodies: Vec<Arc<str>> = script.sales.iter().map(body).collect();
    let (started, started_at) = (Instant::now(), aws::clock::Clock::system().now());
    let looks = Arc::default();
    let recent = Arc::new(Mutex::new(Latencies::new()));
    let mut watching = JoinSet::new();
    watching.spawn(watch(system.clone(), started, Arc::clone(&looks), recent.clone(), progress.clone()));
    let mut under_way: JoinSet<(usize, Option<Sent>)> = JoinSet::new();
    let mut late_us = 0;
    for (index, (sale, body)) in script.sales.iter().zip(bodies).enumerate() {
        let due = started + sale.due;
        sleep_until(due).await;
        late_us = late_us.max(since_us(due));
        let Some(till) = tills.get(sale.company).cloned() else { continue };
        let company = companies.get(sale.company);
        let employee = company.and_then(|company| company.buyers.get(sale.buyer));
        let employee = employee.map(|employee| employee.number.to_string()).unwrap_or_default();
        let is_followed = index.is_multiple_of(FOLLOWED_ONE_IN) || sale.kind == Kind::Void;
        let errand = Errand { till, kind: sale.kind, body, employee, due, is_followed };
        let (progress, recent) = (progress.clone(), recent.clone());
        under_way.spawn(async move {
            let sent = errand.run().await;
            if let Some(sent) = &sent {
                locked(&recent).add(sent.answered_us);
            }
            progress.inc(1);
            (index, sent)
        });
    }
    let mut sent = vec![None; script.len()];
    while let Some(done) = under_way.join_next().await {
        if let Ok((index, one)) = done
            && let Some(place) = sent.get_mut(index)
        {
            *place = one;
        }
    }
    drop(watching);
    let looks = locked(&looks).clone();
    Ok(Driven { started_at, sent, looks, late_us })
}

/// Looks at the system once a second, apart from what sends: a look that takes long delays no sale.
async fn watch(
    system: Arc<System>,
    started: Instant,
    looks: Arc<Mutex<BTreeMap<u64, Look>>>,
    recent: Arc<Mutex<Latencies>>,
    progress: ProgressBar,
) {
    let mut ticks = interval(Duration::from_secs(1));
    ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
    loop {
        ticks.tick().await;
        let second = started.elapsed().as_secs();
        match system.look().await {
            Ok(look) => {
                let Percentiles { p50_us, p99_us, .. } = locked(&recent).take();
                let (p50_ms, p99_ms) = (p50_us / 1_000, p99_us / 1_000);
                progress.set_message(format!("accepted in {p50_ms}/{p99_ms} ms, {} wait", look.backlog));
                locked(&looks).insert(second, look);
            }
            Err(error) => progress.set_message(chain(&error)),
        }
    }
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Errand {
    async fn run(self) -> Option<Sent> {
        let id: CheckoutId = Uuid::now_v7().try_into().ok()?;
        let (one, other) = match self.kind {
            Kind::Duplicate => {
                let (one, other) = tokio::join!(self.send(id), self.send(id));
                (one, Some(other))
            }
            _ => (self.send(id).await, None),
        };
        let answered_us = since_us(self.due);
        let again = match self.kind {
            Kind::Retry => {
                sleep(LOST_AFTER).await;
                Some(self.send(id).await)
            }
            _ => None,
        };
        let answers: Vec<_> = [Some(one), other, again].into_iter().flatten().collect();
        let mut sent = Sent {
            id,
            answered_us,
            told: None,
            is_followed: self.is_followed,
            resent: answers.iter().map(|(_, resent)| resent).sum(),
            statuses: answers.iter().map(|(status, _)| *status).collect(),
        };
        if self.is_followed {
            let told = self.follow(id).await;
            sent.told = told.map(|told| (told, since_us(self.due)));
        }
        if self.kind == Kind::Void {
            let (status, resent) = self.void(id).await;
            sent.statuses.push(status);
            sent.resent += resent;
        }
        Some(sent)
    }

    /// Sends a sale until it has an answer that does not pass; its status, and how often it was sent again.
    async fn send(&self, id: CheckoutId) -> (u16, usize) {
        let url = format!("{}{CHECKOUTS}", self.till.api_url);
        self.persist(|http| http.post(&url), id.into(), &self.body).await
    }

    async fn void(&self, id: CheckoutId) -> (u16, usize) {
        let url = format!("{}/v1/employees/{}/checkouts/{id}/void", self.till.api_url, self.employee);
        self.persist(|http| http.post(&url).header("prefer", "wait=5"), Uuid::now_v7(), VOID).await
    }

    async fn persist(
        &self,
        request: impl Fn(&Client) -> RequestBuilder,
        key: Uuid,
        body: &str,
    ) -> (u16, usize) {
        for resent in 0..ATTEMPTS {
            let request = request(&self.till.http).header("idempotency-key", key.to_string());
            let request = request.header("content-type", "application/json").body(body.to_owned());
            match self.till.call(request).await.map(|answer| answer.status().as_u16()) {
                Some(429 | 500..) | None => sleep(LOST_AFTER).await,
                Some(status) => return (status, resent),
            }
        }
        (0, ATTEMPTS)
    }

    /// Looks until a sale is decided: its status. Nothing if it is not in time.
    async fn follow(&self, id: CheckoutId) -> Option<String> {
        let url = format!("{}/v1/employees/{}/checkouts/{id}", self.till.api_url, self.employee);
        let deadline = Instant::now() + FOLLOWED_MAX;
        let mut pause = FIRST_LOOK;
        while Instant::now() < deadline {
            sleep(pause).await;
            pause = LAST_LOOK.min(pause * 3 / 2);
            let Some(answer) = self.till.call(self.till.http.get(&url)).await else { continue };
            let Ok(found) = answer.json::<Value>().await else { continue };
            if let Some(status @ ("settled" | "rejected")) = found["status"].as_str() {
                return Some(status.to_owned());
            }
        }
        None
    }
}

impl Till {
    /// One request in a place of its own; nothing if nobody answered.
    async fn call(&self, request: RequestBuilder) -> Option<Response> {
        let _place = self.places.acquire().await.ok()?;
        request.bearer_auth(&self.token).send().await.ok()
    }
}

/// In microseconds.
pub(crate) fn since_us(due: Instant) -> u64 {
    u64::try_from(due.elapsed().as_micros()).unwrap_or(u64::MAX)
}
