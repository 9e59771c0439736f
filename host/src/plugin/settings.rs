//! Settings of the plugin host.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use crate::event::PluginName;

use super::call_record::RollbackRule;
use super::compile::CompileSettings;
use super::limits::CallLimits;
use super::trust::Trust;

#[derive(Clone, Debug)]
pub struct Settings {
    /// The folder of `*.wasm` files.
    pub dir: PathBuf,
    /// The folder of compiled code. Only the host may write to it.
    pub cache_dir: PathBuf,
    /// Bytes of compiled code that are kept, besides the code of serving plugins.
    pub cache_max: u64,
    pub compile: CompileSettings,
    pub trust: Trust,
    /// How long a file must be unchanged before it is loaded, unless an event says that it is complete.
    pub debounce: Duration,
    /// Bytes of the largest plugin file.
    pub max_file: u64,
    /// Whether a file must pass the samples in it before it replaces a serving one.
    pub check_samples: bool,
    /// How long its samples may take together.
    pub check_time: Duration,
    pub rollback: RollbackRule,
    /// The size of the pool: instances of all plugins together.
    pub instances: usize,
    pub limits: CallLimits,
    /// Complete limits of single plugins.
    pub overrides: BTreeMap<PluginName, CallLimits>,
}

impl Settings {
    /// The defaults, with these folders.
    pub fn new(dir: PathBuf, cache_dir: PathBuf) -> Self {
        Self {
            dir,
            cache_dir,
            cache_max: 4 << 30,
            compile: CompileSettings::default(),
            trust: Trust::default(),
            debounce: Duration::from_millis(50),
            max_file: 64 << 20,
            check_samples: true,
            check_time: Duration::from_secs(60),
            rollback: RollbackRule::default(),
            instances: 1000,
            limits: CallLimits::default(),
            overrides: BTreeMap::new(),
        }
    }
}
