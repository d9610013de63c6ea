//! SQS's wire protocol, awsJson 1.0: the operation in a header, JSON in and out.
//! Queue URLs are read by their last segment only; all rules are the machine's.

mod shapes;

use axum::response::{IntoResponse, Response};
use http::StatusCode;
use http::header::CONTENT_TYPE;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::engine::Engine;
use super::error::invalid_value;
use super::{Entry, Fifo, FifoError, Outcomes, Receive, Sent, Strings};
pub(super) use shapes::sequence_number;
use shapes::{
    Batch, ChangeEntry, ChangeVisibility, CreateQueue, DeleteEntry, DeleteMessage, GetQueueAttributes,
    GetQueueUrl, ListQueues, OneQueue, ReceiveMessage, SendEntry, SendMessage, SetQueueAttributes,
    StartMessageMove, Sums, name_of,
};

/// Queues of one page (AWS quota of ListQueues).
const PAGE_MAX: usize = 1_000;

pub(super) async fn answer(engine: &Engine, base_url: &str, operation: &str, body: &[u8]) -> Response {
    let content_type = (CONTENT_TYPE, "application/x-amz-json-1.0");
    match perform(engine, base_url, operation, body).await {
        Ok(output) => ([content_type], output.to_string()).into_response(),
        Err(error) => {
            let (kind, code) = error_codes(&error);
            let (status, fault) = match error.is_senders_fault() {
                true => (StatusCode::BAD_REQUEST, "Sender"),
                false => (StatusCode::INTERNAL_SERVER_ERROR, "Receiver"),
            };
            let output = json!({"__type": format!("com.amazonaws.sqs#{kind}"), "message": error.to_string()});
            let code = format!("{code};{fault}");
            (status, [content_type], [("x-amzn-query-error", code)], output.to_string()).into_response()
        }
    }
}

async fn perform(engine: &Engine, base_url: &str, operation: &str, body: &[u8]) -> Result<Value, FifoError> {
    match operation {
        "CreateQueue" => create_queue(engine, base_url, input(body)?).await,
        "GetQueueUrl" => get_queue_url(engine, base_url, input(body)?).await,
        "ListQueues" => list_queues(engine, base_url, input(body)?).await,
        "GetQueueAttributes" => get_queue_attributes(engine, input(body)?).await,
        "SetQueueAttributes" => set_queue_attributes(engine, input(body)?).await,
        "DeleteQueue" => {
            let queue = input::<OneQueue>(body)?.name()?;
            empty(engine.call(move |fifo, _| fifo.delete_queue(&queue)).await)
        }
        "PurgeQueue" => {
            let queue = input::<OneQueue>(body)?.name()?;
            empty(engine.call(move |fifo, _| fifo.purge_queue(&queue)).await)
        }
        "SendMessage" => send(engine, input(body)?).await,
        "SendMessageBatch" => send_batch(engine, input(body)?).await,
        "ReceiveMessage" => receive(engine, input(body)?).await,
        "DeleteMessage" => {
            let DeleteMessage { queue_url, receipt_handle } = input(body)?;
            let queue = name_of(&queue_url)?;
            empty(engine.call(move |fifo, now_ms| fifo.delete(&queue, &receipt_handle, now_ms)).await)
        }
        "DeleteMessageBatch" => delete_batch(engine, input(body)?).await,
        "ChangeMessageVisibility" => {
            let ChangeVisibility { queue_url, receipt_handle: handle, visibility_timeout } = input(body)?;
            let queue = name_of(&queue_url)?;
            let change = move |fifo: &mut Fifo, now_ms| {
                fifo.change_visibility(&queue, &handle, visibility_timeout, now_ms)
            };
            empty(engine.call(change).await)
        }
        "ChangeMessageVisibilityBatch" => change_visibility_batch(engine, input(body)?).await,
        "StartMessageMoveTask" => start_message_move(engine, input(body)?).await,
        other => Err(FifoError::UnsupportedOperation(format!("the operation {other}"))),
    }
}

async fn create_queue(engine: &Engine, base_url: &str, input: CreateQueue) -> Result<Value, FifoError> {
    let url = queue_url(engine, base_url, &input.queue_name);
    let CreateQueue { queue_name, attributes } = input;
    engine.call(move |fifo, now_ms| fifo.create_queue(&queue_name, &attributes, now_ms)).await?;
    Ok(json!({"QueueUrl": url}))
}

async fn get_queue_url(engine: &Engine, base_url: &str, input: GetQueueUrl) -> Result<Value, FifoError> {
    let url = queue_url(engine, base_url, &input.queue_name);
    engine.call(move |fifo, _| fifo.wait_s(&input.queue_name)).await?;
    Ok(json!({"QueueUrl": url}))
}

