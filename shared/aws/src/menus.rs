//! Menus as stations sell from them. The meals of a version never change, so a version is read
//! once by each process and kept; the head, which names the version, is always read afresh.

use crate::failure::Failure;
use crate::items::{self, MenuHead};
use crate::keys;
use crate::table::{Order, Position, Table};
use domain::id::{ConcessionaireId, MealCode, TenantId};
use domain::menu::{Meal, Meals, Menu};
use domain::planted::{self, Planted};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Meals of one version, and in memory those of all together and in part; some tens of megabytes. A tenant has
/// a handful of concessionaires with hundreds of meals each, and a warm function serves few tenants.
pub const MAX_MEALS: usize = 200_000;

/// Bytes of a version's meals as they are stored: a page a megabyte, and a worker holds all of them to sell
/// one.
pub const MAX_BYTES: usize = 48 * 1024 * 1024;
/// Meals that are read in one call: more than fit into one.
const PAGE: i32 = 50_000;

type Version = (TenantId, ConcessionaireId, u32);

#[derive(Debug, Clone, Default)]
pub struct Menus {
    shelf: Arc<Mutex<Shelf>>,
}

#[derive(Debug, Default)]
struct Shelf {
    kept: HashMap<Version, Arc<Meals>>,
    /// Of versions that nobody has read to the end yet.
    parts: HashMap<Version, Part>,
}

/// The meals of a version up to a position.
#[derive(Debug, Default)]
struct Part {
    meals: Meals,
    next: Option<Position>,
}

impl Menus {
    /// The menu that `head` stands for. Its version's meals are read if this process does not keep them yet;
    /// a menu of edits alone has none.
    pub async fn under(
        &self,
        table: &Table,
        tenant: &TenantId,
        concessionaire: &ConcessionaireId,
        head: MenuHead,
    ) -> Result<Menu, Failure> {
        if head.version.meals == 0 {
            let base = Arc::default();
            return Ok(Menu { version: head.version, base, edits: head.edits, sold_out: head.sold_out });
        }
        let meals = if planted::is(Planted::MenuForgottenToAge) { 1 } else { head.version.meals };
        let version = (tenant.clone(), concessionaire.clone(), meals);
        let meals = match self.kept(&version) {
            Some(meals) => meals,
            None => self.read(table, version).await?,
        };
        Ok(Menu { version: head.version, base: meals, edits: head.edits, sold_out: head.sold_out })
    }

    fn kept(&self, version: &Version) -> Option<Arc<Meals>> {
        let kept = &self.shelf().kept;
        if planted::is(Planted::MenuOfAnybody) {
            let is_alike = |of: &&Version| (&of.1, of.2) == (&version.1, version.2);
            return kept.keys().filter(is_alike).min().and_then(|of| kept.get(of)).cloned();
        }
        kept.get(version).cloned()
    }

    fn shelf(&self) -> MutexGuard<'_, Shelf> {
        self.shelf.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Reads a version, from where whoever failed or ran out of time got: a large menu takes a partition's
    /// whole second, and beginning anew would never end while many do.
    async fn read(&self, table: &Table, version: Version) -> Result<Arc<Meals>, Failure> {
        let span = keys::meals_span(&version.0, &version.1, version.2);
        loop {
            let from = self.shelf().parts.get(&version).and_then(|part| part.next.clone());
            let page = table.query_page(&span, PAGE, Order::OldestFirst, from.clone()).await?;
            let meals = page.items.into_iter().map(items::stored_meal).collect::<Result<Vec<_>, _>>()?;
            if let Some(all) = self.shelf().put_by(&version, from, meals, page.next) {
                return Ok(all);
            }
        }
    }
}

impl Shelf {
    /// Adds the page that begins at `from` to its version: all meals of it, once there is nothing behind.
    fn put_by(
        &mut self,
        version: &Version,
        from: Option<Position>,
        page: Vec<(MealCode, Meal)>,
        next: Option<Position>,
    ) -> Option<Arc<Meals>> {
        if let Some(meals) = self.kept.get(version) {
            return Some(meals.clone());
        }
        // Whoever reads one version of a menu sells from no older one.
        self.parts.retain(|of, _| of == version || (&of.0, &of.1) != (&version.0, &version.1));
        let part = self.parts.entry(version.clone()).or_default();
        if part.next != from {
            // Somebody else has put it by, and goes on from there.
            return None;
        }
        part.meals.extend(page);
        part.next = next;
        let is_whole = part.next.is_none();
        self.make_room(version);
        if !is_whole {
            return None;
        }
        let meals = Arc::new(self.parts.remove(version).unwrap_or_default().meals);
        // Nothing to sell is read again: it is cheap, and a mistake that gets mended.
        if !meals.is_empty() {
            self.kept.insert(version.clone(), meals.clone());
        }
        Some(meals)
    }

    /// A version has room even if it is larger than all may be together: whoever sells from it would read it
    /// again for every sale.
    fn make_room(&mut self, version: &Version) {
        let kept = self.kept.values().map(|meals| meals.len());
        let meals: usize = kept.chain(self.parts.values().map(|part| part.meals.len())).sum();
        if meals > MAX_MEALS {
            self.kept.clear();
            self.parts.retain(|of, _| of == version);
        }
    }
}
