//! The files of a stage: what is dropped for a tenant, and what is told of its bad rows.
//!
//! Invariant: a key begins with its tenant, and only this module makes or reads one.

use crate::failure::Failure;
use crate::retry::{self, Policy};
use aws_sdk_s3::Client;
use aws_sdk_s3::error::SdkError;
use aws_sdk_s3::presigning::{PresignedRequest, PresigningConfig};
use aws_sdk_s3::primitives::ByteStream;
use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use domain::id::{CommandId, TenantId, UserName};
use domain::import::{Options, Target};
use jiff::Timestamp;
use std::collections::HashMap;
use std::time::Duration;
use tokio::io::AsyncRead;

/// How long an upload may wait to begin: 15 minutes.
pub const UPLOAD_LIFETIME: Duration = Duration::from_secs(15 * 60);
/// How long a list of bad rows may wait to be fetched: 5 minutes.
pub const DOWNLOAD_LIFETIME: Duration = Duration::from_secs(5 * 60);
/// Who asked for an import, beside its options.
const BY: &str = "by";
/// When they did, in seconds since the epoch.
const ASKED_AT: &str = "asked-at";
const MENUS: &str = "menus";
const EMPLOYEES: &str = "employees";
const BAD_ROWS: &str = "bad-rows";

/// Where a file was dropped: `<tenant>/menus/<concessionaire>/<name>` or `<tenant>/employees/<name>`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Dropped {
    pub tenant: TenantId,
    pub target: Target,
    /// The import's id where the API gave the place away; anything else where somebody chose it.
    pub name: String,
}

impl Dropped {
    pub fn key(&self) -> String {
        let Self { tenant, target, name } = self;
        match target {
            Target::Menu(concessionaire) => format!("{tenant}/{MENUS}/{concessionaire}/{name}"),
            Target::Roster => format!("{tenant}/{EMPLOYEES}/{name}"),
        }
    }

    pub fn parse(key: &str) -> Option<Self> {
        let (tenant, rest) = key.split_once('/')?;
        let (target, name) = match rest.split_once('/')? {
            (MENUS, rest) => {
                let (concessionaire, name) = rest.split_once('/')?;
                (Target::Menu(concessionaire.parse().ok()?), name)
            }
            (EMPLOYEES, name) => (Target::Roster, name),
            _ => return None,
        };
        let tenant = tenant.parse().ok()?;
        (!name.is_empty()).then(|| Self { tenant, target, name: name.to_owned() })
    }
}

fn bad_rows_key(tenant: &TenantId, id: CommandId) -> String {
    format!("{tenant}/{BAD_ROWS}/{id}.csv")
}

/// A request that the store answers to whoever has it, for a while.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Presigned {
    pub method: String,
    pub url: String,
    /// To be sent as they are.
    pub headers: Vec<(String, String)>,
}

/// What the store says of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct About {
    pub etag: String,
    pub bytes: u64,
    pub content_type: String,
    /// To the second.
    pub put_at: Timestamp,
    /// Who asked for the import, if the API gave the place away.
    pub by: Option<UserName>,
    /// When it did so; places of older releases do not say.
    pub asked_at: Option<Timestamp>,
    metadata: HashMap<String, String>,
}

impl About {
    /// The options that go with the file, over those that hold otherwise.
    pub fn options(&self, unless: Options) -> Result<Options, String> {
        unless.read(|name| self.metadata.get(name).map(String::as_str))
    }
}

/// A file, as it comes.
pub type Content = Box<dyn AsyncRead + Send + Unpin>;

#[derive(Debug, Clone)]
pub struct Files {
    client: Client,
    bucket: String,
    policy: Policy,
}

impl Files {
    pub fn new(client: Client, bucket: String, policy: Policy) -> Self {
        Self { client, bucket, policy }
    }

    /// Lets whoever has it put one file of this size and type into one place, within [`UPLOAD_LIFETIME`]. To
    /// another the store answers 412: it would be of an import that was begun with the first.
    pub async fn upload(
        &self,
        dropped: &Dropped,
        bytes: u64,
        content_type: &str,
        options: &Options,
        by: &UserName,
        now: Timestamp,
    ) -> Result<Presigned, Failure> {
        let mut put = self
            .client
            .put_object()
            .bucket(&self.bucket)
            .key(dropped.key())
            .content_type(content_type)
            .content_length(bytes.cast_signed())
            .if_none_match("*")
            .metadata(BY, by.as_str())
            .metadata(ASKED_AT, now.as_second().to_string());
        for (name, value) in options.write() {
            put = put.metadata(name, value);
        }
        let signed = put.presigned(lifetime(UPLOAD_LIFETIME)?).await;
        let signed = signed.map_err(|error| Failure::malformed("sign an upload", error))?;
        Ok(presigned(&signed))
    }

