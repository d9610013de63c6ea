//! The same system in one process, for a desk and for tests: see `system` for how it hangs together.

pub mod system;

pub mod docs;
pub mod drops;
pub mod gateway;
pub mod pump;

pub mod cloud;
pub mod fifo;
pub mod inside;
pub mod table;

pub mod provision;
pub mod seed;
mod serve;
pub mod sockets;
pub mod usage;
pub mod users;

pub mod demo;
pub mod endpoints;

#[cfg(test)]
mod loopback;
