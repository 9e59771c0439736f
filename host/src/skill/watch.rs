//! Keeps the served skills in sync with the folder.
//!
//! One thread waits for an event of the file system, waits until it is quiet, and scans again. The event itself does not matter:
//! a scan is cheap, and a missed event cannot leave a stale catalog. The folder need not exist: its nearest existing ancestor is
//! watched then. If the file system cannot be watched, the folder is polled.

use std::fs;
use std::io;
use std::mem;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::thread;
use std::time::{Duration, Instant};

use notify::event::{AccessKind, AccessMode};
use notify::{Event, EventKind, RecommendedWatcher, RecursiveMode, Watcher as _};
use prometheus_client::metrics::gauge::Gauge;
use tracing::warn;

use super::{Settings, Skills, scan};
use crate::metrics::Metrics;

/// The quiet time before a scan: editors and `git` write in several steps.
const QUIET: Duration = Duration::from_millis(200);
/// The longest wait for the quiet time.
const MAX_QUIET_WAIT: Duration = Duration::from_secs(2);
/// The interval between scans if the file system cannot be watched.
const POLL: Duration = Duration::from_secs(5);

/// Why the watcher could not start.
#[derive(Debug, thiserror::Error)]
pub enum WatchError {
    /// The path of the folder cannot be made absolute.
    #[error("cannot find the skill folder `{}`", dir.display())]
    Path {
        /// The configured folder.
        dir: PathBuf,
        /// The error of the system.
        source: io::Error,
    },
    /// The thread cannot be started.
    #[error("cannot start the thread that watches skills")]
    Thread(#[source] io::Error),
}

/// The metrics of skills, which outlive each [`Watcher`].
#[derive(Clone, Debug)]
pub struct SkillMetrics {
    found: Gauge,
}

impl SkillMetrics {
    pub fn register(metrics: &Metrics) -> Self {
        Self { found: metrics.register("gateway_skills", "Skills found", Gauge::default()) }
    }
}

/// Watches until it is dropped.
#[derive(Debug)]
pub struct Watcher {
    stop: Arc<AtomicBool>,
    wake: SyncSender<()>,
}

impl Drop for Watcher {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Release);
        // A full channel means that the thread will wake up anyway.
        let _ = self.wake.try_send(());
    }
}

/// Scans now and after every change, and updates `skills`, until the [`Watcher`] is dropped.
///
/// # Errors
/// The watcher cannot start. A file system that cannot be watched is not an error: it is polled.
pub fn watch(settings: Settings, skills: Skills, metrics: &SkillMetrics) -> Result<Watcher, WatchError> {
    watch_with(settings, skills, metrics.found.clone(), arm, POLL)
}

/// Creates the source of events, which stops when it is dropped.
type Arm = fn(&Settings, SyncSender<()>) -> notify::Result<RecommendedWatcher>;

fn watch_with(
    mut settings: Settings,
    skills: Skills,
    found: Gauge,
    arm: Arm,
    poll: Duration,
) -> Result<Watcher, WatchError> {
    settings.dir =
        std::path::absolute(&settings.dir).map_err(|source| WatchError::Path { dir: settings.dir.clone(), source })?;
    let (wake, changes) = sync_channel(1);
    let stop = Arc::new(AtomicBool::new(false));
    let task = Task { settings, skills, found, arm, poll, wake: wake.clone(), changes, stop: Arc::clone(&stop) };
    thread::Builder::new().name("skills".to_owned()).spawn(move || task.run()).map_err(WatchError::Thread)?;
    Ok(Watcher { stop, wake })
}

struct Task {
    settings: Settings,
    skills: Skills,
    found: Gauge,
    arm: Arm,
    poll: Duration,
    wake: SyncSender<()>,
    /// Holds at most one token, which means that something changed since the last scan began.
    changes: Receiver<()>,
    stop: Arc<AtomicBool>,
}

impl Task {
    fn run(self) {
        let mut watcher = None;
        let mut polling = false;
        while !self.stop.load(Ordering::Acquire) {
            // Armed again each time, because folders come and go; before the scan, so that no change between the two is
            // missed; and before the old watcher is dropped.
            let armed = self.armed(polling);
            polling = armed.is_none();
            drop(mem::replace(&mut watcher, armed));
            self.rescan();
            self.wait(polling);
        }
    }

    /// A new watcher; `None` if the folder must be polled, which is logged the first time.
    fn armed(&self, polling: bool) -> Option<RecommendedWatcher> {
        (self.arm)(&self.settings, self.wake.clone())
            .inspect_err(|error| {
                if !polling {
                    let dir = self.settings.dir.display();
                    warn!(%dir, %error, every = ?self.poll, "Cannot watch the skill folder, polling it instead");
                }
            })
            .ok()
    }

