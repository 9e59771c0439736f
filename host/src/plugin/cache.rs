//! The folder of compiled plugins.
//!
//! Its files are machine code that the gateway runs outside any sandbox, so whoever can write them controls the gateway.
//! The folder and every file in it must belong to the user of the gateway, and nobody else may write there. The checksum
//! of a file detects damage; it is not a defence.

use std::fs::{self, DirBuilder, Metadata, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::SystemTime;

use rustix::fs::OFlags;
use sha2::{Digest as _, Sha256};
use wasmtime::component::Component;

use super::digest::Digest;
use super::engine::Engines;
use super::error::PluginError;

/// Bytes after the machine code: one SHA-256 over the plugin's digest, the engine and the code.
const CHECKSUM: usize = 32;

/// Compiled plugins on disk. The least recently used are removed when they exceed `max_bytes`.
pub(super) struct Cache {
    dir: PathBuf,
    /// Differs between engines whose machine code is not interchangeable.
    engine: u64,
    max_bytes: u64,
    /// Size of the folder as far as this process knows.
    bytes: Mutex<u64>,
    /// Numbers temporary files, so that concurrent writes do not collide.
    written: AtomicU64,
}

impl Cache {
    /// Opens the folder, or creates it.
    pub(super) fn open(dir: &Path, engine: u64, max_bytes: u64) -> Result<Self, PluginError> {
        let failed = |source| PluginError::Folder { dir: dir.to_owned(), source };
        create(dir).map_err(failed)?;
        let metadata = fs::metadata(dir).map_err(failed)?;
        if let Some(reason) = distrust(&metadata) {
            return Err(PluginError::Cache { dir: dir.to_owned(), reason });
        }
        let bytes = entries(dir).map_err(failed)?.iter().map(|entry| entry.bytes).sum();
        let (dir, bytes, written) = (dir.to_owned(), Mutex::new(bytes), AtomicU64::default());
        Ok(Self { dir, engine, max_bytes, bytes, written })
    }

    /// The compiled plugin. `None` when it is missing or unusable; it is compiled again then.
    pub(super) fn find(&self, engines: &Engines, plugin: Digest) -> Option<Component> {
        let path = self.path(plugin);
        match self.read(&path, plugin) {
            Ok(()) => load(engines, &path),
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Err(error) => {
                tracing::warn!(path = %path.display(), "Compiled plugin is not used, compiling it again: {error}");
                None
            }
        }
    }

    /// Stores compiled code and loads it from its file. Files of `serving` are never removed, even above `max_bytes`.
    pub(super) fn keep(
        &self,
        engines: &Engines,
        plugin: Digest,
        code: &[u8],
        serving: impl Fn() -> Vec<Digest>,
    ) -> io::Result<Component> {
        let path = self.path(plugin);
        let number = self.written.fetch_add(1, Ordering::Relaxed);
        let temporary = path.with_extension(format!("{}-{number}.tmp", std::process::id()));
        let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&temporary)?;
        let written = file.write_all(code).and_then(|()| file.write_all(&self.checksum(plugin, code)));
        drop(file);
        if let Err(error) = written.and_then(|()| fs::rename(&temporary, &path)) {
            let _ = fs::remove_file(&temporary);
            return Err(error);
        }
        let mut bytes = self.bytes.lock().unwrap_or_else(PoisonError::into_inner);
        *bytes += (code.len() + CHECKSUM) as u64;
        if *bytes > self.max_bytes {
            let stay: Vec<_> = serving().into_iter().chain([plugin]).map(|plugin| self.path(plugin)).collect();
            *bytes = self.prune(&stay)?;
        }
        drop(bytes);
        load(engines, &path).ok_or_else(|| io::Error::other("it does not load"))
    }

    fn path(&self, plugin: Digest) -> PathBuf {
        self.dir.join(format!("{plugin}-{:016x}.cwasm", self.engine))
    }

    fn checksum(&self, plugin: Digest, code: &[u8]) -> [u8; CHECKSUM] {
        let hash = Sha256::new().chain_update(plugin.as_bytes()).chain_update(self.engine.to_le_bytes());
        hash.chain_update(code).finalize().into()
    }

    /// Checks that this host wrote the file for this plugin, and updates its time of use.
    fn read(&self, path: &Path, plugin: Digest) -> io::Result<()> {
        let flags = OFlags::NOFOLLOW | OFlags::NONBLOCK;
        let mut file = OpenOptions::new().read(true).custom_flags(flags.bits().cast_signed()).open(path)?;
        let metadata = file.metadata()?;
        if !metadata.is_file() {
            return Err(io::Error::other("it is not a file"));
        }
        if let Some(reason) = distrust(&metadata) {
            return Err(io::Error::other(reason));
        }
        let mut bytes = Vec::with_capacity(usize::try_from(metadata.len()).unwrap_or_default());
        file.read_to_end(&mut bytes)?;
        let (code, checksum) = bytes.split_last_chunk::<CHECKSUM>().ok_or(io::ErrorKind::UnexpectedEof)?;
        if self.checksum(plugin, code) != *checksum {
            return Err(io::Error::other("it is damaged, or belongs to another plugin"));
        }
        if let Err(error) = file.set_modified(SystemTime::now()) {
            tracing::debug!(%error, path = %path.display(), "Time of the compiled plugin was not updated");
        }
        Ok(())
    }

    /// Removes the least recently used files, except those in `stay`, and returns the remaining bytes.
    fn prune(&self, stay: &[PathBuf]) -> io::Result<u64> {
        let mut entries = entries(&self.dir)?;
        entries.sort_by_key(|entry| entry.used);
        let mut left = entries.iter().map(|entry| entry.bytes).sum::<u64>();
        for entry in entries.iter().filter(|entry| !stay.contains(&entry.path)) {
            if left <= self.max_bytes {
                break;
            }
            fs::remove_file(&entry.path)?;
            left -= entry.bytes;
        }
        Ok(left)
    }
}

