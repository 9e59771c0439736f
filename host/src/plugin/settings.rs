//! What the plugin host is given.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use crate::event::PluginName;

use super::compile::CompileSettings;
use super::limits::CallLimits;
use super::trust::Trust;

/// Valid input of the plugin host.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The folder of `*.wasm` files.
    pub dir: PathBuf,
    /// The folder of compiled code, which only the host writes.
    pub cache_dir: PathBuf,
    /// Bytes of compiled code that are kept, besides what serves.
    pub cache_max: u64,
    /// What compiling one plugin may take.
    pub compile: CompileSettings,
    /// Which files are let in.
    pub trust: Trust,
    /// How long a file must be still before it is loaded, when nothing says that it is complete.
    pub debounce: Duration,
    /// Bytes of the largest plugin file.
    pub max_file: u64,
    /// Live instances of all plugins together.
    pub instances: usize,
    /// What a call may use.
    pub limits: CallLimits,
    /// The same for single plugins, complete.
    pub overrides: BTreeMap<PluginName, CallLimits>,
}

impl Settings {
    /// The plugins in `dir`, with everything at its default.
    pub fn new(dir: PathBuf, cache_dir: PathBuf) -> Self {
        Self {
            dir,
            cache_dir,
            cache_max: 4 << 30,
            compile: CompileSettings::default(),
            trust: Trust::default(),
            debounce: Duration::from_millis(50),
            max_file: 64 << 20,
            instances: 1000,
            limits: CallLimits::default(),
            overrides: BTreeMap::new(),
        }
    }
}
