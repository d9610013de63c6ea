use std::{error::Error, mem, sync::Arc, time::Instant};

use aws_sdk_dynamodb::{
    Client,
    types::{
        AttributeDefinition, AttributeValue, BillingMode, GlobalSecondaryIndex, KeySchemaElement, KeyType,
        Projection, ProjectionType, Put, ReturnConsumedCapacity, ScalarAttributeType, TransactWriteItem,
        Update,
    },
};
use tokio::task::JoinSet;

use super::TableServer;
use crate::loopback::sdk_config;

type Outcome = Result<(), Box<dyn Error>>;

/// A server whose process died: nothing was stopped or closed.
#[tokio::test]
async fn what_was_answered_outlives_a_server_that_never_stopped() -> Outcome {
    let dir = tempfile::tempdir()?;
    let path = dir.path().join("table.sqlite");
    let first = TableServer::start(&path, 0)?;
    let client = Client::new(&sdk_config(&first.endpoint_url()));
    create_table(&client).await?;
    pair(&client, "w", 1, 0).await?;
    mem::forget(first);

    let second = TableServer::start(&path, 0)?;
    let client = Client::new(&sdk_config(&second.endpoint_url()));
    assert_eq!(version(&client, "w").await?, Some(1));
    Ok(())
}

#[tokio::test]
async fn a_dropped_server_frees_its_file_and_its_port() -> Outcome {
    let dir = tempfile::tempdir()?;
    let path = dir.path().join("table.sqlite");
    let first = TableServer::start(&path, 0)?;
    let port = first.address.port();
    create_table(&Client::new(&sdk_config(&first.endpoint_url()))).await?;
    drop(first);

    let second = TableServer::start(&path, port)?;
    let client = Client::new(&sdk_config(&second.endpoint_url()));
    assert_eq!(version(&client, "w").await?, None);
    Ok(())
}

#[tokio::test]
async fn a_failed_condition_cancels_the_whole_transaction() -> Outcome {
    let server = TableServer::start_in_memory(0)?;
    let client = Client::new(&sdk_config(&server.endpoint_url()));
    create_table(&client).await?;
    pair(&client, "w", 1, 0).await?;
    let error = pair(&client, "w", 2, 0).await.err().ok_or("must fail")?;
    let cancelled = error.downcast_ref::<aws_sdk_dynamodb::Error>().ok_or("an SDK error")?;
    assert!(matches!(cancelled, aws_sdk_dynamodb::Error::TransactionCanceledException(_)), "{cancelled:?}");
    assert_eq!(version(&client, "w").await?, Some(1));
    Ok(())
}

/// The engine leaves `synchronous` as SQLite was built, so the build must mean full.
#[test]
fn the_linked_sqlite_syncs_every_commit() -> Outcome {
    let dir = tempfile::tempdir()?;
    let sqlite = rusqlite::Connection::open(dir.path().join("probe.sqlite"))?;
    sqlite.pragma_update(None, "journal_mode", "WAL")?;
    let synchronous: i64 = sqlite.query_row("PRAGMA synchronous", [], |row| row.get(0))?;
    assert_eq!(synchronous, 2, "2 is FULL");
    Ok(())
}

/// Prints what one transaction of a put with an index and a conditional update costs, and how many a second.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "a measurement"]
async fn transactions_a_second() -> Outcome {
    for pairs in [1, 10] {
        let dir = tempfile::tempdir()?;
        let server = TableServer::start(&dir.path().join("table.sqlite"), 0)?;
        let client = Arc::new(Client::new(&sdk_config(&server.endpoint_url())));
        create_table(&client).await?;
        let rounds = 300 / pairs;
        let started = Instant::now();
        let mut tasks = JoinSet::new();
        for task in 0..16 {
            let client = client.clone();
            tasks.spawn(async move {
                for round in 0..rounds {
                    let items = (0..pairs).flat_map(|n| items(&format!("{task}-{n}"), round + 1, round));
                    transact(&client, items.collect()).await.map_err(|e| e.to_string())?;
                }
                Ok::<_, String>(())
            });
        }
        while let Some(done) = tasks.join_next().await {
            done??;
        }
        let took_ms = started.elapsed().as_millis().max(1);
        let total = u128::try_from(16 * rounds)?;
        let a_second = total * 1_000 / took_ms;
        let report = format!(
            "{pairs} pairs: {a_second} transactions/s, {} pairs/s",
            a_second * u128::try_from(pairs)?
        );
        std::io::Write::write_all(&mut std::io::stderr(), format!("{report}\n").as_bytes())?;
    }
    Ok(())
}

