//! A JSON object a line.

#![no_main]

libfuzzer_sys::fuzz_target!(|file: &[u8]| {
    let _rows = fuzz::rows(&[b"{\"name\":", file].concat());
});
