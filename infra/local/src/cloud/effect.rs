//! Which operations change what must outlive the process.
//!
//! Invariant: an operation not named here is a change, so one forgotten costs a file write, never data.

/// What an operation does to saved state.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Effect {
    /// Changes nothing that is saved.
    None,
    /// Saved before it is answered.
    Change,
    /// Not served.
    Refused,
}

/// Signing in is `None`: it issues tokens that verify without any state (refresh tokens too), and notes
/// failed attempts, the lockout after them and open challenges. Those a kill forgets.
/// Signing up is refused: users are made by administrators, as in the pool on AWS.
pub(super) fn cognito(operation: &str) -> Effect {
    match operation {
        "InitiateAuth" | "AdminInitiateAuth" => Effect::None,
        "AdminGetUser" | "AdminListGroupsForUser" | "DescribeUserPool" | "DescribeUserPoolClient" => {
            Effect::None
        }
        "GetGroup" | "GetSigningCertificate" | "GetUser" | "GetUserPoolMfaConfig" => Effect::None,
        "ListGroups" | "ListTagsForResource" | "ListUserPoolClients" | "ListUserPools" => Effect::None,
        "ListUsers" | "ListUsersInGroup" => Effect::None,
        "SignUp" => Effect::Refused,
        _ => Effect::Change,
    }
}

pub(super) fn s3(operation: &str) -> Effect {
    match operation {
        "GetObject" | "GetObjectAttributes" | "HeadObject" | "SelectObjectContent" => Effect::None,
        "GetBucketLocation" | "GetBucketNotificationConfiguration" | "GetBucketVersioning" => Effect::None,
        "HeadBucket" | "ListBuckets" | "ListMultipartUploads" | "ListParts" => Effect::None,
        "ListObjects" | "ListObjectsV2" | "ListObjectVersions" => Effect::None,
        _ => Effect::Change,
    }
}
