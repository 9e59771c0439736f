//! Public keys of tokens.

use ring::signature::{ECDSA_P256_SHA256_FIXED, RSA_PKCS1_2048_8192_SHA256, UnparsedPublicKey, VerificationAlgorithm};
use spki::der::{Decode, Document};
use spki::{ObjectIdentifier, SubjectPublicKeyInfoRef};

use super::algorithm::JwtAlgorithm;
use crate::verify::Secret;

const RSA: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.1");
const ELLIPTIC_CURVE: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.2.1");
const P256: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.3.1.7");

/// The longest key in PEM, in bytes: five times that of an RSA key of 8192 bits.
const MAX_PEM: usize = 8192;

/// A public key for an algorithm.
pub(super) struct PublicKey(UnparsedPublicKey<Vec<u8>>);

impl PublicKey {
    /// Parses the key in the secret, or says what was expected.
    pub(super) fn read(algorithm: JwtAlgorithm, secret: &Secret) -> Result<Self, &'static str> {
        let (expected, verification, kind, curve): (_, &'static dyn VerificationAlgorithm, _, _) = match algorithm {
            JwtAlgorithm::Rs256 => {
                ("expected an RSA public key in PEM (`BEGIN PUBLIC KEY`)", &RSA_PKCS1_2048_8192_SHA256, RSA, None)
            }
            JwtAlgorithm::Es256 => (
                "expected a P-256 public key in PEM (`BEGIN PUBLIC KEY`)",
                &ECDSA_P256_SHA256_FIXED,
                ELLIPTIC_CURVE,
                Some(P256),
            ),
            JwtAlgorithm::Hs256 => return Err("expected an algorithm with a public key"),
        };
        let text = std::str::from_utf8(secret.expose()).ok().filter(|text| text.len() <= MAX_PEM);
        let (label, document) = text.and_then(|text| Document::from_pem(text).ok()).ok_or(expected)?;
        let key = SubjectPublicKeyInfoRef::from_der(document.as_bytes()).map_err(|_| expected)?;
        let is_on_curve = curve.is_none_or(|curve| key.algorithm.parameters_oid() == Ok(curve));
        if label != "PUBLIC KEY" || key.algorithm.oid != kind || !is_on_curve {
            return Err(expected);
        }
        let bytes = key.subject_public_key.as_bytes().ok_or(expected)?;
        Ok(Self(UnparsedPublicKey::new(verification, bytes.to_vec())))
    }

    pub(super) fn verifies(&self, message: &[u8], signature: &[u8]) -> bool {
        self.0.verify(message, signature).is_ok()
    }
}
