//! What the bare engine does with the same SDK calls and nothing else: the floor that every figure of ours is
//! held against.

use super::{RushError, System};
use aws::failure::Failure;
use aws::items;
use aws::keys;
use aws::table::Write;
use aws_sdk_sns::types::MessageAttributeValue;
use aws_sdk_sqs::types::{DeleteMessageBatchRequestEntry, QueueAttributeName};
use domain::checkout::{Bill, Checkout, Outcome, Returned, SoldLine};
use domain::id::{CheckoutId, EmployeeNumber, TenantId};
use domain::menu::MenuVersion;
use domain::money::Money;
use domain::request::RequestHash;
use domain::wallet::Wallet;
use futures_util::future::try_join_all;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;
use thiserror::Error;
use tokio::time::Instant;
use uuid::Uuid;

/// Callers at the same time: as many as keep the engine busy.
const CALLERS: usize = 8;
/// What is sold: as many lines as the rush sells on average, or so.
const LINES: usize = 2;
const TENANT: &str = "floor";
const CREDIT: Money = Money::from_minor(1_000_000_000_000);
const PRICE_MINOR: i64 = 4_500;
/// What a command and an event weigh, in bytes.
const MESSAGE_BYTES: usize = 700;

/// Of each, how many a second.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub struct Floor {
    /// Checkouts in transactions of one put and one update.
    pub one_per_second: u64,
    /// Checkouts ten a transaction.
    pub ten_per_second: u64,
    /// Messages published to a FIFO topic, received from its queue, and deleted.
    pub messages_per_second: u64,
}

