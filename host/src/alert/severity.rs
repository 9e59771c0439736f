//! How severe an alert is: the sender's word, and the level that it stands for.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// The levels, the least severe first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Level {
    /// No word, or one that no table has.
    #[default]
    Unknown,
    Low,
    Info,
    Warning,
    High,
    Critical,
}

impl Level {
    /// The most severe first.
    pub const ALL: [Self; 6] = [Self::Critical, Self::High, Self::Warning, Self::Info, Self::Low, Self::Unknown];

    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Unknown => "unknown",
            Self::Low => "low",
            Self::Info => "info",
            Self::Warning => "warning",
            Self::High => "high",
            Self::Critical => "critical",
        }
    }

    /// The level with this name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|level| level.as_str() == name)
    }

    /// The level that a sender's word stands for. `own` goes before the table of common words; its keys are in lower case.
    pub fn of_word(word: &str, own: &BTreeMap<String, Self>) -> Self {
        let word = word.trim().to_lowercase();
        if let Some(level) = own.get(&word) {
            return *level;
        }
        match word.as_str() {
            "critical" | "crit" | "page" | "p0" | "p1" | "sev0" | "sev1" | "fatal" | "disaster" | "emergency"
            | "blocker" => Self::Critical,
            "high" | "error" | "err" | "major" | "p2" | "sev2" | "severe" => Self::High,
            "warning" | "warn" | "minor" | "p3" | "sev3" | "medium" | "average" => Self::Warning,
            "info" | "information" | "informational" | "notice" | "p4" | "sev4" => Self::Info,
            "low" | "none" | "ok" | "debug" | "trivial" | "p5" | "sev5" => Self::Low,
            _ => Self::Unknown,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_of_senders_have_a_level() {
        let own = BTreeMap::from([("ticket".to_owned(), Level::Low), ("page".to_owned(), Level::High)]);
        for (word, expected) in [
            ("critical", Level::Critical),
            ("CRITICAL ", Level::Critical),
            ("Sev1", Level::Critical),
            ("error", Level::High),
            ("warn", Level::Warning),
            ("none", Level::Low),
            ("notice", Level::Info),
            ("", Level::Unknown),
            ("purple", Level::Unknown),
            ("Ticket", Level::Low),
            ("page", Level::High),
        ] {
            assert_eq!(Level::of_word(word, &own), expected, "{word}");
        }
        assert!(Level::Critical > Level::High && Level::Low > Level::Unknown);
        assert!(Level::ALL.iter().all(|level| Level::named(level.as_str()) == Some(*level)));
    }
}
