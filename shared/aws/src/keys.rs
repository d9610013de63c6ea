//! The key schema of the one table. No other file formats or reads a key.
//!
//! | item          | PK                   | SK                    | read by                              |
//! |---------------|----------------------|-----------------------|--------------------------------------|
//! | tenant        | `T#<ten>`            | `TENANT`              | every request                        |
//! | policy        | `T#<ten>`            | `POLICY`              | `open_cutoff`, `GET credit-policy`   |
//! | roster        | `T#<ten>`            | `ROSTER`              | `open_cutoff`, `administer`          |
//! | cutoff        | `T#<ten>`            | `CUTOFF#<date>`       | `open_cutoff`, `replenish`           |
//! | concessionaire | `T#<ten>`           | `CONCESSIONAIRE#<id>` | `administer`, lists                  |
//! | station       | `T#<ten>`            | `STATION#<id>`        | checkout intake                      |
//! | user          | `T#<ten>`            | `USER#<name>`         | every request                        |
//! | import        | `T#<ten>`            | `IMPORT#<uuidv7>`     | `import_files`, `GET import`         |
//! | newest file   | `T#<ten>`            | `FILE#<menus#con or employees>` | `import_files`             |
//! | admins        | `T#<ten>`            | `ADMINS`              | `administer`                         |
//! | wallet        | `T#<ten>#E#<num>`    | `WALLET`              | workers, `GET employee`              |
//! | employee      | `T#<ten>#E#<num>`    | `EMPLOYEE`            | workers, `GET employee`              |
//! | checkout      | `T#<ten>#E#<num>`    | `CHECKOUT#<uuidv7>`   | idempotency, `GET checkout`          |
//! | booking       | `T#<ten>#E#<num>`    | `BOOKING#<id>`        | idempotency, statement               |
//! | badge         | `T#<ten>#B#<rfid>`   | `BADGE`               | checkout intake                      |
//! | menu          | `T#<ten>#M#<con>`    | `MENU`                | workers, `GET menu`                  |
//! | meal          | `T#<ten>#M#<con>#V#<version>` | `MEAL#<code>` | workers, once a version              |
//! | part of a cutoff  | `T#<ten>#K#<date>` | `CHUNK#<round>#<number>` | `replenish`, `open_cutoff`      |
//! | reconciliation | `T#<ten>`           | `RECONCILIATION#<date>` | `reconcile`, `GET reconciliation`  |
//! | part of a reconciliation | `T#<ten>#P#<date>` | `PART#<number>` | `reconcile`                       |
//! | session       | `T#<ten>#L#<uuid>`   | `SESSION`             | `listen`                             |
//! | audience      | `T#<ten>#A#<audience>` | `AUDIENCE`          | `announce`, `listen`                 |
//! | what was told | `T#<ten>#J#<ten minutes>` | `TOLD#<milliseconds>#<event>` | `listen`, to resume     |
//! | webhooks      | `T#<ten>`            | `WEBHOOKS`            | `announce`, `deliver`, lists         |
//! | delivery      | `T#<ten>#W#<uuidv7>` | `DELIVERY#<milliseconds>-<event>` | `deliver`, lists         |
//! | receipt       | `T#<ten>#R#<uuidv7>` | `RECEIPT`             | idempotency, `GET receipt`           |
//!
//! Index `GSI1`: checkouts by `T#<ten>#C#<con>#<business date>` and uuid; employees by
//! `T#<ten>#EMPLOYEES` and `<folded name>#<num>`; receipts and corrections by `T#<ten>#AUDIT` (those of the
//! platform by `T#<ten>#OPERATED`) and `<milliseconds>#<id>`.
//!
//! `WALLET > EMPLOYEE > CHECKOUT#...`: one backward query reads all three, newest checkout first;
//! whatever joins that partition must sort below `CHECKOUT#`.

use domain::admin::Subject;
use domain::command::Deliver;
use domain::event::Event;
use domain::id::{
    BookingId, CheckoutId, CommandId, ConcessionaireId, EmployeeNumber, MealCode, Rfid, StationId, TenantId,
    UserName, WebhookId,
};
use domain::import::Target;
use domain::listener::Audience;
use domain::webhook::{DeliveryId, lane_of};
use jiff::civil::Date;
use jiff::{SignedDuration, Timestamp};
use std::fmt;
use uuid::Uuid;

pub const PK: &str = "PK";
pub const SK: &str = "SK";
pub const INDEX: &str = "GSI1";
pub const INDEX_PK: &str = "GSI1PK";
pub const INDEX_SK: &str = "GSI1SK";
/// The attribute that says when an item may be forgotten, in seconds since the epoch.
pub const TTL: &str = "TTL";

/// Where an item stands. Made by the functions below only.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Key {
    pub(crate) pk: String,
    pub(crate) sk: String,
}

