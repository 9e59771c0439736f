//! The sources of a plugin, watched for changes.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use notify::event::{AccessKind, AccessMode};
use notify::{Event, EventKind, RecommendedWatcher, RecursiveMode, Watcher};
use sha2::{Digest, Sha256};
use tokio::sync::Notify;

/// How long the folder must be quiet: a save is often several writes.
const DEBOUNCE: Duration = Duration::from_millis(150);

/// How often the folder is scanned without an event, because some file systems send none.
const PERIOD: Duration = Duration::from_secs(2);

/// The largest source file in bytes; larger files are ignored.
const MAX_FILE: u64 = 16 << 20;

/// Folders that build tools write.
const BUILD_FOLDERS: &[&str] =
    &["target", "node_modules", "venv", "__pycache__", "build", "dist", "zig-out", "zig-cache"];

type Digests = BTreeMap<PathBuf, [u8; 32]>;

/// The sources of a plugin: every file of its folder that is not build output.
pub(super) struct Sources {
    dir: PathBuf,
    /// The sources of the latest round.
    seen: Digests,
    events: Arc<Notify>,
    /// `None` if the file system sends no events.
    _watcher: Option<RecommendedWatcher>,
}

impl Sources {
    pub(super) fn watch(dir: &Path) -> anyhow::Result<Self> {
        let seen = digests(dir)?;
        let events = Arc::new(Notify::new());
        let sender = Arc::clone(&events);
        let notify = move |event: notify::Result<Event>| {
            if event.is_ok_and(|event| may_change(event.kind)) {
                sender.notify_one();
            }
        };
        let watcher = notify::recommended_watcher(notify).and_then(|mut watcher| {
            watcher.watch(dir, RecursiveMode::Recursive)?;
            Ok(watcher)
        });
        Ok(Self { dir: dir.to_owned(), seen, events, _watcher: watcher.ok() })
    }

    /// Waits until the content of a source has changed since the last return, and is quiet.
    ///
    /// Content counts, not time stamps: a build that rewrites a file with equal content does not cause another build.
    pub(super) async fn changed(&mut self) -> anyhow::Result<()> {
        let mut before = digests(&self.dir)?;
        loop {
            if before != self.seen {
                tokio::time::sleep(DEBOUNCE).await;
                let now = digests(&self.dir)?;
                if now == before {
                    self.seen = now;
                    return Ok(());
                }
                before = now;
                continue;
            }
            // After a timeout the folder is scanned all the same.
            let _ = tokio::time::timeout(PERIOD, self.events.notified()).await;
            before = digests(&self.dir)?;
        }
    }
}

/// Whether the event is a write. Reads are events too, among them those of a scan.
fn may_change(kind: EventKind) -> bool {
    !matches!(kind, EventKind::Access(access) if access != AccessKind::Close(AccessMode::Write))
}

fn digests(dir: &Path) -> anyhow::Result<Digests> {
    let mut digests = Digests::new();
    let mut folders = vec![dir.to_owned()];
    while let Some(folder) = folders.pop() {
        let entries = fs::read_dir(&folder).with_context(|| format!("cannot read `{}`", folder.display()));
        // A subfolder may vanish during the scan.
        let entries = if folder == dir {
            entries?
        } else if let Ok(entries) = entries {
            entries
        } else {
            continue;
        };
        for entry in entries.flatten() {
            let (path, name) = (entry.path(), entry.file_name().to_string_lossy().into_owned());
            let Ok(metadata) = entry.metadata() else { continue };
            let is_hidden = name.starts_with('.') || name.ends_with('~');
            if metadata.is_dir() && !is_hidden && !BUILD_FOLDERS.contains(&name.as_str()) {
                folders.push(path);
            } else if metadata.is_file() && !is_hidden && !name.ends_with(".wasm") && metadata.len() <= MAX_FILE {
                let Ok(bytes) = fs::read(&path) else { continue };
                digests.insert(path, Sha256::digest(bytes).into());
            }
        }
    }
    Ok(digests)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn only_a_source_with_another_content_is_a_change() {
        let dir = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| {
            let path = dir.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        };
        write("src/lib.rs", "one");
        let before = digests(dir.path()).unwrap();
        for (name, text) in [
            ("plugin.wasm", "built"),
            ("target/debug/x", "built"),
            ("node_modules/a/b.js", "installed"),
            (".git/HEAD", "ref"),
            ("src/.lib.rs.swp", "saved"),
            ("src/lib.rs", "one"),
        ] {
            write(name, text);
            assert_eq!(digests(dir.path()).unwrap(), before, "{name}");
        }

        let mut sources = Sources::watch(dir.path()).unwrap();
        write("src/lib.rs", "two");

        sources.changed().await.unwrap();
        assert_eq!(sources.seen, digests(dir.path()).unwrap());
        assert_ne!(sources.seen, before);
    }
}
