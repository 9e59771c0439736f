//! `gateway plugin pack`, and the samples that a build embeds.

use std::path::{Path, PathBuf};

use anyhow::{Context, anyhow};
use clap::Args;

use super::target::Target;
use crate::cli::failure::Failure;
use crate::cli::{file, output};
use crate::plugin::{self, Settings};
use crate::sample;

#[derive(Debug, Args)]
pub(in crate::cli) struct PackArguments {
    /// Plugin file, or its folder
    #[arg(value_name = "PATH")]
    path: PathBuf,
    /// Folder of samples; by default `samples` beside the plugin
    #[arg(long, value_name = "DIR")]
    samples: Option<PathBuf>,
}

/// Replaces the samples inside a plugin file by those of a folder.
pub(super) fn run(settings: &Settings, arguments: &PackArguments) -> Result<(), Failure> {
    let Target { file, samples } = Target::find(&arguments.path, arguments.samples.as_deref())?;
    let bytes = plugin::read_file(&file, settings.max_file).map_err(|error| anyhow!("{}: {error}", file.display()))?;
    let packed = packed(&bytes, &samples)?;
    if packed != bytes {
        file::replace(&file, &packed)?;
    }
    let names: Vec<_> = sample::embedded(&packed).into_iter().map(|sample| sample.name).collect();
    let names = if names.is_empty() { "no samples".to_owned() } else { names.join(", ") };
    output::text(&format!("{}: {names}\n", file.display()))
}

/// The component with the samples of this folder inside.
pub(super) fn packed(component: &[u8], samples: &Path) -> anyhow::Result<Vec<u8>> {
    let files =
        sample::files(samples).with_context(|| format!("cannot read the samples in `{}`", samples.display()))?;
    sample::with_files(component, &files).context("the file is not a component")
}
