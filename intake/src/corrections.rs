//! `GET /v1/corrections`: voids, refunds and adjustments, so that somebody can look after those who give
//! back.

use crate::app::App;
use crate::caller::Identity;
use crate::list::{self, Limits, Listed};
use crate::parameter;
use crate::problem::{Problem, Problems};
use crate::sheet;
use crate::stalls;
use crate::view::CorrectionView;
use crate::window::WindowParameters;
use aws::failure::Failure;
use aws::items::{self, Audited, Item};
use aws::keys;
use aws::table::{Order, Position};
use axum::extract::{Query, RawQuery, State};
use axum::http::HeaderMap;
use axum::response::Response;
use domain::booking::Booking;
use domain::checkout::Checkout;
use domain::id::{ConcessionaireId, EmployeeNumber, TenantId};
use serde::Deserialize;
use utoipa::IntoParams;

const LIMITS: Limits = Limits { default: 100, max: 500 };
/// What is looked at for one page: the audit has what was administered as well, and other concessionaires'.
const LOOKED_AT_MAX: usize = 2_000;
/// Items of one read.
const TOGETHER: i32 = 500;

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct CorrectionParameters {
    /// Of whose sales; of an administrator everybody's unless given, and adjustments, of a manager or cashier
    /// their own.
    concessionaire_id: Option<String>,
    /// Entries of a page at most, 1 to 500; 100 unless given.
    #[param(value_type = Option<i32>, minimum = 1, maximum = 500)]
    limit: Option<String>,
    /// As the page before gave it.
    cursor: Option<String>,
}

/// What was given back or corrected, booked or rejected, newest first.
///
/// A page ends early, also without any entry, once 2,000 entries of the audit were looked at for it: whoever
/// wants all follows `next_cursor` to its end. With `Accept: text/csv` a page comes as CSV, and the next one
/// is named by its `Link`.
#[utoipa::path(
    get,
    operation_id = "listCorrections",
    path = "/v1/corrections",
    params(CorrectionParameters, WindowParameters),
    responses(
        (status = 200, description = "One page", content(
            (Listed<CorrectionView> = "application/json"),
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
    Query(parameters): Query<CorrectionParameters>,
    Query(window): Query<WindowParameters>,
    RawQuery(query): RawQuery,
) -> Result<Response, Problem> {
    let (caller, tenant) = identity.admit(&app.table).await?;
    let limit = usize::try_from(LIMITS.read(parameters.limit)?).unwrap_or_default();
    let mut errors = Vec::new();
    let whose = parameter::id(parameters.concessionaire_id.as_deref(), "concessionaire_id", &mut errors);
    if !errors.is_empty() {
        return Err(Problem::BadInput(errors));
    }
    let whose = stalls::whose(&app, &caller, whose).await?;
    let name = {
        let whose = whose.as_ref().map_or("*", ConcessionaireId::as_str);
        format!("{} corrections {whose} {}", tenant.id, window.asked())
    };
    let window = window.read(app.clock.now(), None)?;
    let span = keys::audit(&tenant.id, false, window.from, window.to);
    let mut next: Option<Position> = list::open(&app, &name, parameters.cursor)?;
    let (mut lines, mut looked_at) = (Vec::new(), 0);
    'pages: loop {
        let page = app.table.query_page(&span, TOGETHER, Order::NewestFirst, next).await?;
        looked_at += page.items.len();
        next = page.next;
        let found = among(&app, &tenant.id, page.items, |_| true).await?;
        for found in found.into_iter().filter(|found| found.is_of(whose.as_ref())) {
            let (booking, sale) = (&found.booking, found.sale.as_ref());
            lines.push(CorrectionView::of(&found.employee, booking, sale, &tenant.business_day));
            if lines.len() == limit {
                next = Some(found.behind);
                break 'pages;
            }
        }
        if next.is_none() || looked_at >= LOOKED_AT_MAX {
            break;
        }
    }
    let next_cursor = list::seal(&app, &name, next)?;
    let page = Listed { items: lines, next_cursor };
    sheet::answer(&page, &page.items, page.next_cursor.as_deref(), &headers, query.as_deref())
}

/// A correction, and the sale that it is of, if that is there.
#[derive(Debug)]
pub struct Found {
    pub employee: EmployeeNumber,
    pub booking: Booking,
    pub sale: Option<Checkout>,
    /// From where a list goes on after it.
    behind: Position,
}

impl Found {
    fn is_of(&self, whose: Option<&ConcessionaireId>) -> bool {
        whose.is_none_or(|whose| self.sale.as_ref().is_some_and(|sale| sale.concessionaire == *whose))
    }
}

/// The corrections that are wanted among entries of the audit, in their order.
pub async fn among(
    app: &App,
    tenant: &TenantId,
    audited: Vec<Item>,
    is_wanted: impl Fn(&Booking) -> bool,
) -> Result<Vec<Found>, Failure> {
    let mut found = Vec::new();
    for item in audited {
        let behind = Position::behind(&item)?;
        if let Audited::Correction(employee, booking) = items::stored_audited(item)?
            && is_wanted(&booking)
        {
            found.push(Found { employee, booking, sale: None, behind });
        }
    }
    let sale_of = |found: &Found| {
        let checkout = found.booking.cause.as_ref().and_then(|cause| cause.checkout);
        checkout.map(|checkout| keys::checkout(tenant, &found.employee, checkout))
    };
    let sales = app.table.read(found.iter().filter_map(sale_of)).await?;
    for found in &mut found {
        let sale = sale_of(found).and_then(|key| sales.get(&key).cloned());
        found.sale = sale.map(items::stored_checkout).transpose()?;
    }
    Ok(found)
}
