//! Real lunches: a file of sales replayed through HTTP as terminals would, then audited through the table.

pub mod replay;

pub mod listener;
pub mod plan;
pub mod prepare;
pub mod run;
pub mod rush;
pub mod sales;

pub mod results;
pub mod send;
pub mod station;
pub mod terminal;

pub mod audit;
pub mod cost;
pub mod cpu;
pub mod scale;
pub mod summary;

pub mod startup;
