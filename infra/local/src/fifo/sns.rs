//! SNS's wire protocol, awsQuery: a form in, XML out.
//! Topics and subscriptions travel as ARNs here and as names inside; all rules are the machine's.

mod form;
mod xml;

use axum::response::{IntoResponse, Response};
use http::StatusCode;
use http::header::CONTENT_TYPE;

use super::engine::Engine;
use super::{Entry, Fifo, FifoError, Outcomes, Realm, Sent, Strings, SubscriptionView};
use crate::fifo::sqs::sequence_number;
use form::Form;
use xml::{element, list, text};

/// Topics of one page (AWS quota of ListTopics); a topic's subscriptions all fit one page.
const PAGE_MAX: usize = 100;

pub(super) async fn answer(engine: &Engine, body: &[u8]) -> Response {
    let performed = match Form::parse(body) {
        Ok(form) => perform(engine, &form).await.map(|result| xml::response(form.action(), &result)),
        Err(error) => Err(error),
    };
    let (status, document) = match performed {
        Ok(document) => (StatusCode::OK, document),
        Err(error) => {
            let (status, code) = error_code(&error);
            (status, xml::error(code, error.is_senders_fault(), &error.to_string()))
        }
    };
    (status, [(CONTENT_TYPE, "text/xml")], document).into_response()
}

/// The inner XML of the operation's result.
async fn perform(engine: &Engine, form: &Form) -> Result<String, FifoError> {
    match form.action() {
        "CreateTopic" => create_topic(engine, form).await,
        "GetTopicAttributes" => get_topic_attributes(engine, form).await,
        "ListTopics" => list_topics(engine, form).await,
        "DeleteTopic" => {
            let topic = topic(engine.realm(), form)?;
            let delete = move |fifo: &mut Fifo, _| {
                fifo.delete_topic(&topic);
                Ok(String::new())
            };
            engine.call(delete).await
        }
        "Subscribe" => subscribe(engine, form).await,
        "Unsubscribe" => {
            let arn = form.required("SubscriptionArn")?;
            engine.call(move |fifo, _| fifo.unsubscribe(&arn).map(|()| String::new())).await
        }
        "ListSubscriptionsByTopic" => list_subscriptions(engine, form).await,
        "SetSubscriptionAttributes" => set_subscription_attributes(engine, form).await,
        "Publish" => {
            let (topic, draft) = (topic(engine.realm(), form)?, form.draft("")?);
            let sent = engine.call(move |fifo, now_ms| fifo.publish(&topic, draft, now_ms)).await?;
            Ok(sent_xml(&sent))
        }
        "PublishBatch" => publish_batch(engine, form).await,
        other => Err(FifoError::UnsupportedOperation(format!("the operation {other}"))),
    }
}

async fn create_topic(engine: &Engine, form: &Form) -> Result<String, FifoError> {
    let (name, attributes) = (form.required("Name")?, form.attributes()?);
    let arn = engine.realm().topic_arn(&name);
    engine.call(move |fifo, _| fifo.create_topic(&name, &attributes)).await?;
    Ok(text("TopicArn", &arn))
}

async fn get_topic_attributes(engine: &Engine, form: &Form) -> Result<String, FifoError> {
    let topic = topic(engine.realm(), form)?;
    let attributes: Strings = engine.call(move |fifo, _| fifo.topic_attributes(&topic)).await?;
    let entry = |(name, value): (&String, &String)| {
        element("entry", &[text("key", name), text("value", value)].concat())
    };
    Ok(element("Attributes", &attributes.iter().map(entry).collect::<String>()))
}

/// Pages in order of name; the token is the last name of the page before.
async fn list_topics(engine: &Engine, form: &Form) -> Result<String, FifoError> {
    let after = form.optional("NextToken").unwrap_or_default();
    let page = move |fifo: &mut Fifo, _| {
        let later = fifo.topics().filter(|name| *name > after.as_str());
        Ok(later.take(PAGE_MAX + 1).map(str::to_owned).collect::<Vec<_>>())
    };
    let mut names = engine.call(page).await?;
    let more = names.len() > PAGE_MAX;
    names.truncate(PAGE_MAX);
    let members = names.iter().map(|name| text("TopicArn", &engine.realm().topic_arn(name)));
    let mut output = list("Topics", members);
    if let Some(last) = names.last().filter(|_| more) {
        output.push_str(&text("NextToken", last));
    }
    Ok(output)
}

