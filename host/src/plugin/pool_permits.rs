//! Permits for the pool of instances.

use std::time::Instant;

use tokio::sync::{Semaphore, SemaphorePermit};

use super::contract::Kind;
use super::error::CallError;

/// One permit per instance of the pool. Agents wait for the network, so they may not take the last quarter: it is
/// reserved for channels.
pub(super) struct PoolPermits {
    all: Semaphore,
    agents: Semaphore,
}

impl PoolPermits {
    pub(super) fn new(instances: usize) -> Self {
        Self { all: Semaphore::new(instances), agents: Semaphore::new((instances - instances / 4).max(1)) }
    }

    /// Takes a permit, waiting until `deadline` at most.
    pub(super) async fn take(
        &self,
        kind: Kind,
        deadline: Instant,
    ) -> Result<[Option<SemaphorePermit<'_>>; 2], CallError> {
        let take = async {
            let agent = match kind {
                Kind::Agent => self.agents.acquire().await.ok(),
                Kind::Channel => None,
            };
            [agent, self.all.acquire().await.ok()]
        };
        tokio::time::timeout_at(deadline.into(), take).await.map_err(|_| CallError::Busy)
    }
}
