//! `[alerts.environment]`.

use super::labels::label_names;
use crate::alert::{Environment, EnvironmentSettings};
use crate::config::section::Section;
use crate::event::Pattern;

/// Which label values mean which environment.
pub(super) fn environment(section: &Section<'_>) -> EnvironmentSettings {
    let EnvironmentSettings { labels, mut values, default } = EnvironmentSettings::default();
    for (environment, values) in Environment::ALL.into_iter().zip(&mut values) {
        if let Some(patterns) = lower_case_globs(section, environment.as_str()) {
            *values = patterns;
        }
    }
    let choices = Environment::ALL.map(|environment| (environment.as_str(), environment));
    EnvironmentSettings {
        labels: label_names(section, "labels").unwrap_or(labels),
        values,
        default: section.choice("default", &choices).unwrap_or(default),
    }
}

/// Values are compared in lower case.
fn lower_case_globs(section: &Section<'_>, name: &str) -> Option<Vec<Pattern>> {
    let texts = section.texts(name)?;
    Some(texts.into_iter().filter_map(|(text, place)| place.pattern(&text.to_lowercase())).collect())
}
