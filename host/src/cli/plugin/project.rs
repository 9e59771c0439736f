//! The source folder of a plugin, and its `plugin.toml`.

use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, anyhow, bail};
use clap::ValueEnum;
use serde::{Deserialize, Deserializer};

use crate::event::PluginName;
use crate::plugin::Kind;

/// The file that marks the source folder of a plugin.
pub(super) const FILE_NAME: &str = "plugin.toml";

/// A channel with this file gets its request with the call. Older folders have the one of `channel-plugin`.
const RECEIVING_GLUE: &str = "gateway/receiving_plugin.c";

/// A language with a template.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Lang {
    #[value(help = None)]
    Rust,
    #[value(help = None)]
    Js,
    #[value(help = None)]
    Ts,
    #[value(help = None)]
    Python,
    #[value(help = None)]
    Go,
    #[value(help = None)]
    C,
    #[value(help = None)]
    Zig,
}

impl Lang {
    /// Its name on the command line and in `plugin.toml`.
    pub(super) fn id(self) -> &'static str {
        match self {
            Self::Rust => "rust",
            Self::Js => "js",
            Self::Ts => "ts",
            Self::Python => "python",
            Self::Go => "go",
            Self::C => "c",
            Self::Zig => "zig",
        }
    }

    /// The command that installs the tools of the language into a new folder.
    pub(super) fn setup(self) -> Option<&'static str> {
        match self {
            Self::Js | Self::Ts => Some("npm install"),
            Self::Python => Some("python3 -m venv .venv && .venv/bin/pip install -r requirements.txt"),
            Self::Rust | Self::Go | Self::C | Self::Zig => None,
        }
    }
}

impl fmt::Display for Lang {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Rust => "Rust",
            Self::Js => "JavaScript",
            Self::Ts => "TypeScript",
            Self::Python => "Python",
            Self::Go => "Go",
            Self::C => "C",
            Self::Zig => "Zig",
        })
    }
}

/// The source folder of a plugin.
#[derive(Debug)]
pub(super) struct Project {
    /// Absolute.
    pub(super) dir: PathBuf,
    pub(super) plan: Plan,
}

/// The file `plugin.toml`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Plan {
    pub(super) name: PluginName,
    #[serde(deserialize_with = "deserialize_kind")]
    pub(super) kind: Kind,
    pub(super) lang: Lang,
}

fn deserialize_kind<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Kind, D::Error> {
    kind(&String::deserialize(deserializer)?).map_err(serde::de::Error::custom)
}

/// Parses the kind of a plugin.
pub(super) fn kind(text: &str) -> Result<Kind, &'static str> {
    [Kind::Channel, Kind::Agent].into_iter().find(|kind| kind.as_str() == text).ok_or("expected `channel` or `agent`")
}

impl Project {
    /// Reads `plugin.toml` of a folder.
    pub(super) fn open(dir: &Path) -> anyhow::Result<Self> {
        let file = dir.join(FILE_NAME);
        if !file.is_file() {
            bail!(
                "`{}` has no `{FILE_NAME}`\nhint: `gateway plugin new NAME --kind channel --lang rust` \
                 creates a folder with one",
                dir.display()
            );
        }
        let text = fs::read_to_string(&file).with_context(|| format!("cannot read `{}`", file.display()))?;
        let plan = toml::from_str(&text).map_err(|error| anyhow!("`{}`: {}", file.display(), error.message()))?;
        let dir = dir.canonicalize().with_context(|| format!("cannot use `{}`", dir.display()))?;
        Ok(Self { dir, plan })
    }

    /// The file that a build writes.
    pub(super) fn component(&self) -> PathBuf {
        self.dir.join(format!("{}.wasm", self.plan.name))
    }

    /// The world of `wit/plugin.wit` that the plugin is built for.
    pub(super) fn world(&self) -> String {
        if self.plan.kind == Kind::Channel && self.dir.join(RECEIVING_GLUE).is_file() {
            return "receiving-plugin".to_owned();
        }
        format!("{}-plugin", self.plan.kind.as_str())
    }

    /// The C code of the interface, for languages that are built with it.
    pub(super) fn glue(&self) -> String {
        format!("gateway/{}.c", self.world().replace('-', "_"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_is_built_for_the_world_that_it_was_made_for() {
        let dir = tempfile::tempdir().unwrap();
        let check = |kind: &str, world: &str, glue: &str| {
            let plan = format!("name = \"doors\"\nkind = \"{kind}\"\nlang = \"c\"\n");
            fs::write(dir.path().join(FILE_NAME), plan).unwrap();
            let project = Project::open(dir.path()).unwrap();
            assert_eq!((project.world().as_str(), project.glue().as_str()), (world, glue));
        };

        check("channel", "channel-plugin", "gateway/channel_plugin.c");
        fs::create_dir(dir.path().join("gateway")).unwrap();
        fs::write(dir.path().join(RECEIVING_GLUE), "").unwrap();
        check("channel", "receiving-plugin", "gateway/receiving_plugin.c");
        check("agent", "agent-plugin", "gateway/agent_plugin.c");
    }
}
