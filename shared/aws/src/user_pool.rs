//! Who signs in, as Cognito has them. The table says who may do what; the pool holds passwords.
//!
//! Invariant: nothing here touches a user of another tenant, whatever the name.

use crate::config::PasswordKey;
use crate::failure::Failure;
use crate::retry::{self, Policy};
use crate::seal;
use aws_sdk_cognitoidentityprovider::Client;
use aws_sdk_cognitoidentityprovider::types::{AttributeType, MessageActionType};
use domain::id::{CommandId, TenantId, UserName};
use jiff::SignedDuration;

/// The claim and attribute that names a user's tenant; set once, by whoever creates the user.
pub const TENANT_ATTRIBUTE: &str = "custom:tenant_id";
/// How long a first password is good for, as the pool has it.
pub const FIRST_PASSWORD_LIFETIME: SignedDuration = SignedDuration::from_hours(72);

#[derive(Debug, Clone)]
pub struct UserPool {
    client: Client,
    pool_id: String,
    policy: Policy,
}

/// What the pool has under a name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Entry {
    Nobody,
    /// A user of the tenant who asks.
    Ours {
        is_enabled: bool,
    },
    Anothers,
}

/// How a user of the table should stand in the pool.
#[derive(Debug, Clone, Copy)]
pub struct Target<'a> {
    pub is_enabled: bool,
    /// To be changed at the next sign-in; what a user gets who is not there yet.
    pub first_password: &'a str,
    /// Whether who is there already gets it, too.
    pub is_reset: bool,
}

impl UserPool {
    pub fn new(client: Client, pool_id: String, policy: Policy) -> Self {
        Self { client, pool_id, policy }
    }

    pub async fn find(&self, tenant: &TenantId, name: &UserName) -> Result<Entry, Failure> {
        retry::transient(self.policy, async || {
            let found = self.client.admin_get_user().user_pool_id(&self.pool_id).username(name.as_str());
            let user = match found.send().await {
                Ok(user) => user,
                Err(error) if error.as_service_error().is_some_and(|e| e.is_user_not_found_exception()) => {
                    return Ok(Entry::Nobody);
                }
                Err(error) => return Err(Failure::of_sdk("find a user", error)),
            };
            let is_ours = user.user_attributes().iter().any(|attribute| {
                attribute.name() == TENANT_ATTRIBUTE && attribute.value() == Some(tenant.as_str())
            });
            Ok(if is_ours { Entry::Ours { is_enabled: user.enabled() } } else { Entry::Anothers })
        })
        .await
    }

    /// Brings a user to where they should stand, wherever they stand now, and says what was there before.
    pub async fn set(
        &self,
        tenant: &TenantId,
        name: &UserName,
        target: Target<'_>,
    ) -> Result<Entry, Failure> {
        let entry = self.find(tenant, name).await?;
        let is_enabled = match entry {
            Entry::Anothers => return Ok(entry),
            Entry::Nobody => {
                self.create(tenant, name, target.first_password).await?;
                true
            }
            Entry::Ours { is_enabled } => {
                if target.is_reset {
                    self.give_password(name, target.first_password).await?;
                }
                is_enabled
            }
        };
        if is_enabled != target.is_enabled {
            self.enable(name, target.is_enabled).await?;
        }
        Ok(entry)
    }

    /// Takes away a user that the table does not know.
    pub async fn remove(&self, tenant: &TenantId, name: &UserName) -> Result<(), Failure> {
        if !matches!(self.find(tenant, name).await?, Entry::Ours { .. }) {
            return Ok(());
        }
        retry::transient(self.policy, async || {
            let removed = self.client.admin_delete_user().user_pool_id(&self.pool_id).username(name.as_str());
            match removed.send().await {
                Err(error) if error.as_service_error().is_some_and(|e| e.is_user_not_found_exception()) => {
                    Ok(())
                }
                removed => removed.map(|_| ()).map_err(|error| Failure::of_sdk("remove a user", error)),
            }
        })
        .await
    }

