//! The plugins of the folder: the serving generation of each, and the last failed load.

use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use arc_swap::ArcSwap;
use serde::Serialize;
use tokio::sync::watch;
use wasmtime::component::Component;

use crate::event::{PluginName, Timestamp};
use crate::metrics::Metrics;

use super::cache::{self, Cache};
use super::compile::Compiler;
use super::contract::{Kind, classify};
use super::digest::Digest;
use super::engine::WasmRuntime;
use super::error::{LoadError, PluginError};
use super::file::{FilePlace, check_header};
use super::generation::{Generation, Parts};
use super::linkers::Linkers;
use super::long_calls::LongCallRuntime;
use super::manifest::Manifest;
use super::metrics::{ByLimit, ByPlugin, PluginMetrics};
use super::pool_permits::PoolPermits;
use super::settings::{PluginRules, Settings};
use super::swap_policy::SwapPolicy;
use super::trust::PluginFile;

/// One file of the folder.
#[derive(Clone)]
pub(super) struct Slot {
    pub(super) file: PathBuf,
    pub(super) name: Option<PluginName>,
    pub(super) serving: Option<Arc<Generation>>,
    pub(super) loaded_at: Option<Timestamp>,
    /// The last failed load.
    pub(super) failure: Option<Failed>,
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
}

impl Slot {
    fn status(&self) -> PluginStatus {
        let serving = self.serving.as_deref();
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
        }
    }
}

/// Loads files, several at a time, and holds what serves. Requests read it; only the loader writes it.
pub(super) struct Registry {
    settings: Settings,
    /// Those of the settings, until they are replaced.
    rules: ArcSwap<PluginRules>,
    runtime: WasmRuntime,
    linkers: Linkers,
    compiler: Compiler,
    cache: Cache,
    permits: Arc<PoolPermits>,
    long_calls: Arc<LongCallRuntime>,
    metrics: Arc<PluginMetrics>,
    swap_policy: Arc<dyn SwapPolicy>,
    /// Replaced as a whole, so that readers see a consistent state and never wait.
    slots: ArcSwap<Slots>,
    /// The last generation number of every plugin. It continues after a file was removed and added again.
    numbers: Mutex<HashMap<PluginName, u64>>,
    changed: watch::Sender<()>,
}

/// One state of the folder.
#[derive(Clone, Default)]
struct Slots {
    /// By file name.
    files: BTreeMap<String, Slot>,
    /// Serving generations by plugin, for the lookup of each request.
    serving: HashMap<PluginName, Arc<Generation>>,
}

impl Registry {
    pub(super) fn new(
        settings: Settings,
        metrics: &Metrics,
        swap_policy: Arc<dyn SwapPolicy>,
    ) -> Result<Self, PluginError> {
        let runtime = WasmRuntime::new(settings.instances)?;
        let linkers = Linkers::new(&runtime.engines).map_err(|error| PluginError::Engine(format!("{error:#}")))?;
        let engine = runtime.engines.fingerprint();
        let compiler = Compiler::new(settings.compile.clone(), engine);
        let cache = Cache::open(&settings.cache_dir, engine, settings.cache_max)?;
        let permits = Arc::new(PoolPermits::new(runtime.instances));
        Ok(Self {
            rules: ArcSwap::from_pointee(settings.rules.clone()),
            settings,
            runtime,
            linkers,
            compiler,
            cache,
            permits,
            long_calls: Arc::new(LongCallRuntime::new()?),
            metrics: Arc::new(PluginMetrics::register(metrics)),
            swap_policy,
            slots: ArcSwap::default(),
            numbers: Mutex::default(),
            changed: watch::Sender::new(()),
        })
    }

    pub(super) fn settings(&self) -> &Settings {
        &self.settings
    }

    pub(super) fn rules(&self) -> Arc<PluginRules> {
        self.rules.load_full()
    }

    /// Replaces the rules. The loader loads every file again when it sees other ones.
    pub(super) fn replace_rules(&self, rules: PluginRules) {
        if *self.rules() != rules {
            self.rules.store(Arc::new(rules));
        }
    }

