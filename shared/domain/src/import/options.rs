//! How a file is read, and how the file itself says so.

use crate::money::Price;
use serde::{Deserialize, Serialize};
use thiserror::Error;

/// The largest file, as it lies in the store: 64 MiB.
pub const MAX_FILE_BYTES: u64 = 64 * 1024 * 1024;
/// What a file may call itself; what it is, is looked at. The last two say nothing.
pub const CONTENT_TYPES: [&str; 10] = [
    "text/csv",
    "text/tab-separated-values",
    "text/plain",
    // What Windows calls a CSV file.
    "application/vnd.ms-excel",
    "application/gzip",
    "application/x-gzip",
    "application/x-ndjson",
    "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
    "application/octet-stream",
    "binary/octet-stream",
];

/// What becomes of what the file does not name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Mode {
    /// It goes.
    Replace,
    /// It stays.
    Merge,
}

/// What becomes of a file with bad rows.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Strictness {
    /// It is refused whole.
    #[default]
    Strict,
    /// The good rows count.
    Lenient,
}

/// How a file is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Options {
    pub mode: Mode,
    #[serde(default)]
    pub strictness: Strictness,
    /// What a meal costs whose row has no price.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub default_price: Option<Price>,
    /// How many of a hundred active employees may be missing from a file that replaces a roster.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_missing_percent: Option<Percent>,
}

const MODE: &str = "mode";
const STRICTNESS: &str = "strictness";
const DEFAULT_PRICE: &str = "default-price";
const MAX_MISSING_PERCENT: &str = "max-missing-percent";

impl Options {
    /// Unless somebody says otherwise.
    pub fn new(mode: Mode) -> Self {
        Self { mode, strictness: Strictness::default(), default_price: None, max_missing_percent: None }
    }

    /// What goes with the file, as names and values.
    pub fn write(&self) -> Vec<(&'static str, String)> {
        let mode = match self.mode {
            Mode::Replace => "replace",
            Mode::Merge => "merge",
        };
        let strictness = match self.strictness {
            Strictness::Strict => "strict",
            Strictness::Lenient => "lenient",
        };
        let price = self.default_price.map(|price| (DEFAULT_PRICE, price.get().to_string()));
        let missing = self.max_missing_percent.map(|max| (MAX_MISSING_PERCENT, max.0.to_string()));
        let always = [(MODE, mode.to_owned()), (STRICTNESS, strictness.to_owned())];
        always.into_iter().chain(price).chain(missing).collect()
    }

    /// Reads what goes with a file; whatever is missing stays as it is.
    pub fn read<'a>(mut self, value: impl Fn(&str) -> Option<&'a str>) -> Result<Self, String> {
        if let Some(mode) = value(MODE) {
            self.mode = match mode {
                "replace" => Mode::Replace,
                "merge" => Mode::Merge,
                _ => return Err(format!("{MODE} is replace or merge, not {mode:?}")),
            };
        }
        if let Some(strictness) = value(STRICTNESS) {
            self.strictness = match strictness {
                "strict" => Strictness::Strict,
                "lenient" => Strictness::Lenient,
                _ => return Err(format!("{STRICTNESS} is strict or lenient, not {strictness:?}")),
            };
        }
        if let Some(price) = value(DEFAULT_PRICE) {
            let minor = price.parse::<i64>().ok().and_then(|minor| Price::try_from(minor).ok());
            let minor = minor.ok_or_else(|| format!("{DEFAULT_PRICE} is minor units, not {price:?}"))?;
            self.default_price = Some(minor);
        }
        if let Some(percent) = value(MAX_MISSING_PERCENT) {
            let max = percent.parse::<i64>().ok().and_then(|percent| Percent::try_from(percent).ok());
            let max = max.ok_or_else(|| format!("{MAX_MISSING_PERCENT} is 0 to 100, not {percent:?}"))?;
            self.max_missing_percent = Some(max);
        }
        Ok(self)
    }

    /// Whether so many may be missing of so many.
    pub fn may_miss(&self, missing: u64, of: u64) -> bool {
        let max = self.max_missing_percent.unwrap_or(Percent::DEFAULT_MAX_MISSING);
        u128::from(missing) * 100 <= u128::from(of) * u128::from(max.0)
    }
}

/// A whole share of a hundred.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "i64", into = "i64")]
pub struct Percent(u8);

#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("must be 0 to 100")]
pub struct InvalidPercent;

impl Percent {
    /// A tenth of a company leaves at once so rarely that somebody should say so.
    pub const DEFAULT_MAX_MISSING: Self = Self(10);

    pub fn get(self) -> u8 {
        self.0
    }
}

impl TryFrom<i64> for Percent {
    type Error = InvalidPercent;

    fn try_from(percent: i64) -> Result<Self, InvalidPercent> {
        u8::try_from(percent).ok().filter(|percent| *percent <= 100).map(Self).ok_or(InvalidPercent)
    }
}

impl From<Percent> for i64 {
    fn from(percent: Percent) -> i64 {
        percent.0.into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_share_may_be_missing() {
        let check = |percent: Option<i64>, missing, of, may| {
            let max_missing_percent = percent.map(|percent| Percent::try_from(percent).unwrap());
            let options = Options { max_missing_percent, ..Options::new(Mode::Replace) };
            assert_eq!(options.may_miss(missing, of), may, "{percent:?} {missing} {of}");
        };
        check(None, 10, 100, true);
        check(None, 11, 100, false);
        check(None, 0, 0, true);
        check(Some(0), 1, 1_000, false);
        check(Some(100), 7, 7, true);
        assert!(Percent::try_from(101).is_err() && Percent::try_from(-1).is_err());
    }

    #[test]
    fn what_goes_with_a_file_is_read_back() {
        let price = Some(Price::try_from(4_500).unwrap());
        for mode in [Mode::Replace, Mode::Merge] {
            for strictness in [Strictness::Strict, Strictness::Lenient] {
                for default_price in [None, price] {
                    let max_missing_percent = price.and(Percent::try_from(25).ok());
                    let options = Options { mode, strictness, default_price, max_missing_percent };
                    let written = options.write();
                    let value = |name: &str| {
                        written.iter().find(|(written, _)| *written == name).map(|(_, value)| value.as_str())
                    };
                    assert_eq!(Options::new(Mode::Replace).read(value), Ok(options));
                }
            }
        }
        assert_eq!(Options::new(Mode::Merge).read(|_| None), Ok(Options::new(Mode::Merge)));
        for wrong in [MODE, STRICTNESS, DEFAULT_PRICE, MAX_MISSING_PERCENT] {
            let read = Options::new(Mode::Merge).read(|name| (name == wrong).then_some("maybe"));
            assert!(read.unwrap_err().contains(wrong));
        }
    }
}
