//! What a stage and a tenant consist of, made through the SDKs when absent: the table, and a tenant's
//! topic and queues. On AWS the templates make the same.
//!
//! Invariant: every call is idempotent, so a run that was cut short anywhere is finished by the next.

use crate::pump;
use aws::bus::{KIND_ATTRIBUTE, Names};
use aws::keys;
use aws::queue::queue_url;
use aws_sdk_dynamodb::types::{
    AttributeDefinition, BillingMode, GlobalSecondaryIndex, KeySchemaElement, KeyType, Projection,
    ProjectionType, ScalarAttributeType,
};
use aws_sdk_s3::operation::create_bucket::CreateBucketError;
use aws_sdk_s3::types::{CreateBucketConfiguration, EventBridgeConfiguration, NotificationConfiguration};
use aws_sdk_sqs::operation::create_queue::CreateQueueError;
use aws_sdk_sqs::types::QueueAttributeName;
use domain::command::{Kind, Purpose};
use domain::id::TenantId;
use serde_json::json;
use std::collections::HashMap;

/// How long a message that was taken stays invisible. Six times the worker's timeout, as AWS advises, so that
/// a slow batch is not taken twice; it is also how long a wallet stands still after a worker died with one of
/// its messages. Files, which take long, are taken alone, and leased for a minute at a time.
pub fn visibility_timeout_s(purpose: Purpose) -> u64 {
    let times = if purpose == Purpose::Imports { 1 } else { 6 };
    times * pump::function_timeout(purpose).as_secs()
}

/// Receives before a message goes to the dead-letter queue. With the worker's growing pauses these
/// last longer than a command may wait, so an outage ends commands as `expired` and not as dead letters.
pub fn max_receives(purpose: Purpose) -> u32 {
    // A delivery has some fifty attempts in a day, and ends by itself, whatever fails meanwhile: the most
    // that SQS allows.
    if purpose == Purpose::Deliveries { 1_000 } else { 30 }
}

/// The longest that SQS keeps a message: 14 days, for whoever comes back to a dead letter.
pub const RETENTION_S: u32 = 1_209_600;

#[derive(Debug, thiserror::Error)]
pub enum ProvisionError {
    #[error("{action} failed")]
    Refused { action: &'static str, source: Box<dyn std::error::Error + Send + Sync> },
    #[error("the answer to {action} lacks what was asked for")]
    Incomplete { action: &'static str },
}

fn refused<E: std::error::Error + Send + Sync + 'static>(
    action: &'static str,
) -> impl FnOnce(E) -> ProvisionError {
    move |error| ProvisionError::Refused { action, source: error.into() }
}

/// The one table and its index.
pub async fn table(dynamodb: &aws_sdk_dynamodb::Client, name: &str) -> Result<(), ProvisionError> {
    let build = "build a table";
    let attribute = |name: &str| {
        let definition = AttributeDefinition::builder().attribute_name(name);
        definition.attribute_type(ScalarAttributeType::S).build().map_err(refused(build))
    };
    let key = |name: &str, kind| {
        KeySchemaElement::builder().attribute_name(name).key_type(kind).build().map_err(refused(build))
    };
    let index = GlobalSecondaryIndex::builder()
        .index_name(keys::INDEX)
        .key_schema(key(keys::INDEX_PK, KeyType::Hash)?)
        .key_schema(key(keys::INDEX_SK, KeyType::Range)?)
        .projection(Projection::builder().projection_type(ProjectionType::All).build())
        .build()
        .map_err(refused(build))?;
    let created = dynamodb
        .create_table()
        .table_name(name)
        .billing_mode(BillingMode::PayPerRequest)
        .attribute_definitions(attribute(keys::PK)?)
        .attribute_definitions(attribute(keys::SK)?)
        .attribute_definitions(attribute(keys::INDEX_PK)?)
        .attribute_definitions(attribute(keys::INDEX_SK)?)
        .key_schema(key(keys::PK, KeyType::Hash)?)
        .key_schema(key(keys::SK, KeyType::Range)?)
        .global_secondary_indexes(index)
        .send()
        .await;
    match created {
        Err(error) if error.as_service_error().is_some_and(|error| error.is_resource_in_use_exception()) => {
            Ok(())
        }
        created => created.map(|_| ()).map_err(refused("CreateTable")),
    }
}

/// The bucket of files, which says what is put into it.
pub async fn bucket(s3: &aws_sdk_s3::Client, region: &str, name: &str) -> Result<(), ProvisionError> {
    let announcing = NotificationConfiguration::builder()
        .event_bridge_configuration(EventBridgeConfiguration::builder().build())
        .build();
    let place = CreateBucketConfiguration::builder().location_constraint(region.into()).build();
    let created = s3.create_bucket().bucket(name).create_bucket_configuration(place).send().await;
    let is_there = |error: &CreateBucketError| {
        error.is_bucket_already_owned_by_you() || error.is_bucket_already_exists()
    };
    match created {
        Err(error) if error.as_service_error().is_some_and(is_there) => {}
        created => drop(created.map_err(refused("CreateBucket"))?),
    }
    let put = s3.put_bucket_notification_configuration().bucket(name);
    let put = put.notification_configuration(announcing).send().await;
    put.map(|_| ()).map_err(refused("PutBucketNotificationConfiguration"))
}

/// Clients of the services that carry a tenant's messages.
#[derive(Debug, Clone)]
pub struct Messaging {
    pub sns: aws_sdk_sns::Client,
    pub sqs: aws_sdk_sqs::Client,
    pub names: Names,
}

impl Messaging {
    /// A tenant's own topics, of commands and of results, and for each purpose a queue with its dead-letter
    /// queue and the filtered way to it.
    pub async fn tenant(&self, tenant: &TenantId) -> Result<(), ProvisionError> {
        let results = self.topic(&self.names.results_topic(tenant)).await?;
        let commands = self.topic(&self.names.command_topic(tenant)).await?;
        for purpose in Purpose::ALL {
            let topic_arn = if purpose == Purpose::Results { &results } else { &commands };
            self.way(topic_arn, tenant, purpose).await?;
        }
        Ok(())
    }

