//! The same packed and not.

#![no_main]

libfuzzer_sys::fuzz_target!(|file: &[u8]| {
    fuzz::packed(file);
});
