//! How a command prints its data.

use clap::{Args, ValueEnum};

#[derive(Clone, Copy, Debug, Args)]
pub(in crate::cli) struct OutputArguments {
    /// Output format: text or json
    #[arg(long, value_enum, default_value_t = Format::Text, hide_possible_values = true, display_order = 800)]
    pub(in crate::cli) format: Format,
}

#[derive(Clone, Copy, Debug, Args)]
pub(in crate::cli) struct TableArguments {
    /// Show every column with full ids and times, and cut nothing
    #[arg(long, display_order = 798)]
    pub(in crate::cli) wide: bool,
    /// Show times in UTC instead of how long ago
    #[arg(long, display_order = 799)]
    pub(in crate::cli) utc: bool,
    #[command(flatten)]
    pub(in crate::cli) output: OutputArguments,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(in crate::cli) enum Format {
    #[value(help = None)]
    Text,
    #[value(help = None)]
    Json,
}
