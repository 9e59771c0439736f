//! `gateway plugin pin`: the only command that changes the configuration.

use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, anyhow};
use clap::Args;
use clap_complete::engine::ArgValueCandidates;
use toml_edit::{DocumentMut, Item, Table, TableLike};

use crate::cli::failure::Failure;
use crate::cli::{file, names, output};
use crate::config::{self, Config, FILE_NAME};
use crate::event::PluginName;
use crate::plugin::{self, Digest};

#[derive(Debug, Args)]
pub(in crate::cli) struct PinArguments {
    /// Plugin names, which are those of their files
    #[arg(value_name = "NAME", required_unless_present = "all", add = ArgValueCandidates::new(names::plugins))]
    names: Vec<PluginName>,
    /// Pin every plugin in the plugin folder
    #[arg(long, conflicts_with = "names")]
    all: bool,
    /// Plugin file to pin, if it is not in the plugin folder yet
    #[arg(long, value_name = "FILE", conflicts_with = "all")]
    file: Option<PathBuf>,
    /// Change nothing; exit with code 1 if a file does not match its pin
    #[arg(long)]
    check: bool,
}

/// The pinned digest of a plugin, and the digest of its file.
struct Pin {
    plugin: PluginName,
    old: Option<Digest>,
    found: Digest,
}

/// Pins plugins, or compares them with their pins.
pub(super) fn run(path: Option<&Path>, arguments: PinArguments) -> Result<(), Failure> {
    if arguments.file.is_some() && arguments.names.len() != 1 {
        return Err(Failure::Call("`--file` needs exactly one plugin name".into()));
    }
    let config = config::load(path)?;
    let path = path.unwrap_or(Path::new(FILE_NAME));
    let pins = pins(&config, &arguments)?;
    if arguments.check {
        let mut differ = false;
        for Pin { plugin, old, found } in &pins {
            let state = match old {
                Some(old) if old == found => format!("pinned to {found}"),
                Some(old) => format!("pinned to {old}, but the file is {found}"),
                None => format!("not pinned; the file is {found}"),
            };
            differ |= old.as_ref() != Some(found);
            output::text(&format!("{plugin}: {state}\n"))?;
        }
        return if differ { Err(Failure::Reported) } else { Ok(()) };
    }
    write(path, &pins)?;
    for Pin { plugin, old, found } in &pins {
        let state = match old {
            Some(old) if old == found => format!("already pinned to {found}"),
            Some(old) => format!("pinned to {found}, previously {old}"),
            None => format!("pinned to {found}"),
        };
        output::text(&format!("{plugin}: {state}\n"))?;
    }
    let config = config::load(Some(path))?;
    if let Some(pin) = pins.iter().find(|pin| config.plugins.rules.trust.pins.get(&pin.plugin) != Some(&pin.found)) {
        let plugin = &pin.plugin;
        return Err(anyhow!("an environment variable overrides `plugins.overrides.{plugin}.sha256`").into());
    }
    output::note("the running gateway applies it within seconds; `gateway reload` does it at once");
    Ok(())
}

fn pins(config: &Config, arguments: &PinArguments) -> Result<Vec<Pin>, Failure> {
    let folder = &config.plugins.dir;
    let names = if arguments.all { plugins_in(folder)? } else { arguments.names.clone() };
    let pin = |plugin: PluginName| {
        let file = arguments.file.clone().unwrap_or_else(|| folder.join(format!("{plugin}.wasm")));
        let bytes = plugin::read_file(&file, config.plugins.max_file);
        let bytes = bytes.map_err(|error| anyhow!("{}: {error}", file.display()))?;
        Ok(Pin { old: config.plugins.rules.trust.pins.get(&plugin).copied(), plugin, found: Digest::of(&bytes) })
    };
    names.into_iter().map(pin).collect()
}

/// The plugins of the folder. Files whose names cannot be those of plugins are skipped.
fn plugins_in(folder: &Path) -> anyhow::Result<Vec<PluginName>> {
    let failed = || format!("cannot read the folder `{}`", folder.display());
    let mut names = Vec::new();
    for entry in fs::read_dir(folder).with_context(failed)? {
        let path = entry.with_context(failed)?.path();
        if path.extension() == Some(OsStr::new("wasm"))
            && let Some(name) = path.file_stem().and_then(OsStr::to_str).and_then(|stem| stem.parse().ok())
        {
            names.push(name);
        }
    }
    names.sort();
    Ok(names)
}

