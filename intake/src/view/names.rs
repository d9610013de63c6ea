//! Stable names that clients tell things apart by, each list as the API's description has it.

use crate::problem;
use domain::event::EventKind;
use domain::import::{CONTENT_TYPES, Reason};
use domain::{admin, booking, checkout};
use std::borrow::Cow;
use std::collections::BTreeSet;
use strum::VariantNames;
use utoipa::openapi::schema::{ObjectBuilder, Type};
use utoipa::openapi::{RefOr, Schema};
use utoipa::{PartialSchema, ToSchema};

macro_rules! names {
    ($(#[doc = $doc:literal])+ $list:ident = $names:expr) => {
        $(#[doc = $doc])+
        pub struct $list;

        impl PartialSchema for $list {
            fn schema() -> RefOr<Schema> {
                let text = ObjectBuilder::new().schema_type(Type::String).enum_values(Some($names));
                text.description(Some([$($doc),+].join("\n").trim())).into()
            }
        }

        impl ToSchema for $list {
            fn name() -> Cow<'static, str> {
                stringify!($list).into()
            }
        }
    };
}

names!(
    /// The types of events, as envelopes have them.
    EventType = EventKind::ALL.map(EventKind::as_str)
);

names!(
    /// Why the business refuses a sale, a booking or a change.
    RejectionType = BTreeSet::from_iter(
        [checkout::Rejection::VARIANTS, booking::Rejection::VARIANTS, admin::Rejection::VARIANTS].concat()
    )
);

names!(
    /// What a file of an import may call itself; what it is, is looked at.
    ImportContentType = CONTENT_TYPES
);

names!(
    /// Why a file is refused.
    ImportRefusalType = Reason::VARIANTS.iter().copied()
);

names!(
    /// What is wrong with a request, or with the world while it is served.
    ProblemType = problem::types()
);
