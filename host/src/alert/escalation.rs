//! When the repetitions of a signal escalate.

use serde::{Deserialize, Serialize};

use super::settings::Escalation;
use super::signal::{Episode, Signal};
use crate::event::Timestamp;

/// Why something has escalated.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Rule {
    /// So many duplicates in an episode.
    Total,
    /// So many within a window.
    Burst,
    /// Nobody has acknowledged it for too long.
    Unacked,
}

impl Rule {
    pub const ALL: [Self; 3] = [Self::Total, Self::Burst, Self::Unacked];

    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Total => "total",
            Self::Burst => "burst",
            Self::Unacked => "unacked",
        }
    }
}

/// Notes a duplicate of a signal that fires, and returns the rules that it escalates by. Each does once in an episode.
pub(super) fn duplicate(signal: &mut Signal, rules: &Escalation, now: Timestamp) -> Vec<Rule> {
    let Signal { episode: Some(episode), recent, .. } = signal else { return Vec::new() };
    let Episode { duplicates, escalated, suppressed, .. } = episode;
    *duplicates = duplicates.saturating_add(1);
    // After a clock was set back nothing is later than now.
    recent.retain(|at| *at <= now);
    recent.push(now);
    let kept = rules.burst.max(1) as usize;
    recent.drain(..recent.len().saturating_sub(kept));
    if suppressed.is_some() {
        return Vec::new();
    }
    let mut fired = Vec::new();
    if rules.total > 0 && *duplicates >= rules.total && !escalated.total {
        escalated.total = true;
        fired.push(Rule::Total);
    }
    let spans = recent.first().is_some_and(|first| now.since(*first) <= rules.within);
    if rules.burst > 0 && recent.len() >= rules.burst as usize && spans && !escalated.burst {
        escalated.burst = true;
        // A signal that flaps does not escalate with every episode for the same duplicates.
        recent.clear();
        fired.push(Rule::Burst);
    }
    fired
}
