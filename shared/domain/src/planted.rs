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
    /// An administered item is replaced whatever its revision.
    RevisionIgnored,
    /// A late change is applied like any other.
    AdminExpiryIgnored,
    /// The pool of users does not follow the table.
    PoolForgotten,
    /// A change is done with although its receipt was not told.
    ReceiptUntold,
    /// A cutoff is opened again that was opened before.
    LatestForgotten,
    /// A grant bears the name of its part instead of its cutoff.
    GrantUnnamed,
    /// A cutoff grants to whoever was let go, too.
    GrantToAnybody,
    /// A part of a roster counts as done before its employees are booked.
    PartNotedFirst,
    /// A cutoff is closed though parts of its roster are not done.
    CutoffClosedEarly,
    /// Whoever joins while a cutoff is open has no share of it, and nobody looks again.
    JoinerForgotten,
    /// A menu is switched before its last meals are written.
    MenuSwitchedEarly,
    /// A menu that is merged loses what its file does not name.
    MergeForgets,
    /// A strict file is applied without its bad rows.
    BadRowsTaken,
    /// An event is announced although no webhook was handed it.
    HookForgotten,
    /// A webhook was told whatever its receiver answered.
    HookBelieved,
    /// A delivery is done with although its receiver did not take it.
    HookAcknowledged,
    /// A listener is not told of what concerns no wallet.
    ListenerSkipped,
    /// A cursor leads on in any list of any tenant.
    CursorUnbound,
    /// A command is worked off whosever queue and group it came through.
    QueueTrusted,
    /// A reconciliation is closed, as complete, though parts of its roster were not looked at.
    RunClosedEarly,
    /// A ticket reads pending for ever.
    TicketNeverSpent,
    /// A group's messages are worked off the last one first.
    GroupReversed,
    /// An adjustment takes more than there is.
    AdjustedBelowFloor,
    /// A receipt says that what is changed was what it becomes.
    BeforeInvented,
    /// What cannot be read fails its whole batch.
    PoisonSpreads,
    /// Menus are kept by concessionaire and version, whosever they are.
    MenuOfAnybody,
    /// Whoever subscribes is told so, and has no seat.
    SeatForgotten,
    /// A reconciliation overlooks the last item of each page that it reads.
    MovementOverlooked,
    /// A reconciliation does not add up what it reads.
    SumsUnchecked,
    /// A sale is of the business day on which it was decided.
    DatedWhenDecided,
    /// What is decided on may be read a moment late.
    ReadStale,
    /// A late correction is booked like any other.
    BookingExpiryIgnored,
    /// Meals are given back at the prices of the menu, whatever was paid.
    DiscountGivenBack,
    /// A cashier may void what was sold long ago.
    VoidWindowIgnored,
    /// Edits of a menu lie over the next one, too, that replaces it.
    EditsOutliveMenu,
    /// The first edit of a meal stands, whatever is edited later.
    EditLost,
    /// A cutoff is opened under a policy that was replaced meanwhile.
    PolicyUnguarded,
    /// What was begun before a station closed or moved is refused.
    StationForgetful,
    /// Whatever reached a tenant's queues is forgotten when the platform changes how the tenant keeps its
    /// books.
    TenantFoundedAnew,
    /// Whoever joins between two cutoffs has all of the last one.
    ProrationIgnored,
    /// Whoever is missing from a roster stays.
    LeaversKept,
    /// Whoever is in a roster is let go, too.
    RosterUnread,
    /// A roster undoes what somebody changed after it was put.
    RosterOverwrites,
    /// A tenant that is suspended or resumed stays as it was.
    SuspensionForgotten,
    /// Whoever joins after a cutoff was closed has all of it.
    JoinedTooLate,
    /// A cutoff is due at its hour of UTC.
    ZoneIgnored,
    /// What a cutoff lets lapse is not told apart from what it grants.
    LapseForgotten,
    /// Who comes back is told nothing of what they missed.
    MissedUntold,
    /// A menu is changed whatever version was asked for.
    MatchIgnored,
    /// A change of a menu that is sent again is held against the version that it made.
    MatchedAgain,
    /// A stored correction answers for every request under its key.
    CorrectionTrusted,
}

impl Planted {
    pub const ALL: [Planted; 70] = [
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
        Planted::RevisionIgnored,
        Planted::AdminExpiryIgnored,
        Planted::PoolForgotten,
        Planted::ReceiptUntold,
        Planted::LatestForgotten,
        Planted::GrantUnnamed,
        Planted::GrantToAnybody,
        Planted::PartNotedFirst,
        Planted::CutoffClosedEarly,
        Planted::JoinerForgotten,
        Planted::MenuSwitchedEarly,
        Planted::MergeForgets,
        Planted::BadRowsTaken,
        Planted::HookForgotten,
        Planted::HookBelieved,
        Planted::HookAcknowledged,
        Planted::ListenerSkipped,
        Planted::CursorUnbound,
        Planted::QueueTrusted,
        Planted::RunClosedEarly,
        Planted::TicketNeverSpent,
        Planted::GroupReversed,
        Planted::AdjustedBelowFloor,
        Planted::BeforeInvented,
        Planted::PoisonSpreads,
        Planted::MenuOfAnybody,
        Planted::SeatForgotten,
        Planted::MovementOverlooked,
        Planted::SumsUnchecked,
        Planted::DatedWhenDecided,
        Planted::ReadStale,
        Planted::BookingExpiryIgnored,
        Planted::DiscountGivenBack,
        Planted::VoidWindowIgnored,
        Planted::EditsOutliveMenu,
        Planted::EditLost,
        Planted::PolicyUnguarded,
        Planted::StationForgetful,
        Planted::TenantFoundedAnew,
        Planted::ProrationIgnored,
        Planted::LeaversKept,
        Planted::RosterUnread,
        Planted::RosterOverwrites,
        Planted::SuspensionForgotten,
        Planted::JoinedTooLate,
        Planted::ZoneIgnored,
        Planted::LapseForgotten,
        Planted::MissedUntold,
        Planted::MatchIgnored,
        Planted::MatchedAgain,
        Planted::CorrectionTrusted,
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