    /// Lets whoever has it fetch an import's bad rows, within [`DOWNLOAD_LIFETIME`].
    pub async fn bad_rows(&self, tenant: &TenantId, id: CommandId) -> Result<Presigned, Failure> {
        let get = self
            .client
            .get_object()
            .bucket(&self.bucket)
            .key(bad_rows_key(tenant, id))
            .response_content_disposition(format!("attachment; filename=\"{id}-bad-rows.csv\""));
        let signed = get.presigned(lifetime(DOWNLOAD_LIFETIME)?).await;
        let signed = signed.map_err(|error| Failure::malformed("sign a download", error))?;
        Ok(presigned(&signed))
    }

    /// What lies there, if anything does.
    pub async fn about(&self, key: &str) -> Result<Option<About>, Failure> {
        let head = retry::transient(self.policy, async || {
            match self.client.head_object().bucket(&self.bucket).key(key).send().await {
                Ok(head) => Ok(Some(head)),
                Err(error) if status(&error) == Some(404) => Ok(None),
                Err(error) => Err(Failure::of_sdk("look at a file", error)),
            }
        });
        let Some(head) = head.await? else { return Ok(None) };
        let put_at = head.last_modified.and_then(|at| Timestamp::from_millisecond(at.to_millis().ok()?).ok());
        let metadata = head.metadata.unwrap_or_default();
        Ok(Some(About {
            etag: bare(head.e_tag.as_deref().unwrap_or_default()).to_owned(),
            bytes: head.content_length.unwrap_or_default().cast_unsigned(),
            content_type: head.content_type.unwrap_or_default(),
            put_at: put_at.ok_or_else(|| Failure::malformed("look at a file", "it has no time"))?,
            by: metadata.get(BY).and_then(|by| by.parse().ok()),
            asked_at: metadata.get(ASKED_AT).and_then(|at| Timestamp::from_second(at.parse().ok()?).ok()),
            metadata,
        }))
    }

    /// Opens a file, unless it is another one by now.
    pub async fn open(&self, key: &str, etag: &str) -> Result<Option<Content>, Failure> {
        retry::transient(self.policy, async || {
            let get = self.client.get_object().bucket(&self.bucket).key(key).if_match(format!("\"{etag}\""));
            match get.send().await {
                Ok(found) => Ok(Some(Box::new(found.body.into_async_read()) as Content)),
                Err(error) if matches!(status(&error), Some(404 | 412)) => Ok(None),
                Err(error) => Err(Failure::of_sdk("open a file", error)),
            }
        })
        .await
    }

    /// Keeps an import's bad rows, as CSV.
    pub async fn keep_bad_rows(&self, tenant: &TenantId, id: CommandId, csv: Vec<u8>) -> Result<(), Failure> {
        retry::transient(self.policy, async || {
            self.client
                .put_object()
                .bucket(&self.bucket)
                .key(bad_rows_key(tenant, id))
                .content_type("text/csv; charset=utf-8")
                .body(ByteStream::from(csv.clone()))
                .send()
                .await
                .map(|_| ())
                .map_err(|error| Failure::of_sdk("keep bad rows", error))
        })
        .await
    }
}

fn lifetime(duration: Duration) -> Result<PresigningConfig, Failure> {
    PresigningConfig::expires_in(duration).map_err(|error| Failure::malformed("sign a request", error))
}

fn presigned(request: &PresignedRequest) -> Presigned {
    // But for what every client sends by itself, what a browser lets nobody set, and the trace of whoever
    // signed it.
    let kept = |name: &str| !matches!(name, "content-length" | "host" | "x-amzn-trace-id");
    let set = request.headers().filter(|(name, _)| kept(name));
    Presigned {
        method: request.method().to_owned(),
        url: request.uri().to_owned(),
        headers: set.map(|(name, value)| (name.to_owned(), value.to_owned())).collect(),
    }
}

fn status<E>(error: &SdkError<E, HttpResponse>) -> Option<u16> {
    error.raw_response().map(|response| response.status().as_u16())
}

/// A tag without its quotation marks, as announcements have it.
fn bare(etag: &str) -> &str {
    etag.trim_matches('"')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(key: &str, is_ours: bool) {
        let parsed = Dropped::parse(key);
        assert_eq!(parsed.is_some(), is_ours, "{key}: {parsed:?}");
        if let Some(dropped) = parsed {
            assert_eq!(dropped.key(), key);
        }
    }

    #[test]
    fn a_key_names_tenant_and_target() {
        check("acme/menus/coffee-bar/2026-03.csv", true);
        check("acme/menus/coffee-bar/a/b.csv", true);
        check("acme/employees/roster.csv", true);
        check("acme/employees/", false);
        check("acme/menus/coffee-bar", false);
        check("acme/menus/Coffee Bar/menu.csv", false);
        check("acme/bad-rows/x.csv", false);
        check("/employees/x", false);
        check("../globex/employees/x", false);
        check("", false);
    }
}
