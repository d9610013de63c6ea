//! What an auditor checks: wallets are explained by their movements, every sale has exactly one outcome,
//! priced from the menu that it names, and nothing stands outside its tenant.

mod account;
mod sold;

use crate::plan::{Plan, PlannedCheckout};
use crate::send::Tally;
use aws::failure::{Failure, chain};
use aws::items::MenuHead;
use aws::keys;
use aws::menus::Menus;
use aws::table::Table;
use domain::checkout::{Checkout, Outcome};
use domain::id::{CheckoutId, EmployeeNumber, TenantId};
use domain::ledger::Discrepancy;
use domain::menu::MenuVersion;
use futures_util::{StreamExt, TryStreamExt, stream};
use jiff::civil::Date;
use std::collections::BTreeMap;
use std::fmt;
use thiserror::Error;

pub use account::{AccountError, Statement};
pub use sold::{is_as_ordered, is_as_priced};

/// Buyers read at the same time.
const READERS: usize = 8;

/// What an audit found.
#[derive(Debug, Default)]
pub struct Audited {
    /// The outcomes that are stored for the sales in question.
    pub tally: Tally,
    pub wallets: usize,
    pub movements: usize,
    pub differences: Vec<Difference>,
}

/// Something that is not as it must be.
#[derive(Debug)]
pub struct Difference {
    pub employee: Option<EmployeeNumber>,
    pub finding: Finding,
}

#[derive(Debug, Error)]
pub enum Finding {
    #[error("the account cannot be read")]
    Unreadable(#[source] AccountError),
    #[error("the movements do not explain the wallet")]
    Ledger(#[source] Discrepancy),
    #[error("transaction {transaction} has no outcome under {id}")]
    Missing { transaction: String, id: CheckoutId },
    #[error("checkout {0} belongs to no sale of the file")]
    Unexpected(CheckoutId),
    #[error("checkout {0} is the outcome of another request")]
    OtherRequest(CheckoutId),
    #[error("checkout {0} sold something else than the file says")]
    OtherItems(CheckoutId),
    #[error("checkout {id} is not priced as menu {menu} has it")]
    OtherPrices { id: CheckoutId, menu: MenuVersion },
    #[error("{items} items of it stand in tenant {tenant}")]
    Crossed { tenant: TenantId, items: usize },
    #[error("terminals were told {told:?}, stored is {stored:?}")]
    Told { told: Tally, stored: Tally },
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(employee) = &self.employee {
            write!(f, "employee {employee}: ")?;
        }
        f.write_str(&chain(&self.finding))
    }
}

impl Audited {
    /// Adds a difference if terminals were told other outcomes than are stored.
    pub fn compare_told(&mut self, told: &Tally) {
        if *told != self.tally {
            let (told, stored) = (told.clone(), self.tally.clone());
            self.differences.push(Difference { employee: None, finding: Finding::Told { told, stored } });
        }
    }

    fn add(&mut self, buyer: Self) {
        self.tally.settled += buyer.tally.settled;
        for (reason, count) in buyer.tally.rejected {
            *self.tally.rejected.entry(reason).or_default() += count;
        }
        self.wallets += buyer.wallets;
        self.movements += buyer.movements;
        self.differences.extend(buyer.differences);
    }
}

/// Audits every buyer of a plan. Each sale of `day` (or each of the file) must have its outcome; no sale
/// of the file's concessionaire may be anything else than one of the file. `others` are tenants in which
/// nothing of the plan may stand.
pub async fn audit(
    table: &Table,
    plan: &Plan,
    day: Option<Date>,
    others: &[TenantId],
) -> Result<Audited, Failure> {
    let mut planned: BTreeMap<&EmployeeNumber, Planned<'_>> = BTreeMap::new();
    for checkout in &plan.checkouts {
        planned.entry(&checkout.buyer).or_default().insert(checkout.id, checkout);
    }
    let auditor = &Auditor { table, plan, day, others, menus: Menus::default() };
    let mut audited = stream::iter(&plan.buyers)
        .map(|buyer| auditor.buyer(&buyer.number, planned.get(&buyer.number).cloned().unwrap_or_default()))
        .buffer_unordered(READERS);
    let mut sum = Audited::default();
    while let Some(buyer) = audited.try_next().await? {
        sum.add(buyer);
    }
    Ok(sum)
}

/// The sales of the file to one buyer.
type Planned<'a> = BTreeMap<CheckoutId, &'a PlannedCheckout>;

struct Auditor<'a> {
    table: &'a Table,
    plan: &'a Plan,
    day: Option<Date>,
    others: &'a [TenantId],
    menus: Menus,
}

