//! Workbooks from inside: a sheet and the texts that it refers to.

#![no_main]

libfuzzer_sys::fuzz_target!(|file: &[u8]| {
    fuzz::sheet(file);
});
