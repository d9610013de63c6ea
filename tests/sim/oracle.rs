//! What terminals asked and were told, held against one another and against what is stored.
//! An outcome that was seen once is the outcome for ever.

use super::chaos::SKEW_MAX_MS;
use super::office::Cashier;
use super::script::How;
use domain::admin::{Receipt, ReceiptOutcome};
use domain::booking::{Booking, BookingKind, BookingOutcome, Cause};
use domain::checkout::{Checkout, Outcome};
use domain::command::Basket;
use domain::cutoff::{self, Totals};
use domain::event::{Event, EventKind};
use domain::id::{
    BookingId, CheckoutId, CommandId, ConcessionaireId, EmployeeNumber, Rfid, StationId, TenantId, UserName,
};
use domain::import::{Effect, Import, Stage};
use domain::request::RequestHash;
use domain::role::Status;
use domain::tenant::{FormerStation, Station};
use jiff::civil::Date;
use jiff::{SignedDuration, Timestamp};
use local::provision;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

/// How long after its expiry a ticket may read `pending`.
const GRACE_MS: i64 = 60_000;
const LIFETIME_MS: i64 = 300_000;
/// How far two functions' clocks may be apart.
const APART: SignedDuration = SignedDuration::from_millis(2 * SKEW_MAX_MS);
/// How long a queue remembers a message.
pub const RETENTION: SignedDuration = SignedDuration::from_secs(provision::RETENTION_S as i64);

/// What must hold. The first that does not ends a simulation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Invariant {
    /// A wallet is the sum of its movements, versions without a gap.
    Ledger,
    /// What is stored under an id never changes, nor does what was seen of it.
    OneOutcome,
    /// Bookings explain what was given back of a sale, and it is never more than was paid.
    GivenBack,
    /// Prices, discounts and refusals follow from the menu and the state that they name.
    Decision,
    /// No balance below the overdraft.
    Overdraft,
    /// What was accepted is in the queue.
    Enqueued,
    /// What was acknowledged has a durable outcome, and nothing behind a failure was.
    Acknowledged,
    /// Every `202` ends, and its sender can see how.
    Ended,
    /// Answers agree with what is stored and with the contract.
    Answer,
    /// One wallet's commands settle in the order in which they were accepted.
    Order,
    /// When faults stop, every wallet can be charged again soon, and queues run dry.
    Progress,
    /// What can never be worked off delays nobody else.
    Undisturbed,
    /// What happened is told as it is stored, of each wallet in order, twice only as the same; and all of it
    /// in the end.
    Told,
    /// What comes too late charges nobody.
    Late,
    /// All of a tenant's credit together is what was told of it.
    Conserved,
    /// No function asks a service for what is another tenant's.
    Tenancy,
    /// A cutoff grants everybody once what its policy says, and closes when it has.
    Granted,
    /// A menu that stations sell from is whole, and so is a roster that was taken in: what its file says.
    Switched,
    /// Users of the pool are those of the table.
    Pool,
    /// Whoever looks whether what is stored agrees finds that it does.
    Reconciled,
    /// Nothing that a change stood on was changed before it was written.
    Overwritten,
    /// What a webhook wants is told to its receiver, or given up for a reason that can be read.
    Delivered,
    /// What is decided on is read as it stands.
    Fresh,
}

impl fmt::Display for Invariant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self:?}")
    }
}

/// One request of a terminal: what it hashes to is its name.
#[derive(Debug, Clone)]
pub struct Asked {
    pub tenant: TenantId,
    pub id: CheckoutId,
    pub employee: EmployeeNumber,
    pub badge: Option<Rfid>,
    pub cashier: Cashier,
    pub basket: Basket,
}

/// What somebody asked for of a sale, or of a wallet.
#[derive(Debug, Clone)]
pub struct AskedCorrection {
    pub how: How,
    pub sale: CheckoutId,
    pub by: UserName,
    /// Known once it is accepted.
    request: Option<String>,
    /// In the order of all first sendings and acceptances.
    first_sent: u64,
    accepted: Option<u64>,
}

/// A command in the line before its wallet.
#[derive(Debug)]
struct Turn<'a> {
    of: (&'a TenantId, &'a EmployeeNumber),
    request: String,
    first_sent: u64,
    accepted: Option<u64>,
    accepted_at: Timestamp,
    decided_at: Timestamp,
    version: Option<u64>,
}

