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
mod inbox;
mod job;
mod memory_budget;
mod metrics;
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

use crate::event::{ChannelName, Destination, Event, Facts, RequestId};
use crate::eventlog::{CommitSink, EventLog, NewDelivery};
use crate::lifecycle::Tasks;
use crate::metrics::Metrics;
use crate::plugin::PluginHost;
use crate::skill::Skills;

pub use self::agent::{AgentState, AgentStatus, BreakerStatus};
pub use self::breaker::{BreakerSettings, BreakerState};
pub use self::queues::OnFailure;
pub use self::retry::RetrySettings;
pub use self::route::{
    Condition, Explanation, Field, Mode, Number, Pattern, PatternError, Pointer, RouteSettings, RouteStatus, Routes,
    Scalar, Test,
};
pub use self::settings::{AgentSettings, Settings};
pub use self::watch::{SyncOutcome, Watch};

use self::agent::Agent;
use self::context::Context;
use self::memory_budget::MemoryBudget;
use self::metrics::DispatchMetrics;
use self::recovery::Recovery;
use self::task::AgentTask;

/// The name of the tasks of [`Dispatch::start`].
pub const DELIVERIES: &str = "deliveries";

/// The front of the module.
#[derive(Clone)]
pub struct Dispatch(Arc<Context>);

impl Dispatch {
    /// Prepares routes and agents. Deliveries start with [`Dispatch::start`]; until then the log keeps them.
    pub fn new(settings: Settings, plugins: PluginHost, skills: Skills, metrics: &Metrics) -> Self {
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

    /// Where such an event goes.
    pub fn route(&self, facts: &Facts<'_>) -> Destination {
        self.0.routes.destination(facts)
    }

    /// The same, and why.
    pub fn explain(&self, facts: &Facts<'_>) -> Explanation {
        self.0.routes.explain(facts)
    }

    /// Whether a synchronous route covers the channel.
    pub fn may_wait(&self, channel: &ChannelName) -> bool {
        self.0.routes.may_wait(channel)
    }

    /// Waits for the end of a delivery of `request`. Call it before the events are committed.
    pub fn watch(&self, request: RequestId) -> Watch {
        Watch::new(&self.0.watchers, request)
    }

    /// Every agent, by name.
    pub fn agents(&self) -> Vec<AgentStatus> {
        self.0.agents.values().map(|agent| agent.status(&self.0.plugins)).collect()
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
