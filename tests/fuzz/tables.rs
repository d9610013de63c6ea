//! Tables between commas, semicolons or tabs, and whatever is none.

#![no_main]

libfuzzer_sys::fuzz_target!(|file: &[u8]| {
    let _rows = fuzz::rows(file);
});