/// What a terminal knows of a request.
#[derive(Debug)]
struct Known {
    asked: Asked,
    /// In the order of all first sendings and acceptances.
    first_sent: u64,
    accepted: Option<u64>,
    tickets: Vec<Ticket>,
    outcome: Option<Value>,
    /// Told that the key belongs to another request.
    is_reused: bool,
    /// Told that its station sells nothing, or not for its cashier.
    is_turned_away: bool,
    /// Told that its company sells nothing.
    is_suspended: bool,
}

#[derive(Debug, Clone)]
pub struct Ticket {
    pub location: String,
    pub expires_ms: i64,
    failed: bool,
}

/// Where a checkout is stored.
pub type Place = (TenantId, EmployeeNumber, CheckoutId);
/// Where a booking is stored.
pub type BookingPlace = (TenantId, EmployeeNumber, BookingId);
/// The same, and which of those that were asked for under its key.
pub type AskedPlace = (BookingPlace, usize);
/// Where the receipt of a change, or an import, is stored.
pub type Papers = (TenantId, CommandId);
pub type Verdict = Result<(), (Invariant, String)>;

#[derive(Debug, Default)]
pub struct Oracle {
    known: BTreeMap<String, Known>,
    pub stored: BTreeMap<Place, Checkout>,
    pub bookings: BTreeMap<BookingPlace, Booking>,
    pub receipts: BTreeMap<Papers, Receipt>,
    /// Menus, and versions of them at which changes were asked for.
    pub conditions: BTreeMap<Papers, (ConcessionaireId, String)>,
    /// Changes that were answered that the menu has another.
    pub overtaken: BTreeSet<Papers>,
    /// How often somebody was answered that their key was another correction's.
    reused_keys: usize,
    pub imports: BTreeMap<Papers, Import>,
    /// Cutoffs that were seen.
    pub opened: BTreeSet<(TenantId, Date)>,
    pub closed: BTreeMap<(TenantId, Date), (Timestamp, Totals)>,
    /// Sales as they were asked for.
    asked: Vec<Asked>,
    /// Corrections as they were asked for, by where they will stand: several where a key was used again.
    pub corrections: BTreeMap<BookingPlace, Vec<AskedCorrection>>,
    /// Requests that are or were messages in a queue.
    pub enqueued: BTreeSet<String>,
    /// Requests that were dead letters at some time.
    pub dead: BTreeSet<String>,
    /// What was told, by id, and how far of each wallet.
    pub events: BTreeMap<(TenantId, String), Event>,
    /// Ids in the order in which they were told.
    told: Vec<(TenantId, String)>,
    versions: BTreeMap<(TenantId, EmployeeNumber), u64>,
    /// Which events the receiver behind a URL took.
    taken: BTreeMap<String, BTreeSet<String>>,
    /// Nothing that settles from now on may; see [`Invariant::Late`].
    pub is_closed: bool,
    sequence: u64,
}

impl Asked {
    pub fn place(&self) -> Place {
        (self.tenant.clone(), self.employee.clone(), self.id)
    }
}

impl AskedCorrection {
    /// Whether a booking may be what came of it.
    fn may_be(&self, booking: &Booking) -> bool {
        let (kind, amount) = match self.how {
            How::Void { .. } => (BookingKind::Void, None),
            How::RefundAmount(amount) => (BookingKind::Refund, Some(amount)),
            How::RefundItem { .. } => (BookingKind::Refund, None),
            How::Adjust(amount) => (BookingKind::Adjustment, Some(amount)),
        };
        let moved = booking.entry().map(|entry| entry.amount.minor());
        (&booking.by, booking.kind) == (&self.by, kind)
            && amount.zip(moved).is_none_or(|(amount, moved)| amount == moved)
    }
}

fn ensure(holds: bool, invariant: Invariant, what: impl FnOnce() -> String) -> Verdict {
    if holds { Ok(()) } else { Err((invariant, what())) }
}

impl Oracle {
    fn next(&mut self) -> u64 {
        self.sequence += 1;
        self.sequence
    }

    pub fn asks(&mut self, hash: &str, asked: &Asked) {
        if !self.known.contains_key(hash) {
            let first_sent = self.next();
            let known = Known {
                asked: asked.clone(),
                first_sent,
                accepted: None,
                tickets: vec![],
                outcome: None,
                is_reused: false,
                is_turned_away: false,
                is_suspended: false,
            };
            self.known.insert(hash.to_owned(), known);
            self.asked.push(asked.clone());
        }
    }

    /// One of the latest sales that were asked for.
    pub fn asked_lately(&self, back: usize) -> Option<Asked> {
        self.asked.iter().rev().nth(back).or(self.asked.last()).cloned()
    }