    pub(super) fn serving(&self, name: &str) -> Option<Arc<Generation>> {
        self.slots.load().serving.get(name).cloned()
    }

    pub(super) fn serving_channels(&self) -> Vec<Arc<Generation>> {
        let slots = self.slots.load();
        let channels = slots.serving.values().filter(|generation| generation.kind() == Kind::Channel);
        channels.cloned().collect()
    }

    pub(super) fn list(&self) -> Vec<PluginStatus> {
        self.slots.load().files.values().map(Slot::status).collect()
    }

    pub(super) fn subscribe(&self) -> watch::Receiver<()> {
        self.changed.subscribe()
    }

    /// Reads a file at any path, with its signature.
    pub(super) fn read(&self, path: &Path) -> Result<PluginFile, LoadError> {
        PluginFile::read(path, FilePlace::Anywhere, self.settings.max_file, &self.rules().trust)
    }

    /// Loads a new or changed file. If that fails, the serving generation stays and the reason is logged.
    pub(super) async fn load(&self, path: &Path) {
        let file = file_name(path);
        let mut slot = self.slots.load().files.get(&file).cloned().unwrap_or_else(|| Slot {
            file: path.to_owned(),
            name: None,
            serving: None,
            loaded_at: None,
            failure: None,
        });
        let stem = file.strip_suffix(".wasm").unwrap_or(&file);
        slot.name = stem.parse().ok();
        let loaded = match &slot.name {
            Some(name) => self.next(name, path, slot.serving.as_ref()).await,
            None => Err(LoadError::Name(stem.to_owned())),
        };
        match loaded {
            Ok(Some(generation)) => {
                tracing::info!(
                    plugin = %generation.plugin,
                    kind = generation.kind().as_str(),
                    version = %generation.manifest.version,
                    generation = generation.number,
                    digest = &generation.digest.to_string()[..12],
                    "Plugin serves"
                );
                let by = ByPlugin::new(&generation.plugin);
                self.metrics.generation.get_or_create(&by).set(generation.number.cast_signed());
                slot.serving = Some(Arc::new(generation));
                slot.loaded_at = Some(Timestamp::now());
                slot.failure = None;
            }
            Ok(None) => slot.failure = None,
            Err(error) => {
                let message = error.to_string();
                let kept = slot.serving.as_ref().map(|generation| generation.number);
                tracing::error!(file = shown(path), kept_generation = kept, "Plugin rejected: {message}");
                let label = stem_label(&slot, &file);
                if let LoadError::CompileLimit { limit, .. } = error {
                    self.metrics.limit_hits.get_or_create(&ByLimit::new(&label, limit)).inc();
                }
                self.metrics.load_failures.get_or_create(&ByPlugin::new(label)).inc();
                slot.failure = Some(Failed { message, at: Timestamp::now() });
            }
        }
        self.replace(file, Some(slot));
    }

    /// Retires the plugin of a removed file. Calls in flight finish.
    pub(super) fn retire(&self, file: &str) {
        let slots = self.slots.load();
        let Some(slot) = slots.files.get(file) else { return };
        if let Some(generation) = &slot.serving {
            tracing::info!(plugin = %generation.plugin, generation = generation.number, "Plugin retired, its file is gone");
            self.metrics.generation.remove(&ByPlugin::new(&generation.plugin));
        }
        self.replace(file.to_owned(), None);
    }

    fn replace(&self, file: String, slot: Option<Slot>) {
        self.slots.rcu(|slots| {
            let mut slots = Slots::clone(slots);
            match &slot {
                Some(slot) => slots.files.insert(file.clone(), slot.clone()),
                None => slots.files.remove(&file),
            };
            let serving = slots.files.values().filter_map(|slot| slot.serving.clone());
            slots.serving = serving.map(|generation| (generation.plugin.clone(), generation)).collect();
            slots
        });
        self.changed.send_replace(());
    }

