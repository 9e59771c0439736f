//! `[alerts.storm]`.

use super::labels::label_names;
use super::time::time;
use crate::alert::StormSettings;
use crate::config::section::Section;

/// The most signals or things of a threshold: as many are kept of each storm.
const MOST: i64 = 1000;

/// When many alerts are one storm.
pub(super) fn storm(section: &Section<'_>) -> StormSettings {
    let default = StormSettings::default();
    StormSettings {
        key: label_names(section, "key").unwrap_or(default.key),
        signals: section.count("signals", 0..=MOST).unwrap_or(default.signals),
        signals_within: time(section, "signals_within", default.signals_within),
        resources: section.count("resources", 0..=MOST).unwrap_or(default.resources),
        resources_within: time(section, "resources_within", default.resources_within),
        resource_labels: label_names(section, "resource_labels").unwrap_or(default.resource_labels),
        digest_every: time(section, "digest_every", default.digest_every),
        calm_for: time(section, "calm_for", default.calm_for),
    }
}
