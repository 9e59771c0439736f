//! Reads plugin files safely: a folder may contain pipes, devices, links and files that change.
//!
//! A file is read once, from one descriptor: the bytes that were checked are the bytes that are compiled.

use std::fs::{self, File, FileType, Metadata, OpenOptions};
use std::io::{self, Read};
use std::os::unix::fs::{FileTypeExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use rustix::fs::OFlags;

use super::error::LoadError;

/// Where a plugin file may be.
#[derive(Clone, Copy, Debug)]
pub(super) enum FilePlace<'a> {
    /// In this folder. A link that leads out of it is refused.
    Folder(&'a Path),
    /// Anywhere: the operator named the path.
    Anywhere,
}

/// The bytes of a plugin file, at most `max` of them.
///
/// Never blocks: a pipe or a device is refused without being read.
pub(super) fn read(path: &Path, place: FilePlace<'_>, max: u64) -> Result<Vec<u8>, LoadError> {
    let (path, links) = &match place {
        FilePlace::Folder(folder) => (resolve(path, folder)?, OFlags::NOFOLLOW),
        FilePlace::Anywhere => (path.to_owned(), OFlags::empty()),
    };
    check_type(fs::metadata(path).map_err(LoadError::Read)?.file_type())?;
    let file = open(path, *links).map_err(LoadError::Read)?;
    let before = file.metadata().map_err(LoadError::Read)?;
    check_type(before.file_type())?;
    let too_large = |size| LoadError::TooLarge { size, limit: max };
    if before.len() > max {
        return Err(too_large(before.len()));
    }
    let mut bytes = Vec::with_capacity(usize::try_from(before.len()).unwrap_or_default());
    let read = (&file).take(max + 1).read_to_end(&mut bytes).map_err(LoadError::Read)? as u64;
    if read > max {
        return Err(too_large(read));
    }
    let after = file.metadata().map_err(LoadError::Read)?;
    if read != before.len() || state(&before) != state(&after) {
        return Err(LoadError::Changing);
    }
    Ok(bytes)
}

/// Refuses files whose first bytes are not those of a component.
pub(super) fn check_header(bytes: &[u8]) -> Result<(), LoadError> {
    match bytes {
        [] => Err(LoadError::NotAComponent("the file is empty")),
        [0, b'a', b's', b'm', 0x0d, 0, 1, 0, ..] => Ok(()),
        [0, b'a', b's', b'm', 1, 0, 0, 0, ..] => Err(LoadError::NotAComponent(
            "this is a core module\nhint: build it with `gateway plugin build`, or wrap it with `wasm-tools component new`",
        )),
        [0, b'a', b's', b'm', ..] => Err(LoadError::NotAComponent("its binary format has another version")),
        _ => Err(LoadError::NotAComponent("this is not WebAssembly")),
    }
}

/// The path may name a pipe by now: opening it must not wait for the other end.
fn open(path: &Path, links: OFlags) -> io::Result<File> {
    let flags = OFlags::NONBLOCK | OFlags::NOCTTY | links;
    OpenOptions::new().read(true).custom_flags(flags.bits().cast_signed()).open(path)
}

/// The path without links. It must be in `folder`.
fn resolve(path: &Path, folder: &Path) -> Result<PathBuf, LoadError> {
    let real = fs::canonicalize(path).map_err(LoadError::Read)?;
    let folder = fs::canonicalize(folder).map_err(LoadError::Read)?;
    if real.starts_with(folder) { Ok(real) } else { Err(LoadError::Outside(real)) }
}

fn check_type(found: FileType) -> Result<(), LoadError> {
    if found.is_file() {
        return Ok(());
    }
    let what = if found.is_dir() {
        "a folder"
    } else if found.is_fifo() {
        "a pipe"
    } else if found.is_socket() {
        "a socket"
    } else {
        "a device"
    };
    Err(LoadError::NotAFile(what))
}

/// Changes when somebody writes to the file.
fn state(metadata: &Metadata) -> (u64, i64, i64) {
    (metadata.len(), metadata.mtime(), metadata.mtime_nsec())
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn only_a_file_of_the_folder_is_read() {
        let dir = tempfile::tempdir().unwrap();
        let folder = dir.path().join("plugins");
        fs::create_dir(&folder).unwrap();
        fs::write(dir.path().join("outside"), "outside").unwrap();
        fs::write(folder.join("inside"), "inside").unwrap();
        symlink("inside", folder.join("relative")).unwrap();
        symlink(folder.join("inside"), folder.join("absolute")).unwrap();
        symlink("../outside", folder.join("out")).unwrap();
        symlink("../plugins/../outside", folder.join("back")).unwrap();
        symlink("/dev/zero", folder.join("device")).unwrap();
        symlink("gone", folder.join("dangling")).unwrap();
        symlink("loop", folder.join("loop")).unwrap();
        fs::create_dir(folder.join("folder")).unwrap();
        let check = |name: &str, expected: Result<&str, &str>| {
            let found = read(&folder.join(name), FilePlace::Folder(&folder), 7).map_err(|error| error.to_string());
            match expected {
                Ok(text) => assert_eq!(found.as_deref(), Ok(text.as_bytes()), "{name}"),
                Err(part) => assert!(found.as_ref().is_err_and(|error| error.contains(part)), "{name}: {found:?}"),
            }
        };

        check("inside", Ok("inside"));
        check("relative", Ok("inside"));
        check("absolute", Ok("inside"));
        check("out", Err("outside of the plugin folder"));
        check("back", Err("outside of the plugin folder"));
        check("device", Err("outside of the plugin folder"));
        check("dangling", Err("cannot be read"));
        check("loop", Err("cannot be read"));
        check("folder", Err("it is a folder"));
        assert_eq!(read(&folder.join("out"), FilePlace::Anywhere, 7).unwrap(), b"outside");
    }

    #[test]
    fn nothing_is_waited_for_and_nothing_is_read_without_end() {
        let dir = tempfile::tempdir().unwrap();
        let pipe = dir.path().join("pipe");
        rustix::fs::mkfifoat(rustix::fs::CWD, &pipe, rustix::fs::Mode::RWXU).unwrap();
        fs::write(dir.path().join("large"), "12345678").unwrap();
        let error = |path: &Path| read(path, FilePlace::Anywhere, 7).unwrap_err().to_string();

        assert_eq!(error(&pipe), "it is a pipe, not a file");
        assert_eq!(error(Path::new("/dev/zero")), "it is a device, not a file");
        assert!(error(&dir.path().join("large")).contains("8 bytes"));
        // A file whose length the system does not tell is one that grows while it is read.
        assert!(error(Path::new("/proc/self/status")).contains("bytes, more than"));
    }

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
}
