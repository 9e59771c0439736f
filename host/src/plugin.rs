//! The plugin host: turns the files of a folder into sandboxed adapters and calls them.
//!
//! It owns which generation of a plugin serves, what a call may use, and what a guest can reach. It promises that
//! a plugin costs its own calls only: a trap, a limit or a bad file never touches another plugin, and a file that does not
//! load leaves the last good generation serving. Deliberately absent: who may call what, and what events mean.

mod advice;
mod bindings;
mod cache;
mod call;
mod check;
mod compile;
mod contract;
mod digest;
mod engine;
mod file;
mod generation;
mod guest;
mod instance;
mod lane;
mod limits;
mod linkers;
mod manifest;
mod metrics;
mod network;
mod observe;
mod output;
mod places;
mod prepared;
mod priority;
mod registry;
mod script;
mod signature;
mod state;
mod trust;
mod watch;
mod workbench;

use std::collections::BTreeMap;
use std::io;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use crate::event::PluginName;
use crate::metrics::Metrics;

pub use self::call::{Answer, Batch, Failure, Inbound, Outgoing, Receipt, ReceiptEvent, Rejection, Responding};
pub use self::check::Finding;
pub use self::compile::child::compile_stdin;
pub use self::compile::{COMMAND as COMPILE_COMMAND, CompileSettings};
pub use self::contract::{ContractError, Kind, SERVED};
pub use self::digest::{Digest, DigestError};
pub use self::engine::{MAX_MEMORY, MAX_TABLE_ELEMENTS};
pub use self::generation::Generation;
pub use self::instance::Instance;
pub use self::limits::{Limits, Reuse};
pub use self::manifest::{ConfigKey, Manifest, ManifestError, config_text};
pub use self::network::Network;
pub use self::observe::{Observation, observe};
pub use self::registry::PluginStatus;
pub use self::script::{Script, Sent};
pub use self::signature::{KeyError, SignatureError, SignatureState, TrustedKey, sign, signature_path};
pub use self::state::{State, StateChanges, StateError};
pub use self::trust::Trust;
pub use self::workbench::{Inspection, Workbench, read_file};

use self::registry::Registry;

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
    pub limits: Limits,
    /// The same for single plugins, complete.
    pub overrides: BTreeMap<PluginName, Limits>,
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
            limits: Limits::default(),
            overrides: BTreeMap::new(),
        }
    }
}

/// Says whether a generation may serve. Asked before every swap.
pub trait Gatekeeper: Send + Sync {
    /// Refuses `next`, with the reason for the operator, when it must not take the place of `serving`.
    fn admit(&self, plugin: &PluginName, serving: Option<&Manifest>, next: &Manifest) -> Result<(), String>;
}

/// Why the plugin host cannot work.
#[derive(Debug, thiserror::Error)]
pub enum PluginError {
    /// The compiler or the pool of instances.
    #[error("cannot set up the WebAssembly engine: {0}")]
    Engine(String),
    /// A thread.
    #[error("cannot start a thread")]
    Thread(#[source] io::Error),
    /// A limit or a stream of the process.
    #[error("cannot set up the process")]
    Process(#[source] io::Error),
    /// Somebody else may have written to the folder of compiled plugins.
    #[error(
        "cannot trust the folder of compiled plugins `{dir}`: {reason}\nhint: remove it, it is made anew: `rm -r {dir}`; or name another one in `plugins.cache_dir`",
        dir = dir.display()
    )]
    Cache {
        /// The folder.
        dir: PathBuf,
        /// Who may have written there.
        reason: String,
    },
    /// A folder.
    #[error("cannot use the folder `{}`", dir.display())]
    Folder {
        /// The folder.
        dir: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
}

/// Why a file was not taken into service. The text is for the operator.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// The file's stem is no name.
    #[error("`{0}` is not a plugin name: expected 1 to 63 of `a-z`, `0-9` and `-`\nhint: rename the file")]
    Name(String),
    /// The file cannot be read.
    #[error("it cannot be read: {0}")]
    Read(io::Error),
    /// It is not what its name says.
    #[error("it is {0}, not a file")]
    NotAFile(&'static str),
    /// It is a link to somewhere else.
    #[error("it is a link to `{}`, outside of the plugin folder\nhint: copy the file into the folder", .0.display())]
    Outside(PathBuf),
    /// Somebody writes to it.
    #[error(
        "it changed while it was read\nhint: it is loaded when it is complete; better move a complete file into the folder"
    )]
    Changing,
    /// It has no signature, and needs one.
    #[error(
        "it has no signature that counts, and `plugins.require_signature` asks for one\nhint: `gateway plugin sign FILE --key KEY` writes it"
    )]
    Unsigned,
    /// Its signature does not count.
    #[error("{0}\nhint: put the signature of this very file beside it, as `NAME.wasm.sig`")]
    Signature(SignatureError),
    /// It is another file than the operator lets in under this name.
    #[error(
        "its SHA-256 is {found}, and `plugins.overrides.{plugin}.sha256` is {pin}\nhint: if the new file is to serve: `gateway plugin pin {plugin}`, then restart the gateway"
    )]
    Pinned {
        /// The plugin.
        plugin: PluginName,
        /// That of the file.
        found: Digest,
        /// The one that is let in.
        pin: Digest,
    },
    /// The file is too large.
    #[error("it has {size} bytes, more than `plugins.max_file` allows ({limit})")]
    TooLarge {
        /// Bytes of the file.
        size: u64,
        /// Bytes allowed.
        limit: u64,
    },
    /// The file's first bytes are not those of a component.
    #[error("it is no WebAssembly component: {0}")]
    NotAComponent(&'static str),
    /// The compiler refused it.
    #[error("it does not compile: {0}\nhint: a file that is still being written is loaded again when it is complete")]
    Compile(String),
    /// Compiling it goes beyond a limit.
    #[error("compiling it takes more than `plugins.{key}` allows ({most})\nhint: raise it for a plugin that you trust")]
    CompileLimit {
        /// `compile-memory` or `compile-time`.
        limit: &'static str,
        /// The key of the limit.
        key: &'static str,
        /// The limit.
        most: String,
    },
    /// The compiler, whatever it was given.
    #[error("{0}")]
    Compiler(String),
    /// It keeps no contract of this gateway.
    #[error(transparent)]
    Contract(#[from] ContractError),
    /// An import has another shape than the contract says.
    #[error(
        "its imports or exports differ from `wit/plugin.wit` {SERVED}: {0}\nhint: build it against the `wit/plugin.wit` of this release"
    )]
    Link(String),
    /// `describe` failed.
    #[error("its `describe` failed: {0}")]
    Describe(CallError),
    /// `describe` returned something else than a manifest.
    #[error(transparent)]
    Manifest(#[from] ManifestError),
    /// It must not take the place of what serves.
    #[error("{0}")]
    Refused(String),
}

