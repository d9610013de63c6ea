//! The real SDK clients over HTTP, as intake and the workers use them.

use std::sync::Arc;
use std::sync::atomic::AtomicI64;

use aws_sdk_sqs::types::{
    DeleteMessageBatchRequestEntry, MessageAttributeValue, MessageSystemAttributeName, QueueAttributeName,
    SendMessageBatchRequestEntry,
};
use aws_smithy_http_client::Builder;

use super::*;
use crate::fifo::engine::{Clock, Engine};
use crate::fifo::http::router;

struct Services {
    sqs: aws_sdk_sqs::Client,
    sns: aws_sdk_sns::Client,
    engine: Engine,
    base_url: String,
    _directory: tempfile::TempDir,
}

/// The two services before another one on a port of their own.
async fn serve() -> Services {
    let directory = tempfile::tempdir().expect("directory");
    let now_ms = Arc::new(AtomicI64::new(1_000_000));
    let clock: Clock = Arc::new(move || now_ms.load(std::sync::atomic::Ordering::SeqCst));
    let engine = Engine::open(&directory.path().join("fifo.sqlite"), realm(), clock).expect("open");
    let others = axum::Router::new().fallback(|| async { "another service" });
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("bound");
    let base_url = format!("http://{}", listener.local_addr().expect("address"));
    tokio::spawn(axum::serve(listener, router(engine.clone(), others)).into_future());
    let sqs = aws_sdk_sqs::Config::builder()
        .behavior_version_latest()
        .region(aws_sdk_sqs::config::Region::new("eu-central-1"))
        .credentials_provider(credentials())
        .http_client(Builder::new().build_http())
        .endpoint_url(&base_url)
        .build();
    let sns = aws_sdk_sns::Config::builder()
        .behavior_version_latest()
        .region(aws_sdk_sns::config::Region::new("eu-central-1"))
        .credentials_provider(credentials())
        .http_client(Builder::new().build_http())
        .endpoint_url(&base_url)
        .build();
    Services {
        sqs: aws_sdk_sqs::Client::from_conf(sqs),
        sns: aws_sdk_sns::Client::from_conf(sns),
        engine,
        base_url,
        _directory: directory,
    }
}

fn credentials() -> aws_sdk_sqs::config::Credentials {
    aws_sdk_sqs::config::Credentials::new("local", "local", None, None, "test")
}

impl Services {
    async fn queue(&self, name: &str) -> String {
        let fifo = self.sqs.create_queue().queue_name(name).attributes(QueueAttributeName::FifoQueue, "true");
        let url = fifo.send().await.expect("queue").queue_url.expect("url");
        assert_eq!(url, format!("{}/000000000000/{name}", self.base_url));
        url
    }

