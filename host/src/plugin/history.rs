//! What served before: the last files of each plugin, so that a rollback needs nothing but the cache.
//!
//! Each plugin has a folder in `kept` below the folder of compiled plugins: the file that serves, the one before, their
//! signatures, and `history.json`. The plugin folder may be read-only. A file is known by its digest, and read with the
//! same checks as one of the plugin folder.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::event::PluginName;

use super::digest::Digest;
use super::error::LoadError;
use super::file::FilePlace;
use super::rollback::{Cause, Refusal};
use super::signature::signature_path;
use super::trust::{PluginFile, Trust};

/// The folder of kept files, below that of compiled plugins.
pub(super) const FOLDER: &str = "kept";

const RECORD: &str = "history.json";

/// The versions of one plugin. Members may be added.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct History {
    pub(super) serving: Option<Digest>,
    /// What served before that, and may again.
    pub(super) before: Option<Digest>,
    /// The file of the plugin folder, if it may not serve.
    pub(super) refused: Option<Refusal>,
}

/// The kept files of all plugins.
pub(super) struct Kept {
    dir: PathBuf,
}

impl History {
    /// After the file `next` took the place of what served.
    pub(super) fn after(&self, next: Digest) -> Self {
        let before = if self.serving == Some(next) { self.before } else { self.serving };
        Self { serving: Some(next), before, refused: None }
    }

    /// After the file before took its place again.
    pub(super) fn back(before: Digest, refused: Refusal) -> Self {
        Self { serving: Some(before), before: None, refused: Some(refused) }
    }

    /// Why the file with this digest may not serve. One that failed its samples may as soon as they are not checked any more.
    pub(super) fn refuses(&self, digest: Digest, check_samples: bool) -> Option<&Refusal> {
        let refusal = self.refused.as_ref().filter(|refusal| refusal.digest == digest)?;
        (check_samples || refusal.cause != Cause::Samples).then_some(refusal)
    }
}

impl Kept {
    pub(super) fn new(cache: &Path) -> Self {
        Self { dir: cache.join(FOLDER) }
    }

    /// The history of a plugin; an empty one if it has none.
    pub(super) fn history(&self, plugin: &PluginName) -> History {
        let path = self.folder(plugin).join(RECORD);
        let read = fs::read(&path).and_then(|bytes| serde_json::from_slice(&bytes).map_err(io::Error::other));
        read.unwrap_or_else(|error| {
            if error.kind() != io::ErrorKind::NotFound {
                tracing::warn!(path = %path.display(), "History of the plugin is not used: {error}");
            }
            History::default()
        })
    }

    /// Records the history of a plugin, and removes files that it does not name.
    pub(super) fn record(&self, plugin: &PluginName, history: &History) -> io::Result<()> {
        let folder = self.folder(plugin);
        fs::create_dir_all(&folder)?;
        write(&folder.join(RECORD), &serde_json::to_vec_pretty(history)?)?;
        File::open(&folder)?.sync_all()?;
        let mut stay = BTreeSet::from([folder.join(RECORD)]);
        for digest in [history.serving, history.before].into_iter().flatten() {
            let path = self.path(plugin, digest);
            stay.extend([signature_path(&path), path]);
        }
        for entry in fs::read_dir(&folder)? {
            let path = entry?.path();
            if !stay.contains(&path) {
                fs::remove_file(path)?;
            }
        }
        Ok(())
    }

    /// Keeps a file and its signature.
    pub(super) fn keep(&self, plugin: &PluginName, file: &PluginFile) -> io::Result<()> {
        let path = self.path(plugin, file.digest);
        if path.exists() {
            return Ok(());
        }
        fs::create_dir_all(self.folder(plugin))?;
        if let Some(signature) = &file.signature_bytes {
            write(&signature_path(&path), signature)?;
        }
        write(&path, &file.bytes)
    }

    /// A kept file.
    pub(super) fn read(
        &self,
        plugin: &PluginName,
        digest: Digest,
        max: u64,
        trust: &Trust,
    ) -> Result<PluginFile, LoadError> {
        let folder = self.folder(plugin);
        let file = PluginFile::read(&self.path(plugin, digest), FilePlace::Folder(&folder), max, trust)?;
        if file.digest != digest {
            return Err(LoadError::Read(io::Error::other("the kept file is damaged")));
        }
        Ok(file)
    }

    /// Forgets a plugin whose file was removed.
    pub(super) fn forget(&self, plugin: &str) {
        let removed = fs::remove_dir_all(self.dir.join(plugin));
        if let Err(error) = removed.or_else(absent) {
            tracing::warn!(plugin, "Kept files of the removed plugin were not removed: {error}");
        }
    }

