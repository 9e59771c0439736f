//! What an operator does with many deliveries: replays, which redeliver dead letters or whatever a filter matches, and
//! cancellations of those to an agent that is gone.
//!
//! It owns how fast that goes: each replay adds a number of deliveries per second, and none while too many redeliveries to
//! an agent are open. A replay is a processor of the log: what a step adds and how far the replay has come are one commit,
//! so that it goes on after a restart where it was and redelivers nothing twice. Deliberately absent: the attempts
//! themselves, which `dispatch` makes like any others, after those that nobody had to ask for.

mod cancellation;
mod count;
mod error;
mod outcome;
mod record;
mod run;
mod settings;
mod step;
#[cfg(test)]
mod tests;
mod throttle;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use tokio::sync::Mutex;

use self::cancellation::Cancellation;
pub use self::cancellation::Cancelled;
pub use self::count::Count;
use self::count::Counter;
pub use self::error::ReplayError;
pub use self::outcome::Outcomes;
use self::record::Records;
pub use self::record::{Replay, ReplayId, ReplayState};
use self::run::Runner;
use self::settings::Rules;
pub use self::settings::Settings;
use crate::event::{AgentName, DeliveryId, DeliveryState};
use crate::eventlog::{Batch, DeliveryFilter, EventLog, EventLogError, Redelivery, RedeliveryTarget, Stored};
use crate::lifecycle::Tasks;
use crate::metrics::Metrics;

/// The name of the tasks that [`Replays::start`] begins.
pub const REPLAYS: &str = "replays";

/// The front of the module; clones are the same.
#[derive(Clone)]
pub struct Replays(Arc<Inner>);

struct Inner {
    log: EventLog,
    rules: Arc<ArcSwap<Rules>>,
    runner: Arc<Runner>,
    counter: Counter,
    cancellation: Cancellation,
    /// One caller begins at a time, so that the number of replays is known.
    beginning: Mutex<()>,
}

impl Replays {
    /// Reads the replays that the log keeps; nothing runs before [`Replays::start`]. Deliveries to others than `agents` are
    /// left alone. Waits for the disk.
    ///
    /// # Errors
    /// Those of reads.
    pub fn load(
        settings: Settings,
        log: EventLog,
        agents: BTreeSet<AgentName>,
        metrics: &Metrics,
    ) -> Result<Self, EventLogError> {
        let rules = Arc::new(ArcSwap::from_pointee(Rules { settings, agents }));
        let runner = Arc::new(Runner::load(log.clone(), Arc::clone(&rules), metrics)?);
        let counter = Counter::new(log.clone(), Arc::clone(&rules));
        let (cancellation, beginning) = (Cancellation::default(), Mutex::default());
        Ok(Self(Arc::new(Inner { log, rules, runner, counter, cancellation, beginning })))
    }

    /// Replaces the settings and the agents. Replays that run keep their rate.
    pub fn replace(&self, settings: Settings, agents: BTreeSet<AgentName>) {
        self.0.rules.store(Arc::new(Rules { settings, agents }));
    }

    /// Goes on with the replays that the log holds, and with those to come. What is cut off at the end goes on after the
    /// next start.
    pub fn start(&self) -> Tasks {
        let mut tasks = Tasks::new(REPLAYS).warn_when_cut_off("Replays were cut off, they go on after the next start");
        tasks.spawn(|stop| Arc::clone(&self.0.runner).run(stop));
        tasks
    }

    /// Counts what a replay of `filter` would redeliver, exactly, as of now. Dead letters when it names no state.
    ///
    /// # Errors
    /// `Busy` and `TooSlow`; `Log` when the log cannot be read.
    pub async fn count(&self, filter: &DeliveryFilter) -> Result<Count, ReplayError> {
        self.0.counter.count(&settled(filter), self.0.log.head()).await
    }

    /// Begins to redeliver what `filter` matches of the events that there are now. Dead letters when it names no state.
    ///
    /// # Errors
    /// `TooMany`, and those of [`Replays::count`].
    pub async fn begin(&self, filter: &DeliveryFilter, by: String, rate: Option<u32>) -> Result<Replay, ReplayError> {
        let Inner { rules, log, runner, counter, beginning, .. } = &*self.0;
        let settings = rules.load().settings.clone();
        let check = || match runner.records.running().len() {
            running if running >= settings.running => Err(ReplayError::TooMany { running }),
            _ => Ok(()),
        };
        // Before the work of counting, and again when it is this caller's turn.
        check()?;
        let (filter, last) = (settled(filter), log.head());
        let total = counter.count(&filter, last).await?.matched;
        let _turn = beginning.lock().await;
        check()?;
        let rate = rate.unwrap_or(settings.rate).clamp(1, Settings::MAX_RATE);
        let replay = runner.records.add(Replay::new(filter, by, rate, total, log.snapshot().floor, last)).await?;
        tracing::info!(replay = %replay.id, by = replay.by, total, rate, "Replay began");
        runner.begun.notify_one();
        Ok(replay)
    }

