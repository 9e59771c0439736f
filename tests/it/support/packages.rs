//! Packages of the registries: recorded payloads, and the libraries that providers sign with.
//!
//! A set is a folder of `tests/real` with its versions and digests. It is installed once, into `target/tools`, and a test
//! leaves out what needs it where the registry cannot be reached.

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Mutex;

use sha2::{Digest, Sha256};

/// What npm says when the registry cannot be reached. Any other failure, such as a digest that differs, fails the test.
const UNREACHABLE: &[&str] =
    &["ENOTFOUND", "EAI_AGAIN", "ECONNREFUSED", "ECONNRESET", "ETIMEDOUT", "ENETUNREACH", "EHOSTUNREACH"];

/// One installation at a time: tests of one set wait for the first of them.
static INSTALLING: Mutex<()> = Mutex::new(());

/// The `node_modules` of the set `tests/real/{set}`; none, and a line that says why, where npm or its registry is missing.
pub(crate) fn npm_packages(set: &str) -> Option<PathBuf> {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/real").join(set);
    let lock = fs::read(source.join("package-lock.json")).unwrap();
    let digest = hex::encode(Sha256::digest(&lock));
    let tools = Path::new(super::BINARY).ancestors().nth(2).unwrap().join("tools");
    let installed = tools.join(format!("npm-{set}-{}", &digest[..16]));
    let modules = installed.join("node_modules");

    // A test that failed while it installed has left nothing behind that could be wrong.
    let _one = INSTALLING.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    if modules.is_dir() {
        return Some(modules);
    }
    fs::create_dir_all(&tools).unwrap();
    // Elsewhere and then renamed, so that whatever is found under the name is whole.
    let fresh = tempfile::tempdir_in(&tools).unwrap();
    for file in ["package.json", "package-lock.json"] {
        fs::copy(source.join(file), fresh.path().join(file)).unwrap();
    }
    let install = ["ci", "--ignore-scripts", "--no-audit", "--no-fund", "--fetch-retries=1"];
    let output = match Command::new("npm").args(install).current_dir(fresh.path()).output() {
        Ok(output) => output,
        Err(error) if error.kind() == ErrorKind::NotFound => {
            eprintln!("skipped: what needs the packages of {set}: npm is not installed");
            return None;
        }
        Err(error) => panic!("npm: {error}"),
    };
    if !output.status.success() {
        let told = String::from_utf8_lossy(&output.stderr);
        assert!(UNREACHABLE.iter().any(|code| told.contains(code)), "npm cannot install {set}:\n{told}");
        eprintln!("skipped: what needs the packages of {set}: npm does not reach its registry");
        return None;
    }
    if let Err(error) = fs::rename(fresh.path(), &installed) {
        assert!(modules.is_dir(), "{}: {error}", installed.display());
    }
    Some(modules)
}
