//! The rules of the configuration that are not looked at by hand: heartbeats, windows of maintenance, and inhibition; each with its state.

use serde::Serialize;

use super::machine::Machine;
use super::suppression::Suppression;
use crate::event::{Pattern, Timestamp};

/// A rule as it is shown.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct RuleView {
    pub kind: RuleKind,
    /// `None` where the configuration gives none.
    pub name: Option<String>,
    /// Which alerts it is for, as the configuration says it.
    pub alerts: String,
    pub state: RuleState,
    /// Since when a heartbeat is missing.
    pub since: Option<Timestamp>,
    /// When a heartbeat was seen last.
    pub last_seen: Option<Timestamp>,
    /// When its state changes next, if nothing comes.
    pub changes_at: Option<Timestamp>,
    /// How many alerts it keeps quiet now; of inhibition all rules together, because one alert may be covered by several.
    pub suppressed: usize,
}

/// What a rule is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum RuleKind {
    Heartbeat,
    Maintenance,
    Inhibition,
}

/// How it is with a rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum RuleState {
    /// A heartbeat comes, a window is open, or a cause fires.
    Active,
    /// A window is to open, or no cause fires.
    Waiting,
    /// A heartbeat does not come.
    Missing,
    /// A heartbeat whose absence nobody is told of.
    Unwatched,
    /// A window that never opens again.
    Over,
}

impl Machine {
    /// All rules: heartbeats, windows, inhibition.
    pub fn rules(&self, now: Timestamp) -> Vec<RuleView> {
        let settings = self.settings();
        let heartbeats = settings.heartbeats.iter().map(|rule| {
            let beat = self.heartbeats().find(|(name, _)| *name == rule.name).map(|(_, beat)| *beat);
            let since = beat.and_then(|beat| beat.missing_since);
            let state = match (since, rule.missing_after) {
                (Some(_), _) => RuleState::Missing,
                (None, Some(_)) => RuleState::Active,
                (None, None) => RuleState::Unwatched,
            };
            RuleView {
                kind: RuleKind::Heartbeat,
                name: Some(rule.name.clone()),
                alerts: globs(&rule.labels),
                state,
                since,
                last_seen: beat.filter(|beat| beat.beats > 0).map(|beat| beat.last_beat),
                changes_at: self.next_of_heartbeat(&rule.name),
                suppressed: 0,
            }
        });
        let windows = settings.maintenance.iter().map(|window| {
            let changes_at = window.schedule().next_change(now);
            let state = match (window.schedule().is_active(now), changes_at) {
                (true, _) => RuleState::Active,
                (false, Some(_)) => RuleState::Waiting,
                (false, None) => RuleState::Over,
            };
            RuleView {
                kind: RuleKind::Maintenance,
                name: Some(window.name().to_owned()),
                alerts: window.matchers().to_string(),
                state,
                since: None,
                last_seen: None,
                changes_at,
                suppressed: self
                    .kept_quiet(|by| matches!(by, Suppression::Maintenance(name) if **name == *window.name())),
            }
        });
        let inhibited = self.kept_quiet(|by| matches!(by, Suppression::Inhibition(_)));
        let inhibition = settings.inhibit.iter().enumerate().map(|(number, rule)| RuleView {
            kind: RuleKind::Inhibition,
            name: None,
            alerts: rule.to_string(),
            state: if self.is_inhibiting(number) { RuleState::Active } else { RuleState::Waiting },
            since: None,
            last_seen: None,
            changes_at: None,
            suppressed: if self.is_inhibiting(number) { inhibited } else { 0 },
        });
        heartbeats.chain(windows).chain(inhibition).collect()
    }

    fn kept_quiet(&self, is_so: impl Fn(&Suppression) -> bool) -> usize {
        let by = self.signals().filter_map(|signal| signal.episode.as_ref()?.suppressed.as_ref());
        by.filter(|by| is_so(by)).count()
    }
}

fn globs(labels: &[(String, Pattern)]) -> String {
    labels.iter().map(|(name, glob)| format!("{name}={}", glob.as_str())).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::Duration;

    use super::*;
    use crate::alert::{HeartbeatSettings, InhibitionRule, Maintenance, Schedule, Settings, Window};

    #[test]
    fn each_rule_is_shown_with_its_state() {
        let now: Timestamp = "2026-03-01T10:00:00Z".parse().unwrap();
        let window = |name: &str, from, until| {
            let schedule = Schedule::once(from, until).unwrap();
            Window::new(name.to_owned(), "cluster=eu".parse().unwrap(), schedule).unwrap()
        };
        let inhibition = InhibitionRule::new(
            "alertname=Down".parse().unwrap(),
            "severity=info".parse().unwrap(),
            ["cluster".to_owned()].into(),
        );
        let settings = Settings {
            heartbeats: vec![HeartbeatSettings {
                missing_after: Some(Duration::from_secs(600)),
                ..HeartbeatSettings::default()
            }],
            maintenance: Maintenance::new(vec![
                window("open", "2026-03-01T09:00:00Z", "2026-03-01T11:00:00Z"),
                window("later", "2026-03-02T09:00:00Z", "2026-03-02T11:00:00Z"),
                window("over", "2026-02-01T09:00:00Z", "2026-02-01T11:00:00Z"),
            ]),
            inhibit: vec![inhibition.unwrap()],
            ..Settings::default()
        };
        let mut machine = Machine::new(Arc::new(settings), now);

        let rows = |machine: &Machine, now| -> Vec<_> {
            machine
                .rules(now)
                .into_iter()
                .map(|rule| (rule.name.unwrap_or_default(), rule.state, rule.changes_at))
                .collect()
        };
        let at = |text: &str| Some(text.parse::<Timestamp>().unwrap());

        let windows = [
            ("open".to_owned(), RuleState::Active, at("2026-03-01T11:00:00Z")),
            ("later".to_owned(), RuleState::Waiting, at("2026-03-02T09:00:00Z")),
            ("over".to_owned(), RuleState::Over, None),
            (String::new(), RuleState::Waiting, None),
        ];
        let watchdog = |state, changes_at| vec![("watchdog".to_owned(), state, changes_at)];
        assert_eq!(
            rows(&machine, now),
            [&watchdog(RuleState::Active, at("2026-03-01T10:10:00Z"))[..], &windows].concat()
        );
        let late = now.after(Duration::from_secs(600));
        machine.tick(late);
        assert_eq!(rows(&machine, late), [&watchdog(RuleState::Missing, None)[..], &windows].concat());
        assert_eq!(machine.rules(now)[4].alerts, r#"alertname="Down" keeps quiet severity="info" with equal cluster"#);
    }
}