    /// All replays that are known, the latest first.
    pub fn list(&self) -> Vec<Replay> {
        let mut replays = self.0.runner.records.all();
        replays.reverse();
        replays
    }

    /// The replay with `id`.
    ///
    /// # Errors
    /// `Unknown`.
    pub fn find(&self, id: ReplayId) -> Result<Replay, ReplayError> {
        self.0.runner.records.get(id).ok_or(ReplayError::Unknown(id))
    }

    /// Ends a replay. What it has added is delivered all the same; one that has ended stays as it is.
    ///
    /// # Errors
    /// `Unknown` and `Log`.
    pub async fn cancel(&self, id: ReplayId) -> Result<Replay, ReplayError> {
        match self.0.runner.records.end(id, ReplayState::Cancelled, None).await {
            Ok(replay) => {
                tracing::info!(replay = %id, state = ?replay.state, replayed = replay.replayed, "Replay was ended");
                Ok(replay)
            }
            Err(EventLogError::NotFound) => Err(ReplayError::Unknown(id)),
            Err(error) => Err(error.into()),
        }
    }

    /// What became of the deliveries of a replay; `None` if there are too many events to look at.
    ///
    /// # Errors
    /// `Log`.
    pub async fn outcomes(&self, replay: &Replay) -> Result<Option<Outcomes>, ReplayError> {
        Outcomes::of(&self.0.log, replay).await
    }

    /// Counts what [`Replays::cancel_deliveries`] would cancel.
    ///
    /// # Errors
    /// `ConfiguredAgent` and `Log`.
    pub async fn count_open(&self, agent: &AgentName) -> Result<u64, ReplayError> {
        self.check_is_gone(agent)?;
        self.0.cancellation.count(&self.0.log, agent).await
    }

    /// Counts the open deliveries to any agent.
    ///
    /// # Errors
    /// `TooSlow` when they cannot be counted in a moment, and `Log`.
    pub async fn open_to(&self, agent: &AgentName) -> Result<u64, ReplayError> {
        const LIMIT: Duration = Duration::from_secs(2);
        let counted = tokio::time::timeout(LIMIT, self.0.cancellation.count(&self.0.log, agent)).await;
        counted.unwrap_or(Err(ReplayError::TooSlow { within: LIMIT }))
    }

    /// Ends the open deliveries to an agent that is not configured any more: they are dead. What is left when the time of a
    /// request is over is cancelled by the next one.
    ///
    /// # Errors
    /// `ConfiguredAgent` and `Log`.
    pub async fn cancel_deliveries(&self, agent: &AgentName, by: &str) -> Result<Cancelled, ReplayError> {
        self.check_is_gone(agent)?;
        let cancelled = self.0.cancellation.run(&self.0.log, agent, by).await?;
        tracing::info!(%agent, by, deliveries = cancelled.deliveries, "Deliveries to an agent that is gone were cancelled");
        Ok(cancelled)
    }

    /// An agent that is configured may be attempting a delivery right now.
    fn check_is_gone(&self, agent: &AgentName) -> Result<(), ReplayError> {
        if self.0.rules.load().agents.contains(agent) {
            Err(ReplayError::ConfiguredAgent(agent.clone()))
        } else {
            Ok(())
        }
    }

    /// Redelivers the delivery `index` of a stored event to its agent.
    ///
    /// # Errors
    /// `UnknownDelivery`, `Open`, `Superseded`, `UnknownAgent` and `Log`.
    pub async fn redeliver(&self, stored: Stored, index: u32, by: &str) -> Result<DeliveryId, ReplayError> {
        let delivery = stored.deliveries.get(index as usize).ok_or(ReplayError::UnknownDelivery)?;
        if delivery.state.is_open() {
            return Err(ReplayError::Open);
        }
        if !self.0.rules.load().agents.contains(&delivery.agent) {
            return Err(ReplayError::UnknownAgent(delivery.agent.clone()));
        }
        let (event, target) = (Arc::new(stored.event), RedeliveryTarget::Repeat { index, state: None });
        let (seq, redelivery) = (event.seq, Redelivery { event, target, by: by.to_owned() });
        match self.0.log.commit(Batch { redeliveries: vec![redelivery], ..Batch::default() }).await {
            Ok(committed) => {
                tracing::info!(delivery = %format!("{seq}.{index}"), by, "Delivery replayed");
                let added = committed.redelivered.into_iter().flatten().next();
                added.ok_or(ReplayError::Superseded)
            }
            Err(EventLogError::Conflict(_)) => Err(ReplayError::Superseded),
            Err(EventLogError::NotFound) => Err(ReplayError::UnknownDelivery),
            Err(error) => Err(error.into()),
        }
    }
}

/// The replays that `log` keeps, the oldest first. Waits for the disk.
///
/// # Errors
/// Those of reads.
pub fn kept(log: &EventLog) -> Result<Vec<Replay>, EventLogError> {
    Ok(Records::load(log.clone())?.all())
}

/// The filter with the state that is meant when none is named.
fn settled(filter: &DeliveryFilter) -> DeliveryFilter {
    DeliveryFilter { state: filter.state.or(Some(DeliveryState::Dead)), ..filter.clone() }
}
