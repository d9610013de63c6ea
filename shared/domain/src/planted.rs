//! Bugs planted on purpose, so that the simulator can show that it notices them. Without the feature
//! `planted-bugs`, which only `make mutants` asks for, none is ever there and every hook compiles away.

/// Each is a mistake that somebody could make in the place that asks for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Planted {
    /// A wallet is written whatever its version.
    WalletUnguarded,
    /// A movement leaves the wallet's version as it was.
    VersionForgotten,
    /// A checkout is put over whatever stands under its id.
    CheckoutUnguarded,
    /// A cancelled transaction counts as done.
    ConflictIsSuccess,
    /// After a lost race the old decision is written against the new version.
    StaleDecision,
    /// What failed is not handed back.
    FailureAcknowledged,
    /// Only the first message of a stopped group is handed back.
    GroupUnblocked,
    /// A refusal is not stored.
    RejectionUnstored,
    /// A late command is decided like any other.
    ExpiryIgnored,
    /// A stored checkout answers for every request under its key.
    ReplayUnchecked,
    /// The topic deduplicates by key, whatever the body.
    DeduplicatedByKey,
    /// Accepted although the topic did not take it.
    AcceptedUnpublished,
    /// A ticket is given up while its command may still settle.
    FailedTooSoon,
    /// The terminal's price is charged.
    PriceTrusted,
    /// The meals of the first menu seen are kept for ever.
    MenuForgottenToAge,
    /// A wallet may go below its floor.
    FloorIgnored,
    /// More may be given back than was paid.
    RefundUncapped,
    /// A void gives back the whole sale, whatever was given back before.
    VoidInFull,
    /// A message is done with although its outcome was not told.
    UntoldAcknowledged,
}

impl Planted {
    pub const ALL: [Planted; 19] = [
        Planted::WalletUnguarded,
        Planted::VersionForgotten,
        Planted::CheckoutUnguarded,
        Planted::ConflictIsSuccess,
        Planted::StaleDecision,
        Planted::FailureAcknowledged,
        Planted::GroupUnblocked,
        Planted::RejectionUnstored,
        Planted::ExpiryIgnored,
        Planted::ReplayUnchecked,
        Planted::DeduplicatedByKey,
        Planted::AcceptedUnpublished,
        Planted::FailedTooSoon,
        Planted::PriceTrusted,
        Planted::MenuForgottenToAge,
        Planted::FloorIgnored,
        Planted::RefundUncapped,
        Planted::VoidInFull,
        Planted::UntoldAcknowledged,
    ];
}

#[cfg(not(feature = "planted-bugs"))]
mod switch {
    use super::Planted;

    /// Whether this bug is planted: never, in anything that is delivered.
    #[inline(always)]
    pub const fn is(_: Planted) -> bool {
        false
    }
}

#[cfg(feature = "planted-bugs")]
mod switch {
    use super::Planted;
    use std::cell::Cell;

    thread_local! {
        static PLANTED: Cell<Option<Planted>> = const { Cell::new(None) };
    }

    /// Whether this bug is planted on this thread.
    pub fn is(planted: Planted) -> bool {
        PLANTED.get() == Some(planted)
    }

    /// Plants one bug on this thread, or none.
    pub fn plant(planted: Option<Planted>) {
        PLANTED.set(planted);
    }
}

pub use switch::*;
