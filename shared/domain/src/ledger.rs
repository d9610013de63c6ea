//! Whether a wallet is explained by its movements: versions without a gap, balances that follow from
//! one another, and a sum that is the balance.

use crate::money::Money;
use crate::wallet::Wallet;
use thiserror::Error;

/// What one movement did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Entry {
    /// What it added; negative if it took.
    pub amount: Money,
    /// The wallet that it left.
    pub after: Wallet,
}

/// The first thing that does not agree.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum Discrepancy {
    #[error("movement {expected} is missing, or there twice")]
    Version { expected: u64 },
    #[error("movement {version} leaves {stored}, where the sum is {sum}")]
    Balance { version: u64, stored: Money, sum: Money },
    #[error("the wallet reads {wallet:?} after {movements} movements that sum to {sum}")]
    Wallet { wallet: Wallet, movements: u64, sum: Money },
}

/// Checks all movements of a wallet, in any order.
pub fn check(wallet: Wallet, mut entries: Vec<Entry>) -> Result<(), Discrepancy> {
    entries.sort_by_key(|entry| entry.after.version);
    let mut sum = Money::ZERO;
    let mut expected = 0;
    for Entry { amount, after } in entries {
        expected += 1;
        if after.version != expected {
            return Err(Discrepancy::Version { expected });
        }
        let Some(next) = sum.checked_add(amount) else {
            return Err(Discrepancy::Balance { version: expected, stored: after.balance, sum });
        };
        sum = next;
        if after.balance != sum {
            return Err(Discrepancy::Balance { version: expected, stored: after.balance, sum });
        }
    }
    if wallet == (Wallet { balance: sum, version: expected }) {
        Ok(())
    } else {
        Err(Discrepancy::Wallet { wallet, movements: expected, sum })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Movements as amount, balance and version.
    #[track_caller]
    fn check(balance: i64, version: u64, movements: &[(i64, i64, u64)], agrees: bool) {
        let wallet = |balance, version| Wallet { balance: Money::from_minor(balance), version };
        let entries = movements
            .iter()
            .map(|&(amount, balance, version)| Entry {
                amount: Money::from_minor(amount),
                after: wallet(balance, version),
            })
            .collect();
        let result = super::check(wallet(balance, version), entries);
        assert_eq!(result.is_ok(), agrees, "{result:?}");
    }

    #[test]
    fn a_wallet_is_the_sum_of_its_movements() {
        check(0, 0, &[], true);
        check(70, 2, &[(100, 100, 1), (-30, 70, 2)], true);
        check(70, 2, &[(-30, 70, 2), (100, 100, 1)], true);
        check(70, 3, &[(100, 100, 1), (-30, 70, 2)], false);
        check(71, 2, &[(100, 100, 1), (-30, 70, 2)], false);
        check(70, 2, &[(100, 100, 1), (-30, 71, 2)], false);
        check(70, 3, &[(100, 100, 1), (-30, 70, 3)], false);
        check(40, 2, &[(100, 100, 1), (-30, 70, 2), (-30, 40, 2)], false);
    }
}