/// Names the item in what is sealed for it alone.
impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.pk, self.sk)
    }
}

/// All items of one partition, or those whose sort key begins with a text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Partition {
    pub(crate) pk: String,
    pub(crate) sk_from: String,
}

/// A stretch of one partition, of the table or of its index, that is read page by page.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Span {
    pub(crate) is_index: bool,
    pub(crate) pk: String,
    pub(crate) from: String,
    /// Included.
    pub(crate) to: String,
}

impl Span {
    fn of(is_index: bool, pk: String, prefix: &str) -> Self {
        // DynamoDB takes no empty text for a key.
        let from = if prefix.is_empty() { FIRST.to_string() } else { prefix.to_owned() };
        Self { is_index, pk, from, to: format!("{prefix}{LAST}") }
    }
}

/// Sorts below every character of a key.
const FIRST: char = '\u{1}';
/// Sorts above every character of a key: no text of ours holds it.
const LAST: char = char::MAX;

fn key(pk: String, sk: impl Into<String>) -> Key {
    Key { pk, sk: sk.into() }
}

fn tenant_pk(tenant: &TenantId) -> String {
    format!("{TENANT_PREFIX}{tenant}")
}

fn employee_pk(tenant: &TenantId, employee: &EmployeeNumber) -> String {
    format!("{}#E#{employee}", tenant_pk(tenant))
}

pub fn tenant(tenant: &TenantId) -> Key {
    key(tenant_pk(tenant), "TENANT")
}

pub fn concessionaire(tenant: &TenantId, id: &ConcessionaireId) -> Key {
    key(tenant_pk(tenant), format!("{CONCESSIONAIRE_PREFIX}{id}"))
}

pub fn policy(tenant: &TenantId) -> Key {
    key(tenant_pk(tenant), "POLICY")
}

/// Which cutoff is open: what whoever joins a roster has to know.
pub fn roster(tenant: &TenantId) -> Key {
    key(tenant_pk(tenant), "ROSTER")
}

pub fn cutoff(tenant: &TenantId, date: Date) -> Key {
    key(tenant_pk(tenant), format!("{CUTOFF_PREFIX}{date}"))
}

/// What one part of a roster came to in one round.
pub fn cutoff_part(tenant: &TenantId, date: Date, round: u32, number: u32) -> Key {
    key(cutoff_parts_pk(tenant, date), format!("{}{number:06}", round_prefix(round)))
}

/// What every part of a round came to that is done.
pub fn cutoff_parts(tenant: &TenantId, date: Date, round: u32) -> Partition {
    Partition { pk: cutoff_parts_pk(tenant, date), sk_from: round_prefix(round) }
}

fn round_prefix(round: u32) -> String {
    format!("{CUTOFF_PART_PREFIX}{round:06}#")
}

fn cutoff_parts_pk(tenant: &TenantId, date: Date) -> String {
    format!("{}#K#{date}", tenant_pk(tenant))
}

/// A look at all of a tenant's wallets.
pub fn reconciliation(tenant: &TenantId, date: Date) -> Key {
    key(tenant_pk(tenant), format!("{RECONCILIATION_PREFIX}{date}"))
}

/// How far a part of a reconciliation is, and what it came to.
pub fn reconciliation_part(tenant: &TenantId, date: Date, number: u32) -> Key {
    key(parts_pk(tenant, date), format!("{PART_PREFIX}{number:06}"))
}

pub fn reconciliation_parts(tenant: &TenantId, date: Date) -> Partition {
    Partition { pk: parts_pk(tenant, date), sk_from: PART_PREFIX.to_owned() }
}

fn parts_pk(tenant: &TenantId, date: Date) -> String {
    format!("{}#P#{date}", tenant_pk(tenant))
}

pub fn import(tenant: &TenantId, id: CommandId) -> Key {
    key(tenant_pk(tenant), format!("{IMPORT_PREFIX}{id}"))
}

/// A tenant's imports, by id, that is by time.
pub fn imports(tenant: &TenantId) -> Span {
    Span::of(false, tenant_pk(tenant), IMPORT_PREFIX)
}

/// Which file was applied last to a menu, or to the roster.
pub fn newest_file(tenant: &TenantId, target: &Target) -> Key {
    let of = match target {
        Target::Menu(concessionaire) => format!("menus#{concessionaire}"),
        Target::Roster => "employees".to_owned(),
    };
    key(tenant_pk(tenant), format!("FILE#{of}"))
}

pub fn admins(tenant: &TenantId) -> Key {
    key(tenant_pk(tenant), "ADMINS")
}

pub fn receipt(tenant: &TenantId, id: CommandId) -> Key {
    key(format!("{}{RECEIPT_INFIX}{id}", tenant_pk(tenant)), "RECEIPT")
}

