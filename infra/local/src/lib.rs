//! The whole system in one process: AWS-compatible services, workers and intake on loopback.

pub mod fifo;
