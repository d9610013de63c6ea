//! What a run needs and sends: a concessionaire of its own with a menu of the file's items, stations,
//! a cashier, buyers, and a checkout for every sale that has items.
//!
//! All of it follows from file and run, so that two runs, and the audit, mean the same.

use crate::prepare::Stall;
use crate::run::{self, Run};
use crate::sales::{Sale, SalesFile};
use domain::command::{Basket, InvalidBasket, OrderLine};
use domain::employee::{BadgeStatus, Employee};
use domain::id::{
    CheckoutId, ConcessionaireId, EmployeeNumber, InvalidId, InvalidKey, MealCode, Rfid, StationId, TenantId,
    UserName,
};
use domain::menu::{Meal, Meals};
use domain::money::{BasisPoints, InvalidAmount, Money, Price};
use domain::request::{Buyer, RequestHash};
use domain::role::Status;
use domain::tenant::Station;
use jiff::civil::Date;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use thiserror::Error;

/// The company of the demo that sells.
const TENANT: &str = "acme";
/// Enough that sales of one moment rarely meet in one wallet.
const BUYERS: usize = 500;
const STATIONS: usize = 4;
/// What every wallet starts with, in minor units: hundreds of the largest lunches.
const OPENING_CREDIT: Money = Money::from_minor(100_000_000);
/// A tenth of the buyers has this discount: a tenth.
const DISCOUNT_BASIS_POINTS: i64 = 1_000;

#[derive(Debug, Clone)]
pub struct Plan {
    pub tenant: TenantId,
    pub concessionaire: ConcessionaireId,
    pub stations: Vec<Station>,
    pub cashier: UserName,
    pub meals: Meals,
    pub buyers: Vec<Employee>,
    pub checkouts: Vec<PlannedCheckout>,
    /// The dates of the sales that have no item, and are not sent.
    pub skipped: Vec<Date>,
}

/// One sale as it is sent.
#[derive(Debug, Clone)]
pub struct PlannedCheckout {
    pub transaction: String,
    pub date: Date,
    pub id: CheckoutId,
    pub buyer: EmployeeNumber,
    pub badge: Rfid,
    pub station: StationId,
    pub basket: Basket,
}

