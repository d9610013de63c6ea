//! A tenant: its currency, its business day, and what it allows.

use crate::command::{COMMAND_LIFETIME, Kind};
use crate::id::{CheckoutId, ConcessionaireId, StationId, TenantId};
use crate::money::Money;
use crate::planted::{self, Planted};
use crate::role::Status;
use jiff::Timestamp;
use jiff::civil::{Date, DateTime};
use jiff::tz::{TimeZone, TimeZoneDatabase};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use std::sync::LazyLock;
use thiserror::Error;

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tenant {
    pub id: TenantId,
    pub name: String,
    pub status: TenantStatus,
    pub currency: Currency,
    pub business_day: BusinessDay,
    /// How far below zero a wallet may go; zero unless the tenant says otherwise.
    pub overdraft_limit: Money,
    /// Kinds of command of which a probe has come through.
    pub reached: BTreeSet<Kind>,
}

impl Tenant {
    /// Whether commands of this kind find their way; until then none is accepted.
    pub fn is_reached(&self, kind: Kind) -> bool {
        self.reached.contains(&kind)
    }

    /// Whether every command finds its way.
    pub fn is_ready(&self) -> bool {
        Kind::ALL.into_iter().all(|kind| self.is_reached(kind))
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TenantStatus {
    Active,
    Suspended,
}

/// A terminal, and whose stall it stands at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Station {
    pub id: StationId,
    pub concessionaire: ConcessionaireId,
    pub status: Status,
    /// How it stood before, as long as a sale of then may wait; the last few, the latest first.
    pub former: Vec<FormerStation>,
}

/// More than anybody changes a station in five minutes.
const FORMER_MAX: usize = 8;

/// Whose a station was, and whether it sold, until it was changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FormerStation {
    pub concessionaire: ConcessionaireId,
    pub status: Status,
    pub until: Timestamp,
}

impl Station {
    /// One that sells, and never stood otherwise.
    pub fn new(id: StationId, concessionaire: ConcessionaireId) -> Self {
        Self { id, concessionaire, status: Status::Active, former: vec![] }
    }

    /// The station from `now` on. What changes nothing leaves what it was before.
    pub fn changed(self, concessionaire: ConcessionaireId, status: Status, now: Timestamp) -> Self {
        if (&self.concessionaire, self.status) == (&concessionaire, status) {
            return self;
        }
        let last = FormerStation { concessionaire: self.concessionaire, status: self.status, until: now };
        let earlier = self.former.into_iter().filter(|former| now <= former.until + COMMAND_LIFETIME);
        let former = [last].into_iter().chain(earlier).take(FORMER_MAX).collect();
        Self { id: self.id, concessionaire, status, former }
    }

    /// How it stood since a sale was begun, as long as that may have been accepted then and wait in its
    /// queue: whoever sends it again is to learn what comes of it.
    pub fn as_it_was(&self, sale: CheckoutId, now: Timestamp) -> impl Iterator<Item = &FormerStation> {
        self.former.iter().filter(move |former| {
            let is_from_before = sale.created_at_ms() <= former.until.as_millisecond();
            let may_wait = is_from_before && now <= former.until + COMMAND_LIFETIME;
            may_wait && !planted::is(Planted::StationForgetful)
        })
    }
}

/// A vendor as lists show it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Concessionaire {
    pub id: ConcessionaireId,
    pub name: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum InvalidTenant {
    #[error("a currency must be three capital letters, as in ISO 4217")]
    Currency,
    #[error("ISO 4217 lists no such currency")]
    UnlistedCurrency,
    #[error("unknown time zone; use a name of the IANA database")]
    TimeZone,
    #[error("a closing hour must be 0 to 23")]
    ClosingHour,
}

/// A code as ISO 4217 has them, though perhaps no more: whoever has one keeps it when it leaves the list.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Currency(String);

impl TryFrom<String> for Currency {
    type Error = InvalidTenant;

    fn try_from(code: String) -> Result<Self, InvalidTenant> {
        let is_code = code.len() == 3 && code.bytes().all(|b| b.is_ascii_uppercase());
        if is_code { Ok(Self(code)) } else { Err(InvalidTenant::Currency) }
    }
}

impl From<Currency> for String {
    fn from(currency: Currency) -> String {
        currency.0
    }
}

impl Currency {
    /// Whether it is money today. Metals and baskets are on the list, too, and have no minor unit.
    pub fn is_listed(&self) -> bool {
        exponent(&self.0).is_some()
    }

    /// Decimals of an amount, as ISO 4217 lists them: two of most.
    pub fn minor_digits(&self) -> u32 {
        exponent(&self.0).unwrap_or(2)
    }
}

