//! Tables page by page, as JSON or CSV, most with a row an employee. A cursor carries what the pages before
//! it came to, so that the last page has the sums of all, however many there are.

use crate::app::App;
use crate::list::{self, Limits};
use crate::problem::Problem;
use aws::failure::Failure;
use aws::table::{Order, Position};
use aws::{items, keys};
use axum::Json;
use axum::http::header::{ACCEPT, CONTENT_TYPE, LINK};
use axum::http::{HeaderMap, HeaderValue};
use axum::response::{IntoResponse, Response};
use domain::id::{EmployeeNumber, TenantId};
use domain::import::quote;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

const CSV: &str = "text/csv";
/// Parameters of a page that the next one is asked for with, too.
const ASKED: [&str; 4] = ["limit=", "from=", "to=", "concessionaire_id="];
/// Rows of a page: each costs a few reads.
const LIMITS: Limits = Limits { default: 100, max: 500 };

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct SheetParameters {
    /// Rows of a page, 1 to 500; 100 unless given.
    #[param(value_type = Option<i32>, minimum = 1, maximum = 500)]
    limit: Option<String>,
    /// As the page before gave it. Pages follow names: whoever is renamed between two of them may be missed,
    /// or come twice.
    cursor: Option<String>,
}

/// One page of a table.
#[derive(Debug, Serialize, ToSchema)]
pub struct Sheet<R: ToSchema, T: ToSchema> {
    pub items: Vec<R>,
    /// What all rows come to, from the first page to this one.
    pub totals: T,
    /// Where the next page begins; absent from the last.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next_cursor: Option<String>,
}

/// Some employees by name, and what those before them came to.
#[derive(Debug)]
pub struct Leaf<S> {
    pub employees: Vec<EmployeeNumber>,
    pub sums: S,
    /// From where a list goes on after each of them.
    behind: Vec<Position>,
    next: Option<Position>,
    name: String,
}

#[derive(Serialize, Deserialize)]
struct Bookmark<S> {
    behind: Position,
    sums: S,
}

impl SheetParameters {
    /// The page that is asked for. `name` names tenant, table and filters: a cursor of one opens no other.
    pub async fn open<S: Default + DeserializeOwned>(
        self,
        app: &App,
        tenant: &TenantId,
        name: String,
    ) -> Result<Leaf<S>, Problem> {
        let limit = LIMITS.read(self.limit)?;
        let bookmark: Option<Bookmark<S>> = list::open(app, &name, self.cursor)?;
        let (start, sums) = bookmark.map(|bookmark| (bookmark.behind, bookmark.sums)).unzip();
        let span = keys::employees(tenant, "");
        let page = app.table.query_page(&span, limit, Order::OldestFirst, start).await?;
        let behind = page.items.iter().map(Position::behind).collect::<Result<_, _>>()?;
        let employees = page.items.into_iter().map(|item| Ok(items::listed_employee(item)?.number));
        let employees = employees.collect::<Result<_, Failure>>()?;
        Ok(Leaf { employees, sums: sums.unwrap_or_default(), behind, next: page.next, name })
    }
}

impl<S: Serialize> Leaf<S> {
    /// Leaves all but the first employees to the next page.
    pub fn keep(&mut self, employees: usize) {
        if employees < self.employees.len() {
            self.employees.truncate(employees);
            self.behind.truncate(employees);
            self.next = self.behind.pop();
        }
    }

    /// The page with its rows, and with `totals` of all so far.
    pub fn answer<R: Serialize + ToSchema + Default, T: Serialize + ToSchema>(
        self,
        app: &App,
        headers: &HeaderMap,
        query: Option<&str>,
        rows: Vec<R>,
        totals: T,
    ) -> Result<Response, Problem> {
        let Self { sums, next, name, .. } = self;
        let bookmark = next.map(|behind| Bookmark { behind, sums });
        let next_cursor = list::seal(app, &name, bookmark)?;
        Sheet { items: rows, totals, next_cursor }.answer(headers, query)
    }
}

impl<R: Serialize + ToSchema + Default, T: Serialize + ToSchema> Sheet<R, T> {
    pub fn answer(self, headers: &HeaderMap, query: Option<&str>) -> Result<Response, Problem> {
        answer(&self, &self.items, self.next_cursor.as_deref(), headers, query)
    }
}

/// What rows stand in as JSON; as CSV the rows alone, with the next page in a `Link`.
pub fn answer<R: Serialize + Default>(
    table: &impl Serialize,
    rows: &[R],
    next_cursor: Option<&str>,
    headers: &HeaderMap,
    query: Option<&str>,
) -> Result<Response, Problem> {
    if wants_csv(headers) {
        let text = csv_of(rows).map_err(|error| Failure::malformed("write a table", error))?;
        csv_page(text, query, next_cursor)
    } else {
        Ok(Json(table).into_response())
    }
}

