//! Message in, table out: one worker a file, named by its verb.

pub mod administer;
pub mod announce;
pub mod deliver;
pub mod import_files;
pub mod listen;
pub mod open_cutoff;
pub mod open_reconciliation;
pub mod post_checkouts;
pub mod probe;
pub mod reconcile;
pub mod replenish;

mod batch;
pub mod fifo;
pub mod frame;
pub mod lambda;
mod one_by_one;
pub mod roster;
