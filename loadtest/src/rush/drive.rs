//! Sends what is due when it is due, and keeps what came of it.

use super::company::Company;
use super::script::{Kind, Sale, Script};
use super::{RushError, System};
use crate::terminal::{self, CHECKOUTS};
use domain::command::Purpose;
use domain::id::CheckoutId;
use indicatif::ProgressBar;
use jiff::Timestamp;
use local::demo;
use reqwest::Client;
use serde_json::{Value, json};
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;
use tokio::task::JoinSet;
use tokio::time::{Instant, MissedTickBehavior, interval, sleep, sleep_until};
use uuid::Uuid;

/// Requests under way at the same time: as many sockets, within the files that a process may have open. What is due
/// beyond them waits, and its latency with it.
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
/// Times that a request is sent which no answer came to, or an answer that passes.
const ATTEMPTS: usize = 20;

/// What was sent, and what came of it.
#[derive(Debug)]
pub struct Driven {
    /// The instant of the script's beginning.
    pub started_at: Timestamp,
    pub elapsed: Duration,
    /// By their place in the script; nothing where no id could be made.
    pub sent: Vec<Option<Sent>>,
    /// Messages that waited, by second.
    pub backlog: Vec<u64>,
}

#[derive(Debug, Clone)]
pub struct Sent {
    pub id: CheckoutId,
    /// From when it was due until it was accepted, or its outcome was there.
    pub answered_us: u64,
    /// From when it was due until its terminal knew, of those that are followed.
    pub known_us: Option<u64>,
    /// How often it had to be sent beyond what the script asks for.
    pub resent: usize,
    /// The status of the last answer; 0 if there was none.
    pub status: u16,
    /// Whether its void was accepted.
    pub is_voided: bool,
}

/// A till: what every request of one cashier begins with.
#[derive(Debug, Clone)]
struct Till {
    http: Client,
    api_url: String,
    token: String,
}

/// Drives the whole script. Returns when the last answer is there.
pub async fn drive(
    system: &System,
    companies: &[Company],
    script: &Script,
    progress: &ProgressBar,
) -> Result<Driven, RushError> {
    let http = Client::builder().timeout(REQUEST_TIMEOUT).tcp_nodelay(true).build()?;
    let mut tills = Vec::new();
    for company in companies {
        let name = company.cashier.as_str();
        let answer = terminal::initiate_auth(&http, &system.endpoints, name, demo::PASSWORD).await?;
        let token = terminal::id_token(&answer)?;
        tills.push(Till { http: http.clone(), api_url: system.endpoints.api_url.clone(), token });
    }
    let bodies: Vec<Arc<str>> = script.sales.iter().map(|sale| body(companies, sale).into()).collect();
    let (started, started_at) = (Instant::now(), aws::clock::Clock::system().now());
    let mut under_way: JoinSet<(usize, Option<Sent>)> = JoinSet::new();
    let mut sent: HashMap<usize, Sent> = HashMap::with_capacity(script.len());
    let mut backlog = Vec::new();
    let mut watch = interval(Duration::from_secs(1));
    watch.set_missed_tick_behavior(MissedTickBehavior::Skip);
    for (index, (sale, body)) in script.sales.iter().zip(bodies).enumerate() {
        let due = started + sale.due;
        loop {
            tokio::select! {
                biased;
                Some(done) = under_way.join_next(), if !under_way.is_empty() => keep(&mut sent, done, progress),
                _ = watch.tick() => {
                    backlog.push(system.backlog(Purpose::Checkouts).await?);
                    progress.set_message(format!("{} wait", backlog.last().copied().unwrap_or_default()));
                }
                () = sleep_until(due), if under_way.len() < UNDER_WAY_MAX => break,
            }
        }
        let Some(till) = tills.get(sale.company).cloned() else { continue };
        let company = companies.get(sale.company);
        let employee = company.and_then(|company| company.buyers.get(sale.buyer));
        let employee = employee.map(|employee| employee.number.to_string()).unwrap_or_default();
        let (kind, is_followed) = (sale.kind, index.is_multiple_of(FOLLOWED_ONE_IN));
        under_way.spawn(async move {
            let sold = till.sell(kind, &body, &employee, due, is_followed).await;
            (index, sold)
        });
    }
    while let Some(done) = under_way.join_next().await {
        keep(&mut sent, done, progress);
    }
    let sent = (0..script.len()).map(|index| sent.remove(&index)).collect();
    Ok(Driven { started_at, elapsed: started.elapsed(), sent, backlog })
}

