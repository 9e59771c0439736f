//! One address of a backend: its connections, and whether it is up.

use std::future::poll_fn;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tokio_util::task::TaskTracker;

use super::pool::Pool;
use super::standing::{Record, Standing, Verdict};
use super::wire::Wire;
use crate::web::error::Failure;
use crate::web::settings::ProbeSettings;

/// How long a connection may take to be ready for its next request.
const SETTLING: Duration = Duration::from_millis(100);

pub(in crate::web) struct Endpoint {
    pub(in crate::web) address: SocketAddr,
    /// As configured, for `Host`.
    pub(in crate::web) authority: http::HeaderValue,
    pool: Pool,
    standing: Standing,
    in_flight: AtomicUsize,
    tasks: TaskTracker,
}

/// A connection for one request; closed when it is dropped.
pub(in crate::web) struct Lease {
    pub(in crate::web) wire: Wire,
    pub(in crate::web) endpoint: Arc<Endpoint>,
    /// Whether it has carried a request before.
    pub(in crate::web) is_reused: bool,
    _place: Place,
}

/// A request in flight at an address.
struct Place(Arc<Endpoint>);

impl Endpoint {
    pub(super) fn new(
        address: SocketAddr,
        authority: http::HeaderValue,
        probe: &ProbeSettings,
        tasks: TaskTracker,
    ) -> Arc<Self> {
        Arc::new(Self {
            address,
            authority,
            pool: Pool::default(),
            standing: Standing::new(probe.up_after, probe.down_after),
            in_flight: AtomicUsize::new(0),
            tasks,
        })
    }

    /// A connection, kept or new.
    pub(in crate::web) async fn lease(self: &Arc<Self>, limit: Duration) -> Result<Lease, Failure> {
        self.in_flight.fetch_add(1, Ordering::Relaxed);
        let place = Place(Arc::clone(self));
        while let Some(mut wire) = self.pool.take() {
            // The end of the last answer is known a moment before the connection has noticed it.
            let ready = tokio::time::timeout(SETTLING, poll_fn(|cx| wire.sender.poll_ready(cx))).await;
            if ready.is_ok_and(|ready| ready.is_ok()) {
                return Ok(Lease { wire, endpoint: Arc::clone(self), is_reused: true, _place: place });
            }
        }
        let wire = Wire::connect(self.address, limit, &self.tasks).await?;
        Ok(Lease { wire, endpoint: Arc::clone(self), is_reused: false, _place: place })
    }

    pub(in crate::web) fn verdict(&self) -> Verdict {
        self.standing.verdict()
    }

    pub(super) fn record(&self) -> Record {
        self.standing.record()
    }

    pub(super) fn in_flight(&self) -> usize {
        self.in_flight.load(Ordering::Relaxed)
    }

    pub(super) fn idle(&self) -> usize {
        self.pool.len()
    }

    pub(super) fn purge(&self) {
        self.pool.purge();
    }

    /// Notes that a probe was answered.
    pub(in crate::web) fn answered(&self) {
        if self.standing.succeeded() {
            tracing::info!(address = %self.address, "Backend address is up");
        }
    }

    /// Notes that a probe failed, or that a request could not connect.
    pub(in crate::web) fn failed(&self, error: String, is_probe: bool) {
        let reason = error.clone();
        if self.standing.failed(error, is_probe) {
            tracing::warn!(address = %self.address, reason, "Backend address is down");
        }
    }
}

impl Lease {
    /// Keeps the connection for another request.
    pub(in crate::web) fn give_back(self) {
        let Self { wire, endpoint, .. } = self;
        endpoint.pool.put(wire);
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.0.in_flight.fetch_sub(1, Ordering::Relaxed);
    }
}
