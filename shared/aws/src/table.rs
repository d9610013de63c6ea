//! The one table: read keys, query, commit. Every call is counted, and SDK errors are classified
//! here once; reads are tried again here, writes by whoever can decide anew.

use crate::failure::Failure;
use crate::items::{Item, key_of};
use crate::keys::{self, Key, Partition, Span};
use crate::retry::{self, Policy};
use crate::usage::Usage;
use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::operation::transact_write_items::TransactWriteItemsError;
use aws_sdk_dynamodb::types::{
    AttributeValue, CancellationReason, ConditionCheck, ConsumedCapacity, KeysAndAttributes, Put, PutRequest,
    ReturnConsumedCapacity, TransactWriteItem, Update, WriteRequest,
};
use domain::command::Kind;
use domain::planted::{self, Planted};
use domain::wallet::Wallet;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;
use thiserror::Error;

/// Keys in one `BatchGetItem`, a DynamoDB limit.
pub const MAX_BATCH_GET: usize = 100;
/// Items in one transaction, a DynamoDB limit.
pub const MAX_TRANSACTION: usize = 100;
/// Items in one `BatchWriteItem`, a DynamoDB limit.
const MAX_BATCH_PUT: usize = 25;
/// The attribute that counts how often an item was replaced; absent is never.
pub const REVISION: &str = "w";
/// Pages that one query may take: 1 MB each, so parts of some millions of employees.
const MAX_PAGES: usize = 64;

#[derive(Debug, Clone)]
pub struct Table {
    client: Client,
    name: String,
    policy: Policy,
    usage: Arc<Usage>,
}

/// Items found by key.
#[derive(Debug, Default)]
pub struct Found {
    items: HashMap<Key, Item>,
    unread: BTreeSet<Key>,
}

impl Found {
    /// Takes in what another read found; what that left unprocessed is as before.
    pub fn extend(&mut self, more: Self) {
        self.unread.retain(|key| !more.items.contains_key(key));
        self.items.extend(more.items);
    }

    /// The item under `key`, once.
    pub fn take(&mut self, key: &Key) -> Option<Item> {
        self.items.remove(key)
    }

    pub fn get(&self, key: &Key) -> Option<&Item> {
        self.items.get(key)
    }

    /// Whether the service left `key` unprocessed, so that nobody knows what stands there.
    pub fn is_unread(&self, key: &Key) -> bool {
        self.unread.contains(key)
    }
}

/// One write of a transaction. There is none without a condition.
#[derive(Debug, Clone)]
pub enum Write {
    /// Puts an item whose key must not exist yet.
    Create(Item),
    /// Puts an item in place of one that must still have the revision that was read; see
    /// [`crate::items::revision`].
    Replace { item: Item, from: u64 },
    /// Nothing, but the item must still have the revision that was read, or still not be there.
    Check { key: Key, from: Option<u64> },
    /// Sets a wallet that must still have the version that was read.
    MoveWallet { key: Key, from_version: u64, to: Wallet },
    /// Notes that commands of a kind reach a tenant, who must exist.
    Reach { key: Key, kind: Kind },
    /// Notes that a tenant, who must exist, is reached through none.
    Close { key: Key },
}

impl Write {
    /// What nobody should do after a lost race; for [`Planted::StaleDecision`] alone.
    pub fn against_the_next_version(self) -> Self {
        match self {
            Write::MoveWallet { key, from_version, to } => {
                let to = Wallet { version: to.version + 1, ..to };
                Write::MoveWallet { key, from_version: from_version + 1, to }
            }
            other @ (Write::Create(_)
            | Write::Replace { .. }
            | Write::Check { .. }
            | Write::Reach { .. }
            | Write::Close { .. }) => other,
        }
    }
}

/// Why a transaction did not commit.
#[derive(Debug, Error)]
pub enum NotCommitted {
    /// One reason a write, in their order.
    #[error("the transaction was cancelled: {0:?}")]
    Cancelled(Vec<Reason>),
    /// It failed, or may have committed without an answer.
    #[error(transparent)]
    Failure(#[from] Failure),
}

impl NotCommitted {
    /// The failure that it is for whoever commits alone: what is invalid will stay so, lost races pass.
    pub fn alone(self, context: &'static str) -> Failure {
        match self {
            NotCommitted::Cancelled(reasons) if reasons.contains(&Reason::Invalid) => {
                Failure::malformed(context, format!("{reasons:?}"))
            }
            NotCommitted::Cancelled(reasons) => Failure::transient(context, format!("{reasons:?}")),
            NotCommitted::Failure(failure) => failure,
        }
    }
}

/// What one write did to its transaction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reason {
    /// Nothing: another write cancelled it.
    None,
    ConditionFailed,
    /// Another transaction or write was at the same item.
    Conflict,
    /// Throttled, or not permitted for now.
    Refused,
    /// Too large, or not what the table accepts.
    Invalid,
}