/// Pages in order of name; the token is the last name of the page before.
async fn list_queues(engine: &Engine, base_url: &str, input: ListQueues) -> Result<Value, FifoError> {
    let max = input.max_results.unwrap_or(PAGE_MAX);
    if !(1..=PAGE_MAX).contains(&max) {
        return Err(invalid_value("MaxResults", "it must be between 1 and 1000"));
    }
    let ListQueues { queue_name_prefix: prefix, next_token: after, .. } = input;
    let page = move |fifo: &mut Fifo, _| {
        let wanted = fifo.queues().filter(|name| name.starts_with(&prefix) && *name > after.as_str());
        Ok(wanted.take(max + 1).map(str::to_owned).collect::<Vec<_>>())
    };
    let mut names = engine.call(page).await?;
    let more = names.len() > max;
    names.truncate(max);
    let urls: Vec<String> = names.iter().map(|name| queue_url(engine, base_url, name)).collect();
    Ok(json!({"QueueUrls": urls, "NextToken": names.last().filter(|_| more)}))
}

async fn get_queue_attributes(engine: &Engine, input: GetQueueAttributes) -> Result<Value, FifoError> {
    let queue = name_of(&input.queue_url)?;
    let all = engine.call(move |fifo, now_ms| fifo.queue_attributes(&queue, now_ms)).await?;
    let wanted = |name: &String| input.attribute_names.iter().any(|each| each == "All" || each == name);
    let attributes: Strings = all.into_iter().filter(|(name, _)| wanted(name)).collect();
    Ok(json!({"Attributes": attributes}))
}

async fn set_queue_attributes(engine: &Engine, input: SetQueueAttributes) -> Result<Value, FifoError> {
    let queue = name_of(&input.queue_url)?;
    let set = move |fifo: &mut Fifo, now_ms| fifo.set_queue_attributes(&queue, &input.attributes, now_ms);
    empty(engine.call(set).await)
}

async fn send(engine: &Engine, input: SendMessage) -> Result<Value, FifoError> {
    let queue = name_of(&input.queue_url)?;
    let sums = Sums::of(&input.message)?;
    let draft = input.message.into_draft()?;
    let sent = engine.call(move |fifo, now_ms| fifo.send(&queue, draft, now_ms)).await?;
    Ok(sums.beside(&sent))
}

async fn send_batch(engine: &Engine, input: Batch<SendEntry>) -> Result<Value, FifoError> {
    let queue = name_of(&input.queue_url)?;
    let sums = input.entries.iter().map(|entry| Sums::of(&entry.message)).collect::<Result<Vec<_>, _>>()?;
    let draft = |entry: SendEntry| Ok(Entry { id: entry.id, item: entry.message.into_draft()? });
    let drafts = input.entries.into_iter().map(draft).collect::<Result<Vec<_>, FifoError>>()?;
    let outcomes = engine.call(move |fifo, now_ms| fifo.send_batch(&queue, drafts, now_ms)).await?;
    let mut sums = sums.into_iter();
    Ok(split(outcomes, |sent: Sent| sums.next().map_or(Value::Null, |sums| sums.beside(&sent))))
}

async fn receive(engine: &Engine, input: ReceiveMessage) -> Result<Value, FifoError> {
    let queue = name_of(&input.queue_url)?;
    if input.receive_request_attempt_id.is_some() {
        return Err(FifoError::UnsupportedOperation("ReceiveRequestAttemptId".into()));
    }
    let max = usize::try_from(input.max_number_of_messages.unwrap_or(1)).unwrap_or_default();
    let wish = Receive { max, visibility_timeout_s: input.visibility_timeout };
    let messages = engine.receive(&queue, wish, input.wait_time_seconds).await?;
    let shown: Vec<Value> = messages.iter().map(|message| input.show(message, engine.realm())).collect();
    Ok(json!({"Messages": shown}))
}

async fn delete_batch(engine: &Engine, input: Batch<DeleteEntry>) -> Result<Value, FifoError> {
    let queue = name_of(&input.queue_url)?;
    let entry = |DeleteEntry { id, receipt_handle }| Entry { id, item: receipt_handle };
    let handles = input.entries.into_iter().map(entry).collect();
    let outcomes = engine.call(move |fifo, now_ms| fifo.delete_batch(&queue, handles, now_ms)).await?;
    Ok(split(outcomes, |()| json!({})))
}

