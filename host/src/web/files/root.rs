//! The folder of a site, and how files below it are opened.
//!
//! No name leads out of the folder: the kernel resolves names beneath it, links too. Where it cannot (`openat2` is missing, or a
//! sandbox forbids it), each part of a name is opened on its own, and no links are followed.

use std::fs::File;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};

use rustix::fs::{CWD, Mode, OFlags, openat};
use rustix::io::Errno;

/// A rename in the folder can interrupt the resolution of a link, and is over at once.
#[cfg(target_os = "linux")]
const ATTEMPTS: usize = 16;

const OPEN: OFlags = OFlags::CLOEXEC.union(OFlags::NOCTTY).union(OFlags::NONBLOCK);
const FOLDER: OFlags = PLACE.union(OFlags::DIRECTORY).union(OFlags::CLOEXEC);

/// Enough to open what is in a folder.
#[cfg(target_os = "linux")]
const PLACE: OFlags = OFlags::PATH;
#[cfg(not(target_os = "linux"))]
const PLACE: OFlags = OFlags::RDONLY;

/// The folder of a site.
#[derive(Debug)]
pub(crate) struct Root {
    path: PathBuf,
    resolution: Resolution,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Resolution {
    Beneath,
    ByPart,
}

impl Root {
    /// The folder may come later.
    pub(crate) fn new(path: &Path) -> Self {
        let resolves = openat(CWD, "/", FOLDER, Mode::empty()).and_then(|root| beneath(root.as_fd(), ".", FOLDER));
        let resolution = if resolves.is_ok() { Resolution::Beneath } else { Resolution::ByPart };
        Self { path: path.to_owned(), resolution }
    }

    /// Opens the regular file `name` for reading; `None` when there is none below the folder. Blocks.
    ///
    /// The folder is opened each time, so that a link to another one takes effect.
    pub(crate) fn file(&self, name: &str) -> io::Result<Option<File>> {
        let opened = openat(CWD, &self.path, FOLDER, Mode::empty()).and_then(|folder| match self.resolution {
            Resolution::Beneath => beneath(folder.as_fd(), name, OPEN),
            Resolution::ByPart => by_part(&folder, name),
        });
        let file = match opened {
            Ok(file) => File::from(file),
            Err(error) if is_absent(error) => return Ok(None),
            Err(error) => return Err(error.into()),
        };
        Ok(file.metadata()?.is_file().then_some(file))
    }
}

#[cfg(target_os = "linux")]
fn beneath(folder: BorrowedFd<'_>, name: &str, flags: OFlags) -> Result<OwnedFd, Errno> {
    use rustix::fs::{ResolveFlags, openat2};

    let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_MAGICLINKS;
    let mut opened = Err(Errno::AGAIN);
    for _ in 0..ATTEMPTS {
        opened = openat2(folder, name, flags, Mode::empty(), resolve);
        if !matches!(opened, Err(Errno::AGAIN)) {
            break;
        }
    }
    opened
}

#[cfg(not(target_os = "linux"))]
fn beneath(_: BorrowedFd<'_>, _: &str, _: OFlags) -> Result<OwnedFd, Errno> {
    Err(Errno::NOSYS)
}

fn by_part(root: &OwnedFd, name: &str) -> Result<OwnedFd, Errno> {
    let (folders, last) = name.rsplit_once('/').map_or((None, name), |(folders, last)| (Some(folders), last));
    let mut folder: Option<OwnedFd> = None;
    for part in folders.into_iter().flat_map(|folders| folders.split('/')) {
        let parent = folder.as_ref().unwrap_or(root);
        folder = Some(openat(parent, part, FOLDER | OFlags::NOFOLLOW, Mode::empty())?);
    }
    openat(folder.as_ref().unwrap_or(root), last, OPEN | OFlags::NOFOLLOW, Mode::empty())
}

/// What is to a caller as if it were not there: also what leads out of the folder, is a socket, or is not for us.
fn is_absent(error: Errno) -> bool {
    matches!(
        error,
        Errno::NOENT | Errno::NOTDIR | Errno::LOOP | Errno::XDEV | Errno::ACCESS | Errno::NXIO | Errno::NAMETOOLONG
    )
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::io::Read;
    use std::os::unix::fs::symlink;
    use std::os::unix::net::UnixListener;
    use std::sync::atomic::{AtomicBool, Ordering};

    use super::*;

    const BOTH: [Resolution; 2] = [Resolution::Beneath, Resolution::ByPart];

    fn read(root: &Root, name: &str) -> Option<String> {
        let mut text = String::new();
        root.file(name).unwrap()?.read_to_string(&mut text).unwrap();
        Some(text)
    }

    /// A folder `site` beside a file `secret` that no name must lead to.
    fn site(resolution: Resolution) -> (tempfile::TempDir, Root) {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("secret"), "secret").unwrap();
        let site = folder.path().join("site");
        fs::create_dir_all(site.join("a/b")).unwrap();
        fs::write(site.join("top"), "top").unwrap();
        fs::write(site.join("a/b/deep"), "deep").unwrap();
        let root = Root { path: site, resolution };
        (folder, root)
    }

