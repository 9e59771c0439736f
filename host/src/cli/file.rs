//! Files that are replaced as a whole.

use std::fs::{self, File, Permissions};
use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::Context;

/// Replaces a file atomically: readers see the old bytes or the new ones. The permissions stay.
pub(super) fn replace(file: &Path, bytes: &[u8]) -> anyhow::Result<()> {
    let failed = || format!("cannot write `{}`", file.display());
    // A symbolic link stays one.
    let file = fs::canonicalize(file).unwrap_or_else(|_| file.to_owned());
    let part = part_of(&file);
    let permissions: Option<Permissions> = fs::metadata(&file).ok().map(|metadata| metadata.permissions());
    let written = File::create(&part).and_then(|mut new| {
        if let Some(permissions) = permissions {
            new.set_permissions(permissions)?;
        }
        new.write_all(bytes)?;
        new.sync_all()
    });
    let replaced = written.with_context(failed).and_then(|()| put_in_place(&part, &file));
    if replaced.is_err() {
        let _ = fs::remove_file(&part);
    }
    replaced
}

/// Where a file is written until it is complete.
pub(super) fn part_of(file: &Path) -> PathBuf {
    let mut name = file.as_os_str().to_owned();
    name.push(".part");
    name.into()
}

/// Renames a complete file and syncs its folder.
pub(super) fn put_in_place(part: &Path, file: &Path) -> anyhow::Result<()> {
    let failed = || format!("cannot write `{}`", file.display());
    fs::rename(part, file).with_context(failed)?;
    let folder = file.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    File::open(folder).and_then(|folder| folder.sync_all()).with_context(failed)
}
