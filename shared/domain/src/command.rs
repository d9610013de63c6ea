//! What a caller asks for, and its versioned form in a message.
//!
//! A message outlives the code that wrote it: version 1 stays readable for ever, new fields are
//! optional, and a change of meaning is a new version.

use crate::admin::Administer;
use crate::booking::PostBooking;
use crate::event::Event;
use crate::id::{
    CheckoutId, CommandId, ConcessionaireId, EmployeeNumber, KEY_LIFETIME_MS, MealCode, Rfid, StationId,
    TenantId, UserName, WebhookId,
};
use crate::money::{Price, Quantity};
use crate::planted::{self, Planted};
use crate::request::RequestHash;
use crate::webhook::DeliveryId;
use jiff::civil::Date;
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use thiserror::Error;
use uuid::Uuid;

/// How long after it was accepted a command may still be applied: 5 minutes.
pub const COMMAND_LIFETIME: SignedDuration = SignedDuration::from_mins(5);
/// How far the clocks of functions and terminals may be apart, beyond what the contract allows.
pub const SKEW: SignedDuration = SignedDuration::from_mins(1);
/// How long after its id was made a command may still move a wallet: 72 hours and 6 minutes.
pub const MOVES_WITHIN: SignedDuration =
    SignedDuration::from_secs(KEY_LIFETIME_MS / 1000 + COMMAND_LIFETIME.as_secs() + SKEW.as_secs());
/// Lines in one checkout: more than any tray holds, and far inside one item and one message.
pub const MAX_LINES: usize = 50;

/// A command as it travels.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Command {
    PostCheckout(PostCheckout),
    PostBooking(PostBooking),
    Administer(Box<Administer>),
    OpenCutoff(OpenCutoff),
    Replenish(Replenish),
    ImportFile(ImportFile),
    Deliver(Box<Deliver>),
    OpenReconciliation(OpenReconciliation),
    Reconcile(Reconcile),
    Probe(Probe),
}

impl Command {
    /// As a message, without giving it away.
    pub fn written(&self) -> serde_json::Result<String> {
        #[derive(Serialize)]
        struct Written<'a> {
            v: FormatVersion,
            #[serde(flatten)]
            command: &'a Command,
        }
        serde_json::to_string(&Written { v: FormatVersion, command: self })
    }

    /// Whose it is.
    pub fn tenant(&self) -> &TenantId {
        match self {
            Command::PostCheckout(checkout) => &checkout.tenant,
            Command::PostBooking(booking) => &booking.tenant,
            Command::Administer(asked) => &asked.tenant,
            Command::OpenCutoff(tick) => &tick.tenant,
            Command::Replenish(part) => &part.tenant,
            Command::ImportFile(dropped) => &dropped.tenant,
            Command::Deliver(told) => &told.tenant,
            Command::OpenReconciliation(tick) => &tick.tenant,
            Command::Reconcile(part) => &part.tenant,
            Command::Probe(probe) => &probe.tenant,
        }
    }

    /// What queues filter on; a probe goes the way of the kind that it probes.
    pub fn kind(&self) -> Kind {
        match self {
            Command::PostCheckout(_) => Kind::PostCheckout,
            Command::PostBooking(_) => Kind::PostBooking,
            Command::Administer(_) => Kind::Administer,
            Command::OpenCutoff(_) => Kind::OpenCutoff,
            Command::Replenish(_) => Kind::Replenish,
            Command::ImportFile(_) => Kind::ImportFile,
            Command::Deliver(_) => Kind::Deliver,
            Command::OpenReconciliation(_) => Kind::OpenReconciliation,
            Command::Reconcile(_) => Kind::Reconcile,
            Command::Probe(probe) => probe.of,
        }
    }
}

/// The `kind` attribute of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    PostCheckout,
    PostBooking,
    Administer,
    OpenCutoff,
    Replenish,
    ImportFile,
    Deliver,
    OpenReconciliation,
    Reconcile,
}

impl Kind {
    pub const ALL: [Self; 9] = [
        Self::PostCheckout,
        Self::PostBooking,
        Self::Administer,
        Self::OpenCutoff,
        Self::Replenish,
        Self::ImportFile,
        Self::Deliver,
        Self::OpenReconciliation,
        Self::Reconcile,
    ];

