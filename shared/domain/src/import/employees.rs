//! A roster's rows.

use super::{BadCell, Column, FileRow, Header, Options, decimal, minor_units, one_line, quote};
use crate::admin::Rejection;
use crate::badge::{self, Badge};
use crate::employee::{BadgeStatus, Employee, EmployeePatch, ImageChange, LimitChange};
use crate::id::{EmployeeNumber, Rfid};
use crate::money::{BasisPoints, Limit, Money};
use crate::role::Status;
use crate::tenant::Currency;
use crate::text::{ImageUrl, Name};
use jiff::Timestamp;

/// What a roster may have a column for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum EmployeeColumn {
    Number,
    Name,
    Badge,
    Status,
    Limit,
    Discount,
    Image,
}

impl Column for EmployeeColumn {
    const NAMES: &'static [(Self, &'static [&'static str])] = &[
        (
            Self::Number,
            &[
                "employeenumber",
                "number",
                "employeeno",
                "employeeid",
                "staffnumber",
                "staffid",
                "personnelnumber",
            ],
        ),
        (Self::Name, &["name", "employeename", "fullname", "staffname"]),
        (Self::Badge, &["badge", "rfid", "card", "cardnumber", "badgenumber", "badgeid"]),
        (Self::Status, &["status", "employeestatus"]),
        (Self::Limit, &["creditlimit", "limit"]),
        (Self::Discount, &["discount", "discountpercent"]),
        (Self::Image, &["imageurl", "image", "picture", "photo"]),
    ];
    const REQUIRED: &'static [Self] = &[Self::Number, Self::Name];
}

/// A row that became an employee, or what changes of one. What is not given stays as it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EmployeeRow {
    pub number: EmployeeNumber,
    pub name: Name,
    pub badge: Option<Rfid>,
    pub status: Option<Status>,
    pub limit: Option<Money>,
    pub discount: Option<BasisPoints>,
    pub image_url: Option<ImageUrl>,
}

/// What no two employees of a file have in common; besides, their badges.
pub const EMPLOYEE_KEY: &str = "number";
const BADGE_KEY: &str = "badge";
/// Digits behind the point of a percentage: hundredths are the least.
const PERCENT_DIGITS: u32 = 2;

impl FileRow for EmployeeRow {
    type Column = EmployeeColumn;

    fn read<'a>(
        header: &'a Header<EmployeeColumn>,
        cells: impl IntoIterator<Item = &'a str>,
        currency: &Currency,
        _: &Options,
    ) -> Result<Self, Vec<BadCell>> {
        let mut row = header.row(cells);
        let number = row.require(EmployeeColumn::Number, str::parse::<EmployeeNumber>);
        let name = row.require(EmployeeColumn::Name, |cell| Name::try_from(one_line(cell)));
        let badge = row.read(EmployeeColumn::Badge, str::parse::<Rfid>);
        let status = row.read(EmployeeColumn::Status, |cell| match cell.to_lowercase().as_str() {
            "active" => Ok(Status::Active),
            "inactive" => Ok(Status::Inactive),
            _ => Err("is active or inactive"),
        });
        let limit = row.read(EmployeeColumn::Limit, |cell| {
            let minor = minor_units(cell, currency.minor_digits())?;
            Limit::try_from(minor).map(Money::from).map_err(|error| error.to_string())
        });
        let discount = row.read(EmployeeColumn::Discount, |cell| {
            let percent = minor_units(cell.trim_end_matches('%').trim_end(), PERCENT_DIGITS)?;
            BasisPoints::try_from(percent).map_err(|error| error.to_string())
        });
        let image_url = row.read(EmployeeColumn::Image, |cell| ImageUrl::try_from(cell.to_owned()));
        let read = number.zip(name).map(|(number, name)| Self {
            number,
            name,
            badge,
            status,
            limit,
            discount,
            image_url,
        });
        row.finish(read)
    }

    fn keys(&self) -> Vec<(&'static str, &str)> {
        let badge = self.badge.as_ref().map(|badge| (BADGE_KEY, badge.as_str()));
        [(EMPLOYEE_KEY, self.number.as_str())].into_iter().chain(badge).collect()
    }

    /// Two files of the same employees are compared with the employees, not with each other.
    fn digest(&self, mut text: impl FnMut(&str)) {
        text(self.number.as_str());
    }
}

