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

mod digits;
mod ed25519;
mod error;
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
mod tolerance;

use http::{HeaderMap, Method};

pub use self::ed25519::Ed25519;
pub use self::error::{SignError, VerifyError};
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
pub use self::timestamp::{TimestampRule, TimestampSource};
pub use self::token::{Token, TokenPlace};
pub use self::tolerance::{Tolerance, Unit};

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
