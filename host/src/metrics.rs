//! The registry of metrics, labels that modules share, and the text of `/metrics`.
//!
//! Each module registers its metrics in a struct of its own, beside the code that counts. In the Prometheus text format
//! the names of counters end in `_total`.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use prometheus_client::collector::Collector;
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::family::MetricConstructor;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::metrics::info::Info;
use prometheus_client::registry::{Metric, Registry, Unit};

/// The commit that this was built from, if the builder said so: `cargo xtask build --dist` does.
pub const COMMIT: Option<&str> = option_env!("GATEWAY_COMMIT");

/// The media type of [`Metrics::encode`].
pub const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// Defines a set of labels. Labels that only one module uses are defined there.
macro_rules! labels {
    ($(#[$doc:meta])* $visibility:vis $name:ident { $($label:ident),+ }) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq, Hash, prometheus_client::encoding::EncodeLabelSet)]
        $visibility struct $name {
            $($visibility $label: String,)+
        }

        impl $name {
            $visibility fn new($($label: impl ToString),+) -> Self {
                Self { $($label: $label.to_string()),+ }
            }
        }
    };
}

pub(crate) use labels;

labels! {
    /// By channel.
    pub(crate) ByProvider { provider }
}
labels! {
    pub(crate) ByAgent { agent }
}
labels! {
    /// By the reason of a refusal or removal.
    pub(crate) ByReason { reason }
}

/// Builds the histograms of durations: 50 µs to 60 s.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Durations;

impl MetricConstructor<Histogram> for Durations {
    fn new_metric(&self) -> Histogram {
        Histogram::new([
            0.000_05, 0.000_1, 0.000_25, 0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5,
            5.0, 10.0, 30.0, 60.0,
        ])
    }
}

/// The metrics of one gateway. Clones share the registry.
#[derive(Clone, Debug)]
pub struct Metrics(Arc<Mutex<Registry>>);

impl Default for Metrics {
    fn default() -> Self {
        Self::new()
    }
}

impl Metrics {
    /// A registry that contains only the version of the gateway.
    pub fn new() -> Self {
        let mut registry = Registry::default();
        registry.register("gateway_build", "The running version", Info::new([("version", env!("CARGO_PKG_VERSION"))]));
        Self(Arc::new(Mutex::new(registry)))
    }

    /// Registers `metric` under `name`, and returns it for counting.
    pub(crate) fn register<M: Metric + Clone>(&self, name: &str, help: &str, metric: M) -> M {
        self.registry().register(name, help, metric.clone());
        metric
    }

    /// The same for a metric with a unit, which is appended to its name.
    pub(crate) fn register_with_unit<M: Metric + Clone>(&self, name: &str, help: &str, unit: Unit, metric: M) -> M {
        self.registry().register_with_unit(name, help, unit, metric.clone());
        metric
    }

    /// Registers metrics that are made when they are asked for.
    pub(crate) fn register_collector(&self, collector: impl Collector) {
        self.registry().register_collector(Box::new(collector));
    }

    /// All metrics in the OpenMetrics text format.
    pub fn encode(&self) -> String {
        let mut text = String::new();
        encode(&mut text, &self.registry()).expect("writing to a String cannot fail");
        text
    }

    fn registry(&self) -> MutexGuard<'_, Registry> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
