//! After every commit: each wallet that it touched is explained by its movements, nothing stored has
//! changed, and what is new was decided as it had to be.

use super::corrected::Corrected;
use super::oracle::{Invariant, Verdict};
use super::{Sim, corrected, judge, office};
use aws::{items, keys};
use domain::booking::{Booking, BookingKind};
use domain::checkout::{Checkout, Outcome};
use domain::id::{CheckoutId, EmployeeNumber, TenantId};
use domain::ledger::{self, Entry};
use domain::money::Money;
use domain::wallet::Wallet;
use serde_json::Value;
use std::collections::BTreeSet;

/// Whose partition it is, if it is an employee's.
fn owner(pk: &str) -> Option<(TenantId, EmployeeNumber)> {
    let (tenant, employee) = pk.strip_prefix("T#")?.split_once("#E#")?;
    Some((tenant.parse().ok()?, employee.parse().ok()?))
}

/// The employees' partitions that a transaction writes to.
fn touched(body: &str) -> BTreeSet<String> {
    let body: Value = serde_json::from_str(body).unwrap();
    let items = body["TransactItems"].as_array().expect("a transaction");
    let pk = |item: &Value| {
        let key = [&item["Put"]["Item"], &item["Update"]["Key"]].into_iter().find(|key| key.is_object())?;
        key["PK"]["S"].as_str().filter(|pk| owner(pk).is_some()).map(str::to_owned)
    };
    items.iter().filter_map(pk).collect()
}

/// A wallet with everything that moved it.
struct Account {
    wallet: Wallet,
    checkouts: Vec<Checkout>,
    bookings: Vec<Booking>,
    ledger: Vec<Entry>,
}

impl Account {
    /// What bookings gave back of a sale, and whether one of them undid it.
    fn given_back(&self, checkout: CheckoutId) -> (i64, bool) {
        let of =
            |booking: &&Booking| booking.cause.as_ref().and_then(|cause| cause.checkout) == Some(checkout);
        let moved = self.bookings.iter().filter(of).filter_map(|booking| Some((booking, booking.entry()?)));
        moved.fold((0, false), |(sum, is_voided), (booking, entry)| {
            (sum + entry.amount.minor(), is_voided || booking.kind == BookingKind::Void)
        })
    }

    /// A sale, and what was given back of it before a booking moved the wallet; of one that did not, what was
    /// ever.
    fn sale(&self, id: CheckoutId, booking: &Booking) -> Corrected<'_> {
        let version = |booking: &Booking| booking.entry().map(|entry| entry.after.version);
        let until = version(booking).unwrap_or(u64::MAX);
        let before =
            self.bookings.iter().filter(|other| version(other).is_some_and(|version| version < until));
        let of = before.filter_map(|other| Some((other, other.cause.as_ref()?)));
        let of = of.filter(|(_, cause)| cause.checkout == Some(id)).collect();
        Corrected { sale: self.checkouts.iter().find(|sale| sale.id == id), before: of }
    }
}

/// A sale is as it was, but for what was given back, which only grows; and bookings explain that.
fn check_sale(account: &Account, before: Option<&Checkout>, now: &Checkout) -> Verdict {
    let (given_back, is_voided) = account.given_back(now.id);
    let paid = match &now.outcome {
        Outcome::Settled { bill, .. } => bill.total_net().minor(),
        Outcome::Rejected(_) | Outcome::Withdrawn => 0,
    };
    let is_explained = now.returned.amount.minor() == given_back
        && given_back <= paid
        && (is_voided == (now.returned.voided.is_some() || now.outcome == Outcome::Withdrawn))
        && (!is_voided || given_back == paid);
    if !is_explained {
        let what = format!("{given_back} of {paid} was given back of {now:?}");
        return Err((Invariant::GivenBack, what));
    }
    let Some(before) = before else { return Ok(()) };
    let is_same = Checkout { returned: before.returned.clone(), ..now.clone() } == *before;
    if is_same && before.returned.amount <= now.returned.amount {
        Ok(())
    } else {
        Err((Invariant::OneOutcome, format!("{before:?} became {now:?}")))
    }
}

impl Sim {
    /// Looks at all that a committed transaction touched.
    pub fn committed(&self, body: &str) {
        self.observe(body);
        for pk in touched(body) {
            self.note(self.audit(&pk));
        }
    }

    /// Somebody else gives credit to every wallet that a transaction is about to write, and changes the
    /// policy of a cutoff that it is about to open.
    pub fn overtake(&self, body: &str) {
        if body.contains("CUTOFF#") {
            let tenants: Vec<_> = self.office().tenants.keys().cloned().collect();
            let own = tenants.iter().filter(|tenant| body.contains(&format!("\"T#{tenant}\"")));
            own.for_each(|tenant| self.change_policy(tenant));
        }
        let has_wallet =
            |pk: &String| self.table.partition(pk).iter().any(|item| office::sort_key(item) == "WALLET");
        for pk in touched(body).into_iter().filter(has_wallet) {
            self.give_credit(&pk);
        }
    }

    fn change_policy(&self, tenant: &TenantId) {
        let Some(item) = self.table.get(&keys::policy(tenant)) else { return };
        let mut standing = items::stored_policy(item).unwrap();
        standing.policy.default_limit = Money::from_minor(self.chaos().rng.i64(0..5_000));
        self.log(format_args!("{tenant} grants {} by now", standing.policy.default_limit));
        self.office().set_policy(&self.table, tenant, standing, self.clock.now_ms());
    }

