//! `/v1/concessionaires/{id}/menu` and its meals: what a station sells from, under an `ETag` that is its
//! version, and what its manager changes of it.

use crate::administer::{Administered, Office};
use crate::app::App;
use crate::body::{Errors, Fields};
use crate::caller::Identity;
use crate::etag;
use crate::list::{self, Limits};
use crate::path::{self, Named};
use crate::problem::{CommandProblems, FieldError, PreconditionProblem, Problem, Problems};
use crate::request::{self, NoBody};
use crate::sheet;
use crate::view::MenuView;
use aws::items::{self, MenuHead};
use aws::keys;
use axum::Json;
use axum::body::Bytes;
use axum::extract::{Query, RawQuery, State};
use axum::http::header::ETAG;
use axum::response::{IntoResponse, Response};
use domain::admin::{Availability, Change};
use domain::id::{CommandId, ConcessionaireId, MealCode, TenantId};
use domain::import::MealRow;
use domain::menu::{Meal, Menu, MenuVersion};
use domain::planted::{self, Planted};
use domain::tenant::Tenant;
use domain::text::{Category, Name};
use serde::Deserialize;
use std::ops::Bound;
use utoipa::{IntoParams, ToSchema};

/// Meals of a page. The longest names and categories of so many are answered at once by a Lambda, which has 6
/// MB.
const LIMITS: Limits = Limits { default: 5_000, max: 5_000 };

/// Which page of a menu.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct MealsParameters {
    /// Meals of a page, 1 to 5000; 5000 unless given.
    #[param(value_type = Option<i32>, minimum = 1, maximum = 5000)]
    limit: Option<String>,
    /// As the page before gave it, of the same menu version.
    cursor: Option<String>,
}

/// A concessionaire's current menu; empty, under version `0.0`, before its first meal.
///
/// All pages are of one version: a cursor opens nothing once the menu has changed, and whoever reads begins
/// again.
#[utoipa::path(
    get,
    operation_id = "getMenu",
    path = "/v1/concessionaires/{id}/menu",
    params(path::Concessionaire, MealsParameters),
    responses(
        (status = 200, description = "The menu; its `ETag` names tenant, concessionaire and menu version", body = MenuView),
        Problems,
    ),
    security(("cognito" = [])),
)]
pub async fn get(
    State(app): State<App>,
    identity: Identity,
    Named(id): Named<ConcessionaireId>,
    Query(page): Query<MealsParameters>,
) -> Result<Response, Problem> {
    let (tenant, menu) = read(&app, &identity, &id).await?;
    let tag = tag(&tenant.id, &id, menu.version);
    let (meals, next_cursor) = page.turn(&app, &tag, &menu)?;
    let view = MenuView::of(&menu, &meals, &id, &tenant.currency, next_cursor);
    Ok(([(ETAG, etag::strong(&tag)?)], Json(view)).into_response())
}

/// A concessionaire's current menu as CSV: as an import reads it.
///
/// What is sold out is on it, too.
#[utoipa::path(
    get,
    operation_id = "exportMenu",
    path = "/v1/concessionaires/{id}/menu.csv",
    params(path::Concessionaire, MealsParameters),
    responses(
        (status = 200, description = "The menu; its `ETag` names tenant, concessionaire and menu version", body = String, content_type = "text/csv"),
        Problems,
    ),
    security(("cognito" = [])),
)]
pub async fn export(
    State(app): State<App>,
    identity: Identity,
    Named(id): Named<ConcessionaireId>,
    Query(page): Query<MealsParameters>,
    RawQuery(query): RawQuery,
) -> Result<Response, Problem> {
    let (tenant, menu) = read(&app, &identity, &id).await?;
    let tag = tag(&tenant.id, &id, menu.version);
    let (meals, next_cursor) = page.turn(&app, &tag, &menu)?;
    let rows = meals.into_iter().map(|(code, meal)| MealRow::write(code, meal, &tenant.currency));
    let file = sheet::export(MealRow::COLUMNS, rows)?;
    let mut response = sheet::csv_page(file, query.as_deref(), next_cursor.as_deref())?;
    response.headers_mut().insert(ETAG, etag::strong(&tag)?);
    Ok(response)
}

