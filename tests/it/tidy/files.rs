//! The files of the repository, and how a rule fails.

use std::fs;
use std::path::{Path, PathBuf};

/// Fails with what is wrong and what to do about it.
#[track_caller]
pub(super) fn obey(broken: &[String], rule: &str) {
    assert!(broken.is_empty(), "\n  {}\nthe rule: {rule}\n", broken.join("\n  "));
}

/// The folder of the repository.
pub(super) fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

/// A path as a message shows it.
pub(super) fn shown(path: &Path) -> String {
    path.strip_prefix(root()).unwrap_or(path).display().to_string()
}

/// The repository's own files at `dir` and below whose names end with `ending`, in the order of their names.
pub(super) fn files(dir: &Path, ending: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut entries: Vec<PathBuf> = fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path()).collect();
    entries.sort();
    for path in entries {
        let name = path.file_name().unwrap().to_str().unwrap();
        if path.is_dir() && !path.is_symlink() {
            let elsewhere = name.starts_with('.') || name == "target" || name == "node_modules";
            if !elsewhere {
                found.extend(files(&path, ending));
            }
        } else if name.ends_with(ending) {
            found.push(path);
        }
    }
    found
}

/// The Rust files below a folder of the repository: the path below that folder, and the text.
pub(super) fn sources(folder: &str) -> Vec<(String, String)> {
    let src = root().join(folder);
    let found = files(&src, ".rs");
    assert!(!found.is_empty(), "no files in {}", src.display());
    let name = |path: &Path| path.strip_prefix(&src).unwrap().to_str().unwrap().to_owned();
    found.iter().map(|path| (name(path), fs::read_to_string(path).unwrap())).collect()
}
