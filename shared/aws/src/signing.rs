//! Secrets of webhooks, and what is signed with them: Standard Webhooks 1.0, symmetric.
//!
//! Invariant: a secret is stored nowhere. It is made again from the key, the webhook, and which one it is in
//! order.

use crate::config::WebhookKey;
use crate::seal;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use domain::id::{TenantId, WebhookId};
use jiff::{SignedDuration, Timestamp};

/// How long whoever asked for a secret is shown it.
pub const SECRET_SHOWN: SignedDuration = SignedDuration::from_mins(10);

/// What sender and receiver share.
#[derive(Clone)]
pub struct Secret([u8; 32]);

impl Secret {
    pub fn of(key: &WebhookKey, tenant: &TenantId, webhook: WebhookId, generation: u32) -> Self {
        let of = format!("webhook {tenant}#{webhook}#{generation}");
        Self(seal::digest(key.as_bytes(), &[of.as_bytes()]))
    }

    /// As a receiver's library takes it.
    pub fn text(&self) -> String {
        format!("whsec_{}", STANDARD.encode(self.0))
    }

    /// The signature of a message: `v1,` and the base64 of HMAC-SHA256 over id, seconds and body.
    pub fn sign(&self, id: &str, at: Timestamp, body: &str) -> String {
        let second = at.as_second().to_string();
        let parts = [id, ".", &second, ".", body].map(str::as_bytes);
        let signed = seal::digest(&self.0, &parts);
        format!("v1,{}", STANDARD.encode(signed))
    }
}

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Secret")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The example of the specification's own libraries.
    #[test]
    fn a_signature_is_what_receivers_expect() {
        let mut secret = [0; 32];
        let shared = STANDARD.decode("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw").unwrap();
        secret[..shared.len()].copy_from_slice(&shared);
        // HMAC pads a short key with zeros, so that both are the same.
        let at = Timestamp::from_second(1_614_265_330).unwrap();
        let signature = Secret(secret).sign("msg_p5jXN8AQM9LWM0D4loKWxJek", at, r#"{"test": 2432232314}"#);
        assert_eq!(signature, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
    }

    #[test]
    fn every_webhook_has_secrets_of_its_own() {
        let key = WebhookKey::new([7; 32]);
        let (acme, globex) = ("acme".parse().unwrap(), "globex".parse().unwrap());
        let (one, two) = (
            "01900000-0000-7000-8000-000000000001".parse().unwrap(),
            "01900000-0000-7000-8000-000000000002".parse().unwrap(),
        );
        let secrets = [(&acme, one, 1), (&acme, one, 2), (&acme, two, 1), (&globex, one, 1)]
            .map(|(tenant, webhook, generation)| Secret::of(&key, tenant, webhook, generation).text());
        let distinct: std::collections::BTreeSet<_> = secrets.iter().collect();
        assert_eq!(distinct.len(), secrets.len());
        assert!(secrets.iter().all(|secret| secret.starts_with("whsec_") && secret.len() == 50));
    }
}
