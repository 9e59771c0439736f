//! The plugins of the folder: the serving generation of each, and the last failed load.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::Path;
use std::sync::mpsc::{Receiver, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};

use arc_swap::ArcSwap;
use tokio::sync::{oneshot, watch};
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
use super::history::{History, Kept};
use super::linkers::Linkers;
use super::long_calls::LongCallRuntime;
use super::manifest::Manifest;
use super::metrics::{ByCause, ByLimit, ByPlugin, PluginMetrics};
use super::pool_permits::PoolPermits;
use super::rollback::{Asker, Cause, MAX_WAITING, Refusal, RollbackError, RollbackRequest, Rollbacks, RolledBack};
use super::settings::{PluginRules, Settings};
use super::start_progress::{StartProgress, tell};
use super::status::{Failed, PluginStatus, Slot, file_name, shown};
use super::swap_policy::{SwapPolicy, SwapTrial};
use super::trust::PluginFile;

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
    /// Counts the calls of trials, which nobody reads.
    trial_metrics: Arc<PluginMetrics>,
    swap_policy: Arc<dyn SwapPolicy>,
    trial: Arc<dyn SwapTrial>,
    kept: Kept,
    rollbacks: Rollbacks,
    pub(super) start: StartProgress,
    /// Replaced as a whole, so that readers see a consistent state and never wait.
    slots: ArcSwap<Slots>,
    /// The last generation number of every plugin. It continues after a file was removed and added again.
    numbers: Mutex<HashMap<PluginName, u64>>,
    changed: watch::Sender<()>,
}

/// A registry, and what asks it for rollbacks.
pub(super) type WithRequests = (Registry, Receiver<RollbackRequest>);

