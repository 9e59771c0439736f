//! Names and lengths of files, and guests that no test loads.

use std::collections::BTreeSet;
use std::fs;

use super::files::{files, obey, root, shown};
use super::words;

/// Names that say nothing about what a file holds.
const EMPTY_NAMES: &[&str] = &["utils", "util", "common", "helpers", "helper", "misc", "types", "manager"];

/// The longest a file may be without its tests.
const MAX_LINES: usize = 500;
/// The longest that `main.rs` may be.
const MAX_MAIN_LINES: usize = 60;

#[test]
fn a_module_is_a_file_named_after_what_it_holds() {
    let mut broken = Vec::new();
    for path in files(&root(), ".rs") {
        let name = path.file_name().unwrap().to_str().unwrap();
        if name == "mod.rs" {
            broken.push(format!("{}: `foo.rs` and `foo/` instead of `foo/mod.rs`", shown(&path)));
        }
        let parts = path.strip_prefix(root()).unwrap().iter().map(|part| part.to_str().unwrap());
        if parts.map(|part| part.trim_end_matches(".rs")).any(|part| EMPTY_NAMES.contains(&part)) {
            broken.push(format!("{}: the name says nothing", shown(&path)));
        }
    }
    obey(&broken, "name a file after the noun it holds, and a module `foo` is `foo.rs` with its parts in `foo/`");
}

#[test]
fn files_are_short() {
    let mut broken = Vec::new();
    for path in files(&root(), ".rs") {
        let text = fs::read_to_string(&path).unwrap();
        let lines = without_tests(&text).lines().count();
        let max = if path.ends_with("host/src/main.rs") { MAX_MAIN_LINES } else { MAX_LINES };
        if lines > max {
            broken.push(format!("{}: {lines} lines, at most {max}", shown(&path)));
        }
    }
    obey(&broken, "split a file along a noun before it grows past its limit");
}

#[test]
fn every_guest_is_named_by_a_test() {
    let tests: Vec<String> = files(&root().join("tests/it"), ".rs")
        .iter()
        .map(|path| fs::read_to_string(path).unwrap())
        .filter(|text| text.contains("#[test]") || text.contains("#[tokio::test"))
        .collect();
    let mut broken = Vec::new();
    for guest in guests() {
        let quoted = [format!("\"{guest}\""), format!("\"{guest}.wasm\"")];
        let constant = format!("guest::{}", guest.to_uppercase().replace('-', "_"));
        let named = |text: &String| quoted.iter().any(|name| text.contains(name)) || !words(text, &constant).is_empty();
        if !tests.iter().any(named) {
            broken.push(format!("tests/guests: `{guest}` is named by no file in tests/it"));
        }
    }
    obey(&broken, "a guest is there for a test: write the test or remove the guest");
}

/// The names of the components that `tests/guests` and the folder in it build.
fn guests() -> BTreeSet<String> {
    let examples = |manifest: &str| {
        let manifest: toml::Table = fs::read_to_string(root().join(manifest)).unwrap().parse().unwrap();
        let examples = manifest["example"].as_array().unwrap().clone();
        examples.into_iter().map(|example| example["name"].as_str().unwrap().to_owned())
    };
    examples("tests/guests/Cargo.toml").chain(examples("tests/guests/wasi/Cargo.toml")).collect()
}

/// The part of a file before the tests at its end.
fn without_tests(text: &str) -> &str {
    text.find("\n#[cfg(test)]\nmod tests {").map_or(text, |at| &text[..at])
}
