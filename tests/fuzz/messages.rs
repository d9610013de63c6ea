//! Messages as a worker gets them: commands, and what happened.

#![no_main]

libfuzzer_sys::fuzz_target!(|body: &[u8]| {
    fuzz::message(body);
});
