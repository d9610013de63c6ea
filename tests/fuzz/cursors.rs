//! Cursors of every list, as they came or not, where they were given out or elsewhere.

#![no_main]

thread_local! {
    static LISTS: fuzz::lists::Lists = fuzz::lists::Lists::default();
}

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    let [from, to, how, with @ ..] = data else { return };
    LISTS.with(|lists| lists.turn_a_page(*from, *to, *how, with));
});