/// Maps the file, so that machine code takes no memory until it is called.
#[expect(unsafe_code, reason = "machine code from the host's own folder, checked before")]
fn load(engines: &Engines, path: &Path) -> Option<Component> {
    // SAFETY: this host's compiler produced these bytes, the checksum shows that they are unchanged, and only the user of
    // this process can write to their folder.
    let component = engines.place(|engine| unsafe { Component::deserialize_file(engine, path) });
    component
        .inspect_err(|error| tracing::debug!(path = %path.display(), "Compiled plugin does not load: {error:#}"))
        .ok()
}

/// Loads machine code that could not be stored.
#[expect(unsafe_code, reason = "machine code from the host's own compiler")]
pub(super) fn load_bytes(engines: &Engines, code: &[u8]) -> wasmtime::Result<Component> {
    // SAFETY: this host's compiler produced these bytes just now and passed them through a pipe.
    engines.place(|engine| unsafe { Component::deserialize(engine, code) })
}

struct Entry {
    path: PathBuf,
    bytes: u64,
    used: SystemTime,
}

fn entries(dir: &Path) -> io::Result<Vec<Entry>> {
    let mut entries = Vec::new();
    for entry in fs::read_dir(dir)? {
        let entry = entry?;
        if entry.path().extension().is_none_or(|end| end != "cwasm" && end != "tmp") {
            continue;
        }
        // Another process may have removed the file.
        if let Ok(metadata) = entry.metadata() {
            entries.push(Entry { path: entry.path(), bytes: metadata.len(), used: metadata.modified()? });
        }
    }
    Ok(entries)
}

/// Creates the folder for this user only; its parents get the default mode.
fn create(dir: &Path) -> io::Result<()> {
    if let Some(parent) = dir.parent() {
        fs::create_dir_all(parent)?;
    }
    match DirBuilder::new().mode(0o700).create(dir) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        created => created,
    }
}

/// Why somebody else may have written it.
fn distrust(metadata: &Metadata) -> Option<String> {
    distrust_of(metadata.uid(), rustix::process::geteuid().as_raw(), metadata.mode())
}

