//! Tries plugins out with their samples.

use std::path::{Path, PathBuf};

use anyhow::{Context, anyhow};
use serde_json::json;

use super::super::arguments::output::Format;
use super::super::failure::Failure;
use super::super::output;
use super::sample::{Report, accept};
use super::target::Target;
use crate::plugin::{Settings, Workbench};
use crate::sample::{self, Subject};

/// How plugins are tried out.
pub(super) struct Options {
    /// The folder of samples; none means beside each plugin.
    pub(super) samples: Option<PathBuf>,
    /// Calls of each sample whose times are taken.
    pub(super) runs: u32,
    /// Whether what comes is expected from now on.
    pub(super) accept: bool,
}

/// Tries plugins out and tells what came of each sample.
pub(super) async fn run(
    settings: Settings,
    paths: &[PathBuf],
    options: &Options,
    format: Format,
) -> Result<(), Failure> {
    let workbench = Workbench::new(settings).map_err(anyhow::Error::from)?;
    let mut reports = Vec::new();
    let mut all_good = true;
    for path in paths {
        match try_out(&workbench, path, options).await {
            Ok(report) => {
                all_good &= report.is_good();
                if format == Format::Text {
                    output::text(&report.text())?;
                }
                reports.push(report.json());
            }
            Err(error) => {
                all_good = false;
                output::note(&format!("error: {error:#}"));
            }
        }
    }
    if format == Format::Json {
        output::json(&json!({ "plugins": reports }))?;
    }
    if all_good { Ok(()) } else { Err(Failure::Told) }
}

/// Runs the samples of the plugin at `path`.
pub(super) async fn try_out(workbench: &Workbench, path: &Path, options: &Options) -> anyhow::Result<Report> {
    let Target { file, samples } = Target::find(path, options.samples.as_deref())?;
    let loaded = Subject::load(workbench, &file, options.runs).await;
    let subject = loaded.map_err(|error| {
        anyhow!("`{0}`: {error}\nhint: `gateway plugin check {0}` tells everything that is wrong", file.display())
    })?;
    let listed = sample::read(&samples).with_context(|| format!("cannot read samples from `{}`", samples.display()))?;
    if listed.is_empty() {
        return Err(anyhow!(
            "`{}` has no samples\nhint: put the body of a request there, such as `NAME.json`, or record some with `--record CHANNEL`",
            samples.display()
        ));
    }
    let mut trials = Vec::new();
    for sample in &listed {
        let mut trial = subject.run(sample).await;
        if options.accept {
            accept(&mut trial, sample).map_err(anyhow::Error::msg)?;
        }
        trials.push(trial);
    }
    let generation = subject.generation();
    let manifest = &generation.manifest;
    let plugin = format!("{} plugin {} {}", generation.kind().as_str(), manifest.name, manifest.version);
    Ok(Report::new(file, plugin, trials))
}
