//! A menu's rows.

use super::{BadCell, Column, FileRow, Header, Options, decimal, minor_units, one_line, quote, rounded};
use crate::id::MealCode;
use crate::menu::Meal;
use crate::money::{Calories, Price};
use crate::tenant::Currency;
use crate::text::{Category, Name};
use sha2::{Digest, Sha256};
use unicode_normalization::UnicodeNormalization;

/// What a menu may have a column for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum MealColumn {
    Code,
    Name,
    Category,
    Price,
    Calories,
}

impl Column for MealColumn {
    const NAMES: &'static [(Self, &'static [&'static str])] = &[
        (Self::Code, &["code", "mealcode", "itemcode", "productcode", "sku", "plu"]),
        (
            Self::Name,
            &["name", "meal", "menu", "item", "menuitem", "product", "mealname", "itemname", "productname"],
        ),
        (Self::Category, &["category", "group", "section", "type"]),
        (Self::Price, &["price", "unitprice", "sellingprice", "retailprice"]),
        (Self::Calories, &["calories", "kcal", "energy", "energykcal"]),
    ];
    const REQUIRED: &'static [Self] = &[Self::Name];
}

/// A row that became a meal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MealRow {
    pub code: MealCode,
    pub meal: Meal,
}

/// Characters of a code that is made of a name, before the hash that tells it from others.
const SLUG_MAX: usize = 25;
/// Characters of the longest code.
const CODE_MAX: usize = 32;
/// Bytes of the hash: six characters of a code.
const HASH_BYTES: usize = 3;

impl FileRow for MealRow {
    type Column = MealColumn;

    fn read<'a>(
        header: &'a Header<MealColumn>,
        cells: impl IntoIterator<Item = &'a str>,
        currency: &Currency,
        options: &Options,
    ) -> Result<Self, Vec<BadCell>> {
        let mut row = header.row(cells);
        let name = row.require(MealColumn::Name, |cell| Name::try_from(one_line(cell)));
        let code = row.read(MealColumn::Code, str::parse::<MealCode>);
        let category = row.read(MealColumn::Category, |cell| Category::try_from(one_line(cell)));
        let price = |cell: &str| {
            let minor = minor_units(cell, currency.minor_digits())?;
            Price::try_from(minor).map_err(|error| error.to_string())
        };
        let price = match options.default_price {
            Some(default) => row.read(MealColumn::Price, price).or(Some(default)),
            None => row.require(MealColumn::Price, price),
        };
        let calories = row.read(MealColumn::Calories, |cell| {
            Calories::try_from(rounded(cell)?).map_err(|error| error.to_string())
        });
        let read = name.zip(price).and_then(|(name, price)| {
            let code = code.or_else(|| code_of(name.as_str()))?;
            let category = category.map(String::from).unwrap_or_default();
            Some(Self { code, meal: Meal { name: name.into(), category, price, calories } })
        });
        row.finish(read)
    }

    fn keys(&self) -> Vec<(&'static str, &str)> {
        vec![(MEAL_KEY, self.code.as_str())]
    }

    fn digest(&self, mut text: impl FnMut(&str)) {
        let Meal { name, category, price, calories } = &self.meal;
        text(self.code.as_str());
        text(name);
        text(category);
        text(&price.get().to_string());
        text(&calories.map_or_else(String::new, |calories| calories.get().to_string()));
    }
}

