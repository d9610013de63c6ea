//! What the cafeteria means, and nothing else: values, state, and `decide`.
//!
//! This crate knows no clock, environment, network, randomness or AWS type; time arrives as an
//! argument and every function is synchronous. Its `clippy.toml` keeps it so.

pub mod checkout;
pub mod command;
pub mod menu;
pub mod wallet;

pub mod employee;
pub mod tenant;

pub mod booking;
pub mod id;
pub mod ledger;
pub mod money;
pub mod planted;
pub mod role;
