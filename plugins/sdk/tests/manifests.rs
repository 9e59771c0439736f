//! The manifests of the built-in plugins keep what `wit/manifest.schema.json` asks for, and name the release they are part of.

use std::fs;
use std::path::Path;

use serde_json::Value;

fn json(path: &Path) -> Value {
    let text = fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    serde_json::from_str(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

#[test]
fn manifests_match_the_schema() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let schema = jsonschema::validator_for(&json(&root.join("../../wit/manifest.schema.json"))).unwrap();
    let folders = fs::read_dir(root.join("..")).unwrap().map(|entry| entry.unwrap().path());
    let manifests: Vec<_> = folders.map(|folder| folder.join("manifest.json")).filter(|path| path.exists()).collect();
    assert!(manifests.len() >= 5, "found only {manifests:?}");

    for path in manifests {
        let manifest = json(&path);
        let problems: Vec<_> = schema.iter_errors(&manifest).map(|error| error.to_string()).collect();
        assert!(problems.is_empty(), "{}: {problems:?}", path.display());
        assert_eq!(manifest["version"], env!("CARGO_PKG_VERSION"), "{}", path.display());
        let folder = path.parent().and_then(Path::file_name);
        assert_eq!(manifest["name"].as_str(), folder.and_then(|name| name.to_str()), "{}", path.display());
    }
}
