//! Making, changing, listing and removing topics, queues and subscriptions.
//! Making one again with agreeing attributes is a success, with others an error.

use super::change::Change;
use super::error::FifoError;
use super::filter::FilterPolicy;
use super::queue::Queue;
use super::queue_settings::{QueueSettings, Strings};
use super::realm::{check_queue_name, check_topic_name};
use super::topic::{SUBSCRIPTIONS_MAX, Subscription, Topic};
use super::topic_settings::{TopicSettings, subscription_attribute, subscription_filter};
use super::{Fifo, Realm};

/// A subscription as it is listed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SubscriptionView {
    pub arn: String,
    pub queue: String,
    pub filter_policy: Option<String>,
}

impl Fifo {
    pub fn create_queue(&mut self, name: &str, given: &Strings, now_ms: i64) -> Result<(), FifoError> {
        check_queue_name(name)?;
        if given.get("FifoQueue").map(String::as_str) != Some("true") {
            return Err(FifoError::UnsupportedOperation("queues that are not FIFO".into()));
        }
        if let Some(queue) = self.queues.get(name) {
            let same = queue.settings.with(given, &self.realm)? == queue.settings;
            return if same { Ok(()) } else { Err(FifoError::QueueNameExists(name.to_owned())) };
        }
        let settings = QueueSettings::new(now_ms).with(given, &self.realm)?;
        self.check_redrive(&settings)?;
        let id = self.ids.take();
        self.log.record(Change::PutQueue { id, name: name.to_owned(), settings: settings.clone() });
        self.queues.insert(name.to_owned(), Queue::new(id, name.to_owned(), settings));
        Ok(())
    }

    pub fn set_queue_attributes(
        &mut self,
        name: &str,
        given: &Strings,
        now_ms: i64,
    ) -> Result<(), FifoError> {
        let queue = self.queues.get(name).ok_or(FifoError::QueueDoesNotExist)?;
        let settings = QueueSettings { modified_ms: now_ms, ..queue.settings.with(given, &self.realm)? };
        self.check_redrive(&settings)?;
        let queue = self.queues.get_mut(name).ok_or(FifoError::QueueDoesNotExist)?;
        queue.settings = settings.clone();
        self.log.record(Change::PutQueue { id: queue.id, name: name.to_owned(), settings });
        Ok(())
    }

    /// Every attribute, counts included.
    pub fn queue_attributes(&mut self, name: &str, now_ms: i64) -> Result<Strings, FifoError> {
        let arn = self.realm.queue_arn(name);
        self.settled(name, now_ms)?;
        let queue = self.queues.get(name).ok_or(FifoError::QueueDoesNotExist)?;
        let mut strings = queue.settings.render(&self.realm);
        strings.insert("QueueArn".into(), arn);
        strings.insert("ApproximateNumberOfMessages".into(), queue.waiting_count().to_string());
        strings.insert("ApproximateNumberOfMessagesNotVisible".into(), queue.in_flight_count().to_string());
        strings.insert("ApproximateNumberOfMessagesDelayed".into(), "0".into());
        Ok(strings)
    }

    /// Messages that are visible, whether or not others of their groups are in flight.
    pub(super) fn waiting(&mut self, name: &str, now_ms: i64) -> Result<usize, FifoError> {
        self.settled(name, now_ms)?;
        self.queues.get(name).map(Queue::waiting_count).ok_or(FifoError::QueueDoesNotExist)
    }

    /// How long a receive on this queue waits unless it says otherwise.
    pub fn wait_s(&self, name: &str) -> Result<i64, FifoError> {
        self.queues.get(name).map(|queue| queue.settings.wait_s).ok_or(FifoError::QueueDoesNotExist)
    }

    pub fn queues(&self) -> impl Iterator<Item = &str> {
        self.queues.keys().map(String::as_str)
    }

    pub fn delete_queue(&mut self, name: &str) -> Result<(), FifoError> {
        let queue = self.queues.remove(name).ok_or(FifoError::QueueDoesNotExist)?;
        self.log.record(Change::DropQueue { id: queue.id });
        self.log.ready(name);
        Ok(())
    }

    /// Drops every message; what was deduplicated stays so.
    pub fn purge_queue(&mut self, name: &str) -> Result<(), FifoError> {
        self.queues.get_mut(name).ok_or(FifoError::QueueDoesNotExist)?.purge(&mut self.log);
        Ok(())
    }

    pub fn create_topic(&mut self, name: &str, given: &Strings) -> Result<(), FifoError> {
        check_topic_name(name)?;
        if given.get("FifoTopic").map(String::as_str) != Some("true") {
            return Err(FifoError::InvalidParameter(
                "Attributes: only topics with FifoTopic are supported".into(),
            ));
        }
        if let Some(topic) = self.topics.get(name) {
            let same = topic.settings.with(given)? == topic.settings;
            let differs = "Attributes: the topic exists with different attributes";
            return if same { Ok(()) } else { Err(FifoError::InvalidParameter(differs.into())) };
        }
        let settings = TopicSettings::default().with(given)?;
        let id = self.ids.take();
        self.log.record(Change::PutTopic { id, name: name.to_owned(), settings: settings.clone() });
        self.topics.insert(name.to_owned(), Topic::new(id, settings));
        Ok(())
    }

