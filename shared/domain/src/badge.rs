//! Badges: each works for one employee at a time, and rests before it goes to another, so that a key
//! from before leads to nobody else's sale.

use crate::admin::Rejection;
use crate::employee::{BadgeStatus, Employee};
use crate::id::{EmployeeNumber, Rfid};
use jiff::{SignedDuration, Timestamp};

/// How long a badge that was taken back goes to nobody else: an hour longer than a key lives.
pub const REST: SignedDuration = SignedDuration::from_hours(73);
/// Badges of one employee, blocked ones included.
pub const MAX_BADGES: usize = 10;

/// Whose a badge is, or was last.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Badge {
    pub employee: EmployeeNumber,
    /// When it was taken back.
    pub released_at: Option<Timestamp>,
}

/// Gives a badge to `employee`, who may have had it before; the one that it replaces is blocked.
pub fn assign(
    employee: &Employee,
    rfid: &Rfid,
    badge: Option<&Badge>,
    replaces: Option<&Rfid>,
    now: Timestamp,
) -> Result<(Employee, Badge), Rejection> {
    match badge {
        Some(badge) if badge.employee != employee.number => match badge.released_at {
            None => return Err(Rejection::BadgeTaken),
            Some(released_at) if now < released_at + REST => {
                return Err(Rejection::BadgeResting { until: released_at + REST });
            }
            Some(_) => {}
        },
        _ => {}
    }
    let mut changed = employee.clone();
    if let Some(replaced) = replaces {
        let status = changed.badges.get_mut(replaced).ok_or(Rejection::UnknownBadge)?;
        *status = BadgeStatus::Blocked;
    }
    changed.badges.insert(rfid.clone(), BadgeStatus::Active);
    if changed.badges.len() > MAX_BADGES {
        return Err(Rejection::TooManyBadges);
    }
    Ok((changed, Badge { employee: employee.number.clone(), released_at: None }))
}

/// Makes a station refuse a badge.
pub fn block(employee: &Employee, rfid: &Rfid) -> Result<Employee, Rejection> {
    let mut changed = employee.clone();
    *changed.badges.get_mut(rfid).ok_or(Rejection::UnknownBadge)? = BadgeStatus::Blocked;
    Ok(changed)
}

/// Takes a badge back.
pub fn release(employee: &Employee, rfid: &Rfid, now: Timestamp) -> Result<(Employee, Badge), Rejection> {
    let mut changed = employee.clone();
    changed.badges.remove(rfid).ok_or(Rejection::UnknownBadge)?;
    Ok((changed, Badge { employee: employee.number.clone(), released_at: Some(now) }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::money::BasisPoints;
    use crate::role::Status;

    fn employee(number: &str, badges: &[(&str, BadgeStatus)]) -> Employee {
        Employee {
            number: number.parse().unwrap(),
            name: "Ann".to_owned(),
            status: Status::Active,
            discount: BasisPoints::NONE,
            limit: None,
            badges: badges.iter().map(|(rfid, status)| (rfid.parse().unwrap(), *status)).collect(),
            image_url: None,
            changed_at: None,
        }
    }

    fn at(hour: i64) -> Timestamp {
        Timestamp::UNIX_EPOCH + SignedDuration::from_hours(hour)
    }

    /// Badge 1001 is given to employee 7 at hour 100.
    #[track_caller]
    fn check(holder: Option<(&str, Option<i64>)>, expected: Result<(), Rejection>) {
        let badge = holder.map(|(number, released)| Badge {
            employee: number.parse().unwrap(),
            released_at: released.map(at),
        });
        let given = assign(&employee("7", &[]), &"1001".parse().unwrap(), badge.as_ref(), None, at(100));
        assert_eq!(given.map(|_| ()), expected);
    }

    #[test]
    fn a_badge_works_for_one_and_rests_before_another() {
        check(None, Ok(()));
        check(Some(("7", None)), Ok(()));
        check(Some(("7", Some(99))), Ok(()));
        check(Some(("8", None)), Err(Rejection::BadgeTaken));
        check(Some(("8", Some(28))), Err(Rejection::BadgeResting { until: at(101) }));
        check(Some(("8", Some(27))), Ok(()));
    }

    #[test]
    fn what_is_replaced_is_blocked() {
        let ann = employee("7", &[("1001", BadgeStatus::Active)]);
        let (old, new): (Rfid, Rfid) = ("1001".parse().unwrap(), "1002".parse().unwrap());
        let (changed, _) = assign(&ann, &new, None, Some(&old), at(0)).unwrap();
        assert!(changed.has_active_badge(&new) && !changed.has_active_badge(&old));
        assert_eq!(assign(&ann, &new, None, Some(&new), at(0)).unwrap_err(), Rejection::UnknownBadge);
        let (released, badge) = release(&changed, &old, at(5)).unwrap();
        assert_eq!((released.badges.len(), badge.released_at), (1, Some(at(5))));
        assert_eq!(block(&released, &old), Err(Rejection::UnknownBadge));
    }

    #[test]
    fn nobody_collects_badges() {
        let many: Vec<_> = (0..MAX_BADGES).map(|index| format!("100{index}")).collect();
        let many: Vec<_> = many.iter().map(|rfid| (rfid.as_str(), BadgeStatus::Blocked)).collect();
        let given = assign(&employee("7", &many), &"2001".parse().unwrap(), None, None, at(0));
        assert_eq!(given.unwrap_err(), Rejection::TooManyBadges);
    }
}