impl Auditor<'_> {
    async fn buyer(&self, employee: &EmployeeNumber, mut planned: Planned<'_>) -> Result<Audited, Failure> {
        let mut audited = Audited { wallets: 1, ..Audited::default() };
        let mut findings = self.crossed(employee, &planned).await?;
        match Statement::read(self.table, &self.plan.tenant, employee).await {
            Err(AccountError::Table(failure)) if failure.is_transient() => return Err(failure),
            Err(error) => findings.push(Finding::Unreadable(error)),
            Ok(statement) => {
                findings.extend(statement.check().err().map(Finding::Ledger));
                audited.movements = statement.entries().count();
                for checkout in statement.checkouts_at(&self.plan.concessionaire) {
                    let Some(sale) = planned.remove(&checkout.id) else {
                        findings.push(Finding::Unexpected(checkout.id));
                        continue;
                    };
                    findings.extend(self.checkout(sale, checkout, &statement).await?);
                    if self.asks_for(sale) {
                        audited.tally.count(checkout);
                    }
                }
            }
        }
        let missing = planned.into_values().filter(|sale| self.asks_for(sale));
        findings.extend(
            missing.map(|sale| Finding::Missing { transaction: sale.transaction.clone(), id: sale.id }),
        );
        let difference = |finding| Difference { employee: Some(employee.clone()), finding };
        audited.differences = findings.into_iter().map(difference).collect();
        Ok(audited)
    }

    fn asks_for(&self, sale: &PlannedCheckout) -> bool {
        self.day.is_none_or(|day| sale.date == day)
    }

    async fn checkout(
        &self,
        sale: &PlannedCheckout,
        checkout: &Checkout,
        statement: &Statement,
    ) -> Result<Option<Finding>, Failure> {
        let (station, caller) = (&sale.station, &self.plan.cashier);
        let is_asked_for = checkout.request == sale.request(self.plan)
            && (checkout.station.as_ref(), &checkout.caller) == (Some(station), caller);
        if !is_asked_for {
            return Ok(Some(Finding::OtherRequest(checkout.id)));
        }
        let Outcome::Settled { bill, .. } = &checkout.outcome else { return Ok(None) };
        if !sold::is_as_ordered(bill, &sale.basket) {
            return Ok(Some(Finding::OtherItems(checkout.id)));
        }
        let head = MenuHead { version: bill.menu_version, ..MenuHead::default() };
        let menu = self.menus.under(self.table, &self.plan.tenant, &self.plan.concessionaire, head).await?;
        let is_as_priced = sold::is_as_priced(bill, &menu, statement.account.employee.discount);
        let finding = Finding::OtherPrices { id: checkout.id, menu: bill.menu_version };
        Ok((!is_as_priced).then_some(finding))
    }

    /// Looks for the buyer's wallet and checkouts where only another tenant could have them.
    async fn crossed(
        &self,
        employee: &EmployeeNumber,
        planned: &Planned<'_>,
    ) -> Result<Vec<Finding>, Failure> {
        let mut findings = Vec::new();
        for tenant in self.others {
            let checkouts = planned.keys().map(|id| keys::checkout(tenant, employee, *id));
            let own = [keys::wallet(tenant, employee), keys::employee(tenant, employee)];
            let wanted: Vec<_> = checkouts.chain(own).collect();
            let mut found = self.table.read(wanted.iter().cloned()).await?;
            let items = wanted.iter().filter_map(|key| found.take(key)).count();
            if items > 0 {
                findings.push(Finding::Crossed { tenant: tenant.clone(), items });
            }
        }
        Ok(findings)
    }
}

impl Tally {
    fn count(&mut self, checkout: &Checkout) {
        match &checkout.outcome {
            Outcome::Settled { .. } => self.settled += 1,
            Outcome::Rejected(rejection) => {
                *self.rejected.entry(rejection.name().to_owned()).or_default() += 1;
            }
            Outcome::Withdrawn => *self.rejected.entry("withdrawn".to_owned()).or_default() += 1,
        }
    }
}
