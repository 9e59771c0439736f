//! Webhooks for the channel `github`.

use hmac::{Hmac, Mac};
use sha2::Sha256;

/// The secret of the channel `github`.
pub(crate) const SECRET: &str = "It's a Secret to Everybody";

/// The path of the channel `github`.
pub(crate) const PATH: &str = "/webhooks/github";

/// A webhook in GitHub's format.
#[derive(Clone, Debug)]
pub(crate) struct Webhook {
    pub(crate) delivery: String,
    pub(crate) signature: String,
    pub(crate) body: Vec<u8>,
}

impl Webhook {
    /// An opened issue, signed.
    pub(crate) fn issue(delivery: &str, number: usize) -> Self {
        let body = format!(
            r#"{{"action":"opened","issue":{{"number":{number},"title":"It boils"}},"repository":{{"full_name":"octo-org/kettle"}}}}"#
        );
        Self::signed(delivery, body.into_bytes())
    }

    /// Any body, signed.
    pub(crate) fn signed(delivery: &str, body: Vec<u8>) -> Self {
        let mut mac = Hmac::<Sha256>::new_from_slice(SECRET.as_bytes()).unwrap();
        mac.update(&body);
        let signature = format!("sha256={}", hex::encode(mac.finalize().into_bytes()));
        Self { delivery: delivery.to_owned(), signature, body }
    }

    pub(crate) fn headers(&self) -> [(&str, &str); 4] {
        [
            ("content-type", "application/json"),
            ("x-github-event", "issues"),
            ("x-github-delivery", &self.delivery),
            ("x-hub-signature-256", &self.signature),
        ]
    }
}
