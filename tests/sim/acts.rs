//! What is done on the stage, step by step: sales are rung up, and administrators, poisoners and
//! operators do what the script says.

use super::chaos::Kind;
use super::client::Client;
use super::office;
use super::oracle::Asked;
use super::play::{Play, pk};
use super::release;
use super::script::{Act, Correction, How, Line, Quirk, Sale, Shown};
use super::terminal::{self, Terminal};
use domain::command::{Kind as CommandKind, Purpose};
use domain::employee::BadgeStatus;
use domain::id::{CommandId, ConcessionaireId, EmployeeNumber, TenantId};
use domain::role::Status;
use domain::tenant::TenantStatus;
use futures_util::future::join_all;
use http::Method;
use local::fifo::{AttributeValue, Draft};
use serde_json::{Value, json};
use std::time::Duration;
use tokio::time::sleep;
use uuid::Uuid;

impl Play {
    pub async fn act(&mut self, act: &Act) {
        let sim = self.stage.sim.clone();
        let now_ms = sim.clock.now_ms();
        if let Some(kind) = act.kind().filter(|kind| *kind != Kind::Storm) {
            sim.happened(kind);
        }
        match act {
            Act::Sell(sale) => self.sell(sale),
            Act::Correct(correction) => self.correct(correction),
            Act::Administer(deed) => self.administer(deed),
            Act::Tick { tenant, is_reconciliation, delay_ms, times } => {
                self.tick(*tenant, *is_reconciliation, *delay_ms, *times);
            }
            Act::Drop(drop) => self.drop_file(drop),
            Act::Listen { tenant } => self.listen(&self.tenant(*tenant), Duration::ZERO),
            Act::HangUp { connection, back_ms } => self.hang_up(*connection, *back_ms),
            Act::Browse { tenant } => self.browse(*tenant),
            Act::Credit { buyer } => sim.give_credit(&pk(&self.buyer(*buyer))),
            Act::Suspend { tenant } => {
                let tenant = self.tenant(*tenant);
                let is_active = sim.office().tenants[&tenant].current().status == TenantStatus::Active;
                let status = if is_active { TenantStatus::Suspended } else { TenantStatus::Active };
                sim.office().set_status(&sim.table, &tenant, status, now_ms);
            }
            Act::Deactivate { buyer } => {
                let of = self.buyer(*buyer);
                sim.office().change_employee(&sim.table, &of, now_ms, |employee| {
                    let is_active = employee.status == Status::Active;
                    employee.status = if is_active { Status::Inactive } else { Status::Active };
                });
            }
            Act::BlockBadge { buyer } => {
                let of = self.buyer(*buyer);
                sim.office().change_employee(&sim.table, &of, now_ms, |employee| {
                    for status in employee.badges.values_mut() {
                        let is_active = *status == BadgeStatus::Active;
                        *status = if is_active { BadgeStatus::Blocked } else { BadgeStatus::Active };
                    }
                });
            }
            Act::TurnMeal { stall, meal } => {
                let code = office::MEALS[meal % office::MEALS.len()];
                let stall = self.stall(*stall);
                sim.office().turn_meal(&sim.table, stall, code, now_ms);
            }
            Act::PrintMenu { stall } => {
                let (tenant, stall) = self.stall(*stall);
                sim.office().print_menu(&sim.table, &tenant, &stall, &mut self.rng, now_ms);
            }
            Act::Poison { buyer, kind, how } => self.poison(*buyer, *kind, *how).await,
            Act::Storm { service, ms } => sim.chaos().storm(*service, now_ms + ms),
            Act::Outage { minutes } => {
                sim.stop_everything();
                sim.clock.jump(minutes * 60_000);
            }
            Act::Redrive => self.redrive().await,
        }
    }

    pub fn buyer(&self, index: usize) -> (TenantId, EmployeeNumber) {
        let office = self.stage.sim.office();
        office.employees.keys().nth(index % office.employees.len()).expect("a buyer").clone()
    }

    pub fn tenant(&self, index: usize) -> TenantId {
        let office = self.stage.sim.office();
        office.tenants.keys().nth(index % office.tenants.len()).expect("a tenant").clone()
    }

