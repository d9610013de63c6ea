//! Days of a month and a time of day, and the dates that they come to.

use jiff::civil::{Date, DateTime, Time};
use serde::{Deserialize, Serialize};
use thiserror::Error;

/// On which days of a month.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Schedule {
    Monthly {
        day: DayOfMonth,
    },
    /// Two different days, the earlier first.
    SemiMonthly {
        first: DayOfMonth,
        second: DayOfMonth,
    },
}

/// 1 to 31, or the last; a day that a month lacks is its last.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "DayForm", into = "DayForm")]
pub struct DayOfMonth(i8);

/// An hour and a minute of the day.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct LocalTime(Time);

#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum InvalidSchedule {
    #[error("a day must be 1 to 31, or \"last\"")]
    Day,
    #[error("the second day must come after the first in every month")]
    Days,
    #[error("a time must read like 06:30")]
    Time,
}

const LAST: i8 = 31;

#[derive(Serialize, Deserialize)]
#[serde(untagged)]
enum DayForm {
    Number(i8),
    Word(String),
}

impl TryFrom<DayForm> for DayOfMonth {
    type Error = InvalidSchedule;

    fn try_from(form: DayForm) -> Result<Self, InvalidSchedule> {
        match form {
            DayForm::Number(day) if (1..=LAST).contains(&day) => Ok(Self(day)),
            DayForm::Word(word) if word == "last" => Ok(Self(LAST)),
            DayForm::Number(_) | DayForm::Word(_) => Err(InvalidSchedule::Day),
        }
    }
}

impl From<DayOfMonth> for DayForm {
    fn from(day: DayOfMonth) -> Self {
        // The 31st and the last day are the same day of every month.
        if day.0 == LAST { DayForm::Word("last".to_owned()) } else { DayForm::Number(day.0) }
    }
}

impl DayOfMonth {
    pub const LAST: DayOfMonth = DayOfMonth(LAST);

    fn of(self, month: Date) -> Date {
        let last = month.last_of_month();
        if self.0 >= last.day() { last } else { month.with().day(self.0).build().unwrap_or(last) }
    }
}

impl TryFrom<i64> for DayOfMonth {
    type Error = InvalidSchedule;

    fn try_from(day: i64) -> Result<Self, InvalidSchedule> {
        DayForm::Number(i8::try_from(day).map_err(|_| InvalidSchedule::Day)?).try_into()
    }
}

impl TryFrom<String> for LocalTime {
    type Error = InvalidSchedule;

    fn try_from(text: String) -> Result<Self, InvalidSchedule> {
        // A number may also have a sign.
        let is_two_digits = |text: &str| text.len() == 2 && text.bytes().all(|byte| byte.is_ascii_digit());
        let digits = |text: &str| is_two_digits(text).then(|| text.parse().ok()).flatten();
        let (hour, minute) = text.split_once(':').ok_or(InvalidSchedule::Time)?;
        let (Some(hour), Some(minute)) = (digits(hour), digits(minute)) else {
            return Err(InvalidSchedule::Time);
        };
        Time::new(hour, minute, 0, 0).map(Self).map_err(|_| InvalidSchedule::Time)
    }
}

impl From<LocalTime> for String {
    fn from(time: LocalTime) -> String {
        format!("{:02}:{:02}", time.0.hour(), time.0.minute())
    }
}

impl LocalTime {
    pub fn on(self, date: Date) -> DateTime {
        date.to_datetime(self.0)
    }
}

impl Schedule {
    /// Its days, the earlier first.
    pub fn days(&self) -> Vec<DayOfMonth> {
        match *self {
            Schedule::Monthly { day } => vec![day],
            Schedule::SemiMonthly { first, second } => vec![first, second],
        }
    }

    /// Two days that are different in every month: of February, too.
    pub fn semi_monthly(first: DayOfMonth, second: DayOfMonth) -> Result<Self, InvalidSchedule> {
        /// The shortest month has so many days; from there on, days fall together.
        const SHORTEST: i8 = 28;
        let are_apart = first.0 < second.0 && first.0 < SHORTEST;
        if are_apart { Ok(Schedule::SemiMonthly { first, second }) } else { Err(InvalidSchedule::Days) }
    }

    /// The cutoffs of the month that `date` is in, in order.
    fn of_month(self, date: Date) -> impl DoubleEndedIterator<Item = Date> {
        let (one, other) = match self {
            Schedule::Monthly { day } => (day.of(date), None),
            Schedule::SemiMonthly { first, second } => (first.of(date), Some(second.of(date))),
        };
        [Some(one), other].into_iter().flatten()
    }

    /// The first cutoff after `date`.
    pub fn after(self, date: Date) -> Option<Date> {
        let next_month = date.last_of_month().tomorrow().ok();
        let months = [Some(date), next_month].into_iter().flatten();
        months.flat_map(|month| self.of_month(month)).find(|cutoff| *cutoff > date)
    }

    /// The last cutoff on or before `date`.
    pub fn at_or_before(self, date: Date) -> Option<Date> {
        let month_before = date.first_of_month().yesterday().ok();
        let months = [Some(date), month_before].into_iter().flatten();
        months.flat_map(|month| self.of_month(month).rev()).find(|cutoff| *cutoff <= date)
    }
}
