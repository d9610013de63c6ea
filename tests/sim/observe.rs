//! What functions change besides wallets, seen as it is committed: the office learns what is true now, and
//! what must hold of changes, cutoffs, imports and menus is looked at.

use super::Sim;
use super::chaos::SKEW_MAX_MS;
use super::judge;
use super::office::{offset, sort_key};
use super::oracle::{Invariant, Papers, RETENTION, Verdict};
use super::pool::Member;
use super::table::item_of;
use aws::items::{self, Item, MenuHead, Roster, StoredCutoff};
use aws::keys;
use domain::admin::{Receipt, ReceiptOutcome, Rejection};
use domain::command::{COMMAND_LIFETIME, Deliver};
use domain::cutoff::{Cutoff, StandingPolicy, Totals, booking_id};
use domain::employee::Employee;
use domain::id::{MealCode, TenantId};
use domain::import::{Effect, Import, Mode, Stage, Strictness, Target};
use domain::reconciliation::Stage as RunStage;
use domain::role::Status;
use domain::tenant::Tenant;
use domain::webhook::{DeliveryState, Webhook};
use jiff::Timestamp;
use jiff::civil::{Date, Time};
use serde_json::{Value, json};
use std::collections::BTreeMap;

impl Sim {
    /// Takes in everything that a transaction put.
    pub fn observe(&self, body: &str) {
        let mut body: Value = serde_json::from_str(body).unwrap();
        let writes = body["TransactItems"].as_array_mut().expect("a transaction");
        let put = writes.iter_mut().filter_map(|write| Some(write.get_mut("Put")?["Item"].take()));
        let put: Vec<_> = put.map(item_of).collect();
        let is_asked = put.iter().any(|item| sort_key(item) == "RECEIPT");
        for item in put {
            self.note(self.see(item, is_asked));
        }
        let reached = |write: &Value| {
            let key = &write["Update"]["Key"];
            let tenant =
                key["PK"]["S"].as_str()?.strip_prefix("T#").filter(|_| key["SK"]["S"] == "TENANT")?;
            self.table.get(&keys::tenant(&tenant.parse().ok()?))
        };
        for item in writes.iter().filter_map(reached) {
            self.note(self.see(item, false));
        }
    }

    /// What was put, by itself or as a change that somebody asked for.
    fn see(&self, item: Item, is_asked: bool) -> Verdict {
        let text = |name: &str| item[name].as_s().expect("a key").clone();
        let (pk, sk) = (text(keys::PK), text(keys::SK));
        let mut rest = pk.strip_prefix("T#").expect("a tenant's key").splitn(3, '#');
        let tenant: TenantId = rest.next().unwrap_or_default().parse().unwrap();
        let now_ms = self.clock.now_ms();
        match (rest.next(), rest.next(), sk.split('#').next().unwrap_or_default()) {
            (None, None, "TENANT") => return self.see_tenant(&tenant, item),
            (Some("E"), Some(number), "EMPLOYEE") => {
                return self.see_employee(&tenant, &number.parse().unwrap(), item, is_asked);
            }
            (Some("M"), Some(stall), "MENU") => {
                self.office().learn_menu(&self.table, &tenant, &stall.parse().unwrap(), item, now_ms);
            }
            (None, None, "POLICY") => self.office().learn_policy(&tenant, item, now_ms),
            (None, None, "STATION") => self.office().learn_station(&tenant, item, now_ms),
            (Some("R"), Some(_), "RECEIPT") => return self.see_receipt(item),
            (None, None, "CUTOFF") => return self.see_cutoff(&tenant, &sk, item, is_asked),
            (None, None, "IMPORT") => return self.see_import(&tenant, item),
            _ => {}
        }
        Ok(())
    }

    /// Whatever reached a company's queues reaches them still.
    fn see_tenant(&self, tenant: &TenantId, item: Item) -> Verdict {
        let (mut office, now_ms) = (self.office(), self.clock.now_ms());
        let before = office.tenants[tenant].current().reached.clone();
        office.learn_tenant(tenant, item, now_ms);
        let after = &office.tenants[tenant].current().reached;
        if after.is_superset(&before) {
            Ok(())
        } else {
            Err((Invariant::Overwritten, format!("{tenant} was reached by {before:?}, and is by {after:?}")))
        }
    }

