use std::path::Path;
use std::sync::Arc;

use crate::metrics::Metrics;

use super::registry::Registry;
use super::{Gatekeeper, InspectError, Kind, Manifest, Settings};

/// What a plugin file is, without taking it into service.
#[derive(Clone, Debug)]
pub struct Inspection {
    /// Channel or agent.
    pub kind: Kind,
    /// What the plugin says of itself.
    pub manifest: Arc<Manifest>,
    /// SHA-256 of the file in hex.
    pub digest: String,
    /// Bytes of the file.
    pub size: u64,
    /// Interfaces that it imports.
    pub imports: Vec<String>,
    /// Interfaces that it exports.
    pub exports: Vec<String>,
}

struct Everything;

impl Gatekeeper for Everything {
    fn admit(&self, _: &crate::event::PluginName, _: Option<&Manifest>, _: &Manifest) -> Result<(), String> {
        Ok(())
    }
}

/// Loads a file as the gateway would, with the same checks and limits, and says what it found.
pub async fn inspect(settings: Settings, path: &Path) -> Result<Inspection, InspectError> {
    let registry = Registry::new(settings, Arc::new(Metrics::new()), Arc::new(Everything))?;
    let generation = registry.inspect(path).await?;
    let (imports, exports) = generation.interfaces();
    Ok(Inspection {
        kind: generation.kind(),
        manifest: Arc::clone(&generation.manifest),
        digest: generation.digest.clone(),
        size: std::fs::metadata(path).map_err(super::LoadError::Read)?.len(),
        imports,
        exports,
    })
}
