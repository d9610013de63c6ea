//! A company at lunch: a stall of its own with a menu and stations, a cashier, and buyers, of whom some have
//! no credit.

use super::Rush;
use super::script::Sale;
use crate::prepare::{self, PrepareError, Stall};
use aws::table::Table;
use aws_sdk_cognitoidentityprovider::Client as Cognito;
use domain::employee::{BadgeStatus, Employee};
use domain::id::{CheckoutId, ConcessionaireId, InvalidId, MealCode, Rfid, TenantId, UserName};
use domain::menu::{Edits, Meal, Menu, SoldOut};
use domain::money::{BasisPoints, InvalidAmount, Money};
use domain::request::{Buyer, RequestHash};
use domain::role::Status;
use domain::tenant::Station;
use jiff::Timestamp;
use local::users::PoolIds;
use serde::Serialize;
use serde_json::{Value, json};
use std::sync::Arc;
use thiserror::Error;

const STATIONS: usize = 20;
/// One buyer in so many has no credit, and buys nothing.
pub const POOR_ONE_IN: usize = 100;
/// What all others start with, in minor units: more than any lunch lasts.
const CREDIT: Money = Money::from_minor(10_000_000_000);
/// Name, price in minor units, kilocalories.
const MENU: [(&str, i64, i64); 12] = [
    ("Lentil soup", 5_500, 210),
    ("Roast chicken with rice", 12_500, 640),
    ("Vegetable curry", 10_500, 520),
    ("Beef stew", 14_000, 710),
    ("Grilled fish of the day", 15_500, 480),
    ("Green salad", 4_500, 90),
    ("Steamed rice", 2_000, 200),
    ("Seasonal fruit", 3_500, 80),
    ("Rice pudding", 4_000, 310),
    ("Filter coffee", 4_500, 5),
    ("Iced tea", 2_500, 70),
    ("Blueberry muffin", 6_500, 390),
];

#[derive(Debug, Error)]
pub enum CompanyError {
    #[error("an id that was made is not valid")]
    Id(#[from] InvalidId),
    #[error("an amount that was made is not valid")]
    Amount(#[from] InvalidAmount),
    #[error("calories that were made are not valid")]
    Calories,
}

#[derive(Debug)]
pub struct Company {
    pub tenant: TenantId,
    pub concessionaire: ConcessionaireId,
    pub stations: Vec<Station>,
    pub cashier: UserName,
    pub menu: Menu,
    pub codes: Vec<MealCode>,
    pub buyers: Vec<Employee>,
    pub badges: Vec<Rfid>,
    /// Of all companies' sales.
    pub weight: u32,
}

impl Company {
    /// The company with this place among them; each sells `skew` times as much as the next.
    pub fn new(tenant: &str, index: usize, rush: &Rush, now: Timestamp) -> Result<Self, CompanyError> {
        // Nobody has the number of somebody in another company.
        let tag = format!("{:x}{index}", now.as_second());
        let concessionaire: ConcessionaireId = format!("rush-{tag}").parse()?;
        let station = |number| -> Result<_, InvalidId> {
            let id = format!("{concessionaire}-{number}").parse()?;
            Ok(Station::new(id, concessionaire.clone()))
        };
        let share = rush.skew.pow(u32::try_from(index).unwrap_or_default());
        let employees = (rush.employees / share).max(POOR_ONE_IN as u32 * 2);
        let buyers =
            (0..employees as usize).map(|number| buyer(&tag, number)).collect::<Result<Vec<_>, _>>()?;
        let codes = (0..MENU.len()).map(|number| format!("MEAL-{number:02}").parse());
        let codes: Vec<MealCode> = codes.collect::<Result<_, _>>()?;
        let meals = codes.iter().cloned().zip(MENU).map(|(code, (name, price, calories))| {
            let meal = Meal {
                name: name.to_owned(),
                category: "lunch".to_owned(),
                price: price.try_into()?,
                calories: Some(calories.try_into().map_err(|_| CompanyError::Calories)?),
            };
            Ok((code, meal))
        });
        Ok(Self {
            tenant: tenant.parse()?,
            stations: (1..=STATIONS).map(station).collect::<Result<_, _>>()?,
            cashier: format!("{tenant}-{concessionaire}").parse()?,
            menu: Menu {
                version: prepare::MENU,
                base: Arc::new(meals.collect::<Result<_, CompanyError>>()?),
                edits: Edits::default(),
                sold_out: SoldOut::default(),
            },
            codes,
            badges: buyers.iter().flat_map(|buyer| buyer.badges.keys().cloned()).collect(),
            buyers,
            concessionaire,
            // The largest of five has 10,000 to the smallest's 1 at a skew of ten.
            weight: rush.skew.pow(8).checked_div(share).unwrap_or(1).max(1),
        })
    }

    /// Makes whatever of it is not there.
    pub async fn open(
        &self,
        table: &Table,
        cognito: &Cognito,
        pool: &PoolIds,
        now: Timestamp,
    ) -> Result<(), PrepareError> {
        let stall = Stall {
            tenant: &self.tenant,
            concessionaire: &self.concessionaire,
            stations: &self.stations,
            cashier: &self.cashier,
            meals: &self.menu.base,
            buyers: &self.buyers,
        };
        prepare::prepare(table, cognito, pool, stall, now).await
    }

    /// The body of a request to sell, by the places of buyer and station.
    pub fn request(&self, buyer: usize, station: usize, items: &impl Serialize) -> String {
        let station = self.stations.get(station).map(|station| station.id.as_str());
        json!({ "rfid": self.badges.get(buyer), "station": station, "items": items }).to_string()
    }

    /// One each of the meal in this place, or so many rounds on, and the next.
    pub fn two_meals(&self, first: usize) -> Vec<Value> {
        let codes = self.codes.iter().cycle().skip(first % self.codes.len().max(1)).take(2);
        codes.map(|code| json!({ "code": code, "qty": 1 })).collect()
    }

    /// What a stored sale says was asked for.
    pub fn request_of(&self, sale: &Sale, id: CheckoutId) -> Option<RequestHash> {
        let (badge, station) = (self.badges.get(sale.buyer)?.clone(), self.stations.get(sale.station)?);
        let buyer = Buyer::Badge(badge);
        Some(RequestHash::of_checkout(&self.tenant, &self.cashier, id, &buyer, &station.id, &sale.basket))
    }

    pub fn is_poor(buyer: usize) -> bool {
        buyer.is_multiple_of(POOR_ONE_IN)
    }
}

/// Somebody with credit, if their place is not that of somebody poor.
pub fn buyer(tag: &str, number: usize) -> Result<Employee, CompanyError> {
    let credit = if Company::is_poor(number) { Money::ZERO } else { CREDIT };
    Ok(Employee {
        number: format!("R{tag}-{number:07}").parse()?,
        name: format!("Regular {number:07}"),
        status: Status::Active,
        discount: BasisPoints::NONE,
        limit: Some(credit),
        badges: [(format!("RF-{tag}-{number:07}").parse()?, BadgeStatus::Active)].into(),
        image_url: None,
        changed_at: None,
    })
}
