//! Rows of the first sheet of a workbook (XLSX). Libraries for workbooks give numbers as floats and bound
//! nothing that they unpack; this reads the few parts that it needs, as text, each up to its limit.
//!
//! A cell with a formula reads as the formula, and is refused as in any other file.

use crate::fence::MAX_ROW_BYTES;
use crate::rows::{NumberedRow, Unreadable};
use quick_xml::Reader;
use quick_xml::events::{BytesStart, Event};
use std::io::{self, Cursor, Read};
use zip::ZipArchive;
use zip::result::ZipError;

/// The largest workbook, as it lies in the store: it is read from its end.
pub const MAX_WORKBOOK_BYTES: u64 = 8 * 1024 * 1024;
/// What the sheet, and the texts that its cells refer to, may unpack to.
const MAX_SHEET_BYTES: u64 = 48 * 1024 * 1024;
const MAX_TEXTS_BYTES: u64 = 24 * 1024 * 1024;
/// Texts that cells refer to: more than so many rows can have.
const MAX_TEXTS: usize = 500_000;
/// What says which sheets there are, and where they are.
const MAX_INDEX_BYTES: u64 = 1024 * 1024;
/// The columns that a sheet can have.
const MAX_SHEET_COLUMNS: usize = 16_384;
/// Elements within elements; a text with a reading in a cell is six.
const MAX_DEPTH: usize = 64;
/// Digits of a number that mean anything: a workbook stores 19.99 as 19.989999999999998.
const SIGNIFICANT_DIGITS: usize = 15;

type Archive = ZipArchive<Cursor<Vec<u8>>>;

pub struct Workbook {
    sheet: Xml,
    texts: Vec<String>,
    line: u64,
}

/// One cell as it is read.
#[derive(Default)]
struct Cell {
    kind: String,
    value: String,
    formula: Option<String>,
}

impl Workbook {
    /// Opens a workbook's first sheet; its columns are those of its first row.
    pub fn open(file: Vec<u8>) -> Result<(Self, Vec<String>), Unreadable> {
        let mut archive = ZipArchive::new(Cursor::new(file)).map_err(broken)?;
        let sheet = first_sheet(&mut archive)?.ok_or(Unreadable::Archive)?;
        let texts = match part(&mut archive, "xl/sharedStrings.xml", MAX_TEXTS_BYTES)? {
            Some(xml) => texts(xml)?,
            None => Vec::new(),
        };
        let sheet = part(&mut archive, &sheet, MAX_SHEET_BYTES)?.ok_or(Unreadable::Archive)?;
        let mut book = Self { sheet: Xml::new(sheet), texts, line: 0 };
        let (_, header) = book.next_cells()?.ok_or(Unreadable::Empty)?;
        Ok((book, header))
    }

    pub fn next_row(&mut self) -> Result<Option<NumberedRow>, Unreadable> {
        Ok(self.next_cells()?.map(|(line, cells)| (line, Ok(cells))))
    }

    /// The next row that is not blank.
    fn next_cells(&mut self) -> Result<Option<(u64, Vec<String>)>, Unreadable> {
        loop {
            match self.sheet.next()? {
                Event::Start(start) if start.local_name().as_ref() == b"row" => {
                    self.line = match attribute(&start, b"r")? {
                        Some(line) => line.parse().map_err(broken)?,
                        None => self.line.saturating_add(1),
                    };
                    let cells = self.cells()?;
                    if !cells.is_empty() {
                        return Ok(Some((self.line, cells)));
                    }
                }
                Event::Eof => return Ok(None),
                _ => {}
            }
        }
    }

