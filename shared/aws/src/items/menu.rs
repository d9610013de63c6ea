//! Menus: the head that names the current version, and the meals of one version.

use super::{Item, Millis, from_item, sort_key, to_item};
use crate::failure::Failure;
use crate::keys;
use domain::id::{ConcessionaireId, MealCode, TenantId};
use domain::menu::{Meal, MenuVersion, SoldOut};
use domain::money::{Calories, Price};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Which version is current, and what lies over it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MenuHead {
    pub version: MenuVersion,
    pub sold_out: SoldOut,
}

#[derive(Serialize, Deserialize)]
struct MenuHeadItem {
    m: u32,
    e: u32,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    so: BTreeMap<MealCode, Option<Millis>>,
}

pub fn menu_head(
    tenant: &TenantId,
    concessionaire: &ConcessionaireId,
    head: &MenuHead,
) -> Result<Item, Failure> {
    let so = head.sold_out.iter().map(|(code, until)| (code.clone(), until.map(Millis::from))).collect();
    let attributes = MenuHeadItem { m: head.version.meals, e: head.version.edit, so };
    to_item(keys::menu(tenant, concessionaire), &attributes)
}

pub fn stored_menu_head(item: Item) -> Result<MenuHead, Failure> {
    let stored: MenuHeadItem = from_item(item)?;
    let sold_out =
        stored.so.into_iter().map(|(code, until)| Ok((code, until.map(Timestamp::try_from).transpose()?)));
    Ok(MenuHead {
        version: MenuVersion { meals: stored.m, edit: stored.e },
        sold_out: sold_out.collect::<Result<_, Failure>>()?,
    })
}

#[derive(Serialize, Deserialize)]
struct MealItem {
    n: String,
    g: String,
    p: Price,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    k: Option<Calories>,
}

pub fn meal(
    tenant: &TenantId,
    concessionaire: &ConcessionaireId,
    version: u32,
    code: &MealCode,
    meal: &Meal,
) -> Result<Item, Failure> {
    let attributes =
        MealItem { n: meal.name.clone(), g: meal.category.clone(), p: meal.price, k: meal.calories };
    to_item(keys::meal(tenant, concessionaire, version, code), &attributes)
}

pub fn stored_meal(item: Item) -> Result<(MealCode, Meal), Failure> {
    let code = keys::parse_meal(sort_key(&item)?)
        .ok_or_else(|| Failure::malformed("read a meal", "the sort key holds no meal code"))?;
    let stored: MealItem = from_item(item)?;
    Ok((code, Meal { name: stored.n, category: stored.g, price: stored.p, calories: stored.k }))
}
