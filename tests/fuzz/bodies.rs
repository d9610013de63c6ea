//! Bodies of every route that takes one.

#![no_main]

thread_local! {
    static COUNTER: fuzz::counter::Counter = fuzz::counter::Counter::default();
}

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    let [route, body @ ..] = data else { return };
    COUNTER.with(|counter| counter.hand_in(*route, body));
});
