//! `GET /v1/employees/{number}/movements`: a wallet's statement for a bounded time.

use crate::app::App;
use crate::caller::Identity;
use crate::path::{self, Named};
use crate::problem::{FieldError, Problem, Problems};
use crate::sheet;
use crate::view::{MovementView, StatementView};
use crate::window::{Length, WindowParameters};
use aws::failure::Failure;
use aws::items::{self, Item};
use aws::keys::{self, Span};
use aws::table::Order;
use axum::extract::{Query, State};
use axum::http::HeaderMap;
use axum::response::Response;
use domain::booking::Booking;
use domain::checkout::Checkout;
use domain::command::{MOVES_WITHIN, SKEW};
use domain::id::{EmployeeNumber, KEY_LEAD_MS, TenantId};
use domain::ledger::{self, Movement};
use domain::wallet::Wallet;
use jiff::{SignedDuration, Timestamp};

/// Twenty movements a day for a quarter of a year.
const STATEMENT: Most = Most { movements: 2_000, looked_at: 5_000 };
/// Items of one page of a query.
const PAGE: i32 = 500;

/// What moved a wallet within a time, by wallet version, and what it held before and after.
///
/// From `from` on and before `to`: 31 days unless `from` is given, and at most 92. With `Accept: text/csv`
/// the movements come as CSV.
#[utoipa::path(
    get,
    operation_id = "listMovements",
    path = "/v1/employees/{number}/movements",
    params(path::Employee, WindowParameters),
    responses(
        (status = 200, description = "The statement", content(
            (StatementView = "application/json"),
            (String = "text/csv"),
        )),
        Problems,
    ),
    security(("cognito" = [])),
)]
pub async fn list(
    State(app): State<App>,
    identity: Identity,
    headers: HeaderMap,
    Named(number): Named<EmployeeNumber>,
    Query(window): Query<WindowParameters>,
) -> Result<Response, Problem> {
    let [employee_key, wallet_key] =
        [keys::employee, keys::wallet].map(|key| key(identity.tenant(), &number));
    let (caller, tenant, mut found) =
        identity.admit_with(&app.table, [employee_key.clone(), wallet_key.clone()]).await?;
    if !caller.sees_wallet_of(&number) || found.take(&employee_key).is_none() {
        return Err(Problem::NotFound);
    }
    let wallet = found.take(&wallet_key).map(items::stored_wallet).transpose()?;
    let wallet = wallet.ok_or_else(|| Failure::malformed("write a statement", "there is no wallet"))?;
    let now = app.clock.now();
    let window = window.read(now, Some(Length::QUARTER))?;
    let read = between(&app, &tenant.id, &number, window.from, window.to, STATEMENT).await?;
    let read = read.ok_or_else(too_many)?;
    let moved = by_version(&read.moved, wallet);
    if window.to >= now {
        ask_newest(&moved, wallet)?;
    }
    let cut = |is_past: &dyn Fn(Timestamp) -> bool| {
        moved.iter().position(|(movement, _)| is_past(movement.at)).unwrap_or(moved.len())
    };
    let moved = moved.get(cut(&|at| at >= window.from)..cut(&|at| at >= window.to)).unwrap_or_default();
    let opening = match moved {
        [(first, _), ..] => first.entry.before(),
        [] => before_what_followed(&app, &tenant.id, &number, wallet, window.from).await?,
    };
    if !ledger::are_joined(&moved.iter().map(|(movement, _)| movement.entry).collect::<Vec<_>>()) {
        return Err(missing().into());
    }
    let movements = moved.iter().filter_map(|(_, posted)| MovementView::of(posted)).collect();
    let statement = StatementView::of(&number, &window, &tenant.currency, opening, movements);
    sheet::answer(&statement, &statement.movements, None, &headers, None)
}

/// What a wallet held that nothing has moved for some time since `from`: what the next movement found.
async fn before_what_followed(
    app: &App,
    tenant: &TenantId,
    number: &EmployeeNumber,
    wallet: Wallet,
    from: Timestamp,
) -> Result<Wallet, Problem> {
    let followed = between(app, tenant, number, from, app.clock.now(), STATEMENT).await?;
    let followed = followed.ok_or_else(too_many)?;
    let moved = by_version(&followed.moved, wallet);
    ask_newest(&moved, wallet)?;
    let next = moved.iter().find(|(movement, _)| movement.at >= from);
    Ok(next.map_or(wallet, |(next, _)| next.entry.before()))
}

/// What was read up to now, if anything moved, ends with what made the wallet.
fn ask_newest(moved: &[(Movement, &Posted)], wallet: Wallet) -> Result<(), Failure> {
    let is_there = moved.last().is_none_or(|(newest, _)| newest.entry.after == wallet);
    if is_there { Ok(()) } else { Err(missing()) }
}

/// Of what is committed at once, some may be seen before the rest.
fn missing() -> Failure {
    Failure::transient("write a statement", "a movement is missing")
}

