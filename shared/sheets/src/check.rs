//! Looks at every row of a file, and tells whatever is wrong with its line, column, value and reason.
//!
//! Invariant: memory does not grow with the file, but for the bad rows that are told and a hash of each key.

use crate::rows::{Rows, Unreadable};
use domain::import::{BadCell, FileRow, Header, Mode, Options, REASON, quote};
use domain::tenant::Currency;
use sha2::{Digest, Sha256};
use std::collections::HashMap;
use std::collections::hash_map::{DefaultHasher, Entry};
use std::hash::{Hash, Hasher};
use std::io::{self, Read};

/// Rows of a file: more than any company has of anything.
pub const MAX_ROWS: u64 = 200_000;
/// Bad rows that are told; the rest is counted.
pub const MAX_TOLD_ROWS: usize = 1_000;
/// What a cell takes besides its text.
const CELL_BYTES: usize = size_of::<String>();
/// Bytes of bad rows that are told.
const MAX_TOLD_BYTES: usize = 1024 * 1024;

/// What a file came to.
#[derive(Debug)]
pub struct Checked {
    pub good: u64,
    pub bad: BadRows,
    /// Of the bad ones, those that read well and cannot be used as things are.
    pub unusable: u64,
    /// What all good rows come to, in their order, and what becomes of others.
    pub digest: [u8; 32],
    keys: Keys,
    columns: Vec<String>,
}

/// A good row, and where it stands.
#[derive(Debug)]
pub struct Taken<R> {
    pub row: R,
    /// From 1, as an editor counts them.
    pub line: u64,
    pub cells: Vec<String>,
}

/// Rows that cannot be used: as many as are told, and how many there are.
#[derive(Debug, Default)]
pub struct BadRows {
    pub count: u64,
    pub told: Vec<BadRow>,
    bytes: usize,
}

/// A row that cannot be used, as it stands in the file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BadRow {
    pub line: u64,
    pub cells: Vec<String>,
    pub bad: Vec<BadCell>,
}

/// Looks at every row; `each` gets the good ones, in their order.
pub fn check<R: FileRow>(
    file: impl Read,
    currency: &Currency,
    options: &Options,
    mut each: impl FnMut(Taken<R>) -> Result<(), Unreadable>,
) -> Result<Checked, Unreadable> {
    let mut rows = Rows::open(file)?;
    let header = Header::<R::Column>::read(rows.header().iter().map(String::as_str))?;
    let columns = rows.header().to_vec();
    let (mut keys, mut digest) = (Keys::default(), Sha256::new_with_prefix([options.mode as u8]));
    let (mut good, mut bad_rows) = (0, BadRows::default());
    while let Some((line, cells)) = rows.next_row()? {
        if good + bad_rows.count >= MAX_ROWS {
            return Err(Unreadable::TooManyRows);
        }
        let read = match &cells {
            Ok(cells) => R::read(&header, cells.iter().map(String::as_str), currency, options),
            Err(bad) => Err(vec![bad.clone()]),
        };
        let has_reason = || cells.as_ref().is_ok_and(|cells| is_reason(&columns, cells));
        if options.mode == Mode::Replace && good + bad_rows.count == 0 && has_reason() {
            return Err(Unreadable::BadRowsAlone);
        }
        let cells = cells.unwrap_or_default();
        match read.and_then(|row| keys.take(row, line)) {
            Ok(row) => {
                good += 1;
                row.digest(|text| {
                    digest.update(text.len().to_be_bytes());
                    digest.update(text);
                });
                each(Taken { row, line, cells })?;
            }
            Err(bad) => {
                let cells = cells.into_iter().take(columns.len()).collect();
                bad_rows.add(BadRow { line, cells, bad });
            }
        }
    }
    if good + bad_rows.count == 0 {
        return Err(Unreadable::NoRows);
    }
    let digest = digest.finalize().into();
    Ok(Checked { good, bad: bad_rows, unusable: 0, digest, keys, columns })
}

