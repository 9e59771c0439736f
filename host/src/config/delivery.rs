//! The delivery policy: attempts, waits, breaker, queue.

use std::collections::BTreeMap;
use std::num::NonZeroU32;
use std::ops::RangeInclusive;
use std::sync::Arc;
use std::time::Duration;

use super::section::Section;
use super::value::show_duration;
use crate::caller::{Caller, Rate};
use crate::dispatch::{AgentSettings, BreakerSettings, HealthSettings, ObjectiveSettings, OnFailure, RetrySettings};
use crate::egress::EgressSettings;
use crate::event::{AgentName, PluginName};
use crate::plugin::CallLimits;

/// How a rate is written.
const RATE: &str = "a count and a unit, such as `10/s`, `600/m` or `1000/h`";

const LEAST: Duration = Duration::from_millis(1);

/// Reads a policy that no route may use, so that its problems are reported all the same.
pub(super) fn check_policy(section: &Section<'_>) {
    Policy::read(section);
}

/// How deliveries to one agent are made.
pub(super) struct Policy {
    retry: RetrySettings,
    breaker: BreakerSettings,
    objective: Option<ObjectiveSettings>,
    on_failure: OnFailure,
    time: Duration,
    concurrency: usize,
    rate: Option<Rate>,
    queue: usize,
}

/// The other settings of an agent.
pub(super) struct AgentParts {
    pub(super) name: AgentName,
    pub(super) plugin: PluginName,
    pub(super) config: BTreeMap<String, serde_json::Value>,
    pub(super) endpoints: Vec<String>,
    pub(super) health: Option<HealthSettings>,
    pub(super) callers: Vec<Arc<Caller>>,
    pub(super) egress: EgressSettings,
    pub(super) state: usize,
    pub(super) limits: CallLimits,
}

impl Policy {
    pub(super) fn read(section: &Section<'_>) -> Self {
        let on_failure = section.choice("on_failure", &[("block", OnFailure::Block), ("skip", OnFailure::Skip)]);
        Self {
            retry: retry(&section.section("retry")),
            breaker: breaker(&section.section("breaker")),
            objective: objective(&section.section("objective")),
            on_failure: on_failure.unwrap_or(OnFailure::Block),
            time: section.duration("timeout", LEAST..).unwrap_or(Duration::from_secs(30)),
            concurrency: section.count("concurrency", 1..).unwrap_or(16),
            rate: section.parsed("rate", RATE, str::parse),
            queue: section.count("queue", 1..).unwrap_or(10_000),
        }
    }

    /// Completes the settings of an agent.
    pub(super) fn of(self, parts: AgentParts) -> AgentSettings {
        let Self { retry, breaker, objective, on_failure, time, concurrency, rate, queue } = self;
        let AgentParts { name, plugin, config, endpoints, health, callers, egress, state, limits } = parts;
        let limits = CallLimits { time, concurrency, ..limits };
        AgentSettings {
            name,
            plugin,
            config,
            endpoints,
            health,
            callers,
            egress,
            state,
            limits,
            retry,
            on_failure,
            breaker,
            objective,
            rate,
            queue,
        }
    }
}

fn retry(section: &Section<'_>) -> RetrySettings {
    let default = RetrySettings::default();
    let settings = RetrySettings {
        attempts: section.count("attempts", 1..).and_then(NonZeroU32::new).unwrap_or(default.attempts),
        first_wait: section.duration("first_wait", LEAST..).unwrap_or(default.first_wait),
        max_wait: section.duration("max_wait", LEAST..).unwrap_or(default.max_wait),
        jitter: section.fraction("jitter").unwrap_or(default.jitter),
        max_retry_after: section.duration("max_retry_after", Duration::ZERO..).unwrap_or(default.max_retry_after),
        max_age: section.duration("max_age", LEAST..).unwrap_or(default.max_age),
    };
    if settings.first_wait > settings.max_wait {
        section.place("first_wait").problem(
            format!("a duration of at most `max_wait` ({})", show_duration(settings.max_wait)),
            show_duration(settings.first_wait),
        );
    }
    settings
}

fn breaker(section: &Section<'_>) -> BreakerSettings {
    let default = BreakerSettings::default();
    let settings = BreakerSettings {
        failures: section.count("failures", 0..).unwrap_or(default.failures),
        first_open: section.duration("first_open", LEAST..),
        max_open: section.duration("max_open", LEAST..).unwrap_or(default.max_open),
        probes: section.count("probes", 1..=1000).unwrap_or(default.probes),
    };
    if let Some(first_open) = settings.first_open.filter(|first_open| *first_open > settings.max_open) {
        section.place("first_open").problem(
            format!("a duration of at most `max_open` ({})", show_duration(settings.max_open)),
            show_duration(first_open),
        );
    }
    settings
}

/// How much may fail. `None` if the share is 0.
fn objective(section: &Section<'_>) -> Option<ObjectiveSettings> {
    const SHARE: &str = "a percentage from `50%` to `99.999%`, or `0%` for no objective";
    const WINDOW: RangeInclusive<Duration> = Duration::from_secs(60)..=Duration::from_secs(90 * 24 * 3600);
    let default = ObjectiveSettings::default();
    let success = section.parsed("success", SHARE, percentage).unwrap_or(default.success);
    let settings = ObjectiveSettings {
        success,
        window: section.duration("window", WINDOW).unwrap_or(default.window),
        failures: section.count("failures", 1..).unwrap_or(default.failures),
    };
    (success > 0.0).then_some(settings)
}

/// A share that an objective can have.
fn percentage(text: &str) -> Result<f64, ()> {
    let number: f64 = text.strip_suffix('%').ok_or(())?.trim().parse().map_err(|_| ())?;
    if number == 0.0 || (50.0..=99.999).contains(&number) { Ok((number * 1000.0).round() / 100_000.0) } else { Err(()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_share_of_everything_leaves_no_budget() {
        for (text, expected) in [
            ("99%", Ok(0.99)),
            ("99.9 %", Ok(0.999)),
            ("50%", Ok(0.5)),
            ("0%", Ok(0.0)),
            ("100%", Err(())),
            ("10%", Err(())),
            ("-99%", Err(())),
            ("NaN%", Err(())),
            ("0.99", Err(())),
            ("%", Err(())),
        ] {
            assert_eq!(percentage(text), expected, "{text}");
        }
    }
}
