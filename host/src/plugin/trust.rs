//! Which plugin files the operator accepts: by signature and by digest.

use std::collections::BTreeMap;
use std::path::Path;

use crate::event::PluginName;

use super::digest::Digest;
use super::error::LoadError;
use super::file::{self, FilePlace};
use super::signature::{self, SignatureState, TrustedKey, signature_path};

/// The operator's rules for plugin files. By default every file is accepted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Trust {
    /// The only accepted file of each of these plugins.
    pub pins: BTreeMap<PluginName, Digest>,
    /// Keys of trusted signers. If there are none, signatures are not checked.
    pub keys: Vec<TrustedKey>,
    /// Whether a file without a signature is rejected.
    pub require_signature: bool,
}

/// A plugin file that was read once, with its digest and signature.
pub(super) struct PluginFile {
    pub(super) bytes: Vec<u8>,
    pub(super) digest: Digest,
    pub(super) signature: SignatureState,
    /// The content of its signature file.
    pub(super) signature_bytes: Option<Vec<u8>>,
}

impl PluginFile {
    /// Reads a plugin file and its signature.
    pub(super) fn read(path: &Path, place: FilePlace<'_>, max: u64, trust: &Trust) -> Result<Self, LoadError> {
        let bytes = file::read(path, place, max)?;
        let signature = match file::read(&signature_path(path), place, signature::MAX_FILE) {
            Ok(signature) => Some(signature),
            Err(LoadError::Read(error)) if error.kind() == std::io::ErrorKind::NotFound => None,
            // An unreadable signature file is treated like an invalid signature.
            Err(_) => Some(Vec::new()),
        };
        let state = SignatureState::of(&bytes, signature.as_deref(), &trust.keys);
        Ok(Self { digest: Digest::of(&bytes), bytes, signature: state, signature_bytes: signature })
    }
}

impl Trust {
    /// Rejects a file that the operator does not accept under this name.
    pub(super) fn admit(&self, plugin: &PluginName, file: &PluginFile) -> Result<(), LoadError> {
        match file.signature {
            SignatureState::Valid(_) => {}
            SignatureState::Wrong(error) => return Err(LoadError::Signature(error)),
            SignatureState::Missing | SignatureState::Unchecked if self.require_signature => {
                return Err(LoadError::Unsigned);
            }
            SignatureState::Missing | SignatureState::Unchecked => {}
        }
        match self.pins.get(plugin) {
            Some(pin) if *pin != file.digest => {
                Err(LoadError::Pinned { plugin: plugin.clone(), found: file.digest, pin: *pin })
            }
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plugin::signature::SignatureError;

    #[test]
    fn a_file_is_let_in_by_its_pin_and_its_signature() {
        let (_, key) = signature::sign(b"", &[7; 32]).unwrap();
        let valid = SignatureState::Valid(key);
        let wrong = SignatureState::Wrong(SignatureError::Mismatch);
        let check = |pin: Option<&str>, require_signature, state, expected: &str| {
            let pins = pin.map(|bytes| ("github".parse().unwrap(), Digest::of(bytes.as_bytes()))).into_iter().collect();
            let trust = Trust { pins, keys: vec![key], require_signature };
            let file = PluginFile {
                bytes: b"new".to_vec(),
                digest: Digest::of(b"new"),
                signature: state,
                signature_bytes: None,
            };
            let admitted = trust.admit(&"github".parse().unwrap(), &file);
            let told = admitted.map_or_else(|error| error.to_string(), |()| String::new());
            assert!(told.contains(expected) && told.is_empty() == expected.is_empty(), "{told} should be {expected}");
        };

        check(None, false, SignatureState::Missing, "");
        check(None, true, SignatureState::Missing, "no valid signature");
        check(None, true, SignatureState::Unchecked, "no valid signature");
        check(None, true, valid, "");
        check(None, false, wrong, "not made for these bytes");
        check(Some("new"), false, SignatureState::Missing, "");
        check(Some("new"), true, SignatureState::Missing, "no valid signature");
        check(Some("old"), true, valid, "`gateway plugin pin github`");
    }
}
