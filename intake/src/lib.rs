//! HTTP in, message out. Intake validates, resolves the caller, and publishes; it never writes to
//! the table.

pub mod app;
pub mod events;
pub mod order;
pub mod routes;

mod badges;
mod bookings;
mod checkouts;
mod corrections;
mod credit;
mod cutoffs;
mod employees;
mod imports;
mod listeners;
mod me;
mod menus;
mod meta;
mod movements;
mod receipts;
mod reconciliations;
mod reports;
mod stalls;
mod takings;
mod tenants;
mod users;
mod webhooks;

mod administer;
mod submit;

mod base_path;
mod body;
mod caller;
mod description;
mod etag;
mod list;
mod parameter;
mod path;
mod prefer;
pub mod problem;
mod request;
mod sheet;
mod ticket;
mod view;
mod window;

pub use app::App;
