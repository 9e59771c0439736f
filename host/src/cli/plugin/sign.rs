//! `gateway plugin sign`.

use std::fs;
use std::path::PathBuf;

use anyhow::{Context, anyhow};
use clap::Args;

use crate::cli::failure::Failure;
use crate::cli::{file, output};
use crate::plugin::{self, Settings};

#[derive(Debug, Args)]
pub(in crate::cli) struct SignArguments {
    /// Plugin file; its signature is written beside it, with `.sig` appended
    #[arg(value_name = "PLUGIN")]
    plugin: PathBuf,
    /// Private key, as written by `openssl genpkey -algorithm ed25519`
    #[arg(long, value_name = "FILE")]
    key: PathBuf,
}

/// Writes the signature of a file and prints the public key that verifies it.
pub(super) fn run(settings: &Settings, arguments: &SignArguments) -> Result<(), Failure> {
    let SignArguments { plugin, key } = arguments;
    let bytes =
        plugin::read_file(plugin, settings.max_file).map_err(|error| anyhow!("{}: {error}", plugin.display()))?;
    let secret = fs::read(key).with_context(|| format!("cannot read `{}`", key.display()))?;
    let (signature, public) = plugin::sign(&bytes, &secret).map_err(|error| anyhow!("`{}`: {error}", key.display()))?;
    let path = plugin::signature_path(plugin);
    file::replace(&path, signature.as_bytes())?;
    output::text(&format!("{}: signed with the key {public}\n", path.display()))
}