    /// A change has one receipt for ever, and none is applied too late.
    fn see_receipt(&self, item: Item) -> Verdict {
        let receipt = items::stored_receipt(item).unwrap();
        let is_late = receipt.decided_at > receipt.accepted_at + COMMAND_LIFETIME;
        let is_import = receipt.change.starts_with("import-");
        if is_late && !is_import && matches!(receipt.outcome, ReceiptOutcome::Applied { .. }) {
            return Err((Invariant::Late, format!("{receipt:?}")));
        }
        self.check_change(&receipt)?;
        self.check_condition(&receipt)?;
        let papers = (receipt.tenant.clone(), receipt.id);
        let before = self.oracle().receipts.insert(papers.clone(), receipt.clone());
        if let Some(before) = before.filter(|before| *before != receipt) {
            return Err((Invariant::OneOutcome, format!("{before:?} became {receipt:?}")));
        }
        self.oracle().check_overtaken(&papers)
    }

    /// What was asked for of one version of a menu is applied to that, or refused because there is another
    /// for good.
    fn check_condition(&self, receipt: &Receipt) -> Verdict {
        let papers = (receipt.tenant.clone(), receipt.id);
        let Some((stall, asked)) = self.oracle().conditions.get(&papers).cloned() else { return Ok(()) };
        let office = self.office();
        let menu = &office.menus[&(receipt.tenant.clone(), stall)];
        let is_asked = |head: &MenuHead| head.version.to_string() == asked;
        let is_right = match &receipt.outcome {
            ReceiptOutcome::Applied { .. } => menu.before_last().is_some_and(is_asked),
            ReceiptOutcome::Rejected(Rejection::PreconditionFailed) => !is_asked(menu.current()),
            ReceiptOutcome::Rejected(_) => true,
        };
        if is_right {
            Ok(())
        } else {
            Err((Invariant::Overwritten, format!("{receipt:?} was asked for under {asked}: {menu:?}")))
        }
    }

    /// Somebody was answered that the menu is another by now: it is, and not by their own change.
    pub fn overtaken(&self, papers: &Papers) -> Verdict {
        self.oracle().overtaken.insert(papers.clone());
        self.oracle().check_overtaken(papers)?;
        let (stall, asked) = self.oracle().conditions[papers].clone();
        let current = self.office().menus[&(papers.0.clone(), stall)].current().version.to_string();
        if current == asked {
            Err((Invariant::Answer, format!("{papers:?} was answered 412, and {current} stands")))
        } else {
            Ok(())
        }
    }

    /// What a change of an employee or a tenant stood on was what stood there when it was written, it says
    /// what stands since, and how books are kept lets nobody sell who may not.
    fn check_change(&self, receipt: &Receipt) -> Verdict {
        let ReceiptOutcome::Applied { before, after } = &receipt.outcome else { return Ok(()) };
        let office = self.office();
        let (stood, stands) = match receipt.subject.split_once('/') {
            Some(("employees", number)) => {
                let who = &office.employees[&(receipt.tenant.clone(), number.parse().unwrap())];
                (who.before_last().map(employee_of), employee_of(who.current()))
            }
            Some(("tenants", id)) => {
                let tenant = &office.tenants[&id.parse().unwrap()];
                (tenant.before_last().map(tenant_of), tenant_of(tenant.current()))
            }
            _ => return Ok(()),
        };
        let is_said = |(field, value): (&String, &Value)| after.get(field) == Some(value);
        let is_turned = receipt.change == "set-tenant" && before["status"] != after["status"];
        if (before.is_null() || stood.as_ref() == Some(before))
            && stands.as_object().is_some_and(|stands| stands.iter().all(is_said))
            && !is_turned
        {
            Ok(())
        } else {
            Err((Invariant::Overwritten, format!("{stood:?} became {stands}, and not by {receipt:?}")))
        }
    }