    /// The cells of a row up to the last that is not blank.
    fn cells(&mut self) -> Result<Vec<String>, Unreadable> {
        let (mut cells, mut bytes, mut next) = (Vec::<String>::new(), 0, 0);
        loop {
            match self.sheet.next()? {
                Event::Start(start) if start.local_name().as_ref() == b"c" => {
                    let place = placed(&start, next)?;
                    next = place + 1;
                    let kind = attribute(&start, b"t")?.unwrap_or_default();
                    let text = self.cell(Cell { kind, ..Cell::default() })?;
                    bytes += u64::try_from(text.len()).unwrap_or(u64::MAX);
                    if bytes > MAX_ROW_BYTES {
                        return Err(Unreadable::RowTooLong);
                    }
                    if !text.trim().is_empty() {
                        if cells.len() <= place {
                            cells.resize(place + 1, String::new());
                        }
                        if let Some(cell) = cells.get_mut(place) {
                            *cell = text;
                        }
                    }
                }
                Event::Empty(empty) if empty.local_name().as_ref() == b"c" => {
                    next = placed(&empty, next)? + 1
                }
                Event::End(end) if end.local_name().as_ref() == b"row" => return Ok(cells),
                Event::Eof => return Err(broken("the sheet ends within a row")),
                _ => {}
            }
        }
    }

    /// What a cell shows, or the formula that makes it.
    fn cell(&mut self, mut cell: Cell) -> Result<String, Unreadable> {
        let mut within = Vec::new();
        loop {
            match self.sheet.next()? {
                Event::Start(start) => {
                    within = start.local_name().as_ref().to_vec();
                    if within == b"f" {
                        cell.formula.get_or_insert_default();
                    }
                }
                Event::Empty(empty) if empty.local_name().as_ref() == b"f" => {
                    cell.formula.get_or_insert_default();
                }
                Event::Text(text) => {
                    let text = text.unescape().map_err(broken)?;
                    match (within.as_slice(), &mut cell.formula) {
                        (b"f", Some(formula)) => formula.push_str(&text),
                        (b"v" | b"t", _) => cell.value.push_str(&text),
                        _ => {}
                    }
                }
                Event::End(end) if end.local_name().as_ref() == b"c" => return self.shown(cell),
                Event::End(_) => within.clear(),
                Event::Eof => return Err(broken("the sheet ends within a cell")),
                _ => {}
            }
        }
    }

    fn shown(&self, cell: Cell) -> Result<String, Unreadable> {
        if let Some(formula) = cell.formula {
            return Ok(format!("={formula}"));
        }
        match cell.kind.as_str() {
            "s" => {
                let text = cell.value.trim().parse().ok().and_then(|index: usize| self.texts.get(index));
                text.cloned().ok_or_else(|| broken("a cell refers to no text"))
            }
            "inlineStr" | "str" | "d" => Ok(cell.value),
            "b" => Ok(if cell.value.trim() == "1" { "TRUE" } else { "FALSE" }.to_owned()),
            // What a formula came to.
            "e" => Ok(format!("={}", cell.value)),
            _ => Ok(plain(cell.value.trim())),
        }
    }
}

/// The column that a cell stands in: its own, or the next.
fn placed(cell: &BytesStart<'_>, next: usize) -> Result<usize, Unreadable> {
    match attribute(cell, b"r")? {
        Some(name) => column(&name).ok_or_else(|| broken("a cell has no place")),
        None => Ok(next),
    }
}

/// A part of a workbook, event by event, nested no deeper than it may be: the parser remembers what is open.
struct Xml {
    reader: Reader<Cursor<Vec<u8>>>,
    buffer: Vec<u8>,
    depth: usize,
}

impl Xml {
    fn new(part: Vec<u8>) -> Self {
        Self { reader: Reader::from_reader(Cursor::new(part)), buffer: Vec::new(), depth: 0 }
    }

    fn next(&mut self) -> Result<Event<'_>, Unreadable> {
        self.buffer.clear();
        let event = self.reader.read_event_into(&mut self.buffer).map_err(broken)?;
        match &event {
            Event::Start(_) => self.depth += 1,
            // One that nothing opened is an error of the parser's.
            Event::End(_) => self.depth -= 1,
            _ => {}
        }
        if self.depth > MAX_DEPTH {
            return Err(broken("its elements are nested too deeply"));
        }
        Ok(event)
    }
}