async fn subscribe(engine: &Engine, form: &Form) -> Result<String, FifoError> {
    if form.required("Protocol")? != "sqs" {
        return Err(FifoError::InvalidParameter("Protocol: a FIFO topic delivers to sqs here".into()));
    }
    let topic = topic(engine.realm(), form)?;
    let endpoint = form.required("Endpoint")?;
    let queue = engine.realm().queue_name(&endpoint).map(str::to_owned);
    let queue = queue.ok_or_else(|| FifoError::InvalidParameter("SQS endpoint ARN".into()))?;
    let attributes = form.attributes()?;
    let arn = engine.call(move |fifo, _| fifo.subscribe(&topic, &queue, &attributes)).await?;
    Ok(text("SubscriptionArn", &arn))
}

async fn set_subscription_attributes(engine: &Engine, form: &Form) -> Result<String, FifoError> {
    let (arn, name) = (form.required("SubscriptionArn")?, form.required("AttributeName")?);
    let value = form.optional("AttributeValue").unwrap_or_default();
    engine.call(move |fifo, _| fifo.set_subscription_attribute(&arn, &name, &value)).await?;
    Ok(String::new())
}

async fn list_subscriptions(engine: &Engine, form: &Form) -> Result<String, FifoError> {
    let name = topic(engine.realm(), form)?;
    let topic_arn = engine.realm().topic_arn(&name);
    let subscriptions = engine.call(move |fifo, _| fifo.subscriptions(&name)).await?;
    let member = |subscription: &SubscriptionView| {
        [
            text("SubscriptionArn", &subscription.arn),
            text("Owner", &engine.realm().account_id),
            text("Protocol", "sqs"),
            text("Endpoint", &engine.realm().queue_arn(&subscription.queue)),
            text("TopicArn", &topic_arn),
        ]
        .concat()
    };
    Ok(list("Subscriptions", subscriptions.iter().map(member)))
}

async fn publish_batch(engine: &Engine, form: &Form) -> Result<String, FifoError> {
    let topic = topic(engine.realm(), form)?;
    let drafts = form.drafts()?;
    let outcomes: Outcomes<Sent> =
        engine.call(move |fifo, now_ms| fifo.publish_batch(&topic, drafts, now_ms)).await?;
    let (mut successful, mut failed) = (Vec::new(), Vec::new());
    for Entry { id, item } in outcomes {
        let id = text("Id", &id);
        match item {
            Ok(sent) => successful.push(id + &sent_xml(&sent)),
            Err(error) => failed.push(
                [
                    id,
                    text("Code", error_code(&error).1),
                    text("Message", &error.to_string()),
                    text("SenderFault", &error.is_senders_fault().to_string()),
                ]
                .concat(),
            ),
        }
    }
    Ok(list("Successful", successful.into_iter()) + &list("Failed", failed.into_iter()))
}

fn sent_xml(sent: &Sent) -> String {
    text("MessageId", &sent.message_id) + &text("SequenceNumber", &sequence_number(sent.sequence))
}

fn topic(realm: &Realm, form: &Form) -> Result<String, FifoError> {
    let arn = form.required("TopicArn")?;
    realm.topic_name(&arn).map(str::to_owned).ok_or_else(|| FifoError::InvalidParameter("TopicArn".into()))
}

fn error_code(error: &FifoError) -> (StatusCode, &'static str) {
    let code = match error {
        FifoError::NotFound(_) => return (StatusCode::NOT_FOUND, "NotFound"),
        FifoError::Internal => return (StatusCode::INTERNAL_SERVER_ERROR, "InternalError"),
        FifoError::EmptyBatchRequest => "EmptyBatchRequest",
        FifoError::TooManyEntriesInBatchRequest(_) => "TooManyEntriesInBatchRequest",
        FifoError::BatchEntryIdsNotDistinct => "BatchEntryIdsNotDistinct",
        FifoError::InvalidBatchEntryId => "InvalidBatchEntryId",
        FifoError::BatchRequestTooLong(_) => "BatchRequestTooLong",
        FifoError::UnsupportedOperation(_) => "InvalidAction",
        FifoError::QueueDoesNotExist
        | FifoError::QueueNameExists(_)
        | FifoError::ReceiptHandleIsInvalid
        | FifoError::InvalidParameterValue(_)
        | FifoError::MissingParameter(_)
        | FifoError::InvalidAttributeName(_)
        | FifoError::InvalidAttributeValue(_)
        | FifoError::InvalidMessageContents
        | FifoError::ResourceNotFound
        | FifoError::InvalidParameter(_) => "InvalidParameter",
    };
    (StatusCode::BAD_REQUEST, code)
}