fn too_many() -> Problem {
    let Most { movements, looked_at } = STATEMENT;
    let detail = format!(
        "the time, or what follows one in which nothing moved, holds more than {movements} movements, or {looked_at} \
         sales and corrections with those that were rejected; ask for less, or for later"
    );
    Problem::field(FieldError::at_parameter("from", detail))
}

/// What made the wallet that was read, in its order; others may have come since.
fn by_version(posted: &[Posted], wallet: Wallet) -> Vec<(Movement, &Posted)> {
    let mut moved: Vec<_> = posted.iter().filter_map(|posted| Some((posted.movement()?, posted))).collect();
    moved.retain(|(movement, _)| movement.entry.after.version <= wallet.version);
    moved.sort_by_key(|(movement, _)| movement.entry.after.version);
    moved
}

/// How much is read of one wallet.
#[derive(Debug, Clone, Copy)]
pub struct Most {
    pub movements: usize,
    /// With what was rejected.
    pub looked_at: usize,
}

/// A sale or another booking, which moved a wallet or was rejected.
#[derive(Debug)]
pub enum Posted {
    Checkout(Box<Checkout>),
    Booking(Box<Booking>),
}

impl Posted {
    /// Nothing if it moved no wallet.
    pub fn movement(&self) -> Option<Movement> {
        match self {
            Posted::Checkout(checkout) => checkout.movement(),
            Posted::Booking(booking) => booking.movement(),
        }
    }
}

/// All that moved a wallet within a time, and some of what did before or after; nothing if it is more than
/// `most`. Ids were made before their movement: up to as long as a key lives, and as far ahead as clocks may
/// be.
pub async fn between(
    app: &App,
    tenant: &TenantId,
    number: &EmployeeNumber,
    from: Timestamp,
    to: Timestamp,
    most: Most,
) -> Result<Option<Read>, Failure> {
    let lead = SignedDuration::from_millis(KEY_LEAD_MS) + SKEW;
    let from = from.checked_sub(MOVES_WITHIN).unwrap_or(from);
    // A time that has not begun may be asked for.
    let to = to.checked_add(lead).unwrap_or(to).max(from);
    let [sales, bookings] = keys::movements_between(tenant, number, from, to);
    let sale = |item: Item| Ok(Posted::Checkout(Box::new(items::stored_checkout(item)?)));
    let booking = |item: Item| Ok(Posted::Booking(Box::new(items::stored_booking(item)?)));
    let mut read = Read { most, moved: Vec::new(), looked_at: 0 };
    let is_all = read.all_of(app, &sales, sale).await?
        && read.all_of(app, &bookings, booking).await?
        && read.all_of(app, &keys::movements_unasked(tenant, number), booking).await?;
    Ok(is_all.then_some(read))
}

/// What was read so far.
#[derive(Debug)]
pub struct Read {
    most: Most,
    pub moved: Vec<Posted>,
    /// With what was rejected.
    pub looked_at: usize,
}

impl Read {
    /// Reads a span; whether it still fits.
    async fn all_of(
        &mut self,
        app: &App,
        span: &Span,
        read: impl Fn(Item) -> Result<Posted, Failure>,
    ) -> Result<bool, Failure> {
        let mut pages = app.table.pages(span, PAGE, Order::OldestFirst);
        while self.fits()
            && let Some(page) = pages.next().await?
        {
            self.looked_at += page.len();
            for item in page {
                let posted = read(item)?;
                if posted.movement().is_some() {
                    self.moved.push(posted);
                }
            }
        }
        Ok(self.fits())
    }

    fn fits(&self) -> bool {
        self.moved.len() <= self.most.movements && self.looked_at <= self.most.looked_at
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use domain::booking::{BookingKind, BookingOutcome};
    use domain::money::Money;

    /// A booking that left a wallet at this version.
    fn booked(version: u64) -> Posted {
        let after = Wallet { balance: Money::from_minor(10), version };
        Posted::Booking(Box::new(Booking {
            id: "a".parse().unwrap(),
            kind: BookingKind::Adjustment,
            at: Timestamp::UNIX_EPOCH,
            by: "acme.ann".parse().unwrap(),
            cause: None,
            replenished: None,
            outcome: BookingOutcome::Booked { amount: Money::from_minor(1), after },
        }))
    }

    /// Of what came since, some may have been read, and what came before that not.
    #[test]
    fn a_statement_ends_with_the_wallet_that_was_read() {
        let posted = [7, 5, 4].map(booked);
        let wallet = Wallet { balance: Money::from_minor(10), version: 5 };
        let moved = by_version(&posted, wallet);
        let versions = moved.iter().map(|(moved, _)| moved.entry.after.version);
        assert_eq!(versions.collect::<Vec<_>>(), [4, 5]);
        assert!(ask_newest(&moved, wallet).is_ok() && ask_newest(&[], wallet).is_ok());
        assert!(ask_newest(&moved[..1], wallet).is_err(), "what made the wallet is not seen yet");
    }
}
