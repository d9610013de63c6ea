//! Single edits of a menu. They lie over the meals of its version; once there are many, they are folded
//! into a version of their own, which is written whole before the menu switches to it.

use super::decision::Decision;
use aws::failure::{Failure, chain};
use aws::items::MenuHead;
use aws::menus::Menus;
use aws::stored::{Stored, put, take};
use aws::table::{MAX_TRANSACTION, Table, Write};
use aws::{items, keys};
use domain::admin::{Availability, Rejection};
use domain::id::{ConcessionaireId, MealCode, TenantId};
use domain::menu::{Meal, Menu, MenuVersion};
use domain::planted::{self, Planted};
use serde_json::{Value, json};

/// Edits that lie over a version before they are folded: every checkout reads them.
const FOLDED_EDITS: usize = 50;
/// Meals of a menu whose edits are folded while an edit waits: a second's worth of writes to one partition.
const MAX_FOLDED: usize = 500;
/// Edits that may lie over a larger menu.
const MAX_EDITS: usize = 500;

/// What becomes of one meal.
#[derive(Debug, Clone)]
pub enum Edit {
    Set(Meal),
    Remove,
    Availability(Availability),
}

pub async fn edit(
    table: &Table,
    menus: &Menus,
    tenant: &TenantId,
    concessionaire: &ConcessionaireId,
    code: &MealCode,
    edit: Edit,
    if_match: Option<MenuVersion>,
) -> Result<Decision, Failure> {
    let (key, owner) = (keys::menu(tenant, concessionaire), keys::concessionaire(tenant, concessionaire));
    let mut found = table.read([key.clone(), owner.clone()]).await?;
    let stored = take(&mut found, &key, items::stored_menu_head)?;
    // Whoever has a menu sold before concessionaires were items.
    if stored.is_none() && found.take(&owner).is_none() {
        return Ok(Decision::rejected(Rejection::UnknownConcessionaire));
    }
    let head = stored.as_ref().map(|stored| stored.value.clone()).unwrap_or_default();
    let is_other = if_match.is_some_and(|expected| expected != head.version);
    if is_other && !planted::is(Planted::MatchIgnored) {
        return Ok(Decision::rejected(Rejection::PreconditionFailed));
    }
    let (begun, made_of) = (head.begun, head.made_of);
    let menu = menus.under(table, tenant, concessionaire, head).await?;
    let before = snapshot(&menu, code);
    if before.is_null() && !matches!(edit, Edit::Set(_)) {
        return Ok(Decision::rejected(Rejection::NotFound));
    }
    let edited = edited(&menu, code, edit);
    let after = snapshot(&edited, code);
    let mut head = MenuHead {
        version: edited.version,
        edits: edited.edits.clone(),
        sold_out: edited.sold_out.clone(),
        begun,
        made_of,
    };
    let mut from = stored;
    if head.edits.len() > FOLDED_EDITS && edited.base.len() <= MAX_FOLDED {
        let begun = begin(table, tenant, concessionaire, from).await?;
        head.begun = begun.value.begun;
        match fold(table, tenant, concessionaire, head.begun, &edited).await {
            Ok(()) => {
                head.version = MenuVersion { meals: head.begun, edit: 0 };
                head.edits.clear();
                head.made_of = None;
            }
            // The next edit tries again.
            Err(failure) if head.edits.len() <= MAX_EDITS => {
                tracing::warn!(error = chain(&failure), "a menu was not folded");
            }
            Err(failure) => return Err(failure),
        }
        from = Some(begun);
    } else if head.edits.len() > MAX_EDITS {
        return Ok(Decision::rejected(Rejection::TooManyEdits));
    }
    let writes = vec![put(items::menu_head(tenant, concessionaire, &head)?, from.as_ref())];
    Ok(Decision::applied(before, after, writes))
}

/// Gives out the next version of meals, to nobody else.
pub(crate) async fn begin(
    table: &Table,
    tenant: &TenantId,
    concessionaire: &ConcessionaireId,
    stored: Option<Stored<MenuHead>>,
) -> Result<Stored<MenuHead>, Failure> {
    let mut head = stored.as_ref().map(|stored| stored.value.clone()).unwrap_or_default();
    head.begun += 1;
    commit(table, vec![put(items::menu_head(tenant, concessionaire, &head)?, stored.as_ref())]).await?;
    let revision = stored.map_or(0, |stored| stored.revision + 1);
    Ok(Stored { value: head, revision })
}

/// Writes every meal of a version that no menu names yet.
async fn fold(
    table: &Table,
    tenant: &TenantId,
    concessionaire: &ConcessionaireId,
    version: u32,
    menu: &Menu,
) -> Result<(), Failure> {
    let meals = menu.meals();
    let meals =
        meals.into_iter().map(|(code, meal)| items::meal(tenant, concessionaire, version, code, meal));
    let meals = meals.collect::<Result<Vec<_>, _>>()?;
    for chunk in meals.chunks(MAX_TRANSACTION) {
        commit(table, chunk.iter().cloned().map(Write::Create).collect()).await?;
    }
    Ok(())
}

async fn commit(table: &Table, writes: Vec<Write>) -> Result<(), Failure> {
    table.commit(writes).await.map_err(|error| error.alone("fold a menu"))
}

fn edited(menu: &Menu, code: &MealCode, edit: Edit) -> Menu {
    let mut menu = menu.clone();
    menu.version.edit += 1;
    match edit {
        Edit::Set(_) if menu.edits.contains_key(code) && planted::is(Planted::EditLost) => {}
        Edit::Set(meal) => {
            menu.edits.insert(code.clone(), Some(meal));
        }
        Edit::Remove => {
            menu.edits.remove(code);
            if menu.base.contains_key(code) {
                menu.edits.insert(code.clone(), None);
            }
            menu.sold_out.remove(code);
        }
        Edit::Availability(Availability::Available) => {
            menu.sold_out.remove(code);
        }
        Edit::Availability(Availability::SoldOut { until }) => {
            menu.sold_out.insert(code.clone(), until);
        }
    }
    menu
}

fn snapshot(menu: &Menu, code: &MealCode) -> Value {
    let Some(meal) = menu.meal(code) else { return Value::Null };
    json!({
        "menu_version": menu.version,
        "name": meal.name,
        "category": meal.category,
        "price": meal.price,
        "calories": meal.calories,
        "sold_out": menu.sold_out.contains_key(code),
        "sold_out_until": menu.sold_out.get(code),
    })
}