    pub fn topic_attributes(&self, name: &str) -> Result<Strings, FifoError> {
        let topic = self.topics.get(name).ok_or(FifoError::NotFound("topic"))?;
        let mut strings = topic.settings.render();
        strings.insert("TopicArn".into(), self.realm.topic_arn(name));
        strings.insert("Owner".into(), self.realm.account_id.clone());
        strings.insert("SubscriptionsConfirmed".into(), topic.subscriptions.len().to_string());
        strings.insert("SubscriptionsPending".into(), "0".into());
        strings.insert("SubscriptionsDeleted".into(), "0".into());
        Ok(strings)
    }

    pub fn topics(&self) -> impl Iterator<Item = &str> {
        self.topics.keys().map(String::as_str)
    }

    /// Deleting a topic that is not there is a success, as on AWS.
    pub fn delete_topic(&mut self, name: &str) {
        if let Some(topic) = self.topics.remove(name) {
            self.log.record(Change::DropTopic { id: topic.id });
        }
    }

    /// Subscribes a queue, raw delivery only; answers the subscription's ARN.
    pub fn subscribe(&mut self, topic: &str, queue: &str, given: &Strings) -> Result<String, FifoError> {
        let filter = subscription_filter(given)?;
        self.queue_id(queue).map_err(|_| FifoError::InvalidParameter("SQS endpoint ARN".into()))?;
        let found = self.topics.get_mut(topic).ok_or(FifoError::NotFound("topic"))?;
        if let Some((id, existing)) = found.subscriptions.iter().find(|(_, each)| each.queue == queue) {
            let differs = "Attributes: the subscription exists with different attributes";
            let same = existing.filter == filter;
            let arn = self.realm.subscription_arn(topic, &self.ids.uuid(*id).to_string());
            return if same { Ok(arn) } else { Err(FifoError::InvalidParameter(differs.into())) };
        }
        if found.subscriptions.len() >= SUBSCRIPTIONS_MAX {
            return Err(FifoError::InvalidParameter("TopicArn: the topic has 100 subscriptions".into()));
        }
        let id = self.ids.take();
        let subscription = Subscription { queue: queue.to_owned(), filter };
        self.log.record(put_subscription(id, found.id, &subscription));
        found.subscriptions.insert(id, subscription);
        Ok(self.realm.subscription_arn(topic, &self.ids.uuid(id).to_string()))
    }

    pub fn set_subscription_attribute(
        &mut self,
        arn: &str,
        name: &str,
        value: &str,
    ) -> Result<(), FifoError> {
        let (topic, id) = self.subscription(arn)?;
        let Some(filter) = subscription_attribute(name, value)? else { return Ok(()) };
        let topic = self.topics.get_mut(&topic).ok_or(FifoError::NotFound("topic"))?;
        let subscription = topic.subscriptions.get_mut(&id).ok_or(FifoError::NotFound("subscription"))?;
        subscription.filter = filter;
        self.log.record(put_subscription(id, topic.id, subscription));
        Ok(())
    }

    pub fn unsubscribe(&mut self, arn: &str) -> Result<(), FifoError> {
        let (topic, id) = self.subscription(arn)?;
        let topic = self.topics.get_mut(&topic).ok_or(FifoError::NotFound("topic"))?;
        topic.subscriptions.remove(&id);
        self.log.record(Change::DropSubscription { id });
        Ok(())
    }

    pub fn subscriptions(&self, topic: &str) -> Result<Vec<SubscriptionView>, FifoError> {
        let found = self.topics.get(topic).ok_or(FifoError::NotFound("topic"))?;
        let view = |(id, subscription): (&i64, &Subscription)| SubscriptionView {
            arn: self.realm.subscription_arn(topic, &self.ids.uuid(*id).to_string()),
            queue: subscription.queue.clone(),
            filter_policy: subscription.filter.as_ref().map(FilterPolicy::to_json),
        };
        Ok(found.subscriptions.iter().map(view).collect())
    }

    /// Topic and id behind a subscription's ARN.
    fn subscription(&self, arn: &str) -> Result<(String, i64), FifoError> {
        let missing = FifoError::NotFound("subscription");
        let (topic, uuid) =
            self.realm.topic_name(arn).and_then(|name| name.split_once(':')).ok_or(missing.clone())?;
        let found = self.topics.get(topic).ok_or(missing.clone())?;
        let id = found.subscriptions.keys().find(|id| self.ids.uuid(**id).to_string() == uuid);
        Ok((topic.to_owned(), *id.ok_or(missing)?))
    }

    fn check_redrive(&self, settings: &QueueSettings) -> Result<(), FifoError> {
        match &settings.redrive {
            Some(policy) if !self.queues.contains_key(&policy.dead_letter_queue) => {
                Err(FifoError::InvalidParameterValue(
                    "RedrivePolicy: the dead-letter queue does not exist".into(),
                ))
            }
            Some(_) | None => Ok(()),
        }
    }
}

impl Realm {
    fn subscription_arn(&self, topic: &str, uuid: &str) -> String {
        format!("{}:{uuid}", self.topic_arn(topic))
    }
}

fn put_subscription(id: i64, topic: i64, subscription: &Subscription) -> Change {
    let filter_policy = subscription.filter.as_ref().map(FilterPolicy::to_json);
    Change::PutSubscription { id, topic, queue: subscription.queue.clone(), filter_policy }
}
