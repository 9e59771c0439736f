//! Watches the plugin folder: loads changed files and retires plugins of removed files.
//!
//! Events of the file system only wake the loader; it acts on the content of the folder. It also scans every few seconds,
//! because some file systems send no events. Files are loaded by one worker per processor, so that a file which takes long
//! to compile does not delay the others.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::fs::{self, Metadata};
use std::num::NonZeroUsize;
use std::os::unix::fs::MetadataExt;
use std::panic::AssertUnwindSafe;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant, SystemTime};

use futures_util::FutureExt;
use notify::event::{AccessKind, AccessMode, ModifyKind, RenameMode};
use notify::{Event, EventKind, RecommendedWatcher, RecursiveMode, Watcher};
use tokio::runtime::Handle;
use tokio::sync::oneshot;

use super::error::PluginError;
use super::registry::Registry;
use super::settings::PluginRules;
use super::signature::signature_path;
use super::status::file_name;
use crate::priority::give_way_if_possible;

/// How often the folder is scanned without an event.
const PERIOD: Duration = Duration::from_secs(2);

/// Signals that wait for the loader. More are dropped: one is enough to start a scan.
const MAX_SIGNALS: usize = 1024;

/// Workers on a single processor: one file may take long.
const MIN_WORKERS: usize = 2;

/// What wakes the loader.
enum Signal {
    /// Something changed.
    Look,
    /// This file was written and closed, or moved into the folder: it is complete.
    Complete(PathBuf),
    /// A worker has finished with this file.
    Loaded(PathBuf),
    Stop,
}

/// Stops the loader when dropped.
pub(super) struct Loader {
    signals: SyncSender<Signal>,
    _watcher: Option<RecommendedWatcher>,
}

impl Loader {
    /// Looks at the folder soon. If too many signals wait already, the next scan comes all the same.
    pub(super) fn wake(&self) {
        let _ = self.signals.try_send(Signal::Look);
    }
}

impl Drop for Loader {
    fn drop(&mut self) {
        let _ = self.signals.try_send(Signal::Stop);
    }
}

/// Loads the files of the folder, then watches it. Returns when every file was loaded or rejected once.
pub(super) async fn start(registry: Arc<Registry>) -> Result<Loader, PluginError> {
    let dir = registry.settings().dir.clone();
    fs::create_dir_all(&dir).map_err(|source| PluginError::Folder { dir: dir.clone(), source })?;
    let (signals, received) = sync_channel(MAX_SIGNALS);
    let watcher = watch(&dir, signals.clone());
    let (first, looked) = oneshot::channel();
    warn_of_strangers(&dir);
    if let Err(error) = fs::read_dir(&dir) {
        tracing::warn!("Plugin folder `{}` cannot be read, so nothing of it is served: {error}", dir.display());
    }
    let folder = Folder {
        debounce: registry.settings().debounce,
        rules: registry.rules(),
        workers: Workers::start(&registry, &signals)?,
        registry,
        dir,
        seen: BTreeMap::new(),
        unsettled: BTreeMap::new(),
        complete: HashSet::new(),
        loading: HashSet::new(),
    };
    thread::Builder::new()
        .name("plugin-loader".to_owned())
        .spawn(move || {
            give_way_if_possible();
            folder.run(&received, first);
        })
        .map_err(PluginError::Thread)?;
    looked.await.map_err(|_| PluginError::Engine("the loader stopped while it loaded the first plugins".to_owned()))?;
    Ok(Loader { signals, _watcher: watcher })
}

fn watch(dir: &Path, signals: SyncSender<Signal>) -> Option<RecommendedWatcher> {
    let forward = move |event: notify::Result<Event>| {
        for signal in signals_of(event) {
            if let Err(TrySendError::Disconnected(_)) = signals.try_send(signal) {
                return;
            }
        }
    };
    let watcher = notify::recommended_watcher(forward).and_then(|mut watcher| {
        watcher.watch(dir, RecursiveMode::NonRecursive)?;
        Ok(watcher)
    });
    watcher
        .inspect_err(|error| tracing::warn!(%error, dir = %dir.display(), period = ?PERIOD, "Plugin folder sends no events, scanning it instead"))
        .ok()
}

