//! A file of sales: `Date,Time,Transaction,Item`, a line an item, a sale all lines of one transaction.
//!
//! Items named `NONE` are dropped; a sale that has no other keeps no line, and is not sent.

use csv::{ReaderBuilder, StringRecord, Trim};
use domain::command::MAX_LINES;
use domain::money::Quantity;
use jiff::civil::Date;
use sha2::{Digest, Sha256};
use std::collections::HashMap;
use std::fs::File;
use std::io::{self, Read};
use std::path::Path;
use thiserror::Error;

/// What a till writes where it has no item.
const NO_ITEM: &str = "NONE";
/// Read whole, because its hash is the first thing asked: some two million lines.
const MAX_FILE_BYTES: u64 = 64 << 20;
/// An item's name goes into every checkout that sells it.
const MAX_NAME_CHARS: usize = 100;

/// The sales of one file, in the order in which their first lines stand there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SalesFile {
    /// SHA-256 of the file.
    pub hash: [u8; 32],
    pub sales: Vec<Sale>,
}

/// All lines of one transaction; each item once, with its quantity. No line is left if it had no item.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sale {
    pub transaction: String,
    pub date: Date,
    pub lines: Vec<(String, Quantity)>,
}

#[derive(Debug, Error)]
pub enum SalesError {
    #[error("the file cannot be read")]
    File(#[from] io::Error),
    #[error("the file has more than {MAX_FILE_BYTES} bytes")]
    TooLarge,
    #[error("line 1: the header lacks {0}; it must name Date, Time, Transaction and Item")]
    Header(&'static str),
    #[error("line {line}: not a record")]
    Record { line: u64, source: csv::Error },
    #[error("line {line}: {problem}")]
    Line { line: u64, problem: String },
}

/// Where the columns stand.
struct Columns {
    date: usize,
    transaction: usize,
    item: usize,
}

impl SalesFile {
    pub fn open(path: &Path) -> Result<Self, SalesError> {
        let mut bytes = Vec::new();
        File::open(path)?.take(MAX_FILE_BYTES + 1).read_to_end(&mut bytes)?;
        if bytes.len() as u64 > MAX_FILE_BYTES {
            return Err(SalesError::TooLarge);
        }
        Self::parse(&bytes)
    }

    pub fn parse(bytes: &[u8]) -> Result<Self, SalesError> {
        let mut reader = ReaderBuilder::new().trim(Trim::All).from_reader(bytes);
        let header = reader.headers().map_err(|source| SalesError::Record { line: 1, source })?;
        let columns = Columns::of(header)?;
        let mut sales = Sales::default();
        for record in reader.into_records() {
            let record = record.map_err(|source| {
                let line = source.position().map_or(0, csv::Position::line);
                SalesError::Record { line, source }
            })?;
            let line = record.position().map_or(0, csv::Position::line);
            sales.add(&columns, &record).map_err(|problem| SalesError::Line { line, problem })?;
        }
        Ok(Self { hash: Sha256::digest(bytes).into(), sales: sales.in_order })
    }
}

impl Columns {
    fn of(header: &StringRecord) -> Result<Self, SalesError> {
        let column = |name: &'static str| {
            header.iter().position(|field| field == name).ok_or(SalesError::Header(name))
        };
        column("Time")?;
        Ok(Self { date: column("Date")?, transaction: column("Transaction")?, item: column("Item")? })
    }
}

#[derive(Default)]
struct Sales {
    in_order: Vec<Sale>,
    places: HashMap<String, usize>,
}

impl Sales {
    fn add(&mut self, columns: &Columns, record: &StringRecord) -> Result<(), String> {
        let field = |column: usize| record.get(column).unwrap_or_default();
        let date: Date =
            field(columns.date).parse().map_err(|_| format!("{:?} is not a date", field(columns.date)))?;
        let sale = self.sale(field(columns.transaction), date)?;
        match field(columns.item) {
            NO_ITEM => Ok(()),
            item => sale.add(item),
        }
    }