/// Items of one page.
#[derive(Debug)]
pub struct Page {
    pub items: Vec<Item>,
    pub next: Option<Position>,
}

/// The pages of a span, from its first on.
#[derive(Debug)]
pub struct Pages<'a> {
    table: &'a Table,
    span: &'a Span,
    limit: i32,
    order: Order,
    /// Where the next page begins, if there is one.
    next: Option<Option<Position>>,
}

impl Pages<'_> {
    pub fn has_next(&self) -> bool {
        self.next.is_some()
    }

    /// The items of the next page; nothing behind the last.
    pub async fn next(&mut self) -> Result<Option<Vec<Item>>, Failure> {
        let Some(start) = self.next.take() else { return Ok(None) };
        let page = self.table.query_page(self.span, self.limit, self.order, start).await?;
        self.next = page.next.map(Some);
        Ok(Some(page.items))
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Order {
    OldestFirst,
    NewestFirst,
}

/// Behind which item of a span the next page begins.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Position {
    pk: String,
    sk: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    index_sk: Option<String>,
}

impl Position {
    /// Right behind an item, of which this reads the keys alone.
    pub fn behind(key: &Item) -> Result<Self, Failure> {
        let Key { pk, sk } = key_of(key)?;
        let index_sk = key.get(keys::INDEX_SK).and_then(|value| value.as_s().ok()).cloned();
        Ok(Self { pk, sk, index_sk })
    }

    fn key_of(self, span: &Span) -> Item {
        let mut key = key_item(&Key { pk: self.pk, sk: self.sk });
        if let Some(index_sk) = self.index_sk.filter(|_| span.is_index) {
            key.insert(keys::INDEX_PK.to_owned(), AttributeValue::S(span.pk.clone()));
            key.insert(keys::INDEX_SK.to_owned(), AttributeValue::S(index_sk));
        }
        key
    }
}

impl Table {
    pub fn new(client: Client, name: String, policy: Policy) -> Self {
        Self { client, name, policy, usage: Arc::default() }
    }

    pub fn usage(&self) -> &Arc<Usage> {
        &self.usage
    }

    /// Reads keys, strongly consistent, in one call for each [`MAX_BATCH_GET`] distinct ones; what
    /// the service refuses or leaves unprocessed is asked for again. Not at one instant: what is committed
    /// together meanwhile may be found in part.
    pub async fn read(&self, keys: impl IntoIterator<Item = Key>) -> Result<Found, Failure> {
        let keys: BTreeSet<Key> = keys.into_iter().collect();
        let keys: Vec<Key> = keys.into_iter().collect();
        let mut found = Found::default();
        for chunk in keys.chunks(MAX_BATCH_GET) {
            self.read_chunk(chunk.to_vec(), &mut found).await?;
        }
        Ok(found)
    }

    async fn read_chunk(&self, mut keys: Vec<Key>, found: &mut Found) -> Result<(), Failure> {
        let mut pauses = self.policy.pauses();
        loop {
            let failure = match self.read_some(&keys).await {
                Ok(part) => {
                    found.items.extend(part.items);
                    keys = part.unread.into_iter().collect();
                    if keys.is_empty() {
                        return Ok(());
                    }
                    Failure::transient("read keys", "keys stayed unprocessed")
                }
                Err(failure) => failure,
            };
            if !failure.is_transient() || !pauses.pause().await {
                return Err(failure);
            }
        }
    }

