//! Where an alert comes from: production, staging or development, by its labels.

use serde::{Deserialize, Serialize};

use super::labels::Labels;
use crate::event::Pattern;

/// Where an alert comes from. It decides how soon a repetition escalates.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Environment {
    /// The default: an alert of production without a label must not get the slow rule.
    #[default]
    Production,
    Staging,
    Development,
}

impl Environment {
    pub const ALL: [Self; 3] = [Self::Production, Self::Staging, Self::Development];

    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Production => "production",
            Self::Staging => "staging",
            Self::Development => "development",
        }
    }

    /// The environment with this name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|environment| environment.as_str() == name)
    }
}

/// Which label values mean which environment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EnvironmentSettings {
    /// The labels that may say it, the first one that does decides.
    pub labels: Vec<String>,
    /// Globs of values in lower case, by environment in the order of [`Environment::ALL`].
    pub values: [Vec<Pattern>; 3],
    /// What it is if no label says it.
    pub default: Environment,
}

impl Default for EnvironmentSettings {
    fn default() -> Self {
        let patterns = |values: &[&str]| values.iter().filter_map(|value| Pattern::new(value).ok()).collect();
        Self {
            labels: ["environment", "env", "cluster", "namespace"].map(str::to_owned).to_vec(),
            values: [
                patterns(&["prod*", "prd*", "live*", "*-prod", "*-prod-*", "*-production"]),
                patterns(&["stag*", "stg*", "preprod*", "uat*", "qa*", "*-stag*", "*-stg*", "*-uat*"]),
                patterns(&["dev*", "test*", "local*", "sandbox*", "*-dev*", "*-test*"]),
            ],
            default: Environment::Production,
        }
    }
}

impl EnvironmentSettings {
    /// The environment that the labels say. `None` if none of them does.
    pub fn of(&self, labels: &Labels) -> Option<Environment> {
        let values = self.labels.iter().filter_map(|name| labels.get(name));
        values.map(str::to_lowercase).find_map(|value| {
            let means = |patterns: &Vec<Pattern>| patterns.iter().any(|pattern| pattern.matches(&value));
            Environment::ALL.into_iter().zip(&self.values).find(|(_, patterns)| means(patterns)).map(|(it, _)| it)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_label_that_says_it_decides() {
        for (pairs, expected) in [
            (&[("environment", "Production")][..], Some(Environment::Production)),
            (&[("env", "stg")], Some(Environment::Staging)),
            (&[("env", "dev"), ("cluster", "prod-1")], Some(Environment::Development)),
            (&[("env", "blue"), ("cluster", "eu-prod-1")], Some(Environment::Production)),
            (&[("namespace", "dev-team")], Some(Environment::Development)),
            (&[("cluster", "preprod")], Some(Environment::Staging)),
            (&[("env", "blue")], None),
            (&[], None),
        ] {
            let (labels, _) = Labels::new(pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())));
            assert_eq!(EnvironmentSettings::default().of(&labels), expected, "{pairs:?}");
        }
    }
}