fn keep(
    sent: &mut HashMap<usize, Sent>,
    done: Result<(usize, Option<Sent>), tokio::task::JoinError>,
    progress: &ProgressBar,
) {
    if let Ok((index, Some(one))) = done {
        sent.insert(index, one);
        progress.inc(1);
    }
}

fn body(companies: &[Company], sale: &Sale) -> String {
    let badge = companies.get(sale.company).and_then(|company| company.badges.get(sale.buyer));
    let station = companies.get(sale.company).and_then(|company| company.stations.get(sale.station));
    let station = station.map(|station| station.id.as_str());
    json!({ "rfid": badge, "station": station, "items": sale.basket }).to_string()
}

impl Till {
    async fn sell(
        &self,
        kind: Kind,
        body: &Arc<str>,
        employee: &str,
        due: Instant,
        is_followed: bool,
    ) -> Option<Sent> {
        let id: CheckoutId = Uuid::now_v7().try_into().ok()?;
        let mut sent = Sent { id, answered_us: 0, known_us: None, resent: 0, status: 0, is_voided: false };
        if kind == Kind::Duplicate {
            let (one, other) = tokio::join!(self.send(id, body), self.send(id, body));
            sent.status = if one.0 == 0 { other.0 } else { one.0 };
            sent.resent = one.1 + other.1;
        } else {
            (sent.status, sent.resent) = self.send(id, body).await;
        }
        sent.answered_us = since_us(due);
        if kind == Kind::Retry {
            sleep(LOST_AFTER).await;
            self.send(id, body).await;
        }
        if is_followed || kind == Kind::Void {
            let status = self.follow(id, employee).await;
            sent.known_us = is_followed.then(|| since_us(due));
            if kind == Kind::Void && status == "settled" {
                sent.is_voided = self.void(id, employee).await;
            }
        }
        Some(sent)
    }

    /// Sends a sale until it has an answer that does not pass; its status, and how often it was sent again.
    async fn send(&self, id: CheckoutId, body: &Arc<str>) -> (u16, usize) {
        for resent in 0..ATTEMPTS {
            let request = self.http.post(format!("{}{CHECKOUTS}", self.api_url)).bearer_auth(&self.token);
            let request = request.header("idempotency-key", id.to_string());
            let request = request.header("content-type", "application/json").body(body.to_string());
            match request.send().await.map(|answer| answer.status().as_u16()) {
                Ok(429 | 500..) | Err(_) => sleep(LOST_AFTER).await,
                Ok(status) => return (status, resent),
            }
        }
        (0, ATTEMPTS)
    }

    /// Looks until a sale is decided: its status.
    async fn follow(&self, id: CheckoutId, employee: &str) -> String {
        let url = format!("{}/v1/employees/{employee}/checkouts/{id}", self.api_url);
        let deadline = Instant::now() + REQUEST_TIMEOUT;
        let mut pause = FIRST_LOOK;
        while Instant::now() < deadline {
            sleep(pause).await;
            pause = LAST_LOOK.min(pause * 3 / 2);
            let Ok(answer) = self.http.get(&url).bearer_auth(&self.token).send().await else { continue };
            let Ok(found) = answer.json::<Value>().await else { continue };
            match found["status"].as_str() {
                Some("settled") => return "settled".to_owned(),
                Some("rejected") => return "rejected".to_owned(),
                _ => {}
            }
        }
        String::new()
    }

    async fn void(&self, id: CheckoutId, employee: &str) -> bool {
        let url = format!("{}/v1/employees/{employee}/checkouts/{id}/void", self.api_url);
        let request = self.http.post(url).bearer_auth(&self.token).header("prefer", "wait=5");
        let request = request.header("idempotency-key", Uuid::now_v7().to_string());
        let request =
            request.header("content-type", "application/json").body(r#"{"reason":"rung up twice"}"#);
        request.send().await.is_ok_and(|answer| matches!(answer.status().as_u16(), 200 | 202))
    }
}

fn since_us(due: Instant) -> u64 {
    u64::try_from(due.elapsed().as_micros()).unwrap_or(u64::MAX)
}
