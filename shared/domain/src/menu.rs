//! What a concessionaire sells: the meals of one version, never changed, under an overlay of single
//! edits and of what is sold out just now.

use crate::id::MealCode;
use crate::money::{Calories, Price};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use thiserror::Error;

/// One thing on a menu.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Meal {
    pub name: String,
    pub category: String,
    pub price: Price,
    pub calories: Option<Calories>,
}

/// The meals of one version.
pub type Meals = BTreeMap<MealCode, Meal>;

/// Which menu priced a checkout: the version of its meals, and how often the overlay was edited.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct MenuVersion {
    pub meals: u32,
    pub edit: u32,
}

#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("a menu version reads like 3.12")]
pub struct InvalidMenuVersion;

impl fmt::Display for MenuVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.meals, self.edit)
    }
}

impl From<MenuVersion> for String {
    fn from(version: MenuVersion) -> String {
        version.to_string()
    }
}

impl TryFrom<String> for MenuVersion {
    type Error = InvalidMenuVersion;

    fn try_from(text: String) -> Result<Self, InvalidMenuVersion> {
        let (meals, edit) = text.split_once('.').ok_or(InvalidMenuVersion)?;
        let number = |part: &str| part.parse().map_err(|_| InvalidMenuVersion);
        Ok(Self { meals: number(meals)?, edit: number(edit)? })
    }
}

/// Until when a meal is sold out; `None` is until somebody says otherwise.
pub type SoldOut = BTreeMap<MealCode, Option<Timestamp>>;

/// Meals that differ from their version; `None` is off the menu.
pub type Edits = BTreeMap<MealCode, Option<Meal>>;

/// The menu as a station sells from it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Menu {
    pub version: MenuVersion,
    /// The meals of the version, under the edits.
    pub base: Arc<Meals>,
    pub edits: Edits,
    pub sold_out: SoldOut,
}

impl Menu {
    pub fn meal(&self, code: &MealCode) -> Option<&Meal> {
        match self.edits.get(code) {
            Some(edit) => edit.as_ref(),
            None => self.base.get(code),
        }
    }

    /// Every meal on it, by code.
    pub fn meals(&self) -> BTreeMap<&MealCode, &Meal> {
        let kept = self.base.iter().filter(|(code, _)| !self.edits.contains_key(code));
        let edited = self.edits.iter().filter_map(|(code, edit)| Some((code, edit.as_ref()?)));
        kept.chain(edited).collect()
    }

    pub fn is_sold_out(&self, code: &MealCode, at: Timestamp) -> bool {
        match self.sold_out.get(code) {
            None => false,
            Some(None) => true,
            Some(Some(until)) => at < *until,
        }
    }
}
