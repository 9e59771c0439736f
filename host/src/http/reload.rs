//! Requests to read the configuration again, and what became of the last one.
//!
//! The server takes requests and shows results; who composes the gateway answers them.

use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use serde::Serialize;
use tokio::sync::{mpsc, oneshot, watch};

use crate::event::Timestamp;
use crate::metrics::{Metrics, labels};

labels! {
    /// By what became of the reload.
    ByOutcome { outcome }
}

/// Requests that wait for a reload. All of them are answered by the same one, so more are refused.
const WAITING: usize = 64;

/// What became of a reload.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum ReloadOutcome {
    Applied,
    /// The configuration is the one in force.
    Unchanged,
    /// The configuration is not valid. The last good one is in force.
    Refused,
}

impl ReloadOutcome {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Applied => "applied",
            Self::Unchanged => "unchanged",
            Self::Refused => "refused",
        }
    }
}

/// One reload of the configuration.
#[derive(Clone, Debug, Serialize)]
pub struct Reload {
    pub outcome: ReloadOutcome,
    pub at: Timestamp,
    /// Who asked for it: `start`, `signal`, `file` or `admin`.
    pub trigger: &'static str,
    /// Keys that changed, and files that a key refers to.
    pub changed: Vec<String>,
    /// Keys that differ from those that the process runs with, and need a restart.
    pub restart: Vec<&'static str>,
    /// Why it was refused, for people.
    pub problem: Option<String>,
    /// Valid settings that are probably mistakes.
    pub warnings: Vec<String>,
}

/// The end of the server: asks, and shows.
pub struct ReloadHandle {
    requests: mpsc::Sender<oneshot::Sender<Reload>>,
    last: watch::Receiver<Reload>,
}

/// The other end: answers.
pub struct ReloadRequests {
    requests: mpsc::Receiver<oneshot::Sender<Reload>>,
    last: watch::Sender<Reload>,
    metrics: ReloadMetrics,
}

struct ReloadMetrics {
    reloads: Family<ByOutcome, Counter>,
    is_good: Gauge,
    good_at: Gauge,
}

/// Both ends. The start counts as a reload that was applied.
pub fn reloads(warnings: Vec<String>, metrics: &Metrics) -> (ReloadHandle, ReloadRequests) {
    let (sender, requests) = mpsc::channel(WAITING);
    let start = Reload {
        outcome: ReloadOutcome::Applied,
        at: Timestamp::now(),
        trigger: "start",
        changed: Vec::new(),
        restart: Vec::new(),
        problem: None,
        warnings,
    };
    let metrics = ReloadMetrics {
        reloads: metrics.register(
            "gateway_config_reloads",
            "Reloads of the configuration by what became of them",
            Family::default(),
        ),
        is_good: metrics.register(
            "gateway_config_last_reload_successful",
            "Whether the configuration in the file is in force: 1, or 0 after it was refused",
            Gauge::default(),
        ),
        good_at: metrics.register(
            "gateway_config_last_reload_success_timestamp_seconds",
            "When the configuration in force was read, in seconds since 1970",
            Gauge::default(),
        ),
    };
    metrics.is_good.set(1);
    metrics.good_at.set(start.at.as_secs());
    let (last, receiver) = watch::channel(start);
    (ReloadHandle { requests: sender, last: receiver }, ReloadRequests { requests, last, metrics })
}

impl ReloadHandle {
    /// The last reload.
    pub fn last(&self) -> Reload {
        self.last.borrow().clone()
    }

    /// Asks for a reload and waits for its end. `None` while too many wait, and once the gateway stops.
    pub(crate) async fn ask(&self) -> Option<Reload> {
        let (reply, answer) = oneshot::channel();
        self.requests.try_send(reply).ok()?;
        answer.await.ok()
    }
}

impl ReloadRequests {
    /// Waits for a request. Answer it, and those that came meanwhile, with [`ReloadRequests::end`].
    pub async fn next(&mut self) -> Vec<oneshot::Sender<Reload>> {
        let mut waiting = Vec::new();
        // No sender is left only while the server is being dropped.
        if self.requests.recv_many(&mut waiting, WAITING).await == 0 {
            std::future::pending::<()>().await;
        }
        waiting
    }

    /// The last reload.
    pub fn last(&self) -> Reload {
        self.last.borrow().clone()
    }

    /// Shows a reload, and tells those who asked for it.
    pub fn end(&self, reload: &Reload, waiting: Vec<oneshot::Sender<Reload>>) {
        let ReloadMetrics { reloads, is_good, good_at } = &self.metrics;
        reloads.get_or_create(&ByOutcome::new(reload.outcome.as_str())).inc();
        let good = reload.outcome != ReloadOutcome::Refused;
        is_good.set(good.into());
        if reload.outcome == ReloadOutcome::Applied {
            good_at.set(reload.at.as_secs());
        }
        self.last.send_replace(reload.clone());
        for reply in waiting {
            drop(reply.send(reload.clone()));
        }
    }
}
