use std::borrow::Cow;

use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::{Draft, Scheme, Secret, SignError, Signed, VerifyError, query, strength};
use crate::event::Timestamp;

/// More alternatives than this would let one request cost many signatures.
const MAX_ALTERNATIVES: usize = 8;

/// What a channel asks of a request: it passes when one of the alternatives does. Without alternatives it is open.
///
/// Every scheme in it is consistent, and no public key can be taken for a shared secret.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Vec<Scheme>", into = "Vec<Scheme>")]
pub struct Recipe(Vec<Scheme>);

/// Why alternatives do not make a recipe.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum RecipeError {
    /// There are too many of them.
    #[error("expected at most 8 alternatives, found {found}")]
    TooMany {
        /// How many.
        found: usize,
    },
    /// A scheme with a public key stands beside one with a shared secret: the key would pass as that secret.
    #[error("expected `{public}` without `{shared}`: its public key would pass as a shared secret")]
    PublicKeyAsSecret {
        /// The scheme with a public key.
        public: &'static str,
        /// The other scheme.
        shared: &'static str,
    },
    /// The keys of one do not fit together.
    #[error("alternative {number}, `{scheme}`: {problem}")]
    Invalid {
        /// Which, counting from 1.
        number: usize,
        /// Its scheme.
        scheme: &'static str,
        /// What is wrong.
        problem: String,
    },
}

impl Recipe {
    /// A recipe of these alternatives; none at all make it open, as in a manifest.
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

    /// The recipe that lets everything pass.
    pub const fn open() -> Self {
        Self(Vec::new())
    }

    /// Whether everything passes.
    pub fn is_open(&self) -> bool {
        self.0.is_empty()
    }

    /// The alternatives, in the order of the manifest.
    pub fn schemes(&self) -> &[Scheme] {
        &self.0
    }

    /// Passes when one alternative does with one of the secrets; otherwise the failure that came closest.
    ///
    /// Costs at most one signature of the body for every alternative and secret; with a public key of Standard Webhooks, four.
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

    /// Whether a header, by name in any case, carries a credential or a signature: plugins never see it, nothing keeps it.
    pub fn hides_header(&self, name: &str) -> bool {
        self.0.iter().any(|scheme| scheme.hides_header(name))
    }

    /// The query without the parameters used as a credential.
    pub fn strip_query<'a>(&self, query: &'a str) -> Cow<'a, str> {
        let is_credential =
            |name: &[u8]| self.0.iter().filter_map(Scheme::hidden_parameter).any(|hidden| hidden.as_bytes() == name);
        query::without(query, is_credential)
    }

    /// Whether this recipe lets pass what `other` would ask more of: the mark of a plugin swapped for one that opens a door.
    ///
    /// An open recipe is weaker than any other. Otherwise a recipe is weaker when one of its alternatives is not at least as
    /// strong as some alternative of `other`: token, then HMAC-SHA-1, then all other signatures; not covering the body,
    /// having no timestamp or tolerating an older one make a scheme weaker.
    pub fn is_weaker_than(&self, other: &Self) -> bool {
        strength::is_weaker(&self.0, &other.0)
    }

    /// Headers that make `draft` a correct request now, by the first alternative the host can sign for with this secret.
    ///
    /// It cannot where the secret is a public key (the private one is the provider's), and for a token in the query, which is
    /// not a header.
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

    /// Whether at least one alternative can use the secret; if not, what they expected of it. Never shows the secret.
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
