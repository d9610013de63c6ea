//! Which operations change what must outlive the process, and how buckets are made.
//!
//! Invariant: an operation not named here is a change, so one forgotten costs a file write, never data.

use serde_json::{Value, json};

/// What an operation does to saved state.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Effect {
    /// Changes nothing that is saved.
    None,
    /// Saved before it is answered.
    Change,
    /// Not served; answered with this error code.
    Refused(&'static str),
}

/// What is particular to one service.
#[derive(Clone, Copy)]
pub(super) struct Rules {
    pub(super) effect: fn(&str) -> Effect,
    /// An operation to carry out after a successful one, before the change is saved.
    pub(super) and_then: fn(&str, &Value) -> Option<(&'static str, Value)>,
}

pub(super) const COGNITO: Rules = Rules { effect: cognito, and_then: |_, _| None };

/// Every bucket is versioned from the start: the emulator deletes the body of an object that is overwritten
/// in any other, and a version's body, once written, never changes under the saved state.
pub(super) const S3: Rules = Rules {
    effect: s3,
    and_then: |operation, input| {
        let status = json!({ "Bucket": input["Bucket"], "Status": "Enabled" });
        (operation == "CreateBucket").then_some(("PutBucketVersioning", status))
    },
};

/// Signing in is `None`: it issues tokens that verify without any state (refresh tokens too), and notes
/// failed attempts, the lockout after them and open challenges. Those a kill forgets.
/// Signing up is refused: users are made by administrators, as in the pool on AWS.
fn cognito(operation: &str) -> Effect {
    match operation {
        "InitiateAuth" | "AdminInitiateAuth" => Effect::None,
        "AdminGetUser" | "AdminListGroupsForUser" | "DescribeUserPool" | "DescribeUserPoolClient" => {
            Effect::None
        }
        "GetGroup" | "GetSigningCertificate" | "GetUser" | "GetUserPoolMfaConfig" => Effect::None,
        "ListGroups" | "ListTagsForResource" | "ListUserPoolClients" | "ListUserPools" => Effect::None,
        "ListUsers" | "ListUsersInGroup" => Effect::None,
        "SignUp" => Effect::Refused("NotAuthorizedException"),
        _ => Effect::Change,
    }
}

fn s3(operation: &str) -> Effect {
    match operation {
        "GetObject" | "GetObjectAttributes" | "HeadObject" | "SelectObjectContent" => Effect::None,
        "GetBucketLocation" | "GetBucketNotificationConfiguration" | "GetBucketVersioning" => Effect::None,
        "HeadBucket" | "ListBuckets" | "ListMultipartUploads" | "ListParts" => Effect::None,
        "PutBucketVersioning" => Effect::Refused("AccessDenied"),
        "ListObjects" | "ListObjectsV2" | "ListObjectVersions" => Effect::None,
        _ => Effect::Change,
    }
}
