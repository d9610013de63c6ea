//! The one crate that names `aws_sdk_*`: keys, stored items, the table, the bus, and how they fail.

pub mod config;
pub mod keys;

pub mod bus;
pub mod connections;
pub mod files;
pub mod items;
mod lanes;
pub mod menus;
pub mod parts;
pub mod queue;
pub mod results;
pub mod seal;
pub mod session;
pub mod signing;
pub mod stored;
pub mod table;
pub mod user_pool;

pub mod clock;
pub mod failure;
pub mod retry;
pub mod telemetry;
pub mod usage;
