//! What functions spent on the table so far, for whoever measures: `GET /@usage` on the port of the services.

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

async fn spent(State(usage): State<UsageOfTables>) -> Json<BTreeMap<&'static str, Counted>> {
    let tables = usage.0.get().into_iter().flatten();
    let counted = tables.map(|(name, table)| {
        let Spent { calls, read_decis, write_decis } = table.usage().reading();
        (*name, Counted { calls: calls.values().sum(), read_decis, write_decis })
    });
    Json(counted.collect())
}
