//! The templates are complete, and their bindings and SDK are current.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use clap::ValueEnum;

use super::*;

const KINDS: [Kind; 2] = [Kind::Channel, Kind::Agent];

fn plugins() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../plugins")
}

/// The names of the files in a folder and below, relative to `plugins/`.
fn files_below(dir: &Path) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(files_below(&path));
        } else {
            found.insert(path.strip_prefix(plugins()).unwrap().to_str().unwrap().to_owned());
        }
    }
    found
}

/// Each template with the files that it has.
fn templates() -> impl Iterator<Item = (Kind, Lang, BTreeMap<&'static str, String>)> {
    KINDS.into_iter().flat_map(|kind| {
        Lang::value_variants().iter().map(move |lang| {
            let name = "door-bell".parse().unwrap();
            (kind, *lang, files(&name, kind, *lang).collect())
        })
    })
}

/// A file that is added to a template or to the SDK, but not to the table, is missed here.
#[test]
fn every_file_of_the_templates_and_the_sdk_is_in_a_template() {
    let used: BTreeSet<String> = KINDS
        .into_iter()
        .flat_map(|kind| Lang::value_variants().iter().flat_map(move |lang| parts(kind, *lang)))
        .flatten()
        .map(|file| file.source.to_owned())
        .collect();

    let mut there = files_below(&plugins().join("templates"));
    there.extend(files_below(&plugins().join("sdk/src")));

    // The packages of compilers that a build only names.
    for package in ["go", "zig"] {
        there.remove(&format!("templates/{package}/requirements.txt"));
    }
    assert_eq!(used, there);
}

#[test]
fn a_template_has_its_name_and_kind_everywhere() {
    for (kind, lang, files) in templates() {
        let plan: toml::Table = files[FILE_NAME].parse().unwrap();
        assert_eq!(plan["name"].as_str(), Some("door-bell"), "{lang}");
        assert_eq!(plan["kind"].as_str(), Some(kind.as_str()), "{lang}");
        assert_eq!(plan["lang"].as_str(), Some(lang.id()), "{lang}");
        for (path, text) in &files {
            for placeholder in ["plugin-name", "plugin_name", "plugin-kind", "plugin-lang"] {
                assert!(!text.contains(placeholder), "`{placeholder}` in {path} of {lang}");
            }
        }
        assert!(files["README.md"].starts_with("# door-bell\n"), "{lang}");
        assert_eq!(files["README.md"].lines().count(), 4, "a title and three lines for {lang}");
        assert!(files.keys().any(|path| path.starts_with("samples/")), "{lang}");
    }
}

/// What a template carries of the gateway is of this gateway.
#[test]
fn the_bindings_are_those_of_the_contract() {
    let current = fs::read_to_string(plugins().join("../wit/plugin.wit")).unwrap();
    let (_, _, files) = templates().next().unwrap();

    assert!(files["wit/plugin.wit"] == current, "`wit/plugin.wit` has changed: run `cargo xtask languages --bindings`");
}

#[test]
fn the_sdk_of_the_template_is_the_sdk() {
    let manifest = |text: &str| text.parse::<toml::Table>().unwrap();
    let ours = manifest(&fs::read_to_string(plugins().join("sdk/Cargo.toml")).unwrap());
    let workspace = manifest(&fs::read_to_string(plugins().join("../Cargo.toml")).unwrap());
    let workspace = &workspace["workspace"]["package"];
    let (_, _, files) = templates().next().unwrap();

    let theirs = manifest(&files["vendor/gateway-plugin-sdk/Cargo.toml"]);

    for table in ["dependencies", "features"] {
        assert_eq!(theirs[table], ours[table], "{table}");
    }
    for key in ["name", "description"] {
        assert_eq!(theirs["package"][key], ours["package"][key], "{key}");
    }
    for key in ["version", "edition", "license"] {
        assert_eq!(theirs["package"][key], workspace[key], "{key}");
    }
}
