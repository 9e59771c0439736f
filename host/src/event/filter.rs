//! Which events somebody reads: patterns of channels, kinds and subjects.

use std::sync::Arc;

use super::pattern::patterns_may_meet;
use super::{ChannelName, Event, Pattern};

/// Patterns that an event must match, each list by one of its patterns. An empty list matches everything.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct EventPatterns {
    /// A built-in channel matches its own name only.
    pub channels: Vec<Pattern>,
    pub kinds: Vec<Pattern>,
    /// An event without a subject matches none.
    pub subjects: Vec<Pattern>,
}

/// What several parties allow: an event must match the patterns of each. Cheap to clone.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Filter(Vec<Arc<EventPatterns>>);

impl EventPatterns {
    fn matches_kind(&self, channel: &ChannelName, kind: &str) -> bool {
        any(&self.channels, |pattern| pattern.matches_channel(channel))
            && any(&self.kinds, |pattern| pattern.matches(kind))
    }

    fn matches_subject(&self, subject: Option<&str>) -> bool {
        any(&self.subjects, |pattern| subject.is_some_and(|subject| pattern.matches(subject)))
    }

    /// Whether it may let through events whose kind matches the pattern `kinds`.
    fn may_pass(&self, kinds: &str) -> bool {
        let named = kinds.split('.').next().unwrap_or_default().parse::<ChannelName>().ok();
        any(&self.kinds, |pattern| patterns_may_meet(pattern.as_str(), kinds))
            && any(&self.channels, |pattern| match &named {
                Some(channel) => pattern.matches_channel(channel),
                None => patterns_may_meet(&format!("{}.*", pattern.as_str()), kinds),
            })
    }
}

fn any(patterns: &[Pattern], matches: impl Fn(&Pattern) -> bool) -> bool {
    patterns.is_empty() || patterns.iter().any(matches)
}

impl Filter {
    /// The same, narrowed by one more.
    #[must_use]
    pub fn and(mut self, patterns: Arc<EventPatterns>) -> Self {
        if *patterns != EventPatterns::default() {
            self.0.push(patterns);
        }
        self
    }

    /// Whether the event matches and may be told.
    pub fn matches(&self, event: &Event) -> bool {
        event.quarantine.is_none()
            && event.repeat_of.is_none()
            && self.matches_kind(&event.channel, &event.kind)
            && self.0.iter().all(|patterns| patterns.matches_subject(event.subject.as_deref()))
    }

    /// Whether events whose kind matches the pattern `kinds` can match. True as well where that cannot be told.
    pub fn may_pass(&self, kinds: &str) -> bool {
        self.0.iter().all(|patterns| patterns.may_pass(kinds))
    }

    /// Whether events of the channel and kind can match, depending on their subjects.
    pub fn matches_kind(&self, channel: &ChannelName, kind: &str) -> bool {
        self.0.iter().all(|patterns| patterns.matches_kind(channel, kind))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_must_match_the_patterns_of_each_party() {
        let patterns = |channels: &[&str], kinds: &[&str], subjects: &[&str]| {
            let all = |texts: &[&str]| texts.iter().map(|text| Pattern::new(text).unwrap()).collect();
            Arc::new(EventPatterns { channels: all(channels), kinds: all(kinds), subjects: all(subjects) })
        };
        // A `github.push` of `octo/repo`.
        let mut event = Event::sample("application/json", b"{}");
        let filter = Filter::default().and(patterns(&["git*"], &[], &[]));
        assert!(filter.matches(&event) && Filter::default().matches(&event));

        for (kinds, subjects, expected) in [
            (&["github.push"][..], &[][..], true),
            (&["gitlab.*", "*.push"], &["octo/*"], true),
            (&["github.issues.*"], &[], false),
            (&[], &["other/*"], false),
        ] {
            let narrowed = filter.clone().and(patterns(&[], kinds, subjects));
            assert_eq!(narrowed.matches(&event), expected, "{kinds:?} {subjects:?}");
        }

        event.quarantine = Some("why".to_owned());
        assert!(!Filter::default().matches(&event));
        (event.quarantine, event.repeat_of) = (None, Some(event.id));
        assert!(!Filter::default().matches(&event));
        (event.repeat_of, event.subject) = (None, None);
        assert!(!filter.clone().and(patterns(&[], &[], &["*"])).matches(&event));
        event.channel = ChannelName::GATEWAY.parse().unwrap();
        assert!(!Filter::default().and(patterns(&["*"], &[], &[])).matches(&event));
        assert!(Filter::default().and(patterns(&["gateway"], &[], &[])).matches(&event));
    }

    #[test]
    fn a_pattern_of_kinds_passes_where_it_meets_what_is_allowed() {
        let all = |texts: &[&str]| texts.iter().map(|text| Pattern::new(text).unwrap()).collect();
        let patterns =
            |channels, kinds| EventPatterns { channels: all(channels), kinds: all(kinds), subjects: Vec::new() };
        for (channels, kinds, name, expected) in [
            (&["*"][..], &[][..], "*", true),
            (&["*"], &[], "github.push", true),
            (&["git*"], &[], "*.push", true),
            (&["git*"], &[], "grafana.*", false),
            (&["git*"], &[], "gr*.firing", false),
            (&["*"], &["github.issues.*"], "github.*", true),
            (&["*"], &["github.issues.*"], "github.push", false),
            (&["{github,gitlab}"], &[], "*.push", true),
            (&["*"], &[], "gateway.*", false),
            (&["gateway"], &[], "gateway.*", true),
        ] {
            let filter = Filter::default().and(Arc::new(patterns(channels, kinds)));

            assert_eq!(filter.may_pass(name), expected, "{channels:?} {kinds:?}: {name}");
        }
    }
}
