//! Secrets that never print themselves.

use std::fmt;

use thiserror::Error;

/// A secret shared with a provider, or a provider's public key. Never empty; `Debug` prints `***`.
///
/// Two of them are compared only to see whether the configuration has changed, never with what a caller sends.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(Vec<u8>);

/// Prefixes of public keys: in PEM, and in Standard Webhooks.
const PUBLIC: [&[u8]; 2] = [b"-----BEGIN", b"whpk_"];

/// An empty secret; anyone could sign with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("expected a secret, found an empty value")]
pub struct EmptySecret;

impl Secret {
    /// Stores the bytes unchanged.
    pub fn new(bytes: Vec<u8>) -> Result<Self, EmptySecret> {
        if bytes.is_empty() { Err(EmptySecret) } else { Ok(Self(bytes)) }
    }

    /// The bytes, for computation only, never for output.
    pub fn expose(&self) -> &[u8] {
        &self.0
    }

    /// The bytes, unless they look like a public key: anyone who knows that key could sign with it.
    pub(super) fn shared(&self) -> Result<&[u8], &'static str> {
        if PUBLIC.iter().any(|beginning| self.0.trim_ascii_start().starts_with(beginning)) {
            Err("expected a shared secret, found a public key")
        } else {
            Ok(&self.0)
        }
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_empty_secret_does_not_exist() {
        assert_eq!(Secret::new(Vec::new()).unwrap_err(), EmptySecret);
    }

    #[test]
    fn a_public_key_is_no_shared_secret() {
        for (text, is_shared) in [
            ("hunter2", true),
            ("whsec_a2V5", true),
            ("whpk_a2V5", false),
            ("-----BEGIN PUBLIC KEY-----", false),
            (" \nwhpk_", false),
        ] {
            assert_eq!(Secret::new(text.as_bytes().to_vec()).unwrap().shared().is_ok(), is_shared, "{text}");
        }
    }

    #[test]
    fn a_secret_does_not_print_itself() {
        assert_eq!(format!("{:?}", Secret::new(b"hunter2".to_vec()).unwrap()), "***");
    }
}
