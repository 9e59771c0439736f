//! Public keys of tokens.

use ring::signature::{ECDSA_P256_SHA256_FIXED, RSA_PKCS1_2048_8192_SHA256, UnparsedPublicKey, VerificationAlgorithm};
use spki::der::asn1::UintRef;
use spki::der::{Decode, Document, Reader, SliceReader};
use spki::{ObjectIdentifier, SubjectPublicKeyInfoRef};

use super::algorithm::JwtAlgorithm;
use crate::verify::Secret;

const RSA: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.1");
const ELLIPTIC_CURVE: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.2.1");
const P256: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.3.1.7");

/// The longest key in PEM, in bytes: five times that of an RSA key of 8192 bits.
const MAX_PEM: usize = 8192;

/// Bytes of a point of P-256: a mark and two coordinates.
const UNCOMPRESSED: usize = 65;

/// A public key for an algorithm.
pub(super) struct PublicKey(UnparsedPublicKey<Vec<u8>>);

impl PublicKey {
    /// Parses the key in the secret, or says what was expected.
    pub(super) fn read(algorithm: JwtAlgorithm, secret: &Secret) -> Result<Self, &'static str> {
        let (expected, verification, kind, curve): (_, &'static dyn VerificationAlgorithm, _, _) = match algorithm {
            JwtAlgorithm::Rs256 => {
                const EXPECTED: &str = "expected an RSA public key of 2048 to 8192 bits in PEM (`BEGIN PUBLIC KEY`)";
                (EXPECTED, &RSA_PKCS1_2048_8192_SHA256, RSA, None)
            }
            JwtAlgorithm::Es256 => (
                "expected an uncompressed P-256 public key in PEM (`BEGIN PUBLIC KEY`)",
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
        // Whatever no signature can match is noticed here, and not by the first webhook.
        let is_usable = match curve {
            Some(_) => bytes.len() == UNCOMPRESSED && bytes.first() == Some(&4),
            None => modulus_bits(bytes).is_some_and(|bits| (2048..=8192).contains(&bits)),
        };
        if !is_usable {
            return Err(expected);
        }
        Ok(Self(UnparsedPublicKey::new(verification, bytes.to_vec())))
    }

    pub(super) fn verifies(&self, message: &[u8], signature: &[u8]) -> bool {
        self.0.verify(message, signature).is_ok()
    }
}

/// The size of an RSA key (RFC 8017, section A.1.1).
fn modulus_bits(key: &[u8]) -> Option<usize> {
    let mut reader = SliceReader::new(key).ok()?;
    let numbers = reader.sequence(|reader| Ok((UintRef::decode(reader)?, UintRef::decode(reader)?)));
    let (modulus, _exponent) = numbers.ok()?;
    let bytes = modulus.as_bytes();
    let leading = bytes.first().map_or(0, |first| first.leading_zeros() as usize);
    Some(bytes.len() * 8 - leading)
}
