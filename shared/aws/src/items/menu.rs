//! Menus: the head that names the current version, and the meals of one version.

use super::{Item, Millis, from_item, sort_key, to_item};
use crate::failure::Failure;
use crate::keys;
use domain::id::{ConcessionaireId, MealCode, TenantId};
use domain::menu::{Edits, Meal, MenuVersion, SoldOut};
use domain::money::{Calories, Price};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Which version is current, and what lies over it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct MenuHead {
    pub version: MenuVersion,
    pub edits: Edits,
    pub sold_out: SoldOut,
    /// The highest version of meals that was begun; the next is another, or two would mix.
    pub begun: u32,
    /// What the version was made of, if one file made all of it.
    pub made_of: Option<FileDigest>,
}

impl MenuHead {
    /// Whether it is what a file makes, and nobody has edited it since.
    pub fn is_made_of(&self, digest: FileDigest) -> bool {
        self.made_of == Some(digest) && self.edits.is_empty()
    }
}

/// What all meals of a file come to.
pub type FileDigest = [u8; 32];

#[derive(Serialize, Deserialize)]
struct MenuHeadItem {
    m: u32,
    e: u32,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    so: BTreeMap<MealCode, Option<Millis>>,
    /// Single edits; null is off the menu.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    ed: BTreeMap<MealCode, Option<MealItem>>,
    #[serde(default)]
    bg: u32,
    #[serde(default, with = "serde_bytes", skip_serializing_if = "Option::is_none")]
    dg: Option<FileDigest>,
}

pub fn menu_head(
    tenant: &TenantId,
    concessionaire: &ConcessionaireId,
    head: &MenuHead,
) -> Result<Item, Failure> {
    let so = head.sold_out.iter().map(|(code, until)| (code.clone(), until.map(Millis::from))).collect();
    let ed = head.edits.iter().map(|(code, edit)| (code.clone(), edit.as_ref().map(meal_item))).collect();
    let attributes = MenuHeadItem {
        m: head.version.meals,
        e: head.version.edit,
        so,
        ed,
        bg: head.begun,
        dg: head.made_of,
    };
    to_item(keys::menu(tenant, concessionaire), &attributes)
}

pub fn stored_menu_head(item: Item) -> Result<MenuHead, Failure> {
    let stored: MenuHeadItem = from_item(item)?;
    let sold_out =
        stored.so.into_iter().map(|(code, until)| Ok((code, until.map(Timestamp::try_from).transpose()?)));
    Ok(MenuHead {
        version: MenuVersion { meals: stored.m, edit: stored.e },
        edits: stored.ed.into_iter().map(|(code, edit)| (code, edit.map(meal_of))).collect(),
        sold_out: sold_out.collect::<Result<_, Failure>>()?,
        begun: stored.bg.max(stored.m),
        made_of: stored.dg,
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
    to_item(keys::meal(tenant, concessionaire, version, code), &meal_item(meal))
}

fn meal_item(meal: &Meal) -> MealItem {
    MealItem { n: meal.name.clone(), g: meal.category.clone(), p: meal.price, k: meal.calories }
}

fn meal_of(stored: MealItem) -> Meal {
    Meal { name: stored.n, category: stored.g, price: stored.p, calories: stored.k }
}

pub fn stored_meal(item: Item) -> Result<(MealCode, Meal), Failure> {
    let code = keys::parse_meal(sort_key(&item)?)
        .ok_or_else(|| Failure::malformed("read a meal", "the sort key holds no meal code"))?;
    Ok((code, meal_of(from_item(item)?)))
}
