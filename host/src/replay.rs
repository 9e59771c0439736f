//! Replays: dead letters, or whatever a filter takes, are delivered again on an operator's behalf.
//!
//! It owns how fast that goes: each replay adds so many deliveries in a second, and none while too many replayed
//! deliveries to an agent are open. What a replay has done is in the log, so that it goes on after a restart where it was
//! and delivers nothing twice. Deliberately absent: the attempts themselves, which `dispatch` makes like any others,
//! after those that nobody had to ask for.

mod count;
mod run;
mod throttle;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use prometheus_client::metrics::gauge::Gauge;
use tokio::sync::{Mutex, Notify};

pub use self::count::Count;
use crate::event::{AgentName, Delivery, DeliveryId, DeliveryState};
use crate::eventlog::{DeliveryFilter, EventLog, EventLogError, NewReplay, Replay, ReplayId, ReplayState};
use crate::lifecycle::Tasks;
use crate::metrics::Metrics;

/// Valid input of the module.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// Deliveries that one replay adds in a second, unless it was asked for with another rate.
    pub rate: u32,
    /// Replayed deliveries to one agent that are open at once; more wait for their turn in the log.
    pub open: u64,
    /// Replays that run at once; more are refused.
    pub running: usize,
}

impl Default for Settings {
    fn default() -> Self {
        Self { rate: 100, open: 200, running: 8 }
    }
}

impl Settings {
    /// The highest rate of a replay.
    pub const MAX_RATE: u32 = 10_000;
    /// The most that [`Settings::running`] can be; all of them are kept, with some that ended.
    pub const MAX_RUNNING: usize = Replay::KEPT / 2;
}

/// Why a replay did not begin, or end.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ReplayError {
    /// As many run as may.
    #[error("{running} replays run already")]
    TooMany {
        /// How many run.
        running: usize,
    },
    /// There is more to look through than a caller can wait for.
    #[error("the deliveries could not be counted within {within:?}")]
    TooSlow {
        /// How long it was tried.
        within: Duration,
    },
    /// Others are being counted.
    #[error("other deliveries are being counted")]
    Busy,
    /// No replay has the id.
    #[error("there is no replay {0}")]
    Unknown(ReplayId),
    /// No delivery has the id.
    #[error("there is no such delivery")]
    UnknownDelivery,
    /// The delivery is not settled.
    #[error("the delivery is still to be made")]
    Open,
    /// The event was sent to the agent again since.
    #[error("the delivery was made again already")]
    Superseded,
    /// The delivery's agent is not configured.
    #[error("there is no agent `{0}` any more")]
    UnknownAgent(AgentName),
    /// The log did not do it.
    #[error(transparent)]
    Log(#[from] EventLogError),
}

/// The name of the tasks that [`Replays::start`] begins.
pub const REPLAYS: &str = "replays";

/// The front of the module; clones are the same.
#[derive(Clone)]
pub struct Replays(Arc<Inner>);

struct Inner {
    settings: Settings,
    log: EventLog,
    agents: BTreeSet<AgentName>,
    /// How many replays run.
    running: Gauge,
    /// Somebody has begun a replay.
    begun: Notify,
    /// One caller begins at a time, so that the number of replays is known.
    beginning: Mutex<()>,
    /// One caller counts at a time: it reads the whole log.
    counting: Mutex<()>,
}

impl Replays {
    /// Nothing runs before [`Replays::start`]. Deliveries to others than `agents` are left alone.
    pub fn new(settings: Settings, log: EventLog, agents: BTreeSet<AgentName>, metrics: &Metrics) -> Self {
        let running = metrics.register("gateway_replays_running", "Replays that go on", Gauge::default());
        let (begun, beginning, counting) = (Notify::new(), Mutex::default(), Mutex::default());
        Self(Arc::new(Inner { settings, log, agents, running, begun, beginning, counting }))
    }

    /// Goes on with the replays that the log holds, and with those to come. What is cut off at the end goes on after the
    /// next start.
    pub fn start(&self) -> Tasks {
        let mut tasks = Tasks::new(REPLAYS).warn_when_cut_off("Replays were cut off, they go on after the next start");
        tasks.spawn(|stop| run::all(Arc::clone(&self.0), stop));
        tasks
    }

