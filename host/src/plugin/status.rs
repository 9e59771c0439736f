//! The files of the plugin folder, and how they are listed.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::Serialize;

use crate::event::{PluginName, Timestamp};

use super::contract::Kind;
use super::digest::Digest;
use super::error::LoadError;
use super::generation::Generation;
use super::history::History;
use super::rollback::Cause;

/// One file of the folder.
#[derive(Clone)]
pub(super) struct Slot {
    pub(super) file: PathBuf,
    pub(super) name: Option<PluginName>,
    pub(super) serving: Option<Arc<Generation>>,
    pub(super) loaded_at: Option<Timestamp>,
    /// The last failed load.
    pub(super) failure: Option<Failed>,
    pub(super) history: History,
    /// Held by whoever changes the slot: a load or a rollback.
    pub(super) turn: Arc<tokio::sync::Mutex<()>>,
}

/// A failed load.
#[derive(Clone, Debug)]
pub(super) struct Failed {
    pub(super) message: String,
    pub(super) at: Timestamp,
}

/// One row of `/admin/plugins`.
#[derive(Clone, Debug, Serialize)]
#[expect(missing_docs, reason = "the JSON names speak for themselves and stand in the contract")]
pub struct PluginStatus {
    pub file: String,
    pub name: Option<String>,
    pub kind: Option<Kind>,
    pub version: Option<String>,
    pub summary: Option<String>,
    pub digest: Option<Digest>,
    pub generation: Option<u64>,
    pub loaded_at: Option<Timestamp>,
    /// `serving`, or `failed` if no generation serves.
    pub state: &'static str,
    /// Calls of the serving generation that trapped or exceeded a limit.
    pub traps: u64,
    /// The last failed load. It may be set while a generation serves.
    pub error: Option<String>,
    pub failed_at: Option<Timestamp>,
    /// The version that served before the rollback, if the serving one is there by a rollback.
    pub rolled_back_from: Option<String>,
    /// The file of the folder, if it is refused: after a rollback, or because it does not pass its samples.
    pub refused: Option<Digest>,
}

impl Slot {
    pub(super) fn new(file: &Path, name: Option<PluginName>, history: History) -> Self {
        Self {
            file: file.to_owned(),
            name,
            serving: None,
            loaded_at: None,
            failure: None,
            history,
            turn: Arc::default(),
        }
    }

    pub(super) fn status(&self) -> PluginStatus {
        let serving = self.serving.as_deref();
        let refused = self.history.refused.as_ref();
        let rolled_back = refused.filter(|refusal| refusal.cause != Cause::Samples);
        PluginStatus {
            file: shown(&self.file),
            name: self.name.as_ref().map(ToString::to_string),
            kind: serving.map(Generation::kind),
            version: serving.map(|generation| generation.manifest.version.to_string()),
            summary: serving.map(|generation| generation.manifest.summary.clone()),
            digest: serving.map(|generation| generation.digest),
            generation: serving.map(|generation| generation.number),
            loaded_at: self.loaded_at,
            state: if serving.is_some() { "serving" } else { "failed" },
            traps: serving.map_or(0, Generation::traps),
            error: self.failure.as_ref().map(|failed| failed.message.clone()),
            failed_at: self.failure.as_ref().map(|failed| failed.at),
            rolled_back_from: rolled_back.map(|refusal| refusal.version.clone()),
            refused: refused.map(|refusal| refusal.digest),
        }
    }

    /// The plugin's name, or else the name of the file.
    pub(super) fn label(&self, file: &str) -> String {
        self.name.as_ref().map_or_else(|| file.to_owned(), ToString::to_string)
    }
}

impl Failed {
    pub(super) fn now(message: String) -> Self {
        Self { message, at: Timestamp::now() }
    }
}

/// The name of a file's plugin.
pub(super) fn plugin_name(path: &Path) -> Result<PluginName, LoadError> {
    let stem = path.file_stem().unwrap_or_default().to_string_lossy();
    stem.parse().map_err(|_| LoadError::Name(stem.into_owned()))
}

/// The name of a file, of which nothing reaches a log or a terminal as it is, and which differs for different files.
pub(super) fn file_name(path: &Path) -> String {
    let name = path.file_name().unwrap_or_default();
    match name.to_str() {
        Some(name) => name.escape_debug().to_string(),
        None => name.as_encoded_bytes().escape_ascii().to_string(),
    }
}

pub(super) fn shown(path: &Path) -> String {
    path.with_file_name(file_name(path)).display().to_string()
}