/// Where the first sheet is, if it is a workbook at all.
fn first_sheet(archive: &mut Archive) -> Result<Option<String>, Unreadable> {
    let Some(book) = part(archive, "xl/workbook.xml", MAX_INDEX_BYTES)? else { return Ok(None) };
    let Some(places) = part(archive, "xl/_rels/workbook.xml.rels", MAX_INDEX_BYTES)? else { return Ok(None) };
    let sheets = elements(book, b"sheet", |sheet| attribute(sheet, b"id"))?;
    let Some(id) = sheets.into_iter().next().flatten() else { return Ok(None) };
    let places = elements(places, b"Relationship", |place| {
        Ok(attribute(place, b"Id")?.zip(attribute(place, b"Target")?))
    })?;
    let target = places.into_iter().flatten().find(|(named, _)| *named == id).map(|(_, target)| target);
    Ok(target.map(|target| match target.strip_prefix('/') {
        Some(absolute) => absolute.to_owned(),
        None => format!("xl/{target}"),
    }))
}

/// One part of a workbook, unpacked, if it has it.
fn part(archive: &mut Archive, name: &str, max_bytes: u64) -> Result<Option<Vec<u8>>, Unreadable> {
    let file = match archive.by_name(name) {
        Ok(file) => file,
        Err(ZipError::FileNotFound) => return Ok(None),
        Err(error) => return Err(broken(error)),
    };
    let mut xml = Vec::new();
    let read = file.take(max_bytes + 1).read_to_end(&mut xml).map_err(Unreadable::Broken)?;
    if u64::try_from(read).unwrap_or(u64::MAX) > max_bytes {
        return Err(Unreadable::UnpacksToTooMuch);
    }
    Ok(Some(xml))
}

/// The texts that cells refer to, by their index: each may be in several runs, and have a reading that is not
/// shown.
fn texts(xml: Vec<u8>) -> Result<Vec<String>, Unreadable> {
    let (mut xml, mut texts) = (Xml::new(xml), Vec::new());
    let (mut text, mut is_text, mut is_reading) = (String::new(), false, false);
    loop {
        if texts.len() > MAX_TEXTS {
            return Err(Unreadable::UnpacksToTooMuch);
        }
        match xml.next()? {
            Event::Start(start) => match start.local_name().as_ref() {
                b"si" => text.clear(),
                b"t" => is_text = !is_reading,
                b"rPh" => is_reading = true,
                _ => {}
            },
            Event::Empty(empty) if empty.local_name().as_ref() == b"si" => texts.push(String::new()),
            Event::Text(part) if is_text => text.push_str(&part.unescape().map_err(broken)?),
            Event::End(end) => match end.local_name().as_ref() {
                b"si" => texts.push(std::mem::take(&mut text)),
                b"t" => is_text = false,
                b"rPh" => is_reading = false,
                _ => {}
            },
            Event::Eof => return Ok(texts),
            _ => {}
        }
    }
}

