//! Where a receiver is.

use super::Reach;
use serde::{Deserialize, Serialize};
use std::net::IpAddr;
use thiserror::Error;

/// Where a receiver is: `https`, or where tests ask for it also `http` on this machine.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct WebhookUrl(String);

#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum InvalidWebhookUrl {
    #[error(
        "must be an https URL of at most {MAX_URL_LEN} characters, with a host, and without a user or a fragment"
    )]
    NotAUrl,
    #[error("must not lead to a private, loopback or link-local address")]
    NotPublic,
}

const MAX_URL_LEN: usize = 500;

impl WebhookUrl {
    pub fn as_str(&self) -> &str {
        &self.0
    }

    pub fn is_https(&self) -> bool {
        self.0.starts_with("https://")
    }

    /// Whether it may be called, as far as it says itself: what a name leads to is seen when it is called.
    pub fn check(&self, reach: Reach) -> Result<(), InvalidWebhookUrl> {
        let host = self.host();
        let is_name_of_ours = host == "localhost" || host.ends_with(".localhost") || host.ends_with('.');
        let address: Option<IpAddr> = host.trim_matches(['[', ']']).parse().ok();
        // Forms of an address that a resolver may still take for one, like 0x7f.1.
        let is_number =
            host.rsplit('.').next().is_some_and(|last| last.starts_with(|c: char| c.is_ascii_digit()));
        match address {
            Some(address) if address.is_loopback() && reach == Reach::Loopback => Ok(()),
            _ if !self.is_https() => Err(InvalidWebhookUrl::NotAUrl),
            Some(address) if reach.admits(address) => Ok(()),
            Some(_) => Err(InvalidWebhookUrl::NotPublic),
            None if is_name_of_ours || is_number => Err(InvalidWebhookUrl::NotPublic),
            None => Ok(()),
        }
    }

    /// As it stands in the URL, an IPv6 address in its brackets.
    fn host(&self) -> &str {
        let rest = self.0.split_once("://").map_or("", |(_, rest)| rest);
        let authority = rest.split(['/', '?']).next().unwrap_or_default();
        match authority.rfind(']') {
            Some(end) => authority.get(..=end).unwrap_or_default(),
            None => authority.split(':').next().unwrap_or_default(),
        }
    }
}

impl TryFrom<String> for WebhookUrl {
    type Error = InvalidWebhookUrl;

    fn try_from(text: String) -> Result<Self, InvalidWebhookUrl> {
        let is_plain = text.bytes().all(|byte| byte.is_ascii_graphic() && !br#""<>\^`{|}#@"#.contains(&byte));
        let is_http = text.starts_with("https://") || text.starts_with("http://");
        let url = Self(text);
        let has_host = !url.host().is_empty() && url.host() == url.host().to_ascii_lowercase();
        if is_plain && is_http && has_host && url.0.len() <= MAX_URL_LEN {
            Ok(url)
        } else {
            Err(InvalidWebhookUrl::NotAUrl)
        }
    }
}

impl From<WebhookUrl> for String {
    fn from(url: WebhookUrl) -> String {
        url.0
    }
}
