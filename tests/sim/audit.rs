//! After every commit: each wallet that it touched is explained by its movements, nothing stored has
//! changed, and what is new was decided as it had to be.

use super::oracle::{Invariant, Verdict};
use super::{Sim, judge, office};
use aws::items;
use domain::checkout::Checkout;
use domain::id::{EmployeeNumber, TenantId};
use domain::ledger::{self, Entry};
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
    ledger: Vec<Entry>,
}

impl Sim {
    /// Looks at all that a committed transaction touched.
    pub fn committed(&self, body: &str) {
        for pk in touched(body) {
            self.note(self.audit(&pk));
        }
    }

    /// Somebody else gives credit to every wallet that a transaction is about to write.
    pub fn move_wallets_of(&self, body: &str) {
        for pk in touched(body) {
            self.give_credit(&pk);
        }
    }

    pub fn give_credit(&self, pk: &str) {
        let amount = self.chaos().rng.i64(1..400);
        let of = owner(pk).expect("an employee");
        self.log(format_args!("{} is given {amount}", of.1));
        self.office().book(&self.table, pk, &of, amount, self.clock.now_ms());
        self.note(self.audit(pk));
    }

    fn account(&self, pk: &str) -> Account {
        let (mut wallet, mut checkouts, mut ledger) = (None, vec![], vec![]);
        for item in self.table.partition(pk) {
            match office::sort_key(&item).split('#').next() {
                Some("WALLET") => wallet = Some(items::stored_wallet(item).unwrap()),
                Some("CHECKOUT") => checkouts.push(items::stored_checkout(item).unwrap()),
                Some("BOOKING") => ledger.extend(items::stored_booking(item).unwrap().entry()),
                _ => {}
            }
        }
        ledger.extend(checkouts.iter().filter_map(Checkout::entry));
        Account { wallet: wallet.expect("a wallet"), checkouts, ledger }
    }

    pub fn audit(&self, pk: &str) -> Verdict {
        let Account { wallet, checkouts, ledger } = self.account(pk);
        ledger::check(wallet, ledger.clone())
            .map_err(|discrepancy| (Invariant::Ledger, format!("{pk}: {discrepancy}")))?;
        let mut oracle = self.oracle();
        let office = self.office();
        for checkout in &checkouts {
            let place = (checkout.tenant.clone(), checkout.employee.clone(), checkout.id);
            if let Some(before) = oracle.stored.get(&place) {
                if before != checkout {
                    return Err((Invariant::OneOutcome, format!("{before:?} became {checkout:?}")));
                }
                continue;
            }
            let asked = oracle.asked(checkout.request).cloned();
            let asked =
                asked.ok_or_else(|| (Invariant::Decision, format!("nobody asked for {checkout:?}")))?;
            judge::check(&office, &asked, checkout, &ledger, self.clock.now_ms())
                .map_err(|(invariant, what)| (invariant, format!("{}: {what}", checkout.request)))?;
            if oracle.is_closed && checkout.entry().is_some() {
                return Err((Invariant::Late, format!("{} settled after closing", checkout.request)));
            }
            oracle.stored.insert(place, checkout.clone());
        }
        let overdraft =
            owner(pk).map(|(tenant, _)| office.tenants[&tenant].current().overdraft_limit.minor());
        if wallet.balance.minor() < -overdraft.unwrap_or_default() {
            return Err((Invariant::Overdraft, format!("{pk} stands at {}", wallet.balance)));
        }
        Ok(())
    }
}
