//! `GET /v1/reports/takings`: what stations took, by business date, so that concessionaires can be paid.

use crate::app::App;
use crate::caller::Identity;
use crate::corrections::{self, Found};
use crate::list::{self, Limits};
use crate::parameter;
use crate::problem::{FieldError, Problem, Problems};
use crate::sheet::Sheet;
use crate::stalls;
use crate::view::{TakingsLineView, TakingsTotalsView};
use aws::failure::Failure;
use aws::items;
use aws::keys;
use aws::table::Order;
use axum::extract::{Query, RawQuery, State};
use axum::http::HeaderMap;
use axum::response::Response;
use domain::booking::Booking;
use domain::id::ConcessionaireId;
use domain::role::Caller;
use domain::takings::{Takings, Till};
use domain::tenant::Tenant;
use jiff::civil::Date;
use jiff::{SignedDuration, ToSpan};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use utoipa::IntoParams;

const DATES_MAX: i64 = 92;
/// Sales that are added up for one concessionaire's day, and entries of the audit that are looked at for what
/// was given back on it; who has more is told.
const SALES_MAX: usize = 50_000;
/// Days of a page, each of one concessionaire.
const LIMITS: Limits = Limits { default: 200, max: 500 };
/// A page ends earlier, with the day by which so many of these were read.
const PAGE_SALES: usize = 5_000;
/// Items of one read.
const TOGETHER: i32 = 1_000;

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct TakingsParameters {
    /// Whose stations; of an administrator everybody's unless given, of a manager or cashier their own.
    concessionaire_id: Option<String>,
    /// The first business date; that of `to` unless given.
    #[param(value_type = Option<String>, format = Date)]
    from: Option<String>,
    /// The last business date, at most 91 days later; today's unless given.
    #[param(value_type = Option<String>, format = Date)]
    to: Option<String>,
    /// Days of a page at most, each of one concessionaire, 1 to 500; 200 unless given. Of busy ones, a page
    /// has fewer.
    #[param(value_type = Option<i32>, minimum = 1, maximum = 500)]
    limit: Option<String>,
    /// As the page before gave it.
    cursor: Option<String>,
}

/// Which days are left, and what those before came to.
#[derive(Debug, Serialize, Deserialize)]
struct Bookmark {
    from: Date,
    /// Who is the first that is left of the first date.
    first: Option<ConcessionaireId>,
    to: Date,
    totals: Takings,
}

/// What stations took, a line for each business date, station and user.
///
/// Sales count on their own business date, and what is given back on that on which it was booked, whenever it
/// was sold: the figures of a date stay what they are, from six minutes after its end, unless the tenant
/// moves its time zone or closing hour. `gross - discount = net`, and `net - refunded = taken`. The last page
/// has the totals of all.
#[utoipa::path(
    get,
    operation_id = "reportTakings",
    path = "/v1/reports/takings",
    params(TakingsParameters),
    responses(
        (status = 200, description = "One page", content(
            (Sheet<TakingsLineView, TakingsTotalsView> = "application/json"),
            (String = "text/csv"),
        )),
        Problems,
    ),
    security(("cognito" = [])),
)]
pub async fn get(
    State(app): State<App>,
    identity: Identity,
    headers: HeaderMap,
    Query(mut parameters): Query<TakingsParameters>,
    RawQuery(query): RawQuery,
) -> Result<Response, Problem> {
    let (caller, tenant) = identity.admit(&app.table).await?;
    let (limit, cursor) = (LIMITS.read(parameters.limit.take())?, parameters.cursor.take());
    let asked = parameters.read(&app, &caller).await?;
    let name = asked.list(&tenant);
    let Bookmark { from, first, to, mut totals } = match list::open(&app, &name, cursor)? {
        Some(bookmark) => bookmark,
        None => asked.begin(tenant.business_day.date_of(app.clock.now()))?,
    };
    let whose = match asked.whose {
        Some(one) => vec![one],
        None => everybody(&app, &tenant).await?,
    };
    let dates = from.series(1.day()).take_while(|date| *date <= to);
    let days = dates.flat_map(|date| whose.iter().map(move |one| (date, one)));
    let is_read = |(date, one): &(Date, &ConcessionaireId)| {
        *date == from && first.as_ref().is_some_and(|first| *one < first)
    };
    let days: Vec<_> = days.skip_while(is_read).collect();
    let (mut lines, mut corrections, mut read, mut next) = (Vec::new(), (None, Tills::new()), 0, None);
    for (number, (date, one)) in (0..).zip(days) {
        if number == limit || read >= PAGE_SALES {
            next = Some(Bookmark { from: date, first: Some(one.clone()), to, totals });
            break;
        }
        if corrections.0 != Some(date) {
            let (refunded, looked_at) = refunded(&app, &tenant, date).await?;
            corrections = (Some(date), refunded);
            read += looked_at;
        }
        let (mut tills, sales) = sold(&app, &tenant, one, date).await?;
        for (till, takings) in corrections.1.iter().filter(|(till, _)| till.concessionaire == *one) {
            tills.entry(till.clone()).or_default().add(takings);
        }
        read += sales;
        tills.values().for_each(|takings| totals.add(takings));
        lines.extend(tills.iter().map(|(till, takings)| TakingsLineView::of(till, takings)));
    }
    let next_cursor = list::seal(&app, &name, next)?;
    let totals = TakingsTotalsView::of(&totals, &tenant.currency);
    Sheet { items: lines, totals, next_cursor }.answer(&headers, query.as_deref())
}

