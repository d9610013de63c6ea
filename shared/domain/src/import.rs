//! Rows of files as people make them: columns under any of their names, values as they are written. Whatever
//! is wrong with a row is told, column by column; nothing is guessed and nothing goes through a float.

mod decimal;
mod employees;
mod meals;
mod options;
mod run;

pub use decimal::{decimal, minor_units, rounded};
pub use employees::{EMPLOYEE_KEY, EmployeeColumn, EmployeeRow};
pub use meals::{MEAL_KEY, MealColumn, MealRow};
pub use options::{CONTENT_TYPES, MAX_FILE_BYTES, Mode, Options, Percent, Strictness};
pub use run::{Effect, Import, Reason, Refused, RosterEffect, Rows, Stage, Target};

use crate::tenant::Currency;
use jiff::SignedDuration;
use serde::{Deserialize, Serialize};
use std::borrow::Cow;
use std::collections::BTreeMap;
use thiserror::Error;

/// How long a file waits for its import, after it was put: others may be before it. One that comes back
/// later, as a dead letter that is moved back, would undo what was done since.
pub const PATIENCE: SignedDuration = SignedDuration::from_hours(1);
/// Columns of a file: more than any till or payroll exports.
pub const MAX_COLUMNS: usize = 200;
/// The last column of rows that were bad: what is wrong with each. It is not counted when they are sent
/// again.
pub const REASON: &str = "reason";
/// Characters of a value that are told with what is wrong with it.
const MAX_TOLD: usize = 100;

/// What a file may have a column for.
pub trait Column: Copy + Ord + 'static {
    /// Each with the names that it goes by, folded; the first is ours.
    const NAMES: &'static [(Self, &'static [&'static str])];
    /// Without these, a file says nothing.
    const REQUIRED: &'static [Self];
}

/// What one row of a file becomes.
pub trait FileRow: Sized + Send + 'static {
    type Column: Column;

    /// Reads a row's cells, or says all that is wrong with them.
    fn read<'a>(
        header: &'a Header<Self::Column>,
        cells: impl IntoIterator<Item = &'a str>,
        currency: &Currency,
        options: &Options,
    ) -> Result<Self, Vec<BadCell>>;

    /// What no other row of the file may have, each with what it is called.
    fn keys(&self) -> Vec<(&'static str, &str)>;

    /// Everything that tells it from another row, text by text.
    fn digest(&self, text: impl FnMut(&str));
}

/// Where a file has which column.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Header<C> {
    places: BTreeMap<C, usize>,
    /// As the file has them.
    names: Vec<String>,
}

/// Why a file's first row is no header.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum InvalidHeader {
    #[error("there are {0} columns, of at most {MAX_COLUMNS}")]
    TooManyColumns(usize),
    #[error("the columns {first:?} and {second:?} are the same to us")]
    Twice { first: String, second: String },
    #[error("there is no column {0}, under any of its names")]
    Missing(&'static str),
}

/// One thing that is wrong with a row.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BadCell {
    /// As the file has it; nothing where it is the row as a whole.
    pub column: String,
    /// Its beginning, without what a terminal or a spreadsheet would obey.
    pub value: String,
    pub reason: String,
}

/// The cells of one row, under the columns of their header.
#[derive(Debug)]
pub struct Row<'a, C> {
    header: &'a Header<C>,
    cells: Vec<&'a str>,
    bad: Vec<BadCell>,
}

/// A column's name without case, marks, spaces, and what stands in brackets.
fn fold(name: &str) -> String {
    let name = name.split('(').next().unwrap_or_default();
    name.chars().filter(|c| c.is_alphanumeric()).flat_map(char::to_lowercase).collect()
}

impl<C: Column> Header<C> {
    /// Columns that we know, under any of their names; others are left alone.
    pub fn read<'a>(cells: impl IntoIterator<Item = &'a str>) -> Result<Self, InvalidHeader> {
        let names: Vec<_> = cells.into_iter().map(|cell| cell.trim().to_owned()).collect();
        if names.len() - usize::from(names.last().is_some_and(|last| last == REASON)) > MAX_COLUMNS {
            return Err(InvalidHeader::TooManyColumns(names.len()));
        }
        let mut places = BTreeMap::new();
        for (place, name) in names.iter().enumerate() {
            let folded = fold(name);
            let known = C::NAMES.iter().find(|(_, aliases)| aliases.contains(&folded.as_str()));
            let Some((column, _)) = known else { continue };
            if let Some(first) = places.insert(*column, place) {
                let first = names.get(first).cloned().unwrap_or_default();
                return Err(InvalidHeader::Twice { first, second: name.clone() });
            }
        }
        let missing = C::REQUIRED.iter().find(|column| !places.contains_key(column));
        match missing {
            Some(column) => Err(InvalidHeader::Missing(Self::own_name(*column))),
            None => Ok(Self { places, names }),
        }
    }

    /// What we call a column.
    fn own_name(column: C) -> &'static str {
        let named = C::NAMES.iter().find(|(named, _)| *named == column);
        named.and_then(|(_, aliases)| aliases.first()).copied().unwrap_or_default()
    }

    fn name(&self, column: C) -> &str {
        let name = self.places.get(&column).and_then(|place| self.names.get(*place));
        name.map_or_else(|| Self::own_name(column), String::as_str)
    }

    pub fn row<'a>(&'a self, cells: impl IntoIterator<Item = &'a str>) -> Row<'a, C> {
        let cells: Vec<_> = cells.into_iter().map(str::trim).collect();
        let mut row = Row { header: self, cells, bad: Vec::new() };
        if row.cells.len() > self.names.len() {
            let reason = format!("has {} cells under {} columns", row.cells.len(), self.names.len());
            row.bad.push(BadCell { column: String::new(), value: String::new(), reason });
        }
        row
    }
}

