//! The secrets of the measured channels, and the environment variables that the gateway reads them from.

use ed25519_dalek::SigningKey;

use crate::webhook;

/// The variable with the secret of the channel `github`.
pub(crate) const GITHUB_VARIABLE: &str = "BENCH_GITHUB_SECRET";

/// The secret of every other channel, in a form that all schemes accept.
pub(crate) const CHANNEL: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

/// The variable with [`CHANNEL`].
pub(crate) const CHANNEL_VARIABLE: &str = "BENCH_CHANNEL_SECRET";

/// The variable with the public key of [`provider_key`], for channels whose secret is one.
pub(crate) const PUBLIC_KEY_VARIABLE: &str = "BENCH_CHANNEL_PUBLIC_KEY";

/// The environment of every measured gateway.
pub(crate) fn environment() -> [(&'static str, String); 3] {
    [
        (GITHUB_VARIABLE, webhook::SECRET.to_owned()),
        (CHANNEL_VARIABLE, CHANNEL.to_owned()),
        (PUBLIC_KEY_VARIABLE, hex::encode(provider_key().verifying_key().as_bytes())),
    ]
}

/// Signs for providers that keep a private key.
pub(crate) fn provider_key() -> SigningKey {
    SigningKey::from_bytes(&[7; 32])
}
