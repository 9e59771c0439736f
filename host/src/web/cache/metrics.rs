//! The metrics of the cache.

use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;

use crate::metrics::{Metrics, labels};

labels! {
    /// By what became of a request.
    pub(crate) ByResult { result }
}

/// What became of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// Answered with a fresh response.
    Hit,
    /// Answered with a stale one, as that allows.
    Stale,
    /// Answered with a response that the backend has confirmed.
    Revalidated,
    /// Answered with the response to an equal request.
    Collapsed,
    /// Answered by the backend, and stored.
    Miss,
    /// Answered by the backend, with something that is not stored.
    Uncacheable,
    /// Not for the cache.
    Bypass,
    /// Not answered.
    Failed,
}

impl Outcome {
    const ALL: [Self; 8] = [
        Self::Hit,
        Self::Stale,
        Self::Revalidated,
        Self::Collapsed,
        Self::Miss,
        Self::Uncacheable,
        Self::Bypass,
        Self::Failed,
    ];

    fn name(self) -> &'static str {
        match self {
            Self::Hit => "hit",
            Self::Stale => "stale",
            Self::Revalidated => "revalidated",
            Self::Collapsed => "collapsed",
            Self::Miss => "miss",
            Self::Uncacheable => "uncacheable",
            Self::Bypass => "bypass",
            Self::Failed => "failed",
        }
    }
}

#[derive(Clone)]
pub(crate) struct CacheMetrics {
    /// In the order of [`Outcome::ALL`], because looking one up by its label costs a lock and a text.
    requests: [Counter; Outcome::ALL.len()],
    pub(crate) size: Gauge,
    pub(crate) purged: Counter,
}

impl CacheMetrics {
    pub(crate) fn register(metrics: &Metrics) -> Self {
        let requests = metrics.register(
            "gateway_web_cache_requests",
            "Requests on routes with a cache, by what became of them",
            Family::<ByResult, Counter>::default(),
        );
        Self {
            requests: Outcome::ALL.map(|outcome| requests.get_or_create(&ByResult::new(outcome.name())).clone()),
            size: metrics.register("gateway_web_cache_bytes", "Bytes of stored responses", Gauge::default()),
            purged: metrics.register(
                "gateway_web_cache_purged",
                "Stored responses that were removed by an operator",
                Counter::default(),
            ),
        }
    }

    pub(crate) fn count(&self, outcome: Outcome) {
        self.requests[outcome as usize].inc();
    }

    /// How many requests had this outcome.
    pub(crate) fn requests(&self) -> impl Iterator<Item = (&'static str, u64)> {
        Outcome::ALL.iter().zip(&self.requests).map(|(outcome, counter)| (outcome.name(), counter.get()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_outcome_has_a_counter_of_its_own() {
        let metrics = CacheMetrics::register(&Metrics::new());
        for (number, outcome) in Outcome::ALL.into_iter().enumerate() {
            (0..=number).for_each(|_| metrics.count(outcome));
        }
        let counted: Vec<_> = metrics.requests().collect();
        let expected: Vec<_> = Outcome::ALL.iter().map(|outcome| outcome.name()).zip(1..).collect();
        assert_eq!(counted, expected);
    }
}
