//! Files as people make them, and as nobody should.

use crate::{
    BadRow, Checked, MAX_ROW_BYTES, MAX_ROWS, MAX_TOLD_ROWS, MAX_UNPACKED_BYTES, MAX_WORKBOOK_BYTES, Taken,
    Unreadable, check,
};
use domain::import::{MAX_COLUMNS, MealRow, Mode, Options, Reason};
use flate2::Compression;
use flate2::write::GzEncoder;
use std::error::Error;
use std::io::{self, Read, Write};
use zip::ZipWriter;
use zip::write::SimpleFileOptions;

/// What a file comes to, with the codes of its good rows.
fn read(file: impl Read) -> Result<(Checked, Vec<String>), Unreadable> {
    read_to(Mode::Replace, file)
}

fn read_to(mode: Mode, file: impl Read) -> Result<(Checked, Vec<String>), Unreadable> {
    let mut codes = Vec::new();
    let currency = "PHP".to_owned().try_into().unwrap();
    let checked = check::<MealRow>(file, &currency, &Options::new(mode), |Taken { row, .. }| {
        codes.push(format!("{}={}", row.code, row.meal.price.get()));
        Ok(())
    })?;
    Ok((checked, codes))
}

#[track_caller]
fn check_codes(file: &[u8], codes: &[&str]) {
    let (checked, read) = read(file).unwrap();
    assert_eq!((checked.bad.count, read), (0, codes.iter().map(|code| (*code).to_owned()).collect()));
}

#[track_caller]
fn check_refused(file: impl Read, expected: &str) {
    let refused = read(file).unwrap_err();
    let causes = std::iter::successors(Some(&refused as &dyn Error), |&error: &&dyn Error| error.source());
    let told = causes.map(ToString::to_string).collect::<Vec<_>>().join(": ");
    assert!(told.contains(expected), "{told}");
}