/// What is asked for, the same on every page.
struct Asked {
    /// Nobody's is everybody's.
    whose: Option<ConcessionaireId>,
    from: Option<Date>,
    to: Option<Date>,
}

impl TakingsParameters {
    async fn read(self, app: &App, caller: &Caller) -> Result<Asked, Problem> {
        let mut errors = Vec::new();
        let whose = parameter::id(self.concessionaire_id.as_deref(), "concessionaire_id", &mut errors);
        let to = parameter::date(self.to.as_deref(), "to", &mut errors);
        let from = parameter::date(self.from.as_deref(), "from", &mut errors);
        if !errors.is_empty() {
            return Err(Problem::BadInput(errors));
        }
        Ok(Asked { whose: stalls::whose(app, caller, whose).await?, from, to })
    }
}

impl Asked {
    /// Names tenant, report and filters: a cursor of one opens no other.
    fn list(&self, tenant: &Tenant) -> String {
        let whose = self.whose.as_ref().map_or("*", ConcessionaireId::as_str);
        let [from, to] = [self.from, self.to].map(|date| date.map_or(String::new(), |date| date.to_string()));
        format!("{} takings {whose} {from} {to}", tenant.id)
    }

    fn begin(&self, today: Date) -> Result<Bookmark, Problem> {
        let to = self.to.unwrap_or(today);
        let from = self.from.unwrap_or(to);
        if !(0..DATES_MAX).contains(&(to.duration_since(from).as_hours() / 24)) {
            let detail = format!("must be no later than `to`, and less than {DATES_MAX} days before");
            return Err(Problem::field(FieldError::at_parameter("from", detail)));
        }
        Ok(Bookmark { from, first: None, to, totals: Takings::default() })
    }
}

async fn everybody(app: &App, tenant: &Tenant) -> Result<Vec<ConcessionaireId>, Failure> {
    let span = keys::concessionaires(&tenant.id);
    let mut pages = app.table.pages(&span, TOGETHER, Order::OldestFirst);
    let mut everybody = Vec::new();
    while let Some(page) = pages.next().await? {
        let ids = page.into_iter().map(|item| Ok(items::listed_concessionaire(item)?.id));
        everybody.extend(ids.collect::<Result<Vec<_>, Failure>>()?);
    }
    Ok(everybody)
}

/// What each till took.
type Tills = BTreeMap<Till, Takings>;

/// What a concessionaire sold on a date, and how many sales were read for it.
async fn sold(
    app: &App,
    tenant: &Tenant,
    concessionaire: &ConcessionaireId,
    date: Date,
) -> Result<(Tills, usize), Problem> {
    let span = keys::checkouts_on(&tenant.id, concessionaire, date);
    let mut pages = app.table.pages(&span, TOGETHER, Order::OldestFirst);
    let (mut tills, mut read) = (Tills::new(), 0);
    while let Some(page) = pages.next().await? {
        read += page.len();
        if read > SALES_MAX {
            let detail =
                format!("{concessionaire} has more than {SALES_MAX} sales of {date}: they are not added up");
            return Err(Problem::field(FieldError::at_parameter("from", detail)));
        }
        for item in page {
            if let Some((till, takings)) = Takings::of_sale(&items::stored_checkout(item)?) {
                tills.entry(till).or_default().add(&takings);
            }
        }
    }
    Ok((tills, read))
}

/// What was given back on a date, by whomever, each correction read with the sale that it is of; and how many
/// entries of the audit were looked at for it.
async fn refunded(app: &App, tenant: &Tenant, date: Date) -> Result<(Tills, usize), Problem> {
    let (mut tills, mut looked_at) = (Tills::new(), 0);
    let Some((from, to)) = tenant.business_day.hours_of(date) else { return Ok((tills, 0)) };
    // Where clocks go back past the closing hour, a date has hours on the other side of it.
    let slack = SignedDuration::from_hours(3);
    let (from, to) = (from.checked_sub(slack).unwrap_or(from), to.checked_add(slack).unwrap_or(to));
    let span = keys::audit(&tenant.id, false, from, to);
    let mut pages = app.table.pages(&span, TOGETHER, Order::OldestFirst);
    while let Some(page) = pages.next().await? {
        looked_at += page.len();
        if looked_at > SALES_MAX {
            let detail = format!(
                "more than {SALES_MAX} changes and corrections were made on {date}: it is not added up"
            );
            return Err(Problem::field(FieldError::at_parameter("from", detail)));
        }
        let is_of_date = |booking: &Booking| {
            booking.cause.as_ref().is_some_and(|cause| cause.checkout.is_some())
                && booking.entry().is_some()
                && tenant.business_day.date_of(booking.at) == date
        };
        for Found { booking, sale, .. } in corrections::among(app, &tenant.id, page, is_of_date).await? {
            let missing = || Failure::malformed("add up takings", "a sale that was put right is missing");
            let takings = Takings::of_correction(&booking, date, &sale.ok_or_else(missing)?);
            if let Some((till, takings)) = takings {
                tills.entry(till).or_default().add(&takings);
            }
        }
    }
    Ok((tills, looked_at))
}
