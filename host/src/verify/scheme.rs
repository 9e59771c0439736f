//! One way to verify a request.

use serde::{Deserialize, Serialize};

use super::{
    Draft, Ed25519, Hmac, Jwt, Secret, SignError, Signed, StandardWebhooks, Token, VerifyError, standard_webhooks,
};
use crate::event::Timestamp;

/// One way to verify a request, in the form of a manifest's `verification`.
///
/// Parsing checks the form; [`super::Recipe::new`] checks that the keys fit together.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "scheme", rename_all = "kebab-case")]
pub enum Scheme {
    /// A shared secret signs parts of the request.
    Hmac(Hmac),
    /// The provider signs parts of the request with a private key.
    Ed25519(Ed25519),
    /// The request carries the secret.
    Token(Token),
    /// The Standard Webhooks specification.
    StandardWebhooks(StandardWebhooks),
    /// A JSON Web Token.
    Jwt(Jwt),
}

impl Scheme {
    /// The name in a manifest.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Hmac(_) => "hmac",
            Self::Ed25519(_) => "ed25519",
            Self::Token(_) => "token",
            Self::StandardWebhooks(_) => "standard-webhooks",
            Self::Jwt(_) => "jwt",
        }
    }

    /// Checks that the keys fit together.
    pub(super) fn check(&self) -> Result<(), String> {
        match self {
            Self::Hmac(scheme) => scheme.check(),
            Self::Ed25519(scheme) => scheme.check(),
            Self::Token(scheme) => scheme.check(),
            Self::StandardWebhooks(_) => Ok(()),
            Self::Jwt(scheme) => scheme.check(),
        }
    }

    pub(super) fn verify(&self, secrets: &[Secret], request: &Signed<'_>, now: Timestamp) -> Result<(), VerifyError> {
        match self {
            Self::Hmac(scheme) => scheme.verify(secrets, request, now),
            Self::Ed25519(scheme) => scheme.verify(secrets, request, now),
            Self::Token(scheme) => scheme.verify(secrets, request),
            Self::StandardWebhooks(scheme) => scheme.verify(secrets, request, now),
            Self::Jwt(scheme) => scheme.verify(secrets, request, now),
        }
    }

    pub(super) fn hides_header(&self, name: &str) -> bool {
        match self {
            Self::Hmac(scheme) => name.eq_ignore_ascii_case(scheme.header.as_str()),
            Self::Ed25519(scheme) => name.eq_ignore_ascii_case(scheme.header.as_str()),
            Self::Token(scheme) => scheme.hidden_header().is_some_and(|hidden| name.eq_ignore_ascii_case(hidden)),
            Self::StandardWebhooks(_) => StandardWebhooks::is_signature_header(&name.to_ascii_lowercase()),
            Self::Jwt(scheme) => name.eq_ignore_ascii_case(scheme.header.as_str()),
        }
    }

    pub(super) fn hidden_parameter(&self) -> Option<&str> {
        match self {
            Self::Token(scheme) => scheme.hidden_parameter(),
            Self::Jwt(scheme) => scheme.query.as_deref(),
            Self::Hmac(_) | Self::Ed25519(_) | Self::StandardWebhooks(_) => None,
        }
    }

    pub(super) fn accepts_secret(&self, secret: &Secret) -> Result<(), &'static str> {
        match self {
            Self::Hmac(scheme) => scheme.accepts_secret(secret),
            Self::Ed25519(_) => Ed25519::accepts_secret(secret),
            Self::Token(scheme) => scheme.accepts_secret(secret),
            Self::StandardWebhooks(_) => StandardWebhooks::accepts_secret(secret),
            Self::Jwt(scheme) => scheme.accepts_secret(secret),
        }
    }

    /// Whether its secrets are public keys.
    pub(super) const fn has_public_key(&self) -> bool {
        match self {
            Self::Ed25519(_) => true,
            Self::Jwt(scheme) => scheme.algorithm.has_public_key(),
            Self::Hmac(_) | Self::Token(_) | Self::StandardWebhooks(_) => false,
        }
    }

    pub(super) fn sign(
        &self,
        secret: &Secret,
        draft: &Draft<'_>,
        now: Timestamp,
    ) -> Result<Vec<(String, String)>, SignError> {
        match self {
            Self::Hmac(scheme) => scheme.sign(secret, draft, now),
            Self::Ed25519(_) => Err(SignError::PrivateKey { scheme: self.name() }),
            Self::Token(scheme) => scheme.sign(secret),
            Self::StandardWebhooks(_) => {
                let new = || format!("msg_{}", uuid::Uuid::now_v7().simple());
                let id = draft.id.map_or_else(new, str::to_owned);
                let headers = standard_webhooks::sign(&[secret], &id, now, draft.body)?;
                Ok(headers.into_iter().map(|(name, value)| (name.to_owned(), value)).collect())
            }
            Self::Jwt(scheme) => scheme.sign(secret, draft, now),
        }
    }
}
