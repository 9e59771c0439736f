//! Secrets that the host adds to requests, so that no plugin ever holds one.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::header::AUTHORIZATION;
use http::{HeaderName, HeaderValue};

use crate::event::Timestamp;
use crate::verify::{Secret, standard_webhooks};

use super::error::EgressError;
use super::grant::Grant;

/// A secret that the host adds to requests that name it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Credential {
    pub kind: CredentialKind,
    pub secret: Secret,
    /// More secrets that sign as well, for `StandardWebhooks`: during a rotation the receiver knows one of them.
    pub further: Vec<Secret>,
    /// Where it may go.
    pub hosts: Vec<Grant>,
}

/// How a credential is added to a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CredentialKind {
    /// `Authorization: Bearer <secret>`.
    Bearer,
    /// `Authorization: Basic <secret in base64>`; the secret is `user:password`.
    Basic,
    /// A header of this name.
    Header(HeaderName),
    /// Three headers that sign the body, after the Standard Webhooks specification.
    StandardWebhooks,
}

impl Credential {
    /// The headers that it adds to a request with this body.
    pub(super) fn headers(&self, id: &str, body: &[u8]) -> Result<Vec<(HeaderName, HeaderValue)>, EgressError> {
        let secret = self.secret.expose();
        let text = |bytes: &[u8]| {
            let mut value = HeaderValue::from_bytes(bytes)
                .map_err(|_| EgressError::Denied("the credential has characters that no header can hold".to_owned()))?;
            value.set_sensitive(true);
            Ok(value)
        };
        match &self.kind {
            CredentialKind::Bearer => Ok(vec![(AUTHORIZATION, text(&[b"Bearer ", secret].concat())?)]),
            CredentialKind::Basic => {
                Ok(vec![(AUTHORIZATION, text(format!("Basic {}", STANDARD.encode(secret)).as_bytes())?)])
            }
            CredentialKind::Header(name) => Ok(vec![(name.clone(), text(secret)?)]),
            CredentialKind::StandardWebhooks => {
                let secrets: Vec<_> = std::iter::once(&self.secret).chain(&self.further).collect();
                let signed = standard_webhooks::sign(&secrets, id, Timestamp::now(), body)
                    .map_err(|error| EgressError::Denied(format!("cannot sign: {error}")))?;
                signed
                    .into_iter()
                    .map(|(name, value)| Ok((HeaderName::from_static(name), text(value.as_bytes())?)))
                    .collect()
            }
        }
    }
}
