use serde::{Deserialize, Serialize};

use super::{Ed25519, Hmac, Secret, SignError, Signed, StandardWebhooks, Token, VerifyError, standard_webhooks};
use crate::event::Timestamp;

/// One way to check a request, in the shape of a manifest's `verification`.
///
/// Reading one checks its shape; [`super::Recipe::new`] checks that its keys fit together.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "scheme", rename_all = "kebab-case", try_from = "Written")]
pub enum Scheme {
    /// A shared secret signs parts of the request.
    Hmac(Hmac),
    /// The provider's private key does.
    Ed25519(Ed25519),
    /// The request carries the secret.
    Token(Token),
    /// The Standard Webhooks specification.
    StandardWebhooks(StandardWebhooks),
}

/// Every scheme that can be written in a manifest, also the one the host does not know how to check.
#[derive(Deserialize)]
#[serde(tag = "scheme", rename_all = "kebab-case")]
enum Written {
    Hmac(Hmac),
    Ed25519(Ed25519),
    Token(Token),
    StandardWebhooks(StandardWebhooks),
    Jwt(serde::de::IgnoredAny),
}

impl TryFrom<Written> for Scheme {
    type Error = &'static str;

    fn try_from(written: Written) -> Result<Self, Self::Error> {
        match written {
            Written::Hmac(scheme) => Ok(Self::Hmac(scheme)),
            Written::Ed25519(scheme) => Ok(Self::Ed25519(scheme)),
            Written::Token(scheme) => Ok(Self::Token(scheme)),
            Written::StandardWebhooks(scheme) => Ok(Self::StandardWebhooks(scheme)),
            Written::Jwt(_) => Err("the scheme `jwt` is not supported yet"),
        }
    }
}

impl Scheme {
    /// The word for it in a manifest.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Hmac(_) => "hmac",
            Self::Ed25519(_) => "ed25519",
            Self::Token(_) => "token",
            Self::StandardWebhooks(_) => "standard-webhooks",
        }
    }

    /// Whether the keys fit together, and if not, why.
    pub(super) fn check(&self) -> Result<(), String> {
        match self {
            Self::Hmac(scheme) => scheme.check(),
            Self::Ed25519(scheme) => scheme.check(),
            Self::Token(scheme) => scheme.check(),
            Self::StandardWebhooks(_) => Ok(()),
        }
    }

    pub(super) fn verify(&self, secrets: &[Secret], request: &Signed<'_>, now: Timestamp) -> Result<(), VerifyError> {
        match self {
            Self::Hmac(scheme) => scheme.verify(secrets, request, now),
            Self::Ed25519(scheme) => scheme.verify(secrets, request, now),
            Self::Token(scheme) => scheme.verify(secrets, request),
            Self::StandardWebhooks(scheme) => scheme.verify(secrets, request, now),
        }
    }

    pub(super) fn hides_header(&self, name: &str) -> bool {
        match self {
            Self::Hmac(scheme) => name.eq_ignore_ascii_case(scheme.header.as_str()),
            Self::Ed25519(scheme) => name.eq_ignore_ascii_case(scheme.header.as_str()),
            Self::Token(scheme) => scheme.hidden_header().is_some_and(|hidden| name.eq_ignore_ascii_case(hidden)),
            Self::StandardWebhooks(_) => StandardWebhooks::is_signature_header(&name.to_ascii_lowercase()),
        }
    }

    pub(super) fn hidden_parameter(&self) -> Option<&str> {
        match self {
            Self::Token(scheme) => scheme.hidden_parameter(),
            Self::Hmac(_) | Self::Ed25519(_) | Self::StandardWebhooks(_) => None,
        }
    }

    pub(super) fn accepts_secret(&self, secret: &Secret) -> Result<(), &'static str> {
        match self {
            Self::Hmac(scheme) => scheme.accepts_secret(secret),
            Self::Ed25519(_) => Ed25519::accepts_secret(secret),
            Self::Token(scheme) => scheme.accepts_secret(secret),
            Self::StandardWebhooks(_) => StandardWebhooks::accepts_secret(secret),
        }
    }

    pub(super) fn sign(
        &self,
        secret: &Secret,
        body: &[u8],
        now: Timestamp,
    ) -> Result<Vec<(String, String)>, SignError> {
        match self {
            Self::Hmac(scheme) => scheme.sign(secret, body, now),
            Self::Ed25519(_) => Err(SignError::Unsupported { schemes: self.name().to_owned() }),
            Self::Token(scheme) => scheme.sign(secret),
            Self::StandardWebhooks(_) => {
                let id = format!("msg_{}", uuid::Uuid::now_v7().simple());
                let headers = standard_webhooks::sign(secret, &id, now, body)?;
                Ok(headers.into_iter().map(|(name, value)| (name.to_owned(), value)).collect())
            }
        }
    }
}