    /// As attributes, filters and stored items have it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::PostCheckout => "post_checkout",
            Self::PostBooking => "post_booking",
            Self::Administer => "administer",
            Self::OpenCutoff => "open_cutoff",
            Self::Replenish => "replenish",
            Self::ImportFile => "import_file",
            Self::Deliver => "deliver",
            Self::OpenReconciliation => "open_reconciliation",
            Self::Reconcile => "reconcile",
        }
    }

    /// What the queue is for through which it goes.
    pub fn purpose(self) -> Purpose {
        match self {
            Self::PostCheckout | Self::PostBooking => Purpose::Checkouts,
            Self::Administer => Purpose::Admin,
            Self::OpenCutoff | Self::Replenish => Purpose::Replenishment,
            Self::ImportFile => Purpose::Imports,
            Self::Deliver => Purpose::Deliveries,
            Self::OpenReconciliation | Self::Reconcile => Purpose::Reconciliation,
        }
    }
}

/// What one of a tenant's queues is for; each feeds one kind of worker.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Purpose {
    Checkouts,
    Admin,
    Replenishment,
    Imports,
    /// What happened, to be announced; it comes from the topic of results.
    Results,
    /// What happened, to be told to webhooks.
    Deliveries,
    /// Whether what is stored agrees with itself: never before anything that moves money.
    Reconciliation,
}

impl Purpose {
    pub const ALL: [Self; 7] = [
        Self::Checkouts,
        Self::Admin,
        Self::Replenishment,
        Self::Imports,
        Self::Results,
        Self::Deliveries,
        Self::Reconciliation,
    ];

    /// As names have it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Checkouts => "checkouts",
            Self::Admin => "admin",
            Self::Replenishment => "replenishment",
            Self::Imports => "imports",
            Self::Results => "results",
            Self::Deliveries => "deliveries",
            Self::Reconciliation => "reconciliation",
        }
    }

    /// The kinds of command that go this way; none where it is events that do.
    pub fn kinds(self) -> impl Iterator<Item = Kind> {
        Kind::ALL.into_iter().filter(move |kind| kind.purpose() == self)
    }
}

/// The envelope of every message.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Message {
    pub v: FormatVersion,
    #[serde(flatten)]
    pub command: Command,
}

impl Message {
    pub fn new(command: Command) -> Self {
        Self { v: FormatVersion, command }
    }
}

/// The one format version there is; any other is refused when read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "u8", into = "u8")]
pub struct FormatVersion;

#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("format version {0} is not known here")]
pub struct UnknownFormat(u8);

impl TryFrom<u8> for FormatVersion {
    type Error = UnknownFormat;

    fn try_from(version: u8) -> Result<Self, UnknownFormat> {
        if version == 1 { Ok(Self) } else { Err(UnknownFormat(version)) }
    }
}

impl From<FormatVersion> for u8 {
    fn from(_: FormatVersion) -> u8 {
        1
    }
}

/// Find out whether commands of a kind reach their queue: a filter may take a quarter of an hour to apply,
/// and until then its topic drops what it would let through. A probe therefore calls itself what it probes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Probe {
    pub tenant: TenantId,
    /// Version 1's probes say nothing of it; they came through what only let checkouts through.
    #[serde(default = "of_the_first_release")]
    pub of: Kind,
    /// Another one each time, or the topic would swallow it as a resend.
    pub id: Uuid,
}

fn of_the_first_release() -> Kind {
    Kind::PostCheckout
}

/// See whether a cutoff is due, and carry on with the one that is open. Whether there is anything to do is
/// for the worker to find out, so it may come early, late, or twice.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OpenCutoff {
    pub tenant: TenantId,
    /// Another one each time, or the topic would swallow it as a resend: a schedule's own, or a random one.
    pub id: String,
}

impl OpenCutoff {
    pub fn new(tenant: &TenantId, id: impl ToString) -> Self {
        Self { tenant: tenant.clone(), id: id.to_string() }
    }
}

/// Replenish some employees' wallets for one cutoff.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Replenish {
    pub tenant: TenantId,
    /// The cutoff's.
    pub date: Date,
    /// Which walk through the roster, from 0.
    pub round: u32,
    /// Which part of the roster it is, from 0.
    #[serde(rename = "chunk")]
    pub part: u32,
    pub employees: Vec<EmployeeNumber>,
}

