//! Whether a wallet is explained by its movements: versions without a gap, balances that follow from
//! one another, and a sum that is the balance. And what they come to within a time.

use crate::money::Money;
use crate::wallet::Wallet;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use thiserror::Error;

/// What one movement did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Entry {
    /// What it added; negative if it took.
    pub amount: Money,
    /// The wallet that it left.
    pub after: Wallet,
}

impl Entry {
    /// The wallet that it found.
    pub fn before(&self) -> Wallet {
        let Self { amount, after } = *self;
        match after.version {
            ..=1 => Wallet::default(),
            version => Wallet {
                balance: after.balance.checked_sub(amount).unwrap_or(after.balance),
                version: version - 1,
            },
        }
    }
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

/// A movement, and what it was for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Movement {
    pub at: Timestamp,
    pub entry: Entry,
    pub flow: Flow,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Flow {
    /// Credit that was given; what lapsed is taken off its amount.
    Granted {
        expired: Money,
    },
    Adjusted,
    Refunded,
    Spent,
}

/// What went in and out of one wallet within a time, or of many: `opening + granted + adjusted + refunded - spent
/// - expired = closing`. In minor units.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Flows {
    pub opening: i64,
    pub granted: i64,
    pub adjusted: i64,
    pub refunded: i64,
    pub spent: i64,
    pub expired: i64,
    pub closing: i64,
}

impl Flows {
    fn of(opening: Money, movements: &[Movement]) -> Self {
        let mut flows = Self { opening: opening.minor(), closing: opening.minor(), ..Self::default() };
        for Movement { entry, flow, .. } in movements {
            let amount = entry.amount.minor();
            let flow = match flow {
                Flow::Granted { expired } => {
                    let expired = expired.minor();
                    Self { granted: amount.saturating_add(expired), expired, ..Self::default() }
                }
                Flow::Adjusted => Self { adjusted: amount, ..Self::default() },
                Flow::Refunded => Self { refunded: amount, ..Self::default() },
                Flow::Spent => Self { spent: amount.saturating_neg(), ..Self::default() },
            };
            flows.add(&Self { closing: amount, ..flow });
        }
        flows
    }

    /// A million wallets at the highest limit stay inside an `i64`.
    pub fn add(&mut self, other: &Flows) {
        for (sum, amount) in [
            (&mut self.opening, other.opening),
            (&mut self.granted, other.granted),
            (&mut self.adjusted, other.adjusted),
            (&mut self.refunded, other.refunded),
            (&mut self.spent, other.spent),
            (&mut self.expired, other.expired),
            (&mut self.closing, other.closing),
        ] {
            *sum = sum.saturating_add(amount);
        }
    }
}

/// What a wallet's movements came to from one instant on and before another, and whether they and those since
/// lead to the wallet. `movements` holds all since `from`, and may hold others.
///
/// A time is cut where the first movement lies that is not before it: times that meet share that balance.
pub fn prove(
    wallet: Wallet,
    mut movements: Vec<Movement>,
    from: Timestamp,
    to: Timestamp,
) -> (Flows, Result<(), Discrepancy>) {
    // Others came since the wallet was read.
    movements.retain(|movement| movement.entry.after.version <= wallet.version);
    movements.sort_by_key(|movement| movement.entry.after.version);
    let cut =
        |at: Timestamp| movements.iter().position(|movement| movement.at >= at).unwrap_or(movements.len());
    let (begin, end) = (cut(from), cut(to));
    let since = movements.get(begin..).unwrap_or_default();
    let before = since.first().map_or(wallet, |movement| movement.entry.before());
    let flows = Flows::of(before.balance, movements.get(begin..end).unwrap_or_default());
    (flows, follow(before, wallet, since.iter().map(|movement| movement.entry)))
}

/// Checks all movements of a wallet, in any order.
pub fn check(wallet: Wallet, mut entries: Vec<Entry>) -> Result<(), Discrepancy> {
    entries.sort_by_key(|entry| entry.after.version);
    follow(Wallet::default(), wallet, entries)
}

/// Checks what moved a wallet from an instant on, and that it follows from the last movement before.
/// `movements` holds all since, in any order, and may hold others.
pub fn check_since(wallet: Wallet, mut movements: Vec<Movement>, from: Timestamp) -> Result<(), Discrepancy> {
    movements.sort_by_key(|movement| movement.entry.after.version);
    let cut = movements.iter().position(|movement| movement.at >= from).unwrap_or(movements.len());
    let (earlier, since) = movements.split_at(cut);
    let before = earlier.last().map_or(Wallet::default(), |movement| movement.entry.after);
    follow(before, wallet, since.iter().map(|movement| movement.entry))
}

