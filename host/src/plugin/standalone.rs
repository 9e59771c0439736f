//! The plugin host of the command line: loads single files and serves nothing.

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
use super::registry::Registry;
use super::settings::Settings;
use super::signature::SignatureState;
use super::status::plugin_name;
use super::swap_policy::AllowAll;

/// Loads plugin files as the gateway does, with the same checks and limits, but serves nothing.
pub struct StandaloneHost {
    registry: Registry,
}

/// A description of a plugin file.
#[derive(Debug)]
pub struct Inspection {
    pub kind: Kind,
    pub manifest: Arc<Manifest>,
    pub digest: Digest,
    pub size: u64,
    /// Bytes of linear memory after `describe`.
    pub memory: u64,
    pub imports: Vec<String>,
    pub exports: Vec<String>,
    pub signature: SignatureState,
    /// Why the gateway would reject a valid plugin: its signature or its pin.
    pub refusal: Option<LoadError>,
}

impl StandaloneHost {
    /// A host with the limits of `settings`. It does not read the folder of plugins.
    pub fn new(settings: Settings) -> Result<Self, PluginError> {
        let (registry, _) = Registry::new(settings, &Metrics::new(), Arc::new(AllowAll), Arc::new(AllowAll))?;
        Ok(Self { registry })
    }

    /// Loads the file. Keep this host while the generation is used: it counts the processor time of calls.
    pub async fn load(&self, path: &Path) -> Result<Generation, LoadError> {
        self.registry.build(&plugin_name(path)?, &self.registry.read(path)?).await
    }

    /// A hint for the author of a plugin that trapped, if the usual cause is known for its language.
    pub fn hint_on_trap(&self, path: &Path) -> Option<&'static str> {
        Language::of(&self.registry.read(path).ok()?.bytes)?.on_trap()
    }

    pub async fn inspect(&self, path: &Path) -> Result<Inspection, LoadError> {
        let (name, file) = (plugin_name(path)?, self.registry.read(path)?);
        let refusal = self.registry.rules().trust.admit(&name, &file).err();
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

    /// Checks whether the file would serve. The findings are in the order of a load.
    pub async fn check(&self, path: &Path) -> Vec<Finding> {
        check::check(&self.registry, path).await
    }
}

/// The bytes of a file with the header of a component, at most `max` of them.
///
/// # Errors
/// When it cannot be read, is too large, or is not a component.
pub fn read_file(path: &Path, max: u64) -> Result<Vec<u8>, LoadError> {
    let bytes = file::read(path, FilePlace::Anywhere, max)?;
    file::check_header(&bytes)?;
    Ok(bytes)
}
