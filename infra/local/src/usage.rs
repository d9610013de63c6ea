//! What functions spent on the table so far, and the process on everything, for whoever measures: `GET
//! /@usage` on the port of the services.

use crate::system::Workers;
use aws::usage::{Spent, Usage};
use axum::extract::State;
use axum::routing::get;
use axum::{Json, Router};
use intake::App;
use serde::Serialize;
use std::collections::BTreeMap;
use std::sync::{Arc, OnceLock};

/// What the functions that take part in a sale spent on the table, once there are functions. Only that: a
/// service that held its own clients would never end.
#[derive(Debug, Clone, Default)]
pub struct UsageOfTables(Arc<OnceLock<Functions>>);

/// Name and counters of each.
type Functions = Vec<(&'static str, Arc<Usage>)>;

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
                ("intake", app.table().usage().clone()),
                ("post_checkouts", workers.checkouts.table().usage().clone()),
                ("announce", workers.results.table().usage().clone()),
            ]
        });
    }

    /// Answers in front of other services.
    pub fn router(&self, others: Router) -> Router {
        Router::new().route("/@usage", get(spent)).with_state(self.clone()).fallback_service(others)
    }
}

async fn spent(State(usage): State<UsageOfTables>) -> Json<SoFar> {
    let functions = usage.0.get().into_iter().flatten();
    let counted = functions.map(|(name, usage)| {
        let Spent { calls, read_decis, write_decis } = usage.reading();
        (*name, Counted { calls: calls.values().sum(), read_decis, write_decis })
    });
    Json(SoFar { functions: counted.collect(), cpu_ms: cpu_ms(std::process::id()) })
}

/// User and system time of a process so far, in milliseconds; nothing where the system does not tell. As
/// Linux has it: the 14th and 15th field, in hundredths of a second, counted behind the name in brackets.
pub fn cpu_ms(process: u32) -> Option<u64> {
    let stat = std::fs::read_to_string(format!("/proc/{process}/stat")).ok()?;
    let (_, fields) = stat.rsplit_once(')')?;
    let mut ticks = fields.split_whitespace().skip(11).map(str::parse::<u64>);
    Some((ticks.next()?.ok()? + ticks.next()?.ok()?) * 10)
}
