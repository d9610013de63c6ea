//! Somebody who puts a sale right, or administers: keeps a key until the outcome is known, as a terminal
//! does.

use super::link::{Answer, Link, Pauses};
use super::office::Cashier;
use super::oracle::{AskedPlace, Invariant, Papers, Ticket, Verdict};
use domain::id::{CommandId, ConcessionaireId, EmployeeNumber};
use http::{Method, Request};
use serde_json::{Value, json};

/// How often somebody sends or looks before they give up.
const TRIES_MAX: usize = 60;

#[derive(Debug, Clone)]
pub struct Client {
    pub link: Link,
    /// Who does it, and for which tenant.
    pub who: Cashier,
    pub id: CommandId,
    pub method: Method,
    pub path: String,
    /// Nothing if it is null.
    pub body: Value,
    pub wait: u64,
    /// Whose wallet it puts right, if it does, and which it is of the corrections under its key.
    pub corrects: Option<(EmployeeNumber, usize)>,
    /// The tag under which it was read what it changes, if it must still stand so.
    pub if_match: Option<String>,
}

/// Where its outcome will stand.
enum Place {
    Booking(AskedPlace),
    Receipt(Papers),
}

impl Client {
    /// Sends and follows until the outcome is known or nobody can tell any more.
    pub async fn run(self) {
        let (mut pauses, mut ticket) = (Pauses::new(), None);
        for _ in 0..TRIES_MAX {
            let is_end = match &ticket {
                None => self.send(&mut ticket).await,
                Some(ticket) => self.look(ticket).await,
            };
            if is_end {
                return;
            }
            pauses.pause().await;
        }
        if ticket.is_some() {
            self.note(Err((Invariant::Ended, format!("{} was followed in vain", self.path))));
        }
    }

    /// The same, where a menu stands as it is read now: nothing if it cannot be read.
    pub async fn on_condition(self, stall: &ConcessionaireId) -> Option<Self> {
        let request = Request::get(format!("/v1/concessionaires/{stall}/menu"));
        let answer = self.link.send(&self.who, request, String::new()).await?;
        let tag = answer.headers.get("etag").filter(|_| answer.status == 200)?.to_str().unwrap().to_owned();
        let (_, version) = tag.trim_matches('"').split_once(&format!("{stall}.")).expect("a tag of a menu");
        let papers = (self.who.tenant.clone(), self.id);
        self.link.sim.oracle().conditions.insert(papers, (stall.clone(), version.to_owned()));
        Some(Self { if_match: Some(tag), ..self })
    }

    async fn send(&self, ticket: &mut Option<Ticket>) -> bool {
        let mut request = Request::builder()
            .method(&self.method)
            .uri(&self.path)
            .header("idempotency-key", self.id.to_string())
            .header("prefer", format!("wait={}", self.wait));
        if let Some(tag) = &self.if_match {
            request = request.header("if-match", tag);
        }
        let mut body = String::new();
        if !self.body.is_null() {
            request = request.header("content-type", "application/json");
            body = self.body.to_string();
        }
        let Some(answer) = self.link.send(&self.who, request, body).await else { return false };
        self.log("sent", &answer);
        match answer.status {
            200 => self.note(self.told(&answer.body)),
            202 => {
                let (request, given) = Ticket::read(answer.headers["location"].to_str().unwrap());
                if let Place::Booking(place) = self.place() {
                    self.link.sim.oracle().accepted_correction(&place, request);
                }
                *ticket = Some(given);
                return false;
            }
            503 => return false,
            412 if self.if_match.is_some() => {
                let papers = (self.who.tenant.clone(), self.id);
                self.note(self.link.sim.overtaken(&papers));
            }
            // Its key grew too old in an outage.
            400 if answer.problem() == "bad-input" => {}
            // Its user was let go, or its tenant suspended.
            401 | 403 if self.corrects.is_none() => {}
            422 => self.note(self.refused(&answer)),
            _ => self.surprised(&answer),
        }
        true
    }

    /// Its key was another's.
    fn refused(&self, answer: &Answer) -> Verdict {
        match self.place() {
            Place::Booking(place) => self.link.sim.oracle().refused_correction(&place),
            Place::Receipt(_) => Err((Invariant::Answer, format!("{} {}", self.path, answer.body))),
        }
    }

    async fn look(&self, ticket: &Ticket) -> bool {
        let asked_ms = self.link.sim.clock.now_ms();
        let was_decided = {
            let oracle = self.link.sim.oracle();
            match self.place() {
                Place::Booking((place, _)) => oracle.bookings.contains_key(&place),
                Place::Receipt(papers) => oracle.receipts.contains_key(&papers),
            }
        };
        let request = Request::get(&ticket.location);
        let Some(answer) = self.link.send(&self.who, request, String::new()).await else { return false };
        self.log("looked", &answer);
        match (answer.status, answer.body["status"].as_str().unwrap_or_default()) {
            (200, "pending") => {
                self.note(ticket.may_be_pending(asked_ms));
                false
            }
            (200, "failed") => {
                if was_decided {
                    self.note(Err((Invariant::Answer, format!("{} reads failed", self.path))));
                }
                true
            }
            (200, _) => {
                self.note(self.told(&answer.body));
                true
            }
            (503, _) => false,
            (422, _) => {
                self.note(self.refused(&answer));
                true
            }
            (401 | 403, _) if self.corrects.is_none() => true,
            _ => {
                self.surprised(&answer);
                true
            }
        }
    }

    fn place(&self) -> Place {
        let tenant = self.who.tenant.clone();
        match &self.corrects {
            Some((employee, nth)) => Place::Booking(((tenant, employee.clone(), self.id.into()), *nth)),
            None => Place::Receipt((tenant, self.id)),
        }
    }

    fn told(&self, body: &Value) -> Verdict {
        let oracle = self.link.sim.oracle();
        match self.place() {
            Place::Booking(place) => oracle.told_booking(&place, body),
            Place::Receipt(papers) => oracle.told_receipt(&papers, &self.asks(), body),
        }
    }

    /// What is to stand where it stands as it was asked for.
    fn asks(&self) -> Value {
        let verb = self.path.strip_prefix("/v1/tenants/").and_then(|rest| rest.split_once('/'));
        match verb {
            Some((_, "suspend")) => json!({ "status": "suspended" }),
            Some((_, "resume")) => json!({ "status": "active" }),
            // A badge's status is not its employee's.
            _ if self.path.contains("/badges/") => Value::Null,
            _ => self.body.clone(),
        }
    }

    fn surprised(&self, answer: &Answer) {
        let what = format!("{} was answered {} {}", self.path, answer.status, answer.body);
        self.note(Err((Invariant::Answer, what)));
    }

    fn note(&self, verdict: Verdict) {
        self.link.sim.note(verdict);
    }

    fn log(&self, what: &str, answer: &Answer) {
        let reason = answer.body["rejection"]["type"].as_str().or(answer.body["status"].as_str());
        let (who, path, status) = (&self.who.user, &self.path, answer.status);
        let reason = reason.unwrap_or_else(|| answer.problem());
        self.link.sim.log(format_args!("{who} {what} {path}, heard {status} {reason}"));
    }
}