/// See whether a look at all wallets is due, and carry on with the one that is open. It may come early, late,
/// or twice, as a tick of cutoffs may.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OpenReconciliation {
    pub tenant: TenantId,
    /// Another one each time, or the topic would swallow it as a resend: a schedule's own, or a random one.
    pub id: String,
}

impl OpenReconciliation {
    pub fn new(tenant: &TenantId, id: impl ToString) -> Self {
        Self { tenant: tenant.clone(), id: id.to_string() }
    }
}

/// Look at some employees' wallets for one run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reconcile {
    pub tenant: TenantId,
    /// The run's.
    pub date: Date,
    /// Which part of the roster it is, from 0.
    pub part: u32,
    pub employees: Vec<EmployeeNumber>,
}

/// Take a file that was dropped for a tenant: as the store of files announces it, which may be late or twice.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ImportFile {
    pub tenant: TenantId,
    /// Where it lies in the store.
    pub key: String,
    /// The hash of its content that the store gave it.
    pub etag: String,
    /// Another one for each time that something is put there.
    pub sequencer: String,
}

/// Tell one webhook of one event.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Deliver {
    pub tenant: TenantId,
    pub webhook: WebhookId,
    pub event: Event,
    /// The command by which somebody asked for it, if somebody did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub asked: Option<CommandId>,
    /// Whether it left its lane, because its receiver takes others.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub is_aside: bool,
}

impl Deliver {
    pub fn id(&self) -> DeliveryId {
        DeliveryId::new(&self.event, self.asked)
    }
}

/// Sell a basket to one employee.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PostCheckout {
    pub tenant: TenantId,
    pub id: CheckoutId,
    pub request: RequestHash,
    pub caller: UserName,
    pub employee: EmployeeNumber,
    /// The badge shown, if the employee was found by one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub badge: Option<Rfid>,
    pub station: StationId,
    pub concessionaire: ConcessionaireId,
    pub basket: Basket,
    pub accepted_at: Timestamp,
    pub expires_at: Timestamp,
}

impl PostCheckout {
    /// Whether nobody waits for it any more: it is never settled.
    pub fn is_expired(&self, now: Timestamp) -> bool {
        now > self.expires_at && !planted::is(Planted::ExpiryIgnored)
    }
}

/// One line of an order; `price` is what the terminal displayed, if it says so.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OrderLine {
    pub code: MealCode,
    pub qty: Quantity,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub price: Option<Price>,
}

/// One to [`MAX_LINES`] lines.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Vec<OrderLine>", into = "Vec<OrderLine>")]
pub struct Basket(Vec<OrderLine>);

#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("a basket has 1 to {MAX_LINES} lines")]
pub struct InvalidBasket;

impl Basket {
    pub fn lines(&self) -> &[OrderLine] {
        &self.0
    }
}

impl TryFrom<Vec<OrderLine>> for Basket {
    type Error = InvalidBasket;

    fn try_from(lines: Vec<OrderLine>) -> Result<Self, InvalidBasket> {
        if (1..=MAX_LINES).contains(&lines.len()) { Ok(Self(lines)) } else { Err(InvalidBasket) }
    }
}

