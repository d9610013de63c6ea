//! `/v1/credit-policy`: how credit is replenished.

use crate::administer::{Administered, Office};
use crate::app::App;
use crate::body::{Errors, Fields};
use crate::caller::Identity;
use crate::problem::{CommandProblems, Problem, Problems};
use crate::request;
use crate::view::PolicyView;
use aws::{items, keys};
use axum::Json;
use axum::body::Bytes;
use axum::extract::State;
use axum::response::Response;
use domain::admin::Change;
use domain::cutoff::{DayOfMonth, LocalTime, Method, NegativeBalance, Policy, Schedule};
use domain::money::{Limit, Money};
use serde::Deserialize;
use serde_json::Value;
use utoipa::ToSchema;

/// Cutoffs that a policy is shown with.
const UPCOMING: usize = 5;

/// How credit is replenished.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({
    "days": [15, "last"], "time": "06:00", "method": "reset", "negative_balance": "carry",
    "default_limit": 500_000, "prorates_joiners": true,
}))]
#[expect(dead_code, reason = "only its description is used")]
pub(crate) struct PolicyRequest {
    /// One day of the month or two, the earlier first: 1 to 31, or `last`. A day that a month lacks is its
    /// last.
    #[schema(min_items = 1, max_items = 2)]
    days: Vec<DayName>,
    /// Local time of the tenant's zone. What daylight saving skips is moved on by as much; of what comes
    /// twice the first counts.
    #[schema(pattern = "^([01][0-9]|2[0-3]):[0-5][0-9]$")]
    time: String,
    method: MethodName,
    /// Of `top_up`: what is added.
    #[schema(nullable = false, minimum = 0, maximum = 1_000_000_000_000_i64)]
    amount: Option<i64>,
    /// Of `top_up`: up to which balance.
    #[schema(nullable = false, minimum = 0, maximum = 1_000_000_000_000_i64)]
    cap: Option<i64>,
    negative_balance: NegativeBalanceName,
    /// For employees without a limit of their own.
    #[schema(minimum = 0, maximum = 1_000_000_000_000_i64)]
    default_limit: i64,
    /// Whether whoever joins after a cutoff gets the share of the days that are left.
    prorates_joiners: bool,
}

/// 1 to 31, or `last`.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(untagged)]
#[expect(dead_code, reason = "only its description is used")]
pub(crate) enum DayName {
    Number(i64),
    Word(LastDay),
}

#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum LastDay {
    Last,
}

#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum MethodName {
    /// The balance becomes the limit; what was left expires.
    Reset,
    /// `amount` is added, up to a balance of `cap`.
    TopUp,
    /// The balance is filled up to the limit; nothing is taken.
    RaiseTo,
}

#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum NegativeBalanceName {
    /// A debt is made up for.
    Forgive,
    /// A debt is taken off what is granted.
    Carry,
}

/// A policy from its fields.
pub fn policy(fields: &mut Fields<'_>) -> Option<Policy> {
    let schedule = schedule(fields);
    let at = fields.text::<LocalTime>("time");
    let method = method(fields);
    let negative_balance = fields.word::<NegativeBalance>("negative_balance", "forgive or carry");
    let default_limit = fields.integer::<Limit>("default_limit");
    let prorates_joiners = fields.word::<bool>("prorates_joiners", "true or false");
    Some(Policy {
        schedule: schedule?,
        at: at?,
        method: method?,
        negative_balance: negative_balance?,
        default_limit: default_limit?.into(),
        prorates_joiners: prorates_joiners?,
    })
}

fn schedule(fields: &mut Fields<'_>) -> Option<Schedule> {
    let days = fields.word::<Vec<Value>>("days", "a list of one or two days")?;
    let days: Option<Vec<DayOfMonth>> =
        days.into_iter().map(|day| serde_json::from_value(day).ok()).collect();
    let schedule = match days.as_deref() {
        Some([day]) => Ok(Schedule::Monthly { day: *day }),
        Some([first, second]) => Schedule::semi_monthly(*first, *second).map_err(|error| error.to_string()),
        _ => Err("must be one or two of 1 to 31 and \"last\"".to_owned()),
    };
    schedule.map_err(|detail| fields.error("days", detail)).ok()
}

fn method(fields: &mut Fields<'_>) -> Option<Method> {
    let word = fields.word::<MethodName>("method", "reset, top_up or raise_to")?;
    if !matches!(word, MethodName::TopUp) {
        for field in ["amount", "cap"] {
            if fields.has(field) {
                fields.error(field, "only goes with the method top_up");
                fields.skip(field);
            }
        }
    }
    Some(match word {
        MethodName::Reset => Method::Reset,
        MethodName::RaiseTo => Method::RaiseTo,
        MethodName::TopUp => {
            let (amount, cap) = (fields.integer::<Limit>("amount"), fields.integer::<Limit>("cap"));
            Method::TopUp { amount: Money::from(amount?), cap: cap?.into() }
        }
    })
}

/// Set how credit is replenished.
///
/// New days or a new time count from now on; a cutoff that is open goes on as it was opened.
#[utoipa::path(
    put,
    operation_id = "putCreditPolicy",
    path = "/v1/credit-policy",
    request_body = PolicyRequest,
    params(request::CommandParameters),
    responses(Administered, CommandProblems, Problems),
    security(("cognito" = [])),
)]
pub async fn put(office: Office, body: Bytes) -> Result<Response, Problem> {
    let read = |fields: &mut Fields<'_>, _: &Errors| policy(fields);
    let (id, policy) = request::command(office.headers(), &body, office.now(), read)?;
    office.submit(id, Change::SetCreditPolicy { policy }).await
}

/// How credit is replenished, and when next.
#[utoipa::path(
    get,
    operation_id = "getCreditPolicy",
    path = "/v1/credit-policy",
    responses(
        (status = 200, description = "The policy", body = PolicyView),
        Problems,
    ),
    security(("cognito" = [])),
)]
pub async fn get(State(app): State<App>, identity: Identity) -> Result<Json<PolicyView>, Problem> {
    let [key, roster_key] = [keys::policy(identity.tenant()), keys::roster(identity.tenant())];
    let (_, tenant, mut found) = identity.admit_with(&app.table, [key.clone(), roster_key.clone()]).await?;
    let standing = items::stored_policy(found.take(&key).ok_or(Problem::NotFound)?)?;
    let latest = found.take(&roster_key).map(items::stored_roster).transpose()?.map(|roster| roster.latest);
    let next = standing.next(&tenant.business_day, latest, app.clock.now(), UPCOMING);
    Ok(Json(PolicyView::of(&standing, &next, &tenant.currency)))
}
