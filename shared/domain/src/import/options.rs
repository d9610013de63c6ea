//! How a file is read, and how the file itself says so.

use crate::money::Price;
use serde::{Deserialize, Serialize};

/// The largest file, as it lies in the store: 64 MiB.
pub const MAX_FILE_BYTES: u64 = 64 * 1024 * 1024;
/// What a file may call itself; what it is, is looked at. The last two say nothing.
pub const CONTENT_TYPES: [&str; 9] = [
    "text/csv",
    "text/tab-separated-values",
    "text/plain",
    // What Windows calls a CSV file.
    "application/vnd.ms-excel",
    "application/gzip",
    "application/x-gzip",
    "application/x-ndjson",
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
}

const MODE: &str = "mode";
const STRICTNESS: &str = "strictness";
const DEFAULT_PRICE: &str = "default-price";

impl Options {
    /// Unless somebody says otherwise.
    pub fn new(mode: Mode) -> Self {
        Self { mode, strictness: Strictness::default(), default_price: None }
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
        [(MODE, mode.to_owned()), (STRICTNESS, strictness.to_owned())].into_iter().chain(price).collect()
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
        Ok(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_goes_with_a_file_is_read_back() {
        let price = Some(Price::try_from(4_500).unwrap());
        for mode in [Mode::Replace, Mode::Merge] {
            for strictness in [Strictness::Strict, Strictness::Lenient] {
                for default_price in [None, price] {
                    let options = Options { mode, strictness, default_price };
                    let written = options.write();
                    let value = |name: &str| {
                        written.iter().find(|(written, _)| *written == name).map(|(_, value)| value.as_str())
                    };
                    assert_eq!(Options::new(Mode::Replace).read(value), Ok(options));
                }
            }
        }
        assert_eq!(Options::new(Mode::Merge).read(|_| None), Ok(Options::new(Mode::Merge)));
        for wrong in [MODE, STRICTNESS, DEFAULT_PRICE] {
            let read = Options::new(Mode::Merge).read(|name| (name == wrong).then_some("maybe"));
            assert!(read.unwrap_err().contains(wrong));
        }
    }
}