    /// Reads up to [`MAX_BATCH_GET`] distinct keys, strongly consistent, in one call and one attempt;
    /// what the service leaves unprocessed stays unread.
    pub async fn read_some(&self, keys: &[Key]) -> Result<Found, Failure> {
        let asked = KeysAndAttributes::builder()
            .set_keys(Some(keys.iter().map(key_item).collect()))
            .consistent_read(!planted::is(Planted::ReadStale))
            .build()
            .map_err(|error| Failure::malformed("build a read", error))?;
        let answer = self
            .client
            .batch_get_item()
            .request_items(&self.name, asked)
            .return_consumed_capacity(ReturnConsumedCapacity::Total)
            .send()
            .await
            .map_err(|error| Failure::of_sdk("read keys", error))?;
        self.count_read("BatchGetItem", answer.consumed_capacity.as_deref().unwrap_or_default());
        let items = answer.responses.and_then(|mut tables| tables.remove(&self.name)).unwrap_or_default();
        let unread = answer.unprocessed_keys.and_then(|mut tables| tables.remove(&self.name));
        let unread = unread.map(|rest| rest.keys).unwrap_or_default();
        Ok(Found {
            items: items
                .into_iter()
                .map(|item| Ok((key_of(&item)?, item)))
                .collect::<Result<_, Failure>>()?,
            unread: unread.iter().map(key_of).collect::<Result<_, _>>()?,
        })
    }

    /// Reads one key, strongly consistent.
    pub async fn read_one(&self, key: &Key) -> Result<Option<Item>, Failure> {
        retry::transient(self.policy, async || self.look_at(key).await).await
    }

    /// The same in one attempt, for whoever looks again anyway.
    pub async fn look_at(&self, key: &Key) -> Result<Option<Item>, Failure> {
        let answer = self
            .client
            .get_item()
            .table_name(&self.name)
            .set_key(Some(key_item(key)))
            .consistent_read(true)
            .return_consumed_capacity(ReturnConsumedCapacity::Total)
            .send()
            .await
            .map_err(|error| Failure::of_sdk("read a key", error))?;
        self.count_read("GetItem", answer.consumed_capacity.as_slice());
        Ok(answer.item)
    }

    /// All items of a partition from its sort key prefix on, every page.
    pub async fn query_all(&self, partition: &Partition) -> Result<Vec<Item>, Failure> {
        let mut items = Vec::new();
        let mut start = None;
        for _ in 0..MAX_PAGES {
            let page = retry::transient(self.policy, async || {
                let query =
                    self.query(&partition.pk).key_condition_expression("PK = :pk AND begins_with(SK, :sk)");
                let query = query
                    .expression_attribute_values(":sk", AttributeValue::S(partition.sk_from.clone()))
                    .set_exclusive_start_key(start.clone());
                query.send().await.map_err(|error| Failure::of_sdk("query a partition", error))
            })
            .await?;
            self.count_read("Query", page.consumed_capacity.as_slice());
            items.extend(page.items.unwrap_or_default());
            start = page.last_evaluated_key;
            if start.is_none() {
                return Ok(items);
            }
        }
        Err(Failure::malformed("query a partition", "it has more pages than any partition of ours"))
    }

    /// The last `limit` items of a partition that sort at or above its prefix, last first, in one
    /// call of at most one page: `limit` items must be far below 1 MB.
    pub async fn query_last(&self, partition: &Partition, limit: i32) -> Result<Vec<Item>, Failure> {
        retry::transient(self.policy, async || {
            let answer = self
                .query(&partition.pk)
                .key_condition_expression("PK = :pk AND SK >= :sk")
                .expression_attribute_values(":sk", AttributeValue::S(partition.sk_from.clone()))
                .scan_index_forward(false)
                .limit(limit)
                .send()
                .await
                .map_err(|error| Failure::of_sdk("query a partition", error))?;
            self.count_read("Query", answer.consumed_capacity.as_slice());
            Ok(answer.items.unwrap_or_default())
        })
        .await
    }

    /// A whole span, page by page, of at most `limit` items each.
    pub fn pages<'a>(&'a self, span: &'a Span, limit: i32, order: Order) -> Pages<'a> {
        Pages { table: self, span, limit, order, next: Some(None) }
    }

