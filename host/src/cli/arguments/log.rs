//! `gateway log`.

use std::path::PathBuf;

use clap::Subcommand;

use super::output::OutputArguments;

#[derive(Debug, Subcommand)]
pub(in crate::cli) enum LogCommand {
    /// Show how many events the log holds and how much disk space it uses
    Stats {
        #[command(flatten)]
        output: OutputArguments,
    },
    /// Read every record and report damage
    Verify {
        #[command(flatten)]
        output: OutputArguments,
    },
    /// Back up the log to a file, with the gateway running or not
    Backup {
        /// Backup file, which must not exist yet; `-` for stdout
        file: PathBuf,
        #[command(flatten)]
        output: OutputArguments,
    },
    /// Restore a backup into an empty log directory
    Restore {
        /// Backup file, written by `gateway log backup`; `-` for stdin
        file: PathBuf,
        #[command(flatten)]
        output: OutputArguments,
    },
    /// Copy all readable records of a damaged log into a new one, and keep the damaged one
    Repair {
        #[command(flatten)]
        output: OutputArguments,
    },
}