fn exponent(code: &str) -> Option<u32> {
    iso_currency::Currency::from_code(code)?.exponent().map(u32::from)
}

/// When one business day ends and the next begins, in the tenant's zone.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "BusinessDayForm", into = "BusinessDayForm")]
pub struct BusinessDay {
    zone: TimeZone,
    closing_hour: u8,
}

#[derive(Serialize, Deserialize)]
struct BusinessDayForm {
    time_zone: String,
    closing_hour: u8,
}

impl TryFrom<BusinessDayForm> for BusinessDay {
    type Error = InvalidTenant;

    fn try_from(form: BusinessDayForm) -> Result<Self, InvalidTenant> {
        Self::new(&form.time_zone, form.closing_hour)
    }
}

impl From<BusinessDay> for BusinessDayForm {
    fn from(day: BusinessDay) -> Self {
        Self { time_zone: day.zone_name().to_owned(), closing_hour: day.closing_hour }
    }
}

/// The bundled database: the same zones wherever this runs, and no file is read.
static ZONES: LazyLock<TimeZoneDatabase> = LazyLock::new(TimeZoneDatabase::bundled);

impl BusinessDay {
    /// `zone` is an IANA name; `closing_hour` (0 to 23) is the local hour before which a sale
    /// still belongs to the day before.
    pub fn new(zone: &str, closing_hour: u8) -> Result<Self, InvalidTenant> {
        if closing_hour > 23 {
            return Err(InvalidTenant::ClosingHour);
        }
        let zone = ZONES.get(zone).map_err(|_| InvalidTenant::TimeZone)?;
        Ok(Self { zone, closing_hour })
    }

    pub fn zone_name(&self) -> &str {
        self.zone.iana_name().unwrap_or("UTC")
    }

    pub fn closing_hour(&self) -> u8 {
        self.closing_hour
    }

    /// The date on the wall at `at`, whatever the closing hour.
    pub fn local_date(&self, at: Timestamp) -> Date {
        self.zone.to_datetime(at).date()
    }

    /// When the clocks on the wall read so: what daylight saving skips is moved on by as much, and of what
    /// comes twice the first counts.
    pub fn instant(&self, local: DateTime) -> Option<Timestamp> {
        if planted::is(Planted::ZoneIgnored) {
            return TimeZone::UTC.to_timestamp(local).ok();
        }
        self.zone.to_ambiguous_timestamp(local).compatible().ok()
    }

    /// When a business date begins, and when it is over.
    pub fn hours_of(&self, date: Date) -> Option<(Timestamp, Timestamp)> {
        let hour = i8::try_from(self.closing_hour).ok()?;
        let begins = |date: Date| self.instant(date.at(hour, 0, 0, 0));
        Some((begins(date)?, begins(date.tomorrow().ok()?)?))
    }

