//! How many redeliveries are open, by agent.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::event::AgentName;
use crate::eventlog::engine::Op;
use crate::eventlog::error::EventLogError;
use crate::eventlog::layout::meta::OPEN_REPLAYS;
use crate::eventlog::layout::reader::Store;
use crate::eventlog::layout::{key, record};

/// How many redeliveries are not settled, by agent. Readers get it as it is, so it is replaced while somebody has it.
#[derive(Default)]
pub(super) struct OpenRedeliveries {
    by_agent: Arc<BTreeMap<AgentName, u64>>,
    is_changed: bool,
}

impl OpenRedeliveries {
    pub(super) fn load(store: &Store) -> Result<Self, EventLogError> {
        let by_agent = store.read(&key::meta(OPEN_REPLAYS))?.unwrap_or_default();
        Ok(Self { by_agent: Arc::new(by_agent), is_changed: false })
    }

    pub(super) fn open(&self) -> Arc<BTreeMap<AgentName, u64>> {
        Arc::clone(&self.by_agent)
    }

    /// Notes to whom redeliveries of an event were open before and after a change.
    pub(super) fn note(&mut self, before: Vec<AgentName>, after: Vec<AgentName>) {
        if before == after {
            return;
        }
        let open = Arc::make_mut(&mut self.by_agent);
        for agent in after {
            *open.entry(agent).or_default() += 1;
        }
        for agent in before {
            if let Some(count) = open.get_mut(&agent) {
                *count -= 1;
                if *count == 0 {
                    open.remove(&agent);
                }
            }
        }
        self.is_changed = true;
    }

    pub(super) fn write(&mut self, ops: &mut Vec<Op>) {
        if std::mem::take(&mut self.is_changed) {
            let key = key::meta(OPEN_REPLAYS);
            let value = record::encode(&key, &*self.by_agent);
            ops.push(Op::Put(key, value));
        }
    }
}
