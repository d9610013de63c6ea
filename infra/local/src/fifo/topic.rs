//! One SNS FIFO topic and its subscriptions.
//! A message that no subscription's filter admits is dropped, as the service does.

use std::collections::BTreeMap;

use super::filter::FilterPolicy;
use super::message::Attributes;
use super::topic_settings::TopicSettings;
use super::window::Window;

/// Subscriptions of one FIFO topic (AWS quota).
pub const SUBSCRIPTIONS_MAX: usize = 100;

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Topic {
    pub(super) id: i64,
    pub(super) settings: TopicSettings,
    pub(super) duplicates: Window,
    pub(super) subscriptions: BTreeMap<i64, Subscription>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Subscription {
    pub(super) queue: String,
    pub(super) filter: Option<FilterPolicy>,
}

impl Topic {
    pub(super) fn new(id: i64, settings: TopicSettings) -> Self {
        Self { id, settings, duplicates: Window::default(), subscriptions: BTreeMap::new() }
    }

    /// The queues that want a message with these attributes.
    pub(super) fn audience<'a>(&'a self, attributes: &'a Attributes) -> impl Iterator<Item = &'a str> {
        let admits = |filter: &FilterPolicy| filter.admits(attributes);
        let wants = move |subscription: &&Subscription| subscription.filter.as_ref().is_none_or(admits);
        self.subscriptions.values().filter(wants).map(|subscription| subscription.queue.as_str())
    }
}
