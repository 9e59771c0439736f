//! From the bytes of a file to machine code, through a cache that only the host writes.

use std::fs;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use sha2::{Digest, Sha256};
use wasmtime::Engine;
use wasmtime::component::Component;

use super::LoadError;

/// Compiled files that stay in the cache; the ones used longest ago go first.
const MAX_ENTRIES: usize = 128;

/// Bytes in front of the machine code: the SHA-256 of it.
const CHECKSUM: usize = 32;

/// SHA-256 of a plugin file in hex.
pub(super) fn digest(bytes: &[u8]) -> String {
    hex::encode(Sha256::digest(bytes))
}

/// Refuses what no compiler needs to look at, in words that say what was found.
pub(super) fn check_header(bytes: &[u8]) -> Result<(), LoadError> {
    match bytes {
        [] => Err(LoadError::NotAComponent("the file is empty")),
        [0, b'a', b's', b'm', 0x0d, 0, 1, 0, ..] => Ok(()),
        [0, b'a', b's', b'm', 1, 0, 0, 0, ..] => Err(LoadError::NotAComponent(
            "it is a core module\nhint: build for the target wasm32-wasip2, or wrap it with `wasm-tools component new`",
        )),
        [0, b'a', b's', b'm', ..] => Err(LoadError::NotAComponent("its binary format is of another version")),
        _ => Err(LoadError::NotAComponent("it is not WebAssembly")),
    }
}

/// The folder of compiled plugins.
pub(super) struct Cache {
    dir: PathBuf,
    /// Differs between engines whose machine code is not interchangeable.
    engine: u64,
}

impl Cache {
    /// Opens the folder, which belongs to the host alone: its files are run without another check than a checksum.
    pub(super) fn open(dir: &Path, engine: &Engine) -> io::Result<Self> {
        fs::create_dir_all(dir)?;
        restrict(dir)?;
        let mut hasher = DefaultHasher::new();
        engine.precompile_compatibility_hash().hash(&mut hasher);
        Ok(Self { dir: dir.to_owned(), engine: hasher.finish() })
    }

    /// The component in `bytes`, compiled now or before.
    pub(super) fn compile(&self, engine: &Engine, bytes: &[u8], digest: &str) -> Result<Component, LoadError> {
        let path = self.dir.join(format!("{digest}-{:016x}.cwasm", self.engine));
        if let Some(component) = read(engine, &path) {
            return Ok(component);
        }
        let component =
            Component::from_binary(engine, bytes).map_err(|error| LoadError::Compile(format!("{error:#}")))?;
        if let Err(error) = self.write(&path, &component) {
            tracing::warn!(%error, path = %path.display(), "Compiled plugin was not cached, the next start compiles it again");
        }
        Ok(component)
    }

    fn write(&self, path: &Path, component: &Component) -> io::Result<()> {
        let code = component.serialize().map_err(|error| io::Error::other(error.to_string()))?;
        let temporary = path.with_extension("tmp");
        let mut file = fs::File::create(&temporary)?;
        file.write_all(&Sha256::digest(&code))?;
        file.write_all(&code)?;
        drop(file);
        fs::rename(&temporary, path)?;
        self.prune()
    }

    fn prune(&self) -> io::Result<()> {
        let mut entries: Vec<(SystemTime, PathBuf)> = Vec::new();
        for entry in fs::read_dir(&self.dir)? {
            let entry = entry?;
            entries.push((entry.metadata()?.modified()?, entry.path()));
        }
        entries.sort();
        let surplus = entries.len().saturating_sub(MAX_ENTRIES);
        entries.iter().take(surplus).try_for_each(|(_, path)| fs::remove_file(path))
    }
}

/// A cached component; none when there is none or when it does not fit, which is no error: it is compiled again.
#[expect(unsafe_code, reason = "machine code from the host's own folder, with an intact checksum")]
fn read(engine: &Engine, path: &Path) -> Option<Component> {
    let bytes = fs::read(path).ok()?;
    let (checksum, code) = bytes.split_at_checked(CHECKSUM)?;
    if Sha256::digest(code).as_slice() != checksum {
        tracing::warn!(path = %path.display(), "Compiled plugin is damaged, compiling it again");
        return None;
    }
    // SAFETY: `Component::serialize` of this host wrote these bytes into a folder that only the host can write, and the
    // checksum says that they are still what it wrote.
    let component = unsafe { Component::deserialize(engine, code) };
    let touched = fs::File::open(path).and_then(|file| file.set_modified(SystemTime::now()));
    if let Err(error) = touched {
        tracing::debug!(%error, path = %path.display(), "Compiled plugin keeps its old time");
    }
    component.ok()
}

#[cfg(unix)]
fn restrict(dir: &Path) -> io::Result<()> {
    use std::os::unix::fs::PermissionsExt;
    fs::set_permissions(dir, fs::Permissions::from_mode(0o700))
}

#[cfg(not(unix))]
fn restrict(_: &Path) -> io::Result<()> {
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_component_is_named() {
        for (bytes, expected) in [
            (&b""[..], "empty"),
            (b"hello", "not WebAssembly"),
            (b"\0asm\x01\0\0\0", "core module"),
            (b"\0asm\x07\0\0\0", "another version"),
            (b"\0as", "not WebAssembly"),
        ] {
            let message = check_header(bytes).unwrap_err().to_string();

            assert!(message.contains(expected), "{message} should contain {expected}");
        }
    }

    #[test]
    fn a_cached_component_is_read_back_and_a_damaged_one_is_not() {
        let dir = tempfile::tempdir().unwrap();
        let engine = Engine::default();
        let cache = Cache::open(dir.path(), &engine).unwrap();
        let bytes = wat::parse_str("(component)").unwrap();

        cache.compile(&engine, &bytes, "d").unwrap();
        let path = fs::read_dir(dir.path()).unwrap().next().unwrap().unwrap().path();
        assert!(read(&engine, &path).is_some());

        let mut damaged = fs::read(&path).unwrap();
        *damaged.last_mut().unwrap() ^= 1;
        fs::write(&path, damaged).unwrap();
        assert!(read(&engine, &path).is_none());
        cache.compile(&engine, &bytes, "d").unwrap();
        assert!(read(&engine, &path).is_some());
    }
}