/// Whether it is a row of a file that [`Checked::write`] wrote.
fn is_reason(columns: &[String], cells: &[String]) -> bool {
    let is_last = columns.last().is_some_and(|last| last.trim() == REASON);
    is_last && cells.get(columns.len() - 1).is_some_and(|reason| reason.starts_with(REASON_START))
}

/// What a reason begins with.
const REASON_START: &str = "line ";

impl BadRows {
    pub fn add(&mut self, row: BadRow) {
        self.count += 1;
        self.tell(row);
    }

    pub fn append(&mut self, rows: BadRows) {
        self.count += rows.count;
        rows.told.into_iter().for_each(|row| self.tell(row));
    }

    fn tell(&mut self, row: BadRow) {
        let reasons = row.bad.iter().map(|bad| bad.reason.len() + bad.value.len());
        let bytes: usize = row.cells.iter().map(|cell| cell.len() + CELL_BYTES).chain(reasons).sum();
        if self.told.len() < MAX_TOLD_ROWS && self.bytes + bytes <= MAX_TOLD_BYTES {
            self.bytes += bytes;
            self.told.push(row);
        }
    }
}

/// Hashes of what must not come twice, with the line that each stands in.
#[derive(Debug, Default)]
struct Keys(HashMap<u64, u64>);

impl Keys {
    /// A key stands for one row: the first that has it.
    fn take<R: FileRow>(&mut self, row: R, line: u64) -> Result<R, Vec<BadCell>> {
        let mut again = Vec::new();
        for (what, key) in row.keys() {
            match self.0.entry(hash(what, key)) {
                Entry::Vacant(entry) => {
                    entry.insert(line);
                }
                Entry::Occupied(entry) => again.push(BadCell {
                    column: String::new(),
                    value: key.to_owned(),
                    reason: format!("is the {what} of line {} already", entry.get()),
                }),
            }
        }
        if again.is_empty() { Ok(row) } else { Err(again) }
    }
}

fn hash(what: &str, key: &str) -> u64 {
    let mut hasher = DefaultHasher::new();
    (what, key).hash(&mut hasher);
    hasher.finish()
}

impl Checked {
    /// Rows that were good, and cannot be used as things are.
    pub fn refuse(&mut self, rows: BadRows) {
        self.good -= rows.count;
        self.unusable += rows.count;
        self.bad.append(rows);
        self.bad.told.sort_by_key(|row| row.line);
    }

    /// Whether a row has this key.
    pub fn has(&self, what: &str, key: &str) -> bool {
        self.keys.0.contains_key(&hash(what, key))
    }

    /// Bad rows as a file of their own, with what is wrong in a last column: to be mended and sent with
    /// `merge`.
    pub fn write(&self, bad: &BadRows, to: impl io::Write) -> Result<(), csv::Error> {
        // Quoted, or a semicolon in a column's name would be taken for what stands between them.
        let mut writer = csv::WriterBuilder::new().quote_style(csv::QuoteStyle::Always).from_writer(to);
        // A file that was sent again has had its reasons before.
        let columns = self.columns.strip_suffix(&[REASON.to_owned()]).unwrap_or(&self.columns);
        writer.write_record(
            columns.iter().map(|column| quote(column).into_owned()).chain([REASON.to_owned()]),
        )?;
        for row in &bad.told {
            let cells = (0..columns.len()).map(|place| row.cells.get(place).map_or("", String::as_str));
            writer.write_record(
                cells.map(|cell| quote(cell).into_owned()).chain([quote(&row.reason()).into_owned()]),
            )?;
        }
        writer.flush()?;
        Ok(())
    }
}

impl BadRow {
    /// All that is wrong, in a sentence.
    pub fn reason(&self) -> String {
        let told = |bad: &BadCell| match (bad.column.as_str(), bad.value.as_str()) {
            ("", "") => bad.reason.clone(),
            ("", value) => format!("{value:?} {}", bad.reason),
            (column, "") => format!("{column} {}", bad.reason),
            (column, value) => format!("{column} {value:?} {}", bad.reason),
        };
        let told: Vec<_> = self.bad.iter().map(told).collect();
        format!("{REASON_START}{}: {}", self.line, told.join("; "))
    }
}
