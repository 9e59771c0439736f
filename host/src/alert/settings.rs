//! What alerts are, how they are grouped, and when they are told.

use std::collections::BTreeMap;
use std::time::Duration;

use super::environment::{Environment, EnvironmentSettings};
use super::inhibition::InhibitionRule;
use super::maintenance::Maintenance;
use super::severity::Level;
use super::silences::SilenceSettings;
use crate::event::{ChannelName, Pattern, Priority};

const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(3600);

/// `[alerts]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// The channels that alerts come in by. Without one there are no alerts.
    pub channels: Vec<ChannelName>,
    /// The label whose value is the scope of fingerprints, in the place of the channel.
    pub scope_label: Option<String>,
    /// Labels that do not identify an alert, because replicas differ by them.
    pub ignore_labels: Vec<String>,
    /// Annotations that change with every notification, and so are no change.
    pub volatile_annotations: Vec<String>,
    /// Signals with the same values of these labels, of one channel, are one incident.
    pub group_by: Vec<String>,
    /// Rules that go before `group_by`, the first one that covers a signal decides.
    pub correlate: Vec<Correlation>,
    pub environment: EnvironmentSettings,
    /// Words of senders, in lower case, with the levels that they stand for.
    pub severity: BTreeMap<String, Level>,
    /// By environment, in the order of [`Environment::ALL`].
    pub escalation: [Escalation; 3],
    pub storm: StormSettings,
    pub heartbeats: Vec<HeartbeatSettings>,
    pub silences: SilenceSettings,
    /// Windows of maintenance, and silences of the configuration.
    pub maintenance: Maintenance,
    pub inhibit: Vec<InhibitionRule>,
    /// How long after a state was told another peer's older one is taken for a late copy; and within it the same content from another
    /// peer for a copy.
    pub late_window: Duration,
    /// A signal that fires again so soon after it was resolved belongs to the same incident.
    pub flap_window: Duration,
    /// A signal that nobody has told of for so long is over.
    pub stale_after: Duration,
    /// The least time between two events that tell one incident's new signals.
    pub update_every: Duration,
    /// How long an agent is left to work without a word from it.
    pub agent_timeout: Duration,
    /// How long an incident that an agent has finished rests while it burns on; doubled each time.
    pub cooldown: Duration,
    /// The longest such rest.
    pub cooldown_max: Duration,
    /// Failures in a row that block an incident. 0 means never.
    pub block_after: u32,
    /// How long it is blocked at least.
    pub block_for: Duration,
    /// How long an incident is kept after its end.
    pub keep: Duration,
    /// The most signals that are known at a time.
    pub max_signals: usize,
    /// The most incidents that are known at a time.
    pub max_incidents: usize,
}

/// Signals of several channels that belong together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Correlation {
    pub name: String,
    /// Globs of channels.
    pub channels: Vec<Pattern>,
    /// Which signals: labels with a glob of their values, all of which match.
    pub labels: Vec<(String, Pattern)>,
    /// Signals with the same values of these labels are one incident.
    pub by: Vec<String>,
}

/// When the repetitions of a signal escalate, in one environment.
///
/// A duplicate is every sighting after the first: five duplicates are six sightings.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Escalation {
    /// So many duplicates in an episode. 0 means never.
    pub total: u32,
    /// So many duplicates within `within`, by the time of receipt. 0 means never.
    pub burst: u32,
    /// The window of `burst`, both ends included.
    pub within: Duration,
    /// The lane of the event.
    pub priority: Priority,
    /// An incident that nobody has acknowledged for so long escalates too.
    pub unacked_after: Option<Duration>,
    /// Then again, as long as nobody does.
    pub repeat_every: Option<Duration>,
    /// The most such repetitions.
    pub max_repeats: u32,
}