    /// Which it is of those under its key.
    pub fn asks_correction(
        &mut self,
        place: BookingPlace,
        how: How,
        sale: CheckoutId,
        by: UserName,
    ) -> usize {
        let first_sent = self.next();
        let asked = AskedCorrection { how, sale, by, request: None, first_sent, accepted: None };
        let under_its_key = self.corrections.entry(place).or_default();
        under_its_key.push(asked);
        under_its_key.len() - 1
    }

    /// A `202` for a correction.
    pub fn accepted_correction(&mut self, (place, nth): &AskedPlace, request: String) {
        let sequence = self.next();
        let under_its_key = self.corrections.get_mut(place).expect("a correction that was sent");
        under_its_key[*nth].request = Some(request);
        under_its_key[*nth].accepted.get_or_insert(sequence);
    }

    /// Somebody was answered that their key was another correction's.
    pub fn refused_correction(&mut self, (place, nth): &AskedPlace) -> Verdict {
        self.reused_keys += 1;
        let own = &self.corrections[place][*nth];
        let stored = self.bookings.get(place);
        let is_anothers = stored.is_some_and(|stored| {
            let mut owners =
                self.asked_corrections(place, stored.cause.as_ref()).filter(|one| one.may_be(stored));
            owners.any(|one| (one.how, &one.by) != (own.how, &own.by))
        });
        ensure(is_anothers, Invariant::Answer, || format!("{own:?} was said to be another's: {stored:?}"))
    }

    /// What a stored correction may be of what was asked for under its key.
    pub fn asked_corrections(
        &self,
        place: &BookingPlace,
        cause: Option<&Cause>,
    ) -> impl Iterator<Item = &AskedCorrection> {
        let request = cause.map(|cause| cause.request.to_string());
        let may_be = move |asked: &&AskedCorrection| asked.request.is_none() || asked.request == request;
        self.corrections.get(place).into_iter().flatten().filter(may_be)
    }

    /// What is applied was not answered 412, whichever was first.
    pub fn check_overtaken(&self, papers: &Papers) -> Verdict {
        let receipt = self.receipts.get(papers).filter(|_| self.overtaken.contains(papers));
        let is_applied =
            receipt.is_some_and(|receipt| matches!(receipt.outcome, ReceiptOutcome::Applied { .. }));
        ensure(!is_applied, Invariant::Answer, || format!("{receipt:?} was answered 412"))
    }

    /// What came of a correction.
    pub fn told_booking(&self, (place, nth): &AskedPlace, body: &Value) -> Verdict {
        let Some(stored) = self.bookings.get(place) else {
            return Err((Invariant::OneOutcome, format!("{body} was told, and no such booking is stored")));
        };
        let own = &self.corrections[place][*nth];
        let mut owners = self.asked_corrections(place, stored.cause.as_ref());
        let is_own = owners.any(|one| (one.how, &one.by) == (own.how, &own.by)) && own.may_be(stored);
        ensure(is_own, Invariant::OneOutcome, || {
            format!("{body} was told of {own:?}, and {stored:?} stands")
        })?;
        let agrees = match &stored.outcome {
            BookingOutcome::Booked { amount, after } => {
                body["status"] == "booked"
                    && body["amount"] == amount.minor()
                    && body["balance"] == after.balance.minor()
                    && body["wallet_version"] == after.version
            }
            BookingOutcome::Rejected(rejection) => {
                body["status"] == "rejected" && body["rejection"]["type"] == rejection.name()
            }
        };
        ensure(agrees, Invariant::Answer, || format!("{body} does not read {stored:?}"))
    }

    pub fn asked(&self, request: RequestHash) -> Option<&Asked> {
        self.known.get(&request.to_string()).map(|known| &known.asked)
    }

    /// Whether something is stored where the request would be.
    pub fn is_decided(&self, asked: &Asked) -> bool {
        self.stored.contains_key(&asked.place())
    }

    /// A `202`.
    pub fn accepted(&mut self, hash: &str, ticket: Ticket, was_decided: bool) -> Verdict {
        let sequence = self.next();
        let is_enqueued = self.enqueued.contains(hash);
        let known = self.known.get_mut(hash).expect("a request that was sent");
        known.accepted.get_or_insert(sequence);
        known.tickets.push(ticket);
        ensure(is_enqueued, Invariant::Enqueued, || format!("{hash} was accepted and no queue ever had it"))?;
        ensure(!was_decided, Invariant::Answer, || format!("{hash} was accepted anew after it was decided"))
    }