    #[test]
    fn this_system_resolves_beneath() {
        let (folder, root) = site(Resolution::ByPart);
        let root = Root::new(&root.path);
        assert_eq!(root.resolution, Resolution::Beneath);
        assert_eq!(read(&root, "top").as_deref(), Some("top"));
        for none in ["missing", "secret"] {
            assert_eq!(read(&Root::new(&folder.path().join(none)), "top"), None);
        }
    }

    #[test]
    fn only_regular_files_below_the_folder_are_opened() {
        for resolution in BOTH {
            let (folder, root) = site(resolution);
            let at = |name: &str| root.path.join(name);
            symlink("../secret", at("out")).unwrap();
            symlink(folder.path(), at("up")).unwrap();
            symlink(folder.path().join("secret"), at("absolute")).unwrap();
            symlink("loop", at("loop")).unwrap();
            symlink("/proc/self/root", at("magic")).unwrap();
            rustix::fs::mkfifoat(CWD, at("fifo"), Mode::from_raw_mode(0o600)).unwrap();
            let _socket = UnixListener::bind(at("socket")).unwrap();
            fs::hard_link(at("top"), at("hard")).unwrap();
            for (name, expected) in [
                ("top", Some("top")),
                ("hard", Some("top")),
                ("a/b/deep", Some("deep")),
                ("missing", None),
                ("a", None),
                ("a/b", None),
                ("top/x", None),
                ("out", None),
                ("up/secret", None),
                ("up/site/top", None),
                ("absolute", None),
                ("loop", None),
                ("magic/etc/passwd", None),
                ("fifo", None),
                ("socket", None),
                ("../secret", None),
                ("a/../../secret", None),
            ] {
                if resolution == Resolution::ByPart && name.contains("..") {
                    // Never asked for: `path::name` has no such names.
                    continue;
                }
                assert_eq!(read(&root, name).as_deref(), expected, "{name} {resolution:?}");
            }
            assert_eq!(root.file(&"x".repeat(300)).unwrap().map(drop), None);
        }
    }

    #[test]
    fn links_within_the_folder_are_followed_only_by_the_kernel() {
        for (resolution, expected) in [(Resolution::Beneath, Some("deep")), (Resolution::ByPart, None)] {
            let (_folder, root) = site(resolution);
            symlink("a/b", root.path.join("folder")).unwrap();
            symlink("../../a/b/deep", root.path.join("a/b/file")).unwrap();
            assert_eq!(read(&root, "folder/deep").as_deref(), expected, "{resolution:?}");
            assert_eq!(read(&root, "a/b/file").as_deref(), expected, "{resolution:?}");
        }
    }

    #[test]
    fn a_link_to_another_folder_takes_effect() {
        let (folder, root) = site(Resolution::Beneath);
        let current = folder.path().join("current");
        symlink("site", &current).unwrap();
        let root = Root { path: current.clone(), ..root };
        assert_eq!(read(&root, "top").as_deref(), Some("top"));
        fs::create_dir(folder.path().join("next")).unwrap();
        fs::write(folder.path().join("next/top"), "next").unwrap();
        fs::remove_file(&current).unwrap();
        symlink("next", &current).unwrap();
        assert_eq!(read(&root, "top").as_deref(), Some("next"));
    }

    #[test]
    fn a_folder_that_becomes_a_link_while_it_is_opened_leads_nowhere_else() {
        for resolution in BOTH {
            let (folder, root) = site(resolution);
            fs::write(folder.path().join("deep"), "secret").unwrap();
            let (real, link) = (root.path.join("a/b"), root.path.join("a/link"));
            symlink(folder.path(), &link).unwrap();
            let over = AtomicBool::new(false);
            std::thread::scope(|scope| {
                scope.spawn(|| {
                    while !over.load(Ordering::Relaxed) {
                        let exchange = rustix::fs::RenameFlags::EXCHANGE;
                        rustix::fs::renameat_with(CWD, &real, CWD, &link, exchange).unwrap();
                    }
                });
                for _ in 0..5000 {
                    // Resolved again and again while a folder moves, it may end with an error; never with another file.
                    let Ok(Some(mut file)) = root.file("a/b/deep") else { continue };
                    let mut text = String::new();
                    file.read_to_string(&mut text).unwrap();
                    assert_eq!(text, "deep", "{resolution:?}");
                }
                over.store(true, Ordering::Relaxed);
            });
        }
    }
}
