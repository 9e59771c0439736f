//! The scheme `jwt`: JSON Web Tokens (RFC 7515, 7519) in compact form, with the algorithm of the recipe.
//!
//! A token cannot influence its own verification: `alg` must be the one of the recipe, and `kid`, `jku` and `jwk` are ignored.
//! Instead of looking up the key of an issuer, all secrets of the channel are tried, which also allows rotation. A token proves
//! who sent a request, and with `query_hash` for which request line; it never proves the body.

mod algorithm;
mod compact;
mod issuer;
mod key;
mod key_set;
mod query_hash;

use std::borrow::Cow;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

pub use self::algorithm::JwtAlgorithm;
use self::compact::{Audience, Claims, Compact};
pub use self::issuer::{IssuedToken, TokenRefusal};
use self::key::PublicKey;
pub use self::key_set::{KeySet, KeySetError};
use super::mac::Algorithm;
use super::tolerance::{Tolerance, Unit};
use super::{Draft, Header, Secret, SignError, Signed, VerifyError, query};
use crate::event::Timestamp;

/// A signed token in a header or a query parameter.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Jwt {
    pub(super) algorithm: JwtAlgorithm,
    #[serde(default = "authorization")]
    pub(super) header: Header,
    #[serde(default = "bearer")]
    prefix: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) query: Option<String>,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(super) query_hash: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    base_path: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) issuer: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) audience: Option<String>,
    #[serde(default = "one_minute")]
    pub(super) tolerance: Tolerance,
}

/// The lifetime in seconds of a token that the host signs.
const LIFETIME: i64 = 180;

fn authorization() -> Header {
    Header::from_static("authorization")
}

fn bearer() -> String {
    "Bearer ".to_owned()
}

const fn one_minute() -> Tolerance {
    Tolerance::ONE_MINUTE
}

impl Jwt {
    pub(super) fn check(&self) -> Result<(), String> {
        if self.query.as_deref() == Some("") {
            return Err("`query` is empty".to_owned());
        }
        match &self.base_path {
            Some(_) if !self.query_hash => Err("`base_path` needs `query_hash`".to_owned()),
            Some(path) if !path.starts_with('/') || path.ends_with('/') => {
                Err(format!("`base_path` expected a path such as `/gateway`, found `{path}`"))
            }
            _ => Ok(()),
        }
    }

    pub(super) fn verify(&self, secrets: &[Secret], request: &Signed<'_>, now: Timestamp) -> Result<(), VerifyError> {
        let text = self.token(request)?;
        let token = Compact::read(&text).ok_or_else(|| self.malformed("a JSON Web Token"))?;
        if token.algorithm != self.algorithm.name() {
            return Err(self.malformed("the algorithm of the channel"));
        }
        let mut refused = VerifyError::NoSecret;
        for secret in secrets {
            match self.passes(secret, &token) {
                Ok(true) => return self.check_claims(&token, request, now),
                Ok(false) => refused = VerifyError::Mismatch,
                Err(_) => {}
            }
        }
        Err(refused)
    }

