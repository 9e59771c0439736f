//! `gateway plugin test`: runs the samples of plugins.

use std::path::{Path, PathBuf};

use anyhow::{Context, anyhow};
use serde_json::json;

use super::super::arguments::output::Format;
use super::super::failure::Failure;
use super::super::output;
use super::sample::{Report, accept};
use super::target::Target;
use super::verification::Verification;
use crate::plugin::{Settings, StandaloneHost};
use crate::sample::{self, PluginUnderTest, TrialVerdict};

pub(super) struct Options {
    /// The folder of samples; `None` means beside each plugin.
    pub(super) samples: Option<PathBuf>,
    /// Timed calls of each sample.
    pub(super) runs: u32,
    /// Whether the results become the expected ones.
    pub(super) accept: bool,
    /// How requests are verified, if they are.
    pub(super) verification: Option<Verification>,
}

/// Runs the samples of each plugin and prints the results.
pub(super) async fn run(
    settings: Settings,
    paths: &[PathBuf],
    options: &Options,
    format: Format,
) -> Result<(), Failure> {
    let host = StandaloneHost::new(settings).map_err(anyhow::Error::from)?;
    let mut reports = Vec::new();
    let mut all_good = true;
    for path in paths {
        match try_out(&host, path, options).await {
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
    if all_good { Ok(()) } else { Err(Failure::Reported) }
}

/// Runs the samples of the plugin at `path`.
pub(super) async fn try_out(host: &StandaloneHost, path: &Path, options: &Options) -> anyhow::Result<Report> {
    let Target { file, samples } = Target::find(path, options.samples.as_deref())?;
    let loaded = PluginUnderTest::load(host, &file, options.runs).await;
    let subject = loaded.map_err(|error| {
        anyhow!("`{0}`: {error}\nhint: `gateway plugin check {0}` reports all problems", file.display())
    })?;
    let listed = sample::read(&samples).with_context(|| format!("cannot read samples from `{}`", samples.display()))?;
    if listed.is_empty() {
        return Err(anyhow!(
            "`{}` has no samples\nhint: add the body of a request, such as `NAME.json`, or record samples with `--record CHANNEL`",
            samples.display()
        ));
    }
    let mut trials = Vec::new();
    for sample in &listed {
        let mut trial = subject.run(sample).await;
        if let Some(verification) = &options.verification
            && let Err(problem) = verification.check(sample, &subject.generation().manifest)
        {
            trial.verdict = TrialVerdict::Failed(problem);
        }
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