#[derive(Debug, Error)]
pub enum FloorError {
    #[error("what is written is not valid")]
    Invalid(Box<dyn std::error::Error + Send + Sync>),
    #[error("the table")]
    Table(#[from] Failure),
    #[error("the topic or its queue")]
    Messages(Box<dyn std::error::Error + Send + Sync>),
}

impl From<FloorError> for RushError {
    fn from(error: FloorError) -> Self {
        RushError::Table(Failure::malformed("measure the floor", error))
    }
}

fn invalid(error: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> FloorError {
    FloorError::Invalid(error.into())
}

fn messages(error: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> FloorError {
    FloorError::Messages(error.into())
}

/// Measures each for so long.
pub async fn measure(system: &System, each: Duration) -> Result<Floor, FloorError> {
    Ok(Floor {
        one_per_second: transactions(system, each, 1).await?,
        ten_per_second: transactions(system, each, 10).await?,
        messages_per_second: messages_through(system, each).await?,
    })
}

/// A wallet that sells to itself.
struct Purse {
    tenant: TenantId,
    employee: EmployeeNumber,
    wallet: Wallet,
}

impl Purse {
    /// One more sale: the checkout that must not exist yet, and the wallet that must stand where it stood.
    fn sell(&mut self, now: Timestamp) -> Result<[Write; 2], FloorError> {
        let line = SoldLine {
            code: "MEAL-07".parse().map_err(invalid)?,
            name: "Roast chicken with rice".to_owned(),
            category: "lunch".to_owned(),
            price: PRICE_MINOR.try_into().map_err(invalid)?,
            calories: Some(640.try_into().map_err(|_| invalid("calories"))?),
            qty: 1.try_into().map_err(invalid)?,
        };
        let bill = Bill {
            lines: vec![line; LINES],
            discount: Money::ZERO,
            menu_version: MenuVersion { meals: 1, edit: 0 },
        };
        let balance =
            self.wallet.balance.checked_sub(bill.total_net()).ok_or_else(|| invalid("no credit"))?;
        let (from_version, after) =
            (self.wallet.version, Wallet { balance, version: self.wallet.version + 1 });
        let id: CheckoutId = Uuid::now_v7().try_into().map_err(invalid)?;
        let checkout = Checkout {
            tenant: self.tenant.clone(),
            id,
            request: RequestHash::from_bytes([7; 32]),
            employee: self.employee.clone(),
            station: Some("floor-1".parse().map_err(invalid)?),
            concessionaire: "floor".parse().map_err(invalid)?,
            caller: "floor.cashier".parse().map_err(invalid)?,
            business_date: jiff::civil::date(2026, 3, 2),
            accepted_at: now,
            decided_at: now,
            outcome: Outcome::Settled { bill, after },
            returned: Returned::default(),
        };
        self.wallet = after;
        let key = keys::wallet(&self.tenant, &self.employee);
        Ok([Write::Create(items::checkout(&checkout)?), Write::MoveWallet { key, from_version, to: after }])
    }
}

async fn transactions(system: &System, each: Duration, together: usize) -> Result<u64, FloorError> {
    let clock = aws::clock::Clock::system();
    let tenant: TenantId = TENANT.parse().map_err(invalid)?;
    let wallet = Wallet { balance: CREDIT, version: 1 };
    let (until, sold) = (Instant::now() + each, AtomicU64::new(0));
    let caller = async |caller: usize| {
        let mut purses = Vec::new();
        for purse in 0..together {
            let number = format!("{}-{caller}-{purse}", Uuid::now_v7().simple());
            let employee: EmployeeNumber = number.get(20..).unwrap_or_default().parse().map_err(invalid)?;
            purses.push(Purse { tenant: tenant.clone(), employee, wallet });
        }
        let wallets = purses.iter().map(|purse| items::wallet(&tenant, &purse.employee, wallet));
        system.table.put_unnamed(&wallets.collect::<Result<Vec<_>, _>>()?).await?;
        while Instant::now() < until {
            let now = clock.now();
            let writes = purses.iter_mut().map(|purse| purse.sell(now)).collect::<Result<Vec<_>, _>>()?;
            let writes = writes.into_iter().flatten().collect();
            system.table.commit(writes).await.map_err(|error| error.alone("sell at the floor"))?;
            sold.fetch_add(together as u64, Ordering::Relaxed);
        }
        Ok::<_, FloorError>(())
    };
    let began = Instant::now();
    try_join_all((0..CALLERS).map(caller)).await?;
    Ok(per_second(sold.into_inner(), began.elapsed()))
}

async fn messages_through(system: &System, each: Duration) -> Result<u64, FloorError> {
    let (sns, sqs, names) = (system.clients.sns(), system.clients.sqs(), &system.clients.config().names);
    let queue = format!("floor-{}.fifo", Uuid::now_v7().simple());
    let topic = sns.create_topic().name(&queue).attributes("FifoTopic", "true");
    let topic = topic.attributes("FifoThroughputScope", "MessageGroup").send().await.map_err(messages)?;
    let topic_arn = topic.topic_arn.unwrap_or_default();
    sqs.create_queue()
        .queue_name(&queue)
        .attributes(QueueAttributeName::FifoQueue, "true")
        .attributes(QueueAttributeName::DeduplicationScope, "messageGroup")
        .attributes(QueueAttributeName::FifoThroughputLimit, "perMessageGroupId")
        .send()
        .await
        .map_err(messages)?;
    let queue_arn = names.queue_arn(&queue);
    let url = aws::queue::queue_url(&queue_arn);
    let subscribe = sns.subscribe().topic_arn(&topic_arn).protocol("sqs").endpoint(&queue_arn);
    subscribe.attributes("RawMessageDelivery", "true").send().await.map_err(messages)?;

    let (until, is_over) = (Instant::now() + each, AtomicBool::new(false));
    let (taken, body) = (AtomicU64::new(0), "x".repeat(MESSAGE_BYTES));
    let kind = MessageAttributeValue::builder().data_type("String").string_value("floor").build();
    let kind = kind.map_err(messages)?;
    let publisher = async |caller: usize| {
        let mut count = 0_u64;
        while Instant::now() < until {
            let publish =
                sns.publish().topic_arn(&topic_arn).message(&body).message_attributes("kind", kind.clone());
            let publish = publish.message_group_id(format!("{caller}-{}", count % 100));
            publish.message_deduplication_id(format!("{caller}-{count}")).send().await.map_err(messages)?;
            count += 1;
        }
        Ok::<_, FloorError>(())
    };
    let receiver = async |_: usize| {
        loop {
            let over = is_over.load(Ordering::Relaxed);
            let receive = sqs.receive_message().set_queue_url(url.clone()).max_number_of_messages(10);
            let received = receive.send().await.map_err(messages)?.messages.unwrap_or_default();
            if received.is_empty() {
                if over {
                    return Ok::<_, FloorError>(());
                }
                tokio::time::sleep(Duration::from_millis(1)).await;
                continue;
            }
            let entries = received.iter().enumerate().map(|(place, message)| {
                let entry = DeleteMessageBatchRequestEntry::builder().id(place.to_string());
                entry.receipt_handle(message.receipt_handle().unwrap_or_default()).build()
            });
            let entries = entries.collect::<Result<Vec<_>, _>>().map_err(messages)?;
            let delete = sqs.delete_message_batch().set_queue_url(url.clone()).set_entries(Some(entries));
            delete.send().await.map_err(messages)?;
            taken.fetch_add(received.len() as u64, Ordering::Relaxed);
        }
    };
    let began = Instant::now();
    let publishing = async {
        let published = try_join_all((0..CALLERS).map(publisher)).await;
        is_over.store(true, Ordering::Relaxed);
        published.map(|_| ())
    };
    let receiving = async { try_join_all((0..CALLERS / 2).map(receiver)).await.map(|_| ()) };
    tokio::try_join!(publishing, receiving)?;
    Ok(per_second(taken.into_inner(), began.elapsed()))
}

fn per_second(count: u64, elapsed: Duration) -> u64 {
    let per_second = u128::from(count) * 1_000_000 / elapsed.as_micros().max(1);
    u64::try_from(per_second).unwrap_or(u64::MAX)
}