    pub fn stall(&self, index: usize) -> (TenantId, ConcessionaireId) {
        let office = self.stage.sim.office();
        office.menus.keys().nth(index % office.menus.len()).expect("a stall").clone()
    }

    fn sell(&mut self, sale: &Sale) {
        let asked = self.ask(sale);
        match sale.quirk {
            Quirk::None => {}
            Quirk::Impatient => return self.start(asked, sale.wait, true, Duration::ZERO),
            Quirk::Twin => {
                let delay = Duration::from_millis(self.rng.u64(0..30));
                self.start(asked.clone(), 0, false, delay);
            }
            Quirk::OtherBasket(delay_ms) => {
                let basket = terminal::basket(vec![("TEA".to_owned(), self.rng.i64(5..9), None)]);
                let other = Asked { basket, ..asked.clone() };
                self.start(other, 0, false, Duration::from_millis(delay_ms));
            }
            Quirk::OtherBuyer => {
                let employee = self.buyer_of(&asked.cashier.tenant, sale.buyer + 1);
                let badge = asked.badge.as_ref().map(|_| format!("RF-{employee}").parse().unwrap());
                let other = Asked { employee, badge, ..asked.clone() };
                self.start(other, sale.wait, false, Duration::ZERO);
            }
        }
        self.start(asked, sale.wait, false, Duration::ZERO);
    }

    /// Whoever may puts right a sale that was asked for lately.
    fn correct(&mut self, correction: &Correction) {
        let Some(asked) = self.stage.sim.oracle().asked_lately(correction.sale) else { return };
        let id = self.new_key().try_into().unwrap();
        self.put_right(&asked, correction, correction.how, id, Duration::ZERO);
        if let Some((other, delay_ms)) = correction.other {
            self.put_right(&asked, correction, other, id, Duration::from_millis(delay_ms));
        }
    }

    fn put_right(
        &mut self,
        asked: &Asked,
        correction: &Correction,
        how: How,
        id: CommandId,
        delay: Duration,
    ) {
        let buyer = format!("/v1/employees/{}", asked.employee);
        let sale = format!("{buyer}/checkouts/{}", asked.id);
        let because = |mut body: Value| {
            body["reason"] = json!("because");
            body
        };
        let (role, path, body) = match how {
            How::Void { is_manager: false } => ("", format!("{sale}/void"), because(json!({}))),
            How::Void { is_manager: true } => ("-manager", format!("{sale}/void"), because(json!({}))),
            How::RefundAmount(amount) => {
                ("-manager", format!("{sale}/refunds"), because(json!({ "amount": amount })))
            }
            How::RefundItem { meal, qty } => {
                let items = json!([{ "code": office::MEALS[meal % office::MEALS.len()], "qty": qty }]);
                ("-manager", format!("{sale}/refunds"), because(json!({ "items": items })))
            }
            How::Adjust(0) => return,
            How::Adjust(amount) => {
                ("-admin", format!("{buyer}/adjustments"), because(json!({ "amount": amount })))
            }
        };
        let who = asked.cashier.in_role(role);
        let place = (asked.tenant.clone(), asked.employee.clone(), id.into());
        let nth = self.stage.sim.oracle().asks_correction(place, how, asked.id, who.user.clone());
        let corrector = Client {
            link: self.stage.link.clone(),
            who,
            corrects: Some((asked.employee.clone(), nth)),
            id,
            method: Method::POST,
            path,
            body,
            wait: correction.wait,
            if_match: None,
        };
        let times = 1 + usize::from(correction.is_twin);
        self.sales.spawn(async move {
            sleep(delay).await;
            join_all(std::iter::repeat_n(corrector, times).map(Client::run)).await;
        });
    }

    /// A key as a client makes it now.
    pub fn new_key(&mut self) -> Uuid {
        let now_ms = u64::try_from(self.stage.sim.clock.now_ms()).unwrap();
        let random: [u8; 10] = std::array::from_fn(|_| self.rng.u8(..));
        uuid::Builder::from_unix_timestamp_millis(now_ms, &random).into_uuid()
    }

