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
use jiff::Timestamp;
use serde_json::{Value, json};

/// Edits that lie over a version before they are folded: every checkout reads them.
const FOLDED_EDITS: usize = 50;
/// Meals of a menu whose edits are folded while an edit waits: a second's worth of writes to one partition.
const MAX_FOLDED: usize = 500;
/// Edits that may lie over a larger menu.
const MAX_EDITS: usize = 500;
/// Edits and what is sold out, as they are stored: an item has 400 KB at most.
const MAX_HEAD_BYTES: usize = 300 * 1024;

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
    (concessionaire, code): (&ConcessionaireId, &MealCode),
    edit: Edit,
    if_match: Option<MenuVersion>,
    now: Timestamp,
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
    let may_grow = !matches!(edit, Edit::Remove | Edit::Availability(Availability::Available));
    let edited = edited(&menu, code, edit, now);
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
    let head = items::menu_head(tenant, concessionaire, &head)?;
    if may_grow && items::size_bytes(&head) > MAX_HEAD_BYTES {
        return Ok(Decision::rejected(Rejection::TooManyEdits));
    }
    Ok(Decision::applied(before, after, vec![put(head, from.as_ref())]))
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

fn edited(menu: &Menu, code: &MealCode, edit: Edit, now: Timestamp) -> Menu {
    let mut menu = menu.clone();
    menu.version.edit += 1;
    // What is there again by itself need not be remembered: every sale reads this.
    menu.sold_out.retain(|_, until| until.is_none_or(|until| until > now));
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

#[cfg(test)]
mod tests {
    use super::*;

    /// Every sale reads what is sold out.
    #[test]
    fn what_is_there_again_is_forgotten() {
        let at = |hour: i64| Timestamp::from_second(hour * 3_600).unwrap();
        let [tea, cake, soup] = ["TEA", "CAKE", "SOUP"].map(|code| code.parse::<MealCode>().unwrap());
        let sold_out = [(tea, Some(at(1))), (cake.clone(), Some(at(3))), (soup.clone(), None)];
        let version = MenuVersion { meals: 1, edit: 0 };
        let menu = Menu { version, base: <_>::default(), edits: <_>::default(), sold_out: sold_out.into() };
        let edited = edited(&menu, &cake, Edit::Availability(Availability::Available), at(2));
        assert_eq!(edited.sold_out.into_keys().collect::<Vec<_>>(), [soup]);
    }
}
