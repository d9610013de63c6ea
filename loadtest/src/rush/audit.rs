//! What became of everything that was sent: each sale has the outcome that the script foresees, once, and
//! every wallet is the sum of its movements.

use super::company::Company;
use super::drive::{Driven, Sent};
use super::script::{Kind, Sale, Script, is_rejected_as};
use crate::audit::{AccountError, Statement, is_as_ordered, is_as_priced};
use aws::failure::Failure;
use aws::keys;
use aws::table::Table;
use domain::checkout::{Checkout, Outcome};
use domain::id::CheckoutId;
use domain::ledger::Discrepancy;
use domain::money::BasisPoints;
use futures_util::{StreamExt, TryStreamExt, stream};
use jiff::Timestamp;
use std::collections::BTreeMap;
use thiserror::Error;

/// Buyers read at the same time.
const READERS: usize = 8;

#[derive(Debug, Default)]
pub struct Audited {
    pub wallets: usize,
    pub movements: usize,
    pub differences: Vec<String>,
    pub decided: Vec<Decided>,
}

/// What came of one sale, and when.
#[derive(Debug, Clone, Copy)]
pub struct Decided {
    pub company: usize,
    pub kind: Kind,
    pub is_settled: bool,
    pub accepted_at: Timestamp,
    pub decided_at: Timestamp,
}

