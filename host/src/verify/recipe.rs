//! The alternatives that a request is verified with.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::{Draft, Scheme, Secret, SignError, Signed, VerifyError, query, strength};
use crate::event::Timestamp;

/// The maximum number of alternatives: each one can cost a signature per request.
const MAX_ALTERNATIVES: usize = 8;

/// The verification of a channel. A request passes if one alternative passes; without alternatives every request does.
///
/// Every scheme is consistent, and no public key can be mistaken for a shared secret.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Vec<Scheme>", into = "Vec<Scheme>")]
pub struct Recipe(Vec<Scheme>);

/// Why a list of alternatives is not valid.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum RecipeError {
    /// Too many alternatives.
    #[error("expected at most 8 alternatives, found {found}")]
    TooMany {
        /// The number of alternatives.
        found: usize,
    },
    /// A scheme with a public key beside one with a shared secret: the key would pass as that secret.
    #[error("expected `{public}` without `{shared}`: its public key would pass as a shared secret")]
    PublicKeyAsSecret {
        /// The scheme with a public key.
        public: &'static str,
        /// The other scheme.
        shared: &'static str,
    },
    /// The keys of an alternative do not fit together.
    #[error("alternative {number}, `{scheme}`: {problem}")]
    Invalid {
        /// Counted from 1.
        number: usize,
        /// Its scheme.
        scheme: &'static str,
        /// What is wrong.
        problem: String,
    },
}

impl Recipe {
    /// A recipe of these alternatives. An empty list makes it open, as in a manifest.
    pub fn new(schemes: Vec<Scheme>) -> Result<Self, RecipeError> {
        if schemes.len() > MAX_ALTERNATIVES {
            return Err(RecipeError::TooMany { found: schemes.len() });
        }
        for (index, scheme) in schemes.iter().enumerate() {
            scheme.check().map_err(|problem| RecipeError::Invalid {
                number: index + 1,
                scheme: scheme.name(),
                problem,
            })?;
        }
        let public = schemes.iter().find(|scheme| scheme.has_public_key());
        let shared = schemes.iter().find(|scheme| !scheme.has_public_key());
        match (public, shared) {
            (Some(public), Some(shared)) => {
                Err(RecipeError::PublicKeyAsSecret { public: public.name(), shared: shared.name() })
            }
            _ => Ok(Self(schemes)),
        }
    }

    /// The recipe that passes every request.
    pub const fn open() -> Self {
        Self(Vec::new())
    }

    /// Whether every request passes.
    pub fn is_open(&self) -> bool {
        self.0.is_empty()
    }

    /// The alternatives, in the order of the manifest.
    pub fn schemes(&self) -> &[Scheme] {
        &self.0
    }

    /// Passes if one alternative passes with one of the secrets. Otherwise returns the failure that came closest.
    ///
    /// Costs at most one signature of the body per alternative and secret, or four with a public key of Standard Webhooks.
    pub fn verify(&self, secrets: &[Secret], request: &Signed<'_>, now: Timestamp) -> Result<(), VerifyError> {
        if self.is_open() {
            return Ok(());
        }
        let mut closest = VerifyError::NoSecret;
        if secrets.is_empty() {
            return Err(closest);
        }
        for scheme in &self.0 {
            match scheme.verify(secrets, request, now) {
                Ok(()) => return Ok(()),
                Err(failure) if failure.progress() > closest.progress() => closest = failure,
                Err(_) => {}
            }
        }
        Err(closest)
    }

    /// Whether a header carries a credential or signature. Plugins never get such a header, and nothing stores it.
    pub fn hides_header(&self, name: &str) -> bool {
        self.0.iter().any(|scheme| scheme.hides_header(name))
    }

    /// The query without parameters that are credentials.
    pub fn strip_query<'a>(&self, query: &'a str) -> Cow<'a, str> {
        let is_credential =
            |name: &[u8]| self.0.iter().filter_map(Scheme::hidden_parameter).any(|hidden| hidden.as_bytes() == name);
        query::without(query, is_credential)
    }

    /// Whether this recipe is weaker than `other`: a sign that a plugin was swapped for one with a weaker verification.
    ///
    /// An open recipe is weaker than any other. Otherwise a recipe is weaker if one of its alternatives is not at least as
    /// strong as some alternative of `other`: token, then HMAC-SHA-1, then all other signatures; not covering the body,
    /// having no timestamp or tolerating an older one make a scheme weaker.
    pub fn is_weaker_than(&self, other: &Self) -> bool {
        strength::is_weaker(&self.0, &other.0)
    }

    /// The headers that make `draft` a valid request now, for the first alternative that the host can sign with this secret.
    ///
    /// The host cannot sign if the secret is a public key, because only the provider has the private one, or if the token is in
    /// the query.
    pub fn sign(&self, secret: &Secret, draft: &Draft<'_>, now: Timestamp) -> Result<Vec<(String, String)>, SignError> {
        if self.is_open() {
            return Ok(Vec::new());
        }
        let mut first_failure = None;
        for scheme in &self.0 {
            let signed = match scheme.accepts_secret(secret) {
                Ok(()) => scheme.sign(secret, draft, now),
                Err(expected) => Err(SignError::Secret { expected: expected.to_owned() }),
            };
            match signed {
                Ok(headers) => return Ok(headers),
                Err(SignError::Unsupported { .. }) => {}
                Err(failure) => first_failure = first_failure.or(Some(failure)),
            }
        }
        Err(first_failure.unwrap_or_else(|| {
            let schemes: Vec<_> = self.0.iter().map(Scheme::name).collect();
            SignError::Unsupported { schemes: schemes.join("`, `") }
        }))
    }

    /// Whether at least one alternative can use the secret; otherwise what they expect of it. Never shows the secret.
    pub fn accepts_secret(&self, secret: &Secret) -> Result<(), String> {
        let mut problems = Vec::new();
        for scheme in &self.0 {
            match scheme.accepts_secret(secret) {
                Ok(()) => return Ok(()),
                Err(expected) => problems.push(format!("`{}` {expected}", scheme.name())),
            }
        }
        if problems.is_empty() { Ok(()) } else { Err(problems.join("; ")) }
    }
}

impl TryFrom<Vec<Scheme>> for Recipe {
    type Error = RecipeError;

    fn try_from(schemes: Vec<Scheme>) -> Result<Self, Self::Error> {
        Self::new(schemes)
    }
}

impl From<Recipe> for Vec<Scheme> {
    fn from(recipe: Recipe) -> Self {
        recipe.0
    }
}