    /// Forgets plugins whose files were removed while the gateway did not run.
    pub(super) fn forget_all_but(&self, plugins: &BTreeSet<String>) {
        let entries = fs::read_dir(&self.dir).into_iter().flatten().flatten();
        let names = entries.filter_map(|entry| entry.file_name().into_string().ok());
        names.filter(|name| !plugins.contains(name)).for_each(|name| self.forget(&name));
    }

    fn folder(&self, plugin: &PluginName) -> PathBuf {
        self.dir.join(plugin.as_str())
    }

    fn path(&self, plugin: &PluginName, digest: Digest) -> PathBuf {
        self.folder(plugin).join(format!("{digest}.wasm"))
    }
}

fn absent(error: io::Error) -> io::Result<()> {
    if error.kind() == io::ErrorKind::NotFound { Ok(()) } else { Err(error) }
}

/// Replaces a file in one step that survives a power cut.
fn write(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let temporary = path.with_extension("tmp");
    let written = File::create(&temporary).and_then(|mut file| {
        file.write_all(bytes)?;
        file.sync_all()
    });
    let written = written.and_then(|()| fs::rename(&temporary, path));
    if written.is_err() {
        let _ = fs::remove_file(&temporary);
    }
    written
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::Timestamp;

    fn digest(text: &str) -> Digest {
        Digest::of(text.as_bytes())
    }

    fn refusal(of: &str, cause: Cause) -> Refusal {
        let (version, reason) = ("2.0.0".to_owned(), "it failed".to_owned());
        Refusal { digest: digest(of), version, cause, reason, at: Timestamp::from_millis(1) }
    }

    #[test]
    fn a_history_has_what_serves_and_what_served_before() {
        let first = History::default().after(digest("a"));
        assert_eq!((first.serving, first.before), (Some(digest("a")), None));
        let second = first.after(digest("b"));
        assert_eq!((second.serving, second.before), (Some(digest("b")), Some(digest("a"))));
        assert_eq!(second.after(digest("b")), second, "a restart changes nothing");

        let back = History::back(digest("a"), refusal("b", Cause::Operator));
        assert!(back.refuses(digest("b"), true).is_some() && back.refuses(digest("c"), true).is_none());
        let next = back.after(digest("c"));
        assert_eq!((next.before, next.refused), (Some(digest("a")), None));
        let untested = History::back(digest("a"), refusal("b", Cause::Samples));
        assert!(untested.refuses(digest("b"), true).is_some() && untested.refuses(digest("b"), false).is_none());
    }

    #[test]
    fn a_kept_file_is_what_was_kept_or_an_error() {
        let dir = tempfile::tempdir().unwrap();
        let kept = Kept::new(dir.path());
        let plugin: PluginName = "echo".parse().unwrap();
        let (max, trust) = (100, Trust::default());
        let place = dir.path().join("echo.wasm");
        let files: Vec<_> = ["one", "two", "three"]
            .map(|text| {
                fs::write(&place, text).unwrap();
                PluginFile::read(&place, FilePlace::Anywhere, max, &trust).unwrap()
            })
            .into();
        files.iter().for_each(|file| kept.keep(&plugin, file).unwrap());
        let history = History { serving: Some(files[1].digest), before: Some(files[0].digest), refused: None };
        kept.record(&plugin, &history).unwrap();

        assert_eq!(kept.history(&plugin), history);
        assert_eq!(kept.read(&plugin, files[0].digest, max, &trust).unwrap().bytes, b"one");
        assert!(kept.read(&plugin, files[2].digest, max, &trust).is_err(), "the history does not name it");
        fs::write(kept.path(&plugin, files[0].digest), "no").unwrap();
        let error = kept.read(&plugin, files[0].digest, max, &trust).err().unwrap().to_string();
        assert!(error.contains("damaged"), "{error}");

        kept.forget_all_but(&BTreeSet::from(["echo".to_owned()]));
        assert_eq!(kept.history(&plugin), history);
        kept.forget_all_but(&BTreeSet::new());
        assert_eq!(kept.history(&plugin), History::default());
    }

    #[test]
    fn a_damaged_history_is_an_empty_one() {
        let dir = tempfile::tempdir().unwrap();
        let kept = Kept::new(dir.path());
        let plugin: PluginName = "echo".parse().unwrap();
        fs::create_dir_all(kept.folder(&plugin)).unwrap();
        fs::write(kept.folder(&plugin).join(RECORD), "{").unwrap();

        assert_eq!(kept.history(&plugin), History::default());
    }

    #[test]
    fn a_record_of_a_later_gateway_is_read() {
        let text = r#"{"serving": null, "later": 1}"#;

        assert_eq!(serde_json::from_str::<History>(text).unwrap(), History::default());
    }
}
