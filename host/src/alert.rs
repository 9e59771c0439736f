//! Alerts: one problem is told once, with what belongs to it, again when it changes, at once when it escalates, and when it is over.
//!
//! A processor reads the events of the channels that alerts come in by, keeps signals, episodes and incidents as values of the
//! log, and derives the events of the built-in channel `alerts`. It promises that its position, its state and what it tells are
//! one commit, so that no kill changes what an agent is told; that each escalation is told once; and that a signal is told
//! unless something that can be shown says why not. Deliberately absent: who gets the events, which is for the routes.

mod alertmanager;
mod deadlines;
mod environment;
mod error;
mod escalation;
mod figures;
mod heartbeat;
mod hub;
mod id;
mod incident;
mod inhibition;
mod labels;
mod listener;
mod machine;
mod maintenance;
mod matcher;
mod metrics;
mod notification;
mod processor;
mod rules;
mod settings;
mod severity;
mod signal;
mod silence;
mod silences;
mod sink;
mod storm;
mod suppression;
mod tally;
mod told;

pub use self::alertmanager::{AlertmanagerSilence, Import, ImportCounts, ImportError, import_silences};
pub use self::environment::{Environment, EnvironmentSettings};
pub use self::error::AlertError;
pub use self::escalation::Rule;
pub use self::figures::Figures;
pub use self::heartbeat::Heartbeat;
pub use self::hub::{ALERTS, Alerts};
pub use self::id::{IncidentId, SignalId};
pub use self::incident::{Entry, Incident, State};
pub use self::inhibition::InhibitionRule;
pub use self::machine::{Machine, Outcome, Refusal, Speaker};
pub use self::maintenance::{Maintenance, Schedule, ScheduleError, Window};
pub use self::matcher::{MatcherError, Matchers};
pub use self::notification::Notification;
pub use self::processor::Recipients;
pub use self::rules::RuleView;
pub use self::settings::{Correlation, Escalation, HeartbeatSettings, Settings, StormSettings};
pub use self::severity::Level;
pub use self::signal::Signal;
pub use self::silence::{Silence, SilenceDraft, SilenceError, SilenceId, SilenceState};
pub use self::silences::{PutSilence, SilenceSettings, Silences};
pub use self::sink::AlertSink;
pub use self::told::{Kind, SignalView};
