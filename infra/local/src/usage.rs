//! What functions spent on the table so far, and the process on everything, for whoever measures: `GET /@usage` on the port of the services.

use crate::system::Workers;
use aws::table::Table;
use aws::usage::Spent;
use axum::extract::State;
use axum::routing::get;
use axum::{Json, Router};
use intake::App;
use serde::Serialize;
use std::collections::BTreeMap;
use std::sync::{Arc, OnceLock};

/// The tables of the functions that take part in a sale, once there are functions.
#[derive(Debug, Clone, Default)]
pub struct UsageOfTables(Arc<OnceLock<Vec<(&'static str, Table)>>>);

#[derive(Debug, Serialize)]
struct SoFar {
    functions: BTreeMap<&'static str, Counted>,
    /// User and system time, in milliseconds; nothing where the system does not tell.
    cpu_ms: Option<u64>,
}

#[derive(Debug, Serialize)]
struct Counted {
    calls: u64,
    read_decis: u64,
    write_decis: u64,
}

impl UsageOfTables {
    /// Counts these functions' calls from now on.
    pub fn count(&self, app: &App, workers: &Workers) {
        self.0.get_or_init(|| {
            vec![
                ("intake", app.table().clone()),
                ("post_checkouts", workers.checkouts.table().clone()),
                ("announce", workers.results.table().clone()),
            ]
        });
    }

    /// Answers in front of other services.
    pub fn router(&self, others: Router) -> Router {
        Router::new().route("/@usage", get(spent)).with_state(self.clone()).fallback_service(others)
    }
}

async fn spent(State(usage): State<UsageOfTables>) -> Json<SoFar> {
    let tables = usage.0.get().into_iter().flatten();
    let counted = tables.map(|(name, table)| {
        let Spent { calls, read_decis, write_decis } = table.usage().reading();
        (*name, Counted { calls: calls.values().sum(), read_decis, write_decis })
    });
    Json(SoFar { functions: counted.collect(), cpu_ms: cpu_ms() })
}

/// As Linux has it: the 14th and 15th field, in hundredths of a second, counted behind the name in brackets.
fn cpu_ms() -> Option<u64> {
    let stat = std::fs::read_to_string("/proc/self/stat").ok()?;
    let (_, fields) = stat.rsplit_once(')')?;
    let mut ticks = fields.split_whitespace().skip(11).map(str::parse::<u64>);
    Some((ticks.next()?.ok()? + ticks.next()?.ok()?) * 10)
}
