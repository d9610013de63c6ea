//! `GET /v1/reports/takings`: what stations took, by business date, so that concessionaires can be paid.

use crate::app::App;
use crate::caller::Identity;
use crate::list::{self, Limits};
use crate::parameter;
use crate::problem::{FieldError, Problem, Problems};
use crate::sheet::Sheet;
use crate::view::{TakingsLineView, TakingsTotalsView};
use aws::failure::Failure;
use aws::items::{self, Audited};
use aws::keys;
use aws::table::Order;
use axum::extract::{Query, RawQuery, State};
use axum::http::HeaderMap;
use axum::response::Response;
use domain::booking::Booking;
use domain::id::{CheckoutId, ConcessionaireId, EmployeeNumber};
use domain::role::Caller;
use domain::takings::{Takings, Till};
use domain::tenant::Tenant;
use futures_util::stream::{self, StreamExt, TryStreamExt};
use jiff::ToSpan;
use jiff::civil::Date;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use utoipa::IntoParams;

const DATES_MAX: i32 = 92;
/// Dates of a page.
const LIMITS: Limits = Limits { default: 31, max: DATES_MAX };
/// A page ends before with the date by which so much was read; each read counts as one more.
const PAGE_ITEMS: usize = 5_000;
/// Items of one read.
const TOGETHER: i32 = 1_000;
/// Concessionaires that are read at the same time.
const SIDE_BY_SIDE: usize = 8;

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct TakingsParameters {
    /// Whose stations; of an administrator everybody's unless given, of a manager or cashier their own.
    concessionaire: Option<String>,
    /// The first business date; that of `to` unless given.
    #[param(value_type = Option<String>, format = Date)]
    from: Option<String>,
    /// The last business date, at most 91 days later; today's unless given.
    #[param(value_type = Option<String>, format = Date)]
    to: Option<String>,
    /// Business dates of a page at most, 1 to 92; 31 unless given.
    #[param(value_type = Option<i32>, minimum = 1, maximum = 92)]
    limit: Option<String>,
    /// As the page before gave it.
    cursor: Option<String>,
}

/// Which dates are left, and what those before came to.
#[derive(Debug, Serialize, Deserialize)]
struct Bookmark {
    from: Date,
    to: Date,
    totals: Takings,
}

/// What stations took, a line for each business date, station and user.
///
/// Sales count on their own business date, and what is given back on that on which it was booked, whenever it was sold:
/// the figures of a date stay what they are, from five minutes after its end. `gross - discount = net`, and
/// `net - given_back = taken`. A page ends with a date; the last one has the totals of all.
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
    let (caller, tenant) = identity.admit(&mut app.table.read(identity.keys()).await?)?;
    let (limit, cursor) = (LIMITS.read(parameters.limit.take())?, parameters.cursor.take());
    let name = parameters.list(&tenant);
    let (whose, asked) = parameters.read(&caller, tenant.business_day.date_of(app.clock.now()))?;
    let Bookmark { from, to, mut totals } = list::open(&app, &name, cursor)?.unwrap_or(asked);
    let whose = match whose {
        Some(one) => vec![one],
        None => everybody(&app, &tenant).await?,
    };
    let (mut lines, mut read, mut next) = (Vec::new(), 0, None);
    for (dates, date) in (0..).zip(from.series(1.day()).take_while(|date| *date <= to)) {
        if dates == limit || read >= PAGE_ITEMS {
            next = Some(Bookmark { from: date, to, totals });
            break;
        }
        let day = Day { app: &app, tenant: &tenant, whose: &whose, date };
        let (tills, items) = day.read().await?;
        read += items;
        tills.values().for_each(|takings| totals.add(takings));
        lines.extend(tills.iter().map(|(till, takings)| TakingsLineView::of(till, takings)));
    }
    let next_cursor = list::seal(&app, &name, next)?;
    let totals = TakingsTotalsView::of(&totals, &tenant.currency);
    Sheet { items: lines, totals, next_cursor }.answer(&headers, query.as_deref())
}

impl TakingsParameters {
    /// As it is asked for: the same for every page.
    fn list(&self, tenant: &Tenant) -> String {
        let [whose, from, to] =
            [&self.concessionaire, &self.from, &self.to].map(|text| text.as_deref().unwrap_or_default());
        format!("{} takings {whose} {from} {to}", tenant.id)
    }

