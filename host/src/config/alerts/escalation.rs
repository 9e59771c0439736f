//! `[alerts.escalation]`.

use super::time::{time, time_or_never};
use crate::alert::{Environment, Escalation, Settings};
use crate::config::section::Section;
use crate::event::Priority;

const PRIORITIES: [(&str, Priority); 3] =
    [("immediate", Priority::High), ("normal", Priority::Normal), ("low", Priority::Low)];

/// What holds in each environment.
pub(super) fn escalations(section: &Section<'_>, default: &Settings) -> [Escalation; 3] {
    Environment::ALL
        .map(|environment| escalation(&section.section(environment.as_str()), default.escalation(environment).clone()))
}

fn escalation(section: &Section<'_>, default: Escalation) -> Escalation {
    let rules = Escalation {
        total: section.count("total", 0..=1_000_000).unwrap_or(default.total),
        // As many times are kept of each signal.
        burst: section.count("burst", 0..=100).unwrap_or(default.burst),
        within: time(section, "within", default.within),
        priority: section.choice("priority", &PRIORITIES).unwrap_or(default.priority),
        unacked_after: time_or_never(section, "unacked_after", default.unacked_after),
        repeat_every: time_or_never(section, "repeat_every", default.repeat_every),
        max_repeats: section.count("max_repeats", 0..=1000).unwrap_or(default.max_repeats),
    };
    if rules.repeat_every.is_some() && rules.unacked_after.is_none() {
        let place = section.place("unacked_after");
        let expected = "the time after which it is told first, because `repeat_every` is set";
        place.problem_with_hint(expected, "nothing", place.example("\"30m\""));
    }
    rules
}