#[derive(Debug, Error)]
enum Finding {
    #[error("the account cannot be read")]
    Unreadable(#[source] AccountError),
    #[error("the movements do not explain the wallet")]
    Ledger(#[source] Discrepancy),
    #[error("checkout {id} was answered with {statuses:?} and has no outcome")]
    Missing { id: CheckoutId, statuses: Vec<u16> },
    #[error("checkout {id} was answered with {statuses:?}")]
    Answered { id: CheckoutId, statuses: Vec<u16> },
    #[error("checkout {id} is {stored}, and its terminal was told {told:?}")]
    Told { id: CheckoutId, stored: &'static str, told: Option<String> },
    #[error("checkout {0} is the outcome of another request")]
    OtherRequest(CheckoutId),
    #[error("checkout {0} is not priced as the menu has it")]
    OtherPrices(CheckoutId),
    #[error("checkout {0} is voided though nobody asked, or not though somebody did")]
    OtherVoid(CheckoutId),
    #[error("it stands in another company, too")]
    Crossed,
    #[error("checkout {0} was never sent")]
    Unexpected(CheckoutId),
    #[error("checkout {id} has another outcome than {kind:?} foresees")]
    OtherOutcome { id: CheckoutId, kind: Kind },
    #[error("checkout {0} sold something else than was asked for")]
    OtherItems(CheckoutId),
}

type Planned<'a> = BTreeMap<CheckoutId, (&'a Sale, &'a Sent)>;

/// Audits every buyer of every company.
pub async fn audit(
    table: &Table,
    companies: &[Company],
    script: &Script,
    driven: &Driven,
) -> Result<Audited, Failure> {
    let mut planned: BTreeMap<(usize, usize), Planned<'_>> = BTreeMap::new();
    let mut lost = 0;
    for (sale, sent) in script.sales.iter().zip(&driven.sent) {
        let Some(sent) = sent else {
            lost += 1;
            continue;
        };
        planned.entry((sale.company, sale.buyer)).or_default().insert(sent.id, (sale, sent));
    }
    let mut sum = Audited::default();
    if lost > 0 {
        sum.differences.push(format!("{lost} sales were not driven to their end"));
    }
    let buyers = companies.iter().enumerate();
    let buyers = buyers
        .flat_map(|(index, company)| (0..company.buyers.len()).map(move |buyer| (index, company, buyer)));
    let mut audited = stream::iter(buyers)
        .map(|(index, company, buyer)| {
            let planned = planned.get(&(index, buyer)).cloned().unwrap_or_default();
            account(table, companies, company, buyer, planned)
        })
        .buffer_unordered(READERS);
    while let Some(one) = audited.try_next().await? {
        sum.wallets += one.wallets;
        sum.movements += one.movements;
        sum.differences.extend(one.differences);
        sum.decided.extend(one.decided);
    }
    Ok(sum)
}

async fn account(
    table: &Table,
    companies: &[Company],
    company: &Company,
    buyer: usize,
    mut planned: Planned<'_>,
) -> Result<Audited, Failure> {
    let mut audited = Audited { wallets: 1, ..Audited::default() };
    let Some(employee) = company.buyers.get(buyer) else { return Ok(audited) };
    let mut findings = Vec::new();
    for other in companies.iter().filter(|other| other.tenant != company.tenant) {
        let own = [keys::wallet, keys::employee].map(|key| key(&other.tenant, &employee.number));
        let mut found = table.read(own.clone()).await?;
        findings.extend(own.iter().any(|key| found.take(key).is_some()).then_some(Finding::Crossed));
    }
    match Statement::read(table, &company.tenant, &employee.number).await {
        Err(AccountError::Table(failure)) if failure.is_transient() => return Err(failure),
        Err(error) => findings.push(Finding::Unreadable(error)),
        Ok(statement) => {
            findings.extend(statement.check().err().map(Finding::Ledger));
            audited.movements = statement.entries().count();
            for checkout in &statement.account.recent {
                match planned.remove(&checkout.id) {
                    None => findings.push(Finding::Unexpected(checkout.id)),
                    Some((sale, sent)) => {
                        findings.extend(compare(company, sale, sent, checkout));
                        audited.decided.push(Decided {
                            company: sale.company,
                            kind: sale.kind,
                            is_settled: matches!(checkout.outcome, Outcome::Settled { .. }),
                            accepted_at: checkout.accepted_at,
                            decided_at: checkout.decided_at,
                        });
                    }
                }
            }
        }
    }
    let missing = |(id, (_, sent)): (CheckoutId, (&Sale, &Sent))| Finding::Missing {
        id,
        statuses: sent.statuses.clone(),
    };
    findings.extend(planned.into_iter().map(missing));
    let tell = |finding: Finding| {
        format!("{} of {}: {}", employee.number, company.tenant, aws::failure::chain(&finding))
    };
    audited.differences = findings.into_iter().map(tell).collect();
    Ok(audited)
}

fn compare(company: &Company, sale: &Sale, sent: &Sent, checkout: &Checkout) -> Vec<Finding> {
    let (id, mut findings) = (sent.id, Vec::new());
    let (stored, is_as_foreseen) = match &checkout.outcome {
        Outcome::Settled { bill, .. } => {
            let is_as_ordered = is_as_ordered(bill, &sale.basket);
            findings.extend((!is_as_ordered).then_some(Finding::OtherItems(id)));
            findings.extend(
                (!is_as_priced(bill, &company.menu, BasisPoints::NONE)).then_some(Finding::OtherPrices(id)),
            );
            ("settled", sale.kind.rejection().is_none())
        }
        Outcome::Rejected(rejection) => ("rejected", is_rejected_as(sale.kind, rejection)),
        Outcome::Withdrawn => ("withdrawn", false),
    };
    findings.extend((!is_as_foreseen).then_some(Finding::OtherOutcome { id, kind: sale.kind }));
    let is_own = company.request_of(sale, id).is_some_and(|request| checkout.answers(request))
        && (&checkout.caller, &checkout.concessionaire) == (&company.cashier, &company.concessionaire)
        && checkout.station.as_ref() == company.stations.get(sale.station).map(|station| &station.id);
    findings.extend((!is_own).then_some(Finding::OtherRequest(id)));
    let is_void = checkout.returned.voided.is_some();
    findings.extend((is_void != (sale.kind == Kind::Void)).then_some(Finding::OtherVoid(id)));
    let told = sent.told.as_ref().map(|(told, _)| told.clone());
    let is_told = !sent.is_followed || told.as_deref() == Some(stored);
    findings.extend((!is_told).then_some(Finding::Told { id, stored, told }));
    let statuses = sent.statuses.clone();
    findings.extend((!sent.is_accepted()).then_some(Finding::Answered { id, statuses }));
    findings
}