    /// The business date that `at` belongs to.
    pub fn date_of(&self, at: Timestamp) -> Date {
        let local = self.zone.to_datetime(at);
        let hour = u8::try_from(local.hour()).unwrap_or(0);
        if hour < self.closing_hour {
            local.date().yesterday().unwrap_or_else(|_| local.date())
        } else {
            local.date()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::CommandId;

    #[track_caller]
    fn check(zone: &str, closing_hour: u8, at: &str, date: &str) {
        let day = BusinessDay::new(zone, closing_hour).unwrap();
        assert_eq!(day.date_of(at.parse().unwrap()).to_string(), date);
    }

    #[test]
    fn a_sale_belongs_to_the_local_day_that_is_not_yet_closed() {
        check("Asia/Manila", 0, "2026-03-01T15:59:59Z", "2026-03-01");
        check("Asia/Manila", 0, "2026-03-01T16:00:00Z", "2026-03-02");
        check("Asia/Manila", 4, "2026-03-01T19:59:59Z", "2026-03-01");
        check("Asia/Manila", 4, "2026-03-01T20:00:00Z", "2026-03-02");
        check("America/New_York", 4, "2026-01-01T08:59:59Z", "2025-12-31");
        // The night the clocks go forward in Berlin: 03:00 local is 01:00 UTC.
        check("Europe/Berlin", 3, "2026-03-29T00:59:59Z", "2026-03-28");
        check("Europe/Berlin", 3, "2026-03-29T01:00:00Z", "2026-03-29");
        check("Asia/Kathmandu", 0, "2026-05-01T18:15:00Z", "2026-05-02");
    }

    #[test]
    fn the_hours_of_a_date_are_those_that_belong_to_it() {
        let millisecond = jiff::SignedDuration::from_millis(1);
        for (zone, closing_hour) in
            [("Asia/Manila", 0), ("Europe/Berlin", 2), ("Europe/Berlin", 3), ("America/Havana", 0)]
        {
            let day = BusinessDay::new(zone, closing_hour).unwrap();
            let mut date: Date = "2026-01-01".parse().unwrap();
            while date < "2027-01-01".parse().unwrap() {
                let (begins, ends) = day.hours_of(date).unwrap();
                let dates =
                    [begins - millisecond, begins, ends - millisecond, ends].map(|at| day.date_of(at));
                let (before, after) = (date.yesterday().unwrap(), date.tomorrow().unwrap());
                assert_eq!(dates, [before, date, date, after], "{zone} {closing_hour} {date}");
                date = after;
            }
        }
    }

    #[test]
    fn a_station_stands_as_it_was_for_whom_a_change_overtook() {
        let at = |time: &str| -> Timestamp { format!("2026-03-01T{time}Z").parse().unwrap() };
        let begun = |time: &str| -> CheckoutId {
            CommandId::made_at(at(time).as_millisecond(), &[0; 32]).unwrap().into()
        };
        let (bar, kitchen): (ConcessionaireId, ConcessionaireId) =
            ("bar".parse().unwrap(), "kitchen".parse().unwrap());
        let was = |station: &Station, sale: &str, now: &str| -> Vec<(ConcessionaireId, Status)> {
            let former = station.as_it_was(begun(sale), at(now));
            former.map(|former| (former.concessionaire.clone(), former.status)).collect()
        };
        let (of_bar, of_kitchen) = ((bar.clone(), Status::Active), (kitchen.clone(), Status::Active));
        let new = Station::new("s1".parse().unwrap(), bar);
        assert_eq!(was(&new, "12:00:00", "12:00:00"), []);
        let moved = new.changed(kitchen.clone(), Status::Active, at("12:00:00"));
        assert_eq!((&moved.concessionaire, moved.status), (&kitchen, Status::Active));
        assert_eq!(was(&moved, "12:00:00", "12:05:00"), std::slice::from_ref(&of_bar));
        assert_eq!(was(&moved, "12:00:01", "12:05:00"), [], "begun after it moved");
        assert_eq!(was(&moved, "12:00:00", "12:05:01"), [], "decided, or expired");
        assert_eq!(moved.clone().changed(kitchen.clone(), Status::Active, at("12:01:00")), moved);
        let closed = moved.clone().changed(kitchen.clone(), Status::Inactive, at("12:04:00"));
        assert_eq!(was(&closed, "12:00:00", "12:05:00"), [of_kitchen.clone(), of_bar]);
        assert_eq!(was(&closed, "12:00:00", "12:05:01"), [of_kitchen]);
        let mut turned = moved;
        for status in [Status::Inactive, Status::Active].into_iter().cycle().take(20) {
            turned = turned.changed(kitchen.clone(), status, at("12:05:01"));
        }
        assert_eq!(turned.former.len(), FORMER_MAX);
    }

    #[track_caller]
    fn check_currency(code: &str, digits: Option<u32>) {
        let currency = Currency::try_from(code.to_owned()).ok().filter(Currency::is_listed);
        assert_eq!(currency.map(|currency| currency.minor_digits()), digits, "{code}");
    }

    /// Amounts are stored without their decimals: another number of them would be other money.
    #[test]
    fn a_currency_has_the_decimals_that_it_always_had() {
        for code in ["BIF", "CLP", "DJF", "GNF", "ISK", "JPY", "KMF", "KRW", "PYG", "RWF", "UGX"] {
            check_currency(code, Some(0));
        }
        for code in ["UYI", "VND", "VUV", "XAF", "XOF", "XPF"] {
            check_currency(code, Some(0));
        }
        for code in ["BHD", "IQD", "JOD", "KWD", "LYD", "OMR", "TND"] {
            check_currency(code, Some(3));
        }
        for code in ["CLF", "UYW"] {
            check_currency(code, Some(4));
        }
        for code in ["PHP", "EUR", "USD", "MGA", "MRU", "IDR", "HUF"] {
            check_currency(code, Some(2));
        }
        for code in ["JPN", "php", "", "XAU", "XXX", "EURO"] {
            check_currency(code, None);
        }
        assert_eq!(Currency::try_from("DEM".to_owned()).unwrap().minor_digits(), 2);
    }

    #[test]
    fn a_zone_must_exist_and_an_hour_be_on_the_clock() {
        assert_eq!(BusinessDay::new("Mars/Olympus", 0), Err(InvalidTenant::TimeZone));
        assert_eq!(BusinessDay::new("UTC", 24), Err(InvalidTenant::ClosingHour));
    }
}
