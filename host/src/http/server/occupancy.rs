//! What an open connection occupies, also after its upgrade to another protocol.

use std::time::Duration;

use prometheus_client::metrics::gauge::Gauge;
use tokio::sync::OwnedSemaphorePermit;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::connection_limit::CountedConnection;

/// The place of one connection, given back when it is dropped, and how the connection learns of the shutdown.
pub(crate) struct Occupancy {
    /// Among all connections of the listener.
    _place: OwnedSemaphorePermit,
    /// Among those of its address; `None` for a trusted proxy.
    _address: Option<CountedConnection>,
    _open: OpenConnection,
    /// The shutdown waits for these tasks.
    pub(crate) tasks: TaskTracker,
    /// Cancelled at the shutdown.
    pub(crate) stop: CancellationToken,
    /// How long the connection may continue after that.
    pub(crate) grace: Duration,
}

impl Occupancy {
    pub(crate) fn new(
        place: OwnedSemaphorePermit,
        address: Option<CountedConnection>,
        open: OpenConnection,
        tasks: TaskTracker,
        stop: CancellationToken,
        grace: Duration,
    ) -> Self {
        Self { _place: place, _address: address, _open: open, tasks, stop, grace }
    }
}

/// A connection in the metrics.
pub(crate) struct OpenConnection(Gauge);

impl OpenConnection {
    pub(crate) fn new(gauge: &Gauge) -> Self {
        gauge.inc();
        Self(gauge.clone())
    }
}

impl Drop for OpenConnection {
    fn drop(&mut self) {
        self.0.dec();
    }
}