#[derive(Debug, Error)]
pub enum PlanError {
    #[error("an id that was made is not valid")]
    Id(#[from] InvalidId),
    #[error("a key that was made is not valid")]
    Key(#[from] InvalidKey),
    #[error("an amount that was made is not valid")]
    Amount(#[from] InvalidAmount),
    #[error("transaction {transaction} cannot be sold")]
    Basket { transaction: String, source: InvalidBasket },
    #[error("{0:?} has the meal code of another item")]
    SameCode(String),
}

impl Plan {
    pub fn new(file: &SalesFile, run: &Run) -> Result<Self, PlanError> {
        let concessionaire: ConcessionaireId = format!("replay-{}", run.tag()).parse()?;
        let station = |number: usize| -> Result<_, PlanError> {
            let id = format!("{concessionaire}-{number}").parse()?;
            Ok(Station::new(id, concessionaire.clone()))
        };
        let codes = codes(file.sales.iter().flat_map(|sale| &sale.lines).map(|(name, _)| name.as_str()))?;
        let on_menu = |(name, code): (&&str, &MealCode)| Ok((code.clone(), meal(name)?));
        let mut plan = Self {
            tenant: TENANT.parse()?,
            stations: (1..=STATIONS).map(station).collect::<Result<_, _>>()?,
            cashier: format!("{TENANT}-{concessionaire}").parse()?,
            meals: codes.iter().map(on_menu).collect::<Result<_, InvalidAmount>>()?,
            buyers: (0..BUYERS).map(|index| buyer(run, index)).collect::<Result<_, _>>()?,
            concessionaire,
            checkouts: vec![],
            skipped: vec![],
        };
        for sale in &file.sales {
            if sale.lines.is_empty() {
                plan.skipped.push(sale.date);
            } else {
                plan.checkouts.push(plan.checkout(run, sale, &codes)?);
            }
        }
        Ok(plan)
    }

    fn checkout(
        &self,
        run: &Run,
        sale: &Sale,
        codes: &BTreeMap<&str, MealCode>,
    ) -> Result<PlannedCheckout, PlanError> {
        let transaction = sale.transaction.clone();
        let line = |(name, qty): &(String, _)| {
            let code = codes.get(name.as_str())?;
            Some(OrderLine { code: code.clone(), qty: *qty, price: Some(self.meals.get(code)?.price) })
        };
        let basket = sale.lines.iter().filter_map(line).collect::<Vec<_>>().try_into();
        let basket =
            basket.map_err(|source| PlanError::Basket { transaction: transaction.clone(), source })?;
        let buyer = run.pick("buyer", &transaction, BUYERS);
        Ok(PlannedCheckout {
            date: sale.date,
            id: run.id_of(&transaction)?,
            buyer: number(run, buyer)?,
            badge: badge(run, buyer)?,
            station: self.stations[run.pick("station", &transaction, STATIONS)].id.clone(),
            basket,
            transaction,
        })
    }

    /// What a system has to have before it can be sold.
    pub fn stall(&self) -> Stall<'_> {
        Stall {
            tenant: &self.tenant,
            concessionaire: &self.concessionaire,
            stations: &self.stations,
            cashier: &self.cashier,
            meals: &self.meals,
            buyers: &self.buyers,
        }
    }

    /// The checkouts of one day, or all.
    pub fn of_day(&self, day: Option<Date>) -> Vec<&PlannedCheckout> {
        self.checkouts.iter().filter(|checkout| day.is_none_or(|day| checkout.date == day)).collect()
    }

    /// How many sales of one day, or of all, are not sent.
    pub fn skipped_on(&self, day: Option<Date>) -> usize {
        self.skipped.iter().filter(|date| day.is_none_or(|day| **date == day)).count()
    }
}

impl PlannedCheckout {
    /// The body that a terminal sends.
    pub fn body(&self) -> Value {
        json!({ "rfid": self.badge, "station": self.station, "items": self.basket })
    }

    /// What the stored checkout says was asked for.
    pub fn request(&self, plan: &Plan) -> RequestHash {
        let buyer = Buyer::Badge(self.badge.clone());
        RequestHash::of_checkout(&plan.tenant, &plan.cashier, self.id, &buyer, &self.station, &self.basket)
    }
}

fn number(run: &Run, index: usize) -> Result<EmployeeNumber, InvalidId> {
    format!("{}-{index:03}", run.tag()).parse()
}

fn badge(run: &Run, index: usize) -> Result<Rfid, InvalidId> {
    format!("RF-{}-{index:03}", run.tag()).parse()
}

fn buyer(run: &Run, index: usize) -> Result<Employee, PlanError> {
    let discount =
        if index.is_multiple_of(10) { DISCOUNT_BASIS_POINTS.try_into()? } else { BasisPoints::NONE };
    Ok(Employee {
        number: number(run, index)?,
        name: format!("Regular {index:03}"),
        status: Status::Active,
        discount,
        limit: Some(OPENING_CREDIT),
        badges: [(badge(run, index)?, BadgeStatus::Active)].into(),
        image_url: None,
        changed_at: None,
    })
}

fn meal(name: &str) -> Result<Meal, InvalidAmount> {
    Ok(Meal { name: name.to_owned(), category: "replay".to_owned(), price: price(name)?, calories: None })
}

/// 20.00 to 200.00 in steps of 0.50, by hash of the name.
fn price(name: &str) -> Result<Price, InvalidAmount> {
    const FROM_MINOR: i64 = 2_000;
    const STEP_MINOR: i64 = 50;
    const STEPS: u32 = 361;
    let step = run::number(&run::hash(&[b"price", name.as_bytes()])) % STEPS;
    Price::try_from(FROM_MINOR + STEP_MINOR * i64::from(step))
}

/// A meal code for each name: the name in capitals, and a piece of its hash where that alone would be
/// empty, cut, or another's.
fn codes<'a>(names: impl Iterator<Item = &'a str>) -> Result<BTreeMap<&'a str, MealCode>, PlanError> {
    let names: BTreeSet<&str> = names.collect();
    let mut uses: BTreeMap<String, usize> = BTreeMap::new();
    for name in &names {
        *uses.entry(slug(name)).or_default() += 1;
    }
    let mut taken = BTreeSet::new();
    let mut codes = BTreeMap::new();
    for name in names {
        let slug = slug(name);
        let is_its_own = uses.get(&slug) == Some(&1) && !slug.is_empty() && slug.len() <= MAX_CODE_LEN;
        let code: MealCode = if is_its_own { slug.parse()? } else { hashed(&slug, name).parse()? };
        if !taken.insert(code.clone()) {
            return Err(PlanError::SameCode(name.to_owned()));
        }
        codes.insert(name, code);
    }
    Ok(codes)
}

