//! HMAC signatures.

use hmac::{Hmac, Mac};
use serde::{Deserialize, Serialize};
use sha1::Sha1;
use sha2::{Sha256, Sha512};
use subtle::ConstantTimeEq;

/// The hash function of an HMAC.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Algorithm {
    /// HMAC-SHA-1: still sound as a MAC, for senders that offer nothing else.
    Sha1,
    /// HMAC-SHA-256.
    Sha256,
    /// HMAC-SHA-512.
    Sha512,
}

impl Algorithm {
    /// Length of a signature in bytes.
    pub(super) const fn length(self) -> usize {
        match self {
            Self::Sha1 => 20,
            Self::Sha256 => 32,
            Self::Sha512 => 64,
        }
    }

    /// Signs the pieces that `message` passes to its argument, without copying them.
    pub(super) fn tag<E>(
        self,
        key: &[u8],
        message: impl FnOnce(&mut dyn FnMut(&[u8])) -> Result<(), E>,
    ) -> Result<Tag, E> {
        match self {
            Self::Sha1 => {
                let mut mac = Hmac::<Sha1>::new_from_slice(key).expect("an HMAC accepts a key of any length");
                message(&mut |piece| mac.update(piece))?;
                Ok(Tag::new(&mac.finalize().into_bytes()))
            }
            Self::Sha256 => {
                let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("an HMAC accepts a key of any length");
                message(&mut |piece| mac.update(piece))?;
                Ok(Tag::new(&mac.finalize().into_bytes()))
            }
            Self::Sha512 => {
                let mut mac = Hmac::<Sha512>::new_from_slice(key).expect("an HMAC accepts a key of any length");
                message(&mut |piece| mac.update(piece))?;
                Ok(Tag::new(&mac.finalize().into_bytes()))
            }
        }
    }
}

/// A computed signature.
pub(super) struct Tag {
    bytes: [u8; 64],
    length: usize,
}

impl Tag {
    fn new(tag: &[u8]) -> Self {
        let mut bytes = [0; 64];
        bytes[..tag.len()].copy_from_slice(tag);
        Self { bytes, length: tag.len() }
    }

    pub(super) fn as_bytes(&self) -> &[u8] {
        &self.bytes[..self.length]
    }

    /// Compares with a received signature in constant time.
    pub(super) fn matches(&self, candidate: &[u8]) -> bool {
        self.as_bytes().ct_eq(candidate).into()
    }
}
