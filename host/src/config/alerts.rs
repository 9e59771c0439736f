//! `[alerts]`.

mod correlation;
mod environment;
mod escalation;
mod heartbeats;
mod inhibition;
mod labels;
mod maintenance;
mod matchers;
mod rule_name;
mod severity;
mod storm;
mod time;

use self::correlation::correlations;
use self::environment::environment;
use self::escalation::escalations;
use self::heartbeats::heartbeats;
use self::inhibition::inhibitions;
use self::labels::{label_name, label_names, names};
use self::maintenance::maintenance;
use self::severity::severity;
use self::storm::storm;
use self::time::time;
use super::problem::quoted;
use super::section::Section;
use super::unknown::nearest;
use super::value::show_duration;
use crate::alert::{Settings, SilenceSettings};
use crate::event::ChannelName;
use crate::ingest::ChannelSettings;

/// Reads `[alerts]`, and has the channels of alerts keep their repetitions.
pub(super) fn alerts(section: &Section<'_>, channels: &mut [ChannelSettings]) -> Settings {
    const MOST: i64 = 1_000_000;
    let default = Settings::default();
    let escalation = escalations(&section.section("escalation"), &default);
    let channels = alert_channels(section, channels);
    let settings = Settings {
        scope_label: label_name(section, "scope_label"),
        ignore_labels: label_names(section, "ignore_labels").unwrap_or(default.ignore_labels),
        volatile_annotations: names(section, "volatile_annotations", "the name of an annotation")
            .unwrap_or(default.volatile_annotations),
        group_by: label_names(section, "group_by").unwrap_or(default.group_by),
        correlate: correlations(section, &channels),
        environment: environment(&section.section("environment")),
        severity: severity(section),
        escalation,
        storm: storm(&section.section("storm")),
        heartbeats: heartbeats(section).unwrap_or(default.heartbeats),
        silences: SilenceSettings {
            max_silences: section.count("max_silences", 1..=100_000).unwrap_or(default.silences.max_silences),
            retention: time(section, "keep_silences", default.silences.retention),
        },
        maintenance: maintenance(section),
        inhibit: inhibitions(section),
        late_window: time(section, "late_window", default.late_window),
        flap_window: time(section, "flap_window", default.flap_window),
        stale_after: time(section, "stale_after", default.stale_after),
        update_every: time(section, "update_every", default.update_every),
        agent_timeout: time(section, "agent_timeout", default.agent_timeout),
        cooldown: time(section, "cooldown", default.cooldown),
        cooldown_max: time(section, "cooldown_max", default.cooldown_max),
        block_after: section.count("block_after", 0..=1000).unwrap_or(default.block_after),
        block_for: time(section, "block_for", default.block_for),
        keep: time(section, "keep", default.keep),
        max_signals: section.count("max_signals", 1..=MOST).unwrap_or(default.max_signals),
        max_incidents: section.count("max_incidents", 1..=MOST).unwrap_or(default.max_incidents),
        channels,
    };
    check_together(section, &settings);
    settings
}

fn alert_channels(section: &Section<'_>, channels: &mut [ChannelSettings]) -> Vec<ChannelName> {
    let mut names: Vec<ChannelName> = Vec::new();
    for (name, place) in section.texts("channels").unwrap_or_default() {
        if let Some(channel) = channels.iter_mut().find(|channel| channel.name.as_str() == name) {
            channel.keep_repeats = true;
            if names.contains(&channel.name) {
                place.problem("each channel once", quoted(&name));
            } else {
                names.push(channel.name.clone());
            }
            continue;
        }
        let hint = match nearest(&name, channels.iter().map(|channel| channel.name.as_str())) {
            Some(near) => format!("did you mean `{near}`?"),
            None => "alerts come in by channels that have a table `[channels.NAME]`".to_owned(),
        };
        place.problem_with_hint("the name of a channel of this file", quoted(&name), hint);
    }
    names
}

fn check_together(section: &Section<'_>, settings: &Settings) {
    let Settings { cooldown, cooldown_max, flap_window, keep, .. } = settings;
    if cooldown > cooldown_max {
        let expected = format!("a duration of at most `cooldown_max` ({})", show_duration(*cooldown_max));
        section.place("cooldown").problem(expected, show_duration(*cooldown));
    }
    if keep < flap_window {
        let expected = format!(
            "a duration of at least `flap_window` ({}): an incident may come back for so long",
            show_duration(*flap_window)
        );
        section.place("keep").problem(expected, show_duration(*keep));
    }
    if settings.channels.is_empty() && *settings != Settings::default() {
        section
            .raw()
            .warn("alerts: no `channels`, so nothing is an alert and the other keys change nothing".to_owned());
    }
}
