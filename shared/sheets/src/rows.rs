//! Rows of a file, as tills, payrolls and spreadsheets write it: with or without a mark of its encoding,
//! packed or not, between commas, semicolons or tabs, as a JSON object a line, or as a workbook.

use crate::fence::Fence;
use crate::json_lines::JsonLines;
use crate::workbook::{MAX_WORKBOOK_BYTES, Workbook};
use csv::ByteRecord;
use domain::import::{BadCell, InvalidHeader, Reason};
use flate2::read::MultiGzDecoder;
use std::io::{self, Chain, Cursor, Read};
use thiserror::Error;

/// Bytes that are looked at to find out what a file is. They hold its header, or it has none.
const SNIFFED: u64 = 64 * 1024;
/// Bytes that the parser reads in advance.
const AHEAD: u64 = 64 * 1024;
const GZIP: [u8; 2] = [0x1f, 0x8b];
const ZIP: [u8; 4] = *b"PK\x03\x04";
const UTF_8: [u8; 3] = [0xef, 0xbb, 0xbf];
const UTF_16: [[u8; 2]; 2] = [[0xff, 0xfe], [0xfe, 0xff]];
const DELIMITERS: [u8; 3] = [b',', b';', b'\t'];

/// Why a file is refused whole.
#[derive(Debug, Error)]
pub enum Unreadable {
    #[error("the file is empty")]
    Empty,
    #[error("the file has a header and no rows")]
    NoRows,
    #[error("the file has more than {} rows", crate::check::MAX_ROWS)]
    TooManyRows,
    #[error("the file is a ZIP archive, and no workbook")]
    Archive,
    #[error("the workbook has more than {} MiB; save it as CSV", MAX_WORKBOOK_BYTES / 1024 / 1024)]
    WorkbookTooLarge,
    #[error("the file is in UTF-16; save it as UTF-8")]
    Utf16,
    #[error("the header is not in UTF-8")]
    NoText,
    #[error("a row takes more than {} KiB: is a quotation mark missing?", crate::fence::MAX_ROW_BYTES / 1024)]
    RowTooLong,
    #[error("the file unpacks to more than {} MiB", crate::fence::MAX_UNPACKED_BYTES / 1024 / 1024)]
    UnpacksToTooMuch,
    #[error("it is a file of bad rows, and what it does not name would go: send it with merge")]
    BadRowsAlone,
    #[error("the first row is no header")]
    Header(#[from] InvalidHeader),
    #[error("the file breaks off, or is not what it begins like")]
    Broken(#[source] io::Error),
    /// Whoever took the rows takes no more.
    #[error("nobody takes more rows")]
    Abandoned,
}

impl Unreadable {
    pub fn reason(&self) -> Reason {
        match self {
            Unreadable::TooManyRows
            | Unreadable::RowTooLong
            | Unreadable::WorkbookTooLarge
            | Unreadable::UnpacksToTooMuch => Reason::TooLarge,
            Unreadable::BadRowsAlone => Reason::BadOptions,
            Unreadable::Empty
            | Unreadable::NoRows
            | Unreadable::Archive
            | Unreadable::Utf16
            | Unreadable::NoText
            | Unreadable::Header(_)
            | Unreadable::Broken(_)
            | Unreadable::Abandoned => Reason::Unreadable,
        }
    }
}

type Peeked<R> = Chain<Cursor<Vec<u8>>, R>;

/// The bytes of a file, unpacked.
enum Bytes<R> {
    Plain(Peeked<R>),
    Packed(Box<MultiGzDecoder<Peeked<R>>>),
}

impl<R: Read> Read for Bytes<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Bytes::Plain(bytes) => bytes.read(buffer),
            Bytes::Packed(bytes) => bytes.read(buffer),
        }
    }
}

/// The rows of a file behind its header.
pub struct Rows<R> {
    table: Table<Peeked<Bytes<R>>>,
    header: Vec<String>,
}

enum Table<R> {
    Csv { csv: csv::Reader<Fence<R>>, record: ByteRecord },
    Json(Box<JsonLines<R>>),
    Workbook(Box<Workbook>),
}

impl<R> std::fmt::Debug for Rows<R> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Rows").field("header", &self.header).finish_non_exhaustive()
    }
}

/// A row's line, and its cells or why it has none.
pub type NumberedRow = (u64, Result<Vec<String>, BadCell>);

