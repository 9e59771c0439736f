//! Failures of verification and signing. Their texts never contain anything derived from a secret.

use thiserror::Error;

use super::tolerance::Tolerance;

/// Why a request is refused. The text is safe to show to the caller.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum VerifyError {
    /// The request lacks something that the recipe requires.
    #[error("{what} is missing")]
    Missing {
        /// The header, parameter or member.
        what: String,
    },
    /// A header or parameter occurs more than once.
    #[error("{what} is given more than once")]
    Duplicate {
        /// The header or parameter.
        what: String,
    },
    /// A value does not have the form that the recipe requires.
    #[error("{what} is malformed, expected {expected}")]
    Malformed {
        /// The header, parameter or member.
        what: String,
        /// What was expected.
        expected: &'static str,
    },
    /// The timestamp is too old, or too far in the future.
    #[error("the timestamp is more than {tolerance} away from this host's clock")]
    Stale {
        /// The tolerance of the recipe.
        tolerance: Tolerance,
    },
    /// The signature or token matches none of the secrets.
    #[error("the signature or token does not match")]
    Mismatch,
    /// The signature of a token is valid, but a claim is not.
    #[error("the claim `{name}` of the token is refused, expected {expected}")]
    Claim {
        /// The claim.
        name: &'static str,
        /// What was expected.
        expected: &'static str,
    },
    /// No configured secret fits the recipe.
    #[error("no usable secret is configured")]
    NoSecret,
}

impl VerifyError {
    /// How far the verification came. Of several alternatives the one that came farthest is reported.
    pub(super) const fn progress(&self) -> u8 {
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
    /// The host cannot sign for any alternative of the recipe.
    #[error("expected a recipe that the host can sign for, found only `{schemes}`")]
    Unsupported {
        /// The schemes of the recipe.
        schemes: String,
    },
    /// The provider signs with a private key; only the public one is configured.
    #[error("cannot sign for `{scheme}`: the secret is a public key; only the provider has the private key")]
    PrivateKey {
        /// The scheme.
        scheme: &'static str,
    },
    /// The secret does not have the form that the scheme requires.
    #[error("the secret does not fit: {expected}")]
    Secret {
        /// What was expected.
        expected: String,
    },
    /// The id is not valid in a signed message.
    #[error("expected an id of visible ASCII characters without `.`, found `{id}`")]
    Id {
        /// The rejected id.
        id: String,
    },
    /// The body has no timestamp to sign, or a stale one.
    #[error("the body does not fit: {0}")]
    Body(#[source] VerifyError),
}