    /// Once it is closed, a cutoff has everybody who is on the roster, and its totals are what they got.
    fn see_cutoff(&self, tenant: &TenantId, sk: &str, item: Item, is_asked: bool) -> Verdict {
        let date: Date = sk.strip_prefix("CUTOFF#").expect("a date").parse().unwrap();
        let wrong = |what: String| Err((Invariant::Granted, format!("{tenant}'s cutoff of {date} {what}")));
        let StoredCutoff { cutoff, is_untold, .. } = items::stored_cutoff(date, item).unwrap();
        if self.oracle().opened.insert((tenant.clone(), date)) {
            let standing = self.table.get(&keys::policy(tenant)).expect("a policy");
            let standing = items::stored_policy(standing).unwrap();
            if cutoff.policy != standing.policy {
                return wrong(format!("was opened under {:?}, and {standing:?} stands", cutoff.policy));
            }
            if !is_asked && !self.was_due(tenant, date, &standing) {
                return wrong(format!("was not due under {standing:?}"));
            }
        }
        let Cutoff { closed: Some(closed), .. } = cutoff else { return Ok(()) };
        if !is_untold {
            let is_as_closed = self.oracle().closed.get(&(tenant.clone(), date)) == Some(&closed);
            return if is_as_closed { Ok(()) } else { wrong("was changed after it was closed".to_owned()) };
        }
        let mut totals = Totals::default();
        for (of, employee) in self.office().employees.keys().filter(|(of, _)| of == tenant) {
            let Some(booked) = self.table.get(&keys::booking(of, employee, &booking_id(date))) else {
                return wrong(format!("closed without {employee}"));
            };
            totals.count(&items::stored_booking(booked).unwrap());
        }
        if totals != closed.1 {
            return wrong(format!("says {:?}, and {totals:?} was booked", closed.1));
        }
        match self.oracle().closed.insert((tenant.clone(), date), closed) {
            Some(_) => wrong("was closed twice".to_owned()),
            None => Ok(()),
        }
    }

    /// Whether a cutoff's day and hour have come since they were set, wherever the company is.
    fn was_due(&self, tenant: &TenantId, date: Date, standing: &StandingPolicy) -> bool {
        let at: Time = format!("{}:00", String::from(standing.policy.at)).parse().unwrap();
        let now_ms = self.clock.now_ms();
        let office = self.office();
        let (from_ms, to_ms) = judge::span(now_ms);
        let mut tenants = office.tenants[tenant].within(from_ms, to_ms);
        standing.policy.schedule.at_or_before(date) == Some(date)
            && tenants.any(|tenant| {
                let due = offset(tenant).to_timestamp(date.to_datetime(at)).unwrap();
                due >= standing.since && due.as_millisecond() <= now_ms + SKEW_MAX_MS
            })
    }

    fn see_import(&self, tenant: &TenantId, item: Item) -> Verdict {
        let import = items::stored_import(tenant, item).unwrap();
        let papers = (tenant.clone(), import.id);
        let before = self.oracle().imports.insert(papers, import.clone());
        if let Some(before) = before.filter(|before| before.stage.is_final() && *before != import) {
            return Err((Invariant::OneOutcome, format!("{before:?} became {import:?}")));
        }
        let is_strict = import.options.strictness == Strictness::Strict;
        match &import.stage {
            Stage::Applied(Effect::Menu { .. }) if is_strict && import.rows.bad > 0 => {
                Err((Invariant::Decision, format!("{import:?} was strict, and had bad rows")))
            }
            Stage::Applied(Effect::Menu { version, is_unchanged: false, .. }) => {
                self.check_switch(&import, version.meals)
            }
            Stage::Applied(Effect::Roster(_)) => self.check_roster(&import),
            _ => Ok(()),
        }
    }

    /// The last cutoff that was opened.
    pub fn roster(&self, tenant: &TenantId) -> Option<Roster> {
        self.table.get(&keys::roster(tenant)).map(|item| items::stored_roster(item).unwrap())
    }