    fn sale(&mut self, transaction: &str, date: Date) -> Result<&mut Sale, String> {
        if transaction.is_empty() {
            return Err("the transaction has no number".to_owned());
        }
        let place = *self.places.entry(transaction.to_owned()).or_insert_with(|| {
            self.in_order.push(Sale { transaction: transaction.to_owned(), date, lines: vec![] });
            self.in_order.len() - 1
        });
        let sale = &mut self.in_order[place];
        if sale.date != date {
            return Err(format!("transaction {transaction} began on {}", sale.date));
        }
        Ok(sale)
    }
}

impl Sale {
    fn add(&mut self, item: &str) -> Result<(), String> {
        if !(1..=MAX_NAME_CHARS).contains(&item.chars().count()) {
            return Err(format!("an item must be 1 to {MAX_NAME_CHARS} characters"));
        }
        if let Some((_, qty)) = self.lines.iter_mut().find(|(name, _)| name == item) {
            *qty = Quantity::try_from(i64::from(*qty) + 1).map_err(|error| format!("{item}: {error}"))?;
        } else if self.lines.len() == MAX_LINES {
            return Err(format!("a sale has at most {MAX_LINES} different items"));
        } else {
            let one = Quantity::try_from(1).map_err(|error| error.to_string())?;
            self.lines.push((item.to_owned(), one));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fmt::Write;

    /// A file's sales as `transaction: item xN, ...`, or what is wrong with it.
    fn read(file: &str) -> Result<Vec<String>, String> {
        let parsed = SalesFile::parse(file.as_bytes()).map_err(|error| error.to_string())?;
        let lines = |sale: &Sale| -> Vec<_> {
            sale.lines.iter().map(|(item, qty)| format!("{item} x{}", qty.get())).collect()
        };
        let shown = |sale: &Sale| format!("{}: {}", sale.transaction, lines(sale).join(", "));
        Ok(parsed.sales.iter().map(shown).collect())
    }

    #[track_caller]
    fn check(file: &str, expected: Result<&[&str], &str>) {
        let expected = expected
            .map(|sales| sales.iter().map(|sale| (*sale).to_owned()).collect::<Vec<_>>())
            .map_err(str::to_owned);
        assert_eq!(read(file), expected);
    }

    const HEADER: &str = "Date,Time,Transaction,Item\n";

    #[test]
    fn a_sale_is_all_lines_of_its_transaction() {
        let file = "2026-03-02,09:00:00,7,Tea\n2026-03-02,09:01:00,8,Bun\n2026-03-02,09:00:00,7,Tea\n\
                    2026-03-02,09:00:00,7,\"Bun, \"\"large\"\"\"\n";
        check(&format!("{HEADER}{file}"), Ok(&["7: Tea x2, Bun, \"large\" x1", "8: Bun x1"]));
        check("Item,Till,Transaction,Time,Date\nTea ,3,7,9:00,2026-03-02\n", Ok(&["7: Tea x1"]));
        check(HEADER, Ok(&[]));
    }

    #[test]
    fn none_is_no_item() {
        let file =
            "2026-03-02,9:00,1,NONE\n2026-03-02,9:00,1,Tea\n2026-03-02,9:00,2,NONE\n2026-03-02,9:00,2,NONE\n";
        check(&format!("{HEADER}{file}"), Ok(&["1: Tea x1", "2: "]));
    }

    #[test]
    fn what_is_wrong_is_named_with_its_line() {
        let header = "line 1: the header lacks Item; it must name Date, Time, Transaction and Item";
        check("Date,Time,Transaction\n", Err(header));
        check("", Err("line 1: the header lacks Time; it must name Date, Time, Transaction and Item"));
        let wrong = |lines: &str, problem: &str| check(&format!("{HEADER}{lines}"), Err(problem));
        wrong("2026-03-02,9:00,1,Tea\n2026-03-02,9:00,1\n", "line 3: not a record");
        wrong("02/03/2026,9:00,1,Tea\n", "line 2: \"02/03/2026\" is not a date");
        wrong("2026-03-02,9:00,,Tea\n", "line 2: the transaction has no number");
        wrong("2026-03-02,9:00,1,\n", "line 2: an item must be 1 to 100 characters");
        wrong("2026-03-02,9:00,1,Tea\n2026-03-03,9:00,1,Tea\n", "line 3: transaction 1 began on 2026-03-02");
    }

    #[test]
    fn what_no_checkout_can_hold_is_refused() {
        let lines = |count: u32, item: &dyn Fn(u32) -> String| {
            (0..count).fold(HEADER.to_owned(), |mut file, line| {
                writeln!(file, "2026-03-02,9:00,1,{}", item(line)).unwrap();
                file
            })
        };
        let tea = |_| "Tea".to_owned();
        check(&lines(99, &tea), Ok(&["1: Tea x99"]));
        check(&lines(100, &tea), Err("line 101: Tea: a quantity must be a whole number from 1 to 99"));
        let dish = |line| format!("Dish {line}");
        assert!(read(&lines(50, &dish)).is_ok());
        check(&lines(51, &dish), Err("line 52: a sale has at most 50 different items"));
    }
}
