//! A terminal: it keeps its key until it knows the outcome, sends again on doubt, and tells the oracle
//! everything it was told.

use super::link::{Answer, Link, Pauses};
use super::office::Cashier;
use super::oracle::{Asked, Invariant, Ticket, Verdict};
use domain::command::Basket;
use domain::request::{Buyer, RequestHash};
use domain::tenant::TenantStatus;
use http::Request;
use serde_json::json;

/// How often a terminal sends before it calls for help.
const SENDINGS_MAX: usize = 40;
/// Looks at a ticket, well past its end.
const LOOKS_MAX: usize = 60;

/// What came of one sending.
enum Heard {
    /// Nothing, or nothing that says what became of it.
    Doubt,
    /// It ended, or was refused.
    End,
    Accepted(Ticket),
}

#[derive(Debug, Clone)]
pub struct Terminal {
    pub link: Link,
    pub asked: Asked,
    pub hash: String,
    pub wait: u64,
    /// Sends once more after it was accepted.
    pub is_impatient: bool,
}

impl Terminal {
    pub fn new(link: Link, asked: Asked, wait: u64, is_impatient: bool) -> Self {
        let buyer = match &asked.badge {
            Some(badge) => Buyer::Badge(badge.clone()),
            None => Buyer::Number(asked.employee.clone()),
        };
        let Cashier { tenant, user, station, .. } = &asked.cashier;
        let hash =
            RequestHash::of_checkout(tenant, user, asked.id, &buyer, station, &asked.basket).to_string();
        Self { link, asked, hash, wait, is_impatient }
    }

    /// Sells, and stays with it until the outcome is known or nobody can tell any more.
    pub async fn sell(mut self) {
        self.link.sim.oracle().asks(&self.hash, &self.asked);
        let mut pauses = Pauses::new();
        for _ in 0..SENDINGS_MAX {
            let ticket = match self.send().await {
                Heard::End => return,
                Heard::Accepted(ticket) => Some(ticket),
                Heard::Doubt => None,
            };
            if let Some(ticket) = ticket {
                if std::mem::take(&mut self.is_impatient) {
                    continue;
                }
                return self.follow(&ticket).await;
            }
            pauses.pause().await;
        }
    }

    fn body(&self) -> String {
        let items: Vec<_> = self.asked.basket.lines().iter().collect();
        let mut body = json!({ "station": self.asked.cashier.station, "items": items });
        match &self.asked.badge {
            Some(badge) => body["rfid"] = json!(badge),
            None => body["employee_number"] = json!(self.asked.employee),
        }
        body.to_string()
    }

    async fn send(&self) -> Heard {
        let asked_ms = self.link.sim.clock.now_ms();
        let was_decided = self.link.sim.oracle().is_decided(&self.asked);
        let request = Request::post("/v1/checkouts")
            .header("content-type", "application/json")
            .header("idempotency-key", self.asked.id.to_string())
            .header("prefer", format!("wait={}", self.wait));
        let Some(answer) = self.link.send(&self.asked.cashier, request, self.body()).await else {
            self.link.sim.log(format_args!("{} sent, nothing heard", self.name()));
            return Heard::Doubt;
        };
        self.link.sim.log(format_args!("{} sent, heard {} {}", self.name(), answer.status, brief(&answer)));
        match answer.status {
            200 => self.end(self.link.sim.oracle().told(&self.hash, &answer.body)),
            202 => {
                let location = answer.headers["location"].to_str().unwrap().to_owned();
                let (hash, ticket) = Ticket::read(&location);
                assert_eq!(hash, self.hash, "a ticket is of its own request");
                let accepted = self.link.sim.oracle().accepted(&self.hash, ticket.clone(), was_decided);
                self.link.sim.note(accepted);
                Heard::Accepted(ticket)
            }
            _ => self.refused(&answer, asked_ms),
        }
    }