    async fn create(&self, tenant: &TenantId, name: &UserName, password: &str) -> Result<(), Failure> {
        let attribute = AttributeType::builder().name(TENANT_ATTRIBUTE).value(tenant.as_str()).build();
        let attribute = attribute.map_err(|error| Failure::malformed("build a user", error))?;
        // Once: where an answer was lost, the user is found by the next attempt of the command.
        let created = self.client.admin_create_user().user_pool_id(&self.pool_id).username(name.as_str());
        let created = created
            .user_attributes(attribute)
            .temporary_password(password)
            .message_action(MessageActionType::Suppress)
            .send()
            .await;
        match created {
            Err(error) if error.as_service_error().is_some_and(|e| e.is_username_exists_exception()) => {
                Err(Failure::transient("create a user", "somebody else was faster"))
            }
            created => created.map(|_| ()).map_err(|error| Failure::of_sdk("create a user", error)),
        }
    }

    /// Whoever is signed in under the old one is signed out.
    async fn give_password(&self, name: &UserName, password: &str) -> Result<(), Failure> {
        retry::transient(self.policy, async || {
            let given = self.client.admin_set_user_password().user_pool_id(&self.pool_id);
            let given = given.username(name.as_str()).password(password).permanent(false).send().await;
            given.map_err(|error| Failure::of_sdk("give a password", error))?;
            self.sign_out(name).await
        })
        .await
    }

    /// Ends what a user signed in for: refresh tokens fetch no more.
    async fn sign_out(&self, name: &UserName) -> Result<(), Failure> {
        let out = self.client.admin_user_global_sign_out().user_pool_id(&self.pool_id);
        let out = out.username(name.as_str()).send().await;
        out.map(|_| ()).map_err(|error| Failure::of_sdk("sign a user out", error))
    }

    async fn enable(&self, name: &UserName, is_enabled: bool) -> Result<(), Failure> {
        let (pool_id, username, name) = (&self.pool_id, name, name.as_str());
        retry::transient(self.policy, async || {
            if is_enabled {
                let enabled =
                    self.client.admin_enable_user().user_pool_id(pool_id).username(name).send().await;
                enabled.map(|_| ()).map_err(|error| Failure::of_sdk("enable a user", error))
            } else {
                // Disabled, their refresh tokens fetch nothing; enabled again, they would. First, as whoever is
                // disabled is looked at no more.
                self.sign_out(username).await?;
                let disabled =
                    self.client.admin_disable_user().user_pool_id(pool_id).username(name).send().await;
                disabled.map(|_| ()).map_err(|error| Failure::of_sdk("disable a user", error))
            }
        })
        .await
    }
}

/// The first password that a command gives a user: 80 bits that whoever holds the key makes again, so that
/// it is stored nowhere and travels in no message.
pub fn first_password(key: &PasswordKey, name: &UserName, id: CommandId) -> String {
    /// Letters and digits of which no two look alike: no `l`, `o`, `0` or `1`.
    const ALPHABET: &[u8; 32] = b"abcdefghijkmnpqrstuvwxyz23456789";
    /// Of 5 bits each.
    const CHARACTERS: usize = 16;
    // No name can hold the `#`, so no two users read the same.
    let digest = seal::digest(key.as_bytes(), &[format!("{name}#{id}").as_bytes()]);
    let letters = digest.iter().take(CHARACTERS).map(|byte| char::from(ALPHABET[usize::from(byte % 32)]));
    let letters: Vec<_> = letters.collect();
    letters.chunks(4).map(|group| group.iter().collect::<String>()).collect::<Vec<_>>().join("-")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_first_password_is_one_users_of_one_command() {
        let password = |key: u8, name: &str, id: &str| {
            first_password(&PasswordKey::new([key; 32]), &name.parse().unwrap(), id.parse().unwrap())
        };
        let id = "01900000-0000-7000-8000-000000000000";
        let one = password(1, "acme.ann", id);
        assert_eq!(one.len(), 19);
        assert_eq!(one, password(1, "acme.ann", id));
        let others = [
            password(2, "acme.ann", id),
            password(1, "acme.bob", id),
            password(1, "acme.ann", "01900000-0000-7000-8000-000000000001"),
        ];
        assert!(!others.contains(&one));
    }
}
