//! A roster as long as asked for, written behind the API's back: each with a little credit and no limit of
//! their own. And whether a cutoff gave each of them what it should, once.

use aws::table::{Table, Write};
use aws::{items, keys};
use domain::booking::{Booking, BookingKind, BookingOutcome};
use domain::cutoff::booking_id;
use domain::employee::Employee;
use domain::id::{EmployeeNumber, TenantId};
use domain::money::Money;
use domain::wallet::Wallet;
use futures_util::stream::{self, StreamExt};
use jiff::Timestamp;
use jiff::civil::Date;

/// What each has to begin with.
pub const OPENING: i64 = 1_000;
/// Transactions under way while employees are made: each has two seconds, and there is one table.
const WRITERS: usize = 2;
/// Employees of one transaction, each with wallet and first movement.
const TOGETHER: usize = 33;

fn number(index: u32) -> EmployeeNumber {
    format!("R{index:06}").parse().unwrap()
}

pub async fn hire(table: &Table, tenant: &TenantId, employees: u32, now: Timestamp) {
    let after = Wallet { balance: Money::from_minor(OPENING), version: 1 };
    let opening = Booking {
        id: "opening".parse().unwrap(),
        kind: BookingKind::Opening,
        at: now,
        by: "roster".parse().unwrap(),
        cause: None,
        replenished: None,
        outcome: BookingOutcome::Booked { amount: after.balance, after },
    };
    let items = |index: u32| {
        let demo = local::demo::employee(index).unwrap();
        let employee = Employee { number: number(index), badges: [].into(), limit: None, ..demo };
        [
            items::employee(tenant, &employee).unwrap(),
            items::wallet(tenant, &employee.number, after).unwrap(),
            items::booking(tenant, &employee.number, &opening).unwrap(),
        ]
    };
    let all: Vec<_> = (0..employees).collect();
    stream::iter(all.chunks(TOGETHER))
        .for_each_concurrent(WRITERS, async |some| {
            let writes = some.iter().flat_map(|index| items(*index)).map(Write::Create);
            table.commit(writes.collect()).await.unwrap();
        })
        .await;
}

/// Every wallet of the roster, of which nobody bought: one movement of the cutoff, and the limit. The sum of
/// what was granted them.
pub async fn audit(table: &Table, tenant: &TenantId, employees: u32, date: Date, limit: i64) -> i64 {
    let id = booking_id(date);
    let all: Vec<_> = (0..employees).map(number).collect();
    let mut granted = 0;
    for some in all.chunks(TOGETHER) {
        let keys_of =
            |number: &EmployeeNumber| [keys::wallet(tenant, number), keys::booking(tenant, number, &id)];
        let mut found = table.read(some.iter().flat_map(keys_of)).await.unwrap();
        for number in some {
            let [wallet, booking] = keys_of(number);
            let wallet = items::stored_wallet(found.take(&wallet).unwrap()).unwrap();
            assert_eq!((wallet.balance.minor(), wallet.version), (limit, 2), "{number}");
            let booking = items::stored_booking(found.take(&booking).expect("a booking")).unwrap();
            granted += booking.entry().expect("a movement").amount.minor();
        }
    }
    assert_eq!(granted, i64::from(employees) * (limit - OPENING));
    granted
}
