//! How an agent has done since the gateway started: what failed lately, and how its objective stands.

use std::time::{Duration, Instant};

use serde::Serialize;
use serde_json::json;

use super::failure_class::FailureClass;
use super::hold::AgentFailure;
use super::metrics::{ByWindow, DispatchMetrics};
use super::objective::{Objective, ObjectiveSettings, ObjectiveStatus, Turn};
use super::window::Window;
use crate::event::{AgentName, Timestamp, duration_text};
use crate::metrics::ByAgent;
use crate::notice::Notice;

/// How far back failures are shown.
const LATELY: Duration = Duration::from_secs(300);

pub(super) struct TrackRecord {
    lately: Window,
    objective: Option<Objective>,
}

/// Attempts of the last minutes.
#[derive(Clone, Debug, Serialize)]
#[expect(missing_docs, reason = "the JSON names speak for themselves")]
pub struct Lately {
    pub window: String,
    pub attempts: u32,
    /// The most frequent first.
    pub failures: Vec<ClassCount>,
}

#[derive(Clone, Debug, Serialize)]
#[expect(missing_docs, reason = "the JSON names speak for themselves")]
pub struct ClassCount {
    pub class: FailureClass,
    pub count: u32,
}

impl TrackRecord {
    pub(super) fn new(objective: Option<ObjectiveSettings>, now: Instant) -> Self {
        Self { lately: Window::new(LATELY, now), objective: objective.map(|settings| Objective::new(settings, now)) }
    }

    pub(super) fn reconfigure(&mut self, objective: Option<ObjectiveSettings>, now: Instant) {
        match (&mut self.objective, objective) {
            (Some(objective), Some(settings)) => objective.reconfigure(settings, now),
            (objective, settings) => *objective = settings.map(|settings| Objective::new(settings, now)),
        }
    }

    /// Counts an attempt; `failure` is `None` for one that delivered. One that `is_notice` does not count for the objective: what is
    /// told of an agent must not make more to tell.
    pub(super) fn add(&mut self, failure: Option<FailureClass>, is_notice: bool, now: Instant) {
        self.lately.add(failure, now);
        if let Some(objective) = self.objective.as_mut().filter(|_| !is_notice) {
            objective.add(failure, now);
        }
    }

    /// What there is to tell of the agent `name`; `last` is why it failed last.
    pub(super) fn judge(
        &mut self,
        name: &AgentName,
        last: impl FnOnce() -> Option<AgentFailure>,
        now: Instant,
    ) -> Option<Notice> {
        let objective = self.objective.as_mut()?;
        let turn = objective.judge(now)?;
        let status = objective.status(now, Timestamp::now());
        Some(match turn {
            Turn::Burns(urgency) => {
                let forecast = status.forecast.as_deref();
                tracing::warn!(agent = %name, ?urgency, forecast, "Agent fails more than its objective allows");
                let data =
                    json!({"agent": name, "objective": status, "lately": self.lately(now), "last_failure": last()});
                Notice::new("agent.burning", name, data)
            }
            Turn::Ended(lasted) => {
                tracing::info!(agent = %name, ?lasted, "Agent fails no more than its objective allows");
                let data = json!({"agent": name, "objective": status, "lasted_seconds": lasted.as_secs()});
                Notice::new("agent.burn_ended", name, data)
            }
        })
    }

    /// Whether the attempt that was counted last may have changed something: a failure may begin a burn.
    pub(super) fn is_to_judge(&self, failure: Option<FailureClass>) -> bool {
        failure.is_some() || self.objective.as_ref().is_some_and(Objective::is_burning)
    }

    pub(super) fn lately(&self, now: Instant) -> Lately {
        let counts = self.lately.counts(now);
        let failures = counts.classes().into_iter().map(|(class, count)| ClassCount { class, count }).collect();
        Lately { window: duration_text(self.lately.length()), attempts: counts.attempts(), failures }
    }

    pub(super) fn objective(&self, now: Instant) -> Option<ObjectiveStatus> {
        self.objective.as_ref().map(|objective| objective.status(now, Timestamp::now()))
    }

    /// Updates the metrics of the objective.
    pub(super) fn show(&self, name: &AgentName, metrics: &DispatchMetrics, now: Instant) {
        let Some(objective) = &self.objective else { return };
        for (window, _, rate) in objective.burn_rates(now) {
            let by = ByWindow::new(name, duration_text(window));
            metrics.burn_rate.get_or_create(&by).set(rate.unwrap_or(0.0));
        }
        let by = ByAgent::new(name);
        metrics.budget_remaining.get_or_create(&by).set(objective.remaining(now));
        match objective.gone_in(now) {
            Some(left) => drop(metrics.budget_left.get_or_create(&by).set(left.as_secs_f64())),
            None => drop(metrics.budget_left.remove(&by)),
        }
    }

    /// Removes the metrics of the objective.
    pub(super) fn hide(&self, name: &AgentName, metrics: &DispatchMetrics, now: Instant) {
        for (window, ..) in self.objective.iter().flat_map(|objective| objective.burn_rates(now)) {
            metrics.burn_rate.remove(&ByWindow::new(name, duration_text(window)));
        }
        let by = ByAgent::new(name);
        metrics.budget_remaining.remove(&by);
        metrics.budget_left.remove(&by);
    }
}
