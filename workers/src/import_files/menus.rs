//! A menu from a file: its meals under a version of their own, then the switch.

use super::run::{Judged, Run};
use crate::administer::menus;
use aws::failure::Failure;
use aws::items::{self, Item, MenuHead};
use aws::keys;
use aws::menus::{MAX_BYTES, MAX_MEALS};
use aws::retry::{self, Policy};
use aws::stored::{Stored, put, take};
use aws::table::{Order, Table, Write};
use domain::id::{ConcessionaireId, TenantId};
use domain::import::{Effect, MEAL_KEY, MealRow, Mode, Reason, Refused};
use domain::menu::MenuVersion;
use domain::planted::{self, Planted};
use domain::tenant::Currency;
use futures_util::stream::{self, StreamExt};
use serde_json::json;
use sheets::{BadRows, Checked, Taken};
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use tokio::sync::mpsc::Receiver;

/// Meals that are put in one call; the calls go one after the other: a version is one partition, which takes
/// a thousand writes a second, and lunch goes on.
const TOGETHER: usize = 25;
/// Meals of an old version that are read in one call.
const PAGE: i32 = 500;
const CHANGE: &str = "import-menu";

pub async fn import(
    run: &mut Run,
    concessionaire: &ConcessionaireId,
    currency: &Currency,
) -> Result<Judged, Failure> {
    let tenant = run.import.tenant.clone();
    let Some(head) = head(&run.table, &tenant, concessionaire).await? else {
        let detail = format!("there is no concessionaire {concessionaire}");
        return Ok(Err(Refused::new(Reason::UnknownConcessionaire, detail)));
    };
    let checked = match run.validate(currency, look_at).await? {
        Ok(checked) => checked,
        Err(refused) => return Ok(Err(refused)),
    };
    let stored = head.as_ref().map(|head| &head.value);
    if let Some(head) = stored.filter(|head| head.is_made_of(checked.digest)) {
        let effect = Effect::Menu { version: head.version, meals: checked.good, kept: 0, is_unchanged: true };
        return Ok(Ok((effect, vec![])));
    }
    let base = stored.map_or(0, |head| head.version.meals);
    let version = begin(&run.table, &tenant, concessionaire).await?;
    let (table, of) = (run.table.clone(), (tenant.clone(), concessionaire.clone(), version));
    let written = match run.apply(currency, |rows, done| write(table, of, rows, done)).await? {
        Ok((_, written)) => written,
        Err(refused) => return Ok(Err(refused)),
    };
    let kept = match run.import.options.mode {
        Mode::Replace => Put::default(),
        Mode::Merge if planted::is(Planted::MergeForgets) => Put::default(),
        Mode::Merge => {
            let table = run.table.clone();
            let keeping = keep(&table, &tenant, concessionaire, base, version, &checked);
            run.noting(&AtomicU64::new(0), keeping, |_, _| ()).await?
        }
    };
    let whole = Put { meals: written.meals + kept.meals, bytes: written.bytes + kept.bytes };
    if let Some(detail) = whole.excess() {
        return Ok(Err(Refused::new(Reason::TooLarge, detail)));
    }
    switch(run, concessionaire, &checked, base, version, kept.meals).await.map(Ok)
}

/// Meals that were put, and their bytes as they are stored.
#[derive(Debug, Clone, Copy, Default)]
struct Put {
    meals: u64,
    bytes: usize,
}

impl Put {
    async fn put(&mut self, table: &Table, meals: &[Item]) -> Result<(), Failure> {
        table.put_unnamed(meals).await?;
        self.meals += u64::try_from(meals.len()).unwrap_or_default();
        self.bytes += meals.iter().map(items::size_bytes).sum::<usize>();
        Ok(())
    }

    /// How a menu of these is more than a worker holds to sell one: of large meals, or of many small ones.
    fn excess(&self) -> Option<String> {
        let Self { meals, bytes } = *self;
        if bytes > MAX_BYTES {
            return Some(format!("its menu takes {bytes} bytes, and one has {MAX_BYTES} at most"));
        }
        let is_many = usize::try_from(meals).map_or(true, |meals| meals > MAX_MEALS);
        is_many.then(|| format!("its menu has {meals} meals, and one has {MAX_MEALS} at most"))
    }
}

/// A menu as it stands, which may have no meal yet; nothing if there is no such concessionaire.
async fn head(
    table: &Table,
    tenant: &TenantId,
    concessionaire: &ConcessionaireId,
) -> Result<Option<Option<Stored<MenuHead>>>, Failure> {
    let (key, owner) = (keys::menu(tenant, concessionaire), keys::concessionaire(tenant, concessionaire));
    let mut found = table.read([key.clone(), owner.clone()]).await?;
    let head = take(&mut found, &key, items::stored_menu_head)?;
    let is_known = head.is_some() || found.take(&owner).is_some();
    Ok(is_known.then_some(head))
}