    fn start(&mut self, asked: Asked, wait: u64, is_impatient: bool, delay: Duration) {
        let terminal = Terminal::new(self.stage.link.clone(), asked, wait, is_impatient);
        self.sales.spawn(async move {
            sleep(delay).await;
            terminal.sell().await;
        });
    }

    pub fn buyer_of(&self, tenant: &TenantId, index: usize) -> EmployeeNumber {
        let office = self.stage.sim.office();
        let own: Vec<_> = office.employees.keys().filter(|(of, _)| of == tenant).collect();
        own[index % own.len()].1.clone()
    }

    /// What a terminal would ask for now, under a new key.
    fn ask(&mut self, sale: &Sale) -> Asked {
        let cashier = self.stage.cashiers[sale.terminal % self.stage.cashiers.len()].clone();
        let employee = self.buyer_of(&cashier.tenant, sale.buyer);
        let lines = {
            let office = self.stage.sim.office();
            let stall = (cashier.tenant.clone(), cashier.stall.clone());
            let version = office.menus[&stall].current().version.meals;
            let meals = &office.meals[&(stall.0, stall.1, version)];
            let shown = |line: &Line| {
                let price = line.code.parse().ok().and_then(|code| Some(meals.get(&code)?.price.get()));
                match line.shown {
                    Shown::Nothing => None,
                    Shown::Price => price,
                    Shown::Wrong => price.map(|price| price + 1),
                }
            };
            sale.lines.iter().map(|line| (line.code.clone(), line.qty, shown(line))).collect()
        };
        Asked {
            tenant: cashier.tenant.clone(),
            id: self.new_key().try_into().unwrap(),
            badge: sale.by_badge.then(|| format!("RF-{employee}").parse().unwrap()),
            employee,
            cashier,
            basket: terminal::basket(lines),
        }
    }

    /// Publishes something into a wallet's group that no worker can read, or may not, whichever gets it.
    pub async fn poison(&mut self, buyer: usize, kind: CommandKind, how: usize) {
        let (tenant, employee) = self.buyer(buyer);
        let body = match how % 3 {
            0 => "not json".to_owned(),
            1 => json!({ "v": 2, "kind": kind }).to_string(),
            _ => release::golden(kind).replace("\"request\": \"a5", "\"request\": \"b5"),
        };
        let draft = Draft {
            body,
            group_id: Some(pk(&(tenant.clone(), employee))),
            deduplication_id: Some(format!("poison-{}", self.rng.u64(..))),
            attributes: [("kind".to_owned(), AttributeValue::text(kind.as_str()))].into(),
        };
        let topic = self.stage.names.command_topic(&tenant);
        let sent = self.stage.engine.call(move |fifo, now_ms| fifo.publish(&topic, draft, now_ms)).await;
        sent.expect("a message");
    }

    pub async fn redrive(&self) {
        let tenants: Vec<_> = self.stage.sim.office().tenants.keys().cloned().collect();
        let all = tenants.iter().flat_map(|tenant| Purpose::ALL.map(|purpose| (tenant, purpose)));
        for (tenant, purpose) in all {
            let source = self.stage.names.dead_letter_queue(tenant, purpose);
            let moved = self
                .stage
                .engine
                .call(move |fifo, now_ms| fifo.start_message_move(&source, None, now_ms))
                .await;
            let moved = moved.expect("a dead-letter queue");
            if moved > 0 {
                self.stage.sim.log(format_args!("{tenant}: {moved} {purpose:?} moved back"));
            }
        }
    }

    pub fn closing_sale(&mut self, (tenant, employee): &(TenantId, EmployeeNumber)) -> Terminal {
        let terminal = self.stage.cashiers.iter().position(|cashier| cashier.tenant == *tenant);
        let line = Line { code: "TEA".to_owned(), qty: 1, shown: Shown::Nothing };
        let sale = Sale {
            terminal: terminal.expect("a cashier"),
            buyer: 0,
            by_badge: false,
            lines: vec![line],
            wait: 5,
            quirk: Quirk::None,
        };
        let asked = Asked { employee: employee.clone(), ..self.ask(&sale) };
        Terminal::new(self.stage.link.clone(), asked, 5, false)
    }
}