    /// Whose takings, everybody's if of nobody, and the dates of the first page.
    fn read(self, caller: &Caller, today: Date) -> Result<(Option<ConcessionaireId>, Bookmark), Problem> {
        let mut errors = Vec::new();
        let whose = parameter::id(self.concessionaire, "concessionaire", &mut errors);
        let to = parameter::date(self.to, "to", &mut errors).unwrap_or(today);
        let from = parameter::date(self.from, "from", &mut errors).unwrap_or(to);
        if errors.is_empty()
            && !(0..i64::from(DATES_MAX)).contains(&(to.duration_since(from).as_hours() / 24))
        {
            let detail = format!("must be no later than `to`, and less than {DATES_MAX} days before");
            errors.push(FieldError::at_parameter("from", detail));
        }
        if !errors.is_empty() {
            return Err(Problem::BadInput(errors));
        }
        let whose = whose.or_else(|| caller.role.concessionaire().cloned());
        if whose.as_ref().is_some_and(|whose| !caller.sells_for(whose)) {
            return Err(Problem::NotFound);
        }
        Ok((whose, Bookmark { from, to, totals: Takings::default() }))
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

/// Lines of a date, and how much was read for them.
type Read = (BTreeMap<Till, Takings>, usize);

struct Day<'a> {
    app: &'a App,
    tenant: &'a Tenant,
    whose: &'a [ConcessionaireId],
    date: Date,
}

impl Day<'_> {
    async fn read(&self) -> Result<Read, Failure> {
        let sales: Vec<_> = self.whose.iter().map(|of| self.sales(of)).collect();
        let mut parts: Vec<_> = stream::iter(sales).buffered(SIDE_BY_SIDE).try_collect().await?;
        parts.push(self.corrections().await?);
        let (mut tills, mut read) = (BTreeMap::<_, Takings>::new(), 0);
        for (part, items) in parts {
            read += items;
            part.into_iter().for_each(|(till, takings)| tills.entry(till).or_default().add(&takings));
        }
        Ok((tills, read))
    }

    async fn sales(&self, concessionaire: &ConcessionaireId) -> Result<Read, Failure> {
        let span = keys::checkouts_on(&self.tenant.id, concessionaire, self.date);
        let mut pages = self.app.table.pages(&span, TOGETHER, Order::OldestFirst);
        let (mut tills, mut read) = (BTreeMap::<_, Takings>::new(), 0);
        while let Some(page) = pages.next().await? {
            read += page.len() + 1;
            for item in page {
                if let Some((till, takings)) = Takings::of_sale(&items::stored_checkout(item)?) {
                    tills.entry(till).or_default().add(&takings);
                }
            }
        }
        Ok((tills, read))
    }

    /// What was given back on that date, each with the sale that it is of.
    async fn corrections(&self) -> Result<Read, Failure> {
        let (mut tills, mut read) = (BTreeMap::<_, Takings>::new(), 0);
        let Some((from, to)) = self.tenant.business_day.hours_of(self.date) else { return Ok((tills, read)) };
        let span = keys::audit(&self.tenant.id, false, from, to);
        let mut pages = self.app.table.pages(&span, TOGETHER, Order::OldestFirst);
        while let Some(page) = pages.next().await? {
            read += page.len() + 1;
            let mut corrections = Vec::new();
            for item in page {
                corrections.extend(self.correction(items::stored_audited(item)?));
            }
            let key = |employee: &EmployeeNumber, sale| keys::checkout(&self.tenant.id, employee, sale);
            let sales = corrections.iter().map(|(employee, _, sale)| key(employee, *sale));
            let sales = self.app.table.read(sales).await?;
            for (employee, booking, sale) in &corrections {
                let Some(sale) = sales.get(&key(employee, *sale)).cloned() else { continue };
                let sale = items::stored_checkout(sale)?;
                let takings = Takings::of_correction(booking, self.date, &sale);
                if let Some((till, takings)) = takings.filter(|_| self.whose.contains(&sale.concessionaire)) {
                    tills.entry(till).or_default().add(&takings);
                }
            }
        }
        Ok((tills, read))
    }

    /// A correction of a sale, if it is one of this date.
    fn correction(&self, audited: Audited) -> Option<(EmployeeNumber, Booking, CheckoutId)> {
        let Audited::Correction(employee, booking) = audited else { return None };
        let sale = booking.cause.as_ref()?.checkout?;
        let is_of_this_date = self.tenant.business_day.date_of(booking.at) == self.date;
        is_of_this_date.then_some((employee, booking, sale))
    }
}
