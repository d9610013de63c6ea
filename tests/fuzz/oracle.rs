//! What must hold of a file or a message, whatever it holds: it is read or refused, and what is written from
//! it reads as it was.

pub mod counter;
pub mod lists;
pub mod proofs;

mod forge;
mod schema;
mod shop;

use domain::import::{EmployeeRow, FileRow, MealRow, Mode, Options};
use domain::tenant::Currency;
use jiff::Timestamp;
use sheets::{BadRows, Checked, Rows, Taken, Unreadable, check};
use std::io::Write;

/// Every row of a file, or where it stopped.
pub fn rows(file: &[u8]) -> Result<Vec<Vec<String>>, Unreadable> {
    let mut rows = Rows::open(file)?;
    let mut read = Vec::new();
    while let Some((line, cells)) = rows.next_row()? {
        assert!(line > 0 || file.starts_with(b"PK"), "a row has no line");
        read.push(cells.unwrap_or_default());
    }
    Ok(read)
}

/// Reads meals, and reads them again as they are exported.
pub fn meals(file: &[u8]) {
    let Some((checked, meals)) = outcome::<MealRow>(file) else { return };
    mendable::<MealRow>(&checked);
    let rows = meals.iter().map(|row| MealRow::write(&row.code, &row.meal, &currency()));
    let mut exported = csv(&MealRow::COLUMNS);
    rows.for_each(|row| exported.extend(csv(&row)));
    if meals.is_empty() {
        return;
    }
    let (again, read) = outcome::<MealRow>(&exported).expect("an export reads");
    assert_eq!((again.good, again.bad.count), (checked.good, 0));
    for (first, second) in meals.iter().zip(&read) {
        assert_eq!((&first.code, &first.meal), (&second.code, &second.meal));
    }
}

/// Reads employees, who are as they were once they are exported and read again.
pub fn employees(file: &[u8]) {
    let Some((checked, rows)) = outcome::<EmployeeRow>(file) else { return };
    mendable::<EmployeeRow>(&checked);
    let settle = |row: &EmployeeRow, stored| {
        row.settle(stored, None, Timestamp::UNIX_EPOCH).expect("no badge is held").0
    };
    let employees: Vec<_> = rows.iter().map(|row| settle(row, None)).collect();
    let mut exported = csv(&EmployeeRow::COLUMNS);
    employees.iter().for_each(|employee| exported.extend(csv(&EmployeeRow::write(employee, &currency()))));
    if employees.is_empty() {
        return;
    }
    let (again, read) = outcome::<EmployeeRow>(&exported).expect("an export reads");
    assert_eq!((again.good, again.bad.count), (checked.good, 0));
    for (employee, row) in employees.iter().zip(&read) {
        assert_eq!(*employee, settle(row, Some(employee)));
    }
}

/// A file within a packed one reads as it reads alone.
pub fn packed(file: &[u8]) {
    if file.starts_with(b"PK\x03\x04") || file.starts_with(&[0x1f, 0x8b]) {
        return;
    }
    let mut packer = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    packer.write_all(file).expect("memory takes all");
    let packed = packer.finish().expect("memory takes all");
    assert_eq!(rows(file).ok(), rows(&packed).ok());
}

/// A message is read or refused, and what was read is written as what reads the same.
pub fn message(body: &[u8]) {
    if let Some(message) = again::<domain::command::Message>(body) {
        let written = message.command.written().expect("what was read is written");
        assert_eq!(serde_json::from_str::<domain::command::Message>(&written).ok(), Some(message));
    }
    if let Some(event) = again::<domain::event::Event>(body) {
        assert!(domain::event::EventKind::ALL.contains(&event.kind));
    }
}

fn again<T: serde::Serialize + serde::de::DeserializeOwned + PartialEq + std::fmt::Debug>(
    body: &[u8],
) -> Option<T> {
    let read: T = serde_json::from_slice(body).ok()?;
    let written = serde_json::to_string(&read).expect("what was read is written");
    let same = serde_json::from_str::<T>(&written);
    assert_eq!(same.as_ref().ok(), Some(&read), "{written}");
    Some(read)
}

/// A workbook with this as its sheet and, behind a zero byte, as its texts.
pub fn sheet(parts: &[u8]) {
    let (sheet, texts) = match parts.iter().position(|byte| *byte == 0) {
        Some(end) => (&parts[..end], &parts[end + 1..]),
        None => (parts, &[][..]),
    };
    let book = br#"<workbook><sheets><sheet id="a"/></sheets></workbook>"#;
    let places = br#"<Relationships><Relationship Id="a" Target="sheet.xml"/></Relationships>"#;
    let mut archive = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
    let options = zip::write::SimpleFileOptions::default().compression_method(zip::CompressionMethod::Stored);
    for (name, part) in [
        ("xl/workbook.xml", &book[..]),
        ("xl/_rels/workbook.xml.rels", &places[..]),
        ("xl/sheet.xml", sheet),
        ("xl/sharedStrings.xml", texts),
    ] {
        archive.start_file(name, options).expect("memory takes all");
        archive.write_all(part).expect("memory takes all");
    }
    let file = archive.finish().expect("memory takes all").into_inner();
    if rows(&file).is_ok() {
        meals(&file);
    }
}

/// Bad rows read as many as they were, once they are written.
fn mendable<R: FileRow>(checked: &Checked) {
    let mut csv = Vec::new();
    checked.write(&checked.bad, &mut csv).expect("memory takes all");
    if checked.bad.told.is_empty() {
        return;
    }
    let (again, _) = outcome::<R>(&csv).expect("bad rows have their file's header");
    assert_eq!(again.good + again.bad.count, u64::try_from(checked.bad.told.len()).expect("few"));
}

fn outcome<R: FileRow>(file: &[u8]) -> Option<(Checked, Vec<R>)> {
    let (mut good, options) = (Vec::new(), Options::new(Mode::Merge));
    let checked = check(file, &currency(), &options, |Taken { row, .. }| {
        good.push(row);
        Ok(())
    });
    let checked = checked.ok()?;
    assert_eq!(checked.good, u64::try_from(good.len()).expect("few"));
    let BadRows { count, told, .. } = &checked.bad;
    assert!(told.len() <= usize::try_from(*count).expect("few"));
    assert!(told.iter().all(|row| !row.reason().is_empty()));
    Some((checked, good))
}

fn csv(cells: &[impl AsRef<str>]) -> Vec<u8> {
    let quoted = cells.iter().map(|cell| format!("\"{}\"", cell.as_ref().replace('"', "\"\"")));
    (quoted.collect::<Vec<_>>().join(",") + "\n").into_bytes()
}

fn currency() -> Currency {
    "PHP".to_owned().try_into().expect("a currency")
}
