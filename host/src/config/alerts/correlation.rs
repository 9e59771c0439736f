//! `[[alerts.correlate]]`.

use super::labels::{label_globs, label_names};
use super::rule_name::rule_name;
use crate::alert::Correlation;
use crate::config::routes::patterns;
use crate::config::section::Section;
use crate::event::{ChannelName, Pattern};

/// The rules, in order. `known` are the channels of alerts.
pub(super) fn correlations(alerts: &Section<'_>, known: &[ChannelName]) -> Vec<Correlation> {
    let mut taken = Vec::new();
    alerts.list("correlate").iter().filter_map(|section| correlation(section, known, &mut taken)).collect()
}

fn correlation(section: &Section<'_>, known: &[ChannelName], taken: &mut Vec<String>) -> Option<Correlation> {
    let name = rule_name(section, taken);
    let channels = patterns(section, "channels");
    let is_unknown = |pattern: &&Pattern| !known.iter().any(|channel| pattern.matches(channel.as_str()));
    for pattern in channels.iter().filter(is_unknown) {
        let key = section.key("channels");
        section.raw().warn(format!("{key}: `{}` is none of `alerts.channels`", pattern.as_str()));
    }
    let labels = label_globs(section);
    let by = label_names(section, "by");
    if !section.has("by") {
        let place = section.place("by");
        let expected = "the labels whose values alerts of one incident have in common";
        place.problem_with_hint(expected, "nothing", place.example("[\"service\"]"));
    }
    Some(Correlation { name: name?, channels, labels: labels.unwrap_or_default(), by: by? })
}