async fn pair(client: &Client, wallet: &str, new: i64, old: i64) -> Outcome {
    Ok(transact(client, items(wallet, new, old)).await?)
}

async fn transact(client: &Client, items: Vec<TransactWriteItem>) -> Result<(), aws_sdk_dynamodb::Error> {
    client
        .transact_write_items()
        .set_transact_items(Some(items))
        .return_consumed_capacity(ReturnConsumedCapacity::Indexes)
        .send()
        .await?;
    Ok(())
}

fn items(wallet: &str, new: i64, old: i64) -> Vec<TransactWriteItem> {
    let text = |value: &str| AttributeValue::S(value.to_owned());
    let put = Put::builder()
        .table_name("table")
        .item("PK", text(wallet))
        .item("SK", text(&format!("CHECKOUT#{new:09}")))
        .item("GSI1PK", text("day"))
        .item("GSI1SK", text(&format!("{wallet}#{new}")))
        .item("lines", text(&"x".repeat(400)))
        .condition_expression("attribute_not_exists(PK)");
    let update = Update::builder()
        .table_name("table")
        .key("PK", text(wallet))
        .key("SK", text("WALLET"))
        .update_expression("SET v = :new")
        .condition_expression("attribute_not_exists(v) OR v = :old")
        .expression_attribute_values(":new", AttributeValue::N(new.to_string()))
        .expression_attribute_values(":old", AttributeValue::N(old.to_string()));
    let put = TransactWriteItem::builder().set_put(put.build().ok()).build();
    vec![put, TransactWriteItem::builder().set_update(update.build().ok()).build()]
}

async fn version(client: &Client, wallet: &str) -> Result<Option<i64>, Box<dyn Error>> {
    let key = |value: &str| AttributeValue::S(value.to_owned());
    let request = client.get_item().table_name("table").key("PK", key(wallet)).key("SK", key("WALLET"));
    let item = request.consistent_read(true).send().await?.item;
    let version = item.as_ref().and_then(|item| item.get("v")?.as_n().ok());
    Ok(version.map(|version| version.parse()).transpose()?)
}

async fn create_table(client: &Client) -> Outcome {
    let names = ["PK", "SK", "GSI1PK", "GSI1SK"];
    let attribute = |name: &&str| {
        AttributeDefinition::builder().attribute_name(*name).attribute_type(ScalarAttributeType::S).build()
    };
    let attributes = names.iter().map(attribute).collect::<Result<_, _>>()?;
    let keys = |hash: &str, range: &str| {
        [(hash, KeyType::Hash), (range, KeyType::Range)]
            .map(|(name, kind)| KeySchemaElement::builder().attribute_name(name).key_type(kind).build())
            .into_iter()
            .collect::<Result<Vec<_>, _>>()
    };
    let index = GlobalSecondaryIndex::builder()
        .index_name("GSI1")
        .set_key_schema(Some(keys("GSI1PK", "GSI1SK")?))
        .projection(Projection::builder().projection_type(ProjectionType::All).build())
        .build()?;
    client
        .create_table()
        .table_name("table")
        .billing_mode(BillingMode::PayPerRequest)
        .set_attribute_definitions(Some(attributes))
        .set_key_schema(Some(keys("PK", "SK")?))
        .global_secondary_indexes(index)
        .send()
        .await?;
    Ok(())
}