    fn rescan(&self) {
        let catalog = scan(&self.settings);
        if self.stop.load(Ordering::Acquire) {
            return;
        }
        self.found.set(i64::try_from(catalog.skills.len()).unwrap_or(i64::MAX));
        if catalog != *self.skills.current() {
            self.skills.replace(catalog);
        }
    }

    /// Waits for a change, and then for the quiet time.
    fn wait(&self, polling: bool) {
        if !polling {
            // The task itself holds a sender, so this never fails.
            let _ = self.changes.recv();
        } else if let Err(RecvTimeoutError::Timeout) = self.changes.recv_timeout(self.poll) {
            return;
        }
        let since = Instant::now();
        while !self.stop.load(Ordering::Acquire)
            && since.elapsed() < MAX_QUIET_WAIT
            && self.changes.recv_timeout(QUIET).is_ok()
        {}
    }
}

/// Watches the folder, its subfolders, and the nearest existing ancestor, each non-recursively.
fn arm(settings: &Settings, wake: SyncSender<()>) -> notify::Result<RecommendedWatcher> {
    let dir = settings.dir.clone();
    let mut watcher = notify::recommended_watcher(move |event: notify::Result<Event>| {
        // An error may hide a change.
        if event.as_ref().map_or(true, |event| concerns(&dir, event)) {
            // A full channel holds a token already.
            let _ = wake.try_send(());
        }
    })?;
    if let Some(ancestor) = settings.dir.ancestors().skip(1).find(|path| path.is_dir()) {
        watcher.watch(ancestor, RecursiveMode::NonRecursive)?;
    }
    // The watch on the parent reports a folder that vanishes here.
    let mut watch = |path: &Path| match watcher.watch(path, RecursiveMode::NonRecursive) {
        Err(error) if is_gone(&error) => Ok(()),
        result => result,
    };
    if settings.dir.is_dir() {
        watch(&settings.dir)?;
        let entries =
            fs::read_dir(&settings.dir).into_iter().flatten().filter_map(Result::ok).map(|entry| entry.path());
        for folder in entries.filter(|path| path.is_dir()).take(settings.max_skills) {
            watch(&folder)?;
        }
    }
    Ok(watcher)
}

fn is_gone(error: &notify::Error) -> bool {
    match &error.kind {
        notify::ErrorKind::PathNotFound => true,
        notify::ErrorKind::Io(error) => error.kind() == io::ErrorKind::NotFound,
        _ => false,
    }
}