fn signals_of(event: notify::Result<Event>) -> Vec<Signal> {
    let Ok(event) = event else { return vec![Signal::Look] };
    match event.kind {
        EventKind::Access(AccessKind::Close(AccessMode::Write))
        | EventKind::Modify(ModifyKind::Name(RenameMode::To)) => {
            event.paths.into_iter().map(Signal::Complete).collect()
        }
        EventKind::Access(_) => Vec::new(),
        _ => vec![Signal::Look],
    }
}

/// Warns if every user of the machine can add plugins.
fn warn_of_strangers(dir: &Path) {
    if fs::metadata(dir).is_ok_and(|metadata| metadata.mode() & 0o002 != 0) {
        let dir = dir.display();
        tracing::warn!("Every user of this machine can add plugins to `{dir}`\nhint: `chmod o-w {dir}`");
    }
}

/// Identifies the content of a file without reading it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Fingerprint {
    /// The entry itself, which may be a link.
    own: Stamp,
    /// The file that it leads to, if it exists.
    content: Option<Stamp>,
    /// Its signature, if signatures are checked.
    signature: Option<Stamp>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Stamp {
    size: u64,
    modified: Option<SystemTime>,
    inode: u64,
}

impl Fingerprint {
    fn of(path: &Path, with_signature: bool) -> Option<Self> {
        let own = fs::symlink_metadata(path).map(Stamp::from).ok()?;
        let content = fs::metadata(path).map(Stamp::from).ok();
        let signature = with_signature.then(|| fs::metadata(signature_path(path)).map(Stamp::from).ok()).flatten();
        Some(Self { own, content, signature })
    }
}

impl From<Metadata> for Stamp {
    fn from(metadata: Metadata) -> Self {
        Self { size: metadata.len(), modified: metadata.modified().ok(), inode: metadata.ino() }
    }
}

/// Threads that load one file at a time each.
struct Workers {
    count: usize,
    /// Has room for one file per thread, so that sending never waits.
    files: SyncSender<PathBuf>,
}

impl Workers {
    fn start(registry: &Arc<Registry>, signals: &SyncSender<Signal>) -> Result<Self, PluginError> {
        let count = thread::available_parallelism().map_or(1, NonZeroUsize::get).max(MIN_WORKERS);
        let (files, received) = sync_channel::<PathBuf>(count);
        let received = Arc::new(Mutex::new(received));
        for _ in 0..count {
            let (registry, signals, received) = (Arc::clone(registry), signals.clone(), Arc::clone(&received));
            let runtime = Handle::current();
            let next = move || received.lock().unwrap_or_else(PoisonError::into_inner).recv();
            let work = move || {
                give_way_if_possible();
                while let Ok(path) = next() {
                    let load = AssertUnwindSafe(registry.load(&path)).catch_unwind();
                    if runtime.block_on(load).is_err() {
                        tracing::error!(file = %path.display(), "Loading the plugin panicked, the serving generation stays");
                    }
                    if signals.send(Signal::Loaded(path)).is_err() {
                        return;
                    }
                }
            };
            thread::Builder::new().name("plugin-worker".to_owned()).spawn(work).map_err(PluginError::Thread)?;
        }
        Ok(Self { count, files })
    }
}

/// The loader's view of the folder. A missing file has no fingerprint.
struct Folder {
    registry: Arc<Registry>,
    dir: PathBuf,
    debounce: Duration,
    /// The rules by which files were loaded or rejected.
    rules: Arc<PluginRules>,
    workers: Workers,
    /// Files that were loaded or rejected.
    seen: BTreeMap<PathBuf, Option<Fingerprint>>,
    /// Changed files, with the time of their last change.
    unsettled: BTreeMap<PathBuf, (Option<Fingerprint>, Instant)>,
    /// Changed files that are known to be complete.
    complete: HashSet<PathBuf>,
    /// Files that workers are loading.
    loading: HashSet<PathBuf>,
}

