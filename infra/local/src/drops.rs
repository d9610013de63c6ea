//! Announces files that were dropped for a company, as EventBridge does on AWS: at least once each.
//!
//! The emulated store announces what it takes, but forgets what it announced when it is killed: whatever lies
//! there at the start is announced again. An import that has its outcome is not looked at twice.

use aws::bus::Bus;
use aws::config::Clients;
use aws::failure::chain;
use aws::files::Dropped;
use aws::retry::Policy;
use aws_sdk_s3::Client;
use aws_sdk_s3::error::DisplayErrorContext;
use awsim_core::{EventBus, InternalEvent};
use domain::command::{Command, ImportFile};
use std::time::Duration;
use tokio::sync::broadcast::Receiver;
use tokio::sync::broadcast::error::RecvError;
use tokio::task::JoinSet;

const CREATED: &str = "s3:ObjectCreated:";
/// Pause after the store could not be read.
const PAUSE_AFTER_FAILURE: Duration = Duration::from_millis(200);

struct Announcer {
    s3: Client,
    bus: Bus,
    bucket: String,
}

/// Announces everything that lies there, and then whatever comes.
pub fn start(tasks: &mut JoinSet<()>, clients: &Clients, events: &EventBus) {
    let announcer = Announcer {
        s3: clients.s3(),
        bus: clients.bus(Policy::WORKER),
        bucket: clients.config().names.files(),
    };
    let events = events.subscribe();
    tasks.spawn(announcer.run(events));
}

impl Announcer {
    async fn run(self, mut events: Receiver<InternalEvent>) {
        self.announce_all().await;
        loop {
            match events.recv().await {
                Ok(event) => {
                    if let Some(key) = self.created(&event) {
                        self.announce(key).await;
                    }
                }
                Err(RecvError::Lagged(_)) => self.announce_all().await,
                Err(RecvError::Closed) => return,
            }
        }
    }

    fn created<'a>(&self, event: &'a InternalEvent) -> Option<&'a str> {
        let is_created = event.event_type.starts_with(CREATED);
        let is_ours = event.detail["bucket"]["name"] == self.bucket.as_str();
        event.detail["object"]["key"].as_str().filter(|_| is_created && is_ours)
    }

    async fn announce_all(&self) {
        let mut start = None;
        loop {
            let listed =
                self.s3.list_objects_v2().bucket(&self.bucket).set_continuation_token(start.clone()).send();
            match listed.await {
                Ok(page) => {
                    for key in page.contents().iter().filter_map(|object| object.key()) {
                        self.announce(key).await;
                    }
                    start = page.next_continuation_token;
                    if start.is_none() {
                        return;
                    }
                }
                Err(error) => {
                    let error = DisplayErrorContext(&error);
                    tracing::warn!(%error, "the store could not be read");
                    tokio::time::sleep(PAUSE_AFTER_FAILURE).await;
                }
            }
        }
    }

    /// What is no import is nobody's business.
    async fn announce(&self, key: &str) {
        let Some(Dropped { tenant, .. }) = Dropped::parse(key) else { return };
        let head = match self.s3.head_object().bucket(&self.bucket).key(key).send().await {
            Ok(head) => head,
            Err(error) => {
                let error = DisplayErrorContext(&error);
                tracing::warn!(%error, "a file was not announced");
                return;
            }
        };
        let dropped = ImportFile {
            tenant,
            key: key.to_owned(),
            etag: head.e_tag().unwrap_or_default().trim_matches('"').to_owned(),
            // Another one for each time that something is put there, and the same after a restart.
            sequencer: head.version_id().unwrap_or_default().to_owned(),
        };
        if let Err(error) = self.bus.publish(Command::ImportFile(dropped)).await {
            tracing::warn!(error = chain(&error), "a file was not announced");
        }
    }
}