    /// One page of a span: at most `limit` items, and where the next page begins, if there is one.
    pub async fn query_page(
        &self,
        span: &Span,
        limit: i32,
        order: Order,
        start: Option<Position>,
    ) -> Result<Page, Failure> {
        let (condition, index) = if span.is_index {
            ("GSI1PK = :pk AND GSI1SK BETWEEN :from AND :to", Some(keys::INDEX.to_owned()))
        } else {
            ("PK = :pk AND SK BETWEEN :from AND :to", None)
        };
        let start = start.map(|position| position.key_of(span));
        retry::transient(self.policy, async || {
            let answer = self
                .query(&span.pk)
                .set_index_name(index.clone())
                // An index is never strongly consistent.
                .consistent_read(!span.is_index)
                .key_condition_expression(condition)
                .expression_attribute_values(":from", AttributeValue::S(span.from.clone()))
                .expression_attribute_values(":to", AttributeValue::S(span.to.clone()))
                .scan_index_forward(order == Order::OldestFirst)
                .limit(limit)
                .set_exclusive_start_key(start.clone())
                .send()
                .await
                .map_err(|error| Failure::of_sdk("query a page", error))?;
            self.count_read("Query", answer.consumed_capacity.as_slice());
            let next = answer.last_evaluated_key.map(|key| Position::behind(&key)).transpose()?;
            Ok(Page { items: answer.items.unwrap_or_default(), next })
        })
        .await
    }

    fn query(&self, pk: &str) -> aws_sdk_dynamodb::operation::query::builders::QueryFluentBuilder {
        self.client
            .query()
            .table_name(&self.name)
            .expression_attribute_values(":pk", AttributeValue::S(pk.to_owned()))
            .consistent_read(true)
            .return_consumed_capacity(ReturnConsumedCapacity::Total)
    }

    /// Puts items that nothing names yet, whatever stands there: the same once more if one comes again. Each
    /// costs half of what it would in a transaction.
    pub async fn put_unnamed(&self, items: &[Item]) -> Result<(), Failure> {
        for chunk in items.chunks(MAX_BATCH_PUT) {
            self.put_chunk(chunk).await?;
        }
        Ok(())
    }

    async fn put_chunk(&self, items: &[Item]) -> Result<(), Failure> {
        let request = |item: &Item| {
            let put = PutRequest::builder().set_item(Some(item.clone())).build();
            put.map(|put| WriteRequest::builder().put_request(put).build())
        };
        let requests = items.iter().map(request).collect::<Result<Vec<_>, _>>();
        let mut left = requests.map_err(|error| Failure::malformed("build a batch", error))?;
        let mut pauses = self.policy.pauses();
        loop {
            let answer = self
                .client
                .batch_write_item()
                .request_items(&self.name, left.clone())
                .return_consumed_capacity(ReturnConsumedCapacity::Total)
                .send()
                .await;
            let failure = match answer {
                Ok(answer) => {
                    let units = answer.consumed_capacity.unwrap_or_default().iter().map(total_units).sum();
                    self.usage.count("BatchWriteItem", 0.0, units);
                    let rest = answer.unprocessed_items.and_then(|mut tables| tables.remove(&self.name));
                    left = rest.unwrap_or_default();
                    if left.is_empty() {
                        return Ok(());
                    }
                    Failure::transient("put items", "items stayed unprocessed")
                }
                Err(error) => Failure::of_sdk("put items", error),
            };
            if !failure.is_transient() || !pauses.pause().await {
                return Err(failure);
            }
        }
    }

    /// Commits up to [`MAX_TRANSACTION`] writes together or not at all. One attempt: after a
    /// failure nobody knows whether it committed, so the caller reads again and decides anew.
    pub async fn commit(&self, writes: Vec<Write>) -> Result<(), NotCommitted> {
        let items = writes.into_iter().map(|write| self.transact_item(write)).collect::<Result<_, _>>()?;
        let answer = self
            .client
            .transact_write_items()
            .set_transact_items(Some(items))
            .return_consumed_capacity(ReturnConsumedCapacity::Indexes)
            .send()
            .await;
        match answer {
            Ok(answer) => {
                let units = answer.consumed_capacity.unwrap_or_default().iter().map(total_units).sum();
                self.usage.count("TransactWriteItems", 0.0, units);
                Ok(())
            }
            Err(error) => {
                self.usage.count("TransactWriteItems", 0.0, 0.0);
                match error.as_service_error() {
                    Some(TransactWriteItemsError::TransactionCanceledException(cancelled)) => {
                        Err(NotCommitted::Cancelled(
                            cancelled.cancellation_reasons().iter().map(reason).collect(),
                        ))
                    }
                    _ => Err(Failure::of_sdk("commit", error).into()),
                }
            }
        }
    }

