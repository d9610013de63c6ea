//! Workbooks from outside: an archive and its directory.

#![no_main]

libfuzzer_sys::fuzz_target!(|file: &[u8]| {
    let _rows = fuzz::rows(&[b"PK\x03\x04", file].concat());
});
