//! `gateway log`.

use std::path::PathBuf;

use clap::Subcommand;

use super::output::OutputArguments;

#[derive(Debug, Subcommand)]
pub(in crate::cli) enum LogCommand {
    /// Show what the log holds and what it takes on the disk
    Stats {
        #[command(flatten)]
        output: OutputArguments,
    },
    /// Read everything that is stored and tell what is damaged
    Verify {
        #[command(flatten)]
        output: OutputArguments,
    },
    /// Write a copy of the log to a file, also while the gateway runs
    Backup {
        /// The file, which is not there yet
        file: PathBuf,
        #[command(flatten)]
        output: OutputArguments,
    },
    /// Make the log of a backup, where there is none yet
    Restore {
        /// A file that `gateway log backup` wrote
        file: PathBuf,
        #[command(flatten)]
        output: OutputArguments,
    },
    /// Save what can be read of a damaged log into a new one, and keep the damaged one beside it
    Repair {
        #[command(flatten)]
        output: OutputArguments,
    },
}
