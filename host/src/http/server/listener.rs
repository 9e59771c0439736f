use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use ::http::HeaderValue;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::event::RequestId;
use crate::metrics::ByReason;

use super::connection::Connection;
use super::tls::Tls;
use crate::http::HttpError;
use crate::http::route::Surface;
use crate::http::shared::Front;

/// Callers beyond the limit of connections that are told so at once; the rest is hung up on.
const TURNED_AWAY: usize = 64;

/// What such a caller is told, but for the request id, and how long it may take to hear it.
const BUSY: &str = "{\"type\":\"urn:gateway:problem:overloaded\",\"title\":\"Overloaded\",\"status\":503,\
    \"detail\":\"all connections are taken, try again later\",\"code\":\"overloaded\"";
const FAREWELL: Duration = Duration::from_secs(1);

/// How long to wait when the system has no descriptors left.
const PAUSE: Duration = Duration::from_millis(100);

/// One address that is listened on.
pub(crate) struct Listener {
    pub(crate) address: SocketAddr,
    socket: TcpListener,
    pub(crate) surface: Surface,
    pub(crate) tls: Option<Arc<Tls>>,
    connections: Arc<Semaphore>,
}

impl Listener {
    /// Listens at `address`, or on the socket that `inherited` is.
    pub(crate) async fn bind(
        address: SocketAddr,
        inherited: Option<std::net::TcpListener>,
        surface: Surface,
        tls: Option<Arc<Tls>>,
        connections: usize,
    ) -> Result<Self, HttpError> {
        let failed = |source| HttpError::Bind { address, source };
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
    /// A caller beyond the limit is accepted and told 503 rather than left in the system's queue: it learns at once that
    /// it should come back, and a health check does not hang.
    pub(crate) async fn serve(self, front: Arc<Front>, tasks: TaskTracker, shutdown: CancellationToken) {
        let turned_away = Arc::new(Semaphore::new(TURNED_AWAY));
        loop {
            let accepted = tokio::select! {
                biased;
                () = shutdown.cancelled() => return,
                accepted = self.socket.accept() => accepted,
            };
            let (stream, peer) = match accepted {
                Ok(accepted) => accepted,
                Err(error) if concerns_one_caller(&error) => continue,
                Err(error) => {
                    front.log_failure(format_args!("Cannot accept connections: {error}"));
                    tokio::time::sleep(PAUSE).await;
                    continue;
                }
            };
            let settings = &front.settings;
            let is_proxy = settings.trusted_proxies.trusts(peer.ip().to_canonical());
            let presence = if is_proxy { Some(None) } else { front.crowd.enter(peer.ip()).map(Some) };
            let place = Arc::clone(&self.connections).try_acquire_owned().ok();
            let reason = if presence.is_some() { "connections" } else { "connections_per_address" };
            if let (Some(presence), Some(place)) = (presence, place) {
                let stop = shutdown.child_token();
                let connection =
                    Connection::new(Arc::clone(&front), self.surface, peer, self.tls.clone(), tasks.clone());
                tasks.spawn(async move {
                    connection.serve(stream, stop).await;
                    drop((place, presence));
                });
                continue;
            }
            front.metrics.refused.get_or_create(&ByReason::new(reason)).inc();
            front.log_failure(format_args!("Callers are turned away, `http.max_{reason}` is reached: {}", peer.ip()));
            // Over TLS a handshake would cost more than the answer is worth: the caller is hung up on.
            if self.tls.is_none()
                && let Ok(place) = Arc::clone(&turned_away).try_acquire_owned()
            {
                let busy = busy(&front.retry_after);
                tasks.spawn(async move {
                    // Whether the caller hears it is its own affair.
                    drop(tokio::time::timeout(FAREWELL, turn_away(stream, busy.as_bytes())).await);
                    drop(place);
                });
            }
        }
    }
}

/// Says one thing and reads on until the caller hangs up: unread bytes would make the system discard the answer.
pub(crate) async fn turn_away(mut stream: TcpStream, answer: &[u8]) -> io::Result<()> {
    stream.write_all(answer).await?;
    stream.shutdown().await?;
    let mut ignored = [0; 4096];
    while stream.read(&mut ignored).await? > 0 {}
    Ok(())
}

/// Whether a failed `accept` says something of one caller and nothing of the listener.
fn concerns_one_caller(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset, Interrupted};
    matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset | Interrupted)
}

/// The whole answer to a caller whose request is not even read.
fn busy(retry_after: &HeaderValue) -> String {
    let (id, retry_after) = (RequestId::new(), retry_after.to_str().unwrap_or("5"));
    let body = format!("{BUSY},\"request_id\":\"{id}\"}}\n");
    let length = body.len();
    format!(
        "HTTP/1.1 503 Service Unavailable\r\ncontent-type: application/problem+json\r\nx-request-id: {id}\r\n\
         retry-after: {retry_after}\r\nconnection: close\r\ncontent-length: {length}\r\n\r\n{body}"
    )
}
