//! Rows of a file with a JSON object a line: what it names in the first one are its columns.

use crate::fence::Fence;
use crate::rows::{NumberedRow, Unreadable, unreadable};
use domain::import::BadCell;
use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;
use std::fmt;
use std::io::{self, BufRead, BufReader, Read};

/// Characters of a name that are told.
const MAX_NAME: usize = 50;

pub struct JsonLines<R> {
    lines: BufReader<Fence<R>>,
    ahead: u64,
    position: u64,
    line: u64,
    /// The first row, until somebody takes it.
    first: Option<Object>,
    buffer: Vec<u8>,
}

/// Names and values, as they come.
struct Object(Vec<(String, Box<RawValue>)>);

impl<R: Read> JsonLines<R> {
    /// Opens a file whose parser reads `ahead` bytes in advance; its columns are those of its first row.
    pub fn open(bytes: Fence<R>, ahead: u64) -> Result<(Self, Vec<String>), Unreadable> {
        let lines = BufReader::with_capacity(usize::try_from(ahead).unwrap_or(usize::MAX), bytes);
        let mut rows = Self { lines, ahead, position: 0, line: 0, first: None, buffer: Vec::new() };
        rows.read_line().map_err(unreadable)?;
        let first: Object = serde_json::from_slice(&rows.buffer)
            .map_err(|error| Unreadable::Broken(io::Error::other(error)))?;
        let header = first.0.iter().map(|(name, _)| name.clone()).collect();
        rows.first = Some(first);
        Ok((rows, header))
    }

    pub fn next_row(&mut self, header: &[String]) -> Result<Option<NumberedRow>, Unreadable> {
        let read = match self.first.take() {
            Some(first) => Ok(first),
            None => {
                if !self.read_line().map_err(unreadable)? {
                    return Ok(None);
                }
                serde_json::from_slice(&self.buffer)
            }
        };
        let cells = match read {
            Ok(object) => object.cells(header),
            Err(error) => Err(bad(format!("the row is no JSON object: column {}", error.column()))),
        };
        Ok(Some((self.line, cells)))
    }

    /// The next line that is not blank, if there is one.
    fn read_line(&mut self) -> io::Result<bool> {
        loop {
            self.buffer.clear();
            self.lines.get_mut().begin_row(self.position, self.ahead);
            let read = self.lines.read_until(b'\n', &mut self.buffer)?;
            self.position += u64::try_from(read).unwrap_or_default();
            self.line += 1;
            if read == 0 {
                return Ok(false);
            }
            if !self.buffer.iter().all(u8::is_ascii_whitespace) {
                return Ok(true);
            }
        }
    }
}

impl Object {
    /// Its values under the columns of a header.
    fn cells(self, header: &[String]) -> Result<Vec<String>, BadCell> {
        let mut cells = vec![String::new(); header.len()];
        let mut is_taken = vec![false; header.len()];
        for (name, value) in self.0 {
            let place = header.iter().position(|column| *column == name);
            let cell = place.and_then(|place| Some((cells.get_mut(place)?, is_taken.get_mut(place)?)));
            let Some((cell, is_taken)) = cell else {
                return Err(bad(format!("names {:?}, which the first row does not", short(&name))));
            };
            if std::mem::replace(is_taken, true) {
                return Err(bad(format!("names {:?} twice", short(&name))));
            }
            *cell =
                text(&value).ok_or_else(|| bad(format!("{:?} is neither text nor number", short(&name))))?;
        }
        Ok(cells)
    }
}

/// A text, or a number as it is written: nothing goes through a float.
fn text(value: &RawValue) -> Option<String> {
    let raw = value.get();
    match raw.as_bytes().first()? {
        b'"' => serde_json::from_str(raw).ok(),
        b'{' | b'[' => None,
        b'n' => Some(String::new()),
        _ => Some(raw.to_owned()),
    }
}

/// As much of a name as is told.
fn short(name: &str) -> String {
    name.chars().take(MAX_NAME).collect()
}

fn bad(reason: String) -> BadCell {
    BadCell { column: String::new(), value: String::new(), reason }
}

impl<'de> Deserialize<'de> for Object {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(ObjectVisitor)
    }
}

struct ObjectVisitor;

impl<'de> Visitor<'de> for ObjectVisitor {
    type Value = Object;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut object: A) -> Result<Object, A::Error> {
        let mut fields = Vec::new();
        while let Some(field) = object.next_entry()? {
            fields.push(field);
        }
        Ok(Object(fields))
    }
}
