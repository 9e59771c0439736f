//! The built-in plugins: a folder `plugins/NAME` is the package `plugin-NAME` and becomes `plugins/NAME.wasm`.

use std::fs;
use std::io::ErrorKind;
use std::path::Path;

use anyhow::{Context, Result};

/// How samples travel in a plugin: the gateway's own file, because the plugins are built before there is a gateway.
#[cfg_attr(not(test), expect(dead_code, reason = "only the host reads bundles"))]
#[path = "../../host/src/sample/bundle.rs"]
#[expect(unreachable_pub, reason = "it is part of the gateway's library too")]
mod bundle;

/// The SDK, the only package in `plugins/` that is not a plugin.
const SDK: &str = "sdk";

/// One built-in plugin, by the name of its folder.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Plugin(String);

impl Plugin {
    /// The package's name.
    pub(crate) fn package(&self) -> String {
        format!("plugin-{}", self.0)
    }

    /// The file that cargo writes: named after the library, which is named after the folder.
    pub(crate) fn artifact(&self) -> String {
        format!("{}.wasm", self.0.replace('-', "_"))
    }

    /// The file that the gateway loads.
    pub(crate) fn file(&self) -> String {
        format!("{}.wasm", self.0)
    }

    /// The folder of its samples, which travel in that file.
    pub(crate) fn samples(&self) -> String {
        format!("{}/samples", self.0)
    }
}

/// The plugins in `plugins/`, by name.
pub(crate) fn list(root: &Path) -> Result<Vec<Plugin>> {
    let dir = root.join("plugins");
    let mut plugins = Vec::new();
    for entry in fs::read_dir(&dir).with_context(|| format!("cannot read {}", dir.display()))? {
        let entry = entry?;
        let name = entry.file_name().to_string_lossy().into_owned();
        if name != SDK && entry.path().join("Cargo.toml").is_file() {
            plugins.push(Plugin(name));
        }
    }
    plugins.sort_unstable();
    Ok(plugins)
}

/// Copies `built` with the samples of a folder over `installed` in one step, so that a gateway that watches the folder never sees half a file, and only
/// when that changes something, so that it does not load the same again. Returns whether it wrote.
pub(crate) fn install(built: &Path, samples: &Path, installed: &Path) -> Result<bool> {
    let new = fs::read(built).with_context(|| {
        format!("cannot read {}; the `[lib]` of a plugin must have the name of its folder", built.display())
    })?;
    let files = bundle::files(samples).with_context(|| format!("the samples in {}", samples.display()))?;
    let new = bundle::with(&new, &files).with_context(|| format!("{} is no component", built.display()))?;
    match fs::read(installed) {
        Ok(old) if old == new => return Ok(false),
        Ok(_) => {}
        Err(error) if error.kind() == ErrorKind::NotFound => {}
        Err(error) => return Err(error).with_context(|| format!("cannot read {}", installed.display())),
    }
    // Not `*.wasm`, which the gateway would load.
    let temporary = installed.with_extension(format!("wasm.{}.new", std::process::id()));
    let written = fs::write(&temporary, new).and_then(|()| fs::rename(&temporary, installed));
    if written.is_err() {
        let _ = fs::remove_file(&temporary);
    }
    written.with_context(|| format!("cannot write {}", installed.display()))?;
    Ok(true)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plugins_are_the_folders_with_a_package_but_not_the_sdk() {
        let root = tempfile::tempdir().unwrap();
        for name in ["sdk", "github", "generic-json"] {
            let dir = root.path().join("plugins").join(name);
            fs::create_dir_all(&dir).unwrap();
            fs::write(dir.join("Cargo.toml"), "").unwrap();
        }
        fs::create_dir(root.path().join("plugins/notes")).unwrap();
        fs::write(root.path().join("plugins/github.wasm"), "").unwrap();

        let plugins = list(root.path()).unwrap();

        assert_eq!(plugins, [Plugin("generic-json".into()), Plugin("github".into())]);
        assert_eq!(plugins[0].package(), "plugin-generic-json");
        assert_eq!(plugins[0].artifact(), "generic_json.wasm");
        assert_eq!(plugins[0].file(), "generic-json.wasm");
    }

    #[test]
    fn a_plugin_is_installed_with_its_samples_and_only_when_something_changed() {
        let dir = tempfile::tempdir().unwrap();
        let (built, installed) = (dir.path().join("built"), dir.path().join("github.wasm"));
        let samples = dir.path().join("samples");
        fs::create_dir(&samples).unwrap();
        let check = |section: u8, sample: &str, expected: bool| {
            fs::write(&built, [b"\0asm\x0d\0\x01\0", &[section, 0][..]].concat()).unwrap();
            fs::write(samples.join("ping.json"), sample).unwrap();
            assert_eq!(install(&built, &samples, &installed).unwrap(), expected, "{section} {sample}");
            let found = bundle::find(&fs::read(&installed).unwrap());
            assert_eq!(found, [("ping.json".to_owned(), sample.as_bytes().to_owned())]);
        };

        check(1, "{}", true);
        check(1, "{}", false);
        check(1, "[]", true);
        check(2, "[]", true);

        let left: Vec<_> = fs::read_dir(dir.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        assert_eq!(left.len(), 3, "{left:?}");
    }

    #[test]
    fn a_plugin_that_was_not_built_is_named() {
        let dir = tempfile::tempdir().unwrap();

        let error = install(&dir.path().join("absent.wasm"), dir.path(), &dir.path().join("x.wasm")).unwrap_err();

        assert!(error.to_string().contains("absent.wasm"), "{error}");
    }
}
