//! Accepting the result of a sample as the expected one.

use std::collections::BTreeMap;
use std::fs;
use std::io::ErrorKind;

use serde_json::{Value, json};

use crate::sample::{Difference, Sample, Trial, TrialVerdict};

/// Writes the result into the sample's file as the expected one. Other members of the file stay; a failure of the plugin is
/// never written.
///
/// # Errors
/// The file cannot be read or written.
pub(in crate::cli::plugin) fn accept(trial: &mut Trial, sample: &Sample) -> Result<(), String> {
    if let TrialVerdict::Failed(_) = trial.verdict {
        return Ok(());
    }
    let failed = |error: String| format!("`{}`: {error}", sample.file.display());
    let mut json: BTreeMap<String, Value> = match fs::read(&sample.file) {
        Ok(text) => serde_json::from_slice(&text).map_err(|error| failed(error.to_string()))?,
        Err(error) if error.kind() == ErrorKind::NotFound => BTreeMap::new(),
        Err(error) => return Err(failed(error.to_string())),
    };
    for name in ["receipt", "rejection", "answer", "retry", "reject"] {
        json.remove(name);
        if let Some(found) = trial.found.get(name) {
            json.insert(name.to_owned(), found.clone());
        }
    }
    fs::write(&sample.file, format!("{:#}\n", json!(json))).map_err(|error| failed(error.to_string()))?;
    // Expected HTTP requests are written by hand, so their differences stay.
    let of_requests = |difference: &Difference| difference.member.starts_with("http[");
    trial.verdict = match std::mem::replace(&mut trial.verdict, TrialVerdict::Passed) {
        TrialVerdict::Different(mut rest) if rest.iter().any(of_requests) => {
            rest.retain(of_requests);
            TrialVerdict::Different(rest)
        }
        _ => TrialVerdict::Passed,
    };
    Ok(())
}
