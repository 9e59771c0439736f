//! Whether a request comes from its provider: the recipes of the manifests, carried out by the host.
//!
//! The module knows schemes, never providers. It sees the bytes as they were received and changes nothing.
//!
//! # Promises
//! 1. Passing takes a secret: an empty, short or undecodable signature never matches, an empty secret does not exist.
//! 2. A recipe with a timestamp refuses a request without one; there is no fallback to asking less.
//! 3. A header that decides anything is given once, or the request is refused.
//! 4. Comparisons take a time that does not depend on the secret.
//! 5. What a caller is told ([`VerifyError`]) never contains anything computed from a secret.
//!
//! Absent: any memory of requests seen before (a repeat within the tolerance passes here).

mod ed25519;
mod header;
mod hmac;
mod jwt;
mod mac;
mod message;
mod pointer;
mod query;
mod recipe;
mod refresh_timestamp;
mod scheme;
mod secret;
mod signature;
pub mod standard_webhooks;
mod strength;
#[cfg(test)]
mod tests;
mod timestamp;
mod token;

use http::{HeaderMap, Method};
use thiserror::Error;

pub use self::ed25519::Ed25519;
pub use self::header::Header;
pub use self::hmac::{Hmac, SecretEncoding};
pub use self::jwt::{Jwt, JwtAlgorithm};
pub use self::mac::Algorithm;
pub use self::message::Part;
pub use self::recipe::{Recipe, RecipeError};
pub use self::scheme::Scheme;
pub use self::secret::{EmptySecret, Secret};
pub use self::signature::Encoding;
pub use self::standard_webhooks::StandardWebhooks;
pub use self::timestamp::{TimestampRule, TimestampSource, Tolerance, Unit};
pub use self::token::{Token, TokenPlace};

/// What of a request a verification looks at.
#[derive(Clone, Copy, Debug)]
pub struct Signed<'a> {
    /// Its method.
    pub method: &'a Method,
    /// The whole path as received, undecoded.
    pub path: &'a str,
    /// All headers as received.
    pub headers: &'a HeaderMap,
    /// The query without `?`, undecoded; empty when there is none.
    pub query: &'a str,
    /// The body as received, before any decoding.
    pub body: &'a [u8],
}

/// A request before it is signed.
#[derive(Clone, Copy, Debug)]
pub struct Draft<'a> {
    /// Its method.
    pub method: &'a Method,
    /// The whole path, undecoded.
    pub path: &'a str,
    /// The query without `?`, undecoded; empty when there is none.
    pub query: &'a str,
    /// The message's id, when it has one: Standard Webhooks signs it.
    pub id: Option<&'a str>,
    /// The body as it will be sent.
    pub body: &'a [u8],
}

/// Why a request is refused. The text is safe to show to the caller.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum VerifyError {
    /// The request lacks what the recipe asks for.
    #[error("{what} is missing")]
    Missing {
        /// The header, parameter or member that is not there.
        what: String,
    },
    /// A header or parameter that must be given once is there several times.
    #[error("{what} is given more than once")]
    Duplicate {
        /// The header or parameter.
        what: String,
    },
    /// Something is there and is not of the form the recipe asks for.
    #[error("{what} is malformed, expected {expected}")]
    Malformed {
        /// The header, parameter or member.
        what: String,
        /// What it should have been.
        expected: &'static str,
    },
    /// The timestamp is too old, or too far in the future.
    #[error("the timestamp is more than {tolerance} away from this host's clock")]
    Stale {
        /// What the recipe allows.
        tolerance: Tolerance,
    },
    /// The signature or token is not one that any of the secrets gives.
    #[error("the signature or token does not match")]
    Mismatch,
    /// The signature of a token matches, and what it says does not hold.
    #[error("the claim `{name}` of the token is refused, expected {expected}")]
    Claim {
        /// The claim.
        name: &'static str,
        /// What it should have been.
        expected: &'static str,
    },
    /// No secret is configured that the recipe can use.
    #[error("no usable secret is configured")]
    NoSecret,
}

impl VerifyError {
    /// How far the request came: of several alternatives, the one that came farthest is worth reporting.
    const fn progress(&self) -> u8 {
        match self {
            Self::NoSecret => 0,
            Self::Missing { .. } => 1,
            Self::Duplicate { .. } | Self::Malformed { .. } => 2,
            Self::Stale { .. } => 3,
            Self::Mismatch => 4,
            Self::Claim { .. } => 5,
        }
    }
}

/// Why a request cannot be signed.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum SignError {
    /// No alternative of the recipe is one the host can sign for.
    #[error("expected a recipe that the host can sign for, found only `{schemes}`")]
    Unsupported {
        /// The schemes of the recipe.
        schemes: String,
    },
    /// The provider signs with a private key, and what is configured is the public one.
    #[error("cannot sign for `{scheme}`: the secret is a public key, and the private one is the provider's")]
    PrivateKey {
        /// The scheme.
        scheme: &'static str,
    },
    /// The secret has another form than the scheme needs.
    #[error("the secret does not fit: {expected}")]
    Secret {
        /// What was expected.
        expected: String,
    },
    /// The id cannot be part of a signed message.
    #[error("expected an id of visible ASCII characters without `.`, found `{id}`")]
    Id {
        /// The id that was given.
        id: String,
    },
    /// The body lacks a timestamp the host could sign, or carries a stale one.
    #[error("the body does not fit: {0}")]
    Body(#[source] VerifyError),
}
