use std::path::Path;
use std::sync::Arc;

use crate::event::PluginName;
use crate::metrics::Metrics;

use super::digest::Digest;
use super::file::{self, Place};
use super::registry::Registry;
use super::signature::SignatureState;
use super::trust::PluginFile;
use super::{Gatekeeper, InspectError, Kind, LoadError, Manifest, Settings};

/// What a plugin file is, without taking it into service.
#[derive(Debug)]
pub struct Inspection {
    /// Channel or agent.
    pub kind: Kind,
    /// What the plugin says of itself.
    pub manifest: Arc<Manifest>,
    /// SHA-256 of the file.
    pub digest: Digest,
    /// Bytes of the file.
    pub size: u64,
    /// Interfaces that it imports.
    pub imports: Vec<String>,
    /// Interfaces that it exports.
    pub exports: Vec<String>,
    /// What its signature says.
    pub signature: SignatureState,
    /// Why the gateway would not let it in, sound as it is: its signature or its pin.
    pub refusal: Option<LoadError>,
}

struct Everything;

impl Gatekeeper for Everything {
    fn admit(&self, _: &PluginName, _: Option<&Manifest>, _: &Manifest) -> Result<(), String> {
        Ok(())
    }
}

/// Loads a file as the gateway would, with the same checks and limits, and says what it found.
///
/// # Errors
/// When the file would not load whoever made it.
pub async fn inspect(settings: Settings, path: &Path) -> Result<Inspection, InspectError> {
    let registry = Registry::new(settings, Arc::new(Metrics::new()), Arc::new(Everything))?;
    let stem = path.file_stem().unwrap_or_default().to_string_lossy();
    let name = stem.parse().map_err(|_| LoadError::Name(stem.into_owned()))?;
    let Settings { max_file, trust, .. } = registry.settings();
    let file = PluginFile::read(path, Place::Anywhere, *max_file, trust)?;
    let refusal = trust.admit(&name, &file).err();
    let generation = registry.build(&name, &file).await?;
    let (imports, exports) = generation.interfaces();
    Ok(Inspection {
        kind: generation.kind(),
        manifest: Arc::clone(&generation.manifest),
        digest: file.digest,
        size: file.bytes.len() as u64,
        imports,
        exports,
        signature: file.signature,
        refusal,
    })
}

/// The bytes of a file that looks like a plugin, at most `max` of them.
///
/// # Errors
/// When it cannot be read, is too large, or is something else.
pub fn read_file(path: &Path, max: u64) -> Result<Vec<u8>, LoadError> {
    let bytes = file::read(path, Place::Anywhere, max)?;
    file::check_header(&bytes)?;
    Ok(bytes)
}
