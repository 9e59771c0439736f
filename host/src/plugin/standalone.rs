use std::path::Path;
use std::sync::Arc;

use crate::metrics::Metrics;

use super::call_stats::collect_stats;
use super::check::{self, Finding};
use super::contract::Kind;
use super::digest::Digest;
use super::error::{LoadError, PluginError};
use super::file::{self, FilePlace};
use super::generation::Generation;
use super::hints::Language;
use super::manifest::Manifest;
use super::registry::{Registry, plugin_name};
use super::settings::Settings;
use super::signature::SignatureState;
use super::swap_policy::AllowAll;

/// Plugin files from anywhere, loaded as the gateway would, with the same checks and limits, and serving nobody.
pub struct StandaloneHost {
    registry: Registry,
}

/// What a plugin file is.
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
    /// Bytes of linear memory of an instance that has only described itself.
    pub memory: u64,
    /// Interfaces that it imports.
    pub imports: Vec<String>,
    /// Interfaces that it exports.
    pub exports: Vec<String>,
    /// What its signature says.
    pub signature: SignatureState,
    /// Why the gateway would not let it in, sound as it is: its signature or its pin.
    pub refusal: Option<LoadError>,
}

impl StandaloneHost {
    /// A host with the limits of `settings`, whose folder of plugins is not looked at.
    pub fn new(settings: Settings) -> Result<Self, PluginError> {
        Ok(Self { registry: Registry::new(settings, &Metrics::new(), Arc::new(AllowAll))? })
    }

    /// A generation of the file, to be called. It needs this workbench for as long as it is used: without it nothing
    /// counts the time of a call.
    pub async fn load(&self, path: &Path) -> Result<Generation, LoadError> {
        self.registry.build(&plugin_name(path)?, &self.registry.read(path)?).await
    }

    /// What authors of the file's language may do about a trap, where its usual cause is known.
    pub fn hint_on_trap(&self, path: &Path) -> Option<&'static str> {
        Language::of(&self.registry.read(path).ok()?.bytes)?.on_trap()
    }

    /// What the file is.
    pub async fn inspect(&self, path: &Path) -> Result<Inspection, LoadError> {
        let (name, file) = (plugin_name(path)?, self.registry.read(path)?);
        let refusal = self.registry.settings().trust.admit(&name, &file).err();
        let (generation, observed) = collect_stats(self.registry.build(&name, &file)).await;
        let generation = generation?;
        let (imports, exports) = generation.interfaces();
        Ok(Inspection {
            kind: generation.kind(),
            manifest: Arc::clone(&generation.manifest),
            digest: file.digest,
            size: file.bytes.len() as u64,
            memory: observed.memory,
            imports,
            exports,
            signature: file.signature,
            refusal,
        })
    }

    /// Everything that is to be said of whether the file would serve, in the order in which a load looks at it.
    pub async fn check(&self, path: &Path) -> Vec<Finding> {
        check::check(&self.registry, path).await
    }
}

/// The bytes of a file that looks like a plugin, at most `max` of them.
///
/// # Errors
/// When it cannot be read, is too large, or is something else.
pub fn read_file(path: &Path, max: u64) -> Result<Vec<u8>, LoadError> {
    let bytes = file::read(path, FilePlace::Anywhere, max)?;
    file::check_header(&bytes)?;
    Ok(bytes)
}