    /// A resource: settled or rejected.
    pub fn told(&mut self, hash: &str, body: &Value) -> Verdict {
        let known = self.known.get_mut(hash).expect("a request that was sent");
        let place = known.asked.place();
        let Some(stored) = self.stored.get(&place) else {
            return Err((Invariant::OneOutcome, format!("{hash} was told {body}, and nothing is stored")));
        };
        let is_own = answers(stored, hash);
        ensure(is_own, Invariant::OneOutcome, || {
            format!("{hash} was told another request's outcome: {body}")
        })?;
        ensure(agrees(stored, body), Invariant::Answer, || format!("{body} does not read {stored:?}"))?;
        ensure(!known.is_reused, Invariant::OneOutcome, || {
            format!("{hash} was refused its key before: {body}")
        })?;
        let lasting = lasting(body);
        let seen = known.outcome.get_or_insert_with(|| lasting.clone());
        ensure(*seen == lasting, Invariant::OneOutcome, || format!("{hash} was told {seen}, then {body}"))?;
        let spent = known.tickets.iter().filter(|ticket| ticket.failed).map(|ticket| ticket.expires_ms).max();
        let is_anew = stored.accepted_at.as_millisecond() + LIFETIME_MS > spent.unwrap_or(i64::MIN);
        // `failed` promises that nobody is charged, unless the same request was accepted anew later.
        let is_charged = matches!(stored.outcome, Outcome::Settled { .. });
        ensure(is_anew || !is_charged, Invariant::OneOutcome, || {
            format!("{hash} settled after it had failed")
        })
    }

    /// The key belongs to another request.
    pub fn refused_key(&mut self, hash: &str) -> Verdict {
        let known = self.known.get_mut(hash).expect("a request that was sent");
        known.is_reused = true;
        let other = self.stored.get(&known.asked.place()).filter(|stored| !answers(stored, hash));
        ensure(other.is_some(), Invariant::Answer, || {
            format!("{hash} was refused a key that is free or its own")
        })
    }

    /// Its station was closed, or another's, in one of these states. Nobody is sent away whose sale was begun
    /// while it was open, and may wait in its queue since.
    pub fn turned_away(&mut self, hash: &str, stations: &[Station], now_ms: i64) -> Verdict {
        let known = self.known.get_mut(hash).expect("a request that was sent");
        known.is_turned_away = true;
        let stall = &known.asked.cashier.stall;
        let sells = |concessionaire: &_, status| concessionaire == stall && status == Status::Active;
        let is_open = |station: &Station| sells(&station.concessionaire, station.status);
        let begun_ms = known.asked.id.created_at_ms();
        let may_wait = |was: &FormerStation| {
            let until_ms = was.until.as_millisecond();
            let may_wait = begun_ms <= until_ms && now_ms + SKEW_MAX_MS <= until_ms + LIFETIME_MS;
            may_wait && sells(&was.concessionaire, was.status)
        };
        let is_right = match stations {
            [station] => !is_open(station) && !station.former.iter().any(may_wait),
            // It changed meanwhile.
            stations => stations.iter().any(|station| !is_open(station)),
        };
        ensure(is_right, Invariant::Answer, || format!("{hash} was sent away from one of {stations:?}"))
    }

    /// Its company sells nothing, if that was so.
    pub fn suspended(&mut self, hash: &str, was_suspended: bool) -> Verdict {
        self.known.get_mut(hash).expect("a request that was sent").is_suspended = true;
        ensure(was_suspended, Invariant::Answer, || format!("{hash} was refused by a company that sells"))
    }

    /// Whether nobody is to decide it, as things stood when it was sent.
    pub fn is_turned_away(&self, hash: &str) -> bool {
        self.known.get(hash).is_some_and(|known| known.is_turned_away || known.is_suspended)
    }

    /// `pending`, as asked for at `asked_ms`.
    pub fn pending(&mut self, hash: &str, ticket: &Ticket, asked_ms: i64, was_decided: bool) -> Verdict {
        ensure(!was_decided, Invariant::Answer, || format!("{hash} reads pending after it was decided"))?;
        ticket.may_be_pending(asked_ms)
    }

    /// `failed`, under one of its tickets.
    pub fn failed(&mut self, hash: &str, ticket: &Ticket, now_ms: i64, was_decided: bool) -> Verdict {
        let known = self.known.get_mut(hash).expect("a request that was sent");
        for own in known.tickets.iter_mut().filter(|own| own.location == ticket.location) {
            own.failed = true;
        }
        ensure(!was_decided, Invariant::Answer, || format!("{hash} reads failed after it was decided"))?;
        let is_spent = now_ms + SKEW_MAX_MS > ticket.expires_ms + GRACE_MS;
        ensure(is_spent, Invariant::Answer, || format!("{hash} failed before its end"))
    }

