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
mod endpoint;
mod failure_class;
mod health;
mod hold;
mod inbox;
mod job;
mod memory_budget;
mod metrics;
mod objective;
mod pace;
mod pause;
mod permits;
mod queues;
mod recovery;
mod respond;
mod retry;
mod route;
mod settings;
mod supervisor;
mod task;
mod track_record;
mod watch;
mod window;

use std::collections::BTreeMap;
use std::sync::Arc;

use arc_swap::ArcSwap;

use crate::caller::Caller;
use crate::event::{AgentName, ChannelName, Destination, Event, Facts, RequestId, Seq};
use crate::eventlog::{CommitSink, EventLog, EventLogError, NewDelivery};
use crate::lifecycle::Tasks;
use crate::metrics::Metrics;
use crate::notice::{Notice, Notices};
use crate::plugin::PluginHost;
use crate::skill::Skills;

pub use self::agent::{AgentState, AgentStatus, BreakerStatus, EndpointStatus};
pub use self::breaker::{BreakerSettings, BreakerState};
pub use self::endpoint::Health;
pub use self::failure_class::FailureClass;
pub use self::hold::{AgentFailure, Hold, Holder};
pub use self::objective::{BurnRate, BurnStatus, ObjectiveSettings, ObjectiveStatus, Urgency};
pub use self::pause::Pause;
pub use self::queues::OnFailure;
pub use self::retry::RetrySettings;
pub use self::route::{
    Condition, Explanation, Field, Mode, Number, Pointer, RouteSettings, RouteStatus, Routes, Scalar, Test,
};
pub use self::settings::{AgentSettings, HealthSettings, Settings};
pub use self::track_record::{ClassCount, Lately};
pub use self::watch::{SyncOutcome, Watch};

use self::agent::{Agent, Setup};
use self::context::{Agents, Context};
use self::memory_budget::MemoryBudget;
use self::metrics::DispatchMetrics;
use self::pause::Pauses;
use self::supervisor::{AgentChange, Changes, Supervisor};

/// The name of the tasks of [`Dispatch::start`].
pub const DELIVERIES: &str = "deliveries";

/// The front of the module.
#[derive(Clone)]
pub struct Dispatch {
    context: Arc<Context>,
    changes: Arc<Changes>,
}

/// Routes and agents that can replace those in force. They change nothing until then.
pub struct PreparedDispatch {
    routes: Routes,
    /// What each agent is set up with; `None` if nothing changes for it.
    setups: BTreeMap<AgentName, Option<Setup>>,
}

impl Dispatch {
    /// Prepares routes and agents. Deliveries start with [`Dispatch::start`]; until then the log keeps them.
    pub fn new(settings: Settings, plugins: PluginHost, skills: Skills, notices: Notices, metrics: &Metrics) -> Self {
        let context = Context {
            routes: ArcSwap::from_pointee(Routes::new(Vec::new())),
            agents: ArcSwap::default(),
            budget: Arc::new(MemoryBudget::new(settings.held_bytes)),
            plugins,
            skills,
            notices,
            pauses: Pauses::default(),
            watchers: Arc::default(),
            metrics: DispatchMetrics::register(metrics),
        };
        let dispatch = Self { context: Arc::new(context), changes: Arc::default() };
        let prepared = dispatch.prepare(settings);
        dispatch.replace(prepared, Seq(0));
        dispatch
    }

    /// Prepares other routes and agents.
    pub fn prepare(&self, settings: Settings) -> PreparedDispatch {
        let agents = self.context.agents.load();
        let is_new = |settings: &AgentSettings| {
            agents.get(&settings.name).is_none_or(|agent| agent.setup().settings != *settings)
        };
        let configured = settings.agents.into_iter();
        let setup = |settings: AgentSettings| {
            let before = agents.get(&settings.name).map(|agent| agent.setup());
            let new = || Setup::new(settings.clone(), &self.context.plugins, before.as_deref());
            let setup = is_new(&settings).then(new);
            (settings.name, setup)
        };
        PreparedDispatch { routes: Routes::new(settings.routes), setups: configured.map(setup).collect() }
    }

    /// Replaces routes and agents. Attempts in flight end as they began. An agent that is gone gets no further attempt, and its
    /// open deliveries stay in the log; one that is new gets what the log has for it. No delivery overtakes another.
    ///
    /// `head` is the last position of the log.
    pub fn replace(&self, prepared: PreparedDispatch, head: Seq) {
        let PreparedDispatch { routes, setups } = prepared;
        let Context { agents, budget, metrics, .. } = &*self.context;
        let before = agents.load_full();
        let mut after = Agents::new();
        let mut change = AgentChange::default();
        for (name, setup) in setups {
            let agent = match (before.get(&name), setup) {
                (Some(agent), None) => Arc::clone(agent),
                (Some(agent), Some(setup)) => {
                    agent.replace(setup, metrics);
                    Arc::clone(agent)
                }
                (None, Some(setup)) => {
                    let agent = Arc::new(Agent::new(setup, Arc::clone(budget)));
                    agent.inbox.begin(head);
                    agent.show(metrics);
                    change.started.push(Arc::clone(&agent));
                    agent
                }
                (None, None) => continue,
            };
            after.insert(name, agent);
        }
        change.retired = before.values().filter(|agent| !after.contains_key(&agent.name)).cloned().collect();
        // Agents come before the routes to them, and go after them.
        let all: Agents =
            change.retired.iter().map(|agent| (agent.name.clone(), Arc::clone(agent))).chain(after.clone()).collect();
        agents.store(Arc::new(all));
        self.context.routes.store(Arc::new(routes));
        agents.store(Arc::new(after));
        for agent in &change.retired {
            agent.retired.cancel();
            agent.hide(metrics);
        }
        self.changes.add(change);
    }