impl MealsParameters {
    /// Meals of the page, and the cursor of the next one, which is good for this version alone.
    fn turn<'a>(self, app: &App, tag: &str, menu: &'a Menu) -> Result<(Meals<'a>, Option<String>), Problem> {
        let name = format!("menu {tag}");
        let limit = usize::try_from(LIMITS.read(self.limit)?).unwrap_or_default();
        let behind: Option<MealCode> = list::open(app, &name, self.cursor)?;
        let from = behind.as_ref().map_or(Bound::Unbounded, Bound::Excluded);
        let meals = menu.meals();
        let mut rest =
            meals.range::<MealCode, _>((from, Bound::Unbounded)).map(|(code, meal)| (*code, *meal));
        let page: Meals<'a> = rest.by_ref().take(limit).collect();
        let last = page.last().map(|(code, _)| *code);
        Ok((page, list::seal(app, &name, rest.next().and(last))?))
    }
}

/// By code.
type Meals<'a> = Vec<(&'a MealCode, &'a Meal)>;

/// The menu that a path names.
async fn read(app: &App, identity: &Identity, id: &ConcessionaireId) -> Result<(Tenant, Menu), Problem> {
    let menu_key = keys::menu(identity.tenant(), id);
    let vendor_key = keys::concessionaire(identity.tenant(), id);
    let (_, tenant, mut found) =
        identity.admit_with(&app.table, [menu_key.clone(), vendor_key.clone()]).await?;
    let head = match (found.take(&menu_key), found.take(&vendor_key)) {
        (Some(head), _) => items::stored_menu_head(head)?,
        (None, Some(_)) => MenuHead::default(),
        (None, None) => return Err(Problem::NotFound),
    };
    let menu = app.menus.under(&app.table, &tenant.id, id, head).await?;
    Ok((tenant, menu))
}

/// The same path is another menu for another tenant.
fn tag(tenant: &TenantId, concessionaire: &ConcessionaireId, version: MenuVersion) -> String {
    format!("{tenant}.{concessionaire}.{version}")
}

/// A meal as its manager sets it.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({ "name": "Flat white", "category": "drinks", "price": 6500, "calories": 120 }))]
#[expect(dead_code, reason = "only its description is used")]
pub(crate) struct MealRequest {
    #[schema(min_length = 1, max_length = 100)]
    name: String,
    #[schema(max_length = 50)]
    category: Option<String>,
    /// In minor units.
    #[schema(minimum = 0, maximum = 1_000_000_000)]
    price: i64,
    /// Kilocalories.
    #[schema(minimum = 0, maximum = 100_000)]
    calories: Option<i64>,
}

/// Put a meal on the menu, or change it.
#[utoipa::path(
    put,
    operation_id = "putMeal",
    path = "/v1/concessionaires/{id}/meals/{code}",
    request_body = MealRequest,
    params(
        path::Concessionaire,
        path::Meal,
        request::CommandParameters,
        etag::MatchParameters,
    ),
    responses(Administered, PreconditionProblem, CommandProblems, Problems),
    security(("cognito" = [])),
)]
pub async fn put_meal(
    office: Office,
    Named((id, code)): Named<(ConcessionaireId, String)>,
    body: Bytes,
) -> Result<Response, Problem> {
    let code = code.parse().map_err(|error| Problem::field(FieldError::at_parameter("code", error)))?;
    let read = |fields: &mut Fields<'_>, _: &Errors| {
        let name = fields.text::<Name>("name");
        let category = fields.optional_text::<Category>("category");
        let price = fields.integer("price");
        let calories = fields.optional_integer("calories");
        let category = category.map(String::from).unwrap_or_default();
        Some(Meal { name: name?.into(), category, price: price?, calories })
    };
    let (key, meal) = request::command(office.headers(), &body, office.now(), read)?;
    let make = |concessionaire_id, if_match| Change::SetMeal { concessionaire_id, code, meal, if_match };
    edit(office, id, key, make).await
}

