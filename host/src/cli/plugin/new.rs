//! `gateway plugin new`.

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use clap::Args;

use super::project::{self, Lang};
use super::template;
use crate::cli::failure::Failure;
use crate::cli::output;
use crate::event::PluginName;
use crate::plugin::Kind;

#[derive(Debug, Args)]
pub(in crate::cli) struct NewArguments {
    /// Plugin name: 1 to 63 of `a-z`, `0-9` and `-`
    name: PluginName,
    /// channel (a source of events) or agent (a destination)
    #[arg(long, value_parser = project::kind)]
    kind: Kind,
    /// Language: rust, js, ts, python, go, c or zig
    #[arg(long, value_enum, hide_possible_values = true)]
    lang: Lang,
    /// Target folder, missing or empty; by default `./NAME`
    #[arg(long)]
    dir: Option<PathBuf>,
}

/// Writes the source of a plugin that builds as it is, and prints the next steps.
pub(super) fn run(arguments: NewArguments) -> Result<(), Failure> {
    let NewArguments { name, kind, lang, dir } = arguments;
    let dir = dir.unwrap_or_else(|| PathBuf::from(name.as_str()));
    write(&dir, &name, kind, lang)?;
    let shown = dir.display();
    output::note(&format!("created {shown}/, a plugin ({}) in {lang}; next:", kind.as_str()));
    if let Some(setup) = lang.setup() {
        output::note(&format!("  (cd {shown} && {setup})"));
    }
    output::note(&format!("  gateway plugin build {shown}"));
    output::note(&format!("  gateway plugin test {shown}"));
    output::note(&format!("  cp {shown}/{name}.wasm plugins/"));
    Ok(())
}

fn write(dir: &Path, name: &PluginName, kind: Kind, lang: Lang) -> anyhow::Result<()> {
    match fs::read_dir(dir) {
        Ok(entries) => {
            if entries.count() > 0 {
                bail!("`{}` is not empty\nhint: name another folder with `--dir`", dir.display());
            }
        }
        Err(error) if error.kind() == ErrorKind::NotFound => {}
        Err(error) => return Err(error).with_context(|| format!("cannot use `{}`", dir.display())),
    }
    for (path, text) in template::files(name, kind, lang) {
        let file = dir.join(path);
        let folder = file.parent().expect("it lies in the folder");
        fs::create_dir_all(folder)
            .and_then(|()| fs::write(&file, text))
            .with_context(|| format!("cannot write `{}`", file.display()))?;
    }
    Ok(())
}