impl<R: Read> Rows<R> {
    pub fn open(file: R) -> Result<Self, Unreadable> {
        let (start, file) = peek(file)?;
        if start.starts_with(&ZIP) {
            let (book, header) = Workbook::open(whole(start, file)?)?;
            return Ok(Self { table: Table::Workbook(Box::new(book)), header });
        }
        let is_packed = start.starts_with(&GZIP);
        let file = Cursor::new(start).chain(file);
        let bytes =
            if is_packed { Bytes::Packed(Box::new(MultiGzDecoder::new(file))) } else { Bytes::Plain(file) };
        let (mut start, bytes) = peek(bytes)?;
        if UTF_16.iter().any(|mark| start.starts_with(mark)) {
            return Err(Unreadable::Utf16);
        }
        if start.starts_with(&UTF_8) {
            start.drain(..UTF_8.len());
        }
        let Some(first) = start.iter().find(|byte| !byte.is_ascii_whitespace()).copied() else {
            return Err(Unreadable::Empty);
        };
        let delimiter = delimiter(&start);
        let bytes = Fence::new(Cursor::new(start).chain(bytes), AHEAD);
        if first == b'{' {
            let (lines, header) = JsonLines::open(bytes, AHEAD)?;
            return Ok(Self { table: Table::Json(Box::new(lines)), header });
        }
        let mut csv = csv::ReaderBuilder::new()
            .has_headers(false)
            .flexible(true)
            .delimiter(delimiter)
            .buffer_capacity(usize::try_from(AHEAD).unwrap_or(usize::MAX))
            .from_reader(bytes);
        let mut record = ByteRecord::new();
        csv.read_byte_record(&mut record).map_err(uncsv)?;
        let header = cells(&record).ok_or(Unreadable::NoText)?;
        Ok(Self { table: Table::Csv { csv, record }, header })
    }

    pub fn header(&self) -> &[String] {
        &self.header
    }

    /// The next row that is not blank.
    pub fn next_row(&mut self) -> Result<Option<NumberedRow>, Unreadable> {
        let (csv, record) = match &mut self.table {
            Table::Csv { csv, record } => (csv, record),
            Table::Json(lines) => return lines.next_row(&self.header),
            Table::Workbook(book) => return book.next_row(),
        };
        loop {
            let position = csv.position().byte();
            csv.get_mut().begin_row(position, AHEAD);
            if !csv.read_byte_record(record).map_err(uncsv)? {
                return Ok(None);
            }
            let line = record.position().map_or(0, csv::Position::line);
            match cells(record) {
                Some(cells) if cells.iter().all(|cell| cell.trim().is_empty()) => {}
                Some(cells) => return Ok(Some((line, Ok(cells)))),
                None => {
                    let reason = "the row is not in UTF-8".to_owned();
                    let bad = BadCell { column: String::new(), value: String::new(), reason };
                    return Ok(Some((line, Err(bad))));
                }
            }
        }
    }
}

/// All of a workbook.
fn whole(mut start: Vec<u8>, file: impl Read) -> Result<Vec<u8>, Unreadable> {
    file.take(MAX_WORKBOOK_BYTES).read_to_end(&mut start).map_err(Unreadable::Broken)?;
    let is_whole = u64::try_from(start.len()).is_ok_and(|bytes| bytes <= MAX_WORKBOOK_BYTES);
    if is_whole { Ok(start) } else { Err(Unreadable::WorkbookTooLarge) }
}

/// The beginning of a file, and the rest.
fn peek<R: Read>(mut file: R) -> Result<(Vec<u8>, R), Unreadable> {
    let mut start = Vec::new();
    file.by_ref().take(SNIFFED).read_to_end(&mut start).map_err(Unreadable::Broken)?;
    Ok((start, file))
}

/// What stands most often between the names of the first line.
fn delimiter(start: &[u8]) -> u8 {
    let mut is_quoted = false;
    let mut counts = [0_u32; DELIMITERS.len()];
    for byte in start {
        match byte {
            b'"' => is_quoted = !is_quoted,
            b'\n' | b'\r' if !is_quoted => break,
            byte if !is_quoted => {
                let found = DELIMITERS.iter().position(|delimiter| delimiter == byte);
                if let Some(count) = found.and_then(|index| counts.get_mut(index)) {
                    *count += 1;
                }
            }
            _ => {}
        }
    }
    // Of as many the first: a comma.
    let most = counts.iter().max().copied().unwrap_or_default();
    let index = counts.iter().position(|count| *count == most).unwrap_or_default();
    DELIMITERS.get(index).copied().unwrap_or(b',')
}

fn cells(record: &ByteRecord) -> Option<Vec<String>> {
    record.iter().map(|cell| String::from_utf8(cell.to_vec()).ok()).collect()
}

/// What reading said, or the table itself.
fn uncsv(error: csv::Error) -> Unreadable {
    match error.into_kind() {
        csv::ErrorKind::Io(error) => unreadable(error),
        other => Unreadable::Broken(io::Error::other(format!("{other:?}"))),
    }
}

/// What the fence said, or the file itself.
pub fn unreadable(error: io::Error) -> Unreadable {
    match error.downcast::<Unreadable>() {
        Ok(unreadable) => unreadable,
        Err(error) => Unreadable::Broken(error),
    }
}
