//! Calling receivers, which are anybody's.
//!
//! Invariant: no connection is made but to addresses that were looked at, and nothing that a receiver does
//! takes longer than [`PATIENCE`] or more memory than the head of its answer.

use domain::event::CLOUD_EVENT;
use domain::webhook::{Answer, Fault, Reach, WebhookUrl};
use jiff::Timestamp;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use reqwest::header::{CONTENT_TYPE, USER_AGENT};
use reqwest::{Client, Url, redirect};
use std::error::Error;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;
use thiserror::Error;
use tokio::net::lookup_host;
use tokio::time::timeout;

/// Time for one call, from the resolution of the name to the head of the answer.
pub const PATIENCE: Duration = Duration::from_secs(5);
const CONNECT_PATIENCE: Duration = Duration::from_secs(3);

#[derive(Debug, Clone)]
pub struct Receivers {
    client: Client,
    reach: Reach,
}

/// Calls receivers, wherever they are.
pub trait Call {
    /// Calls one once. What it says besides its status is not read.
    fn call(&self, url: &WebhookUrl, told: Told) -> impl Future<Output = Answer> + Send;
}

/// What a receiver is sent.
#[derive(Debug)]
pub struct Told {
    /// The same however often it is sent.
    pub id: String,
    pub at: Timestamp,
    /// Separated by spaces.
    pub signatures: String,
    pub body: String,
}

impl Receivers {
    pub fn new(reach: Reach) -> Self {
        Self::resolving(reach, Arc::new(System))
    }

    /// The same where names are looked up elsewhere.
    #[expect(clippy::expect_used, reason = "a client of these settings can always be built")]
    fn resolving(reach: Reach, names: Arc<dyn Resolve>) -> Self {
        let client = Client::builder()
            .no_proxy()
            .redirect(redirect::Policy::none())
            // A function that was frozen meanwhile finds only dead ones.
            .pool_max_idle_per_host(0)
            .referer(false)
            .https_only(reach == Reach::Public)
            .connect_timeout(CONNECT_PATIENCE)
            .timeout(PATIENCE)
            .dns_resolver(Arc::new(Guarded { reach, names }))
            .build();
        Self { client: client.expect("roots and settings are compiled in"), reach }
    }

    /// What is called. An address in a URL is never resolved, and so is looked at here.
    fn target(&self, url: &WebhookUrl) -> Result<Url, Fault> {
        let target = Url::parse(url.as_str()).map_err(|_| Fault::NotResolved)?;
        let host = target.host_str().unwrap_or_default().trim_matches(['[', ']']);
        let is_forbidden = host.parse().is_ok_and(|address: IpAddr| !self.reach.admits(address));
        if is_forbidden || url.check(self.reach).is_err() { Err(Fault::NotPublic) } else { Ok(target) }
    }
}

impl Call for Receivers {
    async fn call(&self, url: &WebhookUrl, told: Told) -> Answer {
        let target = match self.target(url) {
            Ok(target) => target,
            Err(fault) => return Answer::None(fault),
        };
        let sent = self
            .client
            .post(target)
            .header(CONTENT_TYPE, CLOUD_EVENT)
            .header(USER_AGENT, concat!("internal-pos/", env!("CARGO_PKG_VERSION")))
            .header("webhook-id", told.id)
            .header("webhook-timestamp", told.at.as_second())
            .header("webhook-signature", told.signatures)
            .body(told.body)
            .send();
        match timeout(PATIENCE, sent).await {
            Ok(Ok(answer)) => Answer::Status(answer.status().as_u16()),
            Ok(Err(error)) => Answer::None(fault(&error)),
            Err(_) => Answer::None(Fault::TimedOut),
        }
    }
}

/// The system's own way to look up names.
#[derive(Debug)]
struct System;

impl Resolve for System {
    fn resolve(&self, name: Name) -> Resolving {
        Box::pin(async move {
            let found = lookup_host((name.as_str(), 0)).await?;
            Ok(Box::new(found.collect::<Vec<_>>().into_iter()) as Addrs)
        })
    }
}

/// Looks up names and gives out nothing that is not public. The connection goes to what was looked at, and a
/// name that answers otherwise the next time is looked at again.
struct Guarded {
    reach: Reach,
    names: Arc<dyn Resolve>,
}

#[derive(Debug, Error)]
#[error("the name has no address")]
struct NotResolved;

#[derive(Debug, Error)]
#[error("an address of the name is not public")]
struct NotPublic;

impl Resolve for Guarded {
    fn resolve(&self, name: Name) -> Resolving {
        let (reach, found) = (self.reach, self.names.resolve(name));
        Box::pin(async move {
            let found: Vec<SocketAddr> = found.await.map_err(|_| NotResolved)?.collect();
            if found.is_empty() {
                return Err(NotResolved.into());
            }
            if !found.iter().all(|address| reach.admits(address.ip())) {
                return Err(NotPublic.into());
            }
            Ok(Box::new(found.into_iter()) as Addrs)
        })
    }
}

fn fault(error: &reqwest::Error) -> Fault {
    let mut link: Option<&(dyn Error + 'static)> = error.source();
    while let Some(cause) = link {
        if cause.is::<NotPublic>() {
            return Fault::NotPublic;
        }
        if cause.is::<NotResolved>() {
            return Fault::NotResolved;
        }
        link = cause.source();
    }
    match error {
        _ if error.is_timeout() => Fault::TimedOut,
        _ if error.is_connect() => Fault::NotConnected,
        _ => Fault::BrokenOff,
    }
}

#[cfg(test)]
mod tests;