/// Why a call of a plugin brought no result.
#[derive(Debug, thiserror::Error)]
pub enum CallError {
    /// All places are taken and the queue is full, or the time was over before there was a place.
    #[error("all places are taken")]
    Busy,
    /// The call went beyond a limit and was stopped.
    #[error("stopped by the limit `{limit}`: {detail}")]
    Limit {
        /// `cpu`, `time`, `memory`, `table`, `stack`, `resources` or `output`.
        limit: &'static str,
        /// What the engine said.
        detail: String,
    },
    /// The guest trapped.
    #[error("trapped: {0}")]
    Trap(String),
}

/// The front of the plugin host. Dropping the last one stops the loader.
#[derive(Clone)]
pub struct PluginHost {
    registry: Arc<Registry>,
    /// By owner; made once for each, and filled when the event log is open.
    states: Arc<Mutex<BTreeMap<String, Arc<State>>>>,
    _loader: Arc<watch::Loader>,
}

impl PluginHost {
    /// Loads every file of the folder and follows it from then on. A file that does not load is no error.
    pub async fn start(
        settings: Settings,
        metrics: &Metrics,
        gatekeeper: Arc<dyn Gatekeeper>,
    ) -> Result<Self, PluginError> {
        let registry = Arc::new(Registry::new(settings, metrics, gatekeeper)?);
        let loader = watch::start(Arc::clone(&registry)).await?;
        Ok(Self { registry, states: Arc::default(), _loader: Arc::new(loader) })
    }

    /// The serving generation of a plugin. Hold it for one call only, so that a swap takes effect.
    pub fn serving(&self, plugin: &str) -> Option<Arc<Generation>> {
        self.registry.serving(plugin)
    }

    /// The state of `owner`, such as `channels/github`, which has `quota` bytes; none when it was granted none.
    pub fn state(&self, owner: &str, quota: usize) -> Option<Arc<State>> {
        let mut states = self.states.lock().unwrap_or_else(PoisonError::into_inner);
        let state = || Arc::new(State::new(owner.to_owned(), quota));
        (quota > 0).then(|| Arc::clone(states.entry(owner.to_owned()).or_insert_with(state)))
    }

    /// The states that were asked for.
    pub fn states(&self) -> Vec<Arc<State>> {
        self.states.lock().unwrap_or_else(PoisonError::into_inner).values().cloned().collect()
    }

    /// The serving generations of all channel plugins, in no order.
    pub fn serving_channels(&self) -> Vec<Arc<Generation>> {
        self.registry.serving_channels()
    }

    /// Every file of the folder with what serves and what failed, by file name.
    pub fn list(&self) -> Vec<PluginStatus> {
        self.registry.list()
    }

    /// Changes whenever a generation was swapped, retired or refused.
    pub fn subscribe(&self) -> tokio::sync::watch::Receiver<()> {
        self.registry.subscribe()
    }
}
