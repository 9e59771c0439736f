//! Accepting connections at one address.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::connection::Connection;
use super::error::HttpError;
use super::tls::Tls;
use super::turn_away::{busy, turn_away};
use crate::http::router::Router;
use crate::http::surface::Surface;
use crate::metrics::ByReason;

/// Callers beyond the limit of connections that are answered at once; the connections of more are closed.
const TURNED_AWAY: usize = 64;

/// How long such a caller may take to read its answer.
const FAREWELL: Duration = Duration::from_secs(1);

/// How long to wait when the system has no descriptors left.
const PAUSE: Duration = Duration::from_millis(100);

/// A socket that listens.
pub(crate) struct Listener {
    pub(crate) address: SocketAddr,
    socket: TcpListener,
    pub(crate) surface: Surface,
    pub(crate) tls: Option<Arc<Tls>>,
    connections: Arc<Semaphore>,
}

impl Listener {
    /// Listens at `address`, or on the socket that was `inherited`.
    pub(crate) async fn bind(
        address: SocketAddr,
        inherited: Option<std::net::TcpListener>,
        surface: Surface,
        tls: Option<Arc<Tls>>,
        connections: usize,
    ) -> Result<Self, HttpError> {
        let failed = |cause| HttpError::Bind { address, cause };
        let socket = match inherited {
            Some(socket) => TcpListener::from_std(socket).map_err(failed)?,
            None => TcpListener::bind(address).await.map_err(failed)?,
        };
        let address = socket.local_addr().map_err(failed)?;
        let connections = Arc::new(Semaphore::new(connections.min(Semaphore::MAX_PERMITS)));
        Ok(Self { address, socket, surface, tls, connections })
    }

    /// Accepts until `shutdown`; the address is free when this returns.
    ///
    /// A caller beyond the limit is accepted and answered 503 rather than left in the system's queue: it learns at once that
    /// it should come back, and a health check does not hang.
    pub(crate) async fn serve(self, router: Arc<Router>, tasks: TaskTracker, shutdown: CancellationToken) {
        let shared = Arc::clone(router.shared());
        let turned_away = Arc::new(Semaphore::new(TURNED_AWAY));
        loop {
            let accepted = tokio::select! {
                biased;
                () = shutdown.cancelled() => return,
                accepted = self.socket.accept() => accepted,
            };
            let (stream, remote) = match accepted {
                Ok(accepted) => accepted,
                Err(error) if concerns_one_caller(&error) => continue,
                Err(error) => {
                    shared.log_failure(format_args!("Cannot accept connections: {error}"));
                    tokio::time::sleep(PAUSE).await;
                    continue;
                }
            };
            let live = shared.live();
            let is_proxy = live.settings.trusted_proxies.trusts(remote.ip().to_canonical());
            let counted = if is_proxy { Some(None) } else { live.connection_limit.enter(remote.ip()).map(Some) };
            let place = Arc::clone(&self.connections).try_acquire_owned().ok();
            let reason = if counted.is_some() { "connections" } else { "connections_per_address" };
            if let (Some(counted), Some(place)) = (counted, place) {
                let connection = Connection {
                    router: Arc::clone(&router),
                    live,
                    surface: self.surface,
                    remote,
                    tls: self.tls.clone(),
                    tasks: tasks.clone(),
                    place,
                    counted,
                    stop: shutdown.child_token(),
                };
                tasks.spawn(connection.serve(stream));
                continue;
            }
            shared.metrics.refused.get_or_create(&ByReason::new(reason)).inc();
            shared
                .log_failure(format_args!("Callers are turned away, `http.max_{reason}` is reached: {}", remote.ip()));
            // Over TLS a handshake would cost more than the answer is worth, so the connection is only closed.
            if self.tls.is_none()
                && let Ok(place) = Arc::clone(&turned_away).try_acquire_owned()
            {
                let busy = busy(&live.retry_after);
                tasks.spawn(async move {
                    turn_away(stream, busy.as_bytes(), FAREWELL).await;
                    drop(place);
                });
            }
        }
    }
}

/// Whether a failed `accept` concerns one caller, and not the listener.
fn concerns_one_caller(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset, Interrupted};
    matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset | Interrupted)
}
