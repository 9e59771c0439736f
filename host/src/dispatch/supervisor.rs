//! Starts the tasks of agents, those of the start and those that a reload adds, and waits for all of them.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::Notify;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::agent::Agent;
use super::context::Context;
use super::health;
use super::recovery::Recovery;
use super::task::AgentTask;
use crate::event::AgentName;
use crate::eventlog::EventLog;

/// Agents that came and went together.
#[derive(Default)]
pub(super) struct AgentChange {
    pub(super) started: Vec<Arc<Agent>>,
    pub(super) retired: Vec<Arc<Agent>>,
}

/// Changes that the supervisor has not seen yet.
#[derive(Default)]
pub(super) struct Changes {
    waiting: Mutex<Vec<AgentChange>>,
    added: Notify,
}

impl Changes {
    pub(super) fn add(&self, change: AgentChange) {
        if !change.started.is_empty() || !change.retired.is_empty() {
            self.waiting.lock().unwrap_or_else(PoisonError::into_inner).push(change);
            self.added.notify_one();
        }
    }

    fn take(&self) -> Vec<AgentChange> {
        std::mem::take(&mut *self.waiting.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// Owns the tasks of all agents. Dropping it aborts them.
pub(super) struct Supervisor {
    context: Arc<Context>,
    changes: Arc<Changes>,
    log: EventLog,
    tasks: JoinSet<()>,
    /// Retired agents that may still have attempts in flight.
    retired: BTreeMap<AgentName, Arc<Agent>>,
}

impl Supervisor {
    pub(super) fn new(context: &Arc<Context>, changes: &Arc<Changes>, log: &EventLog) -> Self {
        Self {
            context: Arc::clone(context),
            changes: Arc::clone(changes),
            log: log.clone(),
            tasks: JoinSet::new(),
            retired: BTreeMap::new(),
        }
    }

    pub(super) async fn run(mut self, stop: CancellationToken) {
        self.tasks.spawn(health::run(Arc::clone(&self.context), stop.clone()));
        while !stop.is_cancelled() {
            for change in self.changes.take() {
                self.begin(change, &stop);
            }
            tokio::select! {
                () = stop.cancelled() => {}
                () = self.changes.added.notified() => {}
                Some(ended) = self.tasks.join_next() => {
                    if let Err(error) = ended {
                        tracing::error!("Task of an agent ended badly: {error}");
                    }
                }
            }
        }
        while self.tasks.join_next().await.is_some() {}
    }

    fn begin(&mut self, change: AgentChange, stop: &CancellationToken) {
        let AgentChange { started, retired } = change;
        self.retired.retain(|_, agent| !agent.ended.is_cancelled());
        let recovery = Arc::new(Recovery::new());
        for agent in &started {
            let predecessor = self.retired.remove(&agent.name);
            if let Some(task) = AgentTask::new(agent, &self.context, &self.log, &recovery, predecessor) {
                self.tasks.spawn(task.run(stop.clone()));
            }
        }
        self.retired.extend(retired.into_iter().map(|agent| (agent.name.clone(), agent)));
        self.tasks.spawn(recovery.run(started, self.context.agents.load_full(), self.log.clone(), stop.clone()));
    }
}
