//! Delivery: every routed event reaches its agents, in order per subject, retried, and again after a restart.
//!
//! It owns routes and the queues in memory. The log is the source of truth: deliveries that do not fit in memory stay
//! there and are read when there is room. A start is the same case: every agent is behind from the beginning. It promises
//! that every delivery ends, with at least one attempt, and that there is one attempt at a time per agent and subject.
//! Deliberately absent: what agents are.

mod agent;
mod attempt;
mod breaker;
mod context;
mod hold;
mod inbox;
mod job;
mod memory_budget;
mod metrics;
mod pace;
mod pause;
mod permits;
mod queues;
mod recovery;
mod respond;
mod retry;
mod route;
mod settings;
mod task;
mod watch;

use std::sync::Arc;

use crate::event::{AgentName, ChannelName, Event, Recipient, RequestId};
use crate::eventlog::{CommitSink, EventLog, EventLogError, NewDelivery};
use crate::lifecycle::Tasks;
use crate::metrics::Metrics;
use crate::notice::Notices;
use crate::plugin::PluginHost;
use crate::skill::Skills;

pub use self::agent::{AgentState, AgentStatus, BreakerStatus};
pub use self::breaker::{BreakerSettings, BreakerState};
pub use self::hold::{AgentFailure, Hold, Holder};
pub use self::pause::Pause;
pub use self::queues::OnFailure;
pub use self::retry::RetrySettings;
pub use self::route::{Mode, OnTimeout, Pattern, PatternError, RouteSettings, RouteStatus, SyncMode};
pub use self::settings::{AgentSettings, Settings};
pub use self::watch::{SyncOutcome, Watch};

use self::agent::Agent;
use self::context::Context;
use self::memory_budget::MemoryBudget;
use self::metrics::DispatchMetrics;
use self::pause::Pauses;
use self::recovery::Recovery;
use self::route::Routes;
use self::task::AgentTask;

/// The name of the tasks of [`Dispatch::start`].
pub const DELIVERIES: &str = "deliveries";

/// The front of the module.
#[derive(Clone)]
pub struct Dispatch(Arc<Context>);

impl Dispatch {
    /// Prepares routes and agents. Deliveries start with [`Dispatch::start`]; until then the log keeps them.
    pub fn new(settings: Settings, plugins: PluginHost, skills: Skills, notices: Notices, metrics: &Metrics) -> Self {
        let budget = Arc::new(MemoryBudget::new(settings.held_bytes));
        let agents =
            settings.agents.into_iter().map(|agent| Arc::new(Agent::new(agent, &plugins, Arc::clone(&budget))));
        let agents = agents.map(|agent| (agent.settings.name.clone(), agent)).collect();
        let routes = Routes::new(settings.routes);
        Self(Arc::new(Context {
            routes,
            agents,
            plugins,
            skills,
            notices,
            pauses: Pauses::default(),
            watchers: Arc::default(),
            metrics: DispatchMetrics::register(metrics),
        }))
    }

    /// Starts the deliveries of `log`, old and new. Attempts that are aborted at the stop are retried after the next start.
    pub fn start(&self, log: &EventLog) -> Tasks {
        let mut tasks = Tasks::new(DELIVERIES)
            .warn_when_cut_off("Attempts were cut off, their deliveries go on after the next start");
        let recovery = Arc::new(Recovery::new());
        for agent in self.0.agents.values() {
            agent.inbox.begin(log.head());
            agent.show_breaker(&agent.breaker(), &self.0.metrics);
            if let Some(task) = AgentTask::new(agent, &self.0, log, &recovery) {
                tasks.spawn(|stop| task.run(stop));
            }
        }
        tasks.spawn(|stop| recovery.run(self.0.agents.clone(), log.clone(), stop));
        tasks
    }

    /// The recipients of such an event, each agent once.
    pub fn recipients(&self, channel: &ChannelName, kind: &str, attributes: &[(String, String)]) -> Vec<Recipient> {
        self.0.routes.recipients(channel, kind, attributes)
    }

    /// Whether a synchronous route covers the channel.
    pub fn may_wait(&self, channel: &ChannelName) -> bool {
        self.0.routes.may_wait(channel)
    }

    /// How the caller waits for the agent's answer. `None` if several routes match the event, or the route is asynchronous.
    pub fn sync_mode(&self, channel: &ChannelName, kind: &str) -> Option<SyncMode> {
        self.0.routes.sync_mode(channel, kind)
    }

    /// Waits for the end of a delivery of `request`. Call it before the events are committed.
    pub fn watch(&self, request: RequestId) -> Watch {
        Watch::new(&self.0.watchers, request)
    }

    /// Every agent, by name.
    pub fn agents(&self) -> Vec<AgentStatus> {
        self.0.agents.values().map(|agent| self.status_of(agent)).collect()
    }

    /// One agent; `None` if it is not configured.
    pub fn agent(&self, name: &AgentName) -> Option<AgentStatus> {
        self.0.agents.get(name).map(|agent| self.status_of(agent))
    }

    fn status_of(&self, agent: &Agent) -> AgentStatus {
        agent.status(&self.0.plugins, self.0.pauses.of(&agent.settings.name))
    }

    /// What holds the deliveries of an agent right now, if anything does.
    pub fn hold(&self, name: &AgentName) -> Option<Hold> {
        let agent = self.0.agents.get(name)?;
        agent.hold(self.0.pauses.of(name))
    }

    /// Reads which agents are paused. Waits for the disk.
    ///
    /// # Errors
    /// Those of reads.
    pub fn load_pauses(&self, log: &EventLog) -> Result<(), EventLogError> {
        self.0.pauses.load(log)
    }

    /// Starts no more attempts to an agent, also after a restart; those in flight end.
    ///
    /// # Errors
    /// Those of a commit.
    pub async fn pause(&self, log: &EventLog, name: &AgentName, by: &str) -> Result<Pause, EventLogError> {
        let pause = self.0.pauses.set(log, name, by).await?;
        tracing::info!(agent = %name, by, "Agent paused, its deliveries wait");
        Ok(pause)
    }

    /// Ends the pause of an agent.
    ///
    /// # Errors
    /// Those of a commit.
    pub async fn resume(&self, log: &EventLog, name: &AgentName, by: &str) -> Result<(), EventLogError> {
        if self.0.pauses.clear(log, name).await? {
            tracing::info!(agent = %name, by, "Agent resumed");
        }
        if let Some(agent) = self.0.agents.get(name) {
            agent.inbox.lag.notify_one();
        }
        Ok(())
    }

    /// Tries an agent now, unless it is paused: its breaker allows an attempt, and deliveries that wait for a retry are due.
    pub fn retry(&self, name: &AgentName, by: &str) {
        if let Some(agent) = self.0.agents.get(name).filter(|_| !self.0.pauses.has(name)) {
            tracing::info!(agent = %name, by, "Agent is tried now");
            agent.hurry(&self.0.metrics);
        }
    }

    /// Every route, in the order of the configuration.
    pub fn routes(&self) -> Vec<RouteStatus> {
        self.0.routes.list()
    }
}

impl CommitSink for Dispatch {
    fn committed(&self, event: &Arc<Event>, deliveries: &[NewDelivery]) {
        for delivery in deliveries {
            if let Some(agent) = self.0.agents.get(&delivery.agent) {
                agent.inbox.put(delivery, event);
            }
        }
    }
}
