//! What was taken on a business date: the sales of that date, less what was given back on it, whenever that
//! was sold. So what a past date came to stays what it was, as long as dates begin when they did.

use crate::booking::{Booking, BookingKind};
use crate::checkout::{Checkout, Outcome};
use crate::id::{ConcessionaireId, StationId, UserName};
use jiff::civil::Date;
use serde::{Deserialize, Serialize};

/// Where something was taken, and by whom.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Till {
    pub business_date: Date,
    pub concessionaire: ConcessionaireId,
    pub station: StationId,
    /// Who sold, or who gave back.
    pub user: UserName,
}

/// What sales came to, and what was given back. In minor units.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Takings {
    /// How many settled, also those that were voided since.
    pub sales: u64,
    pub gross: i64,
    pub discount: i64,
    /// Voids and refunds.
    pub corrections: u64,
    pub refunded: i64,
}

impl Takings {
    /// A sale and its till, if it settled.
    pub fn of_sale(sale: &Checkout) -> Option<(Till, Self)> {
        let Outcome::Settled { bill, .. } = &sale.outcome else { return None };
        let gross = bill.total_gross().minor();
        let takings = Self { sales: 1, gross, discount: bill.discount.minor(), ..Self::default() };
        Some((till(sale, sale.business_date, &sale.caller)?, takings))
    }

    /// What a booking of `business_date` gave back of a sale, if it did, and the till that had taken it.
    pub fn of_correction(booking: &Booking, business_date: Date, sale: &Checkout) -> Option<(Till, Self)> {
        let (BookingKind::Void | BookingKind::Refund, Outcome::Settled { .. }) =
            (booking.kind, &sale.outcome)
        else {
            return None;
        };
        let refunded = booking.entry()?.amount.minor();
        let takings = Self { corrections: 1, refunded, ..Self::default() };
        Some((till(sale, business_date, &booking.by)?, takings))
    }

    pub fn net(&self) -> i64 {
        self.gross.saturating_sub(self.discount)
    }

    /// What stays.
    pub fn taken(&self) -> i64 {
        self.net().saturating_sub(self.refunded)
    }

    /// A million sales at the highest price stay inside an `i64`.
    pub fn add(&mut self, other: &Self) {
        self.sales = self.sales.saturating_add(other.sales);
        self.corrections = self.corrections.saturating_add(other.corrections);
        for (sum, amount) in [
            (&mut self.gross, other.gross),
            (&mut self.discount, other.discount),
            (&mut self.refunded, other.refunded),
        ] {
            *sum = sum.saturating_add(amount);
        }
    }
}

/// Only what was withdrawn has no station, and that took nothing.
fn till(sale: &Checkout, business_date: Date, user: &UserName) -> Option<Till> {
    let (concessionaire, station) = (sale.concessionaire.clone(), sale.station.clone()?);
    Some(Till { business_date, concessionaire, station, user: user.clone() })
}