/// What a load comes to.
enum Next {
    Swap(Generation),
    /// The file serves already.
    Same,
    /// The file is refused, and this one of the version before serves in its place.
    Before(Generation),
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
        trial: Arc<dyn SwapTrial>,
    ) -> Result<WithRequests, PluginError> {
        let runtime = WasmRuntime::new(settings.instances)?;
        let linkers = Linkers::new(&runtime.engines).map_err(|error| PluginError::Engine(format!("{error:#}")))?;
        let engine = runtime.engines.fingerprint();
        let compiler = Compiler::new(settings.compile.clone(), engine);
        let cache = Cache::open(&settings.cache_dir, engine, settings.cache_max)?;
        let permits = Arc::new(PoolPermits::new(runtime.instances));
        let (rollbacks, requests) = sync_channel(MAX_WAITING);
        let registry = Self {
            rules: ArcSwap::from_pointee(settings.rules.clone()),
            kept: Kept::new(&settings.cache_dir),
            settings,
            runtime,
            linkers,
            compiler,
            cache,
            permits,
            long_calls: Arc::new(LongCallRuntime::new()?),
            metrics: Arc::new(PluginMetrics::register(metrics)),
            trial_metrics: Arc::new(PluginMetrics::register(&Metrics::new())),
            swap_policy,
            trial,
            rollbacks,
            start: StartProgress::default(),
            slots: ArcSwap::default(),
            numbers: Mutex::default(),
            changed: watch::Sender::new(()),
        };
        Ok((registry, requests))
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

    /// Ends the start, and reports what serves.
    pub(super) fn end_start(&self) {
        self.start.end();
        let slots = self.slots.load();
        let channels = slots.serving.values().filter(|generation| generation.kind() == Kind::Channel).count();
        let (serving, failed) = (slots.serving.len(), slots.files.len() - slots.serving.len());
        let agents = serving - channels;
        match failed {
            0 => tracing::info!(channels, agents, "Plugins serve"),
            failed => tracing::warn!(
                channels,
                agents,
                failed,
                "Plugins serve, but not all of them: see above, or `gateway plugins`"
            ),
        }
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
        let stem = file.strip_suffix(".wasm").unwrap_or(&file);
        let is_start = self.start.begin_file();
        let turn = self.slot(&file).map(|slot| slot.turn).unwrap_or_default();
        let _turn = turn.lock().await;
        let mut slot = self.slot(&file).unwrap_or_else(|| {
            let name: Option<PluginName> = stem.parse().ok();
            let history = name.as_ref().map(|name| self.kept.history(name)).unwrap_or_default();
            Slot { turn: Arc::clone(&turn), ..Slot::new(path, name, history) }
        });
        let loaded = match slot.name.clone() {
            Some(name) => self.next(&name, path, &mut slot).await,
            None => Err(LoadError::Name(stem.to_owned())),
        };
        match loaded {
            Ok(Next::Swap(generation)) => {
                tell(&generation, is_start);
                slot.failure = None;
                self.serve(&mut slot, generation);
            }
            Ok(Next::Same) => slot.failure = None,
            Ok(Next::Before(generation)) => {
                let message = slot.history.refused.as_ref().map(|refusal| refusal.reason.clone()).unwrap_or_default();
                let reason = message.lines().next().unwrap_or_default();
                tracing::warn!(file = shown(path), version = %generation.manifest.version, "The version before serves: {reason}");
                slot.failure = Some(Failed::now(message));
                self.serve(&mut slot, generation);
            }
            Err(error) => {
                let message = error.to_string();
                let kept = slot.serving.as_ref().map(|generation| generation.number);
                tracing::error!(file = shown(path), kept_generation = kept, "Plugin rejected: {message}");
                let label = slot.label(&file);
                if let LoadError::CompileLimit { limit, .. } = error {
                    self.metrics.limit_hits.get_or_create(&ByLimit::new(&label, limit)).inc();
                }
                self.metrics.load_failures.get_or_create(&ByPlugin::new(label)).inc();
                slot.failure = Some(Failed::now(message));
                self.apply_limits(&mut slot).await;
            }
        }
        self.replace(file, Some(slot));
    }

    /// Replaces the limits of a version that serves although the file of the folder does not.
    async fn apply_limits(&self, slot: &mut Slot) {
        let Some(serving) = slot.serving.clone() else { return };
        if serving.limits == *self.rules().limits_of(&serving.plugin) {
            return;
        }
        match self.kept_generation(&serving.plugin, Some(serving.digest)).await {
            Ok(generation) => {
                generation.continue_watch_of(&serving);
                self.serve(slot, generation);
            }
            Err(error) => {
                tracing::warn!(plugin = %serving.plugin, "Plugin serves on with the limits of before: {error}");
            }
        }
    }

    pub(super) fn slot(&self, file: &str) -> Option<Slot> {
        self.slots.load().files.get(file).cloned()
    }

    /// Puts a generation into a slot.
    pub(super) fn serve(&self, slot: &mut Slot, generation: Generation) {
        let by = ByPlugin::new(&generation.plugin);
        self.metrics.generation.get_or_create(&by).set(generation.number.cast_signed());
        slot.serving = Some(Arc::new(generation));
        slot.loaded_at = Some(Timestamp::now());
    }

    /// Changes the history of a plugin. If it cannot be recorded, it is lost with the next start.
    pub(super) fn record(&self, name: &PluginName, slot: &mut Slot, history: History) {
        if slot.history == history {
            return;
        }
        if let Err(error) = self.kept.record(name, &history) {
            tracing::error!(plugin = %name, %error, "History of the plugin was not recorded, a restart forgets it");
        }
        slot.history = history;
    }

    /// Forgets what was kept of plugins whose files are gone.
    pub(super) fn forget_all_but(&self, files: &BTreeSet<std::path::PathBuf>) {
        let stems = files.iter().filter_map(|path| path.file_stem()?.to_str().map(str::to_owned));
        self.kept.forget_all_but(&stems.collect());
    }

    /// Retires the plugin of a removed file. Calls in flight finish.
    pub(super) fn retire(&self, file: &str) {
        let slots = self.slots.load();
        let Some(slot) = slots.files.get(file) else { return };
        if let Some(generation) = &slot.serving {
            tracing::info!(plugin = %generation.plugin, generation = generation.number, "Plugin retired, its file is gone");
            self.metrics.generation.remove(&ByPlugin::new(&generation.plugin));
        }
        if let Some(name) = &slot.name {
            self.kept.forget(name.as_str());
        }
        self.replace(file.to_owned(), None);
    }

    fn replace(&self, file: String, slot: Option<Slot>) {
        self.change(|files| {
            match &slot {
                Some(slot) => files.insert(file.clone(), slot.clone()),
                None => files.remove(&file),
            };
        });
    }

    /// Replaces a slot unless its file was removed, and returns whether it did.
    pub(super) fn update(&self, file: &str, slot: &Slot) -> bool {
        let mut is_there = false;
        self.change(|files| {
            let found = files.get_mut(file);
            is_there = found.is_some();
            found.into_iter().for_each(|found| found.clone_from(slot));
        });
        is_there
    }

    fn change(&self, mut change: impl FnMut(&mut BTreeMap<String, Slot>)) {
        self.slots.rcu(|slots| {
            let mut slots = Slots::clone(slots);
            change(&mut slots.files);
            let serving = slots.files.values().filter_map(|slot| slot.serving.clone());
            slots.serving = serving.map(|generation| (generation.plugin.clone(), generation)).collect();
            slots
        });
        self.changed.send_replace(());
    }

    /// What serves after the file at `path` was read.
    async fn next(&self, name: &PluginName, path: &Path, slot: &mut Slot) -> Result<Next, LoadError> {
        let Settings { dir, max_file, .. } = &self.settings;
        let rules = self.rules();
        let serving = slot.serving.clone();
        let file = PluginFile::read(path, FilePlace::Folder(dir), *max_file, &rules.trust)?;
        rules.trust.admit(name, &file)?;
        if let Some(serving) = serving.as_ref().filter(|serving| serving.digest == file.digest) {
            self.record(name, slot, History { refused: None, ..slot.history.clone() });
            if serving.limits == *rules.limits_of(name) {
                return Ok(Next::Same);
            }
            let mut generation = self.build(name, &file).await?;
            generation.continue_watch_of(serving);
            generation.number = self.next_number(name);
            return Ok(Next::Swap(generation));
        }
        if let Some(refusal) = slot.history.refuses(file.digest, rules.check_samples) {
            match &serving {
                // It is tried again, as the operator asks for by touching it.
                Some(_) if refusal.cause == Cause::Samples => {}
                Some(_) => return Err(LoadError::Refused(refusal.reason.clone())),
                None => match self.kept_generation(name, slot.history.serving).await {
                    Ok(before) => return Ok(Next::Before(before)),
                    Err(error) => {
                        tracing::error!(plugin = %name, "The version before cannot serve, the refused one does: {error}")
                    }
                },
            }
        }
        let component = self.compile(&file)?;
        let mut generation = self.prepare(name, &component, file.digest).await?;
        self.admit(name, serving.as_deref(), &generation)?;
        if let Some(serving) = &serving {
            if rules.check_samples {
                self.try_out(name, &component, &file, &generation, slot).await?;
            }
            generation.succeed(serving);
        }
        if let Err(error) = self.kept.keep(name, &file) {
            tracing::warn!(plugin = %name, %error, "Plugin file was not kept, it cannot be rolled back to");
        }
        self.record(name, slot, slot.history.after(file.digest));
        generation.number = self.next_number(name);
        Ok(Next::Swap(generation))
    }

    /// Runs the samples in a file. One that does not pass them is refused, also after a restart.
    async fn try_out(
        &self,
        name: &PluginName,
        component: &Component,
        file: &PluginFile,
        next: &Generation,
        slot: &mut Slot,
    ) -> Result<(), LoadError> {
        let time = self.rules().check_time;
        let subject = self.prepare_counting(name, component, file.digest, &self.trial_metrics).await?;
        let tried = tokio::time::timeout(time, self.trial.run(subject, &file.bytes)).await;
        let failed =
            tried.unwrap_or_else(|_| Err(format!("they take more than `plugins.check_time` allows ({time:?})")));
        let Err(reason) = failed else { return Ok(()) };
        let error = LoadError::Samples(reason);
        let refusal = Refusal {
            digest: file.digest,
            version: next.manifest.version.to_string(),
            cause: Cause::Samples,
            reason: error.to_string(),
            at: Timestamp::now(),
        };
        self.record(name, slot, History { refused: Some(refusal), ..slot.history.clone() });
        Err(error)
    }

    /// Refuses `next` if it must not replace `serving`.
    pub(super) fn admit(
        &self,
        name: &PluginName,
        serving: Option<&Generation>,
        next: &Generation,
    ) -> Result<(), LoadError> {
        let serving = serving.map(|serving| serving.manifest.as_ref());
        self.swap_policy.admit(name, serving, &next.manifest).map_err(LoadError::Refused)
    }

    pub(super) fn count_rollback(&self, name: &PluginName, cause: Cause) {
        self.metrics.rollbacks.get_or_create(&ByCause::new(name, cause.as_str())).inc();
    }

    /// A generation of a kept file, with its number.
    pub(super) async fn kept_generation(
        &self,
        name: &PluginName,
        digest: Option<Digest>,
    ) -> Result<Generation, LoadError> {
        let trust = &self.rules().trust;
        let none = || LoadError::Read(std::io::ErrorKind::NotFound.into());
        let file = self.kept.read(name, digest.ok_or_else(none)?, self.settings.max_file, trust)?;
        trust.admit(name, &file)?;
        let mut generation = self.build(name, &file).await?;
        generation.number = self.next_number(name);
        Ok(generation)
    }

    /// Asks for a rollback, and waits for it.
    pub(super) async fn ask_to_roll_back(&self, plugin: PluginName) -> Result<RolledBack, RollbackError> {
        let (answer, answered) = oneshot::channel();
        let request = RollbackRequest { plugin, asker: Asker::Operator(answer) };
        self.rollbacks.try_send(request).map_err(|_| RollbackError::Busy)?;
        answered.await.unwrap_or(Err(RollbackError::Busy))
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
        self.prepare_counting(name, component, digest, &self.metrics).await
    }

    async fn prepare_counting(
        &self,
        name: &PluginName,
        component: &Component,
        digest: Digest,
        metrics: &Arc<PluginMetrics>,
    ) -> Result<Generation, LoadError> {
        let engine = component.engine();
        let kind = classify(component)?;
        let prepared = self.linkers.prepare(component, kind).map_err(|error| LoadError::Link(format!("{error:#}")))?;
        let rules = self.rules();
        let limits = rules.limits_of(name).clone();
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
            metrics: Arc::clone(metrics),
            rule: rules.rollback,
            rollbacks: self.rollbacks.clone(),
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
        self.start.compiling();
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
