//! The embedded database, asked in DynamoDB's own JSON.

use axum::Router;
use axum::body::Bytes;
use axum::extract::{DefaultBodyLimit, State};
use axum::response::{IntoResponse, Response};
use dynoxide::actions::transact_write_items::TransactWriteItemsRequest;
use dynoxide::{Database, DynoxideError};
use http::header::CONTENT_TYPE;
use http::{HeaderMap, StatusCode};
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::fmt;
use std::path::Path;

use super::TableError;

/// What DynamoDB takes.
const BODY_MAX_BYTES: usize = 16 * 1024 * 1024;
const JSON: &str = "application/x-amz-json-1.0";

/// Calls run one at a time, on the thread that makes them; a write is answered after its commit was synced.
#[derive(Clone)]
pub struct Engine(Database);

impl fmt::Debug for Engine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Engine")
    }
}

/// Status and body of an answer.
pub type Reply = (u16, String);

impl Engine {
    /// The SQLite file `path`, made when absent.
    pub fn open(path: &Path) -> Result<Self, TableError> {
        let path = path.to_str().ok_or(TableError::Path)?;
        Database::new(path).map(Self).map_err(TableError::Open)
    }

    /// Without a file: nothing outlives it.
    pub fn in_memory() -> Result<Self, TableError> {
        Database::memory().map(Self).map_err(TableError::Open)
    }

    /// Carries out an operation of those that a cafeteria, its tests and whoever looks into its table use.
    pub fn answer(&self, operation: &str, body: &[u8]) -> Reply {
        let database = &self.0;
        let done = match operation {
            "BatchGetItem" => run(body, |request| database.batch_get_item(request)),
            "BatchWriteItem" => run(body, |request| database.batch_write_item(request)),
            "CreateTable" => run(body, |request| database.create_table(request)),
            "DeleteItem" => run(body, |request| database.delete_item(request)),
            "DescribeTable" => run(body, |request| database.describe_table(request)),
            "DescribeTimeToLive" => run(body, |request| database.describe_time_to_live(request)),
            "GetItem" => run(body, |request| database.get_item(request)),
            "ListTables" => run(body, |request| database.list_tables(request)),
            "PutItem" => run(body, |request| database.put_item(request)),
            "Query" => run(body, |request| database.query(request)),
            "Scan" => run(body, |request| database.scan(request)),
            "TransactGetItems" => run(body, |request| database.transact_get_items(request)),
            "TransactWriteItems" => {
                run(body, |request| database.transact_write_items(without_token(request)))
            }
            "UpdateItem" => run(body, |request| database.update_item(request)),
            "UpdateTimeToLive" => run(body, |request| database.update_time_to_live(request)),
            _ => {
                return (
                    400,
                    r#"{"__type":"com.amazon.coral.service#UnknownOperationException"}"#.to_owned(),
                );
            }
        };
        match done {
            Ok(answer) => (200, answer),
            Err(error) => {
                let status = error.status_code();
                if status >= 500 {
                    tracing::warn!(%error, operation, "the table failed");
                }
                (status, error.to_json())
            }
        }
    }

    /// Serves what [`answer`](Self::answer) does. Signatures are not verified; the port must be a loopback
    /// one.
    pub fn router(&self) -> Router {
        Router::new().fallback(reply).layer(DefaultBodyLimit::max(BODY_MAX_BYTES)).with_state(self.clone())
    }
}

async fn reply(State(engine): State<Engine>, headers: HeaderMap, body: Bytes) -> Response {
    let target = headers.get("x-amz-target").and_then(|target| target.to_str().ok());
    let operation = target.and_then(|target| target.split_once('.')).map_or("", |(_, operation)| operation);
    let (status, answer) = engine.answer(operation, &body);
    let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    (status, [(CONTENT_TYPE, JSON)], answer).into_response()
}

/// Without its token. The SDK makes one for every transaction, and no transaction is sent twice under one;
/// the engine would keep each for ten minutes and walk over all of them at every further transaction.
fn without_token(request: TransactWriteItemsRequest) -> TransactWriteItemsRequest {
    TransactWriteItemsRequest { client_request_token: None, ..request }
}

fn run<Q: DeserializeOwned, A: Serialize>(
    body: &[u8],
    operation: impl FnOnce(Q) -> Result<A, DynoxideError>,
) -> Result<String, DynoxideError> {
    let unread = |error: serde_json::Error| DynoxideError::SerializationException(error.to_string());
    let unwritten = |error: serde_json::Error| DynoxideError::InternalServerError(error.to_string());
    let request = serde_json::from_slice(body).map_err(unread)?;
    serde_json::to_string(&operation(request)?).map_err(unwritten)
}