impl EmployeeRow {
    /// The columns that [`EmployeeRow::write`] fills.
    pub const COLUMNS: [&'static str; 7] =
        ["employee_number", "name", "badge", "status", "credit_limit", "discount", "image_url"];

    /// The row that changes nothing of this employee. Of several active badges it has the first; a badge that
    /// is blocked, and the policy's default limit, are blanks.
    pub fn write(employee: &Employee, currency: &Currency) -> [String; 7] {
        let text = |text: &str| quote(text).into_owned();
        let badge = employee.badges.iter().find(|(_, status)| **status == BadgeStatus::Active);
        let status = match employee.status {
            Status::Active => "active",
            Status::Inactive => "inactive",
        };
        let limit =
            employee.limit.map(|limit| decimal(limit.minor().unsigned_abs(), currency.minor_digits()));
        [
            text(employee.number.as_str()),
            text(&employee.name),
            badge.map(|(rfid, _)| text(rfid.as_str())).unwrap_or_default(),
            status.to_owned(),
            limit.unwrap_or_default(),
            decimal(employee.discount.get().into(), PERCENT_DIGITS),
            employee.image_url.as_deref().map(text).unwrap_or_default(),
        ]
    }

    /// The employee as the row has them, and their badge if it was not theirs before. A badge that somebody
    /// blocked stays blocked, and one that was taken back stays so: a file may be older than that. One that
    /// takes the place of others has them blocked.
    pub fn settle(
        &self,
        stored: Option<&Employee>,
        holder: Option<&Badge>,
        now: Timestamp,
    ) -> Result<(Employee, Option<Badge>), Rejection> {
        let employee = match stored {
            Some(stored) => stored.with(&self.patch()),
            None => Employee {
                number: self.number.clone(),
                name: self.name.clone().into(),
                status: self.status.unwrap_or(Status::Active),
                discount: self.discount.unwrap_or(BasisPoints::NONE),
                limit: self.limit,
                badges: [].into(),
                image_url: self.image_url.clone().map(String::from),
                changed_at: None,
            },
        };
        let Some(rfid) = self.badge.as_ref().filter(|rfid| !employee.badges.contains_key(*rfid)) else {
            return Ok((employee, None));
        };
        let was_taken_back =
            holder.is_some_and(|badge| badge.employee == employee.number && badge.released_at.is_some());
        if was_taken_back {
            return Ok((employee, None));
        }
        let (mut employee, badge) = badge::assign(&employee, rfid, holder, None, now)?;
        for (other, status) in &mut employee.badges {
            if other != rfid {
                *status = BadgeStatus::Blocked;
            }
        }
        Ok((employee, Some(badge)))
    }

    fn patch(&self) -> EmployeePatch {
        EmployeePatch {
            name: Some(self.name.clone()),
            status: self.status,
            discount: self.discount,
            limit: self.limit.map(LimitChange::Set),
            image_url: self.image_url.clone().map(ImageChange::Set),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::import::Mode;
    use jiff::SignedDuration;
    use proptest::prelude::*;

    const NAMES: [&str; 7] =
        ["Employee No", "Full Name", "Card", "Status", "Credit limit (PHP)", "Discount %", "Photo"];

    fn read(cells: &[&str]) -> Result<EmployeeRow, Vec<BadCell>> {
        let header = Header::read(NAMES).unwrap();
        let currency = "PHP".to_owned().try_into().unwrap();
        EmployeeRow::read(&header, cells.iter().copied(), &currency, &Options::new(Mode::Merge))
    }

    #[test]
    fn a_row_is_read_as_payrolls_write_it() {
        let row = read(&["7", "Ada  Okafor", "RF7000", "Inactive", "1500,5", "12.5 %", ""]).unwrap();
        assert_eq!((row.number.as_str(), row.name.as_str()), ("7", "Ada Okafor"));
        assert_eq!((row.status, row.limit), (Some(Status::Inactive), Some(Money::from_minor(150_050))));
        assert_eq!((row.discount.map(BasisPoints::get), row.image_url), (Some(1_250), None));
        let bad = read(&["a b", "", "x", "gone", "-1", "101", "http://x"]).unwrap_err();
        let columns: Vec<_> = bad.iter().map(|bad| bad.column.as_str()).collect();
        assert_eq!(columns, NAMES);
    }

    #[test]
    fn what_is_not_given_stays() {
        let ada = read(&["7", "Ada", "RF7000", "", "100", "5", "https://x/7.png"]).unwrap();
        let (stored, badge) = ada.settle(None, None, Timestamp::UNIX_EPOCH).unwrap();
        assert!(stored.has_active_badge(&"RF7000".parse().unwrap()) && badge.is_some());
        let renamed = read(&["7", "Ada Okafor"]).unwrap();
        let (changed, badge) = renamed.settle(Some(&stored), None, Timestamp::UNIX_EPOCH).unwrap();
        assert_eq!((changed, badge), (Employee { name: "Ada Okafor".to_owned(), ..stored }, None));
    }

    #[test]
    fn a_badge_moves_to_nobody_whose_it_is_not() {
        let (now, hour) = (Timestamp::UNIX_EPOCH, SignedDuration::from_hours(1));
        let (old, new): (Rfid, Rfid) = ("RF7000".parse().unwrap(), "RF7001".parse().unwrap());
        let (stored, _) = read(&["7", "Ada", "RF7000"]).unwrap().settle(None, None, now).unwrap();
        let row = read(&["7", "Ada", "RF7001"]).unwrap();
        let others = |released_at| Badge { employee: "8".parse().unwrap(), released_at };
        let settle = |holder: Option<&Badge>| row.settle(Some(&stored), holder, now + hour * 100);
        assert_eq!(settle(Some(&others(None))), Err(Rejection::BadgeTaken));
        let until = now + hour * 50 + badge::REST;
        assert_eq!(settle(Some(&others(Some(now + hour * 50)))), Err(Rejection::BadgeResting { until }));
        let (moved, badge) = settle(Some(&others(Some(now)))).unwrap();
        assert_eq!(badge.unwrap().employee.as_str(), "7");
        assert!(moved.has_active_badge(&new) && !moved.has_active_badge(&old));
        // Taken back and replaced, or lost and blocked, and still in yesterday's file.
        let mine = Badge { employee: "7".parse().unwrap(), released_at: Some(now) };
        assert_eq!(settle(Some(&mine)), Ok((stored.clone(), None)));
        let (again, badge) = read(&["7", "Ada", "RF7000"]).unwrap().settle(Some(&moved), None, now).unwrap();
        assert_eq!((again, badge), (moved, None));
        // Nor does whoever has no other get it back of a file.
        let bare = Employee { badges: [].into(), ..stored };
        assert_eq!(row.settle(Some(&bare), Some(&mine), now), Ok((bare.clone(), None)));
    }

    proptest! {
        #[test]
        fn what_is_exported_changes_nothing(
            number in "[A-Za-z0-9._-]{1,32}",
            name in "[^\\s\\pC\\pM](\\PC{0,30}[^\\s\\pC])?",
            badges in proptest::collection::btree_map("[A-Za-z0-9_-]{4,32}", any::<bool>(), 0..4),
            is_active: bool,
            limit in proptest::option::of(0..=1_000_000_000_000_i64),
            discount in 0..=10_000_i64,
            picture in proptest::option::of("https://[a-z]{1,9}\\.example/[a-z0-9,;=@+-]{0,40}"),
        ) {
            let badge = |(rfid, is_active): (String, bool)| {
                let status = if is_active { BadgeStatus::Active } else { BadgeStatus::Blocked };
                (rfid.parse().unwrap(), status)
            };
            let stored = Employee {
                number: number.parse().unwrap(),
                name: Name::try_from(one_line(&name)).unwrap().into(),
                status: if is_active { Status::Active } else { Status::Inactive },
                discount: discount.try_into().unwrap(),
                limit: limit.map(Money::from_minor),
                badges: badges.into_iter().map(badge).collect(),
                image_url: picture,
                changed_at: None,
            };
            let php = "PHP".to_owned().try_into().unwrap();
            let written = EmployeeRow::write(&stored, &php);
            let header = Header::read(EmployeeRow::COLUMNS).unwrap();
            let cells = written.iter().map(String::as_str);
            let row = EmployeeRow::read(&header, cells, &php, &Options::new(Mode::Replace)).unwrap();
            prop_assert_eq!(row.settle(Some(&stored), None, Timestamp::UNIX_EPOCH), Ok((stored, None)));
        }
    }
}
