//! The scheme `hmac`.

use std::borrow::Cow;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::mac::Algorithm;
use super::message::{self, Part};
use super::signature::{Candidates, Encoding, Format};
use super::timestamp::{TimestampRule, TimestampSource};
use super::{Draft, Header, Secret, SignError, Signed, VerifyError};
use crate::event::Timestamp;

/// The provider signs parts of the request with a shared secret. The signature is in a header.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Hmac {
    pub(super) algorithm: Algorithm,
    pub(super) header: Header,
    encoding: Encoding,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    prefix: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    separator: Option<String>,
    #[serde(default, skip_serializing_if = "SecretEncoding::is_raw")]
    secret_encoding: SecretEncoding,
    pub(super) signed: Vec<Part>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) timestamp: Option<TimestampRule>,
}

/// How the secret encodes the key.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum SecretEncoding {
    /// The secret is the key.
    #[default]
    Raw,
    /// Padded base64.
    Base64,
    /// Padded base64 after `whsec_`. As in the libraries of Standard Webhooks the prefix may be left out; some consoles show
    /// the key with the version of its signatures in front, `v1,whsec_`.
    Whsec,
}

impl SecretEncoding {
    const fn is_raw(&self) -> bool {
        matches!(self, Self::Raw)
    }

    /// Decodes the key, or says what was expected.
    pub(super) fn key(self, secret: &Secret) -> Result<Cow<'_, [u8]>, &'static str> {
        let shared = secret.shared()?;
        let text = match self {
            Self::Raw => return Ok(Cow::Borrowed(shared)),
            Self::Base64 => Some(shared),
            Self::Whsec => {
                let key = shared.strip_prefix(b"v1,").unwrap_or(shared).strip_prefix(b"whsec_");
                Some(key.unwrap_or(shared))
            }
        };
        match text.and_then(|text| STANDARD.decode(text).ok()) {
            Some(key) if !key.is_empty() => Ok(Cow::Owned(key)),
            _ => Err(match self {
                Self::Whsec => "expected padded base64 after `whsec_`, or alone",
                Self::Raw | Self::Base64 => "expected padded base64",
            }),
        }
    }
}

impl Hmac {
    pub(super) fn check(&self) -> Result<(), String> {
        if self.separator.as_deref() == Some("") {
            return Err("`separator` is empty".to_owned());
        }
        message::check(&self.signed, self.timestamp.as_ref())
    }

    pub(super) fn verify(&self, secrets: &[Secret], request: &Signed<'_>, now: Timestamp) -> Result<(), VerifyError> {
        let value = self.header.only(request.headers)?;
        let timestamp = match &self.timestamp {
            Some(rule) => rule.in_headers(request, value, self.separator().unwrap_or(","), now)?,
            None => None,
        };
        let candidates = Candidates::read(&self.header, value, &self.format())?;
        let mut refused = VerifyError::NoSecret;
        for secret in secrets {
            let Ok(key) = self.secret_encoding.key(secret) else { continue };
            let tag = self.algorithm.tag(&key, |sink| message::feed(&self.signed, request, timestamp, sink))?;
            if candidates.contains(tag.as_bytes()) {
                return self.timestamp.as_ref().map_or(Ok(()), |rule| rule.in_body(request.body, now));
            }
            refused = VerifyError::Mismatch;
        }
        Err(refused)
    }

    pub(super) fn accepts_secret(&self, secret: &Secret) -> Result<(), &'static str> {
        self.secret_encoding.key(secret).map(drop)
    }

    /// The headers of a signed request. Signed headers whose content the recipe does not define get a fresh id.
    pub(super) fn sign(
        &self,
        secret: &Secret,
        draft: &Draft<'_>,
        now: Timestamp,
    ) -> Result<Vec<(String, String)>, SignError> {
        let body = draft.body;
        let key =
            self.secret_encoding.key(secret).map_err(|expected| SignError::Secret { expected: expected.into() })?;
        let time = self.timestamp.as_ref().map(|rule| rule.unit.of(now).to_string()).unwrap_or_default();
        let mut sent: Vec<(String, String)> = Vec::new();
        if let Some(rule) = &self.timestamp {
            rule.in_body(body, now).map_err(SignError::Body)?;
            if let TimestampSource::Header(header) = &rule.from {
                sent.push((header.as_str().to_owned(), time.clone()));
            }
        }
        for part in &self.signed {
            if let Part::Header(header) = part
                && !sent.iter().any(|(name, _)| name == header.as_str())
            {
                sent.push((header.as_str().to_owned(), Uuid::now_v7().to_string()));
            }
        }
        let tag = self.algorithm.tag(&key, |sink| {
            for part in &self.signed {
                match part {
                    Part::Body => sink(body),
                    Part::Timestamp => sink(time.as_bytes()),
                    Part::Literal(text) => sink(text.as_bytes()),
                    Part::Header(header) => {
                        let value = sent.iter().find(|(name, _)| name == header.as_str());
                        sink(value.map_or(&[][..], |(_, value)| value.as_bytes()));
                    }
                }
            }
            Ok::<(), SignError>(())
        })?;
        let signature = format!("{}{}", self.prefix(), self.encoding.encode(tag.as_bytes()));
        let value = match self.timestamp.as_ref().map(|rule| &rule.from) {
            Some(TimestampSource::ListKey(key)) => {
                format!("{key}={time}{}{signature}", self.separator().unwrap_or(","))
            }
            _ => signature,
        };
        sent.push((self.header.as_str().to_owned(), value));
        Ok(sent)
    }

    fn format(&self) -> Format<'_> {
        Format {
            separator: self.separator(),
            prefix: self.prefix(),
            encoding: self.encoding,
            length: self.algorithm.length(),
        }
    }

    fn prefix(&self) -> &str {
        self.prefix.as_deref().unwrap_or_default()
    }

    /// The separator of the list. A header with a timestamp entry is a list even if the recipe names no separator.
    fn separator(&self) -> Option<&str> {
        let is_list = matches!(self.timestamp, Some(TimestampRule { from: TimestampSource::ListKey(_), .. }));
        self.separator.as_deref().or(is_list.then_some(","))
    }
}