/// Whether these movements, in their order, lead from one to the next.
pub fn are_joined(entries: &[Entry]) -> bool {
    let (Some(first), Some(last)) = (entries.first(), entries.last()) else { return true };
    follow(first.before(), last.after, entries.iter().copied()).is_ok()
}

/// Whether one wallet becomes another by these movements, in their order.
fn follow(
    before: Wallet,
    wallet: Wallet,
    entries: impl IntoIterator<Item = Entry>,
) -> Result<(), Discrepancy> {
    let Wallet { balance: mut sum, version: mut expected } = before;
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

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    /// A wallet's life, a movement a second: opened with 100, spends 30, gets 20 back, is reset to 100, is
    /// corrected by -5.
    fn life() -> (Wallet, Vec<Movement>) {
        let expired = Money::from_minor;
        let steps = [
            (100, Flow::Granted { expired: expired(0) }),
            (-30, Flow::Spent),
            (20, Flow::Refunded),
            (10, Flow::Granted { expired: expired(90) }),
            (-5, Flow::Adjusted),
        ];
        let mut wallet = Wallet::default();
        let mut movements = Vec::new();
        for (second, (amount, flow)) in (1..).zip(steps) {
            let amount = Money::from_minor(amount);
            let balance = wallet.balance.checked_add(amount).unwrap();
            wallet = Wallet { balance, version: wallet.version + 1 };
            movements.push(Movement { at: at(second), entry: Entry { amount, after: wallet }, flow });
        }
        (wallet, movements)
    }

    /// Opening, granted, adjusted, refunded, spent, expired, closing.
    #[track_caller]
    fn check_flows(from: i64, to: i64, expected: [i64; 7]) {
        let (wallet, mut movements) = life();
        movements.reverse();
        let (flows, proof) = prove(wallet, movements, at(from), at(to));
        let Flows { opening, granted, adjusted, refunded, spent, expired, closing } = flows;
        assert_eq!([opening, granted, adjusted, refunded, spent, expired, closing], expected);
        assert_eq!(closing, opening + granted + adjusted + refunded - spent - expired);
        assert_eq!(proof, Ok(()));
    }

    #[test]
    fn what_flows_within_a_time_leads_from_one_balance_to_another() {
        check_flows(0, 9, [0, 200, -5, 20, 30, 90, 95]);
        check_flows(1, 2, [0, 100, 0, 0, 0, 0, 100]);
        check_flows(2, 4, [100, 0, 0, 20, 30, 0, 90]);
        check_flows(4, 5, [90, 100, 0, 0, 0, 90, 100]);
        check_flows(5, 9, [100, 0, -5, 0, 0, 0, 95]);
        check_flows(6, 9, [95, 0, 0, 0, 0, 0, 95]);
    }

    /// Whatever of a wallet's life since then is missing, changed or made up is found.
    #[test]
    fn what_does_not_lead_to_the_wallet_is_told() {
        let (wallet, movements) = life();
        let proof = |wallet, movements: &[Movement]| prove(wallet, movements.to_vec(), at(2), at(9)).1;
        for missing in 2..5 {
            let mut movements = movements.clone();
            movements.remove(missing);
            assert!(proof(wallet, &movements).is_err(), "{missing}");
        }
        for index in 2..5 {
            let mut movements = movements.clone();
            movements[index].entry.amount = Money::from_minor(1_000);
            assert!(proof(wallet, &movements).is_err(), "{index}");
        }
        let mut twice = movements.clone();
        twice.push(movements[3]);
        assert!(proof(wallet, &twice).is_err());
        let richer = Wallet { balance: Money::from_minor(96), ..wallet };
        let found = Discrepancy::Wallet { wallet: richer, movements: 5, sum: wallet.balance };
        assert_eq!(proof(richer, &movements), Err(found));
        let made_up = Movement { entry: Entry { amount: Money::ZERO, ..movements[0].entry }, ..movements[0] };
        assert!(prove(movements[0].entry.after, vec![made_up], at(0), at(9)).1.is_err());
        let entries: Vec<_> = movements.iter().map(|movement| movement.entry).collect();
        assert!(are_joined(&[]) && are_joined(&entries) && are_joined(&entries[2..4]));
        assert!(!are_joined(&[entries[0], entries[2]]));
        // What came since the wallet was read is no difference.
        assert_eq!(proof(movements[3].entry.after, &movements), Ok(()));
    }
}