    async fn subscribe(&self, topic: &str, queue_url: &str, kind: &str) {
        let attributes = self.sqs.get_queue_attributes().queue_url(queue_url);
        let attributes =
            attributes.attribute_names(QueueAttributeName::QueueArn).send().await.expect("attributes");
        let arn = attributes.attributes.expect("attributes")[&QueueAttributeName::QueueArn].clone();
        let subscribe = self.sns.subscribe().topic_arn(topic).protocol("sqs").endpoint(arn);
        let policy = format!(r#"{{"kind":["{kind}"]}}"#);
        let subscribe = subscribe.attributes("RawMessageDelivery", "true").attributes("FilterPolicy", policy);
        subscribe.return_subscription_arn(true).send().await.expect("subscribed");
    }

    async fn receive(&self, queue_url: &str) -> Vec<aws_sdk_sqs::types::Message> {
        let receive = self.sqs.receive_message().queue_url(queue_url).max_number_of_messages(10);
        let receive = receive
            .message_system_attribute_names(MessageSystemAttributeName::All)
            .message_attribute_names("All");
        receive.send().await.expect("received").messages.unwrap_or_default()
    }
}

#[tokio::test]
async fn a_command_travels_from_topic_to_worker() {
    let services = serve().await;
    let checkouts = services.queue("checkouts.fifo").await;
    let admin = services.queue("admin.fifo").await;
    let topic =
        services.sns.create_topic().name(TOPIC).attributes("FifoTopic", "true").send().await.expect("topic");
    let topic = topic.topic_arn.expect("arn");
    services.subscribe(&topic, &checkouts, "checkout").await;
    services.subscribe(&topic, &admin, "admin").await;

    let kind =
        aws_sdk_sns::types::MessageAttributeValue::builder().data_type("String").string_value("checkout");
    let body = r#"{"name":"J & <b>ü"}"#;
    let publish = services.sns.publish().topic_arn(&topic).message(body).message_group_id("A");
    let publish =
        publish.message_deduplication_id("1").message_attributes("kind", kind.build().expect("value"));
    let published = publish.clone().send().await.expect("published");
    let again = publish.send().await.expect("published again");
    assert_eq!(again.message_id, published.message_id);
    assert_eq!(again.sequence_number, published.sequence_number);

    assert!(services.receive(&admin).await.is_empty());
    let message = services.receive(&checkouts).await.remove(0);
    assert_eq!(message.body.as_deref(), Some(body));
    let attributes = message.attributes.expect("attributes");
    assert_eq!(attributes[&MessageSystemAttributeName::MessageGroupId], "A");
    assert_eq!(attributes[&MessageSystemAttributeName::MessageDeduplicationId], "1");
    assert_eq!(attributes[&MessageSystemAttributeName::ApproximateReceiveCount], "1");
    assert_eq!(attributes[&MessageSystemAttributeName::SentTimestamp], "1000000");
    assert_eq!(message.message_attributes.expect("attributes")["kind"].string_value(), Some("checkout"));
    let delete = services.sqs.delete_message().queue_url(&checkouts);
    delete.receipt_handle(message.receipt_handle.expect("handle")).send().await.expect("deleted");
    assert!(services.receive(&checkouts).await.is_empty());
}

#[tokio::test]
async fn batches_answer_entry_by_entry() {
    let services = serve().await;
    let queue = services.queue(QUEUE).await;
    let entry = |id: &str, group: Option<&str>| {
        let entry =
            SendMessageBatchRequestEntry::builder().id(id).message_body(id).message_deduplication_id(id);
        entry.set_message_group_id(group.map(str::to_owned)).build().expect("entry")
    };
    let batch = services.sqs.send_message_batch().queue_url(&queue);
    let sent = batch.entries(entry("a", Some("A"))).entries(entry("b", None)).send().await.expect("sent");
    assert_eq!(sent.successful.iter().map(|each| each.id()).collect::<Vec<_>>(), ["a"]);
    assert_eq!(sent.successful[0].md5_of_message_body(), "0cc175b9c0f1b6a831c399e269772661");
    assert_eq!(
        sent.failed.iter().map(|each| (each.id(), each.code())).collect::<Vec<_>>(),
        [("b", "MissingParameter")]
    );

    let handle = services.receive(&queue).await[0].receipt_handle.clone().expect("handle");
    let entry = |id: &str, handle: &str| {
        DeleteMessageBatchRequestEntry::builder().id(id).receipt_handle(handle).build().expect("entry")
    };
    let batch = services.sqs.delete_message_batch().queue_url(&queue);
    let deleted =
        batch.entries(entry("x", "nonsense")).entries(entry("y", &handle)).send().await.expect("deleted");
    assert_eq!(deleted.successful[0].id(), "y");
    assert_eq!(deleted.failed[0].code(), "ReceiptHandleIsInvalid");
    assert!(deleted.failed[0].sender_fault());
}

#[tokio::test]
async fn a_publish_batch_answers_entry_by_entry() {
    let services = serve().await;
    let topic =
        services.sns.create_topic().name(TOPIC).attributes("FifoTopic", "true").send().await.expect("topic");
    let topic = topic.topic_arn.expect("arn");
    let entry = |id: &str, group: Option<&str>| {
        let entry = aws_sdk_sns::types::PublishBatchRequestEntry::builder().id(id).message(id);
        let entry = entry.message_deduplication_id(id).set_message_group_id(group.map(str::to_owned));
        entry.build().expect("entry")
    };
    let batch = services.sns.publish_batch().topic_arn(&topic);
    let batch = batch
        .publish_batch_request_entries(entry("a", Some("A")))
        .publish_batch_request_entries(entry("b", None));
    let published = batch.send().await.expect("published");
    assert_eq!(published.successful()[0].id(), Some("a"));
    assert_eq!(published.failed()[0].code(), "InvalidParameter");
    let attributes = services.sns.get_topic_attributes().topic_arn(&topic).send().await.expect("attributes");
    assert_eq!(attributes.attributes.expect("attributes")["FifoTopic"], "true");
    let topics = services.sns.list_topics().send().await.expect("topics");
    assert_eq!(topics.topics()[0].topic_arn(), Some(topic.as_str()));
}

#[tokio::test]
async fn errors_are_the_sdks_own() {
    let services = serve().await;
    let gone =
        services.sqs.receive_message().queue_url("http://x/0/none.fifo").send().await.expect_err("gone");
    assert!(gone.into_service_error().is_queue_does_not_exist());
    let queue = services.queue(QUEUE).await;
    let other =
        services.sqs.create_queue().queue_name(QUEUE).attributes(QueueAttributeName::FifoQueue, "true");
    let other =
        other.attributes(QueueAttributeName::VisibilityTimeout, "5").send().await.expect_err("differs");
    assert!(other.into_service_error().is_queue_name_exists());
    let handle =
        services.sqs.delete_message().queue_url(&queue).receipt_handle("x").send().await.expect_err("bad");
    assert!(handle.into_service_error().is_receipt_handle_is_invalid());
    let topic = realm().topic_arn("none.fifo");
    let missing = services.sns.publish().topic_arn(topic).message("x").message_group_id("A");
    let missing = missing.message_deduplication_id("1").send().await.expect_err("missing");
    assert!(missing.into_service_error().is_not_found_exception());
    let plain = services.sns.create_topic().name("plain").send().await.expect_err("not FIFO");
    assert!(plain.into_service_error().is_invalid_parameter_exception());
    let tags = services.sqs.list_queue_tags().queue_url(&queue).send().await.expect_err("not supported");
    assert!(tags.into_service_error().is_unsupported_operation());
}

#[tokio::test]
async fn attributes_and_pages_survive_the_wire() {
    let services = serve().await;
    let mut urls = Vec::new();
    for name in ["a.fifo", "b.fifo", "c.fifo"] {
        urls.push(services.queue(name).await);
    }
    let pages = services.sqs.list_queues().max_results(2).into_paginator().items().send();
    assert_eq!(pages.collect::<Result<Vec<_>, _>>().await.expect("listed"), urls);
    let set = services.sqs.set_queue_attributes().queue_url(&urls[0]);
    set.attributes(QueueAttributeName::VisibilityTimeout, "77").send().await.expect("set");
    let binary = MessageAttributeValue::builder()
        .data_type("Binary")
        .binary_value(aws_sdk_sqs::primitives::Blob::new([0, 255]));
    let send = services.sqs.send_message().queue_url(&urls[0]).message_body("x").message_group_id("A");
    let send = send.message_deduplication_id("1").message_attributes("b", binary.build().expect("value"));
    let sent = send.send().await.expect("sent");
    let message = services.receive(&urls[0]).await.remove(0);
    assert_eq!(message.md5_of_message_attributes, sent.md5_of_message_attributes);
    assert_eq!(
        message.message_attributes.expect("attributes")["b"].binary_value().map(|b| b.as_ref()),
        Some(&[0, 255][..])
    );
    let hide = services.sqs.change_message_visibility().queue_url(&urls[0]).visibility_timeout(0);
    hide.receipt_handle(message.receipt_handle.expect("handle")).send().await.expect("shown");
    assert_eq!(services.receive(&urls[0]).await.len(), 1);
}

#[tokio::test]
async fn what_is_not_theirs_goes_on() {
    let services = serve().await;
    let address = services.base_url.trim_start_matches("http://").to_owned();
    let answer = tokio::task::spawn_blocking(move || {
        use std::io::{Read, Write};
        let mut stream = std::net::TcpStream::connect(&address).expect("connected");
        let request = format!("GET /bucket/key HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).expect("written");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).expect("read");
        answer
    });
    assert!(answer.await.expect("joined").ends_with("another service"));
}

#[tokio::test]
async fn a_client_that_hangs_up_while_it_waits_takes_nothing() {
    use std::io::Write;
    let services = serve().await;
    let queue = services.queue(QUEUE).await;
    let address = services.base_url.trim_start_matches("http://").to_owned();
    let body = format!(r#"{{"QueueUrl":"{queue}","WaitTimeSeconds":20}}"#);
    let head = format!("POST / HTTP/1.1\r\nHost: {address}\r\nX-Amz-Target: AmazonSQS.ReceiveMessage\r\n");
    let request = format!("{head}Content-Length: {}\r\n\r\n{body}", body.len());
    let mut stream = std::net::TcpStream::connect(&address).expect("connected");
    stream.write_all(request.as_bytes()).expect("written");
    until(|| services.engine.is_waited_for(QUEUE)).await;
    drop(stream);
    until(|| !services.engine.is_waited_for(QUEUE)).await;
    let send = services.sqs.send_message().queue_url(&queue).message_body("x").message_group_id("A");
    send.message_deduplication_id("1").send().await.expect("sent");
    assert_eq!(services.receive(&queue).await.len(), 1);
}

async fn until(condition: impl Fn() -> bool) {
    let met = async {
        while !condition() {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(std::time::Duration::from_secs(10), met).await.expect("in time");
}