/// Take a meal off the menu.
#[utoipa::path(
    delete,
    operation_id = "deleteMeal",
    path = "/v1/concessionaires/{id}/meals/{code}",
    params(
        path::Concessionaire,
        path::Meal,
        request::CommandParameters,
        etag::MatchParameters,
    ),
    responses(Administered, PreconditionProblem, CommandProblems, Problems),
    security(("cognito" = [])),
)]
pub async fn delete_meal(
    office: Office,
    Named((id, code)): Named<(ConcessionaireId, MealCode)>,
    _: NoBody,
) -> Result<Response, Problem> {
    let key = request::bodiless(office.headers(), office.now())?;
    edit(office, id, key, |concessionaire_id, if_match| Change::RemoveMeal {
        concessionaire_id,
        code,
        if_match,
    })
    .await
}

/// Whether there is any left of a meal.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({ "sold_out": true, "sold_out_until": "2026-03-02T16:00:00Z" }))]
#[expect(dead_code, reason = "only its description is used")]
pub(crate) struct AvailabilityRequest {
    sold_out: bool,
    /// When it is there again by itself; only of what is sold out.
    #[schema(format = DateTime)]
    sold_out_until: Option<String>,
}

/// Say that a meal is sold out, or there again.
#[utoipa::path(
    put,
    operation_id = "putAvailability",
    path = "/v1/concessionaires/{id}/meals/{code}/availability",
    request_body = AvailabilityRequest,
    params(
        path::Concessionaire,
        path::Meal,
        request::CommandParameters,
        etag::MatchParameters,
    ),
    responses(Administered, PreconditionProblem, CommandProblems, Problems),
    security(("cognito" = [])),
)]
pub async fn put_availability(
    office: Office,
    Named((id, code)): Named<(ConcessionaireId, MealCode)>,
    body: Bytes,
) -> Result<Response, Problem> {
    let read = |fields: &mut Fields<'_>, _: &Errors| {
        let sold_out = fields.word::<bool>("sold_out", "true or false");
        let until = fields.optional_instant("sold_out_until");
        match (sold_out?, until) {
            (true, until) => Some(Availability::SoldOut { until }),
            (false, None) => Some(Availability::Available),
            (false, Some(_)) => {
                fields.error("sold_out_until", "only goes with what is sold out");
                None
            }
        }
    };
    let (key, availability) = request::command(office.headers(), &body, office.now(), read)?;
    let make = |concessionaire_id, if_match| Change::SetAvailability {
        concessionaire_id,
        code,
        availability,
        if_match,
    };
    edit(office, id, key, make).await
}

/// A change of the caller's own menu, as it stands or as `If-Match` has it.
async fn edit(
    office: Office,
    concessionaire: ConcessionaireId,
    key: CommandId,
    make: impl FnOnce(ConcessionaireId, Option<MenuVersion>) -> Change,
) -> Result<Response, Problem> {
    let tenant = office.identity().tenant().clone();
    let prefix = format!("{tenant}.{concessionaire}.");
    let asked = match etag::if_match(office.headers())? {
        None => None,
        Some(tag) => {
            let version = tag.strip_prefix(&prefix).and_then(|version| version.to_owned().try_into().ok());
            Some(version.ok_or(Problem::PreconditionFailed)?)
        }
    };
    let head_key = keys::menu(&tenant, &concessionaire);
    office
        .submit_from(key, [head_key.clone()], |desk| {
            if !desk.caller.sells_for(&concessionaire) {
                return Err(Problem::NotFound);
            }
            let head = desk.found.take(&head_key).map(items::stored_menu_head).transpose()?;
            let current = head.unwrap_or_default().version;
            let is_new = !desk.is_replay || planted::is(Planted::MatchedAgain);
            if is_new && asked.is_some_and(|asked: MenuVersion| asked != current) {
                return Err(Problem::PreconditionFailed);
            }
            Ok(make(concessionaire, asked))
        })
        .await
}
