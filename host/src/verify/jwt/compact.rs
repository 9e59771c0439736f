//! The compact form of tokens.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

/// The longest token in bytes. A longer one is an attack on the CPU.
const MAX_LENGTH: usize = 8192;

/// The parts of a token that is not verified yet.
pub(super) struct Compact<'a> {
    /// The algorithm according to its header.
    pub(super) algorithm: String,
    /// The id of its key according to its header.
    pub(super) key: Option<String>,
    /// The signed bytes.
    pub(super) signed: &'a [u8],
    pub(super) claims: Vec<u8>,
    pub(super) signature: Vec<u8>,
}

/// The relevant members of a token's header.
#[derive(Deserialize)]
struct Jose {
    alg: String,
    /// Anything but a text is no id.
    #[serde(default)]
    kid: serde_json::Value,
    /// Extensions that a reader must support. None is supported, so any makes the token invalid.
    #[serde(default)]
    crit: Critical,
}

#[derive(Default)]
enum Critical {
    #[default]
    Absent,
    Present,
}

impl<'de> Deserialize<'de> for Critical {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        serde::de::IgnoredAny::deserialize(deserializer).map(|_| Self::Present)
    }
}

/// The claims that are checked. A duplicate one makes the token invalid.
#[derive(Serialize, Deserialize)]
pub(super) struct Claims {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) iss: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) aud: Option<Audience>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) iat: Option<i64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) nbf: Option<i64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) exp: Option<i64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) qsh: Option<String>,
}

/// The audience of a token.
#[derive(Serialize, Deserialize)]
#[serde(untagged)]
pub(super) enum Audience {
    One(String),
    Several(Vec<String>),
}

impl Audience {
    pub(super) fn names(&self, audience: &str) -> bool {
        match self {
            Self::One(one) => one == audience,
            Self::Several(several) => several.iter().any(|one| one == audience),
        }
    }
}

impl<'a> Compact<'a> {
    /// Parses three parts in unpadded base64url, separated by dots. The first one is a header in JSON.
    pub(super) fn read(text: &'a [u8]) -> Option<Self> {
        if text.len() > MAX_LENGTH {
            return None;
        }
        let mut parts = text.split(|byte| *byte == b'.');
        let (header, claims, signature) = (parts.next()?, parts.next()?, parts.next()?);
        if parts.next().is_some() {
            return None;
        }
        let decode = |part: &[u8]| URL_SAFE_NO_PAD.decode(part).ok();
        let Jose { alg, kid, crit } = object(&decode(header)?)?;
        let Critical::Absent = crit else { return None };
        Some(Self {
            algorithm: alg,
            key: kid.as_str().map(str::to_owned),
            signed: &text[..header.len() + 1 + claims.len()],
            claims: decode(claims)?,
            signature: decode(signature)?,
        })
    }
}

/// Deserializes a JSON object. Arrays are refused: serde would read them as the fields of a struct, in order.
pub(super) fn object<T: DeserializeOwned>(json: &[u8]) -> Option<T> {
    if !json.trim_ascii_start().starts_with(b"{") {
        return None;
    }
    serde_json::from_slice(json).ok()
}

/// The signed part of a token.
pub(super) fn unsigned(algorithm: &str, claims: &Claims) -> String {
    let header = format!(r#"{{"typ":"JWT","alg":"{algorithm}"}}"#);
    let claims = serde_json::to_vec(claims).expect("claims are texts and numbers");
    format!("{}.{}", URL_SAFE_NO_PAD.encode(header), URL_SAFE_NO_PAD.encode(claims))
}

pub(super) fn join(unsigned: &str, signature: &[u8]) -> String {
    format!("{unsigned}.{}", URL_SAFE_NO_PAD.encode(signature))
}
