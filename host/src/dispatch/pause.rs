//! Agents that an operator has paused: a value in the log for each, so that a restart changes nothing.

use std::collections::BTreeMap;
use std::sync::{PoisonError, RwLock};

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use crate::event::{AgentName, Timestamp};
use crate::eventlog::{Batch, EventLog, EventLogError, Space, ValueChange};

const SPACE: Space = Space::of_module("pauses");

/// The version of what is stored; it is followed by JSON, in which unknown members are skipped.
const VERSION: u8 = 1;

/// Since when an agent is paused, and by whom.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pause {
    pub since: Timestamp,
    pub by: String,
}

/// All pauses, as they are durable. Those of agents that left the configuration stay.
#[derive(Default)]
pub(super) struct Pauses(RwLock<BTreeMap<AgentName, Pause>>);

impl Pauses {
    /// Reads what the log keeps. Waits for the disk.
    pub(super) fn load(&self, log: &EventLog) -> Result<(), EventLogError> {
        let read = log.values(&SPACE, "")?.into_iter().map(|(key, value)| decode(&key, &value));
        let pauses = read.collect::<Result<_, _>>()?;
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = pauses;
        Ok(())
    }

    pub(super) fn of(&self, agent: &AgentName) -> Option<Pause> {
        self.0.read().unwrap_or_else(PoisonError::into_inner).get(agent).cloned()
    }

    /// Cheap: asked before every attempt.
    pub(super) fn has(&self, agent: &AgentName) -> bool {
        self.0.read().unwrap_or_else(PoisonError::into_inner).contains_key(agent)
    }

    /// Makes it durable, and then so. A pause that is there keeps its time.
    pub(super) async fn set(&self, log: &EventLog, agent: &AgentName, by: &str) -> Result<Pause, EventLogError> {
        if let Some(pause) = self.of(agent) {
            return Ok(pause);
        }
        let pause = Pause { since: Timestamp::now(), by: by.to_owned() };
        let mut value = vec![VERSION];
        serde_json::to_writer(&mut value, &pause).expect("a pause has no keys that JSON cannot have");
        store(log, agent, Some(value.into())).await?;
        self.0.write().unwrap_or_else(PoisonError::into_inner).insert(agent.clone(), pause.clone());
        Ok(pause)
    }

    /// Ends the pause. Returns whether there was one.
    pub(super) async fn clear(&self, log: &EventLog, agent: &AgentName) -> Result<bool, EventLogError> {
        if !self.has(agent) {
            return Ok(false);
        }
        store(log, agent, None).await?;
        Ok(self.0.write().unwrap_or_else(PoisonError::into_inner).remove(agent).is_some())
    }
}

async fn store(log: &EventLog, agent: &AgentName, value: Option<Bytes>) -> Result<(), EventLogError> {
    let values = ValueChange::all(&SPACE, vec![(agent.to_string(), value)]);
    log.commit(Batch { values, ..Batch::default() }).await.map(drop)
}

fn decode(key: &str, value: &Bytes) -> Result<(AgentName, Pause), EventLogError> {
    let place = || format!("s/pauses/{key}");
    let corrupt = |detail: String| EventLogError::Corrupt { key: place(), detail };
    let agent = key.parse::<AgentName>().map_err(|error| corrupt(error.to_string()))?;
    match value.split_first() {
        Some((&VERSION, json)) => {
            Ok((agent, serde_json::from_slice(json).map_err(|error| corrupt(error.to_string()))?))
        }
        Some((&found, _)) => Err(EventLogError::Version { key: place(), found, expected: VERSION }),
        None => Err(corrupt("it is empty".to_owned())),
    }
}
