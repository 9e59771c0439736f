//! One task for each replay that runs: find a step, wait for its turn, commit it.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use prometheus_client::metrics::gauge::Gauge;
use tokio::sync::Notify;
use tokio::task::JoinSet;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::count::scan;
use super::record::{Records, Replay, ReplayId, ReplayState};
use super::settings::{Rules, Settings};
use super::step::{Step, scan_of};
use super::throttle::Throttle;
use crate::eventlog::{EventLog, EventLogError};
use crate::metrics::Metrics;

/// How long to wait before the log is asked again.
const RETRY: Duration = Duration::from_secs(1);
/// How often to check whether open deliveries were settled.
const CHECK: Duration = Duration::from_millis(50);
/// The longest that a replay sleeps without checking whether it was ended.
const NAP: Duration = Duration::from_millis(500);

/// What all replays share.
pub(super) struct Runner {
    pub(super) records: Records,
    /// Somebody has begun a replay.
    pub(super) begun: Notify,
    log: EventLog,
    rules: Arc<ArcSwap<Rules>>,
    /// How many replays run.
    running: Gauge,
}

impl Runner {
    pub(super) fn load(log: EventLog, rules: Arc<ArcSwap<Rules>>, metrics: &Metrics) -> Result<Self, EventLogError> {
        let running = metrics.register("gateway_replays_running", "Replays that go on", Gauge::default());
        let records = Records::load(log.clone())?;
        Ok(Self { records, begun: Notify::new(), log, rules, running })
    }

    /// Runs every replay that is to run, until `stop`.
    pub(super) async fn run(self: Arc<Self>, stop: CancellationToken) {
        let mut tasks: JoinSet<ReplayId> = JoinSet::new();
        let mut active = BTreeSet::new();
        while !stop.is_cancelled() {
            for replay in self.records.running() {
                if active.insert(replay.id) {
                    let throttle = Throttle::new(replay.rate, Instant::now());
                    let run = Run { id: replay.id, throttle, runner: Arc::clone(&self) };
                    tasks.spawn(run.run(stop.clone()));
                }
            }
            self.running.set(i64::try_from(tasks.len()).unwrap_or(i64::MAX));
            tokio::select! {
                () = stop.cancelled() => {}
                () = self.begun.notified() => {}
                Some(ended) = tasks.join_next() => match ended {
                    Ok(id) => drop(active.remove(&id)),
                    // Its record still says that it runs; the next start goes on with it.
                    Err(error) => tracing::error!("Replay broke off: {error}"),
                },
            }
        }
        while tasks.join_next().await.is_some() {}
    }
}

/// One replay that runs.
struct Run {
    id: ReplayId,
    throttle: Throttle,
    runner: Arc<Runner>,
}

impl Run {
    async fn run(mut self, stop: CancellationToken) -> ReplayId {
        while let Some(replay) = self.running() {
            // A step that is cut off here is committed as a whole or not at all.
            let step = tokio::select! {
                () = stop.cancelled() => break,
                step = self.step(replay) => step,
            };
            match step {
                Ok(Some(Replay { id, replayed, skipped, state: ReplayState::Done, .. })) => {
                    tracing::info!(replay = %id, replayed, skipped, "Replay is done");
                }
                // With a conflict somebody else has ended the replay or repeated a delivery: find the step again.
                Ok(_) | Err(EventLogError::Conflict(_) | EventLogError::NotFound) => {}
                Err(EventLogError::Closed | EventLogError::Poisoned(_)) => break,
                Err(error) if error.is_transient() => {
                    tracing::warn!(replay = %self.id, "Replay waits: {error}");
                    tokio::select! {
                        () = stop.cancelled() => break,
                        () = tokio::time::sleep(RETRY) => {}
                    }
                }
                Err(error) => {
                    tracing::error!(replay = %self.id, "Replay failed: {error}");
                    let ended = self.runner.records.end(self.id, ReplayState::Failed, Some(error.to_string())).await;
                    if let Err(error) = ended {
                        tracing::error!(replay = %self.id, "Replay cannot be ended, it goes on after a restart: {error}");
                        break;
                    }
                }
            }
        }
        self.id
    }

    /// The replay as it is, while it runs.
    fn running(&self) -> Option<Replay> {
        self.runner.records.get(self.id).filter(|replay| replay.state == ReplayState::Running)
    }

    /// Takes the next step. `None` if the replay was ended before the step had its turn.
    async fn step(&mut self, replay: Replay) -> Result<Option<Replay>, EventLogError> {
        let Runner { records, log, rules, .. } = &*Arc::clone(&self.runner);
        let rules = rules.load_full();
        let Rules { agents, settings: Settings { open, .. } } = &*rules;
        let (query, range, limits) = scan_of(&replay, self.throttle.portion());
        let selection = query.deliveries.clone().unwrap_or_default();
        let mut step = Step::of(scan(log, query, range, limits).await?, &selection);
        if step.concerns(agents) {
            if !self.is_due().await {
                return Ok(None);
            }
            while !step.fit(agents, &log.snapshot().open_redeliveries, *open) {
                if self.running().is_none() {
                    return Ok(None);
                }
                tokio::time::sleep(CHECK).await;
            }
        }
        let (replay, redeliveries) = step.apply(replay, agents);
        self.throttle.take(redeliveries.len(), Instant::now());
        records.change(replay, redeliveries).await.map(Some)
    }

    /// Waits for the next portion. Returns false when the replay was ended meanwhile.
    async fn is_due(&self) -> bool {
        loop {
            let wait = self.throttle.free_at().saturating_duration_since(Instant::now());
            if wait.is_zero() {
                return true;
            }
            tokio::time::sleep(wait.min(NAP)).await;
            if self.running().is_none() {
                return false;
            }
        }
    }
}
