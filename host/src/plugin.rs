//! The plugin host: turns the files of a folder into sandboxed adapters and calls them.
//!
//! It owns which generation of a plugin serves, what a call may use, and what a guest can reach. It promises that
//! a plugin costs its own calls only: a trap, a limit or a bad file never touches another plugin, and a file that does not
//! load leaves the last good generation serving. Deliberately absent: who may call what, and what events mean.

mod binding;
mod bindings;
mod cache;
mod call;
mod call_record;
mod call_stats;
mod check;
mod compile;
mod contract;
mod digest;
mod engine;
mod error;
mod file;
mod generation;
mod guest;
mod hints;
mod history;
mod limits;
mod linkers;
mod long_calls;
mod manifest;
mod metrics;
mod network;
mod output;
mod pool_permits;
mod prepared;
mod registry;
mod rollback;
mod rollback_worker;
mod schema_problem;
mod script;
mod settings;
mod signature;
mod standalone;
mod start_progress;
mod state;
mod state_group;
mod status;
mod swap_policy;
mod trust;
mod watch;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use crate::metrics::Metrics;

pub use self::binding::Binding;
pub use self::call::{
    Answer, Batch, Exchange, Failure, Inbound, Outgoing, Receipt, ReceiptEvent, Rejection, Responding,
};
pub use self::call_record::RollbackRule;
pub use self::call_stats::{CallStats, collect_stats};
pub use self::check::Finding;
pub use self::compile::child::compile_stdin;
pub use self::compile::{COMMAND as COMPILE_COMMAND, CompileSettings};
pub use self::contract::{ContractError, Kind, SERVED};
pub use self::digest::{Digest, DigestError};
pub use self::engine::{MAX_MEMORY, MAX_TABLE_ELEMENTS};
pub use self::error::{CallError, LoadError, PluginError};
pub use self::generation::Generation;
pub use self::limits::{CallLimits, Reuse};
pub use self::manifest::{ConfigKey, Manifest, ManifestError, OnUnknown, config_text};
pub use self::network::Network;
pub use self::rollback::{RollbackError, RolledBack};
pub use self::script::{Script, Sent};
pub use self::settings::{PluginRules, Settings};
pub use self::signature::{KeyError, SignatureError, SignatureState, TrustedKey, sign, signature_path};
pub use self::standalone::{Inspection, StandaloneHost, read_file};
pub use self::state::{PluginState, StateChanges, StateError};
pub use self::state_group::StateGroup;
pub use self::status::PluginStatus;
pub use self::swap_policy::{AllowAll, SwapPolicy, SwapTrial, Trying};
pub use self::trust::Trust;

use self::registry::Registry;

/// The front of the plugin host. Dropping the last one stops the loader.
#[derive(Clone)]
pub struct PluginHost {
    registry: Arc<Registry>,
    /// By owner. Each is filled once the event log is open.
    states: Arc<Mutex<BTreeMap<String, Arc<PluginState>>>>,
    loader: Arc<watch::Loader>,
}

impl PluginHost {
    /// Loads every file of the folder and watches the folder from then on. A file that does not load is not an error.
    pub async fn start(
        settings: Settings,
        metrics: &Metrics,
        swap_policy: Arc<dyn SwapPolicy>,
        trial: Arc<dyn SwapTrial>,
    ) -> Result<Self, PluginError> {
        let (registry, requests) = Registry::new(settings, metrics, swap_policy, trial)?;
        let registry = Arc::new(registry);
        rollback_worker::start(&registry, requests)?;
        let loader = watch::start(Arc::clone(&registry)).await?;
        Ok(Self { registry, states: Arc::default(), loader: Arc::new(loader) })
    }

    /// Replaces what is accepted and what calls may use. Every file is loaded again by the new rules; what they refuse leaves the
    /// serving version in service, with the new limits.
    pub fn replace_rules(&self, rules: PluginRules) {
        self.registry.replace_rules(rules);
        self.loader.wake();
    }

    /// The serving generation of a plugin. Hold it for one call only, so that a swap takes effect.
    pub fn serving(&self, plugin: &str) -> Option<Arc<Generation>> {
        self.registry.serving(plugin)
    }

    /// The state of `owner`, such as `channels/github`, from now on with this quota. `None` when `quota` is 0.
    pub fn state(&self, owner: &str, quota: usize) -> Option<Arc<PluginState>> {
        let mut states = self.states.lock().unwrap_or_else(PoisonError::into_inner);
        let state = || Arc::new(PluginState::new(owner.to_owned(), quota));
        let state = (quota > 0).then(|| Arc::clone(states.entry(owner.to_owned()).or_insert_with(state)));
        state.inspect(|state| state.set_quota(quota))
    }

    /// The states that [`PluginHost::state`] has returned and that nobody has loaded yet.
    pub fn unloaded_states(&self) -> Vec<Arc<PluginState>> {
        let states = self.states.lock().unwrap_or_else(PoisonError::into_inner);
        states.values().filter(|state| !state.is_loaded()).cloned().collect()
    }

    /// The serving generations of all channel plugins, in no order.
    pub fn serving_channels(&self) -> Vec<Arc<Generation>> {
        self.registry.serving_channels()
    }

    /// Every file of the folder, by name.
    pub fn list(&self) -> Vec<PluginStatus> {
        self.registry.list()
    }

    /// Takes the version before the serving one back into service. The file of the serving one is refused until another one takes
    /// its place, also after a restart. Calls in flight finish on the generation that they began with.
    ///
    /// # Errors
    /// `Unknown`, `NothingBefore`, `Load` when the version before cannot serve any more, and `Busy`.
    pub async fn roll_back(&self, plugin: &str) -> Result<RolledBack, RollbackError> {
        let name = plugin.parse().map_err(|_| RollbackError::Unknown(plugin.to_owned()))?;
        self.registry.ask_to_roll_back(name).await
    }

    /// Changes whenever a generation was swapped, retired or rejected.
    pub fn subscribe(&self) -> tokio::sync::watch::Receiver<()> {
        self.registry.subscribe()
    }
}
