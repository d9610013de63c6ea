//! Menus as stations sell from them. The meals of a version never change, so a version is read
//! once by each process and kept; the head, which names the version, is always read afresh.

use crate::failure::Failure;
use crate::items::{self, MenuHead};
use crate::keys;
use crate::table::{Order, Table};
use domain::id::{ConcessionaireId, TenantId};
use domain::menu::{Meals, Menu};
use domain::planted::{self, Planted};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

/// Meals kept, of all versions together; some tens of megabytes. A tenant has a handful of concessionaires with
/// hundreds of meals each, and a warm function serves few tenants.
const MAX_MEALS: usize = 200_000;

/// Bytes of a version's meals as they are stored: a page a megabyte, and a worker holds all of them to sell one.
pub const MAX_BYTES: usize = 48 * 1024 * 1024;
/// Meals that are read in one call: more than fit into one.
const PAGE: i32 = 50_000;

type Version = (TenantId, ConcessionaireId, u32);

#[derive(Debug, Clone, Default)]
pub struct Menus {
    kept: Arc<Mutex<HashMap<Version, Arc<Meals>>>>,
}

impl Menus {
    /// The menu that `head` stands for: nothing is read for what has edits alone, a query if its version is not kept yet, none otherwise.
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
            None => {
                let meals = read_meals(table, tenant, concessionaire, meals).await?;
                // Nothing to sell is read again: it is cheap, and a mistake that gets mended.
                if meals.is_empty() { Arc::default() } else { self.keep(version, meals) }
            }
        };
        Ok(Menu { version: head.version, base: meals, edits: head.edits, sold_out: head.sold_out })
    }

    fn kept(&self, version: &Version) -> Option<Arc<Meals>> {
        let kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        if planted::is(Planted::MenuOfAnybody) {
            let is_alike = |of: &&Version| (&of.1, of.2) == (&version.1, version.2);
            return kept.keys().filter(is_alike).min().and_then(|of| kept.get(of)).cloned();
        }
        kept.get(version).cloned()
    }

    fn keep(&self, version: Version, meals: Meals) -> Arc<Meals> {
        let meals = Arc::new(meals);
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        // A version is kept even if it is larger: whoever reads it would read it again for every sale.
        if kept.values().map(|meals| meals.len()).sum::<usize>() + meals.len() > MAX_MEALS {
            kept.clear();
        }
        kept.insert(version, meals.clone());
        meals
    }
}

async fn read_meals(
    table: &Table,
    tenant: &TenantId,
    concessionaire: &ConcessionaireId,
    version: u32,
) -> Result<Meals, Failure> {
    let (span, mut meals) = (keys::meals_span(tenant, concessionaire, version), Meals::new());
    let mut pages = table.pages(&span, PAGE, Order::OldestFirst);
    while let Some(items) = pages.next().await? {
        for item in items {
            let (code, meal) = items::stored_meal(item)?;
            meals.insert(code, meal);
        }
    }
    Ok(meals)
}
