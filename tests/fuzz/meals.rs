//! Menus, and what is exported from them.

#![no_main]

libfuzzer_sys::fuzz_target!(|file: &[u8]| {
    fuzz::meals(file);
});