    /// No cutoff is open, and none was due at an instant that was not opened.
    pub fn check_closed(&self, tenant: &TenantId, at: Timestamp) -> Verdict {
        let Some(policy) = self.table.get(&keys::policy(tenant)) else { return Ok(()) };
        let standing = items::stored_policy(policy).unwrap();
        let roster = self.roster(tenant);
        let day = self.office().tenants[tenant].current().business_day.clone();
        if roster.is_some_and(|roster| roster.is_open) {
            return Err((Invariant::Granted, format!("{tenant}'s cutoff stays open: {roster:?}")));
        }
        match standing.to_open(&day, roster.map(|roster| roster.latest), at) {
            Some(date) => Err((Invariant::Granted, format!("{tenant}'s cutoff of {date} was not opened"))),
            None => Ok(()),
        }
    }

    /// Whatever a reconciliation looked at agreed, also while sales went on; and of one that is complete,
    /// every part is done, and as many were looked at as it says.
    pub fn check_reconciled(&self, tenant: &TenantId) -> Verdict {
        for item in self.table.partition(&format!("T#{tenant}")) {
            if !sort_key(&item).starts_with("RECONCILIATION#") {
                continue;
            }
            let run = items::stored_reconciliation(item).unwrap().run;
            let Some((_, tally)) = &run.closed else { continue };
            // A part that a queue forgot is no discrepancy, and is said; so is who was in debt when that was
            // lowered.
            let is_told =
                |finding: &str| finding == "incomplete" || finding == "overdrawn" && self.has_lowered(tenant);
            let is_wrong = tally.found.keys().any(|finding| !is_told(finding));
            let is_short = run.stage() == RunStage::Closed
                && (tally.employees != run.expected
                    || (0..run.parts).any(|part| {
                        let stored = self.table.get(&keys::reconciliation_part(tenant, run.date, part));
                        !stored.is_some_and(|item| items::stored_reconciliation_part(item).unwrap().is_done)
                    }));
            if is_wrong || is_short {
                return Err((Invariant::Reconciled, format!("{tenant}: {tally:?} of {}", run.expected)));
            }
        }
        Ok(())
    }

    /// Whether a tenant's wallets may have been further below zero than its limit was at some time.
    fn has_lowered(&self, tenant: &TenantId) -> bool {
        let office = self.office();
        let limits = office.tenants[tenant].all().map(|tenant| tenant.overdraft_limit);
        !limits.is_sorted()
    }

    /// Whatever stands in a wallet and is no sum of its movements is found.
    pub fn check_found(&self, tenant: &TenantId) -> Verdict {
        let items = self.table.partition(&format!("T#{tenant}")).into_iter();
        let mut runs = items.filter(|item| sort_key(item).starts_with("RECONCILIATION#"));
        let is_found = runs.any(|item| {
            let closed = items::stored_reconciliation(item).unwrap().run.closed;
            closed.is_some_and(|(_, tally)| tally.found.contains_key("wallet-differs"))
        });
        let what = || format!("{tenant} has a wallet that was tampered with, and nobody says so");
        if is_found { Ok(()) } else { Err((Invariant::Reconciled, what())) }
    }

    /// Whatever was told was told to the company's webhook, or could not be.
    pub fn check_delivered(&self, tenant: &TenantId) -> Verdict {
        let Some(webhook) = self.office().webhooks.get(tenant).cloned() else { return Ok(()) };
        let stored =
            self.table.get(&keys::webhooks(tenant)).map(|item| items::stored_webhooks(item).unwrap());
        let is_active = stored.is_some_and(|all| all.0.get(&webhook.id).is_some_and(Webhook::is_active));
        if !is_active {
            return Ok(());
        }
        let (oracle, now) = (self.oracle(), self.clock.clock(0).now());
        for ((_, id), event) in oracle.events.iter().filter(|((of, _), _)| of == tenant) {
            let told = Deliver {
                tenant: tenant.clone(),
                webhook: webhook.id,
                event: event.clone(),
                asked: None,
                is_aside: false,
            };
            let delivery = self.table.get(&keys::delivery(tenant, webhook.id, &told.id()));
            let state = delivery.map(|item| items::stored_delivery(item).unwrap().state);
            let is_told = match state {
                Some(DeliveryState::Delivered) => oracle.has_taken(webhook.url.as_str(), event),
                Some(DeliveryState::Failed) => true,
                // Its queue forgot it, after an outage as long as that.
                Some(DeliveryState::Waiting) | None if now > event.at + RETENTION => true,
                Some(DeliveryState::Waiting | DeliveryState::Skipped) | None => !webhook.wants(event),
            };
            if !is_told {
                return Err((Invariant::Delivered, format!("{tenant}'s webhook and {id}: {state:?}")));
            }
        }
        Ok(())
    }

