//! The arguments of `gateway cache`.

use clap::Subcommand;

use super::output::OutputArguments;

#[derive(Debug, Subcommand)]
pub(crate) enum CacheCommand {
    /// Remove what is stored of all addresses with this beginning
    Purge {
        /// Beginning of paths such as `/shop/`, or of addresses such as `https://example.org/shop/`; `/` means all
        prefix: String,
        #[command(flatten)]
        output: OutputArguments,
    },
}
