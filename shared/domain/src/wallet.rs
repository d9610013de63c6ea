//! An employee's credit. Its version counts its movements, without a gap.

use crate::money::Money;
use crate::planted::{self, Planted};
use thiserror::Error;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Wallet {
    pub balance: Money,
    /// How many movements there have been.
    pub version: u64,
}

#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("the wallet does not cover the amount")]
pub struct NotCovered;

impl Wallet {
    /// The wallet after `amount` was taken. Taking nothing is always covered.
    pub fn debit(self, amount: Money, overdraft_limit: Money) -> Result<Wallet, NotCovered> {
        let balance = self.balance.checked_sub(amount).ok_or(NotCovered)?;
        let floor = overdraft_limit.checked_neg().ok_or(NotCovered)?;
        if amount > Money::ZERO && balance < floor && !planted::is(Planted::FloorIgnored) {
            return Err(NotCovered);
        }
        let version = if planted::is(Planted::VersionForgotten) { self.version } else { self.version + 1 };
        Ok(Wallet { balance, version })
    }

    /// The wallet after `amount` was given; nothing if the sum leaves the range of an `i64`.
    pub fn credit(self, amount: Money) -> Option<Wallet> {
        let balance = self.balance.checked_add(amount)?;
        Some(Wallet { balance, version: self.version + 1 })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(balance: i64, amount: i64, overdraft: i64, after: Result<i64, NotCovered>) {
        let wallet = Wallet { balance: Money::from_minor(balance), version: 7 };
        let result = wallet.debit(Money::from_minor(amount), Money::from_minor(overdraft));
        let expected = after.map(|minor| Wallet { balance: Money::from_minor(minor), version: 8 });
        assert_eq!(result, expected);
    }

    #[test]
    fn a_debit_stops_at_the_floor() {
        check(500, 480, 0, Ok(20));
        check(500, 500, 0, Ok(0));
        check(500, 501, 0, Err(NotCovered));
        check(500, 501, 1, Ok(-1));
        check(500, 502, 1, Err(NotCovered));
        check(-5, 0, 0, Ok(-5));
        check(i64::MIN, 1, 0, Err(NotCovered));
    }
}
