//! Amounts and counts as people write them.

#![no_main]

use domain::import::{decimal, minor_units, rounded};

libfuzzer_sys::fuzz_target!(|number: &str| {
    let _count = rounded(number);
    for digits in 0..=3 {
        if let Ok(minor) = minor_units(number, digits) {
            let written = decimal(u64::try_from(minor).expect("nothing negative is read"), digits);
            assert_eq!(minor_units(&written, digits), Ok(minor), "{number} is written {written}");
        }
    }
});
