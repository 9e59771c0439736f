//! `gateway plugin`.

use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::output::OutputArguments;
use crate::cli::plugin::build::BuildArguments;
use crate::cli::plugin::new::NewArguments;
use crate::cli::plugin::pack::PackArguments;
use crate::cli::plugin::pin::PinArguments;
use crate::cli::plugin::sign::SignArguments;
use crate::event::ChannelName;

#[derive(Debug, Subcommand)]
pub(in crate::cli) enum PluginCommand {
    /// Write the source of a new plugin, which builds as it is
    New(NewArguments),
    /// Build a plugin with the tools of its language into one file
    Build(BuildArguments),
    /// Look at files as the gateway would, and tell everything that keeps one from serving
    Check {
        /// Plugin files
        #[arg(required = true, value_name = "FILE")]
        files: Vec<PathBuf>,
    },
    /// Show what a file is: kind, version, verification, settings, imports, samples, what it asks for
    Inspect {
        /// A plugin file
        file: PathBuf,
        #[command(flatten)]
        output: OutputArguments,
    },
    /// Run samples through a plugin and compare what comes with what is expected
    Test(TestArguments),
    /// Build, test and install a plugin each time that its folder changes, until Ctrl-C
    Dev(DevArguments),
    /// Put the samples of a folder into a plugin file, as `build` does, so that `gateway send` has them
    Pack(PackArguments),
    /// Write into the configuration which file a plugin may be, so that no other one serves
    Pin(PinArguments),
    /// Sign a plugin file, for gateways that let in what is signed
    Sign(SignArguments),
}

/// What makes no sense while samples are recorded.
const TRYING: [&str; 4] = ["paths", "runs", "accept", "format"];

#[derive(Debug, Args)]
pub(in crate::cli) struct TestArguments {
    /// Plugin files, or folders with a plugin
    #[arg(required_unless_present = "record", value_name = "PATH")]
    pub(in crate::cli) paths: Vec<PathBuf>,
    /// The folder of samples, `samples` beside the plugin when left out
    #[arg(long, value_name = "DIR", alias = "dir")]
    pub(in crate::cli) samples: Option<PathBuf>,
    /// Calls of each sample whose times are taken, 1 to 10000
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..=10_000), default_value_t = 20)]
    pub(in crate::cli) runs: u32,
    /// Write what comes into the samples, as what is expected from now on
    #[arg(long)]
    pub(in crate::cli) accept: bool,
    /// Make samples of what this channel of the running gateway receives, without credentials
    #[arg(long, value_name = "CHANNEL", conflicts_with_all = TRYING)]
    pub(in crate::cli) record: Option<ChannelName>,
    /// How many samples are recorded, 1 to 100
    #[arg(long, requires = "record", value_parser = clap::value_parser!(u32).range(1..=100), default_value_t = 1)]
    pub(in crate::cli) count: u32,
    #[command(flatten)]
    pub(in crate::cli) output: OutputArguments,
}

#[derive(Debug, Args)]
pub(in crate::cli) struct DevArguments {
    /// The plugin's folder
    #[arg(default_value = ".")]
    pub(in crate::cli) dir: PathBuf,
    /// What builds it, for the shell; `gateway plugin build` when left out
    #[arg(long, value_name = "COMMAND")]
    pub(in crate::cli) build: Option<String>,
    /// Where a plugin that passes its samples goes, the plugin folder of the configuration when left out
    #[arg(long, value_name = "DIR")]
    pub(in crate::cli) install: Option<PathBuf>,
}