/// Whether an event can change the result of a scan. Reads cannot: a scan must not wake itself.
fn concerns(dir: &Path, event: &Event) -> bool {
    let writes = !matches!(event.kind, EventKind::Access(kind) if kind != AccessKind::Close(AccessMode::Write));
    // A new ancestor may contain the folder; its other children do not matter.
    let near = event.paths.iter().any(|path| path.starts_with(dir) || dir.starts_with(path));
    event.need_rescan() || (writes && near)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::skill::Catalog;

    /// The longest wait of a test.
    const TIMEOUT: Duration = Duration::from_secs(20);

    struct Watched {
        folder: tempfile::TempDir,
        skills: Skills,
        found: Gauge,
        watcher: Watcher,
    }

    impl Watched {
        fn new(prepare: impl FnOnce(&Path), arm: Arm) -> Self {
            let folder = tempfile::tempdir().unwrap();
            prepare(folder.path());
            let settings = Settings { dir: folder.path().join("deep/skills"), ..Settings::default() };
            let (skills, found) = (Skills::new(Catalog::default()), Gauge::default());
            let watcher = watch_with(settings, skills.clone(), found.clone(), arm, Duration::from_millis(20)).unwrap();
            Self { folder, skills, found, watcher }
        }

        fn path(&self, name: &str) -> PathBuf {
            self.folder.path().join("deep/skills").join(name)
        }

        #[track_caller]
        fn wait_for(&self, what: &str, condition: impl Fn(&Catalog) -> bool) {
            let started = Instant::now();
            while !condition(&self.skills.current()) {
                assert!(started.elapsed() < TIMEOUT, "waited for: {what}; found {:?}", self.skills.current());
                thread::park_timeout(Duration::from_millis(5));
            }
        }

        #[track_caller]
        fn wait_for_names(&self, names: &[&str]) {
            self.wait_for(&format!("{names:?}"), |catalog| {
                catalog.skills.iter().map(|skill| skill.name.as_str()).eq(names.iter().copied())
            });
        }
    }

    fn write(root: &Path, name: &str, description: &str) {
        let folder = root.join("deep/skills").join(name);
        fs::create_dir_all(&folder).unwrap();
        fs::write(folder.join("SKILL.md"), format!("---\nname: {name}\ndescription: {description}\n---\n")).unwrap();
    }

    #[test]
    fn the_served_skills_follow_the_folder() {
        let watched = Watched::new(|root| write(root, "first", "old"), arm);
        let root = watched.folder.path();
        watched.wait_for_names(&["first"]);

        write(root, "second", "new");
        watched.wait_for_names(&["first", "second"]);

        write(root, "first", "changed");
        watched.wait_for("a changed description", |catalog| catalog.skills[0].description == "changed");

        let temporary = root.join("temporary");
        fs::write(&temporary, "---\nname: first\ndescription: renamed over\n---\n").unwrap();
        fs::rename(&temporary, watched.path("first/SKILL.md")).unwrap();
        watched.wait_for("a renamed file", |catalog| catalog.skills[0].description == "renamed over");

        fs::write(watched.path("second/SKILL.md"), "nothing").unwrap();
        watched.wait_for("a problem", |catalog| catalog.skills.len() == 1 && catalog.problems.len() == 1);

        write(root, "second", "repaired");
        watched.wait_for("no problem", |catalog| catalog.skills.len() == 2 && catalog.problems.is_empty());

        fs::remove_dir_all(watched.path("first")).unwrap();
        watched.wait_for_names(&["second"]);
        assert_eq!(watched.found.get(), 1);
    }

    #[test]
    fn a_folder_that_is_created_removed_and_created_again_is_followed() {
        let watched = Watched::new(|_| (), arm);
        let root = watched.folder.path();

        write(root, "first", "d");
        watched.wait_for_names(&["first"]);

        fs::remove_dir_all(root.join("deep")).unwrap();
        watched.wait_for_names(&[]);

        write(root, "second", "d");
        watched.wait_for_names(&["second"]);

        fs::rename(root.join("deep"), root.join("away")).unwrap();
        watched.wait_for_names(&[]);

        fs::rename(root.join("away"), root.join("deep")).unwrap();
        watched.wait_for_names(&["second"]);
    }

    #[test]
    fn a_file_system_that_cannot_be_watched_is_polled() {
        let refuse: Arm = |_, _| Err(notify::Error::generic("not here"));
        let watched = Watched::new(|root| write(root, "first", "d"), refuse);
        watched.wait_for_names(&["first"]);

        write(watched.folder.path(), "second", "d");

        watched.wait_for_names(&["first", "second"]);
    }

    #[test]
    fn a_dropped_watcher_releases_everything() {
        let Watched { folder, skills, watcher, .. } = Watched::new(|root| write(root, "first", "d"), arm);
        let stop = Arc::clone(&watcher.stop);
        drop(watcher);

        let started = Instant::now();
        while Arc::strong_count(&stop) > 1 {
            assert!(started.elapsed() < TIMEOUT, "the thread still runs");
            thread::park_timeout(Duration::from_millis(5));
        }
        drop((folder, skills));
    }

    #[test]
    fn only_writes_near_the_folder_matter() {
        use notify::event::{CreateKind, ModifyKind, RemoveKind};

        let check = |kind: EventKind, path: &str, expected: bool| {
            let event = Event::new(kind).add_path(PathBuf::from(path));
            assert_eq!(concerns(Path::new("/srv/gateway/skills"), &event), expected, "{event:?}");
        };

        check(EventKind::Create(CreateKind::Folder), "/srv/gateway/skills/a", true);
        check(EventKind::Create(CreateKind::Folder), "/srv/gateway", true);
        check(EventKind::Modify(ModifyKind::Any), "/srv/gateway/skills/a/SKILL.md", true);
        check(EventKind::Remove(RemoveKind::Folder), "/srv/gateway/skills", true);
        check(EventKind::Access(AccessKind::Close(AccessMode::Write)), "/srv/gateway/skills/a/SKILL.md", true);
        check(EventKind::Access(AccessKind::Open(AccessMode::Any)), "/srv/gateway/skills/a/SKILL.md", false);
        check(EventKind::Access(AccessKind::Close(AccessMode::Read)), "/srv/gateway/skills", false);
        check(EventKind::Modify(ModifyKind::Any), "/srv/gateway/gateway.log", false);
        check(EventKind::Create(CreateKind::Folder), "/srv/gateway/skills-other", false);
    }
}