    /// Something was told to whoever subscribed.
    pub fn heard(&mut self, event: Event) -> Verdict {
        let told = |holds, what: &str| {
            ensure(holds, Invariant::Told, || format!("{what}: {}", serde_json::to_string(&event).unwrap()))
        };
        let place = (event.tenant.clone(), event.id.clone());
        if let Some(before) = self.events.get(&place) {
            return told(*before == event, "told twice, and not as the same");
        }
        let stored = match &event.about.employee {
            Some(employee) => self.stored_event(&event, employee),
            None => self.stored_papers(&event).map(|stored| (stored, None)),
        };
        let Some((stored, request)) = stored else { return told(false, "told of what is not stored") };
        told(stored == event, "told otherwise than it is stored")?;
        let moved = event.about.employee.clone().zip(event.about.wallet_version);
        // What a cutoff grants is another worker's to tell.
        if let (Some((employee, version)), Some(request)) = (moved, request) {
            let last = self.versions.entry((event.tenant.clone(), employee)).or_default();
            // A dead letter lost its place in the line: it comes before or behind anybody.
            if !self.dead.contains(&request) {
                told(version > *last, "told out of order")?;
                *last = version;
            }
        }
        self.told.push(place.clone());
        self.events.insert(place, event);
        Ok(())
    }

    /// How many events were told so far, of all tenants.
    pub fn told_so_far(&self) -> usize {
        self.told.len()
    }

    /// What a tenant was told since so many events had been.
    pub fn told_since(&self, tenant: &TenantId, since: usize) -> impl Iterator<Item = &Event> {
        let later = self.told.iter().skip(since).filter(move |(of, _)| of == tenant);
        later.map(|place| &self.events[place])
    }

    /// Whether somebody was told what the topic was told.
    pub fn agrees_with(&self, event: &Event) -> Verdict {
        let told = self.events.get(&(event.tenant.clone(), event.id.clone()));
        // What is told to be tried is told to its webhook alone.
        let agrees = told.is_none_or(|told| told == event)
            && (told.is_some() || event.kind == EventKind::WebhookTested);
        ensure(agrees, Invariant::Told, || format!("{} of {} reads otherwise", event.id, event.tenant))
    }

    /// A receiver took what it was told.
    pub fn took(&mut self, url: &str, event: Event) -> Verdict {
        let is_own = url.contains(&format!("/{}/", event.tenant));
        ensure(is_own, Invariant::Tenancy, || format!("{url} was told of {}", event.tenant))?;
        if event.kind != EventKind::WebhookTested {
            self.agrees_with(&event)?;
        }
        self.taken.entry(url.to_owned()).or_default().insert(event.id);
        Ok(())
    }

    /// Whether the receiver behind a URL took an event.
    pub fn has_taken(&self, url: &str, event: &Event) -> bool {
        self.taken.get(url).is_some_and(|taken| taken.contains(&event.id))
    }

    /// What is stored of an event that concerns no wallet.
    fn stored_papers(&self, event: &Event) -> Option<Event> {
        let tenant = &event.tenant;
        let papers = |id: &str| Some((tenant.clone(), id.parse().ok()?));
        match event.kind {
            EventKind::ChangeApplied | EventKind::ChangeRejected => {
                self.receipts.get(&papers(&event.id)?).map(Event::of_receipt)
            }
            EventKind::ImportApplied | EventKind::ImportRefused => {
                self.imports.get(&papers(&event.id)?).and_then(Event::of_import)
            }
            EventKind::MenuSwitched => {
                let import = self.imports.get(&papers(event.id.strip_suffix(".menu")?)?)?;
                let Stage::Applied(Effect::Menu { version, .. }) = import.stage else { return None };
                let concessionaire = import.target.concessionaire()?;
                Some(Event::of_menu(tenant, concessionaire, version, import.id, import.updated_at))
            }
            EventKind::CutoffClosed => {
                let date = event.id.strip_prefix("cutoff-")?.parse().ok()?;
                let (at, totals) = self.closed.get(&(tenant.clone(), date))?;
                Some(Event::of_cutoff(tenant, date, totals, *at))
            }
            // Its webhook says so, and tells no more than that.
            EventKind::WebhookDisabled => Some(event.clone()),
            _ => None,
        }
    }

