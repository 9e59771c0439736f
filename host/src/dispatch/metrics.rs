//! Metrics of deliveries and agents.

use std::sync::atomic::AtomicU64;

use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Unit;

use crate::event::AgentName;
use crate::metrics::{ByAgent, Durations, Metrics, labels};

labels! {
    /// By agent and outcome of the attempt.
    pub(super) ByOutcome { agent, outcome }
}

labels! {
    /// By agent and what failed.
    pub(super) ByClass { agent, class }
}
labels! {
    /// By agent and the length of a window.
    pub(super) ByWindow { agent, window }
}

/// A gauge that is no whole number.
type Fraction = Gauge<f64, AtomicU64>;

pub(super) struct DispatchMetrics {
    pub(super) task_duration: Family<ByAgent, Histogram, Durations>,
    pub(super) tasks_in_queue: Family<ByAgent, Gauge>,
    pub(super) attempts: Family<ByOutcome, Counter>,
    pub(super) breaker_state: Family<ByAgent, Gauge>,
    pub(super) breaker_opened: Family<ByAgent, Counter>,
    pub(super) failures: Family<ByClass, Counter>,
    pub(super) burn_rate: Family<ByWindow, Fraction>,
    pub(super) budget_remaining: Family<ByAgent, Fraction>,
    pub(super) budget_left: Family<ByAgent, Fraction>,
}

impl DispatchMetrics {
    pub(super) fn register(metrics: &Metrics) -> Self {
        Self {
            task_duration: metrics.register_with_unit(
                "task_processing_duration",
                "From the commit of an event to the end of its delivery",
                Unit::Seconds,
                Family::new_with_constructor(Durations),
            ),
            tasks_in_queue: metrics.register("tasks_in_queue", "Deliveries that wait in memory", Family::default()),
            attempts: metrics.register("gateway_delivery_attempts", "Attempts by what they came to", Family::default()),
            breaker_state: metrics.register(
                "gateway_circuit_breaker_state",
                "Whether an agent is tried: 0 closed, 1 open, 2 half-open",
                Family::default(),
            ),
            breaker_opened: metrics.register(
                "gateway_circuit_breaker_opened",
                "How often an agent was left alone because it failed",
                Family::default(),
            ),
            failures: metrics.register(
                "gateway_agent_failures",
                "Attempts and probes that failed, by what failed",
                Family::default(),
            ),
            burn_rate: metrics.register(
                "gateway_agent_burn_rate",
                "How many times faster than its objective allows an agent fails, in windows up to that of the objective; 0 without attempts",
                Family::default(),
            ),
            budget_remaining: metrics.register(
                "gateway_agent_budget_remaining_ratio",
                "The share of the failures that the objective of an agent allows that is left, since the start of the gateway",
                Family::default(),
            ),
            budget_left: metrics.register_with_unit(
                "gateway_agent_budget_left",
                "How long the budget of an agent lasts at the rate of now; absent if it lasts",
                Unit::Seconds,
                Family::default(),
            ),
        }
    }

    /// Removes what describes an agent at the moment. What counts stays.
    pub(super) fn forget(&self, agent: &AgentName) {
        let by = ByAgent::new(agent);
        self.tasks_in_queue.remove(&by);
        self.breaker_state.remove(&by);
    }
}