async fn change_visibility_batch(engine: &Engine, input: Batch<ChangeEntry>) -> Result<Value, FifoError> {
    let queue = name_of(&input.queue_url)?;
    let entry =
        |each: ChangeEntry| Entry { id: each.id, item: (each.receipt_handle, each.visibility_timeout) };
    let changes = input.entries.into_iter().map(entry).collect();
    let outcomes =
        engine.call(move |fifo, now_ms| fifo.change_visibility_batch(&queue, changes, now_ms)).await?;
    Ok(split(outcomes, |()| json!({})))
}

async fn start_message_move(engine: &Engine, input: StartMessageMove) -> Result<Value, FifoError> {
    let name =
        |arn: &str| engine.realm().queue_name(arn).map(str::to_owned).ok_or(FifoError::ResourceNotFound);
    let source = name(&input.source_arn)?;
    let destination = input.destination_arn.as_deref().map(name).transpose()?;
    let start =
        move |fifo: &mut Fifo, now_ms| fifo.start_message_move(&source, destination.as_deref(), now_ms);
    let moved = engine.call(start).await?;
    tracing::info!(message.count = moved, queue.arn = input.source_arn, "messages moved back");
    Ok(json!({"TaskHandle": input.source_arn}))
}

fn input<T: DeserializeOwned>(body: &[u8]) -> Result<T, FifoError> {
    serde_json::from_slice(body).map_err(|error| FifoError::InvalidParameterValue(error.to_string()))
}

fn empty(done: Result<(), FifoError>) -> Result<Value, FifoError> {
    done.map(|()| json!({}))
}

/// A batch's answer; `success` makes the part beside the id of an entry, in the order of the entries.
fn split<T>(outcomes: Outcomes<T>, mut success: impl FnMut(T) -> Value) -> Value {
    let (mut successful, mut failed) = (Vec::new(), Vec::new());
    for Entry { id, item } in outcomes {
        match item {
            Ok(item) => {
                let mut part = success(item);
                part["Id"] = json!(id);
                successful.push(part);
            }
            Err(error) => failed.push(json!({
                "Id": id,
                "Code": error_codes(&error).1,
                "Message": error.to_string(),
                "SenderFault": error.is_senders_fault(),
            })),
        }
    }
    json!({"Successful": successful, "Failed": failed})
}

fn queue_url(engine: &Engine, base_url: &str, name: &str) -> String {
    format!("{base_url}/{}/{name}", engine.realm().account_id)
}

/// The shape's name and the older query code, which the SDKs prefer.
fn error_codes(error: &FifoError) -> (&'static str, &'static str) {
    match error {
        FifoError::QueueDoesNotExist => ("QueueDoesNotExist", "AWS.SimpleQueueService.NonExistentQueue"),
        FifoError::QueueNameExists(_) => ("QueueNameExists", "QueueAlreadyExists"),
        FifoError::ReceiptHandleIsInvalid => ("ReceiptHandleIsInvalid", "ReceiptHandleIsInvalid"),
        FifoError::MissingParameter(_) => ("MissingParameter", "MissingParameter"),
        FifoError::InvalidAttributeName(_) => ("InvalidAttributeName", "InvalidAttributeName"),
        FifoError::InvalidAttributeValue(_) => ("InvalidAttributeValue", "InvalidAttributeValue"),
        FifoError::InvalidMessageContents => ("InvalidMessageContents", "InvalidMessageContents"),
        FifoError::EmptyBatchRequest => ("EmptyBatchRequest", "AWS.SimpleQueueService.EmptyBatchRequest"),
        FifoError::TooManyEntriesInBatchRequest(_) => {
            ("TooManyEntriesInBatchRequest", "AWS.SimpleQueueService.TooManyEntriesInBatchRequest")
        }
        FifoError::BatchEntryIdsNotDistinct => {
            ("BatchEntryIdsNotDistinct", "AWS.SimpleQueueService.BatchEntryIdsNotDistinct")
        }
        FifoError::InvalidBatchEntryId => {
            ("InvalidBatchEntryId", "AWS.SimpleQueueService.InvalidBatchEntryId")
        }
        FifoError::BatchRequestTooLong(_) => {
            ("BatchRequestTooLong", "AWS.SimpleQueueService.BatchRequestTooLong")
        }
        FifoError::ResourceNotFound => ("ResourceNotFoundException", "ResourceNotFoundException"),
        FifoError::UnsupportedOperation(_) => {
            ("UnsupportedOperation", "AWS.SimpleQueueService.UnsupportedOperation")
        }
        FifoError::InvalidParameterValue(_) | FifoError::InvalidParameter(_) | FifoError::NotFound(_) => {
            ("InvalidParameterValue", "InvalidParameterValue")
        }
        FifoError::Internal => ("InternalError", "InternalError"),
    }
}
