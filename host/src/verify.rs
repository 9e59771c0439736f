//! Verification of requests: the host runs the recipe of a manifest.
//!
//! The module knows schemes, not providers. It reads the bytes as received and changes nothing.
//!
//! # Promises
//! 1. Only a secret makes a request pass: an empty, short or malformed signature never matches, an empty secret cannot exist.
//! 2. A recipe with a timestamp refuses a request without one; there is no fallback to a weaker check.
//! 3. A header that affects the result must be given once, or the request is refused.
//! 4. The time of a comparison does not depend on the secret.
//! 5. A [`VerifyError`] never contains anything derived from a secret.
//!
//! Deliberately absent: replay detection. A repeat within the tolerance passes here.

mod digits;
mod ed25519;
mod error;
mod header;
mod hmac;
mod jwt;
mod mac;
mod message;
mod pointer;
mod probe;
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
pub use self::jwt::{IssuedToken, Jwt, JwtAlgorithm, KeySet, KeySetError, TokenRefusal};
pub use self::mac::Algorithm;
pub use self::message::Part;
pub use self::probe::Probe;
pub use self::recipe::{Recipe, RecipeError};
pub use self::scheme::Scheme;
pub use self::secret::{EmptySecret, Secret};
pub use self::signature::Encoding;
pub use self::standard_webhooks::StandardWebhooks;
pub use self::timestamp::{TimestampRule, TimestampSource};
pub use self::token::{Token, TokenPlace};
pub use self::tolerance::{Tolerance, Unit};

/// The parts of a request that verification reads.
#[derive(Clone, Copy, Debug)]
pub struct Signed<'a> {
    /// Its method.
    pub method: &'a Method,
    /// The whole path as received, undecoded.
    pub path: &'a str,
    /// All headers, as received.
    pub headers: &'a HeaderMap,
    /// The query without `?`, undecoded; may be empty.
    pub query: &'a str,
    /// The body as received, not decoded.
    pub body: &'a [u8],
}

/// A request before it is signed.
#[derive(Clone, Copy, Debug)]
pub struct Draft<'a> {
    /// Its method.
    pub method: &'a Method,
    /// The whole path, undecoded.
    pub path: &'a str,
    /// The query without `?`, undecoded; may be empty.
    pub query: &'a str,
    /// The message id, if there is one; Standard Webhooks signs it.
    pub id: Option<&'a str>,
    /// The body, as it will be sent.
    pub body: &'a [u8],
}
