//! Sets of public keys as issuers publish them (JWK Sets, RFC 7517).

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::signature::{ECDSA_P256_SHA256_FIXED, RSA_PKCS1_2048_8192_SHA256, RsaPublicKeyComponents, UnparsedPublicKey};
use serde::Deserialize;
use serde_json::Value;

use super::algorithm::JwtAlgorithm;

/// Keys of one set. A token without a key id is tried with each of them.
const MAX_KEYS: usize = 32;

/// Bytes of a coordinate of P-256.
const COORDINATE: usize = 32;

/// The public keys of an issuer.
#[derive(Debug)]
pub struct KeySet(Vec<PublishedKey>);

/// Why a key set cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeySetError {
    #[error("it is not a JSON Web Key Set: {0}")]
    Json(String),
    #[error("it has {0} keys, expected at most {MAX_KEYS}")]
    TooMany(usize),
    /// Keys for other algorithms and purposes do not count.
    #[error("it has no key that verifies RS256 or ES256")]
    NoKey,
}

#[derive(Debug)]
struct PublishedKey {
    id: Option<String>,
    algorithm: JwtAlgorithm,
    key: Key,
}

#[derive(Debug)]
enum Key {
    Rsa(RsaPublicKeyComponents<Vec<u8>>),
    Curve(UnparsedPublicKey<Vec<u8>>),
}

#[derive(Deserialize)]
struct Published {
    keys: Vec<Value>,
}

/// The members of a key that matter here.
#[derive(Deserialize)]
struct Jwk {
    kty: String,
    kid: Option<String>,
    alg: Option<String>,
    #[serde(rename = "use")]
    purpose: Option<String>,
    crv: Option<String>,
    n: Option<String>,
    e: Option<String>,
    x: Option<String>,
    y: Option<String>,
}

impl KeySet {
    /// Parses a set. Keys that verify no token of a known algorithm are left out.
    ///
    /// # Errors
    /// When it is not a set, is too large, or has no such key.
    pub fn parse(json: &[u8]) -> Result<Self, KeySetError> {
        let Published { keys } = serde_json::from_slice(json).map_err(|error| KeySetError::Json(error.to_string()))?;
        if keys.len() > MAX_KEYS {
            return Err(KeySetError::TooMany(keys.len()));
        }
        let usable: Vec<_> =
            keys.into_iter().filter_map(|key| serde_json::from_value(key).ok().and_then(usable)).collect();
        if usable.is_empty() { Err(KeySetError::NoKey) } else { Ok(Self(usable)) }
    }

    /// Whether one of the keys verifies a token; `None` if none has its id.
    pub(super) fn verifies(
        &self,
        algorithm: JwtAlgorithm,
        id: Option<&str>,
        message: &[u8],
        signature: &[u8],
    ) -> Option<bool> {
        let fits = |key: &&PublishedKey| {
            key.algorithm == algorithm && id.is_none_or(|id| key.id.as_deref().is_none_or(|own| own == id))
        };
        let mut fitting = self.0.iter().filter(fits).peekable();
        fitting.peek()?;
        Some(fitting.any(|key| key.verifies(message, signature)))
    }
}

impl PublishedKey {
    fn verifies(&self, message: &[u8], signature: &[u8]) -> bool {
        match &self.key {
            Key::Rsa(key) => key.verify(&RSA_PKCS1_2048_8192_SHA256, message, signature).is_ok(),
            Key::Curve(key) => key.verify(message, signature).is_ok(),
        }
    }
}

/// The key, if it verifies tokens.
fn usable(key: Jwk) -> Option<PublishedKey> {
    if key.purpose.as_deref().is_some_and(|purpose| purpose != "sig") {
        return None;
    }
    let decode = |text: Option<&str>| URL_SAFE_NO_PAD.decode(text?).ok();
    let (algorithm, verifier) = match (key.kty.as_str(), key.crv.as_deref()) {
        ("RSA", None) => {
            let (n, e) = (decode(key.n.as_deref())?, decode(key.e.as_deref())?);
            (JwtAlgorithm::Rs256, Key::Rsa(RsaPublicKeyComponents { n, e }))
        }
        ("EC", Some("P-256")) => {
            let (x, y) = (decode(key.x.as_deref())?, decode(key.y.as_deref())?);
            let point = (x.len() == COORDINATE && y.len() == COORDINATE).then(|| [&[4][..], &x, &y].concat())?;
            (JwtAlgorithm::Es256, Key::Curve(UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, point)))
        }
        _ => return None,
    };
    let is_meant = key.alg.as_deref().is_none_or(|name| name == algorithm.name());
    is_meant.then_some(PublishedKey { id: key.kid, algorithm, key: verifier })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The key of RFC 7515, appendix A.3, and its token.
    const KEY: &str = r#"{"kty":"EC","crv":"P-256","kid":"a","x":"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU","y":"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0"}"#;
    const SIGNED: &str = "eyJhbGciOiJFUzI1NiJ9.eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ";
    const SIGNATURE: &str = "DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-F4GawxaepmXFCgfTjDxw5djxLa8ISlSApmWQxfKTUJqPP3-Kg6NU1Q";

    fn set(keys: &str) -> Result<KeySet, KeySetError> {
        KeySet::parse(format!(r#"{{"keys": [{keys}]}}"#).as_bytes())
    }

    #[test]
    fn a_published_key_verifies_tokens_with_its_id() {
        let signature = URL_SAFE_NO_PAD.decode(SIGNATURE).unwrap();
        let other = KEY.replace("\"a\"", "\"b\"").replace("f83O", "f83P");
        let keys = set(&format!("{KEY}, {other}")).unwrap();
        let check = |algorithm, id: Option<&str>, message: &str, expected| {
            assert_eq!(keys.verifies(algorithm, id, message.as_bytes(), &signature), expected, "{id:?}");
        };

        check(JwtAlgorithm::Es256, Some("a"), SIGNED, Some(true));
        check(JwtAlgorithm::Es256, None, SIGNED, Some(true));
        check(JwtAlgorithm::Es256, Some("b"), SIGNED, Some(false));
        check(JwtAlgorithm::Es256, Some("a"), "other", Some(false));
        check(JwtAlgorithm::Es256, Some("c"), SIGNED, None);
        check(JwtAlgorithm::Rs256, Some("a"), SIGNED, None);
    }

    #[test]
    fn keys_for_something_else_do_not_count() {
        let encrypting = KEY.replace("\"kid\"", "\"use\":\"enc\",\"kid\"");
        let other = KEY.replace("\"kid\"", "\"alg\":\"ES512\",\"kid\"");
        let short = KEY.replace("f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU", "f83O");
        for keys in ["", "{}", "1", r#"{"kty":"oct","k":"c2VjcmV0"}"#, &encrypting, &other, &short] {
            assert_eq!(set(keys).err(), Some(KeySetError::NoKey), "{keys}");
        }
        assert!(set(&format!("1, {KEY}")).is_ok(), "a later kind of key does no harm");
        assert_eq!(set(&vec!["1"; 33].join(",")).err(), Some(KeySetError::TooMany(33)));
        assert!(matches!(KeySet::parse(b"[]"), Err(KeySetError::Json(_))));
    }
}
