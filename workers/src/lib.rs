//! Message in, table out: one worker a file, named by its verb.

pub mod administer;
pub mod post_checkouts;
pub mod probe;

pub mod fifo;
pub mod lambda;
