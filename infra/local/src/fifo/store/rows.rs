//! One SQL statement for each kind of change, and one query for each kind of row.
//! Messages and duplicates are found by key alone; nothing here reads a table on the hot path.

use std::collections::BTreeMap;
use std::sync::Arc;

use rusqlite::{Connection, Params, Row, params};

use super::StoreError;
use crate::fifo::{Attributes, Change, Content, Delivery, First, Key, Sent, Stored};

pub(super) fn write(db: &Connection, change: &Change) -> Result<(), StoreError> {
    match change {
        Change::Counter { seed, next } => {
            run(db, "INSERT OR REPLACE INTO counter VALUES (1, ?1, ?2)", params![seed, next])
        }
        Change::PutQueue { id, name, settings } => {
            let settings = serde_json::to_string(settings)?;
            run(db, "INSERT OR REPLACE INTO queues VALUES (?1, ?2, ?3)", params![id, name, settings])
        }
        Change::PutTopic { id, name, settings } => {
            let settings = serde_json::to_string(settings)?;
            run(db, "INSERT OR REPLACE INTO topics VALUES (?1, ?2, ?3)", params![id, name, settings])
        }
        Change::PutSubscription { id, topic, queue, filter_policy } => {
            let row = params![id, topic, queue, filter_policy];
            run(db, "INSERT OR REPLACE INTO subscriptions VALUES (?1, ?2, ?3, ?4)", row)
        }
        Change::DropQueue { id } => {
            run(db, "DELETE FROM queues WHERE id = ?1", [id])?;
            run(db, "DELETE FROM messages WHERE queue = ?1", [id])?;
            run(db, "DELETE FROM duplicates WHERE owner = ?1", [id])
        }
        Change::PurgeQueue { id } => run(db, "DELETE FROM messages WHERE queue = ?1", [id]),
        Change::DropTopic { id } => {
            run(db, "DELETE FROM topics WHERE id = ?1", [id])?;
            run(db, "DELETE FROM subscriptions WHERE topic = ?1", [id])?;
            run(db, "DELETE FROM duplicates WHERE owner = ?1", [id])
        }
        Change::DropSubscription { id } => run(db, "DELETE FROM subscriptions WHERE id = ?1", [id]),
        Change::AddMessage { queue, message } => add_message(db, *queue, message),
        Change::MarkMessage { position, delivery } => mark_message(db, *position, delivery),
        Change::DropMessage { position } => run(db, "DELETE FROM messages WHERE position = ?1", [position]),
        Change::Remember { owner, key, first } => remember(db, *owner, key, first),
        Change::Forget { owner, until_ms } => {
            run(db, "DELETE FROM duplicates WHERE owner = ?1 AND expires_ms <= ?2", [owner, until_ms])
        }
    }
}

/// All rows, topics and queues before what belongs to them.
pub(super) fn read(db: &Connection) -> Result<Vec<Change>, StoreError> {
    let mut rows = select(db, "SELECT seed, next FROM counter", |row| {
        Ok(Change::Counter { seed: row.get(0)?, next: row.get(1)? })
    })?;
    rows.extend(select(db, "SELECT id, name, settings FROM queues", |row| {
        let settings = serde_json::from_str(&row.get::<_, String>(2)?)?;
        Ok(Change::PutQueue { id: row.get(0)?, name: row.get(1)?, settings })
    })?);
    rows.extend(select(db, "SELECT id, name, settings FROM topics", |row| {
        let settings = serde_json::from_str(&row.get::<_, String>(2)?)?;
        Ok(Change::PutTopic { id: row.get(0)?, name: row.get(1)?, settings })
    })?);
    rows.extend(select(db, "SELECT id, topic, queue, filter_policy FROM subscriptions", |row| {
        let (id, topic, queue, filter_policy) = (row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?);
        Ok(Change::PutSubscription { id, topic, queue, filter_policy })
    })?);
    rows.extend(read_messages(db)?);
    let duplicates = "SELECT owner, expires_ms, group_id, id, message_id, sequence FROM duplicates";
    rows.extend(select(db, duplicates, |row| {
        let key = Key { group_id: row.get(2)?, id: row.get(3)? };
        let sent = Sent { message_id: row.get(4)?, sequence: row.get(5)? };
        Ok(Change::Remember { owner: row.get(0)?, key, first: First { expires_ms: row.get(1)?, sent } })
    })?);
    Ok(rows)
}

fn add_message(db: &Connection, queue: i64, message: &Stored) -> Result<(), StoreError> {
    let Stored { position, message_id, content, sent_ms, source, delivery } = message;
    let Content { body, group_id, deduplication_id, attributes } = content.as_ref();
    let Delivery { receive_count, first_received_ms, hidden_until_ms } = delivery;
    let attributes = serde_json::to_string(attributes)?;
    run(
        db,
        "INSERT INTO messages VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12)",
        params![
            position,
            queue,
            receive_count,
            first_received_ms,
            hidden_until_ms,
            sent_ms,
            message_id,
            group_id,
            deduplication_id,
            source,
            attributes,
            body
        ],
    )
}

fn mark_message(db: &Connection, position: i64, delivery: &Delivery) -> Result<(), StoreError> {
    let Delivery { receive_count, first_received_ms, hidden_until_ms } = delivery;
    run(
        db,
        "UPDATE messages SET receive_count = ?2, first_received_ms = ?3, hidden_until_ms = ?4
         WHERE position = ?1",
        params![position, receive_count, first_received_ms, hidden_until_ms],
    )
}

fn remember(db: &Connection, owner: i64, key: &Key, first: &First) -> Result<(), StoreError> {
    let First { expires_ms, sent } = first;
    run(
        db,
        "INSERT INTO duplicates VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
        params![owner, expires_ms, key.group_id, key.id, sent.message_id, sent.sequence],
    )
}

fn read_messages(db: &Connection) -> Result<Vec<Change>, StoreError> {
    let columns = "SELECT position, queue, receive_count, first_received_ms, hidden_until_ms, sent_ms,
        message_id, group_id, deduplication_id, source, attributes, body FROM messages";
    // Fan-out shares one content among queues; a restart reads one for each, which compares equal.
    select(db, columns, |row| {
        let attributes: Attributes = serde_json::from_str::<BTreeMap<_, _>>(&row.get::<_, String>(10)?)?;
        let content =
            Content { body: row.get(11)?, group_id: row.get(7)?, deduplication_id: row.get(8)?, attributes };
        let delivery = Delivery {
            receive_count: row.get(2)?,
            first_received_ms: row.get(3)?,
            hidden_until_ms: row.get(4)?,
        };
        let message = Stored {
            position: row.get(0)?,
            message_id: row.get(6)?,
            content: Arc::new(content),
            sent_ms: row.get(5)?,
            source: row.get(9)?,
            delivery,
        };
        Ok(Change::AddMessage { queue: row.get(1)?, message })
    })
}

fn run(db: &Connection, sql: &str, row: impl Params) -> Result<(), StoreError> {
    db.prepare_cached(sql)?.execute(row)?;
    Ok(())
}

fn select(
    db: &Connection,
    sql: &str,
    make: impl Fn(&Row<'_>) -> Result<Change, StoreError>,
) -> Result<Vec<Change>, StoreError> {
    let mut statement = db.prepare_cached(sql)?;
    let mut rows = statement.query([])?;
    let mut made = Vec::new();
    while let Some(row) = rows.next()? {
        made.push(make(row)?);
    }
    Ok(made)
}
