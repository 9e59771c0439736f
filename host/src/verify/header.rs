//! Headers of a recipe.

use std::fmt;

use http::{HeaderMap, HeaderName};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use super::VerifyError;

/// The name of a header in a recipe, in lower case.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Header(HeaderName);

impl Header {
    /// A constant name in lower case.
    pub(super) const fn from_static(name: &'static str) -> Self {
        Self(HeaderName::from_static(name))
    }

    /// Parses a name in any case.
    pub(super) fn named(name: &str) -> Option<Self> {
        HeaderName::from_bytes(name.as_bytes()).ok().map(Self)
    }

    /// The name in lower case.
    pub fn as_str(&self) -> &str {
        self.0.as_str()
    }

    /// Whether the request has this header.
    pub(super) fn is_in(&self, headers: &HeaderMap) -> bool {
        headers.contains_key(&self.0)
    }

    /// The value of this header, which must occur exactly once.
    pub(super) fn only<'a>(&self, headers: &'a HeaderMap) -> Result<&'a [u8], VerifyError> {
        let mut values = headers.get_all(&self.0).iter();
        let value = values.next().ok_or_else(|| VerifyError::Missing { what: self.to_string() })?;
        match values.next() {
            None => Ok(value.as_bytes()),
            Some(_) => Err(VerifyError::Duplicate { what: self.to_string() }),
        }
    }

    pub(super) fn malformed(&self, expected: &'static str) -> VerifyError {
        VerifyError::Malformed { what: self.to_string(), expected }
    }
}

impl fmt::Display for Header {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "header `{}`", self.0)
    }
}

impl Serialize for Header {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

impl<'de> Deserialize<'de> for Header {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let name = String::deserialize(deserializer)?;
        Self::named(&name).ok_or_else(|| de::Error::custom(format!("expected a header name, found `{name}`")))
    }
}
