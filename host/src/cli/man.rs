//! `gateway man`: manual pages of every command, from the same grammar as `--help`.

use std::fs;
use std::path::Path;

use anyhow::Context;
use clap::Command;
use clap_mangen::Man;

use super::arguments::{ManArguments, grammar};
use super::failure::Failure;
use super::output;

/// Prints one page, or writes all of them into a folder.
pub(super) fn run(arguments: &ManArguments) -> Result<(), Failure> {
    let ManArguments { command, dir } = arguments;
    let grammar = grammar();
    if let Some(dir) = dir {
        fs::create_dir_all(dir).with_context(|| format!("cannot write to `{}`", dir.display()))?;
        return write(&grammar, "gateway", dir);
    }
    let mut found = &grammar;
    let mut name = "gateway".to_owned();
    for word in command {
        found = found.find_subcommand(word).filter(|found| !found.is_hide_set()).with_context(|| {
            format!("there is no command `{} {word}`\nhint: `gateway --help` lists them", name.replace('-', " "))
        })?;
        name = format!("{name}-{}", found.get_name());
    }
    output::bytes(&page(found, &name)?)
}

fn write(command: &Command, name: &str, dir: &Path) -> Result<(), Failure> {
    let file = dir.join(format!("{name}.1"));
    fs::write(&file, page(command, name)?).with_context(|| format!("cannot write `{}`", file.display()))?;
    for inner in command.get_subcommands().filter(|inner| !inner.is_hide_set() && inner.get_name() != "help") {
        write(inner, &format!("{name}-{}", inner.get_name()), dir)?;
    }
    Ok(())
}

fn page(command: &Command, name: &str) -> anyhow::Result<Vec<u8>> {
    let mut page = Vec::new();
    Man::new(command.clone())
        .title(name.to_uppercase())
        .source(format!("gateway {}", env!("CARGO_PKG_VERSION")))
        .manual("Gateway Manual")
        .render(&mut page)?;
    Ok(page)
}
