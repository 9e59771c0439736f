//! Packages of the registries: recorded payloads, and the libraries that providers sign with.
//!
//! A set is a folder of `tests/real` with versions and digests. It is installed once, into `target/tools`. If the registry
//! cannot be reached, a test skips the checks that need it.

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Mutex;

use sha2::{Digest, Sha256};

/// The installation of packages from one registry.
struct Registry {
    /// The name in the message about a skipped check.
    tool: &'static str,
    program: &'static str,
    arguments: &'static [&'static str],
    /// The files of a set that define the installation; the first one has versions and digests.
    files: &'static [&'static str],
    /// The folder with the packages.
    folder: &'static str,
    /// The tool's messages if a part of it is missing or the registry cannot be reached. Any other failure, such as a wrong
    /// digest, fails the test.
    absent: &'static [&'static str],
}

const NPM: Registry = Registry {
    tool: "npm",
    program: "npm",
    arguments: &["ci", "--ignore-scripts", "--no-audit", "--no-fund", "--fetch-retries=1"],
    files: &["package-lock.json", "package.json"],
    folder: "node_modules",
    absent: &["ENOTFOUND", "EAI_AGAIN", "ECONNREFUSED", "ECONNRESET", "ETIMEDOUT", "ENETUNREACH", "EHOSTUNREACH"],
};

const PYPI: Registry = Registry {
    tool: "pip of python3",
    program: "python3",
    arguments: &[
        "-m",
        "pip",
        "install",
        "--quiet",
        "--disable-pip-version-check",
        "--require-hashes",
        "--no-deps",
        "--only-binary=:all:",
        "--retries=1",
        "--target=packages",
        "--requirement=requirements.txt",
    ],
    files: &["requirements.txt"],
    folder: "packages",
    absent: &["No module named pip", "Failed to establish a new connection", "Name or service not known"],
};

/// Allows one installation at a time, so that tests of the same set wait for the first one.
static INSTALLING: Mutex<()> = Mutex::new(());

/// The `node_modules` of the set `tests/real/{set}`. Prints the reason and returns `None` if npm or its registry is missing.
pub(crate) fn npm_packages(set: &str) -> Option<PathBuf> {
    installed(set, &NPM)
}

/// A folder for `sys.path` with the packages of `tests/real/{set}/requirements.txt`. Prints the reason and returns `None` if pip
/// or its registry is missing.
pub(crate) fn pypi_packages(set: &str) -> Option<PathBuf> {
    installed(set, &PYPI)
}

fn installed(set: &str, registry: &Registry) -> Option<PathBuf> {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/real").join(set);
    let versions = fs::read(source.join(registry.files[0])).unwrap();
    let digest = hex::encode(Sha256::digest(&versions));
    let tools = Path::new(super::BINARY).ancestors().nth(2).unwrap().join("tools");
    let place = tools.join(format!("{}-{set}-{}", registry.program, &digest[..16]));
    let packages = place.join(registry.folder);

    // A failed installation leaves nothing behind, so a poisoned lock is fine.
    let _one = INSTALLING.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    if packages.is_dir() {
        return Some(packages);
    }
    fs::create_dir_all(&tools).unwrap();
    // Installed elsewhere and then renamed, so that a folder of this name is always complete.
    let fresh = tempfile::tempdir_in(&tools).unwrap();
    for file in registry.files {
        fs::copy(source.join(file), fresh.path().join(file)).unwrap();
    }
    let mut install = Command::new(registry.program);
    // The target is a separate folder, not a part of the system's Python.
    install.args(registry.arguments).current_dir(fresh.path()).env("PIP_BREAK_SYSTEM_PACKAGES", "1");
    let output = match install.output() {
        Ok(output) => output,
        Err(error) if error.kind() == ErrorKind::NotFound => {
            eprintln!("skipped: checks with the packages of {set}: {} is not installed", registry.tool);
            return None;
        }
        Err(error) => panic!("{}: {error}", registry.tool),
    };
    if !output.status.success() {
        let printed = String::from_utf8_lossy(&output.stderr);
        let is_absent = registry.absent.iter().any(|sign| printed.contains(sign));
        assert!(is_absent, "{} cannot install {set}:\n{printed}", registry.tool);
        eprintln!("skipped: checks with the packages of {set}: {} or its registry is missing", registry.tool);
        return None;
    }
    if let Err(error) = fs::rename(fresh.path(), &place) {
        assert!(packages.is_dir(), "{}: {error}", place.display());
    }
    Some(packages)
}