    /// Whether the secret verifies the signature, or what was expected of the secret.
    fn passes(&self, secret: &Secret, token: &Compact<'_>) -> Result<bool, &'static str> {
        match self.algorithm {
            JwtAlgorithm::Hs256 => Ok(tag(secret.shared()?, token.signed).matches(&token.signature)),
            JwtAlgorithm::Rs256 | JwtAlgorithm::Es256 => {
                Ok(PublicKey::read(self.algorithm, secret)?.verifies(token.signed, &token.signature))
            }
        }
    }

    /// The text of the token, which must occur exactly once.
    fn token<'a>(&self, request: &Signed<'a>) -> Result<Cow<'a, [u8]>, VerifyError> {
        let in_query = match &self.query {
            Some(name) => query::only(request.query, name)?,
            None => None,
        };
        match in_query {
            Some(_) if self.header.is_in(request.headers) => {
                Err(VerifyError::Duplicate { what: "the token".to_owned() })
            }
            Some(value) => Ok(value),
            None => {
                let value = self.header.only(request.headers)?;
                let (prefix, token) = value
                    .split_at_checked(self.prefix.len())
                    .ok_or_else(|| self.malformed("the prefix and a token"))?;
                if prefix.eq_ignore_ascii_case(self.prefix.as_bytes()) {
                    Ok(Cow::Borrowed(token))
                } else {
                    Err(self.malformed("the prefix and a token"))
                }
            }
        }
    }

    fn malformed(&self, expected: &'static str) -> VerifyError {
        match &self.query {
            None => self.header.malformed(expected),
            Some(_) => VerifyError::Malformed { what: "the token".to_owned(), expected },
        }
    }

    /// Checks the claims of a token with a valid signature.
    fn check_claims(&self, token: &Compact<'_>, request: &Signed<'_>, now: Timestamp) -> Result<(), VerifyError> {
        let claims: Claims = compact::object(&token.claims)
            .ok_or_else(|| self.malformed("claims that are an object with times in whole seconds"))?;
        let (now, tolerance) = (Unit::Seconds.of(now), self.tolerance.seconds());
        let expires = claims.exp.ok_or_else(|| VerifyError::Missing { what: "the claim `exp`".to_owned() })?;
        if expires.saturating_add(tolerance) <= now {
            return Err(VerifyError::Claim { name: "exp", expected: "a time in the future" });
        }
        for (name, time) in [("nbf", claims.nbf), ("iat", claims.iat)] {
            if time.is_some_and(|time| time > now.saturating_add(tolerance)) {
                return Err(VerifyError::Claim { name, expected: "a time that is not in the future" });
            }
        }
        if self.issuer.is_some() && claims.iss != self.issuer {
            return Err(VerifyError::Claim { name: "iss", expected: "the issuer of the channel" });
        }
        if let Some(audience) = &self.audience
            && !claims.aud.is_some_and(|given| given.names(audience))
        {
            return Err(VerifyError::Claim { name: "aud", expected: "the audience of the channel" });
        }
        // Not a secret, so no constant time: anyone can compute the hash from the request.
        if self.query_hash
            && claims.qsh.as_deref() != Some(&*self.hash(request.method.as_str(), request.path, request.query))
        {
            return Err(VerifyError::Claim { name: "qsh", expected: "the hash of this request" });
        }
        Ok(())
    }

    fn hash(&self, method: &str, path: &str, query: &str) -> String {
        let canonical = query_hash::canonical(method, path, query, self.base_path.as_deref(), self.query.as_deref());
        hex::encode(Sha256::digest(canonical))
    }

    pub(super) fn accepts_secret(&self, secret: &Secret) -> Result<(), &'static str> {
        match self.algorithm {
            JwtAlgorithm::Hs256 => secret.shared().map(drop),
            JwtAlgorithm::Rs256 | JwtAlgorithm::Es256 => PublicKey::read(self.algorithm, secret).map(drop),
        }
    }

    pub(super) fn sign(
        &self,
        secret: &Secret,
        draft: &Draft<'_>,
        now: Timestamp,
    ) -> Result<Vec<(String, String)>, SignError> {
        if self.algorithm.has_public_key() {
            return Err(SignError::PrivateKey { scheme: "jwt" });
        }
        let key = secret.shared().map_err(|expected| SignError::Secret { expected: expected.to_owned() })?;
        let time = Unit::Seconds.of(now);
        let claims = Claims {
            iss: self.issuer.clone(),
            aud: self.audience.clone().map(Audience::One),
            iat: Some(time),
            nbf: None,
            exp: Some(time + LIFETIME),
            qsh: self.query_hash.then(|| self.hash(draft.method.as_str(), draft.path, draft.query)),
        };
        let unsigned = compact::unsigned(self.algorithm.name(), &claims);
        let token = compact::join(&unsigned, tag(key, unsigned.as_bytes()).as_bytes());
        Ok(vec![(self.header.as_str().to_owned(), format!("{}{token}", self.prefix))])
    }
}

fn tag(key: &[u8], message: &[u8]) -> super::mac::Tag {
    let feed = |sink: &mut dyn FnMut(&[u8])| {
        sink(message);
        Ok::<(), std::convert::Infallible>(())
    };
    match Algorithm::Sha256.tag(key, feed) {
        Ok(tag) => tag,
    }
}
