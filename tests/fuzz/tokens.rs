//! What proves something: tickets of commands and of listeners, and the claims of a token.

#![no_main]

thread_local! {
    static DESK: fuzz::proofs::Desk = fuzz::proofs::Desk::default();
}

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    let [what, rest @ ..] = data else { return };
    DESK.with(|desk| match (what % 3, rest) {
        (0, [from, to, how, with @ ..]) => desk.ask_what_came(*from, *to, *how, with),
        (1, [how, with @ ..]) => desk.listen(*how, with),
        (2, claims) => desk.come_in(claims),
        _ => {}
    });
});