impl<'a, C: Column> Row<'a, C> {
    /// What stands in a column, if anything does.
    pub fn cell(&mut self, column: C) -> Option<Cow<'a, str>> {
        let place = *self.header.places.get(&column)?;
        let cell = self.cells.get(place).copied().filter(|cell| !cell.is_empty())?;
        let (cell, is_text) = unquote(cell);
        let is_formula = cell.starts_with(['=', '+', '@']) || (cell.starts_with('-') && !is_number(&cell));
        let reason = if is_formula && !is_text {
            "begins like a formula"
        } else if cell.chars().any(char::is_control) {
            "holds a line break or another control character"
        } else {
            return Some(cell);
        };
        self.refuse(column, &cell, reason);
        None
    }

    /// What stands in a column, read.
    pub fn read<T, E: ToString>(&mut self, column: C, read: impl FnOnce(&str) -> Result<T, E>) -> Option<T> {
        let cell = self.cell(column)?;
        read(&cell).map_err(|error| self.refuse(column, &cell, error)).ok()
    }

    /// The same where something must stand.
    pub fn require<T, E: ToString>(
        &mut self,
        column: C,
        read: impl FnOnce(&str) -> Result<T, E>,
    ) -> Option<T> {
        let wrong = self.bad.len();
        let value = self.read(column, read);
        if value.is_none() && self.bad.len() == wrong {
            self.refuse(column, "", "is missing");
        }
        value
    }

    pub fn refuse(&mut self, column: C, value: &str, reason: impl ToString) {
        self.bad.push(BadCell {
            column: self.header.name(column).to_owned(),
            value: told(value),
            reason: reason.to_string(),
        });
    }

    /// The row as it was read, if nothing was wrong with it.
    pub fn finish<T>(self, read: Option<T>) -> Result<T, Vec<BadCell>> {
        match read {
            Some(read) if self.bad.is_empty() => Ok(read),
            _ => Err(self.bad),
        }
    }
}

/// A cell that no spreadsheet takes for a formula: an apostrophe makes it a text. So does one after whatever
/// a spreadsheet may divide the cell by, as those do that expect semicolons, whatever is quoted.
pub fn quote(cell: &str) -> Cow<'_, str> {
    if !cell.contains(OBEYED) {
        return cell.into();
    }
    let (mut quoted, mut begins) = (String::with_capacity(cell.len() + 1), true);
    for c in cell.chars() {
        if begins && OBEYED.contains(&c) {
            quoted.push('\'');
        }
        quoted.push(c);
        begins = begins_after(c, begins);
    }
    quoted.into()
}

/// What a quoted cell says, and whether its beginning was.
fn unquote(cell: &str) -> (Cow<'_, str>, bool) {
    let is_quoted = |text: &str| text.strip_prefix('\'').is_some_and(|rest| rest.starts_with(OBEYED));
    if !cell.contains('\'') {
        return (cell.into(), false);
    }
    let (mut said, mut begins, mut rest) = (String::with_capacity(cell.len()), true, cell);
    while !rest.is_empty() {
        let mut left = rest.chars();
        let first = left.next();
        // What an apostrophe says of what follows is said of nothing else.
        let said_of = if begins && is_quoted(rest) { left.next() } else { first };
        if let Some(c) = said_of {
            said.push(c);
            begins = begins_after(c, begins);
        }
        rest = left.as_str();
    }
    (said.into(), is_quoted(cell))
}

/// Whether a spreadsheet may take what follows for the beginning of a cell.
fn begins_after(c: char, begins: bool) -> bool {
    matches!(c, ';' | '\t' | '\r' | '\n') || begins && matches!(c, '"' | ' ')
}

/// What a spreadsheet would obey, or look behind, and what says that it must not.
const OBEYED: [char; 9] = ['=', '+', '-', '@', '\t', '\r', '\n', '\0', '\''];

/// A name as one line, however its cell broke it.
fn one_line(cell: &str) -> String {
    cell.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// A negative amount is wrong for another reason than a formula.
fn is_number(cell: &str) -> bool {
    let digits = cell.trim_start_matches('-');
    !digits.is_empty() && digits.chars().all(|c| c.is_ascii_digit() || matches!(c, '.' | ','))
}

fn told(value: &str) -> String {
    let told: String =
        value.chars().take(MAX_TOLD).map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect();
    quote(&told).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(cell: &str, quoted: &str) {
        assert_eq!(quote(cell), quoted);
        assert_eq!(unquote(quoted).0, cell);
    }

    #[test]
    fn no_spreadsheet_obeys_a_quoted_cell() {
        check("Tea", "Tea");
        check("=1+1", "'=1+1");
        check("'=1+1", "''=1+1");
        check("\t=1", "'\t'=1");
        check("\"=1+1", "\"'=1+1");
        check("Soup;=1+1", "Soup;'=1+1");
        check("Soup\"; \"-1+1;@A1", "Soup\"; \"'-1+1;'@A1");
        check("a\n=1", "a\n'=1");
        check("'Tis 1-2; it's", "''Tis 1-2; it's");
    }
}