fn distrust_of(owner: u32, user: u32, mode: u32) -> Option<String> {
    if owner != user {
        return Some(format!("it belongs to user {owner}, and the gateway runs as user {user}"));
    }
    (mode & 0o022 != 0).then(|| format!("others than its owner may write there (mode {:o})", mode & 0o7777))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{PermissionsExt, symlink};

    use super::*;

    const ENGINE: u64 = 7;

    struct Made {
        dir: tempfile::TempDir,
        engines: Engines,
        cache: Cache,
        code: Vec<u8>,
    }

    fn made(max_bytes: u64) -> Made {
        let dir = tempfile::tempdir().unwrap();
        let engines = Engines::new(1).unwrap();
        let code = engines.all()[0].precompile_component(&wat::parse_str("(component)").unwrap()).unwrap();
        let cache = Cache::open(&dir.path().join("compiled"), ENGINE, max_bytes).unwrap();
        Made { dir, engines, cache, code }
    }

    impl Made {
        fn keep(&self, plugin: &str, serving: &[&str]) -> Digest {
            let digest = |plugin: &str| Digest::of(plugin.as_bytes());
            let serving = || serving.iter().copied().map(digest).collect();
            self.cache.keep(&self.engines, digest(plugin), &self.code, serving).unwrap();
            digest(plugin)
        }

        fn finds(&self, plugin: Digest) -> bool {
            self.cache.find(&self.engines, plugin).is_some()
        }
    }

    #[test]
    fn what_was_kept_is_found_and_what_is_damaged_or_of_another_plugin_is_not() {
        let made = made(u64::MAX);
        let one = made.keep("one", &[]);
        let two = made.keep("two", &[]);
        assert!(made.finds(one) && made.finds(two));

        fs::copy(made.cache.path(one), made.cache.path(two)).unwrap();
        assert!(!made.finds(two), "machine code of another plugin");

        let mut damaged = fs::read(made.cache.path(one)).unwrap();
        damaged[100] ^= 1;
        fs::write(made.cache.path(one), damaged).unwrap();
        assert!(!made.finds(one), "a damaged file");
        made.keep("one", &[]);
        assert!(made.finds(one));
    }

    #[test]
    fn a_file_that_somebody_else_could_have_written_is_not_used() {
        let made = made(u64::MAX);
        let plugin = made.keep("one", &[]);
        let path = made.cache.path(plugin);
        fs::set_permissions(&path, fs::Permissions::from_mode(0o666)).unwrap();
        assert!(!made.finds(plugin), "a file that everybody may write to");

        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
        assert!(made.finds(plugin));
        let elsewhere = made.dir.path().join("elsewhere");
        fs::rename(&path, &elsewhere).unwrap();
        symlink(&elsewhere, &path).unwrap();
        assert!(!made.finds(plugin), "a link");
    }

    #[test]
    fn a_folder_that_others_can_write_to_is_refused() {
        let made = made(u64::MAX);
        let dir = made.dir.path().join("compiled");
        let mode = fs::metadata(&dir).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o700);

        fs::set_permissions(&dir, fs::Permissions::from_mode(0o770)).unwrap();
        let error = Cache::open(&dir, ENGINE, u64::MAX).err().unwrap().to_string();

        assert!(error.contains("(mode 770)") && error.contains("rm -r"), "{error}");
        assert_eq!(distrust_of(1, 1, 0o40755), None);
        assert_eq!(distrust_of(1, 0, 0o700).unwrap(), "it belongs to user 1, and the gateway runs as user 0");
    }

    #[test]
    fn what_was_used_longest_ago_goes_first_and_what_serves_stays() {
        let made = made(0);
        let size = (made.code.len() + CHECKSUM) as u64;
        let made = Made { cache: Cache::open(&made.cache.dir, ENGINE, 3 * size).unwrap(), ..made };
        let [serving, old, used] = ["serving", "old", "used"].map(|plugin| made.keep(plugin, &[]));
        for (plugin, age) in [(serving, 30), (old, 20), (used, 10)] {
            let used = SystemTime::now() - std::time::Duration::from_secs(age);
            fs::File::open(made.cache.path(plugin)).unwrap().set_modified(used).unwrap();
        }

        let new = made.keep("new", &["serving"]);

        assert!(made.finds(serving) && !made.finds(old) && made.finds(used) && made.finds(new));
    }
}
