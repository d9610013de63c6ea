//! The MD5 sums that SQS answers with, which some clients compare with their own.
//! They guard against a damaged transfer and nothing else.

use ::md5::{Digest, Md5};

use super::message::{Attributes, Scalar, hex};

/// How SQS marks a value's kind.
const TEXT: u8 = 1;
const BINARY: u8 = 2;

pub(super) fn of_body(body: &str) -> String {
    hex(&Md5::digest(body.as_bytes()))
}

/// `None` without attributes, where SQS leaves the field out.
pub(super) fn of_attributes(attributes: &Attributes) -> Option<String> {
    if attributes.is_empty() {
        return None;
    }
    let mut hash = Md5::new();
    // Sorted by name, as a BTreeMap is.
    for (name, attribute) in attributes {
        add(&mut hash, name.as_bytes());
        add(&mut hash, attribute.data_type.as_bytes());
        let (kind, value) = match &attribute.value {
            Scalar::Text(text) => (TEXT, text.as_bytes()),
            Scalar::Binary(bytes) => (BINARY, bytes.as_slice()),
        };
        hash.update([kind]);
        add(&mut hash, value);
    }
    Some(hex(&hash.finalize()))
}

fn add(hash: &mut Md5, bytes: &[u8]) {
    // Lengths are bounded by MESSAGE_MAX_BYTES, so they fit.
    hash.update(u32::try_from(bytes.len()).unwrap_or(u32::MAX).to_be_bytes());
    hash.update(bytes);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fifo::AttributeValue;

    /// The sum was made with another implementation of the encoding that AWS documents.
    #[test]
    fn attributes_are_summed_in_order_of_name() {
        let attribute = |data_type: &str, value| AttributeValue { data_type: data_type.into(), value };
        let attributes = Attributes::from([
            ("raw".to_owned(), attribute("Binary", Scalar::Binary(vec![0, 255]))),
            ("kind".to_owned(), AttributeValue::text("checkout")),
            ("count".to_owned(), attribute("Number", Scalar::Text("3".into()))),
        ]);
        assert_eq!(of_attributes(&attributes).as_deref(), Some("8d26dcfe0b4acdf15a4e589714ffcf8f"));
        assert_eq!(of_attributes(&Attributes::new()), None);
    }
}
