//! System tests: the real router, worker, queues and table, over HTTP and the SDK.

#![expect(clippy::unwrap_used, reason = "tests fail loudly")]

#[path = "system/administer.rs"]
mod administer;
#[path = "system/contract.rs"]
mod contract;
#[path = "system/costs.rs"]
mod costs;
#[path = "system/cutoffs.rs"]
mod cutoffs;
#[path = "system/hostile.rs"]
mod hostile;
#[path = "system/imports.rs"]
mod imports;
#[path = "system/kill.rs"]
mod kill;
#[path = "system/listeners.rs"]
mod listeners;
#[path = "system/office.rs"]
mod office;
#[path = "system/reconcile.rs"]
mod reconcile;
#[path = "system/replay.rs"]
mod replay;
#[path = "system/results.rs"]
mod results;
#[path = "system/takings.rs"]
mod takings;
#[path = "system/templates.rs"]
mod templates;
#[path = "system/webhooks.rs"]
mod webhooks;
#[path = "system/worker.rs"]
mod worker;
