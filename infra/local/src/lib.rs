pub mod table;

pub mod cloud;
pub mod users;

pub mod gateway;

#[cfg(test)]
mod loopback;
