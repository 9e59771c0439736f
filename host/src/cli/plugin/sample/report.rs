//! The results of the samples of one plugin, as text and as JSON.

use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::time::Duration;

use bytesize::ByteSize;
use serde_json::{Value, json};

use crate::cli::output;
use crate::plugin::CallStats;
use crate::sample::{Trial, TrialVerdict};

/// The results of the samples of one plugin.
pub(in crate::cli::plugin) struct Report {
    file: PathBuf,
    /// Kind, name and version.
    plugin: String,
    trials: Vec<Trial>,
}

impl Report {
    /// `plugin` is its kind, name and version.
    pub(in crate::cli::plugin) fn new(file: PathBuf, plugin: String, trials: Vec<Trial>) -> Self {
        Self { file, plugin, trials }
    }

    pub(in crate::cli::plugin) fn file(&self) -> &Path {
        &self.file
    }

    /// Whether no sample failed.
    pub(in crate::cli::plugin) fn is_good(&self) -> bool {
        self.trials.iter().all(Trial::is_good)
    }

    /// One line for each sample, with remarks below.
    pub(in crate::cli::plugin) fn text(&self) -> String {
        let mut text = format!("{}: {}\n", self.file.display(), output::clean(&self.plugin, false));
        let width = self.trials.iter().map(|trial| trial.name.chars().count()).max().unwrap_or(0);
        for trial in &self.trials {
            let figures = figures(trial);
            let line = format!("  {:<6}  {:<width$}  {figures}", word(&trial.verdict), trial.name);
            let _ = writeln!(text, "{}", line.trim_end());
            for line in remarks(trial) {
                let _ = writeln!(text, "          {}", output::clean(&line, false));
            }
        }
        let failed = self.trials.iter().filter(|trial| !trial.is_good()).count();
        let _ = writeln!(text, "{} ok, {failed} failed", self.trials.len() - failed);
        text
    }

    pub(in crate::cli::plugin) fn json(&self) -> Value {
        let samples: Vec<_> = self.trials.iter().map(trial_json).collect();
        json!({"file": self.file.display().to_string(), "plugin": self.plugin, "samples": samples})
    }
}

fn word(verdict: &TrialVerdict) -> &'static str {
    match verdict {
        TrialVerdict::Passed => "ok",
        TrialVerdict::Unjudged => "shown",
        TrialVerdict::Different(_) | TrialVerdict::Failed(_) => "failed",
    }
}

/// Time, memory and host calls of a sample.
fn figures(trial: &Trial) -> String {
    let CallStats { memory, memory_growths, host_calls, .. } = &trial.seen;
    let mut figures = Vec::new();
    figures.extend(trial.fresh.map(time));
    figures.extend(trial.reused.map(|reused| format!("{} reused", time(reused))));
    if *memory > 0 {
        figures.push(ByteSize(*memory).to_string());
    }
    if *memory_growths > 0 {
        figures.push(format!("grown {memory_growths}"));
    }
    let calls: Vec<_> = host_calls.iter().map(|(function, count)| format!("{function} {count}")).collect();
    figures.extend((!calls.is_empty()).then(|| calls.join(", ")));
    figures.join("  ")
}

/// Differences, the result if nothing is expected, and log lines of the plugin.
fn remarks(trial: &Trial) -> Vec<String> {
    let mut remarks = match &trial.verdict {
        TrialVerdict::Passed => Vec::new(),
        TrialVerdict::Unjudged => vec![format!("no expectation; `--accept` writes this result: {}", trial.found)],
        TrialVerdict::Different(differences) => differences.iter().map(ToString::to_string).collect(),
        TrialVerdict::Failed(problem) => problem.lines().map(str::to_owned).collect(),
    };
    let logged = |(level, line): &(tracing::Level, String)| format!("log {}: {line}", level.as_str().to_lowercase());
    remarks.extend(trial.seen.log.iter().map(logged));
    remarks
}

fn trial_json(trial: &Trial) -> Value {
    let micros = |time: Duration| time.as_nanos() as f64 / 1000.0;
    let (differences, problem) = match &trial.verdict {
        TrialVerdict::Different(differences) => (differences.as_slice(), None),
        TrialVerdict::Failed(problem) => (&[][..], Some(problem)),
        TrialVerdict::Passed | TrialVerdict::Unjudged => (&[][..], None),
    };
    let differences: Vec<_> = differences
        .iter()
        .map(|one| json!({"member": one.member, "expected": one.expected, "found": one.found}))
        .collect();
    let log: Vec<_> = trial
        .seen
        .log
        .iter()
        .map(|(level, line)| json!({"level": level.as_str().to_lowercase(), "line": line}))
        .collect();
    json!({
        "name": trial.name,
        "outcome": word(&trial.verdict),
        "problem": problem,
        "differences": differences,
        "found": trial.found,
        "fresh_us": trial.fresh.map(micros),
        "reused_us": trial.reused.map(micros),
        "memory": trial.seen.memory,
        "memory_growths": trial.seen.memory_growths,
        "host_calls": trial.seen.host_calls,
        "log": log,
    })
}

fn time(time: Duration) -> String {
    let micros = time.as_secs_f64() * 1_000_000.0;
    if micros < 1000.0 { format!("{micros:.1} µs") } else { format!("{:.1} ms", micros / 1000.0) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sample::Difference;

    #[test]
    fn each_sample_is_a_line_with_remarks_below() {
        let trial = |name: &str, verdict| Trial {
            name: name.to_owned(),
            verdict,
            found: json!({"receipt": {"events": []}}),
            fresh: Some(Duration::from_nanos(31_420)),
            reused: None,
            seen: CallStats {
                memory: 1 << 20,
                memory_growths: 2,
                host_calls: [("inbound.body".to_owned(), 1), ("inbound.header".to_owned(), 3)].into(),
                log: vec![(tracing::Level::WARN, "odd\u{1b}[31m".to_owned())],
                ..CallStats::default()
            },
        };
        let difference =
            Difference { member: "receipt.events[0].kind".to_owned(), expected: json!("a"), found: json!("b") };
        let report = Report {
            file: "github.wasm".into(),
            plugin: "channel plugin github 0.1.0".to_owned(),
            trials: vec![
                Trial { seen: CallStats::default(), ..trial("push", TrialVerdict::Passed) },
                trial("issues.opened", TrialVerdict::Different(vec![difference])),
                Trial {
                    fresh: None,
                    ..trial("trap", TrialVerdict::Failed("the plugin trapped: unreachable".to_owned()))
                },
            ],
        };

        assert_eq!(
            report.text(),
            "github.wasm: channel plugin github 0.1.0\n  ok      push           31.4 µs\n  \
             failed  issues.opened  31.4 µs  1.0 MiB  grown 2  inbound.body 1, inbound.header 3\n          \
             receipt.events[0].kind: expected \"a\", found \"b\"\n          log warn: odd\u{fffd}[31m\n  \
             failed  trap           1.0 MiB  grown 2  inbound.body 1, inbound.header 3\n          \
             the plugin trapped: unreachable\n          log warn: odd\u{fffd}[31m\n1 ok, 2 failed\n"
        );
        assert!(!report.is_good());
    }

    #[test]
    fn times_are_readable() {
        for (nanos, expected) in [(8_440, "8.4 µs"), (999_900, "999.9 µs"), (1_250_000, "1.2 ms")] {
            assert_eq!(time(Duration::from_nanos(nanos)), expected);
        }
    }
}