/// What a meal code may hold.
const MAX_CODE_LEN: usize = 32;

fn hashed(slug: &str, name: &str) -> String {
    let hash = run::hex(&run::hash(&[b"code", name.as_bytes()]), 6);
    let kept = slug.len().min(MAX_CODE_LEN - hash.len() - 1);
    format!("{}-{hash}", &slug[..kept])
}

/// Letters and digits in capitals, whatever else as single dashes between them.
fn slug(name: &str) -> String {
    let parts = name.split(|c: char| !c.is_ascii_alphanumeric()).filter(|part| !part.is_empty());
    parts.collect::<Vec<_>>().join("-").to_ascii_uppercase()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(names: &[&str], expected: &[&str]) {
        let codes = codes(names.iter().copied()).unwrap();
        let codes: Vec<_> = names.iter().map(|name| codes[name].as_str()).collect();
        assert_eq!(codes, expected);
    }

    #[test]
    fn a_code_is_its_name_where_it_can_be() {
        check(
            &["Tea", "Iced tea", "Fish/Chips", "My-5 Juice"],
            &["TEA", "ICED-TEA", "FISH-CHIPS", "MY-5-JUICE"],
        );
        check(&["Tea", "tea"], &[&hashed("TEA", "Tea"), &hashed("TEA", "tea")]);
    }

    #[test]
    fn every_name_has_a_code_of_its_own() {
        let long = "A very long name for something quite ordinary";
        let names =
            ["Tea", "tea", "TEA!", "茶", "湯", "", long, "A very long name for something quite ordinary too"];
        let codes = codes(names.iter().copied()).unwrap();
        assert_eq!(codes.values().collect::<BTreeSet<_>>().len(), names.len());
        let many: Vec<_> = (0..5_000).map(|n| format!("Dish {}{n}", "x".repeat(n % 60))).collect();
        assert_eq!(super::codes(many.iter().map(String::as_str)).unwrap().len(), many.len());
    }

    #[test]
    fn prices_are_round_and_from_20_to_200() {
        for n in 0..1_000 {
            let price = price(&format!("Dish {n}")).unwrap().get();
            assert!((2_000..=20_000).contains(&price) && price % 50 == 0, "{price}");
        }
    }

    fn plan() -> Plan {
        let file = b"Date,Time,Transaction,Item\n2026-03-02,9:00,1,Tea\n2026-03-03,9:00,2,NONE\n2026-03-03,9:00,3,Bun\n";
        let run = Run::new([7; 32], jiff::Timestamp::from_millisecond(1_717_986_918_400).unwrap());
        Plan::new(&SalesFile::parse(file).unwrap(), &run).unwrap()
    }

    #[test]
    fn a_plan_is_the_same_twice_and_knows_its_days() {
        let sent = |plan: &Plan| plan.checkouts.iter().map(PlannedCheckout::body).collect::<Vec<_>>();
        assert_eq!(sent(&plan()), sent(&plan()));
        let day = |day: i8| {
            let date = Some(jiff::civil::date(2026, 3, day));
            let plan = plan();
            (plan.of_day(date).len(), plan.skipped_on(date))
        };
        assert_eq!([day(2), day(3), day(4)], [(1, 0), (1, 1), (0, 0)]);
        assert_eq!((plan().of_day(None).len(), plan().skipped_on(None)), (2, 1));
    }
}