pub fn session(tenant: &TenantId, id: Uuid) -> Key {
    key(format!("{}#L#{id}", tenant_pk(tenant)), "SESSION")
}

pub fn audience(tenant: &TenantId, audience: &Audience) -> Key {
    key(format!("{}#A#{audience}", tenant_pk(tenant)), "AUDIENCE")
}

/// All of a tenant's webhooks: few, counted, and read together.
pub fn webhooks(tenant: &TenantId) -> Key {
    key(tenant_pk(tenant), "WEBHOOKS")
}

pub fn delivery(tenant: &TenantId, webhook: WebhookId, id: &DeliveryId) -> Key {
    key(webhook_pk(tenant, webhook), format!("{DELIVERY_PREFIX}{id}"))
}

/// What one webhook was told, by the time at which it happened.
pub fn deliveries(tenant: &TenantId, webhook: WebhookId) -> Span {
    Span::of(false, webhook_pk(tenant, webhook), DELIVERY_PREFIX)
}

/// The same from one on.
pub fn deliveries_from(tenant: &TenantId, webhook: WebhookId, id: &DeliveryId) -> Span {
    Span { from: format!("{DELIVERY_PREFIX}{id}"), ..deliveries(tenant, webhook) }
}

fn webhook_pk(tenant: &TenantId, webhook: WebhookId) -> String {
    format!("{}#W#{webhook}", tenant_pk(tenant))
}

/// Where an event is kept that was told at `at`.
pub fn told(tenant: &TenantId, at: Timestamp, event: &str) -> Key {
    key(told_pk(tenant, at), format!("{TOLD_PREFIX}{}", position(at, event)))
}

/// The place of an event among those that were told: `<milliseconds>#<event>`.
pub fn position(at: Timestamp, event: &str) -> String {
    format!("{}#{event}", sortable_ms(at))
}

/// What was told from `from` on until `to`, a span for each stretch of time that is kept together.
pub fn told_between(tenant: &TenantId, from: Timestamp, to: Timestamp) -> Vec<Span> {
    let mut spans = Vec::new();
    let mut at = from;
    loop {
        spans.push(Span {
            is_index: false,
            pk: told_pk(tenant, at),
            from: format!("{TOLD_PREFIX}{}", sortable_ms(from)),
            to: format!("{TOLD_PREFIX}{LAST}"),
        });
        if told_slot(at) >= told_slot(to) {
            return spans;
        }
        at += TOLD_TOGETHER;
    }
}

pub(crate) fn parse_told(sk: &str) -> Option<&str> {
    sk.strip_prefix(TOLD_PREFIX)
}

/// When an event was told, from its place.
pub fn told_at(position: &str) -> Option<Timestamp> {
    let (ms, _) = position.split_once('#')?;
    Timestamp::from_millisecond(ms.parse().ok()?).ok()
}

fn told_pk(tenant: &TenantId, at: Timestamp) -> String {
    format!("{}#J#{}", tenant_pk(tenant), told_slot(at))
}

fn told_slot(at: Timestamp) -> i64 {
    at.as_second() / TOLD_TOGETHER.as_secs()
}

pub fn station(tenant: &TenantId, station: &StationId) -> Key {
    key(tenant_pk(tenant), format!("{STATION_PREFIX}{station}"))
}

pub fn user(tenant: &TenantId, name: &UserName) -> Key {
    key(tenant_pk(tenant), format!("{USER_PREFIX}{name}"))
}

pub fn employee(tenant: &TenantId, number: &EmployeeNumber) -> Key {
    key(employee_pk(tenant, number), EMPLOYEE)
}

pub fn wallet(tenant: &TenantId, employee: &EmployeeNumber) -> Key {
    key(employee_pk(tenant, employee), WALLET)
}

pub fn checkout(tenant: &TenantId, employee: &EmployeeNumber, id: CheckoutId) -> Key {
    key(employee_pk(tenant, employee), format!("{CHECKOUT_PREFIX}{id}"))
}

pub fn booking(tenant: &TenantId, employee: &EmployeeNumber, id: &BookingId) -> Key {
    key(employee_pk(tenant, employee), format!("{BOOKING_PREFIX}{id}"))
}

pub fn badge(tenant: &TenantId, rfid: &Rfid) -> Key {
    key(format!("{}#B#{rfid}", tenant_pk(tenant)), "BADGE")
}

pub fn menu(tenant: &TenantId, concessionaire: &ConcessionaireId) -> Key {
    key(format!("{}#M#{concessionaire}", tenant_pk(tenant)), "MENU")
}

pub fn meal(tenant: &TenantId, concessionaire: &ConcessionaireId, version: u32, code: &MealCode) -> Key {
    key(meals_pk(tenant, concessionaire, version), format!("{MEAL_PREFIX}{code}"))
}

