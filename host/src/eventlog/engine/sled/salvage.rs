//! What can be opened of a damaged store of keys.

use std::fs::{self, File};
use std::io;
use std::path::Path;

use super::Sled;
use super::files::{lock, unavailable};
use super::high_water::HighWater;
use crate::event::Seq;
use crate::eventlog::engine::EngineError;

/// Opens a copy of the damaged store of keys in `dir`, made in `copy`, and says which event was the last that the disk had
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

impl Sled {
    /// Keeps others out of the folder `dir` as long as the file is held.
    pub(crate) fn lock_folder(dir: &Path) -> Result<File, EngineError> {
        lock(dir)
    }
}
