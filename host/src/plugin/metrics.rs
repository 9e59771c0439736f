//! Metrics of plugins and their calls.

use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Unit;

use crate::metrics::{Durations, Metrics, labels};

labels! {
    pub(super) ByPlugin { plugin }
}
labels! {
    /// By plugin and how a call ended.
    pub(super) ByCall { plugin, outcome }
}
labels! {
    /// By plugin and the limit that was hit.
    pub(super) ByLimit { plugin, limit }
}
labels! {
    /// By plugin and why it was rolled back.
    pub(super) ByCause { plugin, cause }
}

pub(super) struct PluginMetrics {
    pub(super) calls: Family<ByCall, Counter>,
    pub(super) call_duration: Family<ByPlugin, Histogram, Durations>,
    pub(super) traps: Family<ByPlugin, Counter>,
    pub(super) limit_hits: Family<ByLimit, Counter>,
    pub(super) memory_growths: Family<ByPlugin, Counter>,
    pub(super) generation: Family<ByPlugin, Gauge>,
    pub(super) load_failures: Family<ByPlugin, Counter>,
    pub(super) rollbacks: Family<ByCause, Counter>,
    pub(super) fallbacks: Family<ByPlugin, Counter>,
}

impl PluginMetrics {
    pub(super) fn register(metrics: &Metrics) -> Self {
        Self {
            calls: metrics.register("gateway_plugin_calls", "Plugin calls by how they ended", Family::default()),
            call_duration: metrics.register_with_unit(
                "gateway_plugin_call_duration",
                "Time of a plugin call, instantiation included",
                Unit::Seconds,
                Family::new_with_constructor(Durations),
            ),
            traps: metrics.register("gateway_plugin_traps", "Plugin calls that trapped", Family::default()),
            limit_hits: metrics.register(
                "gateway_plugin_limit_hits",
                "Plugin calls and compilations stopped by a limit",
                Family::default(),
            ),
            memory_growths: metrics.register(
                "gateway_plugin_memory_growths",
                "How often plugins outgrew the memory that their instances begin with, which makes a call slow",
                Family::default(),
            ),
            generation: metrics.register("gateway_plugin_generation", "The serving generation", Family::default()),
            load_failures: metrics.register(
                "gateway_plugin_load_failures",
                "Plugin files that were not taken into service",
                Family::default(),
            ),
            rollbacks: metrics.register(
                "gateway_plugin_rollbacks",
                "Plugins whose version before was taken back into service",
                Family::default(),
            ),
            fallbacks: metrics.register(
                "gateway_plugin_fallbacks",
                "Requests that the version before took, because a new one failed or refused them",
                Family::default(),
            ),
        }
    }
}
