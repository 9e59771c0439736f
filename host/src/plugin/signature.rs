//! Signatures of plugin files: Ed25519 over the bytes of the file, in a file beside it.

use std::ffi::OsString;
use std::fmt;
use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use ed25519_dalek::pkcs8::{DecodePrivateKey, DecodePublicKey};
use ed25519_dalek::{Signature, Signer, SigningKey, VerifyingKey};

/// Bytes of the largest signature file. A signature has 64 bytes, in base64 88.
pub(super) const MAX_FILE: u64 = 1024;

/// A public key whose signatures are trusted. Its text form is the base64 of its 32 bytes.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct TrustedKey(VerifyingKey);

#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    #[error("expected an Ed25519 public key: PEM, or 32 bytes in base64")]
    Public,
    #[error("expected an Ed25519 private key that is not encrypted: PEM, or 32 bytes")]
    Private,
}

/// Why a signature is invalid.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SignatureError {
    #[error("its signature file holds no signature: expected 64 bytes, or their base64")]
    Shape,
    #[error("its signature was not made for these bytes with a key of `plugins.trusted_keys`")]
    Mismatch,
}

/// The signature of a plugin file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SignatureState {
    Missing,
    /// There is a signature, but no key to check it with.
    Unchecked,
    /// Made for this file, with this key.
    Valid(TrustedKey),
    Wrong(SignatureError),
}

impl SignatureState {
    /// Checks the content of the signature file, if there is one.
    pub(super) fn of(file: &[u8], signature: Option<&[u8]>, keys: &[TrustedKey]) -> Self {
        match signature {
            None => Self::Missing,
            Some(_) if keys.is_empty() => Self::Unchecked,
            Some(signature) => verify(file, signature, keys).map_or_else(Self::Wrong, Self::Valid),
        }
    }
}

impl TrustedKey {
    /// Parses PEM as `openssl pkey -pubout` writes it, or the base64 of the key's 32 bytes or of its DER form.
    ///
    /// # Errors
    /// `Public`, also for a weak key, for which one signature fits many files.
    pub fn parse(text: &str) -> Result<Self, KeyError> {
        let text = text.trim();
        let key = if text.starts_with("-----BEGIN") {
            VerifyingKey::from_public_key_pem(text).ok()
        } else {
            let bytes = BASE64_STANDARD.decode(text).map_err(|_| KeyError::Public)?;
            match <[u8; 32]>::try_from(bytes.as_slice()) {
                Ok(bytes) => VerifyingKey::from_bytes(&bytes).ok(),
                Err(_) => VerifyingKey::from_public_key_der(&bytes).ok(),
            }
        };
        key.filter(|key| !key.is_weak()).map(Self).ok_or(KeyError::Public)
    }
}

impl fmt::Display for TrustedKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&BASE64_STANDARD.encode(self.0.as_bytes()))
    }
}

impl fmt::Debug for TrustedKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// The path of a plugin's signature: `NAME.wasm.sig` beside it.
pub fn signature_path(plugin: &Path) -> PathBuf {
    let mut path = OsString::from(plugin);
    path.push(".sig");
    path.into()
}

/// Signs a file. Returns the content of the signature file, and the key to check it with.
///
/// `key` is PEM as `openssl genpkey -algorithm ed25519` writes it, or the 32 bytes of the private key.
///
/// # Errors
/// `Private`.
pub fn sign(file: &[u8], key: &[u8]) -> Result<(String, TrustedKey), KeyError> {
    let key = match <[u8; 32]>::try_from(key) {
        Ok(bytes) => SigningKey::from_bytes(&bytes),
        Err(_) => {
            let text = std::str::from_utf8(key).map_err(|_| KeyError::Private)?;
            SigningKey::from_pkcs8_pem(text.trim()).map_err(|_| KeyError::Private)?
        }
    };
    let signature = BASE64_STANDARD.encode(key.sign(file).to_bytes());
    Ok((format!("{signature}\n"), TrustedKey(key.verifying_key())))
}

fn verify(file: &[u8], signature: &[u8], keys: &[TrustedKey]) -> Result<TrustedKey, SignatureError> {
    let decoded = BASE64_STANDARD.decode(signature.trim_ascii()).unwrap_or_default();
    let shaped = [signature, &decoded].into_iter().find_map(|bytes| Signature::from_slice(bytes).ok());
    let signature = shaped.ok_or(SignatureError::Shape)?;
    let signed = keys.iter().find(|key| key.0.verify_strict(file, &signature).is_ok());
    signed.copied().ok_or(SignatureError::Mismatch)
}

#[cfg(test)]
mod tests {
    use super::*;

    // openssl genpkey -algorithm ed25519; openssl pkey -pubout
    const PRIVATE: &str = "-----BEGIN PRIVATE KEY-----\n\
        MC4CAQAwBQYDK2VwBCIEIAok8Dc5hnTuYyb9WhaFNSBs055ZdsrtSfR51+VgETMl\n\
        -----END PRIVATE KEY-----\n";
    const PUBLIC: &str = "-----BEGIN PUBLIC KEY-----\n\
        MCowBQYDK2VwAyEAVOTisPoUixccyVL2bJvhfUqbgEe4AhoVl9Amu+4Q2aM=\n\
        -----END PUBLIC KEY-----\n";

    #[test]
    fn a_key_is_read_in_every_form() {
        let key = TrustedKey::parse(PUBLIC).unwrap();
        let der = PUBLIC.lines().nth(1).unwrap();

        assert_eq!(TrustedKey::parse(der), Ok(key));
        assert_eq!(TrustedKey::parse(&key.to_string()), Ok(key));
        for wrong in ["", "key", PRIVATE, &PUBLIC[..40], "AAAA", &BASE64_STANDARD.encode([0; 32])] {
            assert_eq!(TrustedKey::parse(wrong), Err(KeyError::Public), "{wrong}");
        }
    }

    #[test]
    fn a_signature_is_of_these_bytes_by_a_trusted_key() {
        let (text, key) = sign(b"plugin", PRIVATE.as_bytes()).unwrap();
        let (other, _) = sign(b"plugin", &[7; 32]).unwrap();
        let raw = BASE64_STANDARD.decode(text.trim()).unwrap();
        let check = |signature: &[u8], expected| assert_eq!(verify(b"plugin", signature, &[key]), expected);

        assert_eq!(TrustedKey::parse(PUBLIC), Ok(key));
        check(text.as_bytes(), Ok(key));
        check(text.trim().as_bytes(), Ok(key));
        check(&raw, Ok(key));
        check(other.as_bytes(), Err(SignatureError::Mismatch));
        check(b"", Err(SignatureError::Shape));
        check(&raw[1..], Err(SignatureError::Shape));
        assert_eq!(verify(b"plugim", &raw, &[key]), Err(SignatureError::Mismatch));
        for wrong in [&b""[..], PUBLIC.as_bytes(), &raw] {
            assert_eq!(sign(b"", wrong), Err(KeyError::Private));
        }
    }
}