/// Writes the pins into the configuration and leaves everything else unchanged.
fn write(path: &Path, pins: &[Pin]) -> anyhow::Result<()> {
    let text = fs::read_to_string(path).with_context(|| format!("cannot read `{}`", path.display()))?;
    let pinned = with_pins(&text, pins).with_context(|| format!("cannot change `{}`", path.display()))?;
    if pinned == text { Ok(()) } else { file::replace(path, pinned.as_bytes()) }
}

fn with_pins(text: &str, pins: &[Pin]) -> anyhow::Result<String> {
    let mut document: DocumentMut = text.parse()?;
    for Pin { plugin, found, .. } in pins {
        let before = comments_at_end(&document);
        let mut is_new = false;
        let mut table: &mut dyn TableLike = document.as_table_mut();
        for name in ["plugins", "overrides", plugin.as_str()] {
            let made = || {
                // At the end of the file: elsewhere it would take comments for its own that belong to the table before.
                is_new = true;
                let mut made = Table::new();
                made.set_implicit(true);
                made.set_position(Some(isize::MAX));
                made.decor_mut().set_prefix(before.as_str());
                Item::Table(made)
            };
            let item = table.entry(name).or_insert_with(made);
            table = item.as_table_like_mut().with_context(|| format!("`{name}` is not a table"))?;
        }
        let text = found.to_string();
        match table.get_mut("sha256").and_then(Item::as_value_mut) {
            Some(value) => {
                let decor = value.decor().clone();
                *value = text.into();
                *value.decor_mut() = decor;
            }
            None => drop(table.insert("sha256", toml_edit::value(text))),
        }
        if is_new {
            document.set_trailing("");
        }
    }
    Ok(document.to_string())
}

/// What stands between the last key and a table that is added, with an empty line.
fn comments_at_end(document: &DocumentMut) -> String {
    let comments = document.trailing().as_str().unwrap_or_default();
    let is_empty = document.is_empty() && comments.is_empty();
    let line_break = if comments.is_empty() || comments.ends_with('\n') { "" } else { "\n" };
    format!("{comments}{line_break}{}", if is_empty { "" } else { "\n" })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pin_is_written_and_everything_else_stays() {
        let check = |before: &str, after: &str| {
            let pins = [Pin { plugin: "github".parse().unwrap(), old: None, found: Digest::of(b"hello") }];
            let digest = Digest::of(b"hello").to_string();
            let written = with_pins(before, &pins).unwrap();

            assert_eq!(written.replace(&digest, "NEW"), after);
            assert_eq!(with_pins(&written, &pins).unwrap(), written);
        };

        check("", "[plugins.overrides.github]\nsha256 = \"NEW\"\n");
        check(
            "# top\n[plugins] # here\ndir = 'p'\n\n# next\n[log]\nlevel = \"info\"\n",
            "# top\n[plugins] # here\ndir = 'p'\n\n# next\n[log]\nlevel = \"info\"\n\n[plugins.overrides.github]\nsha256 = \"NEW\"\n",
        );
        check(
            "[plugins.limits]\n#memory = \"64MiB\"",
            "[plugins.limits]\n#memory = \"64MiB\"\n\n[plugins.overrides.github]\nsha256 = \"NEW\"\n",
        );
        check(
            "[plugins.overrides.github]\ncpu = \"2s\" # slow\nsha256 = \"OLD\" # of May\n# end\n",
            "[plugins.overrides.github]\ncpu = \"2s\" # slow\nsha256 = \"NEW\" # of May\n# end\n",
        );
        check(
            "[plugins]\noverrides = { github = { cpu = \"2s\" } }\n",
            "[plugins]\noverrides = { github = { cpu = \"2s\" , sha256 = \"NEW\" } }\n",
        );
    }

    /// A comment that is made a key belongs to the same table as before.
    #[test]
    fn pins_follow_everything_in_the_shipped_file() {
        let shipped = include_str!("../../../../gateway.toml");
        let pin = |name: &str| Pin { plugin: name.parse().unwrap(), old: None, found: Digest::of(b"hello") };

        let written = with_pins(shipped, &[pin("github"), pin("stub")]).unwrap();

        let digest = Digest::of(b"hello");
        let table = |name: &str| format!("\n[plugins.overrides.{name}]\nsha256 = \"{digest}\"\n");
        assert_eq!(written.strip_prefix(shipped).unwrap(), table("github") + &table("stub"));
    }
}
