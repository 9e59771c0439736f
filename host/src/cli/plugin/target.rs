//! The plugin file and the samples that a path on the command line stands for.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, anyhow, bail};

/// A plugin's file, and the folder of its samples.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Target {
    pub(super) file: PathBuf,
    pub(super) samples: PathBuf,
}

impl Target {
    /// The plugin at `path`, a file or a folder. Its samples are `samples`, or else lie beside it.
    pub(super) fn find(path: &Path, samples: Option<&Path>) -> anyhow::Result<Self> {
        let (file, beside) = if path.is_dir() { (file_in(path)?, path.join("samples")) } else { beside(path)? };
        Ok(Self { file, samples: samples.map_or(beside, Path::to_owned) })
    }
}

/// A file, and the folder of its samples: in the folder of its name, or else beside the file.
fn beside(file: &Path) -> anyhow::Result<(PathBuf, PathBuf)> {
    if !file.is_file() {
        bail!("`{}` does not exist", file.display());
    }
    let (own, shared) = (file.with_extension("").join("samples"), file.with_file_name("samples"));
    Ok((file.to_owned(), if own.is_dir() { own } else { shared }))
}

/// The plugin of a folder: the file of the same name in it, the only file in it, or the file of the same name beside it.
fn file_in(dir: &Path) -> anyhow::Result<PathBuf> {
    let read = || format!("cannot read `{}`", dir.display());
    let absolute = dir.canonicalize().with_context(read)?;
    let name = absolute.file_name().unwrap_or_default().to_string_lossy().into_owned() + ".wasm";
    let mut files = Vec::new();
    for entry in fs::read_dir(dir).with_context(read)? {
        let path = entry.with_context(read)?.path();
        if path.extension().is_some_and(|end| end == "wasm") && path.is_file() {
            files.push(path);
        }
    }
    files.sort();
    let called_so = files.iter().find(|file| file.file_name().is_some_and(|own| *own == *name)).cloned();
    match (called_so, files.as_slice()) {
        (Some(file), _) => Ok(file),
        (None, [file]) => Ok(file.clone()),
        (None, []) => {
            let beside = dir.join("..").join(&name);
            let missing = || anyhow!("`{}` has no `.wasm` file\nhint: build the plugin first", dir.display());
            if beside.is_file() { Ok(beside) } else { Err(missing()) }
        }
        (None, several) => Err(anyhow!(
            "`{}` has {} `.wasm` files, none of them `{name}`\nhint: name one of them",
            dir.display(),
            several.len()
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plugin_is_found_by_its_file_or_its_folder() {
        let dir = tempfile::tempdir().unwrap();
        let at = |name: &str| dir.path().join(name);
        for folder in ["one/samples", "two", "empty", "beside/samples"] {
            fs::create_dir_all(at(folder)).unwrap();
        }
        for file in ["one/built.wasm", "two/two.wasm", "two/other.wasm", "beside.wasm"] {
            fs::write(at(file), "").unwrap();
        }
        let found = |path: &str, samples: Option<&str>| {
            let samples = samples.map(&at);
            let target = Target::find(&at(path), samples.as_deref()).map_err(|error| error.to_string())?;
            let shown = |path: &Path| path.strip_prefix(dir.path()).unwrap().display().to_string();
            Ok::<_, String>((shown(&target.file), shown(&target.samples)))
        };
        let pair = |file: &str, samples: &str| Ok((file.to_owned(), samples.to_owned()));

        assert_eq!(found("one", None), pair("one/built.wasm", "one/samples"));
        assert_eq!(found("one/built.wasm", None), pair("one/built.wasm", "one/samples"));
        assert_eq!(found("two", Some("mine")), pair("two/two.wasm", "mine"));
        assert_eq!(found("beside", None), pair("beside/../beside.wasm", "beside/samples"));
        assert_eq!(found("beside.wasm", None), pair("beside.wasm", "beside/samples"));
        assert!(found("empty", None).unwrap_err().contains("has no `.wasm` file"));
        assert!(found("nowhere", None).unwrap_err().contains("does not exist"));
    }
}