    /// Counts what a replay of `filter` would deliver again, exactly, as of now. Dead letters when it names no state.
    ///
    /// # Errors
    /// `Busy` and `TooSlow`; `Log` when the log cannot be read.
    pub async fn count(&self, filter: &DeliveryFilter) -> Result<Count, ReplayError> {
        self.0.count(&settled(filter), self.0.log.head()).await
    }

    /// Begins to deliver again what `filter` takes of the events that there are now. Dead letters when it names no state.
    ///
    /// # Errors
    /// `TooMany`, and those of [`Replays::count`].
    pub async fn begin(&self, filter: &DeliveryFilter, by: String, rate: Option<u32>) -> Result<Replay, ReplayError> {
        let Inner { settings, log, beginning, .. } = &*self.0;
        let running = || log.replays().values().filter(|replay| replay.state == ReplayState::Running).count();
        let limit = settings.running;
        let too_many = |running: usize| if running < limit { Ok(()) } else { Err(ReplayError::TooMany { running }) };
        // Before the work of counting, and again when it is this caller's turn.
        too_many(running())?;
        let (filter, last) = (settled(filter), log.head());
        let total = self.0.count(&filter, last).await?.matched;
        let _turn = beginning.lock().await;
        too_many(running())?;
        let rate = rate.unwrap_or(settings.rate).clamp(1, Settings::MAX_RATE);
        let replay = log.begin_replay(NewReplay { filter, by, rate, total, last }).await?;
        tracing::info!(replay = %replay.id, by = replay.by, total, rate, "Replay began");
        self.0.begun.notify_one();
        Ok(replay)
    }

    /// All replays that are known, the latest first.
    pub fn list(&self) -> Vec<Replay> {
        self.0.log.replays().values().rev().cloned().collect()
    }

    /// The replay with `id`.
    ///
    /// # Errors
    /// `Unknown`.
    pub fn find(&self, id: ReplayId) -> Result<Replay, ReplayError> {
        self.0.log.replays().get(&id).cloned().ok_or(ReplayError::Unknown(id))
    }

    /// Ends a replay. What it has added is delivered all the same; one that has ended stays as it is.
    ///
    /// # Errors
    /// `Unknown` and `Log`.
    pub async fn cancel(&self, id: ReplayId) -> Result<Replay, ReplayError> {
        match self.0.log.end_replay(id, ReplayState::Cancelled, None).await {
            Ok(replay) => {
                tracing::info!(replay = %id, state = ?replay.state, replayed = replay.replayed, "Replay was ended");
                Ok(replay)
            }
            Err(EventLogError::NotFound) => Err(ReplayError::Unknown(id)),
            Err(error) => Err(error.into()),
        }
    }

    /// Makes one delivery again. `deliveries` are those of its event as they are now.
    ///
    /// # Errors
    /// `UnknownDelivery`, `Open`, `Superseded`, `UnknownAgent` and `Log`.
    pub async fn renew(&self, id: DeliveryId, deliveries: &[Delivery], by: &str) -> Result<DeliveryId, ReplayError> {
        let delivery = deliveries.get(id.index as usize).ok_or(ReplayError::UnknownDelivery)?;
        if delivery.state.is_open() {
            return Err(ReplayError::Open);
        }
        if !self.0.agents.contains(&delivery.agent) {
            return Err(ReplayError::UnknownAgent(delivery.agent.clone()));
        }
        match self.0.log.renew(id, by).await {
            Ok(Some(new)) => {
                tracing::info!(delivery = ?id, by, "Delivery replayed");
                Ok(new)
            }
            Ok(None) => Err(ReplayError::Superseded),
            Err(EventLogError::NotFound) => Err(ReplayError::UnknownDelivery),
            Err(error) => Err(error.into()),
        }
    }
}

/// The filter with the state that is meant when none is named.
fn settled(filter: &DeliveryFilter) -> DeliveryFilter {
    DeliveryFilter { state: filter.state.or(Some(DeliveryState::Dead)), ..filter.clone() }
}
