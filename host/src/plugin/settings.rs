//! Settings of the plugin host.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use crate::event::PluginName;

use super::call_record::RollbackRule;
use super::compile::CompileSettings;
use super::error::LoadError;
use super::file::FilePlace;
use super::limits::CallLimits;
use super::trust::{PluginFile, Trust};

#[derive(Clone, Debug)]
pub struct Settings {
    /// The folder of `*.wasm` files.
    pub dir: PathBuf,
    /// The folder of compiled code. Only the host may write to it.
    pub cache_dir: PathBuf,
    /// Bytes of compiled code that are kept, besides the code of serving plugins.
    pub cache_max: u64,
    pub compile: CompileSettings,
    /// How long a file must be unchanged before it is loaded, unless an event says that it is complete.
    pub debounce: Duration,
    /// Bytes of the largest plugin file.
    pub max_file: u64,
    /// The size of the pool: instances of all plugins together.
    pub instances: usize,
    pub rules: PluginRules,
}

/// What is accepted, and what its calls may use. They can be replaced while the host runs.
#[derive(Clone, Debug, PartialEq)]
pub struct PluginRules {
    pub trust: Trust,
    /// Whether a file must pass the samples in it before it replaces a serving one.
    pub check_samples: bool,
    /// How long its samples may take together.
    pub check_time: Duration,
    /// For generations that begin to serve from now on.
    pub rollback: RollbackRule,
    pub limits: CallLimits,
    /// Complete limits of single plugins.
    pub overrides: BTreeMap<PluginName, CallLimits>,
}

impl Default for PluginRules {
    fn default() -> Self {
        Self {
            trust: Trust::default(),
            check_samples: true,
            check_time: Duration::from_secs(60),
            rollback: RollbackRule::default(),
            limits: CallLimits::default(),
            overrides: BTreeMap::new(),
        }
    }
}

impl PluginRules {
    /// The limits of calls of this plugin.
    pub fn limits_of(&self, plugin: &PluginName) -> &CallLimits {
        self.overrides.get(plugin).unwrap_or(&self.limits)
    }
}

impl Settings {
    /// The defaults, with these folders.
    pub fn new(dir: PathBuf, cache_dir: PathBuf) -> Self {
        Self {
            dir,
            cache_dir,
            cache_max: 4 << 30,
            compile: CompileSettings::default(),
            debounce: Duration::from_millis(50),
            max_file: 64 << 20,
            instances: 1000,
            rules: PluginRules::default(),
        }
    }

    /// Why the operator's rules refuse the file of a plugin in the folder. Whatever else is wrong with it is not said.
    pub fn refusal(&self, plugin: &PluginName) -> Option<LoadError> {
        let Self { dir, max_file, rules: PluginRules { trust, .. }, .. } = self;
        let path = dir.join(format!("{plugin}.wasm"));
        let file = PluginFile::read(&path, FilePlace::Folder(dir), *max_file, trust).ok()?;
        trust.admit(plugin, &file).err()
    }
}
