//! Follows the plugin folder: what changed is loaded, what is gone is retired.
//!
//! Events of the file system only wake the loader up; what it does follows from what lies in the folder, and it looks
//! again every few seconds, because some file systems send no events.

use std::collections::{BTreeMap, HashSet};
use std::fs;
use std::panic::AssertUnwindSafe;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, TrySendError, sync_channel};
use std::thread;
use std::time::{Duration, Instant, SystemTime};

use futures_util::FutureExt;
use notify::event::{AccessKind, AccessMode, ModifyKind, RenameMode};
use notify::{Event, EventKind, RecommendedWatcher, RecursiveMode, Watcher};
use tokio::runtime::Handle;
use tokio::sync::oneshot;

use super::PluginError;
use super::registry::{Registry, file_name};

/// How often the folder is looked at without an event.
const PERIOD: Duration = Duration::from_secs(2);

/// Events that wait for the loader; more are dropped, since one is enough to make it look.
const MAX_SIGNALS: usize = 1024;

/// What wakes the loader up.
enum Signal {
    /// Something happened.
    Look,
    /// This file was written and closed, or moved to its place: there is nothing to wait for.
    Complete(PathBuf),
    /// The gateway ends.
    Stop,
}

/// Stops the loader when dropped.
pub(super) struct Loader {
    signals: SyncSender<Signal>,
    _watcher: Option<RecommendedWatcher>,
}

impl Drop for Loader {
    fn drop(&mut self) {
        let _ = self.signals.try_send(Signal::Stop);
    }
}

/// Loads what lies in the folder, then follows it. Returns when every file was looked at once.
pub(super) async fn start(registry: Arc<Registry>) -> Result<Loader, PluginError> {
    let dir = registry.settings().dir.clone();
    fs::create_dir_all(&dir).map_err(|source| PluginError::Folder { dir: dir.clone(), source })?;
    let (signals, received) = sync_channel(MAX_SIGNALS);
    let watcher = watch(&dir, signals.clone());
    let (first, looked) = oneshot::channel();
    let folder = Folder {
        debounce: registry.settings().debounce,
        registry,
        dir,
        runtime: Handle::current(),
        seen: BTreeMap::new(),
        unsettled: BTreeMap::new(),
    };
    thread::Builder::new()
        .name("plugin-loader".to_owned())
        .spawn(move || folder.run(&received, first))
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
        .inspect_err(|error| tracing::warn!(%error, dir = %dir.display(), period = ?PERIOD, "Plugin folder sends no events, looking at it instead"))
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

/// What tells one content of a file from another without reading it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Fingerprint {
    size: u64,
    modified: Option<SystemTime>,
    inode: u64,
}

impl Fingerprint {
    fn of(path: &Path) -> Option<Self> {
        let metadata = fs::metadata(path).ok().filter(fs::Metadata::is_file)?;
        Some(Self { size: metadata.len(), modified: metadata.modified().ok(), inode: inode(&metadata) })
    }
}

#[cfg(unix)]
fn inode(metadata: &fs::Metadata) -> u64 {
    std::os::unix::fs::MetadataExt::ino(metadata)
}

#[cfg(not(unix))]
fn inode(_: &fs::Metadata) -> u64 {
    0
}

/// The loader's view of the folder. An absent file has no fingerprint.
struct Folder {
    registry: Arc<Registry>,
    dir: PathBuf,
    debounce: Duration,
    runtime: Handle,
    /// What was acted upon.
    seen: BTreeMap<PathBuf, Option<Fingerprint>>,
    /// What is different, and since when it looks the way it does.
    unsettled: BTreeMap<PathBuf, (Option<Fingerprint>, Instant)>,
}

impl Folder {
    fn run(mut self, signals: &Receiver<Signal>, first: oneshot::Sender<()>) {
        for path in self.files() {
            self.act(&path);
        }
        if first.send(()).is_err() {
            return;
        }
        let mut complete = HashSet::new();
        loop {
            self.look(&complete);
            complete.clear();
            match signals.recv_timeout(self.next_look()) {
                Ok(Signal::Stop) | Err(RecvTimeoutError::Disconnected) => return,
                Ok(Signal::Complete(path)) => drop(complete.insert(path)),
                Ok(Signal::Look) | Err(RecvTimeoutError::Timeout) => {}
            }
            for signal in signals.try_iter() {
                match signal {
                    Signal::Stop => return,
                    Signal::Complete(path) => drop(complete.insert(path)),
                    Signal::Look => {}
                }
            }
        }
    }

    fn files(&self) -> Vec<PathBuf> {
        let entries = fs::read_dir(&self.dir).into_iter().flatten().flatten();
        let mut files: Vec<_> = entries
            .map(|entry| entry.path())
            .filter(|path| path.extension().is_some_and(|end| end == "wasm"))
            .collect();
        files.sort();
        files
    }

    /// Acts on every file that is different from what was acted upon and has been still for long enough.
    fn look(&mut self, complete: &HashSet<PathBuf>) {
        let mut paths = self.files();
        paths.extend(self.seen.keys().filter(|path| !paths.contains(path)).cloned().collect::<Vec<_>>());
        for path in paths {
            let found = Fingerprint::of(&path);
            if self.seen.get(&path).copied().flatten() == found {
                self.unsettled.remove(&path);
                continue;
            }
            let since = match self.unsettled.get(&path) {
                Some((before, since)) if *before == found => *since,
                _ => Instant::now(),
            };
            if found.is_some() && complete.contains(&path) || since.elapsed() >= self.debounce {
                self.act(&path);
            } else {
                self.unsettled.insert(path, (found, since));
            }
        }
    }

    fn next_look(&self) -> Duration {
        let left = |(_, since): &(Option<Fingerprint>, Instant)| self.debounce.saturating_sub(since.elapsed());
        self.unsettled.values().map(left).min().map_or(PERIOD, |left| left.max(Duration::from_millis(1)))
    }

    fn act(&mut self, path: &Path) {
        self.unsettled.remove(path);
        let found = Fingerprint::of(path);
        if found.is_none() {
            self.seen.remove(path);
            self.registry.retire(&file_name(path));
            return;
        }
        self.seen.insert(path.to_owned(), found);
        let load = AssertUnwindSafe(self.registry.load(path)).catch_unwind();
        if self.runtime.block_on(load).is_err() {
            tracing::error!(file = %path.display(), "Loading the plugin panicked, what served before goes on");
        }
    }
}