    async fn way(&self, topic_arn: &str, tenant: &TenantId, purpose: Purpose) -> Result<(), ProvisionError> {
        let dead_letters = self.names.dead_letter_queue(tenant, purpose);
        let retention = (QueueAttributeName::MessageRetentionPeriod, RETENTION_S.to_string());
        self.queue(&dead_letters, std::slice::from_ref(&retention)).await?;
        let redrive = json!({
            "deadLetterTargetArn": self.names.queue_arn(&dead_letters),
            "maxReceiveCount": max_receives(purpose),
        });
        let queue = self.names.queue(tenant, purpose);
        let attributes = [
            retention,
            (QueueAttributeName::VisibilityTimeout, visibility_timeout_s(purpose).to_string()),
            (QueueAttributeName::RedrivePolicy, redrive.to_string()),
        ];
        self.queue(&queue, &attributes).await?;
        self.subscribe(topic_arn, &self.names.queue_arn(&queue), purpose).await
    }

    async fn topic(&self, name: &str) -> Result<String, ProvisionError> {
        let created = self
            .sns
            .create_topic()
            .name(name)
            .attributes("FifoTopic", "true")
            .attributes("FifoThroughputScope", "MessageGroup")
            .send()
            .await
            .map_err(refused("CreateTopic"))?;
        created.topic_arn.ok_or(ProvisionError::Incomplete { action: "CreateTopic" })
    }

    /// A queue with these attributes; one that is there gets them.
    async fn queue(
        &self,
        name: &str,
        attributes: &[(QueueAttributeName, String)],
    ) -> Result<(), ProvisionError> {
        let attributes = HashMap::from_iter(attributes.iter().cloned());
        let created = self
            .sqs
            .create_queue()
            .queue_name(name)
            .set_attributes(Some(attributes.clone()))
            .attributes(QueueAttributeName::FifoQueue, "true")
            .attributes(QueueAttributeName::DeduplicationScope, "messageGroup")
            .attributes(QueueAttributeName::FifoThroughputLimit, "perMessageGroupId")
            .send()
            .await;
        match created {
            Err(error) if error.as_service_error().is_some_and(CreateQueueError::is_queue_name_exists) => {
                let url = queue_url(&self.names.queue_arn(name));
                let set = self.sqs.set_queue_attributes().set_queue_url(url).set_attributes(Some(attributes));
                set.send().await.map(|_| ()).map_err(refused("SetQueueAttributes"))
            }
            created => created.map(|_| ()).map_err(refused("CreateQueue")),
        }
    }

    async fn subscribe(
        &self,
        topic_arn: &str,
        queue_arn: &str,
        purpose: Purpose,
    ) -> Result<(), ProvisionError> {
        let kinds: Vec<_> = purpose.kinds().map(Kind::as_str).collect();
        // Whoever takes no kind of command takes everything.
        let filter = if kinds.is_empty() { json!({}) } else { json!({ KIND_ATTRIBUTE: kinds }) };
        self.sns
            .subscribe()
            .topic_arn(topic_arn)
            .protocol("sqs")
            .endpoint(queue_arn)
            .attributes("RawMessageDelivery", "true")
            .attributes("FilterPolicy", filter.to_string())
            .send()
            .await
            .map(|_| ())
            .map_err(refused("Subscribe"))
    }
}
