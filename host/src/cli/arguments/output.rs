//! How a command prints its data.

use clap::{Args, ValueEnum};

#[derive(Clone, Copy, Debug, Args)]
pub(in crate::cli) struct OutputArguments {
    /// Output format: text or json
    #[arg(long, value_enum, default_value_t = Format::Text, hide_possible_values = true, display_order = 800)]
    pub(in crate::cli) format: Format,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(in crate::cli) enum Format {
    #[value(help = None)]
    Text,
    #[value(help = None)]
    Json,
}
