//! Tokens of an issuer, for callers: verified with the keys that it publishes, or with a shared secret.

use http::{HeaderMap, Method};

use super::algorithm::JwtAlgorithm;
use super::compact::Compact;
use super::key_set::KeySet;
use super::{Jwt, authorization, bearer, tag};
use crate::event::Timestamp;
use crate::verify::tolerance::Tolerance;
use crate::verify::{Secret, Signed, VerifyError};

/// What a token of an issuer must be like. It is in `Authorization: Bearer`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IssuedToken {
    /// The value of the claim `iss`.
    pub issuer: String,
    /// The value of the claim `aud`, or of one of its elements.
    pub audience: String,
    /// The accepted algorithms; never empty.
    pub algorithms: Vec<JwtAlgorithm>,
    /// The tolerated difference of the clocks.
    pub tolerance: Tolerance,
}

/// Why a token is refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TokenRefusal {
    /// The token names a key that is not known: the issuer may have a new one.
    UnknownKey,
    /// Another key would not help.
    Invalid(VerifyError),
}

impl IssuedToken {
    /// Checks the token of a request with these headers. `keys` are those of the issuer, as far as they are known.
    pub fn verify(
        &self,
        headers: &HeaderMap,
        keys: Option<&KeySet>,
        secrets: &[Secret],
        now: Timestamp,
    ) -> Result<(), TokenRefusal> {
        let request = Signed { method: &Method::POST, path: "/", headers, query: "", body: &[] };
        let scheme = self.scheme();
        let text = scheme.token(&request).map_err(TokenRefusal::Invalid)?;
        let malformed = |expected| TokenRefusal::Invalid(scheme.malformed(expected));
        let token = Compact::read(&text).ok_or_else(|| malformed("a JSON Web Token"))?;
        let algorithm = self.algorithms.iter().find(|algorithm| algorithm.name() == token.algorithm);
        let algorithm = *algorithm.ok_or_else(|| malformed("an algorithm of the caller"))?;
        let passes = if algorithm.has_public_key() {
            let known =
                keys.and_then(|keys| keys.verifies(algorithm, token.key.as_deref(), token.signed, &token.signature));
            known.ok_or(TokenRefusal::UnknownKey)?
        } else {
            let mut shared = secrets.iter().filter_map(|secret| secret.shared().ok());
            shared.any(|key| tag(key, token.signed).matches(&token.signature))
        };
        if !passes {
            return Err(TokenRefusal::Invalid(VerifyError::Mismatch));
        }
        scheme.check_claims(&token, &request, now).map_err(TokenRefusal::Invalid)
    }

    /// The scheme of channels with the same claims. Its algorithm does not count.
    fn scheme(&self) -> Jwt {
        Jwt {
            algorithm: JwtAlgorithm::Rs256,
            header: authorization(),
            prefix: bearer(),
            query: None,
            query_hash: false,
            base_path: None,
            issuer: Some(self.issuer.clone()),
            audience: Some(self.audience.clone()),
            tolerance: self.tolerance,
        }
    }

    /// Whether a header has the token.
    pub fn hides_header(name: &str) -> bool {
        name == authorization().as_str()
    }
}