    /// Starts the deliveries of `log`, old and new. Attempts that are aborted at the stop are retried after the next start.
    pub fn start(&self, log: &EventLog) -> Tasks {
        let mut tasks = Tasks::new(DELIVERIES)
            .warn_when_cut_off("Attempts were cut off, their deliveries go on after the next start");
        // What is in the log already is read from there.
        self.context.agents.load().values().for_each(|agent| agent.inbox.begin(log.head()));
        let supervisor = Supervisor::new(&self.context, &self.changes, log);
        tasks.spawn(|stop| supervisor.run(stop));
        tasks
    }

    /// Where such an event goes.
    pub fn route(&self, facts: &Facts<'_>) -> Destination {
        self.context.routes.load().destination(facts)
    }

    /// The same, and why.
    pub fn explain(&self, facts: &Facts<'_>) -> Explanation {
        self.context.routes.load().explain(facts)
    }

    /// Whether a synchronous route covers the channel.
    pub fn may_wait(&self, channel: &ChannelName) -> bool {
        self.context.routes.load().may_wait(channel)
    }

    /// Waits for the end of a delivery of `request`. Call it before the events are committed.
    pub fn watch(&self, request: RequestId) -> Watch {
        Watch::new(&self.context.watchers, request)
    }

    /// Every agent, by name.
    pub fn agents(&self) -> Vec<AgentStatus> {
        self.context.agents.load().values().map(|agent| self.status_of(agent)).collect()
    }

    /// One agent; `None` if it is not configured.
    pub fn agent(&self, name: &AgentName) -> Option<AgentStatus> {
        self.context.agents.load().get(name).map(|agent| self.status_of(agent))
    }

    /// Looks how the objectives of the agents stand. Returns what there is to notice.
    pub fn look(&self) -> Vec<Notice> {
        self.context.agents.load().values().filter_map(|agent| agent.look(&self.context.metrics)).collect()
    }

    /// Whether anybody speaks for an agent.
    pub fn has_callers(&self) -> bool {
        self.context.agents.load().values().any(|agent| !agent.setup().settings.callers.is_empty())
    }

    /// The agents that somebody speaks for, with those who do.
    pub fn callers(&self) -> Vec<(AgentName, Vec<Arc<Caller>>)> {
        let agents = self.context.agents.load();
        let callers = agents.values().map(|agent| (agent.name.clone(), agent.setup().settings.callers.clone()));
        callers.filter(|(_, callers)| !callers.is_empty()).collect()
    }

    fn status_of(&self, agent: &Agent) -> AgentStatus {
        agent.status(&self.context.plugins, self.context.pauses.of(&agent.name))
    }

    /// What holds the deliveries of an agent right now, if anything does.
    pub fn hold(&self, name: &AgentName) -> Option<Hold> {
        let agent = self.context.agents.load().get(name).cloned();
        agent.map_or_else(|| Some(Hold::by_absence()), |agent| agent.hold(self.context.pauses.of(name)))
    }

    /// Reads which agents are paused. Waits for the disk.
    ///
    /// # Errors
    /// Those of reads.
    pub fn load_pauses(&self, log: &EventLog) -> Result<(), EventLogError> {
        self.context.pauses.load(log)
    }

    /// Starts no more attempts to an agent, also after a restart; those in flight end.
    ///
    /// # Errors
    /// Those of a commit.
    pub async fn pause(&self, log: &EventLog, name: &AgentName, by: &str) -> Result<Pause, EventLogError> {
        let pause = self.context.pauses.set(log, name, by).await?;
        tracing::info!(agent = %name, by, "Agent paused, its deliveries wait");
        Ok(pause)
    }

    /// Ends the pause of an agent.
    ///
    /// # Errors
    /// Those of a commit.
    pub async fn resume(&self, log: &EventLog, name: &AgentName, by: &str) -> Result<(), EventLogError> {
        if self.context.pauses.clear(log, name).await? {
            tracing::info!(agent = %name, by, "Agent resumed");
        }
        if let Some(agent) = self.context.agents.load().get(name) {
            agent.inbox.lag.notify_one();
        }
        Ok(())
    }

    /// Tries an agent now, unless it is paused: its breaker allows an attempt, and deliveries that wait for a retry are due.
    pub fn retry(&self, name: &AgentName, by: &str) {
        if let Some(agent) = self.context.agents.load().get(name).filter(|_| !self.context.pauses.has(name)) {
            tracing::info!(agent = %name, by, "Agent is tried now");
            agent.hurry(&self.context.metrics);
        }
    }

    /// Every route, in the order of the configuration.
    pub fn routes(&self) -> Vec<RouteStatus> {
        self.context.routes.load().list()
    }
}

impl CommitSink for Dispatch {
    fn committed(&self, event: &Arc<Event>, deliveries: &[NewDelivery]) {
        let agents = self.context.agents.load();
        for delivery in deliveries {
            if let Some(agent) = agents.get(&delivery.agent) {
                agent.inbox.put(delivery, event);
            }
        }
    }
}
