//! What the cafeteria means, and nothing else: values, state, and `decide`.
//!
//! This crate knows no clock, environment, network, randomness or AWS type; time arrives as an
//! argument and every function is synchronous. Its `clippy.toml` keeps it so.

pub mod checkout;

pub mod admin;
pub mod booking;
pub mod command;
pub mod cutoff;
pub mod event;
pub mod reconciliation;

pub mod badge;
pub mod employee;
pub mod import;
pub mod listener;
pub mod menu;
pub mod role;
pub mod takings;
pub mod tenant;
pub mod wallet;
pub mod webhook;

pub mod id;
pub mod ledger;
pub mod money;
pub mod planted;
pub mod request;
pub mod text;