/// Every meal of one menu version.
pub fn meals_span(tenant: &TenantId, concessionaire: &ConcessionaireId, version: u32) -> Span {
    Span::of(false, meals_pk(tenant, concessionaire, version), MEAL_PREFIX)
}

/// Every other movement of one employee's wallet.
pub fn bookings(tenant: &TenantId, employee: &EmployeeNumber) -> Partition {
    Partition { pk: employee_pk(tenant, employee), sk_from: BOOKING_PREFIX.to_owned() }
}

/// Every checkout of one employee. Read backwards from the end of the partition, wallet and profile
/// come first, then the newest checkouts.
pub fn checkouts(tenant: &TenantId, employee: &EmployeeNumber) -> Partition {
    Partition { pk: employee_pk(tenant, employee), sk_from: CHECKOUT_PREFIX.to_owned() }
}

pub fn concessionaires(tenant: &TenantId) -> Span {
    Span::of(false, tenant_pk(tenant), CONCESSIONAIRE_PREFIX)
}

/// A tenant's cutoffs, by date.
pub fn cutoffs(tenant: &TenantId) -> Span {
    Span::of(false, tenant_pk(tenant), CUTOFF_PREFIX)
}

/// Looks at all of a tenant's wallets, by date.
pub fn reconciliations(tenant: &TenantId) -> Span {
    Span::of(false, tenant_pk(tenant), RECONCILIATION_PREFIX)
}

pub fn stations(tenant: &TenantId) -> Span {
    Span::of(false, tenant_pk(tenant), STATION_PREFIX)
}

pub fn users(tenant: &TenantId) -> Span {
    Span::of(false, tenant_pk(tenant), USER_PREFIX)
}

/// Employees whose folded name begins with a text, by name.
pub fn employees(tenant: &TenantId, folded_start: &str) -> Span {
    Span::of(true, employees_pk(tenant), folded_start)
}

/// Sales of one concessionaire on one business date, oldest first.
pub fn checkouts_on(tenant: &TenantId, concessionaire: &ConcessionaireId, business_date: Date) -> Span {
    Span::of(true, day_pk(tenant, concessionaire, business_date), "")
}

/// One employee's checkouts and corrections whose ids were made within a time.
pub fn movements_between(
    tenant: &TenantId,
    employee: &EmployeeNumber,
    from: Timestamp,
    to: Timestamp,
) -> [Span; 2] {
    [CHECKOUT_PREFIX, BOOKING_PREFIX].map(|prefix| Span {
        is_index: false,
        pk: employee_pk(tenant, employee),
        from: format!("{prefix}{}", uuid_at(from)),
        to: format!("{prefix}{}{LAST}", uuid_at(to)),
    })
}

/// One employee's movements that no client asked for: their ids begin with a letter, and those of clients
/// with a zero, as UUIDv7s do until the year 2527.
pub fn movements_unasked(tenant: &TenantId, employee: &EmployeeNumber) -> Span {
    let from = format!("{BOOKING_PREFIX}1");
    Span { is_index: false, pk: employee_pk(tenant, employee), from, to: format!("{BOOKING_PREFIX}{LAST}") }
}

/// Everything of one employee, in two. Read backwards, the wallet comes first, then the profile and the newest
/// sales; then bookings, so that sales are read before what gives them back.
pub fn account(tenant: &TenantId, employee: &EmployeeNumber) -> [Span; 2] {
    let span =
        |from: String, to: String| Span { is_index: false, pk: employee_pk(tenant, employee), from, to };
    [span(CHECKOUT_PREFIX.to_owned(), LAST.to_string()), span(FIRST.to_string(), CHECKOUT_PREFIX.to_owned())]
}

/// What was administered and corrected from one instant on and before another.
pub fn audit(tenant: &TenantId, is_platforms: bool, from: Timestamp, to: Timestamp) -> Span {
    Span {
        is_index: true,
        pk: audit_pk(tenant, is_platforms),
        from: sortable_ms(from),
        // Keys go on behind the instant.
        to: sortable_ms(to),
    }
}

/// The milliseconds that the UUIDv7s of an instant begin with, as text.
fn uuid_at(at: Timestamp) -> String {
    let hex = format!("{:012x}", at.as_millisecond().max(0));
    let (high, low) = hex.split_at(8);
    format!("{high}-{low}")
}

fn sortable_ms(at: Timestamp) -> String {
    format!("{:015}", at.as_millisecond().max(0))
}

fn employees_pk(tenant: &TenantId) -> String {
    format!("{}#EMPLOYEES", tenant_pk(tenant))
}

fn day_pk(tenant: &TenantId, concessionaire: &ConcessionaireId, business_date: Date) -> String {
    format!("{}#C#{concessionaire}#{business_date}", tenant_pk(tenant))
}

fn audit_pk(tenant: &TenantId, is_platforms: bool) -> String {
    format!("{}#{}", tenant_pk(tenant), if is_platforms { "OPERATED" } else { "AUDIT" })
}