    /// The event that is stored under an event's command, and the request that it was.
    fn stored_event(&self, event: &Event, employee: &EmployeeNumber) -> Option<(Event, Option<String>)> {
        let (tenant, id) = (&event.tenant, event.data["id"].as_str()?);
        if event.subject.contains("/checkouts/") {
            let place = (tenant.clone(), employee.clone(), id.parse().ok()?);
            let stored = self.stored.get(&place)?;
            return Some((Event::of_checkout(stored), Some(stored.request.to_string())));
        }
        let booking = self.bookings.get(&(tenant.clone(), employee.clone(), id.parse().ok()?))?;
        let cause = booking.cause.as_ref();
        let sale = cause.and_then(|cause| cause.checkout);
        let sale = sale.and_then(|id| self.stored.get(&(tenant.clone(), employee.clone(), id)));
        let request = cause.map(|cause| cause.request.to_string());
        Some((Event::of_booking(tenant, employee, booking, sale), request))
    }

    /// Whatever a queue had is told of in the end.
    pub fn check_told(&self) -> Verdict {
        let is_told = |tenant: &TenantId, id: &str| {
            ensure(self.events.contains_key(&(tenant.clone(), id.to_owned())), Invariant::Told, || {
                format!("nobody in {tenant} was told of {id}")
            })
        };
        for (tenant, id) in self.receipts.keys() {
            // An import has a receipt, too, and tells of itself.
            let is_import = self.imports.contains_key(&(tenant.clone(), *id));
            if !is_import {
                is_told(tenant, &id.to_string())?;
            }
        }
        for ((tenant, id), import) in &self.imports {
            if Event::of_import(import).is_some() {
                is_told(tenant, &id.to_string())?;
            }
        }
        for (tenant, date) in self.closed.keys() {
            is_told(tenant, &format!("cutoff-{date}"))?;
        }
        for ((tenant, employee, _), booking) in &self.bookings {
            if booking.by.as_str() == cutoff::BY {
                is_told(tenant, &Event::of_booking(tenant, employee, booking, None).id)?;
            }
        }
        // What was withdrawn is told of with what withdrew it; its sale may never come.
        let sales = self.stored.values().filter(|sale| sale.outcome != Outcome::Withdrawn);
        let sales = sales.map(|sale| (&sale.tenant, sale.request, Event::of_checkout(sale).id));
        let bookings = self.bookings.iter().filter_map(|((tenant, employee, _), booking)| {
            let event = Event::of_booking(tenant, employee, booking, None);
            Some((tenant, booking.cause.as_ref()?.request, event.id))
        });
        for (tenant, request, id) in sales.chain(bookings) {
            if self.enqueued.contains(&request.to_string()) {
                is_told(tenant, &id)?;
            }
        }
        Ok(())
    }

    /// A tenant's wallets together hold what was told of them, and what nobody asked for and so nobody was
    /// told of.
    pub fn check_conserved(&self, tenant: &TenantId, balances: i64) -> Verdict {
        let events = self.events.iter().filter(|((of, _), _)| of == tenant).map(|(_, event)| event);
        let told: i64 = events.map(moved_by).sum();
        let own = self.bookings.iter().filter(|((of, ..), _)| of == tenant);
        let untold = own.filter_map(|((_, employee, _), booking)| {
            let event = Event::of_booking(tenant, employee, booking, None);
            let is_told = self.events.contains_key(&(tenant.clone(), event.id));
            booking.entry().filter(|_| !is_told).map(|entry| entry.amount.minor())
        });
        let untold: i64 = untold.sum();
        ensure(balances == told + untold, Invariant::Conserved, || {
            let events = self.events.iter().filter(|((of, _), event)| of == tenant && moved_by(event) != 0);
            let events: Vec<_> = events.map(|((_, id), event)| (id, moved_by(event))).collect();
            format!("{tenant}'s wallets hold {balances}, and {told} and {untold} went into them: {events:?}")
        })
    }