impl From<Basket> for Vec<OrderLine> {
    fn from(basket: Basket) -> Vec<OrderLine> {
        basket.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::admin::Change;
    use crate::booking::{BookingKind, Correction, Share};
    use crate::cutoff::{DayOfMonth, Method, NegativeBalance, Policy, Schedule};
    use crate::money::Money;
    use std::collections::BTreeSet;

    fn line(code: &str, qty: i64, price: Option<i64>) -> OrderLine {
        OrderLine {
            code: code.parse().unwrap(),
            qty: qty.try_into().unwrap(),
            price: price.map(|minor| minor.try_into().unwrap()),
        }
    }

    /// A message reads from what a release wrote, is written so today, and not read in another version.
    #[track_caller]
    fn check(command: Command, golden: &str) {
        let message = Message::new(command);
        assert_eq!(serde_json::to_string_pretty(&message).unwrap(), golden.trim_end());
        assert_eq!(serde_json::from_str::<Message>(golden).unwrap(), message);
        assert_eq!(message.command.written().unwrap(), serde_json::to_string(&message).unwrap());
        let v2 = golden.replacen("\"v\": 1", "\"v\": 2", 1);
        assert!(serde_json::from_str::<Message>(&v2).is_err());
    }

    #[test]
    fn what_moves_a_wallet_reads_as_it_always_did() {
        let command = PostCheckout {
            tenant: "acme".parse().unwrap(),
            id: "01900000-0000-7000-8000-000000000000".parse().unwrap(),
            request: RequestHash::from_bytes([0xa5; 32]),
            caller: "acme-cashier".parse().unwrap(),
            employee: "100042".parse().unwrap(),
            badge: Some("RF100042".parse().unwrap()),
            station: "coffee-bar-1".parse().unwrap(),
            concessionaire: "coffee-bar".parse().unwrap(),
            basket: Basket::try_from(vec![line("COFFEE", 1, Some(4_500)), line("TEA", 2, None)]).unwrap(),
            accepted_at: "2026-03-02T04:00:00.123Z".parse().unwrap(),
            expires_at: "2026-03-02T04:05:00.123Z".parse().unwrap(),
        };
        check(Command::PostCheckout(command), include_str!("golden/post_checkout_v1.json"));
        let command = PostBooking {
            tenant: "acme".parse().unwrap(),
            id: "01900000-0000-7000-8000-000000000001".parse().unwrap(),
            request: RequestHash::from_bytes([0xa5; 32]),
            caller: "acme-manager".parse().unwrap(),
            employee: "100042".parse().unwrap(),
            correction: Correction::Refund {
                checkout: "01900000-0000-7000-8000-000000000000".parse().unwrap(),
                concessionaire: Some("coffee-bar".parse().unwrap()),
                share: Share::Items([("TEA".parse().unwrap(), 1.try_into().unwrap())].into()),
            },
            reason: "cold".to_owned().try_into().unwrap(),
            accepted_at: "2026-03-02T04:01:00.123Z".parse().unwrap(),
            expires_at: "2026-03-02T04:06:00.123Z".parse().unwrap(),
        };
        check(Command::PostBooking(command), include_str!("golden/post_booking_v1.json"));
    }

    #[test]
    fn what_is_administered_reads_as_it_always_did() {
        let policy = Policy {
            schedule: Schedule::semi_monthly(15.try_into().unwrap(), DayOfMonth::LAST).unwrap(),
            at: "06:00".to_owned().try_into().unwrap(),
            method: Method::TopUp { amount: Money::from_minor(250_000), cap: Money::from_minor(500_000) },
            negative_balance: NegativeBalance::Carry,
            default_limit: Money::from_minor(500_000),
            prorates_joiners: true,
        };
        let command = Administer {
            tenant: "acme".parse().unwrap(),
            id: "01900000-0000-7000-8000-000000000002".parse().unwrap(),
            request: RequestHash::from_bytes([0xa5; 32]),
            caller: "acme-admin".parse().unwrap(),
            change: Change::SetCreditPolicy { policy },
            accepted_at: "2026-03-02T04:00:00.123Z".parse().unwrap(),
            expires_at: "2026-03-02T04:05:00.123Z".parse().unwrap(),
        };
        check(Command::Administer(Box::new(command)), include_str!("golden/administer_v1.json"));
    }

    /// Whatever a part of a message may be reads from what a release wrote, and is written so today.
    #[track_caller]
    fn check_all<T: Serialize + for<'a> Deserialize<'a>>(golden: &str) -> Vec<T> {
        let read: Vec<T> = serde_json::from_str(golden).unwrap();
        assert_eq!(serde_json::to_string_pretty(&read).unwrap(), golden.trim_end());
        read
    }

    #[test]
    fn every_change_and_correction_reads_as_it_always_did() {
        let changes: Vec<Change> = check_all(include_str!("golden/changes_v1.json"));
        let names: BTreeSet<_> = changes.iter().map(Change::name).collect();
        // What cannot be read is answered with the names of all that could.
        let unknown = serde_json::from_str::<Change>(r#"{ "change": "?" }"#).unwrap_err().to_string();
        let (_, known) = unknown.split_once("expected one of").unwrap();
        assert_eq!(names.len(), known.split(',').count(), "each has a golden form: {names:?} of {known}");
        let corrections: Vec<Correction> = check_all(include_str!("golden/corrections_v1.json"));
        let kinds: Vec<_> = corrections.iter().map(Correction::kind).collect();
        assert_eq!(
            kinds,
            [BookingKind::Void, BookingKind::Refund, BookingKind::Refund, BookingKind::Adjustment]
        );
    }

    #[test]
    fn what_replenishes_reads_as_it_always_did() {
        let acme: TenantId = "acme".parse().unwrap();
        let tick = OpenCutoff::new(&acme, "2026-03-15T06:00:00Z");
        check(Command::OpenCutoff(tick), include_str!("golden/open_cutoff_v1.json"));
        let part = Replenish {
            tenant: acme,
            date: jiff::civil::date(2026, 3, 15),
            round: 1,
            part: 7,
            employees: vec!["100001".parse().unwrap(), "100002".parse().unwrap()],
        };
        check(Command::Replenish(part), include_str!("golden/replenish_v1.json"));
    }

    #[test]
    fn what_reconciles_reads_as_it_always_did() {
        let acme: TenantId = "acme".parse().unwrap();
        let tick = OpenReconciliation::new(&acme, "2026-03-15T06:00:00Z");
        check(Command::OpenReconciliation(tick), include_str!("golden/open_reconciliation_v1.json"));
        let part = Reconcile {
            tenant: acme,
            date: jiff::civil::date(2026, 3, 15),
            part: 7,
            employees: vec!["100001".parse().unwrap(), "100002".parse().unwrap()],
        };
        check(Command::Reconcile(part), include_str!("golden/reconcile_v1.json"));
    }

    #[test]
    fn what_imports_reads_as_it_always_did() {
        let dropped = ImportFile {
            tenant: "acme".parse().unwrap(),
            key: "acme/menus/coffee-bar/01900000-0000-7000-8000-000000000000".to_owned(),
            etag: "d41d8cd98f00b204e9800998ecf8427e".to_owned(),
            sequencer: "0062E99A88DC407460".to_owned(),
        };
        check(Command::ImportFile(dropped), include_str!("golden/import_file_v1.json"));
    }

    #[test]
    fn what_webhooks_are_told_reads_as_it_always_did() {
        let told = Deliver {
            tenant: "acme".parse().unwrap(),
            webhook: "01900000-0000-7000-8000-000000000003".parse().unwrap(),
            event: Event {
                id: "cutoff-2026-03-15".to_owned(),
                kind: crate::event::EventKind::CutoffClosed,
                subject: "cutoffs/2026-03-15".to_owned(),
                at: "2026-03-15T00:05:00Z".parse().unwrap(),
                tenant: "acme".parse().unwrap(),
                about: crate::event::About::default(),
                data: serde_json::json!({ "booked": 2 }),
            },
            asked: Some("01900000-0000-7000-8000-000000000004".parse().unwrap()),
            is_aside: true,
        };
        check(Command::Deliver(Box::new(told)), include_str!("golden/deliver_v1.json"));
    }

    #[test]
    fn a_probe_of_version_1_reads_as_it_always_did() {
        let id = "01900000-0000-7000-8000-000000000000".parse().unwrap();
        let probe = |of| Message::new(Command::Probe(Probe { tenant: "acme".parse().unwrap(), of, id }));
        let golden = r#"{"v":1,"kind":"probe","tenant":"acme","of":"administer","id":"01900000-0000-7000-8000-000000000000"}"#;
        assert_eq!(serde_json::to_string(&probe(Kind::Administer)).unwrap(), golden);
        assert_eq!(serde_json::from_str::<Message>(golden).unwrap(), probe(Kind::Administer));
        let first = golden.replacen(r#""of":"administer","#, "", 1);
        assert_eq!(serde_json::from_str::<Message>(&first).unwrap(), probe(Kind::PostCheckout));
    }

    #[test]
    fn every_kind_is_stored_under_its_name() {
        for kind in Kind::ALL {
            assert_eq!(serde_json::to_value(kind).unwrap(), kind.as_str());
        }
    }

    #[test]
    fn a_basket_is_neither_empty_nor_endless() {
        assert_eq!(Basket::try_from(vec![]), Err(InvalidBasket));
        assert!(Basket::try_from(vec![line("a", 1, None); MAX_LINES]).is_ok());
        assert_eq!(Basket::try_from(vec![line("a", 1, None); MAX_LINES + 1]), Err(InvalidBasket));
    }
}