    fn refused(&self, answer: &Answer, asked_ms: i64) -> Heard {
        match (answer.status, answer.problem()) {
            (503, _) => Heard::Doubt,
            (422, "idempotency-key-reused") => self.end(self.link.sim.oracle().refused_key(&self.hash)),
            (403, "station-closed") | (404, "unknown-station") => {
                let now_ms = self.link.sim.clock.now_ms();
                let of = (self.asked.tenant.clone(), self.asked.cashier.station.clone());
                let stations: Vec<_> =
                    self.link.sim.office().stations[&of].within(asked_ms, now_ms).cloned().collect();
                self.end(self.link.sim.oracle().turned_away(&self.hash, &stations, now_ms))
            }
            (403, "tenant-suspended") => {
                let now_ms = self.link.sim.clock.now_ms();
                let was_suspended = {
                    let office = self.link.sim.office();
                    let mut tenants = office.tenants[&self.asked.tenant].within(asked_ms, now_ms);
                    tenants.any(|tenant| tenant.status == TenantStatus::Suspended)
                };
                self.end(self.link.sim.oracle().suspended(&self.hash, was_suspended))
            }
            (404, "unknown-badge" | "unknown-employee") => Heard::End,
            (400, "bad-input") if self.is_key_too_old() => Heard::End,
            (status, problem) => {
                let what = format!("{} was answered {status} {problem}: {}", self.hash, answer.body);
                self.end(Err((Invariant::Answer, what)))
            }
        }
    }

    fn is_key_too_old(&self) -> bool {
        let age_ms = self.link.sim.clock.now_ms() - self.asked.id.created_at_ms();
        age_ms > domain::id::KEY_LIFETIME_MS
    }

    fn end(&self, verdict: Verdict) -> Heard {
        self.link.sim.note(verdict);
        Heard::End
    }

    /// Follows a `Location` to its end.
    async fn follow(&self, ticket: &Ticket) {
        let mut pauses = Pauses::new();
        for _ in 0..LOOKS_MAX {
            pauses.pause().await;
            if self.look(ticket).await {
                return;
            }
        }
        let what = format!("{} was followed in vain", self.hash);
        self.link.sim.note(Err((Invariant::Ended, what)));
    }

    /// Looks at a ticket once; true if that was its end.
    pub async fn look(&self, ticket: &Ticket) -> bool {
        let sim = &self.link.sim;
        let (asked_ms, was_decided) = (sim.clock.now_ms(), sim.oracle().is_decided(&self.asked));
        let request = Request::get(&ticket.location);
        let Some(answer) = self.link.send(&self.asked.cashier, request, String::new()).await else {
            return false;
        };
        sim.log(format_args!("{} looked, saw {} {}", self.name(), answer.status, brief(&answer)));
        let status = answer.body["status"].as_str().unwrap_or_default();
        let (verdict, is_end) = match (answer.status, status) {
            (200, "pending") => (sim.oracle().pending(&self.hash, ticket, asked_ms, was_decided), false),
            (200, "failed") => {
                let now_ms = sim.clock.now_ms();
                (sim.oracle().failed(&self.hash, ticket, now_ms, was_decided), true)
            }
            (200, _) => (sim.oracle().told(&self.hash, &answer.body), true),
            (422, _) => (sim.oracle().refused_key(&self.hash), true),
            (503, _) => (Ok(()), false),
            (status, _) => {
                let what = format!("{} looked and was answered {status} {}", self.hash, answer.body);
                (Err((Invariant::Answer, what)), true)
            }
        };
        sim.note(verdict);
        is_end
    }

    fn name(&self) -> String {
        format!("{} {} for {}", &self.hash[..8], self.asked.cashier.user, self.asked.employee)
    }
}

fn brief(answer: &Answer) -> String {
    let reason = answer.body["rejection"]["type"].as_str();
    let status = reason.or(answer.body["status"].as_str());
    status.map_or_else(|| answer.problem().to_owned(), str::to_owned)
}

/// A basket from what a terminal rings up.
pub fn basket(lines: Vec<(String, i64, Option<i64>)>) -> Basket {
    let line = |(code, qty, price): (String, i64, Option<i64>)| domain::command::OrderLine {
        code: code.parse().unwrap(),
        qty: qty.try_into().unwrap(),
        price: price.map(|price| price.try_into().unwrap()),
    };
    lines.into_iter().map(line).collect::<Vec<_>>().try_into().unwrap()
}