/// Gives out the next version of meals. Whoever edits the menu meanwhile may be faster, for once.
async fn begin(table: &Table, tenant: &TenantId, concessionaire: &ConcessionaireId) -> Result<u32, Failure> {
    let begun = async || {
        let stored = head(table, tenant, concessionaire).await?.flatten();
        menus::begin(table, tenant, concessionaire, stored).await
    };
    Ok(retry::transient(Policy::WORKER, begun).await?.value.begun)
}

/// A meal that reads is a meal.
async fn look_at(mut rows: Receiver<Taken<MealRow>>, seen: Arc<AtomicU64>) -> Result<BadRows, Failure> {
    while rows.recv().await.is_some() {
        seen.fetch_add(1, Ordering::Relaxed);
    }
    Ok(BadRows::default())
}

/// Writes the meals of a file.
async fn write(
    table: Table,
    (tenant, concessionaire, version): (TenantId, ConcessionaireId, u32),
    mut rows: Receiver<Taken<MealRow>>,
    done: Arc<AtomicU64>,
) -> Result<Put, Failure> {
    let rows = stream::poll_fn(move |context| rows.poll_recv(context));
    let (mut parts, mut written) = (pin!(rows.chunks(TOGETHER)), Put::default());
    while let Some(part) = parts.next().await {
        if planted::is(Planted::MenuSwitchedEarly) && part.len() < TOGETHER {
            continue;
        }
        let meal = |Taken { row, .. }: &Taken<MealRow>| {
            items::meal(&tenant, &concessionaire, version, &row.code, &row.meal)
        };
        let meals = part.iter().map(meal).collect::<Result<Vec<_>, _>>()?;
        written.put(&table, &meals).await?;
        done.store(written.meals, Ordering::Relaxed);
    }
    Ok(written)
}

/// Takes over what the file does not name.
async fn keep(
    table: &Table,
    tenant: &TenantId,
    concessionaire: &ConcessionaireId,
    base: u32,
    version: u32,
    checked: &Checked,
) -> Result<Put, Failure> {
    let (span, mut kept) = (keys::meals_span(tenant, concessionaire, base), Put::default());
    let mut pages = table.pages(&span, PAGE, Order::OldestFirst);
    while let Some(page) = pages.next().await? {
        let mut meals = Vec::new();
        for item in page {
            let (code, meal) = items::stored_meal(item)?;
            if !checked.has(MEAL_KEY, code.as_str()) {
                meals.push(items::meal(tenant, concessionaire, version, &code, &meal)?);
            }
        }
        kept.put(table, &meals).await?;
    }
    Ok(kept)
}

/// What is written together with the import's outcome: from then on stations sell from the new version.
/// Whatever is edited meanwhile loses this race, or makes this one read again.
async fn switch(
    run: &Run,
    concessionaire: &ConcessionaireId,
    checked: &Checked,
    base: u32,
    version: u32,
    kept: u64,
) -> Result<(Effect, Vec<Write>), Failure> {
    let import = &run.import;
    let stored = head(&run.table, &import.tenant, concessionaire).await?.flatten();
    let stored = stored.ok_or_else(|| Failure::malformed("switch a menu", "it was begun and is gone"))?;
    let mut head = stored.value.clone();
    let before = head.version;
    let is_named = |code: &domain::id::MealCode| checked.has(MEAL_KEY, code.as_str());
    match import.options.mode {
        Mode::Replace => {
            if !planted::is(Planted::EditsOutliveMenu) {
                head.edits.clear();
            }
            head.sold_out.retain(|code, _| is_named(code));
        }
        Mode::Merge if before.meals != base => {
            return Err(Failure::transient("switch a menu", "another version came between"));
        }
        // Edits of other meals lie over the new version as they lay over the old one.
        Mode::Merge => head.edits.retain(|code, _| !is_named(code)),
    }
    head.version = MenuVersion { meals: version, edit: 0 };
    head.made_of = Some(checked.digest);
    let effect = Effect::Menu { version: head.version, meals: checked.good, kept, is_unchanged: false };
    let after = json!({ "menu_version": head.version, "meals": checked.good, "kept": kept });
    let subject = format!("concessionaires/{concessionaire}/menu");
    let receipt = run.receipt(CHANGE, subject, json!({ "menu_version": before }), after)?;
    let head = put(items::menu_head(&import.tenant, concessionaire, &head)?, Some(&stored));
    Ok((effect, vec![head, receipt]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_menu_has_so_many_meals_and_bytes_at_most() {
        let is_too_much = |meals, bytes| Put { meals, bytes }.excess().is_some();
        assert!(!is_too_much(200_000, MAX_BYTES));
        assert!(is_too_much(200_001, 0) && is_too_much(1, MAX_BYTES + 1));
    }
}
