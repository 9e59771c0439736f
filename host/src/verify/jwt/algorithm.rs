//! The algorithms of tokens.

use serde::{Deserialize, Serialize};

/// The algorithm of a token. The recipe chooses it, never the token.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum JwtAlgorithm {
    /// HMAC-SHA-256 with the bytes of the secret.
    #[serde(rename = "HS256")]
    Hs256,
    /// RSASSA-PKCS1-v1_5 with SHA-256; the secret is a public key of 2048 to 8192 bits in PEM.
    #[serde(rename = "RS256")]
    Rs256,
    /// ECDSA on P-256 with SHA-256; the secret is a public key in PEM.
    #[serde(rename = "ES256")]
    Es256,
}

impl JwtAlgorithm {
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Hs256 => "HS256",
            Self::Rs256 => "RS256",
            Self::Es256 => "ES256",
        }
    }

    /// Whether the secret is a public key.
    pub(in crate::verify) const fn has_public_key(self) -> bool {
        !matches!(self, Self::Hs256)
    }
}