/// Rows as CSV; the next page, if there is one, is in a `Link`.
pub fn csv_page(rows: Vec<u8>, query: Option<&str>, next_cursor: Option<&str>) -> Result<Response, Problem> {
    let mut response = ([(CONTENT_TYPE, "text/csv; charset=utf-8")], rows).into_response();
    if let Some(cursor) = next_cursor {
        let asked = query.unwrap_or_default().split('&');
        let asked = asked.filter(|pair| ASKED.iter().any(|name| pair.starts_with(name)));
        let query: Vec<_> = asked.map(str::to_owned).chain([format!("cursor={cursor}")]).collect();
        let query = query.join("&");
        let link = format!("<?{query}>; rel=\"next\"");
        let link = HeaderValue::from_str(&link).map_err(|error| Failure::malformed("write a link", error))?;
        response.headers_mut().insert(LINK, link);
    }
    Ok(response)
}

/// Rows as an import reads them. Quoted, whatever they hold, as those who guard against formulas in exports
/// advise.
pub fn export<const N: usize>(
    columns: [&str; N],
    rows: impl IntoIterator<Item = [String; N]>,
) -> Result<Vec<u8>, Failure> {
    let mut writer = csv::WriterBuilder::new().quote_style(csv::QuoteStyle::Always).from_writer(Vec::new());
    let unwritten = |error| Failure::malformed("write a row", error);
    writer.write_record(columns).map_err(unwritten)?;
    for row in rows {
        writer.write_record(row).map_err(unwritten)?;
    }
    writer.into_inner().map_err(|error| Failure::malformed("write a table", error.into_error()))
}

/// The rows under their names; no spreadsheet takes a cell for a formula.
fn csv_of<R: Serialize + Default>(rows: &[R]) -> Result<Vec<u8>, csv::Error> {
    let mut plain = csv::Writer::from_writer(Vec::new());
    rows.iter().try_for_each(|row| plain.serialize(row))?;
    // The names come with the first row, and are there without one.
    let kept = if rows.is_empty() { 1 } else { usize::MAX };
    if rows.is_empty() {
        plain.serialize(R::default())?;
    }
    let plain = plain.into_inner().map_err(|error| error.into_error())?;
    let mut quoted = csv::Writer::from_writer(Vec::new());
    for row in csv::ReaderBuilder::new().has_headers(false).from_reader(&plain[..]).records().take(kept) {
        let is_amount = |cell: &str| cell.parse::<i64>().is_ok();
        let text = |cell: &str| if is_amount(cell) { cell.to_owned() } else { quote(cell).into_owned() };
        quoted.write_record(row?.iter().map(text))?;
    }
    Ok(quoted.into_inner().map_err(|error| error.into_error())?)
}

fn wants_csv(headers: &HeaderMap) -> bool {
    let accepted = headers.get_all(ACCEPT).iter().filter_map(|value| value.to_str().ok());
    accepted.flat_map(|value| value.split(',')).any(|range| {
        let mut parts = range.split(';').map(str::trim);
        let is_csv = parts.next().is_some_and(|kind| kind.eq_ignore_ascii_case(CSV));
        is_csv && !parts.any(|part| ["q=0", "q=0.0", "q=0.00", "q=0.000"].contains(&part))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Default, Serialize)]
    struct Named {
        name: String,
        amount: i64,
    }

    #[test]
    fn a_sheet_without_rows_has_its_names() {
        let row = Named { name: "Ada".to_owned(), amount: 1 };
        assert_eq!(csv_of(&[row]).unwrap(), b"name,amount\nAda,1\n");
        assert_eq!(csv_of::<Named>(&[]).unwrap(), b"name,amount\n");
    }

    #[derive(Default, Serialize)]
    struct Row(&'static str, i64, Option<&'static str>);

    #[track_caller]
    fn check(row: Row, csv: &str) {
        assert_eq!(csv_of(&[row]).unwrap(), csv.as_bytes());
    }

    #[test]
    fn a_sheet_holds_amounts_and_no_formulas() {
        check(Row("100001", -500, None), "100001,-500,\n");
        check(Row("-A1", 0, Some("off by 1")), "'-A1,0,off by 1\n");
        check(Row("=1,2", 0, Some("-1 \"x\"")), "\"'=1,2\",0,\"'-1 \"\"x\"\"\"\n");
    }
}
