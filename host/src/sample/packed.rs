//! The samples in a plugin file as the condition for its service.

use super::folder::embedded;
use super::trial::{PluginUnderTest, Trial, TrialVerdict};
use crate::plugin::{Generation, SwapTrial, Trying};

/// Failed samples that are reported. The others are not run.
const MAX_REPORTED: usize = 3;

/// Requires that a file passes the samples in it before it replaces a serving one.
pub struct PackedSamples;

impl SwapTrial for PackedSamples {
    fn run<'a>(&'a self, next: Generation, file: &'a [u8]) -> Trying<'a> {
        Box::pin(async move {
            let subject = PluginUnderTest::untimed(next);
            let mut problems = Vec::new();
            for sample in embedded(file) {
                problems.extend(problem(&subject.run(&sample).await));
                if problems.len() == MAX_REPORTED {
                    break;
                }
            }
            if problems.is_empty() { Ok(()) } else { Err(problems.join("; ")) }
        })
    }
}

/// Why a sample did not pass, on one line.
fn problem(trial: &Trial) -> Option<String> {
    let why = match &trial.verdict {
        TrialVerdict::Passed | TrialVerdict::Unjudged => return None,
        TrialVerdict::Failed(why) => why.lines().next().unwrap_or_default().to_owned(),
        TrialVerdict::Different(differences) => differences.first()?.to_string(),
    };
    Some(format!("`{}`: {why}", trial.name))
}