    /// Whoever still listens heard all that happened since, whatever connections they lost.
    pub fn check_heard(&self) -> Verdict {
        let (oracle, sockets) = (self.oracle(), self.sockets());
        for (tenant, one) in sockets.listeners() {
            let (Some(connection), Some(since)) = (&one.connection, one.since) else { continue };
            let missed = oracle
                .told_since(tenant, since)
                .find(|event| event.about.employee.is_none() && !one.heard.contains(&event.id));
            if let Some(event) = missed {
                return Err((Invariant::Told, format!("{connection} did not hear of {}", event.id)));
            }
        }
        Ok(())
    }

    /// Whoever is in the pool is in the table, and may sign in if they are active; and the other way round.
    pub fn check_pool(&self) -> Verdict {
        let mut stored = BTreeMap::new();
        for tenant in self.office().tenants.keys() {
            let items = self.table.partition(&format!("T#{tenant}")).into_iter();
            let users = items.filter(|item| sort_key(item).starts_with("USER#"));
            for user in users.map(|item| items::listed_user(item).unwrap()) {
                let is_enabled = user.status == Status::Active;
                stored.insert(user.name.to_string(), Member { tenant: tenant.to_string(), is_enabled });
            }
        }
        let pool = self.pool();
        let differs = |(name, one): &(&String, &Member)| pool.get(name) != Some(one);
        let missing = stored.iter().find(differs).map(|(name, _)| name);
        let extra = pool.members().find(|(name, _)| !stored.contains_key(*name)).map(|(name, _)| name);
        match missing.or(extra) {
            None => Ok(()),
            Some(name) => {
                let (there, here) = (pool.get(name), stored.get(name));
                Err((Invariant::Pool, format!("{name} is {there:?} in the pool and {here:?} in the table")))
            }
        }
    }

    /// What stations sell from is what the file says and, where it merges, what was there before.
    fn check_switch(&self, import: &Import, version: u32) -> Verdict {
        let Target::Menu(stall) = &import.target else { return Ok(()) };
        let office = self.office();
        let of = (import.tenant.clone(), stall.clone());
        let meals = &office.meals[&(of.0.clone(), of.1.clone(), version)];
        let Some(rows) = office.dropped.get(&import.etag) else {
            return Err((Invariant::Switched, format!("nobody dropped what {} read", import.id)));
        };
        // Whatever was edited, and is in the file, is as in the file.
        let head = office.menus[&of].current();
        let sold = |code: &MealCode| head.edits.get(code).map_or_else(|| meals.get(code), Option::as_ref);
        let is_read = rows
            .iter()
            .all(|(code, price)| sold(&code.parse().unwrap()).is_some_and(|meal| meal.price.get() == *price));
        let is_kept = match import.options.mode {
            Mode::Replace => meals.len() == rows.len() && head.edits.is_empty(),
            Mode::Merge => office.meals_before(&of).all(|code| meals.contains_key(code)),
        };
        if is_read && is_kept {
            Ok(())
        } else {
            let what = format!("{stall} sells {meals:?} of a file of {rows:?}, {:?}", import.options.mode);
            Err((Invariant::Switched, what))
        }
    }
}

/// An employee, as a receipt has them: written apart from the worker that writes it, as every judge is.
fn employee_of(employee: &Employee) -> Value {
    json!({
        "status": employee.status,
        "discount_basis_points": employee.discount,
        "credit_limit": employee.limit,
        "badges": employee.badges,
    })
}

fn tenant_of(tenant: &Tenant) -> Value {
    json!({
        "name": tenant.name,
        "status": tenant.status,
        "currency": tenant.currency,
        "time_zone": tenant.business_day.zone_name(),
        "closing_hour": tenant.business_day.closing_hour(),
        "overdraft_limit": tenant.overdraft_limit,
    })
}