fn packed(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

#[test]
fn tables_are_read_as_tills_write_them() {
    let expected = ["TEA=4000", "CAKE=8550"];
    for file in [
        "code,name,price\nTEA,Tea,40\nCAKE,Cake,85.5\n",
        "code;name;price\r\nTEA;Tea;40\r\nCAKE;Cake;85,5",
        "code\tname\tprice\rTEA\tTea\t40\rCAKE\tCake\t85.50\r",
        "\u{feff}CODE,Name,\"Price (PHP)\"\n\nTEA,\"Tea\",40\n,,\nCAKE,Cake,85.5\n\n",
        "allergens,price,name,code\n\"nuts,\nmilk\",40,Tea,TEA\n,\"85,5\",Cake,CAKE\n",
        "code,name,price,note\nTEA,Tea,40,\"several\r\nlines \"\"here\"\"\"\nCAKE,Cake,85.5,\n",
    ] {
        check_codes(file.as_bytes(), &expected);
        check_codes(&packed(file.as_bytes()), &expected);
    }
    let members = [packed(b"code,name,price\nTEA,Tea,40\n"), packed(b"CAKE,Cake,85.5\n")].concat();
    check_codes(&members, &expected);
}

#[test]
fn objects_are_read_line_by_line() {
    let file = "{\"code\":\"TEA\",\"name\":\"Tea\",\"price\":40}\r\n\n{\"price\":85.50,\"name\":\"Cake\",\"code\":\"CAKE\"}";
    check_codes(file.as_bytes(), &["TEA=4000", "CAKE=8550"]);
    check_codes(&packed(file.as_bytes()), &["TEA=4000", "CAKE=8550"]);
    let first = r#"{"name":"Tea","price":"1","calories":null}"#;
    let wrong = [
        (r#"{"name":"A","price":0.1e1}"#, "price \"0.1e1\" is no number like 1250 or 12.50"),
        (r#"{"name":"A","price":1,"vat":2}"#, "names \"vat\", which the first row does not"),
        (r#"{"name":"A","price":1,"price":2}"#, "names \"price\" twice"),
        (r#"{"name":["A"],"price":1}"#, "\"name\" is neither text nor number"),
        (r#"{"name":"A\u0000","price":1}"#, "control character"),
        (r#"["A",1]"#, "the row is no JSON object"),
        (r#"{"name":"A","#, "the row is no JSON object"),
    ];
    let rows: Vec<_> = wrong.iter().map(|(row, _)| *row).collect();
    let (checked, codes) = read(format!("{first}\n{}\n", rows.join("\n")).as_bytes()).unwrap();
    assert_eq!((codes.len(), checked.bad.count), (1, 7));
    for ((_, reason), (told, line)) in wrong.iter().zip(checked.bad.told.iter().zip(2..)) {
        let told = told.reason();
        assert!(told.starts_with(&format!("line {line}: ")) && told.contains(reason), "{told}");
    }
    check_refused(&b"{nonsense}\n"[..], "not what it begins like");
    check_refused(io::Cursor::new(format!("{first}\n")).chain(io::repeat(b'{')), "a row takes more");
}

fn zipped(parts: &[(&str, &[u8])]) -> Vec<u8> {
    let mut archive = ZipWriter::new(io::Cursor::new(Vec::new()));
    for (name, part) in parts {
        archive.start_file(*name, SimpleFileOptions::default()).unwrap();
        archive.write_all(part).unwrap();
    }
    archive.finish().unwrap().into_inner()
}

/// A workbook whose second sheet comes first, with these rows in it.
fn workbook(rows: &str) -> Vec<u8> {
    let book = r#"<workbook xmlns:r="x"><sheets><sheet name="Menu" sheetId="2" r:id="rId7"/><sheet name="Old" r:id="rId1"/></sheets></workbook>"#;
    let places = r#"<Relationships><Relationship Id="rId1" Target="worksheets/sheet1.xml"/><Relationship Id="rId7" Target="/xl/worksheets/sheet2.xml"/></Relationships>"#;
    let texts = r#"<sst><si><t>code</t></si><si><r><t>na</t></r><r><t>me</t></r><rPh><t>reading</t></rPh></si><si><t>price</t></si><si/><si><t>Caf&#233; &amp; cake</t></si></sst>"#;
    let sheet = format!("<worksheet><sheetData>{HEADER}{rows}</sheetData></worksheet>");
    zipped(&[
        ("xl/workbook.xml", book.as_bytes()),
        ("xl/_rels/workbook.xml.rels", places.as_bytes()),
        ("xl/sharedStrings.xml", texts.as_bytes()),
        ("xl/worksheets/sheet2.xml", sheet.as_bytes()),
    ])
}

const HEADER: &str = r#"<row r="1"><c r="A1" t="s"><v>0</v></c><c r="B1" t="s"><v>1</v></c><c r="D1" t="s"><v>2</v></c></row>"#;

#[test]
fn the_first_sheet_of_a_workbook_is_read() {
    let rows = r#"<row r="2"/><row r="3"><c/><c r="C3"/></row><row r="4"><c r="A4" t="inlineStr"><is><t>TEA</t></is></c><c r="B4" t="s"><v>4</v></c><c r="D4"><v>19.989999999999998</v></c></row>
        <row r="5"><c r="A5"><v>7</v></c><c t="str"><v>Cake</v></c><c s="3"/><c><v>1E2</v></c></row>"#;
    check_codes(&workbook(rows), &["TEA=1999", "7=10000"]);
    let (checked, codes) = read(&workbook(
        r#"<row r="7"><c r="B7" t="s"><v>4</v></c><c r="D7"><f>SUM(D1:D6)</f><v>12</v></c></row>
        <row r="8"><c r="B8" t="str"><f>HYPERLINK("x")</f><v>Tea</v></c><c r="D8"><v>1</v></c><c r="E8"><v>2</v></c></row>
        <row r="9"><c r="B9" t="e"><v>#REF!</v></c><c r="D9"><v>1</v></c></row>"#,
    )[..])
    .unwrap();
    let reasons: Vec<_> = checked.bad.told.iter().map(BadRow::reason).collect();
    assert_eq!(codes, [""; 0]);
    assert_eq!(
        reasons,
        [
            "line 7: price \"'=SUM(D1:D6)\" begins like a formula",
            "line 8: has 5 cells under 4 columns; name \"'=HYPERLINK(\\\"x\\\")\" begins like a formula",
            "line 9: name \"'=#REF!\" begins like a formula",
        ]
    );
}

#[test]
fn a_hostile_workbook_is_refused_whole() {
    let book = workbook(r#"<row r="2"><c r="B2" t="s"><v>4</v></c><c r="D2"><v>1</v></c></row>"#);
    check_codes(&book, &["CAFE-CAKE=100"]);
    for length in [4, 30, 200, book.len() / 2, book.len() - 1] {
        check_refused(&book[..length], "breaks off");
    }
    check_refused(&workbook(r#"<row r="2"><c r="B2" t="s"><v>99</v></c></row>"#)[..], "breaks off");
    check_refused(&workbook(r#"<row r="2"><c r="ZZZZ2"><v>1</v></c></row>"#)[..], "breaks off");
    check_refused(&workbook(r#"<row r="2"><c r="B2"><v>&lol;</v></c></row>"#)[..], "breaks off");
    check_refused(&workbook(r#"<row r="2"><c r="B2"><v>1</v>"#)[..], "breaks off");
    check_refused(&workbook(&"<x>".repeat(100))[..], "nested too deeply");
    check_refused(&workbook("")[..], "no rows");
    let long = format!(r#"<row r="2"><c r="B2" t="str"><v>{}</v></c></row>"#, "x".repeat(70_000));
    check_refused(&workbook(&long)[..], "a row takes more");
    let bomb = workbook(&" ".repeat(60 * 1024 * 1024));
    assert!(bomb.len() < 1024 * 1024, "{}", bomb.len());
    check_refused(&bomb[..], "unpacks to more");
    let large = vec![b'x'; usize::try_from(MAX_WORKBOOK_BYTES).unwrap()];
    check_refused(io::Cursor::new(*b"PK\x03\x04").chain(&large[..]), "the workbook has more than 8 MiB");
}

#[test]
fn a_bad_row_is_told_with_its_line() {
    let file = "code,name,price\nA,\"two\nlines\",1\nB,Tea\u{0},1\nC,Tea,1,extra\nD,Tea\nA,Tea,1\n";
    let (checked, codes) = read(file.as_bytes()).unwrap();
    let reasons: Vec<_> = checked.bad.told.iter().map(BadRow::reason).collect();
    assert_eq!(codes, ["A=100"]);
    assert_eq!(
        reasons,
        [
            "line 2: name \"two\u{fffd}lines\" holds a line break or another control character",
            "line 4: name \"Tea\u{fffd}\" holds a line break or another control character",
            "line 5: has 4 cells under 3 columns",
            "line 6: price is missing",
        ]
    );
    let (checked, _) = read(&b"name,price\nTea,1\n\xff\xfe,1\n"[..]).unwrap();
    assert_eq!(checked.bad.told[0].reason(), "line 3: the row is not in UTF-8");
}

#[test]
fn bad_rows_are_listed_up_to_a_number_and_counted_beyond() {
    let rows: String = (0..2_500).map(|row| format!("=HYPERLINK({row}),1\n")).collect();
    let (checked, _) = read(format!("name,price\nTea,1\n{rows}").as_bytes()).unwrap();
    assert_eq!((checked.good, checked.bad.count, checked.bad.told.len()), (1, 2_500, MAX_TOLD_ROWS));
    let mut told = Vec::new();
    checked.write(&checked.bad, &mut told).unwrap();
    let told = String::from_utf8(told).unwrap();
    assert!(told.lines().skip(1).all(|line| line.starts_with("\"'=HYPERLINK(")), "{}", &told[..200]);
}

#[test]
fn bad_rows_stand_under_their_columns() {
    let file = "name,price,\"net; gross; tax; tip\"\n,1,\nTea,x,\"1\t2\"\n";
    let (checked, _) = read(file.as_bytes()).unwrap();
    let mut told = Vec::new();
    checked.write(&checked.bad, &mut told).unwrap();
    check_refused(&told[..], "send it with merge");
    let (again, _) = read_to(Mode::Merge, &told[..]).unwrap();
    assert_eq!((again.good, again.bad.count), (0, 2));
    let mut told_again = Vec::new();
    again.write(&again.bad, &mut told_again).unwrap();
    let header = |csv: &[u8]| String::from_utf8_lossy(csv).lines().next().map(str::to_owned);
    assert_eq!(header(&told), header(&told_again));
}

#[test]
fn bad_rows_of_the_widest_file_can_be_sent_again() {
    let others: String = (2..MAX_COLUMNS).map(|column| format!(",c{column}")).collect();
    let (checked, _) = read(format!("name,price{others}\n,1\n").as_bytes()).unwrap();
    let mut told = Vec::new();
    checked.write(&checked.bad, &mut told).unwrap();
    assert_eq!(read_to(Mode::Merge, &told[..]).unwrap().0.bad.count, 1);
    check_refused(format!("name,price{others},more\nTea,1\n").as_bytes(), "there are 201 columns");
}

#[test]
fn a_hostile_file_is_refused_whole() {
    check_refused(io::empty(), "empty");
    check_refused(&b"\xef\xbb\xbf \r\n"[..], "empty");
    check_refused(&packed(b"")[..], "empty");
    check_refused(&b"name,price\n\n\n"[..], "no rows");
    check_refused(&b"price\n1\n"[..], "no column name");
    check_refused("name,".repeat(10_000).as_bytes(), "10001 columns");
    check_refused(&b"PK\x03\x04..."[..], "breaks off");
    check_refused(&zipped(&[("readme.txt", b"hello")])[..], "no workbook");
    check_refused(&b"\xff\xfen\0a\0m\0e\0"[..], "UTF-16");
    check_refused(&b"\x1f\x8b\x08nonsense"[..], "breaks off");
    let whole = packed("name,price\nTea,1\n".repeat(1_000).as_bytes());
    check_refused(&whole[..whole.len() - 9], "breaks off");
    check_refused(io::Cursor::new("name,price\n").chain(io::repeat(b'x')), "a row takes more");
    check_refused(io::Cursor::new("name,price\n\"").chain(io::repeat(b'\n')), "a row takes more");
    check_refused(io::repeat(b'a'), "a row takes more");
    check_refused(io::Cursor::new("name,price\n").chain(io::repeat(0)), "a row takes more");
    let rows = "a,1\n".repeat(usize::try_from(MAX_ROWS).unwrap() + 1);
    check_refused(format!("name,price\n{rows}").as_bytes(), "more than 200000 rows");
}

/// A bomb of a few hundred kilobytes that unpacks to gigabytes.
#[test]
fn too_much_is_told_as_such() {
    let long = format!("code,name,price\nTEA,\"{}", "x".repeat(200_000));
    for file in
        [long.clone(), format!("{{\"name\":\"Tea\",\"price\":1}}\n{{\"name\":\"{}", "x".repeat(200_000))]
    {
        let refused = read(file.as_bytes()).unwrap_err();
        assert_eq!(refused.reason(), Reason::TooLarge, "{refused:?}");
    }
}

#[test]
fn a_bomb_is_put_away() {
    let line = vec![b'x'; usize::try_from(MAX_ROW_BYTES / 2).unwrap()];
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(b"name,price\n").unwrap();
    for _ in 0..=MAX_UNPACKED_BYTES / (MAX_ROW_BYTES / 2) {
        encoder.write_all(&line).unwrap();
        encoder.write_all(b",1\n").unwrap();
    }
    let bomb = encoder.finish().unwrap();
    assert!(bomb.len() < 1024 * 1024, "{}", bomb.len());
    check_refused(&bomb[..], "unpacks to more");
    let zeros = packed(&vec![0; 16 * 1024 * 1024]);
    check_refused(&zeros[..], "a row takes more");
}

#[test]
fn a_long_row_is_no_reason_to_refuse_a_file() {
    let note = "n".repeat(usize::try_from(MAX_ROW_BYTES).unwrap() - 100);
    check_codes(format!("code,name,price,note\nTEA,Tea,1,{note}\n").repeat(1).as_bytes(), &["TEA=100"]);
    let rows: String = (0..50).map(|row| format!("M{row},Tea,1,{note}\n")).collect();
    let (checked, _) = read(format!("code,name,price,note\n{rows}").as_bytes()).unwrap();
    assert_eq!((checked.good, checked.bad.count), (50, 0));
}
