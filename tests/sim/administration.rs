//! What administrators do through the API, and what reaches a company by itself: schedules that fire, and
//! files that are dropped.

use super::client::Client;
use super::link::Pauses;
use super::office::{self, Cashier};
use super::oracle::Invariant;
use super::play::Play;
use super::script::{Deed, Drop, What};
use aws::bus::KIND_ATTRIBUTE;
use aws::files::Dropped;
use aws::keys;
use domain::command::{Command, ImportFile, OpenCutoff, OpenReconciliation};
use domain::id::TenantId;
use domain::import::{Mode, Options, Strictness, Target};
use futures_util::future::join_all;
use http::{Method, Request};
use jiff::civil::Date;
use local::fifo::{AttributeValue, Draft};
use serde_json::{Value, json};
use std::time::Duration;
use tokio::time::sleep;

/// Announcements of one file, and firings of one schedule, that come again are this far apart at most: some
/// before the topic forgets the first, some after.
const AGAIN_MAX_MS: u64 = 400_000;
/// Between reading a menu and changing it as it was read.
const THINKS_MAX_MS: u64 = 20_000;

/// Whose request, by what their name ends with, and what it asks for.
type Asks = (&'static str, Method, String, Value);

impl Play {
    pub fn administer(&mut self, deed: &Deed) {
        let Some(request) = self.request(deed) else { return };
        let tenant = self.tenant(deed.tenant);
        let client = self.client(&tenant, request, deed.wait);
        let stall = deed.is_conditional().then(|| self.cashier_of(&tenant).stall);
        let thinks = Duration::from_millis(self.rng.u64(0..THINKS_MAX_MS));
        let times = 1 + usize::from(deed.is_twin);
        self.sales.spawn(async move {
            let client = match stall {
                Some(stall) => {
                    let client = client.on_condition(&stall).await;
                    sleep(thinks).await;
                    client
                }
                None => Some(client),
            };
            let twins = client.into_iter().flat_map(|client| std::iter::repeat_n(client, times));
            join_all(twins.map(Client::run)).await;
        });
    }

    /// Has the roster of an open cutoff handed out again.
    pub fn resume_cutoff(&mut self, tenant: &TenantId, date: Date) {
        let (path, body) =
            (format!("/v1/cutoffs/{date}/resume"), json!({ "reason": "a part was forgotten" }));
        let client = self.client(tenant, ("-admin", Method::POST, path, body), 5);
        self.sales.spawn(client.run());
    }

    fn client(&mut self, tenant: &TenantId, (role, method, path, body): Asks, wait: u64) -> Client {
        let who = self.cashier_of(tenant).in_role(role);
        let id = self.new_key().try_into().unwrap();
        Client {
            link: self.stage.link.clone(),
            who,
            id,
            method,
            path,
            body,
            wait,
            corrects: None,
            if_match: None,
        }
    }

    /// Whose request a deed is, and what it asks for.
    fn request(&mut self, deed: &Deed) -> Option<Asks> {
        let tenant = self.tenant(deed.tenant);
        let number = self.buyer_of(&tenant, deed.which);
        let stall = self.cashier_of(&tenant).stall;
        let employee = format!("/v1/employees/{number}");
        let meal = |meal: usize| format!("/v1/concessionaires/{stall}/meals/{}", office::MEALS[meal]);
        // Few names, so that several deeds meet at one.
        let (user, badge) = (format!("{tenant}.u{}", deed.which % 3), format!("RF-NEW-{}", deed.which % 3));
        let status = |is_active: bool| json!({ "status": if is_active { "active" } else { "inactive" } });
        let date = |days: i64| {
            let offset = office::offset(self.stage.sim.office().tenants[&tenant].current());
            let today = offset.to_datetime(self.stage.sim.clock.clock(0).now()).date();
            today.checked_add(jiff::Span::new().days(days)).unwrap()
        };
        let webhook = office::WEBHOOK;
        Some(match deed.what {
            What::Limit(limit) => ("-admin", Method::PATCH, employee, json!({ "credit_limit": limit })),
            What::Turn { is_active } => ("-admin", Method::PATCH, employee, status(is_active)),
            What::Hire { limit } => {
                let number = format!("9{}", deed.which);
                let body = json!({ "employee_number": number, "name": "Newcomer", "credit_limit": limit });
                ("-admin", Method::POST, "/v1/employees".to_owned(), body)
            }
            What::GiveBadge => {
                ("-admin", Method::PUT, format!("{employee}/badges/{badge}"), json!({ "status": "active" }))
            }
            What::TakeBadge => ("-admin", Method::DELETE, format!("{employee}/badges/{badge}"), Value::Null),
            What::Price { meal: at, price } => {
                let body = json!({ "name": "Edited", "category": "food", "price": price });
                ("-manager", Method::PUT, meal(at), body)
            }
            What::TakeOff { meal: at } => ("-manager", Method::DELETE, meal(at), Value::Null),
            What::SellOut { meal: at, is_sold_out } => {
                let body = json!({ "sold_out": is_sold_out });
                ("-manager", Method::PUT, format!("{}/availability", meal(at)), body)
            }
            What::AddUser => {
                let body = json!({ "username": user, "role": "employee", "employee_number": number });
                ("-admin", Method::POST, "/v1/users".to_owned(), body)
            }
            What::TurnUser { is_active } => {
                ("-admin", Method::PATCH, format!("/v1/users/{user}"), status(is_active))
            }
            What::ResetPassword => {
                ("-admin", Method::POST, format!("/v1/users/{user}/password-reset"), Value::Null)
            }
            What::Furnish => {
                let body = json!({ "concessionaire_id": stall });
                ("-admin", Method::PUT, format!("/v1/stations/new-{}", deed.which), body)
            }
            What::MoveStation { is_home, is_active } => {
                let own: Vec<_> =
                    self.stage.cashiers.iter().filter(|cashier| cashier.tenant == tenant).collect();
                let at = |which: usize| own[which % own.len()];
                let station = &at(deed.which).station;
                let mut body = status(is_active);
                body["concessionaire_id"] = json!(at(deed.which + usize::from(!is_home)).stall);
                ("-admin", Method::PUT, format!("/v1/stations/{station}"), body)
            }
            What::OpenCutoff { in_days } => {
                let body = json!({ "date": date(in_days), "reason": "because" });
                ("-admin", Method::POST, "/v1/cutoffs".to_owned(), body)
            }
            What::ResumeCutoff => {
                let (path, body) =
                    (format!("/v1/cutoffs/{}/resume", date(0)), json!({ "reason": "because" }));
                ("-admin", Method::POST, path, body)
            }
            What::SetPolicy { limit, prorates_joiners } => {
                let body = json!({
                    "days": [2, "last"], "time": "11:00", "method": "raise_to", "negative_balance": "carry",
                    "default_limit": limit, "prorates_joiners": prorates_joiners,
                });
                ("-admin", Method::PUT, "/v1/credit-policy".to_owned(), body)
            }
            What::SetTenant { overdraft_limit, closing_hour } => {
                let zone = {
                    let office = self.stage.sim.office();
                    office.tenants[&tenant].current().business_day.zone_name().to_owned()
                };
                let body = json!({
                    "name": "Renamed", "currency": "PHP", "time_zone": zone, "closing_hour": closing_hour,
                    "overdraft_limit": overdraft_limit,
                });
                ("-platform", Method::PUT, format!("/v1/tenants/{tenant}"), body)
            }
            What::TurnTenant { is_active } => {
                let verb = if is_active { "resume" } else { "suspend" };
                let path = format!("/v1/tenants/{tenant}/{verb}");
                ("-platform", Method::POST, path, json!({ "reason": "because" }))
            }
            What::AddWebhook => {
                let body = json!({ "url": format!("https://hooks.example/{tenant}/more") });
                ("-admin", Method::POST, "/v1/webhooks".to_owned(), body)
            }
            What::RemoveWebhook => {
                // From now on nobody counts on it.
                self.stage.sim.office().webhooks.remove(&tenant)?;
                ("-admin", Method::DELETE, format!("/v1/webhooks/{webhook}"), Value::Null)
            }
            What::TryWebhook => {
                self.stage.sim.office().webhooks.contains_key(&tenant).then_some(())?;
                ("-admin", Method::POST, format!("/v1/webhooks/{webhook}/test"), Value::Null)
            }
        })
    }

    /// Whoever founded a company asks what reaches its queues, until everything does.
    pub fn probe(&mut self, tenant: &TenantId) {
        let who = self.cashier_of(tenant).in_role("-platform");
        let (link, path) = (self.stage.link.clone(), format!("/v1/tenants/{tenant}/probe"));
        self.sales.spawn(async move {
            let mut pauses = Pauses::new();
            loop {
                match link.send(&who, Request::post(&path), String::new()).await {
                    Some(answer) if answer.body["is_ready"] == true => return,
                    Some(answer) if ![202, 503].contains(&answer.status) => {
                        let what = format!("{path} was answered {} {}", answer.status, answer.body);
                        return link.sim.note(Err((Invariant::Answer, what)));
                    }
                    Some(_) | None => pauses.pause().await,
                }
            }
        });
    }

    /// A schedule fires, as EventBridge does it: late, or twice.
    pub fn tick(&mut self, tenant: usize, is_reconciliation: bool, delay_ms: u64, times: usize) {
        let tenant = self.tenant(tenant);
        let id = uuid::Builder::from_random_bytes(std::array::from_fn(|_| self.rng.u8(..))).into_uuid();
        let (command, group) = if is_reconciliation {
            let command = Command::OpenReconciliation(OpenReconciliation::new(&tenant, id));
            (command, keys::reconciliation_group(&tenant))
        } else {
            (Command::OpenCutoff(OpenCutoff::new(&tenant, id)), keys::cutoff_group(&tenant))
        };
        self.announce(&tenant, draft(&command, group, id.to_string()), delay_ms, times);
    }

    /// A file is put into its place, and announced: of one company alone, so that no two are looked at at the
    /// same instant, each on a thread of its own.
    pub fn drop_file(&mut self, drop: &Drop) {
        let stalls = self.stage.sim.office().menus.len();
        let (tenant, stall) = self.stall(drop.stall % stalls.min(2));
        let target = if drop.prices.is_empty() { Target::Roster } else { Target::Menu(stall) };
        let dropped = Dropped { tenant: tenant.clone(), target, name: self.new_key().to_string() };
        let (mut csv, mut rows) = (String::new(), vec![]);
        if drop.prices.is_empty() {
            csv.push_str("employee_number,name,credit_limit\n");
            for (index, limit) in drop.limits.iter().enumerate() {
                let number = (index + 1).to_string();
                csv.push_str(&format!("{number},Listed {index},{}.{:02}\n", limit / 100, limit % 100));
                rows.push((number, *limit));
            }
        } else {
            csv.push_str("code,name,category,price\n");
            let fillers = (0..drop.fillers).map(|index| (format!("FILLER-{index}"), 100));
            let meals = office::MEALS.iter().map(ToString::to_string).zip(drop.prices.iter().copied());
            for (code, price) in meals.chain(fillers) {
                csv.push_str(&format!("{code},{code},food,{}.{:02}\n", price / 100, price % 100));
                rows.push((code, price));
            }
        }
        if drop.has_bad_row {
            csv.push_str("BAD,=1+1,,\n");
        }
        let mode = if drop.is_merged { Mode::Merge } else { Mode::Replace };
        let strictness = if drop.is_lenient { Strictness::Lenient } else { Strictness::Strict };
        let max_missing_percent = Some(if drop.may_miss { 100 } else { 0 }.try_into().unwrap());
        let options = Options { strictness, max_missing_percent, ..Options::new(mode) }.write();
        let metadata = options.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
        let sim = self.stage.sim.clone();
        let file = sim.files().put(&dropped.key(), csv, metadata, sim.clock.now_ms());
        sim.office().dropped.insert(file.etag.clone(), rows.into_iter().collect());
        let group = keys::import_group(&tenant, &dropped.target);
        let announced = ImportFile {
            tenant: tenant.clone(),
            key: dropped.key(),
            etag: file.etag.clone(),
            sequencer: file.etag.clone(),
        };
        let draft = draft(&Command::ImportFile(announced), group, file.etag);
        self.announce(&tenant, draft, drop.lag_ms, drop.times);
    }

    /// Publishes past the API, so often.
    fn announce(&mut self, tenant: &TenantId, draft: Draft, delay_ms: u64, times: usize) {
        let (engine, topic) = (self.stage.engine.clone(), self.stage.names.command_topic(tenant));
        let pauses: Vec<_> =
            (0..times).map(|time| if time == 0 { delay_ms } else { self.rng.u64(0..AGAIN_MAX_MS) }).collect();
        self.sales.spawn(async move {
            for pause_ms in pauses {
                sleep(Duration::from_millis(pause_ms)).await;
                let (topic, draft) = (topic.clone(), draft.clone());
                let sent = engine.call(move |fifo, now_ms| fifo.publish(&topic, draft, now_ms)).await;
                sent.expect("a topic");
            }
        });
    }

    /// Reads a page of one's own list, and reads on with the cursor in another company's and in another list.
    pub fn browse(&mut self, tenant: usize) {
        let tenants: Vec<_> = self.stage.sim.office().tenants.keys().cloned().collect();
        let admin = |tenant: &TenantId| self.cashier_of(tenant).in_role("-admin");
        let own = admin(&tenants[tenant % tenants.len()]);
        let other =
            tenants.get((tenant + 1) % tenants.len()).map(admin).filter(|other| other.tenant != own.tenant);
        let (link, sim) = (self.stage.link.clone(), self.stage.sim.clone());
        self.read_statements(own.clone());
        self.sales.spawn(async move {
            let first = link.send(&own, Request::get("/v1/employees?limit=1"), String::new()).await;
            let Some(cursor) = first.and_then(|page| page.body["next_cursor"].as_str().map(str::to_owned))
            else {
                return;
            };
            let tries = [
                (Some(&own), format!("/v1/employees?limit=1&cursor={cursor}"), 200),
                (Some(&own), format!("/v1/users?cursor={cursor}"), 400),
                (other.as_ref(), format!("/v1/employees?cursor={cursor}"), 400),
            ];
            for (who, path, expected) in tries {
                let Some(who) = who else { continue };
                let Some(answer) = link.send(who, Request::get(&path), String::new()).await else { continue };
                if ![expected, 401, 403, 503].contains(&answer.status) {
                    let what = format!("{} read on {path}: {} {}", who.tenant, answer.status, answer.body);
                    sim.note(Err((Invariant::Tenancy, what)));
                }
            }
        });
    }

    /// Statements add up, whatever moves their wallets meanwhile.
    fn read_statements(&mut self, admin: Cashier) {
        let employees: Vec<_> = self.stage.sim.office().employees.keys().cloned().collect();
        for (_, number) in employees.into_iter().filter(|(tenant, _)| *tenant == admin.tenant) {
            let (link, admin) = (self.stage.link.clone(), admin.clone());
            self.sales.spawn(async move {
                let path = format!("/v1/employees/{number}/movements");
                let Some(answer) = link.send(&admin, Request::get(&path), String::new()).await else {
                    return;
                };
                if answer.status == 200 && !adds_up(&answer.body)
                    || ![200, 401, 403, 503].contains(&answer.status)
                {
                    let what = format!("{path}: {} {}", answer.status, answer.body);
                    link.sim.note(Err((Invariant::Answer, what)));
                }
            });
        }
    }

    pub fn cashier_of(&self, tenant: &TenantId) -> Cashier {
        let own = self.stage.cashiers.iter().find(|cashier| cashier.tenant == *tenant);
        own.expect("a cashier").clone()
    }
}

/// Whether each movement of a statement leads from one balance to the next.
fn adds_up(statement: &Value) -> bool {
    let mut balance = statement["opening_balance"].as_i64();
    for movement in statement["movements"].as_array().into_iter().flatten() {
        balance = balance.zip(movement["amount"].as_i64()).map(|(balance, amount)| balance + amount);
        if balance != movement["balance"].as_i64() {
            return false;
        }
    }
    balance.is_some() && balance == statement["closing_balance"].as_i64()
}

fn draft(command: &Command, group: String, deduplication_id: String) -> Draft {
    let kind = AttributeValue::text(command.kind().as_str());
    Draft {
        body: command.written().unwrap(),
        group_id: Some(group),
        deduplication_id: Some(deduplication_id),
        attributes: [(KIND_ATTRIBUTE.to_owned(), kind)].into(),
    }
}