/// When many alerts are one storm.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StormSettings {
    /// Signals of a storm have the same values of these labels. Without one there are no storms.
    pub key: Vec<String>,
    /// So many signals that begin to fire within `signals_within`.
    pub signals: usize,
    pub signals_within: Duration,
    /// So many things that signals begin to fire of within `resources_within`.
    pub resources: usize,
    pub resources_within: Duration,
    /// The labels that name a thing, the first one that is there.
    pub resource_labels: Vec<String>,
    /// How often a storm is told again, if it has changed.
    pub digest_every: Duration,
    /// A storm ends when it has been below its thresholds for so long.
    pub calm_for: Duration,
}

/// An alert that fires all the time to show that alerts arrive.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HeartbeatSettings {
    pub name: String,
    /// Labels with a glob of their values, all of which match.
    pub labels: Vec<(String, Pattern)>,
    /// How long it may be silent. `None`: nobody is told of its absence.
    pub missing_after: Option<Duration>,
}

impl Settings {
    /// Whether there are channels of alerts.
    pub fn is_on(&self) -> bool {
        !self.channels.is_empty()
    }

    /// What holds in an environment.
    pub fn escalation(&self, environment: Environment) -> &Escalation {
        &self.escalation[environment as usize]
    }
}

impl Default for Settings {
    fn default() -> Self {
        let texts = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
        Self {
            channels: Vec::new(),
            scope_label: None,
            ignore_labels: texts(&["replica", "prometheus_replica", "monitor", "pod_template_hash"]),
            volatile_annotations: texts(&["value", "valueString", "imageURL", "__value_string__", "__values__"]),
            group_by: texts(&["alertname", "cluster", "namespace"]),
            correlate: Vec::new(),
            environment: EnvironmentSettings::default(),
            severity: BTreeMap::new(),
            escalation: [
                Escalation::after(5, 3, 5 * MINUTE, Priority::High),
                Escalation::after(8, 5, 10 * MINUTE, Priority::Normal),
                Escalation::after(10, 8, 15 * MINUTE, Priority::Low),
            ],
            storm: StormSettings::default(),
            heartbeats: vec![HeartbeatSettings::default(), HeartbeatSettings::info_inhibitor()],
            silences: SilenceSettings::default(),
            maintenance: Maintenance::default(),
            inhibit: Vec::new(),
            late_window: Duration::from_secs(90),
            flap_window: 15 * MINUTE,
            stale_after: 9 * HOUR,
            update_every: MINUTE,
            agent_timeout: HOUR,
            cooldown: 30 * MINUTE,
            cooldown_max: 24 * HOUR,
            block_after: 3,
            block_for: HOUR,
            keep: 7 * 24 * HOUR,
            max_signals: 200_000,
            max_incidents: 50_000,
        }
    }
}

impl Escalation {
    const fn after(total: u32, burst: u32, within: Duration, priority: Priority) -> Self {
        Self { total, burst, within, priority, unacked_after: None, repeat_every: None, max_repeats: 3 }
    }
}

impl Default for StormSettings {
    fn default() -> Self {
        Self {
            key: vec!["alertname".to_owned()],
            signals: 10,
            signals_within: MINUTE,
            resources: 5,
            resources_within: 2 * MINUTE,
            resource_labels: ["instance", "pod", "node", "host"].map(str::to_owned).to_vec(),
            digest_every: MINUTE,
            calm_for: 5 * MINUTE,
        }
    }
}

impl HeartbeatSettings {
    fn of_alert(name: &str, alertname: &str) -> Self {
        let alertname = Pattern::new(alertname).unwrap_or_default();
        Self { name: name.to_owned(), labels: vec![("alertname".to_owned(), alertname)], missing_after: None }
    }

    /// An alert of kube-prometheus that is only there to inhibit others, and comes and goes with them.
    fn info_inhibitor() -> Self {
        Self::of_alert("info-inhibitor", "InfoInhibitor")
    }
}

impl Default for HeartbeatSettings {
    fn default() -> Self {
        Self::of_alert("watchdog", "{Watchdog,DeadMansSwitch}")
    }
}