    pub fn give_credit(&self, pk: &str) {
        let amount = self.chaos().rng.i64(1..400);
        let of = owner(pk).expect("an employee");
        self.log(format_args!("{} is given {amount}", of.1));
        self.office().book(&self.table, pk, &of, amount, self.clock.now_ms());
        self.note(self.audit(pk));
    }

    fn account(&self, pk: &str) -> Result<Account, (Invariant, String)> {
        let (mut wallet, mut checkouts, mut bookings) = (None, vec![], vec![]);
        for item in self.table.partition(pk) {
            match office::sort_key(&item).split('#').next() {
                Some("WALLET") => wallet = Some(items::stored_wallet(item).unwrap()),
                Some("CHECKOUT") => checkouts.push(items::stored_checkout(item).unwrap()),
                Some("BOOKING") => bookings.push(items::stored_booking(item).unwrap()),
                _ => {}
            }
        }
        let ledger = checkouts.iter().filter_map(Checkout::entry);
        let ledger = ledger.chain(bookings.iter().filter_map(Booking::entry)).collect();
        let wallet = wallet.ok_or_else(|| (Invariant::Ledger, format!("{pk} has no wallet")))?;
        Ok(Account { wallet, checkouts, bookings, ledger })
    }

    /// A grant bears the name of its cutoff, so that no wallet has two of one, and is what the policy says
    /// that was frozen when the cutoff was opened.
    fn check_grant(
        &self,
        office: &office::Office,
        tenant: &TenantId,
        employee: &EmployeeNumber,
        booking: &Booking,
        ledger: &[Entry],
    ) -> Verdict {
        let date = booking.id.to_string().strip_prefix("cutoff-").and_then(|date| date.parse().ok());
        let cutoff = date.and_then(|date| Some((date, self.table.get(&keys::cutoff(tenant, date))?)));
        let Some((date, cutoff)) = cutoff else {
            return Err((Invariant::Granted, format!("{booking:?} is of no cutoff")));
        };
        let policy = items::stored_cutoff(date, cutoff).unwrap().cutoff.policy;
        let version = booking.entry().map(|entry| entry.after.version);
        let before = ledger.iter().find(|entry| version == Some(entry.after.version + 1));
        let before = before.map_or(0, |entry| entry.after.balance.minor());
        let now_ms = self.clock.now_ms();
        judge::check_grant(office, (tenant, employee), (&policy, date), booking, before, now_ms)
    }

    /// What all wallets of a tenant hold together.
    pub fn balances(&self, tenant: &TenantId) -> i64 {
        let office = self.office();
        let own = office.employees.keys().filter(|(of, _)| of == tenant);
        let wallets = own.map(|(tenant, employee)| self.table.get(&keys::wallet(tenant, employee)));
        wallets.map(|item| items::stored_wallet(item.expect("a wallet")).unwrap().balance.minor()).sum()
    }

    pub fn audit(&self, pk: &str) -> Verdict {
        let account = self.account(pk)?;
        let Account { wallet, checkouts, bookings, ledger } = &account;
        ledger::check(*wallet, ledger.clone())
            .map_err(|discrepancy| (Invariant::Ledger, format!("{pk}: {discrepancy}")))?;
        let mut oracle = self.oracle();
        let office = self.office();
        let (tenant, employee) = owner(pk).expect("an employee");
        for booking in bookings {
            let place = (tenant.clone(), employee.clone(), booking.id.clone());
            match oracle.bookings.get(&place) {
                Some(before) if before == booking => continue,
                Some(before) => {
                    return Err((Invariant::OneOutcome, format!("{before:?} became {booking:?}")));
                }
                None => {}
            }
            if oracle.is_closed && booking.cause.is_some() && booking.entry().is_some() {
                return Err((Invariant::Late, format!("{booking:?} after closing")));
            }
            if booking.kind == BookingKind::Grant {
                self.check_grant(&office, &tenant, &employee, booking, ledger)?;
            }
            if let Some(cause) = &booking.cause {
                let (from_ms, to_ms) = judge::span(booking.at.as_millisecond());
                let judged = oracle.asked_corrections(&place, Some(cause)).map(|asked| {
                    let tenants = office.tenants[&tenant].within(from_ms, to_ms);
                    corrected::check(asked, booking, cause, &account.sale(asked.sale, booking), tenants)
                });
                let nobody = || Err((Invariant::Decision, format!("nobody asked for {booking:?}")));
                judged.reduce(Verdict::or).unwrap_or_else(nobody)?;
            }
            oracle.bookings.insert(place, booking.clone());
        }
        for checkout in checkouts {
            let place = (checkout.tenant.clone(), checkout.employee.clone(), checkout.id);
            check_sale(&account, oracle.stored.get(&place), checkout)?;
            let before = oracle.stored.insert(place, checkout.clone());
            if before.is_some() || checkout.outcome == Outcome::Withdrawn {
                continue;
            }
            let asked = oracle.asked(checkout.request).cloned();
            let asked =
                asked.ok_or_else(|| (Invariant::Decision, format!("nobody asked for {checkout:?}")))?;
            judge::check(&office, &asked, checkout, ledger, self.clock.now_ms())
                .map_err(|(invariant, what)| (invariant, format!("{}: {what}", checkout.request)))?;
            if oracle.is_closed && checkout.entry().is_some() {
                return Err((Invariant::Late, format!("{} settled after closing", checkout.request)));
            }
        }
        // Whoever was in debt stays so when the limit is lowered.
        let overdrafts = office.tenants[&tenant].all().map(|tenant| tenant.overdraft_limit);
        if overdrafts.max().is_none_or(|most| wallet.balance.minor() < -most.minor()) {
            return Err((Invariant::Overdraft, format!("{pk} stands at {}", wallet.balance)));
        }
        Ok(())
    }
}
