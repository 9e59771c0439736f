//! Why a request is refused, or cannot be signed. The text never contains anything computed from a secret.

use thiserror::Error;

use super::tolerance::Tolerance;

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