impl MealRow {
    /// The columns that [`MealRow::write`] fills.
    pub const COLUMNS: [&'static str; 5] = ["code", "name", "category", "price", "calories"];

    /// The row that reads as this meal.
    pub fn write(code: &MealCode, meal: &Meal, currency: &Currency) -> [String; 5] {
        let price = decimal(meal.price.get().unsigned_abs(), currency.minor_digits());
        let calories = meal.calories.map_or_else(String::new, |calories| calories.get().to_string());
        let text = |text: &str| quote(text).into_owned();
        [text(code.as_str()), text(&meal.name), text(&meal.category), price, calories]
    }
}

/// What no two meals of a file have in common.
pub const MEAL_KEY: &str = "code";

/// The code of a meal that has none: made of its name, the same in every file.
fn code_of(name: &str) -> Option<MealCode> {
    let plain = name.nfkd().filter(|c| !unicode_normalization::char::is_combining_mark(*c));
    let is_sign = |c: char| !c.is_alphanumeric();
    let mut slug = String::new();
    let mut is_lossy = false;
    for c in plain {
        if c.is_ascii_alphanumeric() {
            slug.push(c.to_ascii_uppercase());
        } else if is_sign(c) {
            if !slug.is_empty() && !slug.ends_with('-') {
                slug.push('-');
            }
        } else {
            is_lossy = true;
        }
    }
    let slug = slug.trim_end_matches('-');
    if !is_lossy && !slug.is_empty() && slug.len() <= CODE_MAX {
        return slug.parse().ok();
    }
    let hash = Sha256::digest(name.as_bytes());
    let hash: String = hash.iter().take(HASH_BYTES).map(|byte| format!("{byte:02X}")).collect();
    let short = slug.get(..SLUG_MAX.min(slug.len())).unwrap_or_default().trim_end_matches('-');
    let code = if short.is_empty() { hash } else { format!("{short}-{hash}") };
    code.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::import::Mode;
    use proptest::prelude::*;

    fn php() -> Currency {
        "PHP".to_owned().try_into().unwrap()
    }

    fn header(names: &[&str]) -> Header<MealColumn> {
        Header::read(names.iter().copied()).unwrap()
    }

    fn read(names: &[&str], cells: &[&str], options: &Options) -> Result<MealRow, Vec<BadCell>> {
        MealRow::read(&header(names), cells.iter().copied(), &php(), options)
    }

    /// What is wrong, as column and reason.
    #[track_caller]
    fn check_bad(names: &[&str], cells: &[&str], expected: &[(&str, &str)]) {
        let bad = read(names, cells, &Options::new(Mode::Replace)).unwrap_err();
        let told: Vec<_> = bad.iter().map(|bad| (bad.column.as_str(), bad.reason.as_str())).collect();
        assert_eq!(told, expected);
    }

    #[test]
    fn a_row_is_read_under_whatever_names_its_columns_have() {
        let names = ["Item Code", "Product Name", "Unit Price (PHP)", "Kcal", "Allergens", "GROUP"];
        let row =
            read(&names, &["B-1", "Bagel", "85,5", "245.5", "wheat", "bakery"], &Options::new(Mode::Replace));
        let MealRow { code, meal } = row.unwrap();
        assert_eq!((code.as_str(), meal.name.as_str(), meal.category.as_str()), ("B-1", "Bagel", "bakery"));
        assert_eq!((meal.price.get(), meal.calories.map(Calories::get)), (8_550, Some(246)));
        let short = read(&names, &["B-1", "Bagel", "85"], &Options::new(Mode::Replace)).unwrap();
        assert_eq!((short.meal.category.as_str(), short.meal.calories), ("", None));
    }

    #[test]
    fn every_wrong_cell_is_named() {
        let names = ["Code", "Name", "Price", "Calories"];
        check_bad(
            &names,
            &["a b", "", "1.234", "many"],
            &[
                ("Name", "is missing"),
                ("Code", "a meal code must be 1 to 32 characters of letters, digits, -, _ and ."),
                ("Price", "may have a thousands separator; write it without"),
                ("Calories", "is no number like 1250 or 12.50, without signs and thousands separators"),
            ],
        );
        check_bad(
            &names,
            &["A", "=HYPERLINK(\"x\")", "-5", ""],
            &[("Name", "begins like a formula"), ("Price", "is negative")],
        );
        check_bad(
            &names,
            &["A", "Tea\u{0}", "5", "", "more"],
            &[
                ("", "has 5 cells under 4 columns"),
                ("Name", "holds a line break or another control character"),
            ],
        );
        check_bad(&["Name"], &["Tea"], &[("price", "is missing")]);
        let free =
            Options { default_price: Some(Price::try_from(4_500).unwrap()), ..Options::new(Mode::Replace) };
        assert_eq!(read(&["Name"], &["Tea"], &free).unwrap().meal.price.get(), 4_500);
    }

    #[test]
    fn a_header_says_what_it_lacks_and_what_it_has_twice() {
        let header = |names: &[&str]| {
            Header::<MealColumn>::read(names.iter().copied()).map_err(|error| error.to_string())
        };
        assert_eq!(
            header(&["Code", "Price"]),
            Err("there is no column name, under any of its names".to_owned())
        );
        assert_eq!(
            header(&["Name", "Kcal", "Calories"]),
            Err("the columns \"Kcal\" and \"Calories\" are the same to us".to_owned())
        );
        assert!(header(&vec!["Name"; 10_000]).unwrap_err().contains("10000"));
        assert!(header(&[]).is_err());
    }

    /// As texts come in: any, in one line, without spaces around them or several in a row.
    fn line(max: usize) -> impl Strategy<Value = String> {
        let line = "\\PC{0,60}".prop_map(|text| one_line(&text));
        line.prop_map(move |line| line.chars().take(max).collect::<String>().trim().to_owned())
    }

    proptest! {
        #[test]
        fn what_is_exported_is_imported(
            code in "[A-Za-z0-9._-]{1,32}",
            name in line(100).prop_filter("a name", |name| !name.is_empty()),
            category in line(50),
            price in 0..=1_000_000_000_i64,
            calories in proptest::option::of(0..=100_000_i64),
        ) {
            let price = Price::try_from(price).unwrap();
            let calories = calories.map(|calories| Calories::try_from(calories).unwrap());
            let row = MealRow { code: code.parse().unwrap(), meal: Meal { name, category, price, calories } };
            let written = MealRow::write(&row.code, &row.meal, &php());
            let cells = written.each_ref().map(String::as_str);
            prop_assert_eq!(read(&MealRow::COLUMNS, &cells, &Options::new(Mode::Replace)), Ok(row));
        }
    }

    #[track_caller]
    fn check_code(name: &str, code: &str) {
        assert_eq!(code_of(name).unwrap().as_str(), code);
    }

    #[test]
    fn a_code_is_made_of_a_name() {
        check_code("Ombré Pink Drink", "OMBRE-PINK-DRINK");
        check_code("Refreshers™ Beverage", "REFRESHERSTM-BEVERAGE");
        check_code("  Egg & Cheddar on English Muffin ", "EGG-CHEDDAR-ON-ENGLISH-MUFFIN");
        check_code("Reduced-Fat Turkey Bacon & Egg White Sandwich", "REDUCED-FAT-TURKEY-BACON-AB08C9");
        check_code("咖啡 A", "A-F10B5B");
        check_code("茶", "7E005B");
    }

    proptest! {
        #[test]
        fn every_name_has_a_code(name in "\\PC{1,100}") {
            prop_assert!(code_of(&name).is_some());
        }
    }
}