    fn transact_item(&self, write: Write) -> Result<TransactWriteItem, Failure> {
        let item = TransactWriteItem::builder();
        match write {
            Write::Create(created) => {
                let is_guarded = !planted::is(Planted::CheckoutUnguarded);
                let put = Put::builder()
                    .table_name(&self.name)
                    .set_item(Some(created))
                    .set_condition_expression(is_guarded.then(|| "attribute_not_exists(PK)".to_owned()))
                    .build();
                put.map(|put| item.put(put).build())
            }
            Write::Replace { item: mut replaced, from } => {
                replaced.insert(REVISION.to_owned(), AttributeValue::N((from + 1).to_string()));
                let put = Put::builder().table_name(&self.name).set_item(Some(replaced));
                let put = if planted::is(Planted::RevisionIgnored) {
                    put
                } else if from == 0 {
                    put.condition_expression("attribute_exists(PK) AND attribute_not_exists(w)")
                } else {
                    put.condition_expression("w = :from")
                        .expression_attribute_values(":from", AttributeValue::N(from.to_string()))
                };
                put.build().map(|put| item.put(put).build())
            }
            Write::Check { key, from } => {
                let check = ConditionCheck::builder().table_name(&self.name).set_key(Some(key_item(&key)));
                let check = match from {
                    None => check.condition_expression("attribute_not_exists(PK)"),
                    Some(0) => check.condition_expression("attribute_exists(PK) AND attribute_not_exists(w)"),
                    Some(from) => check
                        .condition_expression("w = :from")
                        .expression_attribute_values(":from", AttributeValue::N(from.to_string())),
                };
                check.build().map(|check| item.condition_check(check).build())
            }
            Write::MoveWallet { key, from_version, to } => {
                let update = Update::builder()
                    .table_name(&self.name)
                    .set_key(Some(key_item(&key)))
                    .update_expression("SET b = :b, v = :v")
                    .condition_expression(if planted::is(Planted::WalletUnguarded) {
                        ":from = :from"
                    } else {
                        "v = :from"
                    })
                    .expression_attribute_values(":b", AttributeValue::N(to.balance.to_string()))
                    .expression_attribute_values(":v", AttributeValue::N(to.version.to_string()))
                    .expression_attribute_values(":from", AttributeValue::N(from_version.to_string()))
                    .build();
                update.map(|update| item.update(update).build())
            }
            Write::Close { key } => {
                let update = Update::builder()
                    .table_name(&self.name)
                    .set_key(Some(key_item(&key)))
                    .update_expression("REMOVE q ADD w :one")
                    .condition_expression("attribute_exists(PK)")
                    .expression_attribute_values(":one", AttributeValue::N("1".to_owned()))
                    .build();
                update.map(|update| item.update(update).build())
            }
            Write::Reach { key, kind } => {
                let update = Update::builder()
                    .table_name(&self.name)
                    .set_key(Some(key_item(&key)))
                    .update_expression("ADD q :q, w :one")
                    .condition_expression("attribute_exists(PK)")
                    .expression_attribute_values(":q", AttributeValue::Ss(vec![kind.as_str().to_owned()]))
                    .expression_attribute_values(":one", AttributeValue::N("1".to_owned()))
                    .build();
                update.map(|update| item.update(update).build())
            }
        }
        .map_err(|error| Failure::malformed("build a write", error))
    }

    fn count_read(&self, operation: &'static str, consumed: &[ConsumedCapacity]) {
        self.usage.count(operation, consumed.iter().map(total_units).sum(), 0.0);
    }
}

fn total_units(consumed: &ConsumedCapacity) -> f64 {
    consumed.capacity_units.unwrap_or_default()
}

fn key_item(key: &Key) -> Item {
    HashMap::from([
        (keys::PK.to_owned(), AttributeValue::S(key.pk.clone())),
        (keys::SK.to_owned(), AttributeValue::S(key.sk.clone())),
    ])
}

/// Reads one cancellation reason; a code that is not known is treated as a condition that failed,
/// so that whoever committed looks again.
fn reason(reason: &CancellationReason) -> Reason {
    match reason.code() {
        None | Some("None") => Reason::None,
        Some("TransactionConflict") => Reason::Conflict,
        Some(
            "ThrottlingError" | "ProvisionedThroughputExceeded" | "RequestLimitExceeded" | "AccessDenied",
        ) => Reason::Refused,
        Some("ValidationError" | "ItemCollectionSizeLimitExceeded") => Reason::Invalid,
        Some(_) => Reason::ConditionFailed,
    }
}