impl Folder {
    fn run(mut self, signals: &Receiver<Signal>, first: oneshot::Sender<()>) {
        let mut waiting = self.files();
        self.registry.forget_all_but(&waiting);
        self.registry.start.begin(waiting.len());
        loop {
            while !self.is_busy()
                && let Some(path) = waiting.pop_first()
            {
                self.act(&path);
            }
            if self.loading.is_empty() {
                break;
            }
            if !signals.recv().is_ok_and(|signal| self.take(signal)) {
                return;
            }
        }
        self.registry.end_start();
        if first.send(()).is_err() {
            return;
        }
        loop {
            self.look();
            match signals.recv_timeout(self.next_look()) {
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return,
                Ok(signal) => {
                    if ![signal].into_iter().chain(signals.try_iter()).all(|signal| self.take(signal)) {
                        return;
                    }
                }
            }
        }
    }

    /// Handles a signal. Returns `false` if the loader must stop.
    fn take(&mut self, signal: Signal) -> bool {
        match signal {
            Signal::Stop => return false,
            // The watcher reports absolute paths, also for a relative folder.
            Signal::Complete(path) => drop(self.complete.insert(self.dir.join(path.file_name().unwrap_or_default()))),
            Signal::Loaded(path) => drop(self.loading.remove(&path)),
            Signal::Look => {}
        }
        true
    }

    fn is_busy(&self) -> bool {
        self.loading.len() >= self.workers.count
    }

    /// Whether signatures are checked: then a complete file may still wait for its signature.
    fn are_pairs(&self) -> bool {
        !self.rules.trust.keys.is_empty()
    }

    fn files(&self) -> BTreeSet<PathBuf> {
        let entries = fs::read_dir(&self.dir).into_iter().flatten().flatten();
        entries.map(|entry| entry.path()).filter(|path| path.extension().is_some_and(|end| end == "wasm")).collect()
    }

    /// Loads or retires every changed file that is complete or has been unchanged for long enough.
    fn look(&mut self) {
        let rules = self.registry.rules();
        if !Arc::ptr_eq(&rules, &self.rules) {
            self.rules = rules;
            self.seen.values_mut().for_each(|seen| *seen = None);
        }
        let complete = std::mem::take(&mut self.complete);
        let mut paths = self.files();
        paths.extend(self.seen.keys().cloned());
        for path in paths {
            let found = Fingerprint::of(&path, self.are_pairs());
            let seen = self.seen.get(&path);
            // A file that is gone since other rules came has no fingerprint either, and is retired.
            if seen.copied().flatten() == found && (found.is_some() || seen.is_none()) {
                self.unsettled.remove(&path);
                continue;
            }
            let since = match self.unsettled.get(&path) {
                Some((before, since)) if *before == found => *since,
                _ => Instant::now(),
            };
            let is_complete = found.is_some() && complete.contains(&path) && !self.are_pairs();
            let is_due = is_complete || since.elapsed() >= self.debounce;
            if is_due && !self.is_busy() && !self.loading.contains(&path) {
                self.act(&path);
                continue;
            }
            if is_complete {
                self.complete.insert(path.clone());
            }
            self.unsettled.insert(path, (found, since));
        }
    }

    /// How long until a changed file is due. Workers signal when they finish.
    fn next_look(&self) -> Duration {
        if self.is_busy() {
            return PERIOD;
        }
        let waiting = self.unsettled.iter().filter(|(path, _)| !self.loading.contains(*path));
        let left = waiting.map(|(_, (_, since))| self.debounce.saturating_sub(since.elapsed())).min();
        left.map_or(PERIOD, |left| left.max(Duration::from_millis(1)))
    }

    /// Sends a file to the workers, or retires its plugin if the file was removed.
    fn act(&mut self, path: &Path) {
        self.unsettled.remove(path);
        let found = Fingerprint::of(path, self.are_pairs());
        if found.is_none() {
            self.seen.remove(path);
            self.registry.retire(&file_name(path));
            return;
        }
        self.seen.insert(path.to_owned(), found);
        if self.workers.files.try_send(path.to_owned()).is_ok() {
            self.loading.insert(path.to_owned());
        }
    }
}
