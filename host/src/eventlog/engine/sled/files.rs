//! The files of a store: locks, synced directories, and moves that are there as a whole or not at all.

use std::fs::{self, File};
use std::io;
use std::path::Path;

use super::high_water::HighWater;
use super::{Sled, unavailable};
use crate::event::Seq;
use crate::eventlog::engine::EngineError;

/// What may lie in the folder of a log that is empty: nothing of it is an event.
const NO_LOG: [&str; 3] = ["compiled", "lock", "ballast"];

pub(super) fn sync_directories(dir: &Path) -> io::Result<()> {
    let dir = fs::canonicalize(dir)?;
    File::open(&dir)?.sync_all()?;
    dir.parent().map_or(Ok(()), |parent| File::open(parent)?.sync_all())
}

pub(super) fn lock(dir: &Path) -> Result<File, EngineError> {
    let file = File::options().write(true).create(true).truncate(false).open(dir.join("lock"));
    let file = file.map_err(|error| unavailable(dir, &error))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(fs::TryLockError::WouldBlock) => Err(EngineError::Locked(dir.to_owned())),
        Err(fs::TryLockError::Error(error)) => Err(unavailable(dir, &error)),
    }
}

/// Opens a copy of the damaged store in `dir`, made in `copy`, and says which event was the last that the disk had
/// confirmed. The store itself stays as it is.
///
/// What sled can do without is left out when it does not open with it: the snapshot, which it makes anew from its log,
/// and its configuration.
pub(crate) fn salvage(dir: &Path, copy: &Path) -> Result<(Sled, Option<Seq>), EngineError> {
    const CACHE: u64 = 32 << 20;
    let confirmed = HighWater::open(dir).map_err(|error| unavailable(dir, &error))?.confirmed();
    let mut first = None;
    for left_out in [&[][..], &["snap."], &["snap.", "conf"]] {
        copy_store(dir, copy, left_out).map_err(|error| unavailable(copy, &error))?;
        match Sled::open(copy, CACHE, 0, 0) {
            Ok(engine) => return Ok((engine, confirmed.map(|confirmed| confirmed.head))),
            Err(error @ (EngineError::Full(_) | EngineError::Unavailable(_))) if first.is_none() => first = Some(error),
            Err(error) => first = Some(first.unwrap_or(error)),
        }
    }
    Err(first.unwrap_or_else(|| EngineError::Failed("nothing was tried".to_owned())))
}

fn copy_store(dir: &Path, copy: &Path, left_out: &[&str]) -> io::Result<()> {
    if copy.exists() {
        fs::remove_dir_all(copy)?;
    }
    fs::create_dir_all(copy)?;
    for entry in fs::read_dir(dir)? {
        let entry = entry?;
        let name = entry.file_name();
        let name = name.to_string_lossy();
        let is_store = name == "db" || name == "conf" || name.starts_with("snap.");
        if is_store && !left_out.iter().any(|start| name.starts_with(start)) {
            fs::copy(entry.path(), copy.join(&*name))?;
        }
    }
    Ok(())
}

/// Puts the whole store `new` in the place of `dir`, which holds no log.
///
/// # Errors
/// `Unavailable` with the name of what lies there, when it is not empty.
pub(crate) fn put_in_place(new: &Path, dir: &Path) -> Result<(), EngineError> {
    let failed = |error: io::Error| unavailable(dir, &error);
    if dir.exists() {
        // Held until the folder is gone, so that no gateway starts in it meanwhile.
        let _lock = lock(dir)?;
        for entry in fs::read_dir(dir).map_err(failed)? {
            let entry = entry.map_err(failed)?;
            let name = entry.file_name();
            if !NO_LOG.iter().any(|known| name == *known) {
                return Err(EngineError::Unavailable(format!(
                    "`{}` is not empty: it has `{}`",
                    dir.display(),
                    name.to_string_lossy()
                )));
            }
        }
        if dir.join("compiled").exists() {
            fs::rename(dir.join("compiled"), new.join("compiled")).map_err(failed)?;
        }
        fs::remove_dir_all(dir).map_err(failed)?;
    }
    fs::rename(new, dir).map_err(failed)?;
    sync_directories(dir).map_err(failed)
}

/// Puts the whole store `new` in the place of the damaged one in `dir`, which is kept beside it as `old`.
pub(crate) fn set_aside(new: &Path, dir: &Path, old: &Path) -> Result<(), EngineError> {
    let failed = |error: io::Error| unavailable(dir, &error);
    fs::rename(dir, old).map_err(failed)?;
    if let Err(error) = fs::rename(new, dir) {
        fs::rename(old, dir).map_err(failed)?;
        return Err(failed(error));
    }
    sync_directories(dir).map_err(failed)
}

impl Sled {
    /// Keeps others out of the folder `dir` as long as the file is held.
    pub(crate) fn lock_folder(dir: &Path) -> Result<File, EngineError> {
        lock(dir)
    }
}