fn meals_pk(tenant: &TenantId, concessionaire: &ConcessionaireId, version: u32) -> String {
    format!("{}#M#{concessionaire}#V#{version}", tenant_pk(tenant))
}

/// The message group of a wallet's commands: they are worked off one after the other.
pub fn wallet_group(tenant: &TenantId, employee: &EmployeeNumber) -> String {
    employee_pk(tenant, employee)
}

/// The message group of what is administered about one subject.
pub fn admin_group(tenant: &TenantId, subject: &Subject<'_>) -> String {
    let subject = match subject {
        Subject::Users(_) => "users".to_owned(),
        Subject::Webhooks(_) => "webhooks".to_owned(),
        Subject::Menu(concessionaire, _) => format!("menus/{concessionaire}"),
        Subject::Tenant(_)
        | Subject::Employee(_)
        | Subject::CreditPolicy
        | Subject::Cutoff(_)
        | Subject::Concessionaire(_)
        | Subject::Station(_) => subject.to_string(),
    };
    format!("{}#ADMIN#{subject}", tenant_pk(tenant))
}

/// The message group of whatever opens a tenant's cutoffs: one after the other.
pub fn cutoff_group(tenant: &TenantId) -> String {
    format!("{}#CUTOFF", tenant_pk(tenant))
}

/// The message group of a part of a roster: parts are replenished side by side.
pub fn cutoff_part_group(tenant: &TenantId, date: Date, round: u32, number: u32) -> String {
    format!("{}#{round}#{number}", cutoff_parts_pk(tenant, date))
}

/// The message group of whatever opens and closes a tenant's reconciliations: one after the other.
pub fn reconciliation_group(tenant: &TenantId) -> String {
    format!("{}#RECONCILIATION", tenant_pk(tenant))
}

/// The message group of a part of a reconciliation: they are looked at side by side.
pub fn reconciliation_part_group(tenant: &TenantId, date: Date, number: u32) -> String {
    format!("{}#{number}", parts_pk(tenant, date))
}

/// The message group of files for a tenant's menus, and of those for its roster: one after the other.
pub fn import_group(tenant: &TenantId, target: &Target) -> String {
    let what = match target {
        Target::Menu(_) => "menus",
        Target::Roster => "employees",
    };
    format!("{}#IMPORT#{what}", tenant_pk(tenant))
}

/// The message group in which a webhook is told of an event: its lane, or one for this delivery alone.
pub fn delivery_group(told: &Deliver) -> String {
    let webhook = webhook_pk(&told.tenant, told.webhook);
    if told.is_aside {
        // 128 characters are the limit of a group, and a tenant may have 32.
        let digest = told.id().digest().to_string();
        format!("{webhook}#A#{}", digest.get(..32).unwrap_or_default())
    } else {
        format!("{webhook}#{}", lane_of(&told.event))
    }
}

/// The message group in which an event is told: its wallet's, or one for all else that happens to a tenant.
pub fn event_group(event: &Event) -> String {
    match &event.about.employee {
        Some(employee) => wallet_group(&event.tenant, employee),
        None => format!("{}#EVENTS", tenant_pk(&event.tenant)),
    }
}

/// The message group of a tenant's probes.
pub fn probe_group(tenant: &TenantId) -> String {
    format!("{}{PROBE_SUFFIX}", tenant_pk(tenant))
}

/// Whether a message group is one of probes, whosever. An employee may be called anything.
pub fn is_probe_group(group: &str) -> bool {
    let tenant = group.strip_prefix(TENANT_PREFIX).and_then(|rest| rest.strip_suffix(PROBE_SUFFIX));
    tenant.is_some_and(|tenant| tenant.parse::<TenantId>().is_ok())
}

/// Whose a message group is, if it reads like one of ours.
pub fn tenant_of_group(group: &str) -> Option<TenantId> {
    group.strip_prefix(TENANT_PREFIX)?.split('#').next()?.parse().ok()
}

const TENANT_PREFIX: &str = "T#";
const PROBE_SUFFIX: &str = "#PROBE";
pub(crate) const EMPLOYEE: &str = "EMPLOYEE";
pub(crate) const WALLET: &str = "WALLET";
const CHECKOUT_PREFIX: &str = "CHECKOUT#";
const BOOKING_PREFIX: &str = "BOOKING#";
const MEAL_PREFIX: &str = "MEAL#";
const CONCESSIONAIRE_PREFIX: &str = "CONCESSIONAIRE#";
const CUTOFF_PREFIX: &str = "CUTOFF#";
const CUTOFF_PART_PREFIX: &str = "CHUNK#";
const RECONCILIATION_PREFIX: &str = "RECONCILIATION#";
const PART_PREFIX: &str = "PART#";
const IMPORT_PREFIX: &str = "IMPORT#";
const STATION_PREFIX: &str = "STATION#";
const USER_PREFIX: &str = "USER#";
const DELIVERY_PREFIX: &str = "DELIVERY#";
const TOLD_PREFIX: &str = "TOLD#";
/// What is told in so long a time is kept in one partition.
const TOLD_TOGETHER: SignedDuration = SignedDuration::from_mins(10);
const RECEIPT_INFIX: &str = "#R#";

