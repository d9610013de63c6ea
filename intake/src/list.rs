//! Lists, page by page: `?limit=&cursor=`, with a cursor that is good for one list of one tenant alone.

use crate::app::App;
use crate::problem::{FieldError, Problem};
use aws::failure::Failure;
use aws::items::Item;
use aws::keys::Span;
use aws::seal;
use aws::table::{Order, Position};
use axum::Json;
use axum::response::{IntoResponse, Response};
use domain::planted::{self, Planted};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

const LIMITS: Limits = Limits { default: 20, max: 50 };

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct PageParameters {
    /// Entries of a page, 1 to 50; 20 unless given.
    #[param(value_type = Option<i32>, minimum = 1, maximum = 50)]
    limit: Option<String>,
    /// As the page before gave it.
    cursor: Option<String>,
}

/// How long a page may be.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Unless the client says otherwise.
    pub default: i32,
    pub max: i32,
}

impl Limits {
    pub fn read(self, limit: Option<String>) -> Result<i32, Problem> {
        let Some(text) = limit else { return Ok(self.default) };
        let limit = text.parse().ok().filter(|limit| (1..=self.max).contains(limit));
        let detail = format!("must be 1 to {}", self.max);
        limit.ok_or_else(|| Problem::field(FieldError::at_parameter("limit", detail)))
    }
}

/// One page of a list.
#[derive(Debug, Serialize, ToSchema)]
pub struct Listed<T: ToSchema> {
    pub items: Vec<T>,
    /// Where the next page begins; absent from the last.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next_cursor: Option<String>,
}

/// Which page of which list.
#[derive(Debug)]
pub struct Asked {
    pub limit: i32,
    pub start: Option<Position>,
}

impl PageParameters {
    /// `list` names tenant, list and filters: a cursor of one opens no other.
    pub fn read(self, app: &App, list: &str) -> Result<Asked, Problem> {
        Ok(Asked { limit: LIMITS.read(self.limit)?, start: open(app, list, self.cursor)? })
    }
}

/// Answers one page of a span, each item as `view` has it, or left out where it has nothing of it.
pub async fn page<T: Serialize + ToSchema, V: Into<Option<T>>>(
    app: &App,
    list: &str,
    parameters: PageParameters,
    span: &Span,
    order: Order,
    view: impl Fn(Item) -> Result<V, Failure>,
) -> Result<Response, Problem> {
    let Asked { limit, start } = parameters.read(app, list)?;
    let page = app.table.query_page(span, limit, order, start).await?;
    let views = page.items.into_iter().map(|item| view(item).map(V::into));
    let items: Vec<T> = views.filter_map(Result::transpose).collect::<Result<_, _>>()?;
    Ok(Json(Listed { items, next_cursor: seal(app, list, page.next)? }).into_response())
}

/// The cursor that leads on from `position`.
pub fn seal(app: &App, list: &str, position: Option<impl Serialize>) -> Result<Option<String>, Problem> {
    let Some(position) = position else { return Ok(None) };
    let bytes = serde_json::to_vec(&position).map_err(|error| Failure::malformed("write a cursor", error))?;
    Ok(Some(seal::seal(app.ticket_key.as_bytes(), &purpose(list), &bytes)))
}

/// What a cursor of this list leads on from.
pub fn open<T: DeserializeOwned>(
    app: &App,
    list: &str,
    cursor: Option<String>,
) -> Result<Option<T>, Problem> {
    let opened = cursor.map(|text| {
        let position = seal::open(app.ticket_key.as_bytes(), &purpose(list), &text);
        let position = position.and_then(|position| serde_json::from_slice(&position).ok());
        let detail = "is not a cursor of this list";
        position.ok_or_else(|| Problem::field(FieldError::at_parameter("cursor", detail)))
    });
    opened.transpose()
}

fn purpose(list: &str) -> String {
    if planted::is(Planted::CursorUnbound) {
        return String::new();
    }
    format!("cursor {}#{list}#", list.len())
}