    /// The generation that replaces `serving`. `None` if the file serves already.
    async fn next(
        &self,
        name: &PluginName,
        path: &Path,
        serving: Option<&Arc<Generation>>,
    ) -> Result<Option<Generation>, LoadError> {
        let Settings { dir, max_file, .. } = &self.settings;
        let rules = self.rules();
        let file = PluginFile::read(path, FilePlace::Folder(dir), *max_file, &rules.trust)?;
        rules.trust.admit(name, &file)?;
        let is_same =
            |serving: &&Arc<Generation>| serving.digest == file.digest && serving.limits == *rules.limits_of(name);
        if serving.filter(is_same).is_some() {
            return Ok(None);
        }
        let mut generation = self.build(name, &file).await?;
        self.swap_policy
            .admit(name, serving.map(|serving| serving.manifest.as_ref()), &generation.manifest)
            .map_err(LoadError::Refused)?;
        generation.number = self.next_number(name);
        Ok(Some(generation))
    }

    /// Makes a generation from a file.
    pub(super) async fn build(&self, name: &PluginName, file: &PluginFile) -> Result<Generation, LoadError> {
        let component = self.compile(file)?;
        self.prepare(name, &component, file.digest).await
    }

    /// Makes a generation from a component.
    pub(super) async fn prepare(
        &self,
        name: &PluginName,
        component: &Component,
        digest: Digest,
    ) -> Result<Generation, LoadError> {
        let engine = component.engine();
        let kind = classify(component)?;
        let prepared = self.linkers.prepare(component, kind).map_err(|error| LoadError::Link(format!("{error:#}")))?;
        let limits = self.rules().limits_of(name).clone();
        let text = prepared
            .describe(engine, name, &limits, self.runtime.activity.clone())
            .await
            .map_err(LoadError::Describe)?;
        let parts = Parts {
            plugin: name.clone(),
            digest,
            manifest: Arc::new(Manifest::parse(&text)?),
            limits,
            engine: engine.clone(),
            permits: Arc::clone(&self.permits),
            long_calls: Arc::clone(&self.long_calls),
            activity: self.runtime.activity.clone(),
            metrics: Arc::clone(&self.metrics),
        };
        Ok(Generation::new(prepared, parts))
    }

    /// The component, from the cache or compiled now.
    pub(super) fn compile(&self, file: &PluginFile) -> Result<Component, LoadError> {
        check_header(&file.bytes)?;
        let engines = &self.runtime.engines;
        if let Some(component) = self.cache.find(engines, file.digest) {
            return Ok(component);
        }
        let code = self.compiler.compile(&file.bytes)?;
        let serving = || self.slots.load().serving.values().map(|generation| generation.digest).collect();
        self.cache.keep(engines, file.digest, &code, serving).or_else(|error| {
            tracing::warn!(%error, "Compiled plugin was not cached, the next start compiles it again");
            cache::load_bytes(engines, &code).map_err(|error| LoadError::Compile(format!("{error:#}")))
        })
    }

    fn next_number(&self, name: &PluginName) -> u64 {
        let mut numbers = self.numbers.lock().unwrap_or_else(PoisonError::into_inner);
        let number = numbers.entry(name.clone()).or_default();
        *number += 1;
        *number
    }
}

/// The name of a file's plugin.
pub(super) fn plugin_name(path: &Path) -> Result<PluginName, LoadError> {
    let stem = path.file_stem().unwrap_or_default().to_string_lossy();
    stem.parse().map_err(|_| LoadError::Name(stem.into_owned()))
}

fn stem_label(slot: &Slot, file: &str) -> String {
    slot.name.as_ref().map_or_else(|| file.to_owned(), ToString::to_string)
}

/// The name of a file, of which nothing reaches a log or a terminal as it is, and which differs for different files.
pub(super) fn file_name(path: &Path) -> String {
    let name = path.file_name().unwrap_or_default();
    match name.to_str() {
        Some(name) => name.escape_debug().to_string(),
        None => name.as_encoded_bytes().escape_ascii().to_string(),
    }
}

fn shown(path: &Path) -> String {
    path.with_file_name(file_name(path)).display().to_string()
}
