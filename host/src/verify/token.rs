//! The scheme `token`.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::{HeaderName, HeaderValue};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

use super::{Header, Secret, SignError, Signed, VerifyError, query};

const AUTHORIZATION: Header = Header::from_static("authorization");

/// The request carries the secret itself, which does not protect the body.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Token {
    #[serde(rename = "in")]
    pub(super) place: TokenPlace,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    name: Option<String>,
}

/// Where the request carries the secret.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum TokenPlace {
    /// In the header `name`, alone.
    Header,
    /// In `authorization: Bearer`.
    Bearer,
    /// In `authorization: Basic`; the secret is `user:password`.
    Basic,
    /// In the query parameter `name`.
    Query,
}

impl Token {
    /// In `authorization: Bearer`.
    pub const fn in_bearer() -> Self {
        Self { place: TokenPlace::Bearer, name: None }
    }

    /// In `authorization: Basic`; the secret is `user:password`.
    pub const fn in_basic() -> Self {
        Self { place: TokenPlace::Basic, name: None }
    }

    /// In a header, alone.
    pub fn in_header(name: &str) -> Self {
        Self { place: TokenPlace::Header, name: Some(name.to_owned()) }
    }

    pub(super) fn check(&self) -> Result<(), String> {
        match (self.place, &self.name) {
            (TokenPlace::Header, Some(name)) if HeaderName::from_bytes(name.as_bytes()).is_err() => {
                Err(format!("`name` expected a header name, found `{name}`"))
            }
            (TokenPlace::Query, Some(name)) if name.is_empty() => Err("`name` is empty".to_owned()),
            (TokenPlace::Header | TokenPlace::Query, None) => Err("`name` is missing".to_owned()),
            (TokenPlace::Bearer | TokenPlace::Basic, Some(name)) => {
                Err(format!("`name` is not allowed with `bearer` and `basic`, found `{name}`"))
            }
            _ => Ok(()),
        }
    }

    pub(super) fn verify(&self, secrets: &[Secret], request: &Signed<'_>) -> Result<(), VerifyError> {
        match self.place {
            TokenPlace::Header => matches(secrets, self.header()?.only(request.headers)?),
            TokenPlace::Bearer => {
                let value = AUTHORIZATION.only(request.headers)?;
                let token = after_scheme(value, b"bearer");
                matches(secrets, token.ok_or_else(|| AUTHORIZATION.malformed("`Bearer` and a token"))?)
            }
            TokenPlace::Basic => {
                let value = AUTHORIZATION.only(request.headers)?;
                let credential = after_scheme(value, b"basic").and_then(|text| STANDARD.decode(text).ok());
                let malformed = || AUTHORIZATION.malformed("`Basic` and user:password in padded base64");
                matches(secrets, &credential.ok_or_else(malformed)?)
            }
            TokenPlace::Query => {
                let name = self.name();
                let value = query::only(request.query, name)?;
                matches(secrets, &value.ok_or_else(|| VerifyError::Missing { what: query::parameter(name) })?)
            }
        }
    }

    /// The header that carries the secret.
    pub(super) fn hidden_header(&self) -> Option<&str> {
        match self.place {
            TokenPlace::Header => self.name.as_deref(),
            TokenPlace::Bearer | TokenPlace::Basic => Some("authorization"),
            TokenPlace::Query => None,
        }
    }

    /// The query parameter that carries the secret.
    pub(super) fn hidden_parameter(&self) -> Option<&str> {
        if self.place == TokenPlace::Query { self.name.as_deref() } else { None }
    }

    pub(super) fn accepts_secret(&self, secret: &Secret) -> Result<(), &'static str> {
        let secret = secret.shared()?;
        match self.place {
            TokenPlace::Basic if !secret.contains(&b':') => Err("expected `user:password`"),
            TokenPlace::Header | TokenPlace::Bearer
                if HeaderValue::from_bytes(secret).is_err() || secret.trim_ascii() != secret =>
            {
                Err("expected a valid header value without white space or a line feed at its ends")
            }
            _ => Ok(()),
        }
    }

    pub(super) fn sign(&self, secret: &Secret) -> Result<Vec<(String, String)>, SignError> {
        let text = || {
            let text = std::str::from_utf8(secret.expose());
            text.map_err(|_| SignError::Secret { expected: "expected a token in UTF-8".to_owned() })
        };
        let authorization = |value| Ok(vec![(AUTHORIZATION.as_str().to_owned(), value)]);
        match self.place {
            TokenPlace::Header => Ok(vec![(self.name().to_ascii_lowercase(), text()?.to_owned())]),
            TokenPlace::Bearer => authorization(format!("Bearer {}", text()?)),
            TokenPlace::Basic => authorization(format!("Basic {}", STANDARD.encode(secret.expose()))),
            TokenPlace::Query => Err(SignError::Unsupported { schemes: "token in query".to_owned() }),
        }
    }

    fn name(&self) -> &str {
        self.name.as_deref().unwrap_or_default()
    }

    fn header(&self) -> Result<Header, VerifyError> {
        Header::named(self.name()).ok_or_else(|| VerifyError::Missing { what: "a header".to_owned() })
    }
}

/// The text after the name of the scheme, in any case, and spaces.
fn after_scheme<'a>(value: &'a [u8], scheme: &[u8]) -> Option<&'a [u8]> {
    let (name, rest) = value.split_at_checked(scheme.len())?;
    if !name.eq_ignore_ascii_case(scheme) || !rest.starts_with(b" ") {
        return None;
    }
    Some(rest.trim_ascii_start())
}

/// Compares digests, so that the time reveals neither the content nor the length of a secret.
fn matches(secrets: &[Secret], given: &[u8]) -> Result<(), VerifyError> {
    let given = Sha256::digest(given);
    let mut refused = VerifyError::NoSecret;
    for secret in secrets.iter().filter_map(|secret| secret.shared().ok()) {
        if Sha256::digest(secret).ct_eq(&given).into() {
            return Ok(());
        }
        refused = VerifyError::Mismatch;
    }
    Err(refused)
}
