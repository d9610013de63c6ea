//! The table of a simulation: an embedded DynamoDB in memory, asked in the wire's own JSON.
//! Every call is one step: nothing else runs while it does.

use aws::items::{self, Item};
use aws::keys::Key;
use aws::table::REVISION;
use aws_sdk_dynamodb::primitives::Blob;
use aws_sdk_dynamodb::types::AttributeValue;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use local::table::engine::{Engine as Table, Reply};
use serde_json::{Map, Value, json};

pub const TABLE_NAME: &str = "pos-sim";

#[derive(Debug)]
pub struct TableModel(Table);

impl TableModel {
    pub fn new() -> Self {
        Self(Table::in_memory().expect("a database in memory"))
    }

    /// Carries out one operation.
    pub fn answer(&self, operation: &str, body: &str) -> Reply {
        let (status, answer) = self.0.answer(operation, body.as_bytes());
        let is_ours =
            !["UnknownOperation", "SerializationException"].iter().any(|kind| answer.contains(kind));
        assert!(status == 200 || is_ours, "{operation} is no operation of ours: {answer}");
        (status, answer)
    }

    /// The table and its index, as the templates make them.
    pub fn create(&self) {
        let key = |name, kind| json!({ "AttributeName": name, "KeyType": kind });
        let text = |name| json!({ "AttributeName": name, "AttributeType": "S" });
        let request = json!({
            "TableName": TABLE_NAME,
            "BillingMode": "PAY_PER_REQUEST",
            "AttributeDefinitions": [text("PK"), text("SK"), text("GSI1PK"), text("GSI1SK")],
            "KeySchema": [key("PK", "HASH"), key("SK", "RANGE")],
            "GlobalSecondaryIndexes": [{
                "IndexName": "GSI1",
                "KeySchema": [key("GSI1PK", "HASH"), key("GSI1SK", "RANGE")],
                "Projection": { "ProjectionType": "ALL" },
            }],
        });
        let (status, answer) = self.answer("CreateTable", &request.to_string());
        assert_eq!(status, 200, "{answer}");
    }

    /// Every item of a partition, as one step.
    pub fn partition(&self, pk: &str) -> Vec<Item> {
        let query = json!({
            "TableName": TABLE_NAME,
            "KeyConditionExpression": "PK = :pk",
            "ExpressionAttributeValues": { ":pk": { "S": pk } },
            "ConsistentRead": true,
        });
        let (status, answer) = self.answer("Query", &query.to_string());
        assert_eq!(status, 200, "{answer}");
        let mut answer: Value = serde_json::from_str(&answer).unwrap();
        assert!(answer["LastEvaluatedKey"].is_null(), "a partition of a simulation fits one page");
        let Value::Array(items) = answer["Items"].take() else { panic!("a query answers items") };
        items.into_iter().map(item_of).collect()
    }

    /// What stands under a key.
    pub fn get(&self, key: &Key) -> Option<Item> {
        let key = key.to_string();
        let (pk, sk) = key.split_once(' ').expect("both parts of a key");
        let get = json!({
            "TableName": TABLE_NAME,
            "Key": { "PK": { "S": pk }, "SK": { "S": sk } },
            "ConsistentRead": true,
        });
        let (status, answer) = self.answer("GetItem", &get.to_string());
        assert_eq!(status, 200, "{answer}");
        let mut answer: Value = serde_json::from_str(&answer).unwrap();
        answer.get_mut("Item").map(|item| item_of(item.take()))
    }

    /// Puts an item as an administrator's tool would, over whatever is there.
    pub fn put(&self, item: &Item) {
        let put = json!({ "TableName": TABLE_NAME, "Item": json_of(item) });
        let (status, answer) = self.answer("PutItem", &put.to_string());
        assert_eq!(status, 200, "{answer}");
    }

    /// The same in place of what stands there, so that whoever read that before sees the difference.
    pub fn replace(&self, key: &Key, mut item: Item) {
        if let Some(stored) = self.get(key) {
            let revision = items::revision(&stored).unwrap() + 1;
            item.insert(REVISION.to_owned(), AttributeValue::N(revision.to_string()));
        }
        self.put(&item);
    }
}

pub fn item_of(json: Value) -> Item {
    let Value::Object(attributes) = json else { panic!("an item is an object") };
    attributes.into_iter().map(|(name, value)| (name, attribute_of(value))).collect()
}

fn attribute_of(json: Value) -> AttributeValue {
    let Value::Object(tagged) = json else { panic!("a value is an object") };
    let (tag, value) = tagged.into_iter().next().expect("a tag");
    match (tag.as_str(), value) {
        ("S", Value::String(text)) => AttributeValue::S(text),
        ("N", Value::String(number)) => AttributeValue::N(number),
        ("B", Value::String(bytes)) => AttributeValue::B(Blob::new(STANDARD.decode(bytes).unwrap())),
        ("BOOL", Value::Bool(value)) => AttributeValue::Bool(value),
        ("NULL", _) => AttributeValue::Null(true),
        ("M", value @ Value::Object(_)) => AttributeValue::M(item_of(value)),
        ("L", Value::Array(values)) => AttributeValue::L(values.into_iter().map(attribute_of).collect()),
        ("SS", Value::Array(texts)) => {
            AttributeValue::Ss(texts.iter().map(|text| text.as_str().expect("a text").to_owned()).collect())
        }
        (tag, value) => panic!("no attribute of ours: {tag} {value}"),
    }
}

fn json_of(item: &Item) -> Value {
    let attributes = item.iter().map(|(name, value)| (name.clone(), attribute_json(value)));
    Value::Object(attributes.collect::<Map<_, _>>())
}

fn attribute_json(value: &AttributeValue) -> Value {
    match value {
        AttributeValue::S(text) => json!({ "S": text }),
        AttributeValue::N(number) => json!({ "N": number }),
        AttributeValue::B(bytes) => json!({ "B": STANDARD.encode(bytes) }),
        AttributeValue::Bool(value) => json!({ "BOOL": value }),
        AttributeValue::Null(_) => json!({ "NULL": true }),
        AttributeValue::M(item) => json!({ "M": json_of(item) }),
        AttributeValue::L(values) => json!({ "L": values.iter().map(attribute_json).collect::<Vec<_>>() }),
        AttributeValue::Ss(texts) => json!({ "SS": texts }),
        other => panic!("no attribute of ours: {other:?}"),
    }
}