    /// What came of a change, and what was asked for. Whatever was asked for, and is named in what stands
    /// now, stands so.
    pub fn told_receipt(&self, papers: &Papers, asked: &Value, body: &Value) -> Verdict {
        let Some(stored) = self.receipts.get(papers) else {
            return Err((Invariant::OneOutcome, format!("{body} was told, and no such receipt is stored")));
        };
        let agrees = match &stored.outcome {
            ReceiptOutcome::Applied { .. } => body["status"] == "applied",
            ReceiptOutcome::Rejected(refusal) => {
                body["status"] == "rejected" && body["rejection"]["type"] == refusal.name()
            }
        };
        ensure(agrees, Invariant::Answer, || format!("{body} does not read {stored:?}"))?;
        let ReceiptOutcome::Applied { after, .. } = &stored.outcome else { return Ok(()) };
        let mut asked = asked.as_object().into_iter().flatten();
        let stands = |field: &str| after.get(field).filter(|stands| !stands.is_object());
        let differs = asked.find(|(field, asked)| stands(field).is_some_and(|stands| stands != *asked));
        ensure(differs.is_none(), Invariant::Overwritten, || {
            format!("{differs:?} was asked for, and {after} stands by {}", stored.change)
        })
    }

    /// One wallet's commands, as they came to be accepted: whoever was accepted before another was
    /// even sent is decided no later. Dead letters lost their place in the line, and so did what its queue
    /// forgot while somebody stood still with it in their hands.
    pub fn check_order(&self) -> Verdict {
        let turns: Vec<_> = self.turns().filter(|turn| !self.dead.contains(&turn.request)).collect();
        for first in &turns {
            let Some(accepted) = first.accepted else { continue };
            if first.decided_at > first.accepted_at + RETENTION {
                continue;
            }
            let is_later = |second: &&Turn<'_>| second.of == first.of && second.first_sent > accepted;
            for second in turns.iter().filter(is_later) {
                let versions = first.version.zip(second.version);
                let is_ordered = first.decided_at <= second.decided_at + APART
                    && versions.is_none_or(|(first, second)| first < second);
                ensure(is_ordered, Invariant::Order, || format!("{second:?} overtook {first:?}"))?;
            }
        }
        Ok(())
    }

    /// Every command of a wallet that was decided: sales and corrections.
    fn turns(&self) -> impl Iterator<Item = Turn<'_>> {
        let sales = self.known.iter().filter_map(|(hash, known)| {
            let stored = self.stored.get(&known.asked.place())?;
            (stored.request.to_string() == *hash).then(|| Turn {
                of: (&stored.tenant, &stored.employee),
                request: hash.clone(),
                first_sent: known.first_sent,
                accepted: known.accepted,
                accepted_at: stored.accepted_at,
                decided_at: stored.decided_at,
                version: version(stored),
            })
        });
        let corrections = self.corrections.iter().filter_map(|(place, asked)| {
            let booking = self.bookings.get(place)?;
            let cause = booking.cause.as_ref()?;
            let request = cause.request.to_string();
            let own = asked.iter().find(|asked| asked.request.as_ref() == Some(&request));
            Some(Turn {
                of: (&place.0, &place.1),
                request,
                first_sent: own.or(asked.first())?.first_sent,
                accepted: own.and_then(|own| own.accepted),
                accepted_at: cause.accepted_at,
                decided_at: booking.at,
                version: booking.entry().map(|entry| entry.after.version),
            })
        });
        sales.chain(corrections)
    }

    /// Every ticket ever given out, with its request.
    pub fn tickets(&self) -> Vec<(String, Asked, Ticket)> {
        let tickets = self.known.iter().flat_map(|(hash, known)| {
            known.tickets.iter().map(|ticket| (hash.clone(), known.asked.clone(), ticket.clone()))
        });
        tickets.collect()
    }

    /// How many requests ended how, as their terminals saw it.
    pub fn outcomes(&self) -> BTreeMap<String, u64> {
        let mut outcomes = BTreeMap::new();
        let corrections = self.bookings.values().filter(|booking| booking.cause.is_some());
        let corrections = corrections.map(|booking| match &booking.outcome {
            BookingOutcome::Booked { .. } => format!("{:?} booked", booking.kind),
            BookingOutcome::Rejected(rejection) => format!("{:?} {}", booking.kind, rejection.name()),
        });
        let receipts = self.receipts.values().map(|receipt| match &receipt.outcome {
            ReceiptOutcome::Applied { .. } => format!("{} applied", receipt.change),
            ReceiptOutcome::Rejected(refusal) => format!("change {}", refusal.name()),
        });
        let sales = self.known.values().map(Known::end);
        let overtaken = self.overtaken.iter().map(|_| "answered 412".to_owned());
        let reused = std::iter::repeat_n("correction's key reused".to_owned(), self.reused_keys);
        for outcome in sales.chain(corrections).chain(receipts).chain(overtaken).chain(reused) {
            *outcomes.entry(outcome).or_default() += 1;
        }
        outcomes
    }
}

