//! HTTP in, message out. Intake validates, resolves the caller, and publishes; it never writes to
//! the table.

pub mod app;
pub mod routes;

mod checkouts;
mod employees;
mod menus;
mod meta;

mod base_path;
mod body;
mod caller;
mod etag;
mod order;
mod prefer;
pub mod problem;
mod ticket;
mod view;

pub use app::App;
