//! Money in minor units, quantities and discounts. No float, and no arithmetic that can wrap.

use serde::{Deserialize, Serialize};
use std::fmt;
use thiserror::Error;

/// An amount in minor units of the tenant's currency; negative only where a wallet is overdrawn
/// or an adjustment takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Money(i64);

impl Money {
    pub const ZERO: Money = Money(0);

    pub const fn from_minor(minor: i64) -> Self {
        Self(minor)
    }

    pub const fn minor(self) -> i64 {
        self.0
    }

    pub fn checked_add(self, other: Money) -> Option<Money> {
        self.0.checked_add(other.0).map(Money)
    }

    pub fn checked_sub(self, other: Money) -> Option<Money> {
        self.0.checked_sub(other.0).map(Money)
    }

    pub fn checked_neg(self) -> Option<Money> {
        self.0.checked_neg().map(Money)
    }
}

impl fmt::Display for Money {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum InvalidAmount {
    #[error("a price must be 0 to 1000000000 minor units")]
    Price,
    #[error("a quantity must be a whole number from 1 to 99")]
    Quantity,
    #[error("a discount must be 0 to 10000 basis points")]
    BasisPoints,
    #[error("calories must be 0 to 100000")]
    Calories,
    #[error("a limit must be 0 to 1000000000000 minor units")]
    Limit,
    #[error("a refund must be 1 to 1000000000000 minor units")]
    Refund,
    #[error("an adjustment must be up to 1000000000000 minor units either way, and not zero")]
    Adjustment,
}

macro_rules! bounded {
    ($(#[$doc:meta])* $name:ident($inner:ty), $range:expr, $error:expr) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(try_from = "i64", into = "i64")]
        pub struct $name($inner);

        impl $name {
            pub const fn get(self) -> $inner {
                self.0
            }
        }

        impl TryFrom<i64> for $name {
            type Error = InvalidAmount;

            fn try_from(value: i64) -> Result<Self, InvalidAmount> {
                if !($range).contains(&value) {
                    return Err($error);
                }
                <$inner>::try_from(value).map(Self).map_err(|_| $error)
            }
        }

        impl From<$name> for i64 {
            fn from(value: $name) -> i64 {
                i64::from(value.0)
            }
        }
    };
}

bounded!(
    /// What one meal costs, in minor units. The bound keeps the largest basket far inside an `i64`.
    Price(i64), 0..=1_000_000_000, InvalidAmount::Price
);
bounded!(
    /// How many of one meal.
    Quantity(u8), 1..=99, InvalidAmount::Quantity
);
bounded!(
    /// A share in hundredths of a percent.
    BasisPoints(u16), 0..=10_000, InvalidAmount::BasisPoints
);
bounded!(
    /// Kilocalories of one meal.
    Calories(u32), 0..=100_000, InvalidAmount::Calories
);

bounded!(
    /// How far a wallet is filled or may be overdrawn, in minor units.
    Limit(i64), 0..=1_000_000_000_000, InvalidAmount::Limit
);
bounded!(
    /// What is given back, in minor units.
    Refund(i64), 1..=1_000_000_000_000, InvalidAmount::Refund
);

/// What a wallet is corrected by, in minor units: never zero.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Adjustment(i64);

impl TryFrom<i64> for Adjustment {
    type Error = InvalidAmount;

    fn try_from(value: i64) -> Result<Self, InvalidAmount> {
        let is_in_range = (-1_000_000_000_000..=1_000_000_000_000).contains(&value);
        if is_in_range && value != 0 { Ok(Self(value)) } else { Err(InvalidAmount::Adjustment) }
    }
}

impl From<Limit> for Money {
    fn from(limit: Limit) -> Money {
        Money(limit.0)
    }
}

impl From<Refund> for Money {
    fn from(refund: Refund) -> Money {
        Money(refund.0)
    }
}

impl From<Adjustment> for Money {
    fn from(adjustment: Adjustment) -> Money {
        Money(adjustment.0)
    }
}

impl Price {
    /// Cannot overflow: 10^9 * 99.
    pub fn times(self, quantity: Quantity) -> Money {
        Money(self.0 * i64::from(quantity.0))
    }
}

impl Calories {
    pub fn times(self, quantity: Quantity) -> u64 {
        u64::from(self.0) * u64::from(quantity.0)
    }
}

impl BasisPoints {
    pub const NONE: BasisPoints = BasisPoints(0);

    /// This share of a non-negative amount, rounded half up to a whole minor unit. It is taken
    /// once from the gross total of a checkout, never line by line.
    pub fn of(self, amount: Money) -> Money {
        let scaled = i128::from(amount.0) * i128::from(self.0) + 5_000;
        // A share of at most the whole fits where the whole did.
        Money(i64::try_from(scaled.div_euclid(10_000)).unwrap_or(amount.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(basis_points: i64, gross: i64, discount: i64) {
        let share = BasisPoints::try_from(basis_points).unwrap().of(Money::from_minor(gross));
        assert_eq!(share, Money::from_minor(discount));
    }

    #[test]
    fn a_discount_rounds_half_up_once() {
        check(0, 12_345, 0);
        check(10_000, 12_345, 12_345);
        check(1_000, 95, 10); // 9.5
        check(1_000, 94, 9); // 9.4
        check(1, 4_999, 0); // 0.4999
        check(1, 5_000, 1); // 0.5
        check(10_000, i64::MAX, i64::MAX);
    }

    #[test]
    fn bounds_hold() {
        assert!(Quantity::try_from(0).is_err());
        assert!(Quantity::try_from(1).is_ok());
        assert!(Quantity::try_from(99).is_ok());
        assert!(Quantity::try_from(100).is_err());
        assert!(Quantity::try_from(-1).is_err());
        assert!(Quantity::try_from(i64::MAX).is_err());
        assert!(Price::try_from(-1).is_err());
        assert!(Price::try_from(1_000_000_001).is_err());
        assert!(BasisPoints::try_from(10_001).is_err());
    }
}
