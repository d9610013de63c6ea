//! Connections of who listens, as API Gateway keeps them: what is posted to one is sent down to its client.

use crate::failure::Failure;
use crate::retry::{self, Policy};
use aws_sdk_apigatewaymanagement::Client;
use aws_sdk_apigatewaymanagement::operation::delete_connection::DeleteConnectionError;
use aws_sdk_apigatewaymanagement::operation::post_to_connection::PostToConnectionError;
use aws_sdk_apigatewaymanagement::primitives::Blob;

#[derive(Debug, Clone)]
pub struct Connections {
    client: Client,
    policy: Policy,
}

/// What became of something that was posted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Posted {
    Taken,
    /// There is no such connection any more.
    Gone,
}

impl Connections {
    pub fn new(client: Client, policy: Policy) -> Self {
        Self { client, policy }
    }

    pub async fn post(&self, connection: &str, text: &str) -> Result<Posted, Failure> {
        retry::transient(self.policy, async || {
            let post = self.client.post_to_connection().connection_id(connection);
            match post.data(Blob::new(text.as_bytes())).send().await {
                Ok(_) => Ok(Posted::Taken),
                Err(error)
                    if error.as_service_error().is_some_and(PostToConnectionError::is_gone_exception) =>
                {
                    Ok(Posted::Gone)
                }
                Err(error) => Err(Failure::of_sdk("post to a connection", error)),
            }
        })
        .await
    }

    /// Ends a connection, if it is there.
    pub async fn end(&self, connection: &str) -> Result<(), Failure> {
        retry::transient(self.policy, async || {
            match self.client.delete_connection().connection_id(connection).send().await {
                Ok(_) => Ok(()),
                Err(error)
                    if error.as_service_error().is_some_and(DeleteConnectionError::is_gone_exception) =>
                {
                    Ok(())
                }
                Err(error) => Err(Failure::of_sdk("end a connection", error)),
            }
        })
        .await
    }
}
