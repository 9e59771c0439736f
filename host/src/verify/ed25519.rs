//! The scheme `ed25519`.

use ed25519_dalek::{Signature, VerifyingKey};
use serde::{Deserialize, Serialize};

use super::message::{self, Part};
use super::signature::{Candidates, Encoding, Format};
use super::timestamp::{TimestampRule, TimestampSource};
use super::{Header, Secret, Signed, VerifyError};
use crate::event::Timestamp;

/// The provider signs parts of the request with a private key. The secret is the public key in hexadecimal.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Ed25519 {
    pub(super) header: Header,
    #[serde(default)]
    encoding: Encoding,
    pub(super) signed: Vec<Part>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) timestamp: Option<TimestampRule>,
}

impl Ed25519 {
    pub(super) fn check(&self) -> Result<(), String> {
        if matches!(self.timestamp, Some(TimestampRule { from: TimestampSource::ListKey(_), .. })) {
            return Err("`list_key` needs a header that is a list, and the signature stands alone".to_owned());
        }
        message::check(&self.signed, self.timestamp.as_ref())
    }

    pub(super) fn verify(&self, secrets: &[Secret], request: &Signed<'_>, now: Timestamp) -> Result<(), VerifyError> {
        let value = self.header.only(request.headers)?;
        let timestamp = match &self.timestamp {
            Some(rule) => rule.in_headers(request, value, ",", now)?,
            None => None,
        };
        let format = Format { separator: None, prefix: "", encoding: self.encoding, length: Signature::BYTE_SIZE };
        let candidates = Candidates::read(&self.header, value, &format)?;
        // The signature hashes the message twice, so the message must be contiguous.
        let mut message = Vec::with_capacity(request.body.len() + 64);
        message::feed(&self.signed, request, timestamp, &mut |piece| message.extend_from_slice(piece))?;
        let mut refused = VerifyError::NoSecret;
        for key in secrets.iter().filter_map(|secret| public_key(secret).ok()) {
            if candidates.iter().any(|candidate| verifies(&key, &message, candidate)) {
                return self.timestamp.as_ref().map_or(Ok(()), |rule| rule.in_body(request.body, now));
            }
            refused = VerifyError::Mismatch;
        }
        Err(refused)
    }

    pub(super) fn accepts_secret(secret: &Secret) -> Result<(), &'static str> {
        public_key(secret).map(drop)
    }
}

fn public_key(secret: &Secret) -> Result<VerifyingKey, &'static str> {
    let mut bytes = [0; 32];
    hex::decode_to_slice(secret.expose(), &mut bytes).map_err(|_| "expected a public key of 64 hexadecimal digits")?;
    usable_key(&bytes).ok_or("expected a valid Ed25519 public key")
}

/// Parses a public key. Weak keys, under which a signature can fit any message, are refused.
pub(super) fn usable_key(bytes: &[u8; 32]) -> Option<VerifyingKey> {
    VerifyingKey::from_bytes(bytes).ok().filter(|key| !key.is_weak())
}

pub(super) fn verifies(key: &VerifyingKey, message: &[u8], signature: &[u8]) -> bool {
    Signature::from_slice(signature).is_ok_and(|signature| key.verify_strict(message, &signature).is_ok())
}