/// What an event says that it moved, in minor units.
fn moved_by(event: &Event) -> i64 {
    match event.kind {
        EventKind::CheckoutSettled => -event.data["total_net"].as_i64().expect("an amount"),
        _ if event.data["status"] == "booked" => event.data["amount"].as_i64().expect("an amount"),
        _ => 0,
    }
}

/// None where nothing moved.
fn version(checkout: &Checkout) -> Option<u64> {
    match &checkout.outcome {
        Outcome::Settled { after, .. } => Some(after.version),
        Outcome::Rejected(_) | Outcome::Withdrawn => None,
    }
}

impl Known {
    fn end(&self) -> String {
        match &self.outcome {
            Some(body) if body["status"] != "rejected" => {
                body["status"].as_str().unwrap_or_default().to_owned()
            }
            Some(body) => body["rejection"]["type"].as_str().unwrap_or_default().to_owned(),
            None if self.is_reused => "key-reused".to_owned(),
            None if self.tickets.iter().any(|ticket| ticket.failed) => "failed".to_owned(),
            None if self.is_turned_away => "turned away".to_owned(),
            None if self.tickets.is_empty() => "never accepted".to_owned(),
            None => "not followed".to_owned(),
        }
    }
}

impl Ticket {
    /// Whether nothing can be known yet.
    pub fn may_be_pending(&self, asked_ms: i64) -> Verdict {
        let is_open = asked_ms <= self.expires_ms + GRACE_MS + SKEW_MAX_MS;
        ensure(is_open, Invariant::Ended, || format!("{} is pending past its end", self.location))
    }

    /// Reads what a `Location` gives away: the request's hash, and the ticket.
    pub fn read(location: &str) -> (String, Self) {
        use base64::Engine;
        use base64::engine::general_purpose::URL_SAFE_NO_PAD;
        let (_, sealed) = location.split_once("ticket=").expect("a ticket");
        let bytes = URL_SAFE_NO_PAD.decode(sealed).expect("base64");
        let (hash, rest) = bytes.split_first_chunk::<32>().expect("a hash");
        let (expires, _) = rest.split_first_chunk::<8>().expect("an expiry");
        let ticket =
            Self { location: location.to_owned(), expires_ms: i64::from_be_bytes(*expires), failed: false };
        (RequestHash::from_bytes(*hash).to_string(), ticket)
    }
}

/// Whether a stored checkout is the outcome of a request.
fn answers(stored: &Checkout, hash: &str) -> bool {
    RequestHash::try_from(hash.to_owned()).is_ok_and(|hash| stored.answers(hash))
}

/// What of an answer never changes: not what was given back of it since, nor a name, which is the one of
/// today.
fn lasting(body: &Value) -> Value {
    let mut lasting = body.get("sale").unwrap_or(body).clone();
    let status = if lasting.get("settled_at").is_some() { "settled" } else { "" };
    let fields = lasting.as_object_mut().expect("an object");
    fields.remove("refunded");
    if let Some(employee) = fields.get_mut("employee").and_then(Value::as_object_mut) {
        employee.remove("name");
    }
    if status == "settled" {
        fields.insert("status".to_owned(), status.into());
    }
    for item in fields.get_mut("items").and_then(Value::as_array_mut).into_iter().flatten() {
        item.as_object_mut().expect("an item").remove("refunded_qty");
    }
    lasting
}

/// Whether an answer reads what is stored.
fn agrees(stored: &Checkout, body: &Value) -> bool {
    if stored.outcome == Outcome::Withdrawn {
        return body["status"] == "voided" && body["id"] == stored.id.to_string();
    }
    let is_voided = stored.returned.voided.is_some();
    let (told, body) = (&body["status"], body.get("sale").unwrap_or(body));
    let is_same = body["id"] == stored.id.to_string()
        && body["employee"]["employee_number"] == stored.employee.as_str()
        && body["station"].as_str() == stored.station.as_ref().map(StationId::as_str);
    is_same
        && match &stored.outcome {
            Outcome::Settled { bill, after } => {
                // Read before what was given back since.
                (*told == "settled" || (*told == "voided" && is_voided))
                    && body["refunded"].as_i64() <= Some(stored.returned.amount.minor())
                    && body["total_net"] == bill.total_net().minor()
                    && body["employee"]["balance_after"] == after.balance.minor()
                    && body["items"].as_array().map(Vec::len) == Some(bill.lines.len())
            }
            Outcome::Rejected(rejection) => {
                body["status"] == "rejected" && body["rejection"]["type"] == rejection.name()
            }
            Outcome::Withdrawn => false,
        }
}
