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
    /// A plugin file, or the folder of one
    #[arg(value_name = "PATH")]
    path: PathBuf,
    /// The folder of samples, `samples` beside the plugin when left out
    #[arg(long, value_name = "DIR")]
    samples: Option<PathBuf>,
}

/// Puts the samples of a folder into a plugin's file, in the place of those that it has.
pub(super) fn run(settings: &Settings, arguments: &PackArguments) -> Result<(), Failure> {
    let Target { file, samples } = Target::find(&arguments.path, arguments.samples.as_deref())?;
    let bytes = plugin::read_file(&file, settings.max_file).map_err(|error| anyhow!("{}: {error}", file.display()))?;
    let packed = packed(&bytes, &samples)?;
    if packed != bytes {
        file::replace(&file, &packed)?;
    }
    let names: Vec<_> = sample::embedded(&packed).into_iter().map(|sample| sample.name).collect();
    let told = if names.is_empty() { "no samples".to_owned() } else { names.join(", ") };
    output::text(&format!("{}: {told}\n", file.display()))
}

/// The component with the samples of this folder.
pub(super) fn packed(component: &[u8], samples: &Path) -> anyhow::Result<Vec<u8>> {
    let files = sample::files(samples).with_context(|| format!("the samples in `{}`", samples.display()))?;
    sample::with_files(component, &files).context("the file is no component")
}