/// What each element of a name comes to.
fn elements<T>(
    xml: Vec<u8>,
    name: &[u8],
    read: impl Fn(&BytesStart<'_>) -> Result<T, Unreadable>,
) -> Result<Vec<T>, Unreadable> {
    let (mut xml, mut found) = (Xml::new(xml), Vec::new());
    loop {
        match xml.next()? {
            Event::Start(element) | Event::Empty(element) if element.local_name().as_ref() == name => {
                found.push(read(&element)?);
            }
            Event::Eof => return Ok(found),
            _ => {}
        }
    }
}

/// An attribute, whatever its namespace is called.
fn attribute(element: &BytesStart<'_>, name: &[u8]) -> Result<Option<String>, Unreadable> {
    // Without looking for doubles, which takes time by the square of their number.
    for attribute in element.attributes().with_checks(false) {
        let attribute = attribute.map_err(broken)?;
        if attribute.key.local_name().as_ref() == name {
            return Ok(Some(attribute.unescape_value().map_err(broken)?.into_owned()));
        }
    }
    Ok(None)
}

fn broken(error: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Unreadable {
    Unreadable::Broken(io::Error::other(error))
}

/// The column of a cell's name, from 0: `A1` is 0, `AB7` is 27.
fn column(name: &str) -> Option<usize> {
    let letters = name.bytes().take_while(u8::is_ascii_uppercase);
    let column = letters.take(4).fold(0, |column, letter| column * 26 + usize::from(letter - b'A') + 1);
    (1..=MAX_SHEET_COLUMNS).contains(&column).then(|| column - 1)
}

/// A number as people write it, of the digits that mean anything; what is none stays as it is.
fn plain(number: &str) -> String {
    written(number).unwrap_or_else(|| number.to_owned())
}

fn written(number: &str) -> Option<String> {
    let (sign, rest) = number.strip_prefix('-').map_or(("", number), |rest| ("-", rest));
    let (mantissa, exponent) = rest.split_once(['E', 'e']).unwrap_or((rest, "0"));
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let exponent = exponent.parse::<i32>().ok().filter(|exponent| exponent.abs() <= 40)?;
    let mut digits: Vec<u8> = whole.bytes().chain(fraction.bytes()).collect();
    if digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) || digits.len() > 40 {
        return None;
    }
    // Where the point stands, counted from the first digit.
    let mut point = i32::try_from(whole.len()).ok()? + exponent;
    let zeros = digits.iter().take_while(|digit| **digit == b'0').count();
    digits.drain(..zeros);
    point -= i32::try_from(zeros).ok()?;
    if digits.len() > SIGNIFICANT_DIGITS {
        let rounds_up = digits.get(SIGNIFICANT_DIGITS).is_some_and(|digit| *digit >= b'5');
        digits.truncate(SIGNIFICANT_DIGITS);
        if rounds_up && carry(&mut digits) {
            point += 1;
        }
    }
    while digits.last() == Some(&b'0') {
        digits.pop();
    }
    let mut text: Vec<u8> = sign.bytes().collect();
    let places = usize::try_from(point.max(0)).ok()?;
    let padded = digits.iter().copied().chain(std::iter::repeat(b'0'));
    text.extend(if places == 0 { vec![b'0'] } else { padded.take(places).collect() });
    let behind: Vec<u8> = std::iter::repeat_n(b'0', usize::try_from((-point).max(0)).ok()?)
        .chain(digits.iter().copied().skip(places))
        .collect();
    if digits.len() > places {
        text.push(b'.');
        text.extend(behind);
    }
    String::from_utf8(text).ok()
}

/// Adds one to the last digit; whether all of them were nines, and a digit came in front.
fn carry(digits: &mut Vec<u8>) -> bool {
    for digit in digits.iter_mut().rev() {
        if *digit < b'9' {
            *digit += 1;
            return false;
        }
        *digit = b'0';
    }
    digits.insert(0, b'1');
    true
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[track_caller]
    fn check(number: &str, expected: &str) {
        assert_eq!(plain(number), expected, "{number}");
    }

    #[test]
    fn a_number_reads_as_it_was_typed() {
        check("19.989999999999998", "19.99");
        check("85.5", "85.5");
        check("0.1", "0.1");
        check("0.30000000000000004", "0.3");
        check("8.5000000000000006E-2", "0.085");
        check("1E3", "1000");
        check("1.5E+2", "150");
        check("100", "100");
        check("0", "0");
        check("-4.5", "-4.5");
        check("9.9999999999999999", "10");
        check("123456789012345678", "123456789012346000");
        check("n/a", "n/a");
        check("1.2.3", "1.2.3");
        check("", "");
    }

    #[test]
    fn a_cell_is_named_by_its_column() {
        for (name, place) in [("A1", Some(0)), ("Z9", Some(25)), ("AB7", Some(27)), ("XFD1", Some(16_383))] {
            assert_eq!(column(name), place, "{name}");
        }
        for wrong in ["", "1", "XFE1", "ZZZZZZ1"] {
            assert_eq!(column(wrong), None, "{wrong}");
        }
    }

    proptest! {
        #[test]
        fn no_text_is_too_much(text in "[-0-9.eE+]{0,50}") {
            plain(&text);
        }

        #[test]
        fn a_price_survives_a_float(minor in 0_i64..1_000_000_000) {
            let typed = format!("{}.{:02}", minor / 100, minor % 100);
            let stored = format!("{:e}", typed.parse::<f64>().unwrap());
            let read = domain::import::minor_units(&plain(&stored), 2);
            prop_assert_eq!(read, Ok(minor));
        }
    }
}
