//! What clients read of a menu.

use domain::id::{ConcessionaireId, MealCode};
use domain::menu::{Meal, Menu};
use domain::tenant::Currency;
use serde::Serialize;
use utoipa::ToSchema;

/// A menu, or a page of one. Prices are minor units of `currency`.
#[derive(Debug, Serialize, ToSchema)]
pub struct MenuView {
    concessionaire_id: String,
    menu_version: String,
    currency: String,
    meals: Vec<MealView>,
    /// Where the next page begins; absent from the last.
    #[serde(skip_serializing_if = "Option::is_none")]
    next_cursor: Option<String>,
}

#[derive(Debug, Serialize, ToSchema)]
pub struct MealView {
    code: String,
    name: String,
    category: String,
    price: i64,
    calories: Option<u32>,
    /// Whether it was marked as sold out; it counts again from `sold_out_until` on, if that is given.
    sold_out: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(format = DateTime)]
    sold_out_until: Option<String>,
}

impl MenuView {
    pub fn of(
        menu: &Menu,
        meals: &[(&MealCode, &Meal)],
        concessionaire: &ConcessionaireId,
        currency: &Currency,
        next_cursor: Option<String>,
    ) -> Self {
        let meals = meals.iter().map(|(code, meal)| {
            let sold_out = menu.sold_out.get(code);
            MealView {
                code: code.to_string(),
                name: meal.name.clone(),
                category: meal.category.clone(),
                price: meal.price.get(),
                calories: meal.calories.map(|calories| calories.get()),
                sold_out: sold_out.is_some(),
                sold_out_until: sold_out.copied().flatten().map(|until| until.to_string()),
            }
        });
        Self {
            concessionaire_id: concessionaire.to_string(),
            menu_version: menu.version.to_string(),
            currency: currency.clone().into(),
            meals: meals.collect(),
            next_cursor,
        }
    }
}
