//! `gateway plugin`.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use clap_complete::engine::ArgValueCandidates;

use super::output::OutputArguments;
use super::select::moment;
use crate::cli::names;
use crate::cli::plugin::build::BuildArguments;
use crate::cli::plugin::new::NewArguments;
use crate::cli::plugin::pack::PackArguments;
use crate::cli::plugin::pin::PinArguments;
use crate::cli::plugin::sign::SignArguments;
use crate::cli::plugin::verification::SecretSource;
use crate::event::{ChannelName, PluginName, Timestamp};

#[derive(Debug, Subcommand)]
pub(in crate::cli) enum PluginCommand {
    /// Create the source of a new plugin, ready to build
    New(NewArguments),
    /// Build a plugin from source with the tools of its language
    Build(BuildArguments),
    /// Check plugin files as the gateway would, and report all problems
    Check {
        /// Plugin files
        #[arg(required = true, value_name = "FILE")]
        files: Vec<PathBuf>,
    },
    /// Show the kind, version, verification, settings, imports, samples and needs of a plugin
    Inspect {
        /// Plugin file
        file: PathBuf,
        #[command(flatten)]
        output: OutputArguments,
    },
    /// Run samples through a plugin and compare the results with the expected ones
    Test(TestArguments),
    /// Build, test and install a plugin whenever its folder changes, until Ctrl-C
    Dev(DevArguments),
    /// Embed samples in a plugin file, as `build` does, so that `gateway send` finds them
    Pack(PackArguments),
    /// Pin plugins to the SHA-256 of their files, so that no other file serves
    Pin(PinArguments),
    /// Sign a plugin file with an Ed25519 key
    Sign(SignArguments),
    /// Take the version before back into service, in the running gateway
    Rollback {
        /// Name of the plugin
        #[arg(add = ArgValueCandidates::new(names::plugins))]
        name: PluginName,
        #[command(flatten)]
        output: OutputArguments,
    },
}

/// Options that conflict with recording.
const TRYING: [&str; 6] = ["paths", "runs", "accept", "secret", "at", "format"];

#[derive(Debug, Args)]
pub(in crate::cli) struct TestArguments {
    /// Plugin files, or folders with a plugin
    #[arg(required_unless_present = "record", value_name = "PATH")]
    pub(in crate::cli) paths: Vec<PathBuf>,
    /// Folder of samples; by default `samples` beside the plugin
    #[arg(long, value_name = "DIR", alias = "dir")]
    pub(in crate::cli) samples: Option<PathBuf>,
    /// Timed calls of each sample, 1 to 10000
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..=10_000), default_value_t = 20)]
    pub(in crate::cli) runs: u32,
    /// Write the results into the samples as the expected ones
    #[arg(long)]
    pub(in crate::cli) accept: bool,
    /// Verify the requests, whose headers need their signature, with this secret: env:NAME or file:PATH
    #[arg(long, value_name = "SOURCE")]
    pub(in crate::cli) secret: Option<SecretSource>,
    /// When the requests were signed (2026-01-31T12:00:00Z, or 15m ago); by default now
    #[arg(long, value_name = "TIME", requires = "secret", value_parser = moment)]
    pub(in crate::cli) at: Option<Timestamp>,
    /// Record samples of what this channel of the running gateway receives, without credentials
    #[arg(long, value_name = "CHANNEL", conflicts_with_all = TRYING, add = ArgValueCandidates::new(names::channels))]
    pub(in crate::cli) record: Option<ChannelName>,
    /// Number of samples to record, 1 to 100
    #[arg(long, requires = "record", value_parser = clap::value_parser!(u32).range(1..=100), default_value_t = 1)]
    pub(in crate::cli) count: u32,
    #[command(flatten)]
    pub(in crate::cli) output: OutputArguments,
}

#[derive(Debug, Args)]
pub(in crate::cli) struct DevArguments {
    /// Plugin folder
    #[arg(default_value = ".")]
    pub(in crate::cli) dir: PathBuf,
    /// Shell command that builds the plugin; by default `gateway plugin build`
    #[arg(long, value_name = "COMMAND")]
    pub(in crate::cli) build: Option<String>,
    /// Folder for a plugin that passes its samples; by default the plugin folder of the configuration
    #[arg(long, value_name = "DIR")]
    pub(in crate::cli) install: Option<PathBuf>,
}