/// An entry of the index.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IndexKey {
    pub(crate) pk: String,
    pub(crate) sk: String,
}

pub fn checkouts_of_day(
    tenant: &TenantId,
    concessionaire: &ConcessionaireId,
    business_date: Date,
    id: CheckoutId,
) -> IndexKey {
    IndexKey { pk: day_pk(tenant, concessionaire, business_date), sk: id.to_string() }
}

pub fn employees_by_name(tenant: &TenantId, folded_name: &str, number: &EmployeeNumber) -> IndexKey {
    IndexKey { pk: employees_pk(tenant), sk: format!("{folded_name}#{number}") }
}

pub fn audited(tenant: &TenantId, is_platforms: bool, at: Timestamp, id: &impl fmt::Display) -> IndexKey {
    IndexKey { pk: audit_pk(tenant, is_platforms), sk: format!("{}#{id}", sortable_ms(at)) }
}

/// The parts of a checkout that its keys hold and its attributes do not repeat.
pub(crate) struct CheckoutKeyParts {
    pub tenant: TenantId,
    pub employee: EmployeeNumber,
    pub id: CheckoutId,
    pub concessionaire: ConcessionaireId,
    pub business_date: Date,
}

pub(crate) fn parse_checkout(pk: &str, sk: &str, index_pk: &str) -> Option<CheckoutKeyParts> {
    let (tenant, employee) = pk.strip_prefix("T#")?.split_once("#E#")?;
    let (_, stall) = index_pk.split_once("#C#")?;
    let (concessionaire, business_date) = stall.split_once('#')?;
    Some(CheckoutKeyParts {
        tenant: tenant.parse().ok()?,
        employee: employee.parse().ok()?,
        id: sk.strip_prefix(CHECKOUT_PREFIX)?.parse().ok()?,
        concessionaire: concessionaire.parse().ok()?,
        business_date: business_date.parse().ok()?,
    })
}

/// What an item of an employee's partition is, by its sort key.
pub(crate) enum InAccount {
    Wallet,
    Employee,
    Checkout,
    Booking,
}

pub(crate) fn in_account(sk: &str) -> Option<InAccount> {
    match sk {
        WALLET => Some(InAccount::Wallet),
        EMPLOYEE => Some(InAccount::Employee),
        _ if sk.starts_with(CHECKOUT_PREFIX) => Some(InAccount::Checkout),
        _ if sk.starts_with(BOOKING_PREFIX) => Some(InAccount::Booking),
        _ => None,
    }
}

/// Whose the item of an employee's partition is.
pub(crate) fn parse_employee(pk: &str) -> Option<EmployeeNumber> {
    let (_, employee) = pk.strip_prefix(TENANT_PREFIX)?.split_once("#E#")?;
    employee.parse().ok()
}

pub(crate) fn parse_receipt(pk: &str) -> Option<(TenantId, CommandId)> {
    let (tenant, id) = pk.strip_prefix(TENANT_PREFIX)?.split_once(RECEIPT_INFIX)?;
    Some((tenant.parse().ok()?, id.parse().ok()?))
}

pub(crate) fn parse_user(sk: &str) -> Option<UserName> {
    sk.strip_prefix(USER_PREFIX)?.parse().ok()
}

pub(crate) fn parse_cutoff(sk: &str) -> Option<Date> {
    sk.strip_prefix(CUTOFF_PREFIX)?.parse().ok()
}

pub(crate) fn parse_reconciliation(sk: &str) -> Option<Date> {
    sk.strip_prefix(RECONCILIATION_PREFIX)?.parse().ok()
}

pub(crate) fn parse_station(sk: &str) -> Option<StationId> {
    sk.strip_prefix(STATION_PREFIX)?.parse().ok()
}

pub(crate) fn parse_concessionaire(sk: &str) -> Option<ConcessionaireId> {
    sk.strip_prefix(CONCESSIONAIRE_PREFIX)?.parse().ok()
}

pub(crate) fn parse_booking(sk: &str) -> Option<BookingId> {
    sk.strip_prefix(BOOKING_PREFIX)?.parse().ok()
}

pub(crate) fn parse_import(sk: &str) -> Option<CommandId> {
    sk.strip_prefix(IMPORT_PREFIX)?.parse().ok()
}

pub(crate) fn parse_delivery(sk: &str) -> Option<DeliveryId> {
    sk.strip_prefix(DELIVERY_PREFIX)?.parse().ok()
}

