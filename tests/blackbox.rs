//! The black-box suite: what a terminal, an employee and an attacker see of a system that they know by
//! its endpoints alone. Against a world of its own, or with `POS_ENDPOINTS=path` against any other that
//! holds the demo: the local system, an emulated cloud, a real account.
//!
//! Tests share the system, so each has employees of its own, and takes their balances as it finds them.

#[path = "blackbox/contract.rs"]
mod contract;
#[path = "blackbox/corrections.rs"]
mod corrections;
#[path = "blackbox/cutoffs.rs"]
mod cutoffs;
#[path = "blackbox/hostile.rs"]
mod hostile;
#[path = "blackbox/imports.rs"]
mod imports;
#[path = "blackbox/listeners.rs"]
mod listeners;
#[path = "blackbox/office.rs"]
mod office;
#[path = "blackbox/tour.rs"]
mod tour;
#[path = "blackbox/webhooks.rs"]
mod webhooks;
