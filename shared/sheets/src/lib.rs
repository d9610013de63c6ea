//! Files that people drop, row by row: CSV, JSON objects a line, workbooks, packed or not. Every row is
//! looked at, and told with what is wrong in it.
//!
//! Invariant: whatever a file holds, it is refused or read, within limits that have names.

mod check;
mod fence;
mod json_lines;
mod rows;
mod workbook;

pub use check::{BadRow, BadRows, Checked, MAX_ROWS, MAX_TOLD_ROWS, Taken, check};
pub use fence::{MAX_ROW_BYTES, MAX_UNPACKED_BYTES};
pub use rows::{Rows, Unreadable};
pub use workbook::MAX_WORKBOOK_BYTES;

#[cfg(test)]
mod tests;