pub(crate) fn parse_meal(sk: &str) -> Option<MealCode> {
    sk.strip_prefix(MEAL_PREFIX)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stall_id() -> ConcessionaireId {
        "canteen".parse().unwrap()
    }

    fn hook_id() -> WebhookId {
        "01900000-0000-7000-8000-000000000000".parse().unwrap()
    }

    fn every_key(tenant: &TenantId) -> Vec<Key> {
        let (number, station, meal_code) =
            ("7".parse().unwrap(), "s1".parse().unwrap(), "m".parse().unwrap());
        let id = "01900000-0000-7000-8000-000000000000".parse().unwrap();
        let stall = stall_id();
        vec![
            super::tenant(tenant),
            concessionaire(tenant, &stall_id()),
            super::station(tenant, &station),
            admins(tenant),
            import(tenant, "01900000-0000-7000-8000-000000000000".parse().unwrap()),
            policy(tenant),
            roster(tenant),
            webhooks(tenant),
            delivery(tenant, hook_id(), &"001772434800000-e".parse().unwrap()),
            cutoff(tenant, jiff::civil::date(2026, 3, 15)),
            cutoff_part(tenant, jiff::civil::date(2026, 3, 15), 1, 7),
            reconciliation(tenant, jiff::civil::date(2026, 3, 15)),
            reconciliation_part(tenant, jiff::civil::date(2026, 3, 15), 7),
            receipt(tenant, "01900000-0000-7000-8000-000000000000".parse().unwrap()),
            newest_file(tenant, &Target::Roster),
            session(tenant, Uuid::nil()),
            audience(tenant, &Audience::Tenant),
            told(tenant, Timestamp::UNIX_EPOCH, "e"),
            user(tenant, &"ann".parse().unwrap()),
            employee(tenant, &number),
            wallet(tenant, &number),
            checkout(tenant, &number, id),
            booking(tenant, &number, &"opening".parse().unwrap()),
            badge(tenant, &"1001".parse().unwrap()),
            menu(tenant, &stall),
            meal(tenant, &stall, 1, &meal_code),
        ]
    }

    #[test]
    fn every_partition_begins_with_its_tenant() {
        let (acme, acme_2) = ("acme".parse().unwrap(), "acme-2".parse().unwrap());
        let begins = |pk: &str| pk == "T#acme" || pk.starts_with("T#acme#");
        assert!(every_key(&acme).iter().all(|key| begins(&key.pk)));
        assert!(!every_key(&acme_2).iter().any(|key| begins(&key.pk)));
        let id = "01900000-0000-7000-8000-000000000000".parse().unwrap();
        let date = jiff::civil::date(2026, 3, 2);
        assert!(begins(&checkouts_of_day(&acme, &"canteen".parse().unwrap(), date, id).pk));
        assert!(begins(&employees_by_name(&acme, "ann", &"7".parse().unwrap()).pk));
        let (now, number) = (Timestamp::UNIX_EPOCH, "7".parse().unwrap());
        for is_platforms in [true, false] {
            assert!(begins(&audited(&acme, is_platforms, now, &id).pk));
            assert!(begins(&audit(&acme, is_platforms, now, now).pk));
        }
        let [sales, bookings] = movements_between(&acme, &number, now, now);
        let [above_bookings, all_bookings] = account(&acme, &number);
        let spans = [
            concessionaires(&acme),
            cutoffs(&acme),
            reconciliations(&acme),
            above_bookings,
            all_bookings,
            imports(&acme),
            meals_span(&acme, &stall_id(), 1),
            stations(&acme),
            users(&acme),
            employees(&acme, "a"),
            checkouts_on(&acme, &stall_id(), date),
            deliveries(&acme, hook_id()),
            deliveries_from(&acme, hook_id(), &"001772434800000-e".parse().unwrap()),
            movements_unasked(&acme, &number),
            sales,
            bookings,
        ];
        let told = told_between(&acme, now, now + jiff::SignedDuration::from_hours(1));
        assert!(spans.iter().chain(&told).all(|span| begins(&span.pk)));
        let partitions = [
            cutoff_parts(&acme, date, 0),
            reconciliation_parts(&acme, date),
            super::bookings(&acme, &number),
            checkouts(&acme, &number),
        ];
        assert!(partitions.iter().all(|partition| begins(&partition.pk)));
    }

    /// Also what nobody knows the place of yet.
    #[test]
    fn an_account_is_read_once_and_whole() {
        let (acme, number) = ("acme".parse().unwrap(), "7".parse().unwrap());
        let id = "01900000-0000-7000-8000-000000000000";
        let [above, below] = account(&acme, &number);
        let keys = [
            (wallet(&acme, &number), true),
            (employee(&acme, &number), true),
            (checkout(&acme, &number, id.parse().unwrap()), true),
            (key(employee_pk(&acme, &number), "ZZ"), true),
            (booking(&acme, &number, &id.parse().unwrap()), false),
            (booking(&acme, &number, &"opening".parse().unwrap()), false),
            (key(employee_pk(&acme, &number), "ATTRIBUTE"), false),
        ];
        for (key, is_above) in keys {
            let holds = |span: &Span| span.pk == key.pk && (&span.from..=&span.to).contains(&&key.sk);
            assert_eq!((holds(&above), holds(&below)), (is_above, !is_above), "{key:?}");
        }
    }

    #[test]
    fn a_time_of_the_audit_ends_where_the_next_begins() {
        let (acme, id) = ("acme".parse().unwrap(), "01900000-0000-7000-8000-000000000000");
        let at = |ms| Timestamp::from_millisecond(ms).unwrap();
        let sk = audited(&acme, false, at(7), &id).sk;
        let holds = |from, to| {
            let span = audit(&acme, false, at(from), at(to));
            (span.from..=span.to).contains(&sk)
        };
        assert_eq!([holds(6, 7), holds(7, 8), holds(7, 7), holds(0, 9)], [false, true, false, true]);
    }

    #[test]
    fn a_time_holds_the_ids_made_in_it() {
        let id: CheckoutId = "01900000-0000-7000-8000-000000000000".parse().unwrap();
        let made = Timestamp::from_millisecond(id.created_at_ms()).unwrap();
        let (acme, number) = ("acme".parse().unwrap(), "7".parse().unwrap());
        let key = checkout(&acme, &number, id);
        let holds = |from: i64, to: i64| {
            let at = |ms| made + jiff::SignedDuration::from_millis(ms);
            let [sales, _] = movements_between(&acme, &number, at(from), at(to));
            (sales.from..=sales.to).contains(&key.sk)
        };
        assert!(holds(0, 0) && holds(-1, 1));
        let unasked = movements_unasked(&acme, &number);
        let is_unasked = |id: &str| {
            let sk = booking(&acme, &number, &id.parse().unwrap()).sk;
            unasked.from <= sk && sk <= unasked.to
        };
        assert!(["opening", "cutoff-2026-11-30", "Expiry"].into_iter().all(is_unasked));
        assert!(!is_unasked(&id.to_string()));
        assert!(!holds(1, 2) && !holds(-2, -1));
    }

    /// The one-call read goes backwards from the end of the partition and stops after the newest
    /// checkouts: nothing else may stand above or among them.
    #[test]
    fn an_employee_reads_wallet_then_profile_then_checkouts() {
        let tenant = "acme".parse().unwrap();
        let mut keys: Vec<_> =
            every_key(&tenant).into_iter().filter(|key| key.pk == "T#acme#E#7").map(|key| key.sk).collect();
        keys.sort_by(|a, b| b.cmp(a));
        let kinds: Vec<_> = keys.iter().map(|sk| sk.split('#').next().unwrap()).collect();
        assert_eq!(kinds, ["WALLET", "EMPLOYEE", "CHECKOUT", "BOOKING"]);
    }

    #[test]
    fn the_longest_group_of_a_delivery_is_short_enough() {
        const GROUP_MAX: usize = 128;
        let tenant: TenantId = "t".repeat(32).parse().unwrap();
        let asked = "01900000-0000-7000-8000-000000000001".parse().unwrap();
        let event = Event::of_test(&tenant, hook_id(), asked, Timestamp::UNIX_EPOCH);
        for is_aside in [false, true] {
            let (tenant, event) = (tenant.clone(), event.clone());
            let told = Deliver { tenant, webhook: hook_id(), event, asked: Some(asked), is_aside };
            assert!(delivery_group(&told).len() <= GROUP_MAX);
        }
    }

    #[test]
    fn no_wallet_is_taken_for_a_probe() {
        let acme = "acme".parse().unwrap();
        assert!(is_probe_group(&probe_group(&acme)));
        for number in ["PROBE", "7"] {
            assert!(!is_probe_group(&wallet_group(&acme, &number.parse().unwrap())), "{number}");
        }
    }

    #[test]
    fn a_checkout_key_reads_back() {
        let tenant: TenantId = "acme".parse().unwrap();
        let id = "01900000-0000-7000-8000-000000000000".parse().unwrap();
        let key = checkout(&tenant, &"7".parse().unwrap(), id);
        let date = jiff::civil::date(2026, 3, 2);
        let index = checkouts_of_day(&tenant, &"canteen".parse().unwrap(), date, id);
        let parts = parse_checkout(&key.pk, &key.sk, &index.pk).unwrap();
        assert_eq!((parts.tenant.as_str(), parts.employee.as_str(), parts.id), ("acme", "7", id));
        assert_eq!((parts.concessionaire.as_str(), parts.business_date), ("canteen", date));
    }
}
