//! `[[alerts.heartbeats]]`.

use super::labels::label_globs;
use super::rule_name::rule_name;
use super::time::time_or_never;
use crate::alert::HeartbeatSettings;
use crate::config::section::Section;

/// The heartbeats; `None` without the key.
pub(super) fn heartbeats(alerts: &Section<'_>) -> Option<Vec<HeartbeatSettings>> {
    let mut taken = Vec::new();
    let sections = alerts.list("heartbeats");
    let heartbeats = sections.iter().filter_map(|section| heartbeat(section, &mut taken)).collect();
    alerts.has("heartbeats").then_some(heartbeats)
}

fn heartbeat(section: &Section<'_>, taken: &mut Vec<String>) -> Option<HeartbeatSettings> {
    let name = rule_name(section, taken);
    let labels = label_globs(section);
    let missing_after = time_or_never(section, "missing_after", None);
    let place = section.place("labels");
    let expected = "the labels that its alert has";
    if !section.has("labels") {
        place.problem_with_hint(expected, "nothing", place.example("{ alertname = \"Watchdog\" }"));
    }
    let labels = labels?;
    if labels.iter().all(|(_, glob)| glob.matches("")) {
        // It would take alerts that are to be told.
        place.problem(expected, "patterns that alerts without these labels match too");
    }
    Some(HeartbeatSettings { name: name?, labels, missing_after })
}
